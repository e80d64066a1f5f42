"""A database whose plans can be flipped in six ways, and what locks each of them again."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack, closing
from dataclasses import dataclass, field
from pathlib import Path

import psycopg

from trimtab.anchor.holding import settings_for, shape_now
from trimtab.anchor.lease import Expected, Lease
from trimtab.apply.statistics_files import DIRECTORY, StatisticsFiles, columns_digest
from trimtab.apply.stored_statistics import read_statistics
from trimtab.db.connection import Connection, connect
from trimtab.embedded.server import Server
from trimtab.ledger.ledger import Ledger
from trimtab.lifecycle.locking import LockRequest, lock
from trimtab.model.change import (
    Change,
    CreateIndex,
    CreateStatistics,
    RestoreStatistics,
    SetDistinct,
    SetSetting,
    SetStatisticsTarget,
    role_in_database,
)
from trimtab.model.workload import Query, QueryKind, Workload
from trimtab.observe.snapshot import read_facts

# `state` has few values, of which two are frequent; zip follows city; customers lie in no order.
SCHEMA = """
CREATE TABLE orders (id int PRIMARY KEY, customer int, city text, zip text, state text, amount int);
INSERT INTO orders
  SELECT n, (n * 7919) % 5000, 'city ' || n % 12, 'zip ' || n % 12,
         CASE WHEN n % 20 < 9 THEN 'new' WHEN n % 20 < 18 THEN 'done' ELSE 'state ' || n % 397 END, n % 1000
    FROM generate_series(1, 50000) n;
CREATE TABLE item (order_id int, product int);
INSERT INTO item SELECT 1 + (n * 31) % 50000, n % 500 FROM generate_series(1, 100000) n;
CREATE INDEX item_order ON item (order_id);
CREATE INDEX orders_customer ON orders (customer);
CREATE INDEX orders_state ON orders (state);
CREATE STATISTICS orders_city_zip (dependencies) ON city, zip FROM orders;
"""
WITHIN = """
CREATE FUNCTION planned(int) RETURNS text LANGUAGE plpgsql AS 'DECLARE found text; BEGIN
  EXECUTE ''EXPLAIN (FORMAT JSON, VERBOSE) SELECT sum(amount) FROM orders WHERE customer BETWEEN 100 AND $1''
    INTO found USING $1; RETURN found; END'"""
STATEMENTS = (*SCHEMA.strip().split(";\n"), WITHIN, "VACUUM ANALYZE")


def read(name: str, text: str, *parameters: str) -> Query:
    return Query(name, name, text, text, 1.0, QueryKind.READ, len(parameters), parameters)


BY_CUSTOMER = read("q-customer", "SELECT sum(amount) FROM orders WHERE customer = 17")
BY_RANGE = read("q-range", "SELECT sum(amount) FROM orders WHERE customer BETWEEN 100 AND 1300")
BY_STATE = read("q-state", "SELECT sum(amount) FROM orders WHERE state IN ('new', 'done')")
BY_VALUE = read(
    "q-value", "SELECT sum(product) FROM orders o JOIN item i ON i.order_id = o.id WHERE o.customer < $1", "5"
)
BY_GROUP = read(
    "q-group",
    "SELECT sum(product) FROM (SELECT customer FROM orders GROUP BY 1) g JOIN item i ON i.order_id = customer",
)
JOINED = read(
    "q-joined",
    "SELECT sum(product) FROM orders o JOIN item i ON i.order_id = o.id WHERE o.city = 'city 3' AND o.zip = 'zip 3'",
)

RESTORED_INDEX = CreateIndex("public", "orders", "trimtab_orders_customer", "USING btree (customer)", ("customer",))


@dataclass
class Lockable:
    """One database, and the ledger of its changes."""

    server: Server
    database: str
    ledger_path: Path
    stack: ExitStack = field(default_factory=ExitStack)

    @property
    def dsn(self) -> str:
        return self.server.dsn(self.database)

    def run(self, *statements: str) -> None:
        with psycopg.connect(self.dsn, autocommit=True) as connection:
            for statement in statements:
                connection.execute(statement.encode())

    def session(self, user: str = "app") -> Connection:
        conninfo = psycopg.conninfo.make_conninfo(self.dsn, user=user)
        return self.stack.enter_context(closing(connect(conninfo, read_only=False)))

    def shape(self, query: Query, mode: str = "custom", role: str = "", names: dict[str, str] | None = None) -> str:
        """The plan of now, as a new session of ours sees it, or with the settings of a role."""
        with closing(connect(self.dsn, read_only=True)) as connection:
            facts = read_facts(connection, Workload((), "none"))
            return shape_now(connection, query, Expected("", mode, names), settings_for(facts, role, ()))

    def kinds(self) -> list[str]:
        with Ledger.open(self.ledger_path) as ledger:
            assert ledger.verify().verified
            return [entry.kind.value for entry in ledger.entries()]

    def kept_statistics(self, *columns: str) -> RestoreStatistics:
        """What stores the statistics that the columns of orders have now."""
        with closing(connect(self.dsn, read_only=True)) as connection:
            found = read_statistics(connection, "public", "orders", columns)
        assert found is not None
        file = StatisticsFiles(self.ledger_path.parent / DIRECTORY).write(found)
        return RestoreStatistics("public", "orders", columns, file, columns_digest(found))


@dataclass(frozen=True)
class Flip:
    """A way to lose a plan, and to lock it again. `flipping` are statements; `role` is who runs the query."""

    query: Query
    flipping: tuple[str, ...]
    changes: Callable[[Lockable], tuple[Change, ...]]
    mode: str = "custom"
    role: str = ""
    index_names: tuple[tuple[str, str], ...] = ()

    def request(self, place: Lockable, shape: str, changes: tuple[Change, ...], **more: object) -> LockRequest:
        return LockRequest(
            place.dsn,
            place.ledger_path,
            self.query,
            Expected(shape, self.mode, dict(self.index_names)),
            changes,
            "test",
            anchor_id="a-1",
            role=self.role,
            size_bytes=2_000_000,
            **more,  # type: ignore[arg-type]
        )

    def shape(self, place: Lockable) -> str:
        return place.shape(self.query, self.mode, self.role, dict(self.index_names))

    def flip_and_lock(self, place: Lockable) -> tuple[str, Lease]:
        """Lose the plan, and lock it; return the shape of the anchored plan, and the lease."""
        anchored, changes = self.shape(place), self.changes(place)
        place.run(*(statement.format(database=place.database) for statement in self.flipping))
        assert self.shape(place) != anchored, "the plan was to be another"
        return anchored, lock(self.request(place, anchored, changes))


FUNCTION = '"public"."planned"("pg_catalog"."int4")'


def _here(place: Lockable) -> str:
    return role_in_database("app", place.database)


FLIPS = {
    "index": Flip(
        BY_CUSTOMER,
        ("DROP INDEX orders_customer",),
        lambda place: (RESTORED_INDEX,),
        index_names=((RESTORED_INDEX.name, "orders_customer"),),
    ),
    "setting of the database": Flip(
        BY_RANGE,
        ('ALTER DATABASE "{database}" SET random_page_cost = 40',),
        lambda place: (SetSetting("database", place.database, "random_page_cost", "1.1"),),
    ),
    "setting of a role here": Flip(
        BY_RANGE,
        ('ALTER DATABASE "{database}" SET random_page_cost = 40',),
        lambda place: (SetSetting("role_in_database", _here(place), "random_page_cost", "1.1"),),
        role="app",
    ),
    "setting of a function": Flip(
        BY_RANGE,
        ('ALTER DATABASE "{database}" SET random_page_cost = 40',),
        lambda place: (SetSetting("function", FUNCTION, "random_page_cost", "1.1"),),
    ),
    "plan_cache_mode": Flip(
        BY_VALUE,
        ('ALTER DATABASE "{database}" SET plan_cache_mode = force_generic_plan',),
        lambda place: (
            SetSetting(
                "role_in_database", role_in_database("app", place.database), "plan_cache_mode", "force_custom_plan"
            ),
        ),
        mode="prepared",
        role="app",
    ),
    "restored statistics": Flip(
        BY_CUSTOMER,
        # Written anew, so that its length is as before: only what ANALYZE finds is another.
        ("UPDATE orders SET customer = 17 WHERE id % 10 < 9", "VACUUM FULL ANALYZE orders"),
        lambda place: (place.kept_statistics("customer"),),
    ),
    "target": Flip(
        BY_STATE,
        ("ALTER TABLE orders ALTER state SET STATISTICS 1", "ANALYZE orders"),
        lambda place: (SetStatisticsTarget("public", "orders", "state", 100),),
    ),
    "distinct": Flip(
        BY_GROUP,
        ("ALTER TABLE orders ALTER customer SET (n_distinct = 2)", "ANALYZE orders"),
        lambda place: (SetDistinct("public", "orders", "customer", 5000.0),),
    ),
    "extended statistics": Flip(
        JOINED,
        ("DROP STATISTICS orders_city_zip", "ANALYZE orders"),
        lambda place: (
            CreateStatistics("public", "orders", "trimtab_orders_city_zip", ("city", "zip"), ("dependencies",)),
        ),
    ),
}
