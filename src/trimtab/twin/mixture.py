"""Mixes two images of one database: what a planner would see now, had some of the differences not come about. Pure.

Statistics, counts and lengths are mixed relation by relation; what was created and dropped is thought there and away.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass, replace

from trimtab.model.change import CreateIndex, CreateStatistics, DropIndex, SetSetting
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
from trimtab.model.whatif import DropStatisticsElsewhere, Hypothesis
from trimtab.twin.build import DATABASE
from trimtab.twin.capture import Image
from trimtab.twin.definitions import Definitions, IndexDefinition, StatisticsDefinition
from trimtab.twin.difference import Families, Standpoint, by_name, effective_settings, function_settings
from trimtab.twin.extended import ExtendedValues
from trimtab.twin.source import RelationFacts, Source


@dataclass(frozen=True, slots=True)
class Mixture:
    """An image to build a twin from, what to think there beside it, and what the thought statistics objects hold.

    `has_old_schema` and `has_old_version` tell which of the two moments the schema, and the programs, are of.
    """

    image: Image
    changes: tuple[Hypothesis, ...]
    held: tuple[tuple[CreateStatistics, tuple[ExtendedValues, ...]], ...]
    has_old_schema: bool = False
    has_old_version: bool = False


def mix(
    old: Image, new: Image, every: Iterable[Difference], without: Collection[Difference], standpoint: Standpoint
) -> Mixture:
    """Return `new` without some of `every` difference between the two.

    Without one of the schema, of the version, or of what cannot be thought there, the old schema is taken, and what
    else was created and dropped since is thought there and away.
    """
    has_old_version = any(isinstance(one, VersionDifference) for one in without)
    has_old_schema = has_old_version or any(_needs_old_schema(one, old.source.definitions) for one in without)
    base, other = (old, new) if has_old_schema else (new, old)
    thought = [one for one in every if (one in without) is not has_old_schema]
    changes, held = _thought(thought, base.source, other.source)
    settings = _settings(old.source, new.source, without, standpoint)
    source = _mixed(old.source, new.source, base.source, without)
    if has_old_version:
        known = {name: new.source.settings.get(name, value) for name, value in old.source.settings.items()}
        source = replace(source, version=old.source.version, settings=known, parsing=old.source.parsing)
        settings = [one for one in settings if one.name in known]
    return Mixture(
        Image(source, base.schema),
        (*changes, *settings),
        held,
        has_old_schema=has_old_schema,
        has_old_version=has_old_version,
    )


def _needs_old_schema(one: Difference, before: Definitions) -> bool:
    match one:
        case SchemaDifference():
            return True
        case IndexDifference() if one.how != "created":
            # A hypothetical index is never unique, and uniqueness tells the planner of rows.
            return any(i.is_unique for i in before.indexes if (i.schema, i.name) == (one.schema, one.name))
        case ObjectStatistics() if one.how in ("dropped", "changed"):
            found = (s for s in before.statistics if (s.schema, s.name) == (one.object_schema, one.name))
            return any(not _can_be_thought(s) for s in found)
        case _:
            return False


def _can_be_thought(statistics: StatisticsDefinition) -> bool:
    return not statistics.has_expressions and statistics.schema == statistics.table_schema


def _thought(
    differences: Iterable[Difference], base: Source, other: Source
) -> tuple[list[Hypothesis], tuple[tuple[CreateStatistics, tuple[ExtendedValues, ...]], ...]]:
    """Return what makes of the base's indexes and statistics objects the other's, where these differ."""
    changes: list[Hypothesis] = []
    held: list[tuple[CreateStatistics, tuple[ExtendedValues, ...]]] = []
    for one in differences:
        if isinstance(one, IndexDifference):
            changes += _index_changes((one.schema, one.name), base.definitions, other.definitions)
        if isinstance(one, ObjectStatistics) and one.how not in ("emptied", "filled"):
            name = one.object_schema, one.name
            changes += [_without(s) for s in base.definitions.statistics if (s.schema, s.name) == name]
            for s in other.definitions.statistics:
                if (s.schema, s.name) == name and _can_be_thought(s):
                    made = CreateStatistics(s.schema, s.table, s.name, s.columns, s.kinds)
                    changes.append(made)
                    held.append((made, tuple(v for v in other.extended if (v.schema, v.name) == name)))
    return changes, tuple(held)


def _index_changes(name: Name, base: Definitions, other: Definitions) -> Iterator[Hypothesis]:
    for index in base.indexes:
        if (index.schema, index.name) == name:
            yield DropIndex(*_facts_of(index))
    for index in other.indexes:
        if (index.schema, index.name) == name and index.is_valid:
            yield CreateIndex(*_facts_of(index))


def _facts_of(index: IndexDefinition) -> tuple[str, str, str, str, tuple[str, ...], tuple[str, ...]]:
    return index.schema, index.table, index.name, index.tail, index.key_columns, index.include_columns


def _without(s: StatisticsDefinition) -> DropStatisticsElsewhere:
    return DropStatisticsElsewhere(s.schema, s.table, s.name, s.columns, s.kinds, s.table_schema)


def _settings(old: Source, new: Source, without: Collection[Difference], standpoint: Standpoint) -> list[SetSetting]:
    """Return the function's settings, and those that are set back."""
    wanted = function_settings(new, standpoint)
    before = effective_settings(old, standpoint)
    wanted |= {one.name: before[one.name] for one in without if isinstance(one, SettingDifference)}
    return [setting(name, value) for name, value in wanted.items()]


def setting(name: str, value: str) -> SetSetting:
    """Return what has the twin's database have the setting."""
    return SetSetting("database", DATABASE, name, value)


def _mixed(old: Source, new: Source, base: Source, without: Collection[Difference]) -> Source:
    """Return the base's relations with the facts of the moment that each table is to have them of."""
    tables = Families(old, new)
    restated = {(d.schema, d.table) for d in without if isinstance(d, TableStatistics)}
    resized = {(d.schema, d.table) for d in without if isinstance(d, TableSize)}
    refilled = {(d.object_schema, d.name) for d in without if isinstance(d, ObjectStatistics)}
    before, now = by_name(old), by_name(new)
    both = before.keys() & now.keys()

    def facts(own: RelationFacts) -> RelationFacts:
        name = own.schema, own.name
        if name not in both:
            return own
        counted = before[name] if tables.of(name) in restated else now[name]
        long = before[name] if tables.of(name) in resized else now[name]
        return replace(
            own,
            pages=long.pages,
            height=long.height,
            counted_pages=counted.counted_pages,
            rows=counted.rows,
            visible_pages=counted.visible_pages,
        )

    def moment(name: Name) -> Source:
        """The one whose column statistics a relation of the base has."""
        if name not in both:
            return base
        return old if tables.of(name) in restated else new

    def moment_of(values: ExtendedValues) -> Source:
        name = values.schema, values.name
        if name not in lasting:
            return base
        return old if name in refilled or tables.of_object(values) in restated else new

    there = by_name(base).keys()
    defined = [{(s.schema, s.name) for s in source.definitions.statistics} for source in (old, new)]
    lasting = defined[0] & defined[1]
    objects = {(s.schema, s.name) for s in base.definitions.statistics}
    return replace(
        base,
        version=new.version,
        role=new.role,
        settings=new.settings,
        parsing=new.parsing,
        role_settings=new.role_settings,
        policy_settings=new.policy_settings,
        written_search_path=new.written_search_path,
        relations=tuple(facts(relation) for relation in base.relations),
        columns=tuple(
            column
            for source in (old, new)
            for column in source.columns
            if (name := (column.schema, column.relation)) in there and moment(name) is source
        ),
        extended=tuple(
            values
            for source in (old, new)
            for values in source.extended
            if (values.schema, values.name) in objects and moment_of(values) is source
        ),
    )
