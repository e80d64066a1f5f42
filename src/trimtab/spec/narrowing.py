"""How two specifications meet, field by field: the result allows exactly what both allow.

Every field of a specification is annotated with one of these. There is no way to write a field that can be widened.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import cast

from trimtab.spec.approvers import common
from trimtab.spec.patterns import intersect, simplify
from trimtab.spec.settings import SettingLimits, meet_settings
from trimtab.spec.windows import Windows, both


class NoMeetError(ValueError):
    """Two limits have nothing in common, and nothing that could stand for that."""


@dataclass(frozen=True, slots=True)
class Narrowing:
    """`meet` gives the narrower of two values; `rule` says in words what a child may write.

    `adds` marks deny-lists: what a child writes is added to its parent's, so it can never widen.
    """

    meet: Callable[[object, object], object]
    rule: str
    adds: bool = False

    def widens(self, parent: object, child: object) -> bool:
        """True when the child's value allows something that the parent's forbids."""
        try:
            return not self.adds and self.meet(parent, child) != child
        except NoMeetError:
            return True


def _numbers(choose: Callable[[float, float], float]) -> Callable[[object, object], object]:
    return lambda left, right: choose(cast(float, left), cast(float, right))


def _common(left: object, right: object) -> object:
    return tuple(sorted(set(cast(tuple[str, ...], left)) & set(cast(tuple[str, ...], right))))


def _both_patterns(left: object, right: object) -> object:
    return intersect(cast(tuple[str, ...], left), cast(tuple[str, ...], right))


def _all_patterns(left: object, right: object) -> object:
    return simplify((*cast(tuple[str, ...], left), *cast(tuple[str, ...], right)))


def _longer_prefix(left: object, right: object) -> object:
    short, long = sorted((cast(str, left), cast(str, right)), key=len)
    if not long.startswith(short):
        raise NoMeetError("neither prefix begins with the other")
    return long


def _settings(left: object, right: object) -> object:
    return meet_settings(cast(SettingLimits, left), cast(SettingLimits, right))


def _open_in_both(left: object, right: object) -> object:
    return both(cast(Windows, left), cast(Windows, right))


def _pinned_in_both(left: object, right: object) -> object:
    if left is None or right is None:
        return right if left is None else left
    return common(cast(tuple[str, ...], left), cast(tuple[str, ...], right))


def _the_same(left: object, right: object) -> object:
    if left != right:
        raise NoMeetError(f"neither {left} nor {right} is the narrower")
    return left


def ranked(*wide_to_narrow: str) -> Narrowing:
    """Return the narrowing of a word that stands on a scale."""
    order = wide_to_narrow.index
    return Narrowing(
        lambda left, right: max(cast(str, left), cast(str, right), key=order),
        "may only move to the right in: " + ", ".join(wide_to_narrow),
    )


AT_MOST = Narrowing(_numbers(min), "may only be smaller")
AT_LEAST = Narrowing(_numbers(max), "may only be larger")
ALLOW_LIST = Narrowing(_common, "may only leave entries out")
ALLOW_PATTERNS = Narrowing(_both_patterns, "may only stand for fewer names")
DENY_PATTERNS = Narrowing(_all_patterns, "is added to the parent's list", adds=True)
REQUIREMENT = Narrowing(lambda left, right: bool(left) or bool(right), "may only change from false to true")
PERMISSION = Narrowing(lambda left, right: bool(left) and bool(right), "may only change from true to false")
FIXED = Narrowing(_the_same, "may only be the same: less would show less, more would cost the servers more")
PREFIX = Narrowing(_longer_prefix, "may only be made longer")
SETTING_LIMITS = Narrowing(_settings, "may only leave settings out or narrow their values")
WINDOWS = Narrowing(_open_in_both, "must be open as well as the parent's", adds=True)
APPROVERS = Narrowing(_pinned_in_both, "may only name those whom the parent names, if it names any, and end sooner")
