"""What differs between two specifications, and whether it allows more or less. Pure; judges no change."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from trimtab.spec.inherit import each_field
from trimtab.spec.narrowing import Narrowing, NoMeetError
from trimtab.spec.specification import Json, Specification, field_values


class Direction(StrEnum):
    """Which way a field moved. `CHANGED` is both: it allows what was forbidden, and forbids what was allowed."""

    LOOSENED = "loosened"
    TIGHTENED = "tightened"
    CHANGED = "changed"


@dataclass(frozen=True, slots=True)
class Difference:
    """A field, or a rule as `rules.ID`, before and after, as documents write them; None where it is not there."""

    path: str
    before: Json
    after: Json
    direction: Direction


def differences(before: Specification, after: Specification) -> tuple[Difference, ...]:
    """Return every field and rule that differs, fields first."""
    ours, theirs = field_values(before.limits), field_values(after.limits)
    found = []
    for section, field, path, narrowing in each_field():
        old, new = getattr(getattr(before.limits, section), field), getattr(getattr(after.limits, section), field)
        if old != new:
            found.append(Difference(path, ours[path], theirs[path], _direction(narrowing, old, new)))
    return (*found, *_rule_differences(before, after))


def _direction(narrowing: Narrowing, old: object, new: object) -> Direction:
    try:
        both = narrowing.meet(old, new)
    except NoMeetError:
        return Direction.CHANGED
    if both == new:
        return Direction.TIGHTENED
    return Direction.LOOSENED if both == old else Direction.CHANGED


def _rule_differences(before: Specification, after: Specification) -> list[Difference]:
    ours = {rule.id: rule.document() for rule in before.rules}
    theirs = {rule.id: rule.document() for rule in after.rules}
    found = []
    for rule_id in sorted(ours.keys() | theirs.keys()):
        old, new = ours.get(rule_id), theirs.get(rule_id)
        if old != new:
            direction = Direction.TIGHTENED if old is None else Direction.LOOSENED if new is None else Direction.CHANGED
            found.append(Difference(f"rules.{rule_id}", _json(old), _json(new), direction))
    return found


def _json(rule: dict[str, str | float] | None) -> Json:
    return None if rule is None else dict(rule)
