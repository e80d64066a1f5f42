"""A small shop on a real server, for the tests of what changes a source: its catalog as a picture, and an Enforcer."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

import psycopg

from trimtab.apply.enforce import Enforcer
from trimtab.db.connection import Connection, connect
from trimtab.embedded.server import Server
from trimtab.ledger.ledger import Ledger
from trimtab.ledger.pending import applied_changes, pending
from trimtab.model.catalog import Snapshot
from trimtab.model.change import (
    Change,
    CreateIndex,
    CreateStatistics,
    DropIndex,
    RebuildIndex,
    SetDistinct,
    SetSetting,
    SetStatisticsTarget,
    role_in_database,
)
from trimtab.model.strategy import Strategy
from trimtab.model.workload import Workload
from trimtab.observe.snapshot import read_facts
from trimtab.spec.load import load_spec
from trimtab.spec.specification import Specification

ROWS = 20_000

SCHEMA = f"""
CREATE TABLE customer (id int PRIMARY KEY, email text NOT NULL UNIQUE, name text, "Odd ""name" int);
CREATE TABLE orders (
  id int PRIMARY KEY, customer_id int NOT NULL REFERENCES customer (id), day date, city text, zip text, note text
);
CREATE TABLE event (id int NOT NULL, kind text, at date) PARTITION BY RANGE (at);
CREATE TABLE event_2024 PARTITION OF event FOR VALUES FROM ('2024-01-01') TO ('2025-01-01');
CREATE TABLE ticket (id int NOT NULL, code text NOT NULL);
CREATE UNIQUE INDEX ticket_id ON ticket (id);
CREATE UNIQUE INDEX ticket_code ON ticket (code);
CREATE INDEX ticket_code_again ON ticket (code);
ALTER TABLE ticket REPLICA IDENTITY USING INDEX ticket_code;
INSERT INTO customer SELECT n, 'c' || n || '@example.org', 'name ' || n % 50, n FROM generate_series(1, 500) n;
INSERT INTO orders
  SELECT n, 1 + n % 500, date '2024-01-01' + n % 300, 'city ' || n % 20, 'zip ' || n % 20, repeat('x', n % 40)
    FROM generate_series(1, {ROWS}) n;
CREATE INDEX orders_customer ON orders (customer_id);
CREATE INDEX orders_customer_day ON orders (customer_id, day);
CREATE INDEX orders_city ON orders (city);
CREATE INDEX orders_city_zip ON orders (city, zip);
CREATE FUNCTION "Of ""city" (text, "which" int[]) RETURNS bigint LANGUAGE sql STABLE
  AS 'SELECT count(*) FROM orders WHERE city = $1 AND id = ANY ($2)';
ANALYZE;
"""

_PICTURE = """
select pg_get_indexdef(i.indexrelid) || ' valid=' || i.indisvalid || ' space=' || c.reltablespace
  from pg_index i join pg_class c on c.oid = i.indexrelid join pg_namespace n on n.oid = c.relnamespace
 where n.nspname = 'public'
union all
select pg_get_statisticsobjdef(oid) from pg_statistic_ext
union all
select 'function ' || proname || ' ' || entry from pg_proc cross join unnest(proconfig) entry
union all
select 'column ' || attrelid::regclass || '.' || attname || ' ' || coalesce(attstattarget, -1) || ' '
       || coalesce(attoptions::text, '')
  from pg_attribute join pg_class c on c.oid = attrelid and relkind in ('r', 'p')
 where c.relnamespace = 'public'::regnamespace and (attoptions is not null or coalesce(attstattarget, -1) <> -1)
union all
select 'setting ' || setdatabase::regclass::text || ' ' || setrole::regrole || ' ' || entry
  from pg_db_role_setting cross join unnest(setconfig) entry
 where setdatabase in (0, (select oid from pg_database where datname = current_database()))
 order by 1
"""

CREATE_INDEX = CreateIndex(
    "public", "orders", "trimtab_orders_day_1a2b", 'USING btree ("day", "city" DESC) INCLUDE ("zip")', ("day", "city"),
    ("zip",),
)  # fmt: skip
CREATE_PARTIAL_INDEX = CreateIndex(
    "public",
    "orders",
    "trimtab_orders_part_1a2b",
    "USING btree (day) WHERE (city = 'Canary-Predicate'::text)",
    ("day",),
)
DROP_INDEX = DropIndex("public", "orders", "orders_city", "USING btree (city)", ("city",))
CREATE_STATISTICS = CreateStatistics(
    "public", "orders", "trimtab_orders_city_zip", ("zip", "city"), ("dependencies", "ndistinct")
)
SET_TARGET = SetStatisticsTarget("public", "orders", "city", 300)
SET_DISTINCT = SetDistinct("public", "orders", "city", -0.25)
FUNCTION = '"public"."Of ""city"("pg_catalog"."text", "pg_catalog"."_int4")'


@dataclass
class Shop:
    """One database of the server, and the ledger of its changes."""

    server: Server
    database: str
    ledger_path: Path
    stack: ExitStack = field(default_factory=ExitStack)

    @property
    def dsn(self) -> str:
        return self.server.dsn(self.database)

    def connect(self, *, user: str = "trimtab") -> Connection:
        conninfo = psycopg.conninfo.make_conninfo(self.dsn, user=user)
        return self.stack.enter_context(closing(connect(conninfo, read_only=False)))

    def run(self, *statements: str) -> None:
        with closing(connect(self.dsn, read_only=False)) as connection:
            for statement in statements:
                connection.execute(statement.encode())

    def ledger(self) -> Ledger:
        return self.stack.enter_context(closing(Ledger.open(self.ledger_path)))

    def enforcer(
        self,
        *,
        ledger: Ledger | None = None,
        user: str = "trimtab",
        sleep: Callable[[float], None] = lambda _seconds: None,
        specification: Specification | None = None,
    ) -> Enforcer:
        reader = self.connect(user=user)
        return Enforcer(
            self.connect(user=user),
            ledger or self.ledger(),
            specification or quick_specification(),
            lambda: read_facts(reader, Workload((), "none")),
            "r-test",
            sleep,
        )

    def facts(self) -> Snapshot:
        with closing(connect(self.dsn, read_only=True)) as connection:
            return read_facts(connection, Workload((), "none"))

    def set_setting(self, value: str | None, name: str = "work_mem") -> SetSetting:
        return SetSetting("database", self.database, name, value)

    def every_kind(self) -> dict[str, Change]:
        changes = (CREATE_INDEX, DROP_INDEX, CREATE_STATISTICS, self.set_setting("64MB"), SET_TARGET, SET_DISTINCT)
        within = SetSetting("function", FUNCTION, "work_mem", "64MB")
        of_role = SetSetting("role_in_database", role_in_database("keeper", self.database), "work_mem", "64MB")
        more: dict[str, Change] = {
            "create_partial_index": CREATE_PARTIAL_INDEX,
            "for_a_function": within,
            "for_a_role_here": of_role,
        }
        return {change.kind: change for change in changes} | more

    def picture(self) -> list[str]:
        """Everything that a change can alter."""
        with closing(connect(self.dsn, read_only=True)) as connection:
            return [str(row[0]) for row in connection.execute(_PICTURE.encode())]

    def kinds(self) -> list[str]:
        """The kinds of the ledger's entries, in order; the ledger must verify."""
        with Ledger.open(self.ledger_path) as ledger:
            assert ledger.verify().verified
            return [entry.kind.value for entry in ledger.entries()]

    def standing(self) -> list[Change]:
        with Ledger.open(self.ledger_path) as ledger:
            return [applied.change for applied in applied_changes(ledger.entries())]

    def open_intents(self) -> int:
        with Ledger.open(self.ledger_path) as ledger:
            return len(pending(ledger.entries()).intents)


def quick_specification(**locks: float) -> Specification:
    """The default one, with little patience, which lets small indexes be rebuilt too."""
    specification = load_spec(None)
    few = {"lock_timeout_ms": 150, "attempts": 2, "pause_seconds": 0.0, "build_timeout_ms": 60_000}
    limits = specification.limits
    changed = limits.model_copy(
        update={
            "locks": limits.locks.model_copy(update={**few, **locks}),
            "rebuilds": limits.rebuilds.model_copy(update={"min_excess_bytes": 0}),
        }
    )
    return replace(specification, limits=changed)


def evidence(*changes: Change) -> dict[str, int]:
    """What a proposer says of the changes: how large new indexes will be."""
    sizes = {f"size_bytes.{change.name}": 1_000_000 for change in changes if isinstance(change, CreateIndex)}
    return sizes | {f"size_bytes.{change.name}": 8192 for change in changes if isinstance(change, RebuildIndex)}


def strategy(*changes: Change) -> Strategy:
    size = sum(1_000_000 for change in changes if not isinstance(change, RebuildIndex))
    return Strategy(changes, "test", "title", "reason", (), size_bytes=size, evidence=evidence(*changes))


@contextmanager
def open_transaction(shop: Shop, *statements: str, old_ms: int = 0) -> Iterator[Connection]:
    """A transaction of another session that has run the statements and is idle; at least `old_ms` old."""
    with closing(connect(shop.dsn, read_only=False)) as connection:
        connection.execute("BEGIN")
        for statement in statements:
            connection.execute(statement.encode())
        if old_ms:  # the last statement of a transaction can hold a snapshot: it is to be one of those asked for
            connection.execute("select pg_sleep($1)", (old_ms / 1000,))
        yield connection
        if not connection.closed:
            connection.execute("ROLLBACK")


def wait_until(shop: Shop, condition: str) -> None:
    """Wait until the SQL condition is true on the server."""
    with closing(connect(shop.dsn, read_only=True, statement_timeout_ms=30_000)) as connection:
        for _ in range(3000):
            row = connection.execute(f"select ({condition})".encode()).fetchone()
            if row is not None and row[0]:
                return
            connection.execute("select pg_sleep(0.01)")
    raise AssertionError(f"never came true: {condition}")


# What works may wait for one session after another, and not wait in between.
_WORKING = (
    "select from pg_stat_activity where datname = current_database() and state = 'active'"
    " and query ~ '^(CREATE|DROP|ALTER|ANALYZE|REINDEX) ?'"
)
WORKING = f"exists ({_WORKING})"
WAITING = f"exists ({_WORKING} and wait_event_type = 'Lock')"
