"""Makes of a proven cause, and of what was there at the anchor's moment, the situation that a lock is chosen for.

Statistics that may be stored again are written to files beside the ledger; nothing else is done.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from trimtab.anchor.mechanism import Cause, ColumnThen, Situation
from trimtab.apply.statistics_files import DIRECTORY, StatisticsFiles, columns_digest
from trimtab.model.catalog import Snapshot
from trimtab.model.change import CreateIndex, CreateStatistics, RestoreStatistics
from trimtab.model.column_statistics import OfColumn
from trimtab.model.column_statistics import TableStatistics as FoundStatistics
from trimtab.model.flip import (
    Attribution,
    CauseKind,
    Difference,
    IndexDifference,
    ObjectStatistics,
    PlanningDifference,
    SettingDifference,
    TableSize,
    TableStatistics,
)
from trimtab.spec.specification import Specification
from trimtab.twin.capture import Image
from trimtab.twin.definitions import IndexDefinition, StatisticsDefinition
from trimtab.twin.source import BLOCK_BYTES, Source

_NAME_BYTES = 63
_CAUSES = {
    CauseKind.INDEX: Cause.INDEX,
    CauseKind.SETTING: Cause.SETTING,
    CauseKind.GENERIC_PLAN: Cause.GENERIC_PLAN,
    CauseKind.EXTENDED_STATISTICS: Cause.EXTENDED_STATISTICS,
    CauseKind.STATISTICS: Cause.STATISTICS,
    CauseKind.DATA_GROWTH: Cause.STATISTICS,
    CauseKind.BLOAT: Cause.STATISTICS,
}


def situation_of(
    attribution: Attribution, old: Image, snapshot: Snapshot, specification: Specification, ledger_path: Path
) -> Situation:
    """Return the situation of an attribution that was proven. Raises ApplyError `apply.statistics_file`."""
    assert attribution.kind is not None, "only what was proven is locked"
    causes = attribution.causes
    before = old.source
    indexes = [
        found
        for cause in causes
        if isinstance(cause, IndexDifference)
        for found in _indexes(cause, before, specification.limits.indexes.name_prefix)
    ]
    tables = sorted({(c.schema, c.table) for c in causes if isinstance(c, TableStatistics | TableSize)})
    resized = {(c.schema, c.table): c.pages_now for c in causes if isinstance(c, TableSize)}
    files = StatisticsFiles(ledger_path.parent / DIRECTORY)
    return Situation(
        cause=_CAUSES.get(attribution.kind, Cause.UNKNOWN),
        indexes=tuple(index for index, _ in indexes),
        index_names=tuple(name for _, name in indexes),
        index_bytes=index_bytes([(c.schema, c.name) for c in causes if isinstance(c, IndexDifference)], before),
        statistics_objects=tuple(
            found
            for cause in causes
            if isinstance(cause, ObjectStatistics)
            for found in _objects(cause, before, specification.limits.statistics.name_prefix)
        ),
        settings=tuple(
            (cause.name, value)
            for cause in causes
            if isinstance(cause, SettingDifference) and (value := before.settings.get(cause.name)) is not None
        ),
        columns=tuple(column for table in tables for column in _columns(table, before, snapshot)),
        restorable=tuple(
            found
            for table in tables
            if (found := _restorable(table, before, resized.get(table), snapshot, files)) is not None
        ),
        was_generic=_was_generic(causes),
    )


def put_back_index(index: IndexDefinition, prefix: str) -> CreateIndex:
    """Return what makes the index again, under a name that says whose it is now."""
    name = _named(prefix, index.name)
    return CreateIndex(index.schema, index.table, name, index.tail, index.key_columns, index.include_columns)


def put_back_statistics(found: StatisticsDefinition, prefix: str) -> CreateStatistics:
    """Return what makes the statistics object again, likewise; it has no expressions."""
    return CreateStatistics(found.table_schema, found.table, _named(prefix, found.name), found.columns, found.kinds)


def index_bytes(indexes: Sequence[tuple[str, str]], before: Source) -> int:
    """Return what indexes, by (schema, name), took on the disk then."""
    return BLOCK_BYTES * sum(r.pages or 0 for r in before.relations if (r.schema, r.name) in indexes)


def _was_generic(causes: Sequence[Difference]) -> bool | None:
    return next((not cause.is_generic_now for cause in causes if isinstance(cause, PlanningDifference)), None)


def _indexes(cause: IndexDifference, before: Source, prefix: str) -> Iterator[tuple[CreateIndex, str]]:
    """Yield the index as it was, under a name that says whose it is now, and the name that it had."""
    for index in before.definitions.indexes:
        # A change creates no unique index: that is a constraint, and not for a plan's sake to be put back.
        if (index.schema, index.name) == (cause.schema, cause.name) and cause.how != "created" and not index.is_unique:
            yield put_back_index(index, prefix), cause.known_as or index.name


def _objects(cause: ObjectStatistics, before: Source, prefix: str) -> Iterator[CreateStatistics]:
    for found in before.definitions.statistics:
        if (found.schema, found.name) == (cause.object_schema, cause.name) and not found.has_expressions:
            yield put_back_statistics(found, prefix)


def _named(prefix: str, name: str) -> str:
    """Return the name with the prefix, no longer than PostgreSQL keeps."""
    whole = name if name.startswith(prefix) else prefix + name
    return whole.encode()[:_NAME_BYTES].decode(errors="ignore")


def _columns(table: tuple[str, str], before: Source, snapshot: Snapshot) -> Iterator[ColumnThen]:
    now = snapshot.table(*table)
    for column in before.columns:
        if (column.schema, column.relation) == table and not column.is_inherited and now is not None:
            found = now.column(column.column)
            if found is not None:
                then = column.statistics.distinct
                yield ColumnThen(*table, column.column, then, _like(then, found.distinct_values, now.rows))


def _like(then: float, count: float | None, rows: float) -> float | None:
    """Return the number of now as that of then is written: a count, or a share of the rows below 0."""
    if count is None or then >= 0:
        return count
    return -count / rows if rows > 0 else None


def _restorable(
    table: tuple[str, str], before: Source, pages_now: int | None, snapshot: Snapshot, files: StatisticsFiles
) -> RestoreStatistics | None:
    """Return what stores the statistics of then, of columns that are there now.

    Where the file is longer now, as many rows are told of its pages.
    """
    now = snapshot.table(*table)
    facts = next((r for r in before.relations if (r.schema, r.name) == table and r.kind == "r"), None)
    stored = tuple(
        OfColumn(c.column, c.is_inherited, c.statistics)
        for c in before.columns
        if (c.schema, c.relation) == table and c.number is None and now is not None and now.column(c.column) is not None
    )
    if facts is None or not stored or not before.has_values:
        return None
    columns = tuple(dict.fromkeys(of.column for of in stored))
    pages = facts.counted_pages if pages_now is None else pages_now
    found = FoundStatistics(before.version, columns, stored, pages, facts.rows, min(facts.visible_pages, pages))
    return RestoreStatistics(*table, columns, files.write(found), columns_digest(found))
