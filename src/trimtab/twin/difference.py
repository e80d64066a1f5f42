"""Compares two images of one database: what differs between them that plans depend on, by name. Pure.

It tells that things differ, never by which value, and not whether a plan changed for it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import TypeVar

from trimtab.model.flip import (
    Difference,
    IndexDifference,
    Name,
    ObjectStatistics,
    SchemaDifference,
    SettingDifference,
    TableSize,
    TableStatistics,
    VersionDifference,
)
from trimtab.twin.capture import Image
from trimtab.twin.definitions import Definitions, IndexDefinition, ScopedSetting
from trimtab.twin.extended import ExtendedValues
from trimtab.twin.source import RelationFacts, Source

Thing = TypeVar("Thing")
_INDEXES = "iI"
_WITH_ROWS = "rmf"
# A session's setting comes from the first of these that has it.
_LEVELS = ("function", "role in database", "role", "database", "all roles")


@dataclass(frozen=True, slots=True)
class Standpoint:
    """As whom a query runs: a role of the source, None for the one that read it; within a function or "" for none.

    `function` is its schema, name and argument types, as `ScopedSetting.scope` has them.
    """

    role: str | None = None
    function: str = ""


def differences(
    old: Image, new: Image, standpoint: Standpoint | None = None, index_names: Mapping[str, str] | None = None
) -> tuple[Difference, ...]:
    """Return what differs. Partitions and children count as their topmost parent, indexes as their table.

    An index that has another name now, and is the same, is no difference. `index_names` are as in `renamed`.
    """
    stand = standpoint or Standpoint()
    before, now = old.source, new.source
    same = same_indexes(before.definitions, now.definitions)
    found: list[Difference] = [*_indexes(before, now, same, index_names or {}), *_objects(before, now)]
    found += [_setting(name, before, now, stand) for name in _moved_settings(before, now, stand)]
    tables = Families(before, now)
    found += [TableStatistics(*table) for table in sorted(_restated(before, now, tables))]
    found += _sizes(before, now, tables)
    schemas = [SchemaDifference(*name) for name in sorted(_redefined(before, now))]
    # Creating the same anew changes the archive too, and so does what has no name of its own here, as a function.
    is_told = found and any(isinstance(d, IndexDifference | ObjectStatistics | SettingDifference) for d in found)
    if old.schema_digest != new.schema_digest and not schemas and not is_told and not same:
        schemas = [SchemaDifference("", "")]
    version = [VersionDifference(before.major, now.major)] if before.major != now.major else []
    return (*found, *schemas, *version)


def same_indexes(before: Definitions, now: Definitions) -> dict[str, str]:
    """Return, of indexes that have another name now and are the same, the name that they had, by that of now."""

    def apart(own: Definitions, other: Definitions) -> dict[IndexDefinition, list[str]]:
        """The names of those that the other does not have by name, by what they are."""
        known = {(index.schema, index.name) for index in other.indexes}
        found: dict[IndexDefinition, list[str]] = {}
        for index in sorted(own.indexes, key=lambda index: index.name):
            if (index.schema, index.name) not in known:
                found.setdefault(replace(index, name=""), []).append(index.name)
        return found

    gone = apart(before, now)
    return {
        name: was
        for index, names in apart(now, before).items()
        for name, was in zip(names, gone.get(index, ()), strict=False)
    }


class Families:
    """Which table, the topmost of its parents, each relation and statistics object of the two sources belongs to."""

    def __init__(self, *sources: Source) -> None:
        self.tops: dict[Name, Name] = {}
        self._tables: dict[Name, Name] = {}
        self._objects: dict[Name, Name] = {}
        for source in sources:
            self.tops |= source.definitions.tops()
            self._tables |= {(i.schema, i.name): (i.schema, i.table) for i in source.definitions.indexes}
            self._objects |= {(s.schema, s.name): (s.table_schema, s.table) for s in source.definitions.statistics}

    def of(self, name: Name) -> Name:
        """Return the table of a table, a partition, or an index of either."""
        top = self.tops.get(name, name)
        table = self._tables.get(top, top)
        return self.tops.get(table, table)

    def of_object(self, values: ExtendedValues) -> Name | None:
        """Return the table of a statistics object, None where nothing tells it."""
        table = self._objects.get((values.schema, values.name))
        return None if table is None else self.of(table)


def effective_settings(source: Source, standpoint: Standpoint) -> dict[str, str]:
    """Return the planner settings that a query has from this standpoint."""
    found = dict(source.settings)
    if standpoint.role not in (None, source.role):
        own = source.role_settings.get(standpoint.role or "", {})
        found |= {name: value for name, value in own.items() if name in found}
    return found | function_settings(source, standpoint)


def function_settings(source: Source, standpoint: Standpoint) -> dict[str, str]:
    """Return the planner settings that the standpoint's function sets for what runs within it."""
    scoped = source.definitions.settings
    return {s.name: s.value for s in scoped if s.level == "function" and s.scope == standpoint.function}


def by_name(source: Source) -> dict[Name, RelationFacts]:
    """Return the facts of each relation by its (schema, name)."""
    return {(r.schema, r.name): r for r in source.relations}


def _moved_settings(before: Source, now: Source, standpoint: Standpoint) -> list[str]:
    """Return the settings that differ; one that only one of two versions has is a difference of versions."""
    was, is_ = effective_settings(before, standpoint), effective_settings(now, standpoint)
    return sorted(name for name in was.keys() & is_.keys() if was[name] != is_[name])


def _setting(name: str, before: Source, now: Source, standpoint: Standpoint) -> SettingDifference:
    """Return at which level it was set, or set back: the first whose own value differs, else the server's."""
    was, is_ = (_levels(source, name, standpoint) for source in (before, now))
    level = next((level for level in _LEVELS if was.get(level) != is_.get(level)), None)
    if level is None:
        return SettingDifference(name, "server", "")
    of = is_.get(level) or was[level]
    return SettingDifference(name, level, of.scope)


def _levels(source: Source, name: str, standpoint: Standpoint) -> dict[str, ScopedSetting]:
    role = standpoint.role or source.role
    own = {"function": standpoint.function, "role": role, "role in database": role}
    return {
        setting.level: setting
        for setting in source.definitions.settings
        if setting.name == name and own.get(setting.level, setting.scope) == setting.scope
    }


def _indexes(
    before: Source, now: Source, same: Mapping[str, str], index_names: Mapping[str, str]
) -> Iterator[Difference]:
    tops = now.definitions.tops() or before.definitions.tops()

    def key(index: IndexDefinition) -> Name:
        return index.schema, index.name

    for how, index in _changes(before.definitions.indexes, now.definitions.indexes, key):
        if index.name in (same.values() if how == "dropped" else same):
            continue
        schema, table = tops.get((index.schema, index.table), (index.schema, index.table))
        # Of a partitioned index the children come and go with it.
        yield IndexDifference(schema, index.name, table, how, index_names.get(index.name, ""))


def _objects(before: Source, now: Source) -> Iterator[Difference]:
    found = _changes(before.definitions.statistics, now.definitions.statistics, lambda s: (s.schema, s.name))
    told = {(s.schema, s.name): (how, s) for how, s in found}
    filled = [{(v.schema, v.name) for v in source.extended if _holds(v)} for source in (before, now)]
    for s in now.definitions.statistics:
        name = s.schema, s.name
        if name not in told and (name in filled[0]) != (name in filled[1]):
            told[name] = ("emptied" if name in filled[0] else "filled", s)
    for how, s in told.values():
        yield ObjectStatistics(s.schema, s.name, s.table_schema, s.table, how)


def _holds(values: ExtendedValues) -> bool:
    return bool(values.ndistinct or values.dependencies or values.common or values.expressions)


def _changes(
    before: Iterable[Thing], now: Iterable[Thing], key: Callable[[Thing], Name]
) -> Iterator[tuple[str, Thing]]:
    was, is_ = {key(one): one for one in before}, {key(one): one for one in now}
    for name in sorted(was.keys() | is_.keys()):
        if name not in is_:
            yield "dropped", was[name]
        elif name not in was:
            yield "created", is_[name]
        elif was[name] != is_[name]:
            yield "changed", is_[name]


def _restated(before: Source, now: Source, tables: Families) -> set[Name]:
    """Return the tables of which statistics or counts differ, of relations that both have."""
    both = by_name(before).keys() & by_name(now).keys()
    changed = {(c.schema, c.relation) for c in set(before.columns) ^ set(now.columns)}
    counts = [{(name, _counts(fact)) for name, fact in by_name(source).items()} for source in (before, now)]
    changed |= {name for name, _ in counts[0] ^ counts[1]}
    found = {tables.of(name) for name in changed & both}
    was, is_ = ({(v.schema, v.name, v.is_inherited): v for v in source.extended} for source in (before, now))
    restated = [is_[name] for name in was.keys() & is_.keys() if was[name] != is_[name]]
    return found | {table for values in restated if (table := tables.of_object(values)) is not None}


def _counts(fact: RelationFacts) -> tuple[int, float, int]:
    return fact.counted_pages, fact.rows, fact.visible_pages


def _sizes(before: Source, now: Source, tables: Families) -> Iterator[TableSize]:
    was, is_ = by_name(before), by_name(now)
    both = sorted(was.keys() & is_.keys())
    moved = {tables.of(name) for name in both if _length(was[name]) != _length(is_[name])}
    for table in sorted(moved):
        own = [name for name in both if was[name].kind in _WITH_ROWS and tables.of(name) == table]
        rows, pages = (
            ([_rows(of[n]) for n in own] for of in (was, is_)),
            ([of[n].pages or 0 for n in own] for of in (was, is_)),
        )
        rows_before, rows_now = map(sum, rows)
        pages_before, pages_now = map(sum, pages)
        yield TableSize(*table, round(rows_before), round(rows_now), pages_before, pages_now)


def _length(fact: RelationFacts) -> tuple[int | None, int | None]:
    return fact.pages, fact.height


def _rows(fact: RelationFacts) -> float:
    """Return what the planner takes the rows for: as dense as they were counted, over the file's length now."""
    rows = max(fact.rows, 0.0)
    return rows if not fact.counted_pages or fact.pages is None else rows / fact.counted_pages * fact.pages


def _redefined(before: Source, now: Source) -> set[Name]:
    was, is_ = ({(t.schema, t.name): t.digest for t in source.definitions.tables} for source in (before, now))
    return {name for name in was.keys() | is_.keys() if was.get(name) != is_.get(name)}
