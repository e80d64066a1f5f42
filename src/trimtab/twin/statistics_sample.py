"""Asks a sample of the source what ANALYZE would store for hypothetical statistics: of an object, or of a column."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TypeAlias

from psycopg.errors import error_from_result
from psycopg.pq import ExecStatus

from trimtab.db import queries
from trimtab.db.connection import Connection
from trimtab.db.text_forms import text_forms
from trimtab.model.change import CreateStatistics, qualified, quote_identifier
from trimtab.model.column_statistics import ColumnStatistics
from trimtab.model.whatif import CreateExpressionStatistics, StatisticsTarget, hypothesis_digest
from trimtab.twin import expression_statistics, extended_statistics
from trimtab.twin.expression_statistics import DEFAULT_TARGET
from trimtab.twin.extended import ExtendedValues
from trimtab.twin.sample import SourceSample
from trimtab.twin.sample_statements import MOST_ROWS, Sampled, sampled
from trimtab.twin.statistics import StoredColumn

_ROWS_FOR_EACH = 300
"""Rows that ANALYZE reads for each of the target."""
_MOST_PARTS = 16
"""Partitions that are sampled each; of more, only what belongs to the whole table is."""
_INHERITED_SINCE = 150000
"""Before, a statistics object held one set of values."""

Targets: TypeAlias = tuple[tuple[str, int], ...]
"""(column, statistics target), sorted."""


@dataclass(frozen=True, slots=True)
class Told:
    """What is to be stored while a hypothesis is in force. `note` tells what that rests on.

    `refusal` says why it has no effect, or is "". `sql` makes the object where the hypothesis' own text would need a
    search path.
    """

    note: str
    refusal: str = ""
    objects: tuple[ExtendedValues, ...] = ()
    columns: tuple[StoredColumn, ...] = ()
    sql: str = ""


def refused(reason: str) -> Told:
    """Return what is told of a hypothesis that has no effect."""
    return Told(note=reason, refusal=reason)


def object_statistics(
    sample: SourceSample, change: CreateStatistics, targets: Targets, *, with_values: bool = True
) -> Told:
    """Return what the object would hold, with these targets of its columns where they differ from the source's.

    Expressions have to be complete: as a server writes them. Without values no value of one is asked for.
    """
    key = hypothesis_digest(change), targets, with_values
    return sample.once(key, lambda source: _object(source, change, dict(targets), with_values), _not_sampled)


def column_statistics(sample: SourceSample, wanted: StatisticsTarget) -> Told:
    """Return the column's statistics at that target, which is not 0."""
    return sample.once(hypothesis_digest(wanted), lambda source: _column(source, wanted), _not_sampled)


def _not_sampled(reason: str) -> Told:
    return refused(f"not sampled: {reason}")


@dataclass(frozen=True, slots=True)
class _Column:
    name: str
    number: int | None
    target: int
    type: str | None
    is_ordinary: bool


@dataclass(frozen=True, slots=True)
class _Part:
    """A table, or a table with all that inherits from it. `rows` and `pages` are the source's last count."""

    schema: str
    name: str
    is_inherited: bool
    pages: float
    rows: float

    def sampled(self, most_rows: int) -> Sampled:
        return sampled(
            (self.schema, self.name), self.pages, self.rows, is_whole_tree=self.is_inherited, most_rows=most_rows
        )


def _columns(source: Connection, table: tuple[str, str], names: Sequence[str]) -> list[_Column]:
    text = queries.load("twin_sample_columns", source.info.server_version)
    return [_Column(*row) for row in source.execute(text, (qualified(*table), list(names)))]


def _parts(source: Connection, table: tuple[str, str]) -> list[_Part]:
    text = queries.load("twin_sample_parts", source.info.server_version)
    return [_Part(*row) for row in source.execute(text, (qualified(*table),))]


def _refusal(table: tuple[str, str], parts: Sequence[_Part], columns: Sequence[_Column]) -> str:
    if not parts:
        return f"the source has no table {qualified(*table)} with statistics"
    missing = [column.name for column in columns if column.number is None]
    return f"{qualified(*table)} has no column {quote_identifier(missing[0])}" if missing else ""


def _object(source: Connection, change: CreateStatistics, targets: dict[str, int], with_values: bool) -> Told:
    table = change.schema, change.table
    columns = sorted(_columns(source, table, change.columns), key=lambda column: column.number or 0)
    parts = [part for part in _parts(source, table) if (part.schema, part.name) == table]
    if source.info.server_version < _INHERITED_SINCE:
        parts = parts[:1]
    if reason := _refusal(table, parts, columns):
        return refused(reason)
    wanted = {column.name: targets.get(column.name, column.target) for column in columns}
    if -1 in wanted.values():
        default = _default_target(source)
        wanted = {name: default if target < 0 else target for name, target in wanted.items()}
    idle = [name for name, target in wanted.items() if target == 0]
    if idle:
        return refused(f"ANALYZE collects nothing of column {quote_identifier(idle[0])}: its statistics target is 0")
    expressions = change.expressions if isinstance(change, CreateExpressionStatistics) else ()
    target = max(wanted.values()) if wanted else _default_target(source)
    types = {quote_identifier(column.name): column.type or "" for column in columns}
    types |= _types(source, table, expressions)
    # Expressions have numbers below 0.
    numbers = [*range(1, len(columns) + 1), *(-place for place in range(1, len(expressions) + 1))]
    rows, objects = 0, []
    with text_forms(source):
        for part in parts:
            read = part.sampled(_sample_rows(target))
            found = extended_statistics.compute(source, read, types, numbers, change.kinds, target)
            rows += found.rows
            if found.rows:
                numbered = tuple(enumerate((column.name for column in columns), start=1))
                objects.append(
                    ExtendedValues(
                        change.schema,
                        change.name,
                        part.is_inherited,
                        numbered,
                        found.ndistinct,
                        found.dependencies,
                        found.common,
                        tuple(_of_expression(source, read, text, target, with_values) for text in expressions),
                    )
                )
    if not objects:
        return refused(f"ANALYZE collects nothing of {qualified(*table)}: it has no rows")
    return Told(_note(rows, target, parts), objects=tuple(objects))


def _types(source: Connection, table: tuple[str, str], expressions: Sequence[str]) -> dict[str, str]:
    """Return the types of expressions on the table, by their texts in parentheses. Raises psycopg.Error."""
    found = {}
    for expression in expressions:
        # Prepared and never run: only the type of its result is wanted.
        text = f"SELECT ({expression}) FROM ONLY {qualified(*table)}"  # noqa: S608 - as the twin's server wrote it
        if (made := source.pgconn.prepare(b"", text.encode())).status != ExecStatus.COMMAND_OK:
            raise error_from_result(made, encoding="utf-8")
        oid = source.pgconn.describe_prepared(b"").ftype(0)
        row = source.execute("select pg_catalog.format_type($1, -1)", (oid,)).fetchone()
        found[f"({expression})"] = str(row[0]) if row else ""
    return found


def _of_expression(
    source: Connection, read: Sampled, expression: str, target: int, with_values: bool
) -> ColumnStatistics:
    found = expression_statistics.compute(
        source, read.text, expression, None, read.all_rows, target, with_values=with_values
    )
    return ColumnStatistics(0.0, 0, 0.0) if found is None else found.as_column()


def _column(source: Connection, wanted: StatisticsTarget) -> Told:
    table = wanted.schema, wanted.table
    columns, parts = _columns(source, table, [wanted.column]), _parts(source, table)
    if reason := _refusal(table, parts, columns):
        return refused(reason)
    [column] = columns
    if not column.is_ordinary:
        return refused(f"what ANALYZE makes of a column of type {column.type} at another target is not computed")
    target = wanted.target if wanted.target >= 0 else _default_target(source)
    if target == 0:
        return refused(f"ANALYZE collects nothing of column {quote_identifier(column.name)}: the default target is 0")
    read_parts = parts if len(parts) <= _MOST_PARTS else [p for p in parts if (p.schema, p.name) == table]
    # A domain's statistics are those of the type below it.
    expression = f"{quote_identifier(column.name)}::{column.type}"
    rows, stored = 0.0, []
    with text_forms(source):
        for part in read_parts:
            read = part.sampled(_sample_rows(target))
            found = expression_statistics.compute(source, read.text, expression, None, read.all_rows, target)
            if found is not None:
                rows += found.rows
                stored.append(_stored(source, part, column.name, found.as_column()))
    if not stored:
        return refused(f"ANALYZE collects nothing of {qualified(*table)}: it has no rows")
    note = _note(int(rows), target, read_parts)
    if len(read_parts) < len(parts):
        note += f"; its {len(parts) - len(read_parts)} partitions keep the statistics that they have"
    return Told(note, columns=tuple(stored))


def _default_target(source: Connection) -> int:
    row = source.execute("select pg_catalog.current_setting('default_statistics_target')::int").fetchone()
    assert row is not None, "a query without a table gives a row"
    return int(row[0])


def _stored(source: Connection, part: _Part, column: str, found: ColumnStatistics) -> StoredColumn:
    """Keep the width that is known: it depends on no target, and only ANALYZE sees how long values are kept apart."""
    text = (
        "select s.avg_width from pg_catalog.pg_stats s"
        " where s.schemaname = $1::text and s.tablename = $2::text and s.attname = $3::text"
        " and s.inherited = $4::boolean"
    )
    row = source.execute(text, (part.schema, part.name, column, part.is_inherited)).fetchone()
    statistics = found if row is None else replace(found, width=row[0])
    return StoredColumn(part.schema, part.name, column, None, part.is_inherited, statistics)


def _sample_rows(target: int) -> int:
    """Return how many rows are read: as ANALYZE, which reads for the highest of all targets, within our limit."""
    return min(_ROWS_FOR_EACH * max(target, DEFAULT_TARGET), MOST_ROWS)


def _note(rows: int, target: int, parts: Sequence[_Part]) -> str:
    note = f"sampled {rows} rows of the source"
    full = _ROWS_FOR_EACH * max(target, DEFAULT_TARGET)
    if full > MOST_ROWS and any(part.rows > MOST_ROWS for part in parts):
        note += f": ANALYZE would read up to {full}"
    return note
