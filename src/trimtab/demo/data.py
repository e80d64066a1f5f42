"""Decides how the demo's shop gets into a database: tables, rows by COPY over two connections, then indexes, foreign
keys, sequences and VACUUM ANALYZE. It never decides what a row holds, and never touches a database that has tables.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from importlib import resources
from threading import Lock
from typing import TYPE_CHECKING

from trimtab.errors import UsageError

if TYPE_CHECKING:
    import psycopg

    from trimtab.demo.columns import TableRows

Progress = Callable[[str, int], None]
Rows = Callable[[], "TableRows"]

CONNECTIONS = 2
# The shop's own loading is no workload. Takes a superuser, which the owner of the demo's server is.
UNCOUNTED = "-c pg_stat_statements.track=none -c TimeZone=UTC"
TABLES_WITH_IDENTITY = (
    "customers", "products", "orders", "payments", "shipments", "reviews", "events", "stock_movements",
    "support_tickets",
)  # fmt: skip


def load(dsn: str, *, seed: int = 42, scale: float = 1.0, progress: Progress) -> dict[str, int]:
    """Fill an empty database with the shop and return the rows per table.

    The same seed and scale (1.0: 2.1 million rows) give the same bytes. `progress` is called with a table or a step
    and the rows that it has so far; calls never overlap. Raises UsageError where the database has tables already.
    """
    _create_tables(dsn)
    plan = generators(seed, scale)
    report = _serialised(progress)
    with ThreadPoolExecutor(CONNECTIONS) as pool:
        counts = dict(pool.map(lambda rows: _copy(dsn, rows(), report), plan))
        list(pool.map(lambda statement: _execute(dsn, statement, report), _index_statements()))
        list(pool.map(lambda table: _finish(dsn, table, report), sorted(counts, key=lambda t: -counts[t])))
    return counts


def generators(seed: int, scale: float) -> list[Rows]:
    """Return what makes each table, the costliest first, so that two workers end together."""
    from trimtab.demo import activity, catalogue, sales

    customers, customer_country = catalogue.customers(seed, scale)
    products, prices = catalogue.products(seed, scale)
    known = catalogue.Catalogue(customer_country=customer_country, product_price_cents=prices)
    sold = sales.sales(seed, scale, known)
    small = catalogue.lookup_tables(seed)
    return [
        lambda: activity.events(seed, scale, known),
        lambda: sales.order_items(sold),
        lambda: sales.orders(seed, known, sold),
        lambda: sales.payments(seed, sold),
        lambda: sales.shipments(seed, sold),
        lambda: activity.stock_movements(seed, scale, known),
        lambda: customers,
        lambda: activity.reviews(seed, scale, sold),
        lambda: catalogue.inventory(seed, known),
        lambda: activity.support_tickets(seed, scale, sold),
        lambda: products,
        *(_constant(table) for table in small),
    ]


def digest(seed: int, scale: float) -> str:
    """Return SHA-256, in hexadecimal, of all that COPY would be given."""
    sha = hashlib.sha256()
    for make in generators(seed, scale):
        rows = make()
        sha.update(f"{rows.table} {','.join(rows.columns)}\n".encode())
        for _, block in rows.blocks():
            sha.update(block)
    return sha.hexdigest()


def _constant(rows: TableRows) -> Rows:
    return lambda: rows


def _serialised(progress: Progress) -> Progress:
    lock = Lock()

    def report(what: str, count: int) -> None:
        with lock:
            progress(what, count)

    return report


def _connect(dsn: str) -> psycopg.Connection:
    import psycopg

    return psycopg.connect(dsn, autocommit=True, options=UNCOUNTED)


def _statements(resource: str) -> Iterator[bytes]:
    """Yield the statements of an SQL file of this package; they hold no semicolon inside, save in comments."""
    text = resources.files("trimtab.demo").joinpath(resource).read_text(encoding="utf-8")
    bare = "\n".join(line.partition("--")[0].rstrip() for line in text.splitlines())
    return (statement.strip().encode() for statement in bare.split(";") if statement.strip())


def _create_tables(dsn: str) -> None:
    with _connect(dsn) as connection:
        found = connection.execute(
            "SELECT count(*) FROM pg_class WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace"
        ).fetchone()
        if found is not None and found[0]:
            raise UsageError(
                f"the demo's shop needs an empty database: found {found[0]} tables in the schema public",
                code="demo.database_not_empty",
                next_step="Create a new database and load the shop there.",
            )
        with connection.transaction():
            for statement in _statements("schema.sql"):
                connection.execute(statement)


def _copy(dsn: str, rows: TableRows, report: Progress) -> tuple[str, int]:
    from psycopg import sql

    columns = sql.SQL(", ").join(map(sql.Identifier, rows.columns))
    command = sql.SQL("COPY {} ({}) FROM STDIN (FREEZE)").format(sql.Identifier(rows.table), columns)
    done = 0
    with _connect(dsn) as connection, connection.transaction():
        # FREEZE needs a table emptied in the same transaction; it spares the VACUUM below a second writing.
        connection.execute(sql.SQL("TRUNCATE {}").format(sql.Identifier(rows.table)))
        with connection.cursor() as cursor, cursor.copy(command) as copy:
            for count, block in rows.blocks():
                copy.write(block)
                done += count
                report(rows.table, done)
    return rows.table, done


def _index_statements() -> Sequence[bytes]:
    """Return the statements of indexes.sql, indexes before foreign keys: these are then checked with their help."""
    return sorted(_statements("indexes.sql"), key=lambda statement: not statement.startswith(b"CREATE INDEX"))


def _execute(dsn: str, statement: bytes, report: Progress) -> None:
    with _connect(dsn) as connection:
        connection.execute(statement)
    report("indexes and foreign keys", 1)


def _finish(dsn: str, table: str, report: Progress) -> None:
    """Set the table's sequence behind its last id and give the planner its statistics."""
    from psycopg import sql

    with _connect(dsn) as connection:
        if table in TABLES_WITH_IDENTITY:
            connection.execute(
                sql.SQL("SELECT setval(pg_get_serial_sequence({}, 'id'), max(id)) FROM {}").format(
                    sql.Literal(table), sql.Identifier(table)
                )
            )
        connection.execute(sql.SQL("VACUUM (ANALYZE) {}").format(sql.Identifier(table)))
    report("statistics", 1)
