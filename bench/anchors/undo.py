"""Puts the old plan back on the server by the inverse of the cause that was named: index, setting, statistics, mode."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from bench.anchors.worlds import World
from trimtab.db.connection import Connection
from trimtab.model.change import qualified, quote_identifier, quote_literal
from trimtab.model.flip import (
    Difference,
    IndexDifference,
    ObjectStatistics,
    PlanningDifference,
    SettingDifference,
    TableSize,
    TableStatistics,
)
from trimtab.twin.capture import Image
from trimtab.twin.difference import Families, by_name

_PARTS = (
    ("null_fraction", "null_frac", "real"),
    ("width", "avg_width", "integer"),
    ("distinct", "n_distinct", "real"),
    ("correlation", "correlation", "real"),
    ("common_values", "most_common_vals", "text"),
    ("common_shares", "most_common_freqs", "real[]"),
    ("histogram", "histogram_bounds", "text"),
)


def undo(world: World, old: Image, new: Image, causes: Sequence[Difference], role: str) -> None:
    """Undo the causes, in order."""
    restated = {(c.schema, c.table) for c in causes if isinstance(c, TableStatistics | TableSize)}
    resized = {(c.schema, c.table) for c in causes if isinstance(c, TableSize)}
    with world.session() as connection:
        for cause in causes:
            for statement in _statements(cause, old, world.name, role):
                connection.execute(statement.encode())
        for table in sorted(restated):
            _restore_statistics(connection, old, new, table, is_resized=table in resized)


def _statements(cause: Difference, old: Image, database: str, role: str) -> Iterator[str]:
    before = old.source.definitions
    match cause:
        case IndexDifference():
            if cause.how != "dropped":
                yield f"DROP INDEX {qualified(cause.schema, cause.name)}"
            for index in before.indexes:
                if (index.schema, index.name) == (cause.schema, cause.name):
                    table = qualified(index.schema, index.table)
                    yield f"CREATE INDEX {quote_identifier(index.name)} ON {table} {index.tail}"
        case ObjectStatistics():
            for one in before.statistics:
                if (one.schema, one.name) == (cause.object_schema, cause.name):
                    table = qualified(one.table_schema, one.table)
                    listed = ", ".join(map(quote_identifier, one.columns))
                    kinds = ", ".join(one.kinds)
                    yield f"CREATE STATISTICS {qualified(one.schema, one.name)} ({kinds}) ON {listed} FROM {table}"
                    yield f"ANALYZE {table}"
        case SettingDifference():
            held = [s for s in before.settings if (s.level, s.scope, s.name) == (cause.level, cause.scope, cause.name)]
            of = {
                "database": f"DATABASE {quote_identifier(cause.scope)}",
                "role": f"ROLE {quote_identifier(cause.scope)}",
                "role in database": f"ROLE {quote_identifier(cause.scope)} IN DATABASE {quote_identifier(database)}",
            }[cause.level]
            to = f"SET {cause.name} = {quote_literal(held[0].value)}" if held else f"RESET {cause.name}"
            yield f"ALTER {of} {to}"
        case PlanningDifference():
            mode = "force_custom_plan" if cause.is_generic_now else "force_generic_plan"
            yield f"ALTER ROLE {role} IN DATABASE {quote_identifier(database)} SET plan_cache_mode = {mode}"
        case _:
            pass


def _restore_statistics(
    connection: Connection, old: Image, new: Image, table: tuple[str, str], *, is_resized: bool
) -> None:
    """Restore what ANALYZE had left of a table and its partitions.

    The planner takes rows per page from what was counted, and the pages from the file. So where the file is longer, as
    many rows as before are told of the pages that there are now.
    """
    families = Families(old.source, new.source)
    now = by_name(new.source)
    for name, fact in by_name(old.source).items():
        if families.of(name) != table or fact.kind not in "rp" or name not in now:
            continue
        pages = (now[name].pages or fact.counted_pages) if is_resized else fact.counted_pages
        connection.execute(
            b"select pg_catalog.pg_restore_relation_stats('schemaname', $1::text, 'relname', $2::text,"
            b" 'relpages', $3::int, 'reltuples', $4::real, 'relallvisible', $5::int)",
            (*name, pages, fact.rows, min(fact.visible_pages, pages)),
        )
    known = {(c.schema, c.relation, c.column, c.is_inherited): c.statistics for c in old.source.columns}
    for key, statistics in known.items():
        schema, relation, column, is_inherited = key
        if families.of((schema, relation)) != table or now[schema, relation].kind not in "rp":
            continue
        parts = [(label, kind, getattr(statistics, name)) for name, label, kind in _PARTS]
        told = [(label, kind, value) for label, kind, value in parts if value is not None]
        listed = "".join(f", '{label}', ${5 + n}::{kind}" for n, (label, kind, _) in enumerate(told))
        connection.execute(
            b"select pg_catalog.pg_clear_attribute_stats($1::text, $2::text, $3::text, $4::bool)",
            (schema, relation, column, is_inherited),
        )
        connection.execute(
            "select pg_catalog.pg_restore_attribute_stats('schemaname', $1::text, 'relname', $2::text,"
            f" 'attname', $3::text, 'inherited', $4::bool{listed})".encode(),
            (schema, relation, column, is_inherited, *(value for _, _, value in told)),
        )
