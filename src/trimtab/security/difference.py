"""What became of a server's security between two snapshots: every difference by itself, and what it means.

A difference is weakened, strengthened, neutral or unknown. Unknown counts as weakened, and nothing is set off against
anything else: ten strengthened settings do not pay for one that was weakened. Pure.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import TypeAlias

from trimtab.security.identity import moved
from trimtab.security.snapshot import IDENTITY, Attribute, Row, SecuritySnapshot, without_identity


class Effect(StrEnum):
    """What a difference does to security."""

    WEAKENED = "weakened"
    STRENGTHENED = "strengthened"
    NEUTRAL = "neutral"
    UNKNOWN = "unknown"

    @property
    def counts_as_weakened(self) -> bool:
        """True for what may not happen unsaid: what weakens, and what nobody can tell."""
        return self in (Effect.WEAKENED, Effect.UNKNOWN)

    @property
    def reversed(self) -> Effect:
        """What it is when the same thing goes the other way."""
        return {Effect.WEAKENED: Effect.STRENGTHENED, Effect.STRENGTHENED: Effect.WEAKENED}.get(self, self)


Told: TypeAlias = "Attribute | Row"


@dataclass(frozen=True, slots=True)
class Difference:
    """One difference. `code` names what it is about (`posture.fsync`), `effect` which way it went.

    `attribute` is "" for a row that came or went as a whole; `before` and `after` are None where there was nothing.
    """

    code: str
    effect: Effect
    section: str
    key: str
    attribute: str
    before: Told
    after: Told

    @property
    def path(self) -> str:
        """Where it is: section, key and attribute."""
        return f"{self.section}[{self.key}]" + (f".{self.attribute}" if self.attribute else "")


@dataclass(frozen=True, slots=True)
class RowChange:
    """A row that differs; None where there was, or is, none."""

    section: str
    key: str
    before: Row | None
    after: Row | None

    @property
    def row(self) -> Row:
        """The row as it is, or was."""
        found = self.after if self.after is not None else self.before
        assert found is not None, "a row differs from something"
        return found

    def value(self, name: str) -> Attribute:
        """Return an attribute as it is, or was."""
        return self.row.get(name)

    def attributes(self) -> Iterator[tuple[str, Attribute, Attribute]]:
        """Yield (name, before, after) of what differs in a row that is there on both sides."""
        if self.before is None or self.after is None:
            return
        for name in sorted((self.before.keys() | self.after.keys()) - IDENTITY):
            old, new = self.before.get(name), self.after.get(name)
            if old != new:
                yield name, old, new

    def whole(self, code: str, effect: Effect) -> Difference:
        """Return the difference that the row is there now, or is not any more."""
        return Difference(code, effect, self.section, self.key, "", self.before, self.after)

    def of(self, name: str, code: str, effect: Effect) -> Difference:
        """Return the difference of one attribute; a row that is new or gone has None there."""
        old = None if self.before is None else self.before.get(name)
        new = None if self.after is None else self.after.get(name)
        return Difference(code, effect, self.section, self.key, name, old, new)

    def members(self, name: str) -> Iterator[tuple[str, bool]]:
        """Yield (member, is it new?) of what a list gained or lost."""
        old, new = _members(self.before, name), _members(self.after, name)
        for member in sorted(old ^ new):
            yield member, member in new

    def member(self, name: str, member: str, is_new: bool, code: str, effect: Effect) -> Difference:
        """Return the difference that a list gained or lost a member."""
        old, new = (None, member) if is_new else (member, None)
        return Difference(code, effect, self.section, self.key, name, old, new)


@dataclass(frozen=True, slots=True)
class Both:
    """The two snapshots that are compared, for rules that need more than the row."""

    before: SecuritySnapshot
    after: SecuritySnapshot

    def is_new(self, section: str, key: str) -> bool:
        """True when there was no such row."""
        return self.before.row(section, key) is None

    def is_gone(self, section: str, key: str) -> bool:
        """True when there is no such row any more."""
        return self.after.row(section, key) is None


def compare(before: SecuritySnapshot, after: SecuritySnapshot) -> tuple[Difference, ...]:
    """Return all differences, in the order of their paths. What has another name now is compared with itself too."""
    from trimtab.security.rules import judge  # the rules know this module's values

    def judged(old: SecuritySnapshot, new: SecuritySnapshot) -> Iterator[Difference]:
        both = Both(old, new)
        for section in sorted(old.sections.keys() & new.sections.keys()):
            for change in _changes(section, old, new):
                yield from judge(change, both)

    found = [*_readability(before, after), *judged(before, after)]
    found += [each for each in judged(*moved(before, after)) if each not in found]
    return tuple(sorted(found, key=lambda each: (each.path, str(each.before), str(each.after))))


def counted_as_weakened(differences: Sequence[Difference]) -> tuple[Difference, ...]:
    """Return those that weaken, or that nobody can tell."""
    return tuple(each for each in differences if each.effect.counts_as_weakened)


def _readability(before: SecuritySnapshot, after: SecuritySnapshot) -> Iterator[Difference]:
    """Yield what could be read on one side alone: of that nothing can be said."""
    for section in sorted(before.unreadable.keys() | after.unreadable.keys()):
        old, new = before.unreadable.get(section), after.unreadable.get(section)
        if old != new:
            effect = Effect.UNKNOWN if new is not None else Effect.NEUTRAL
            yield Difference("posture.unreadable", effect, section, "", "", old, new)
    told = before.unreadable.keys() | after.unreadable.keys()
    for section in sorted((before.sections.keys() ^ after.sections.keys()) - told):
        was = "read" if section in before.sections else None
        yield Difference("posture.section", Effect.UNKNOWN, section, "", "", was, None if was else "read")


def _changes(section: str, before: SecuritySnapshot, after: SecuritySnapshot) -> Iterator[RowChange]:
    old, new = before.rows(section), after.rows(section)
    keys = old.keys() | new.keys()
    if section in before.unreadable:  # in part: what is missing there was not seen, and so did not come
        keys = keys & old.keys()
    if section in after.unreadable:
        keys = keys & new.keys()
    for key in sorted(keys):
        if without_identity(old.get(key)) != without_identity(new.get(key)):
            yield RowChange(section, key, old.get(key), new.get(key))


def _members(row: Row | None, name: str) -> frozenset[str]:
    value = None if row is None else row.get(name)
    return frozenset(value) if isinstance(value, tuple) else frozenset()
