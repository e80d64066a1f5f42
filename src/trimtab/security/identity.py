"""Tables, views and schemas that go by another name now, found by their oid: what is about them, under the new names.

By its name alone a table that was moved is one that went and one that came, and whatever was taken off it on the way
would be nobody's loss. So it is compared a second time, with itself. Pure.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

from trimtab.security.snapshot import Row, Rows, SecuritySnapshot

_PART = re.compile(r'"((?:[^"]|"")*)"')
_IDENTIFIED = ("relations", "schemas")
_ON_RELATIONS = frozenset({"relation", "sequence", "column"})


@dataclass(frozen=True, slots=True)
class _Moved:
    """One object: in which section it is a row, and its name then and now, in parts."""

    section: str
    old: tuple[str, ...]
    new: tuple[str, ...]


def moved(before: SecuritySnapshot, after: SecuritySnapshot) -> tuple[SecuritySnapshot, SecuritySnapshot]:
    """Return what both snapshots hold of the objects that have other names now, under those."""
    found = [each for section in _IDENTIFIED for each in _moved(section, before, after)]
    then: dict[str, Rows] = {}
    now: dict[str, Rows] = {}
    if not found:
        return replace(before, sections=then), replace(after, sections=now)
    for section in sorted(before.sections.keys() & after.sections.keys()):
        then[section] = _about(section, before.rows(section), found, lambda each: (each.old, each.new))
        now[section] = _about(section, after.rows(section), found, lambda each: (each.new, each.new))
    return replace(before, sections=then), replace(after, sections=now)


def parts_of(name: str) -> tuple[str, ...]:
    """Return the parts of a name in quotes, as `read.quoted` writes it."""
    return tuple(part.replace('""', '"') for part in _PART.findall(name))


def _quoted(parts: tuple[str, ...]) -> str:
    return ".".join('"' + part.replace('"', '""') + '"' for part in parts)


def _moved(section: str, before: SecuritySnapshot, after: SecuritySnapshot) -> list[_Moved]:
    names = {row.get("oid"): key for key, row in before.rows(section).items()}
    found = []
    for key, row in after.rows(section).items():
        old = names.get(row.get("oid"))
        if row.get("oid") is not None and old is not None and old != key:
            found.append(_Moved(section, parts_of(old), parts_of(key)))
    return found


def _about(
    section: str,
    rows: Rows,
    found: list[_Moved],
    names: Callable[[_Moved], tuple[tuple[str, ...], tuple[str, ...]]],
) -> dict[str, Row]:
    renamed: dict[tuple[str, tuple[str, ...]], tuple[str, ...]] = {}
    for each in found:
        name, wanted = names(each)
        renamed[each.section, name] = wanted
    held: dict[str, Row] = {}
    for key, row in rows.items():
        told = _under(section, parts_of(key), row, renamed)
        if told is not None:
            held[told[0]] = told[1]
    return held


def _under(
    section: str, parts: tuple[str, ...], row: Row, renamed: Mapping[tuple[str, tuple[str, ...]], tuple[str, ...]]
) -> tuple[str, Row] | None:
    """Return the row under the new name of what it is about, None when that has not moved."""
    if section in _IDENTIFIED:
        new = renamed.get((section, parts))
        return None if new is None else (_quoted(new), row)
    if section == "grants":
        kind, *name, grantee = parts
        length = 2 if kind in _ON_RELATIONS else 1
        where = "relations" if kind in _ON_RELATIONS else "schemas" if kind == "schema" else ""
        new = renamed.get((where, tuple(name[:length])))
        if new is None:
            return None
        said = (*new, *name[length:])
        return _quoted((kind, *said, grantee)), {**row, "object": _quoted(said)}
    table = row.get("table")
    new = renamed.get(("relations", parts_of(table))) if isinstance(table, str) else None
    if new is None:
        return None
    # An index is named by its own schema, which is its table's, and its name; all else by the table and its name.
    key = (new[0], *parts[1:]) if section == "indexes" else (*new, *parts[2:])
    return _quoted(key), {**row, "table": _quoted(new)}
