"""Why a specification says what it says: for each field and rule, which document of the chain stated it. Pure."""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from dataclasses import dataclass

from trimtab.errors import SpecError
from trimtab.spec.inherit import each_field
from trimtab.spec.load import Link
from trimtab.spec.specification import Json, field_values


@dataclass(frozen=True, slots=True)
class Statement:
    """A document, by its id, and what it means for the field, its parents included."""

    document: str
    value: Json


@dataclass(frozen=True, slots=True)
class Explained:
    """A field or a rule (`rules.ID`): its value, the documents that stated it, and what a child may still write."""

    path: str
    value: Json
    stated_by: tuple[Statement, ...]
    child: str


def explain(links: Sequence[Link], path: str | None = None) -> tuple[Explained, ...]:
    """Return all fields and rules, or those at a path or below it. Raises SpecError `spec.unknown_field`."""
    values = field_values(links[-1].effective.limits)
    found = []
    for section, field, name, narrowing in each_field():
        stated = tuple(
            Statement(link.effective.id, field_values(link.effective.limits)[name])
            for link in links
            if field in link.stated.limits.get(section, {})
        )
        found.append(Explained(name, values[name], stated, narrowing.rule))
    for rule in links[-1].effective.rules:
        owner = next(link for link in links if rule in link.stated.rules)
        value: Json = dict(rule.document())
        statement = Statement(owner.effective.id, value)
        found.append(Explained(f"rules.{rule.id}", value, (statement,), "may only add other rules"))
    if path is None:
        return tuple(found)
    chosen = tuple(one for one in found if one.path == path or one.path.startswith(path + "."))
    if not chosen:
        close = difflib.get_close_matches(path, [one.path for one in found], n=1)
        raise SpecError(
            f"{path!r} was refused: no field or rule of that path is there",
            code="spec.unknown_field",
            next_step=f"Did you mean {close[0]}?" if close else "Run without a path: all are listed.",
        )
    return chosen
