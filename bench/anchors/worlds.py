"""Random small databases with queries whose plans hang in the balance: the worlds in which plans are made to flip."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass
from random import Random

from trimtab.db.connection import Connection, connect
from trimtab.db.explain import explain
from trimtab.db.sql import split
from trimtab.embedded.server import Server
from trimtab.model.plan import Plan
from trimtab.model.plan_shape import PlanShape, plan_shape
from trimtab.model.workload import Query, QueryKind

ROLE = "app"
_EXECUTIONS = 7  # PostgreSQL decides between custom and generic plans from the sixth on.

_SCHEMA = """
CREATE TABLE customer (id int PRIMARY KEY, region int NOT NULL, grade int NOT NULL, name text NOT NULL);
CREATE TABLE orders (id int PRIMARY KEY, customer_id int NOT NULL, status int NOT NULL, city int NOT NULL,
                     zip int NOT NULL, placed int NOT NULL, amount int NOT NULL, note text NOT NULL);
CREATE TABLE event (at int NOT NULL, kind int NOT NULL, customer_id int NOT NULL, body text NOT NULL)
       PARTITION BY RANGE (at);
CREATE TABLE event_1 PARTITION OF event FOR VALUES FROM (0) TO (1000);
CREATE TABLE event_2 PARTITION OF event FOR VALUES FROM (1000) TO (2000);
CREATE TABLE event_3 PARTITION OF event DEFAULT;
CREATE TABLE bystander (id int PRIMARY KEY, word text);
CREATE INDEX orders_customer ON orders (customer_id);
CREATE INDEX orders_placed ON orders (placed);
CREATE INDEX orders_status ON orders (status);
CREATE INDEX orders_city ON orders (city);
CREATE INDEX customer_region ON customer (region);
CREATE INDEX event_kind ON event (kind);
CREATE INDEX event_at ON event (at);
CREATE STATISTICS orders_city_zip ON city, zip FROM orders;
CREATE STATISTICS customer_region_grade ON region, grade FROM customer
"""
INDEXES = ("orders_customer", "orders_placed", "orders_status", "orders_city", "customer_region", "event_kind")
_TEMPLATES = (
    "SELECT * FROM orders WHERE customer_id = $1",
    "SELECT sum(amount) FROM orders WHERE placed >= $1 AND placed < $2",
    "SELECT * FROM orders WHERE status = $1 ORDER BY placed DESC LIMIT 20",
    "SELECT c.name, o.amount FROM customer c JOIN orders o ON o.customer_id = c.id"
    " WHERE c.region = $1 AND o.status = $2",
    "SELECT c.name, o.amount FROM orders o JOIN customer c ON c.id = o.customer_id WHERE o.city = $1 AND o.zip = $2",
    "SELECT o.customer_id, count(*) FROM orders o JOIN customer c ON c.id = o.customer_id"
    " WHERE c.region = $1 AND c.grade = $2 GROUP BY 1",
    "SELECT city, zip, count(*) FROM orders WHERE placed < $1 GROUP BY 1, 2",
    "SELECT count(*) FROM orders o JOIN orders p ON p.customer_id = o.customer_id WHERE o.city = $1 AND o.zip = $2",
    "SELECT * FROM event WHERE kind = $1 AND at < $2",
    "SELECT c.name FROM customer c JOIN event e ON e.customer_id = c.id WHERE e.kind = $1",
    "SELECT customer_id, max(amount) FROM orders WHERE status = $1 GROUP BY customer_id",
)


@dataclass(frozen=True, slots=True)
class World:
    """A database on a server. `rows` are those of the table orders; `cities` that of its cities."""

    server: Server
    name: str
    rows: int
    customers: int
    cities: int

    def dsn(self, *, as_role: bool = False) -> str:
        return self.server.dsn(self.name, user=ROLE) if as_role else self.server.dsn(self.name)

    @contextmanager
    def session(self, *, as_role: bool = False) -> Iterator[Connection]:
        with closing(connect(self.dsn(as_role=as_role), read_only=False)) as connection:
            yield connection

    def run(self, *statements: str) -> None:
        with self.session() as connection:
            for statement in statements:
                connection.execute(statement.encode())


@contextmanager
def open_world(server: Server, name: str, random: Random) -> Iterator[World]:
    """Yield a filled and analysed world of random sizes; it is gone afterwards."""
    rows = random.randrange(8_000, 25_000)
    world = World(server, name, rows, max(rows // random.choice((4, 10, 40)), 100), random.choice((40, 100, 300)))
    with closing(connect(server.dsn(), read_only=False)) as connection:
        connection.execute(f"CREATE DATABASE {name}".encode())
    try:
        world.run(*_SCHEMA.split(";"), f"GRANT SELECT ON ALL TABLES IN SCHEMA public TO {ROLE}")
        world.run("SELECT setseed(0.5)", *fill(world, 1, rows, random.randrange(1 << 20)))
        world.run("VACUUM ANALYZE")
        yield world
    finally:
        with closing(connect(server.dsn(), read_only=False)) as connection:
            connection.execute(f"DROP DATABASE {name} WITH (FORCE)".encode())


def fill(world: World, first: int, last: int, salt: int) -> list[str]:
    """Return what adds rows of the world's own distribution, numbered from `first` to `last`."""
    draw = f"(hashint4(n # {salt}) & 1048575)"
    ids = f"generate_series({first}, {last}) n"
    customers = world.customers
    people = f"generate_series({1 + (first - 1) * customers // world.rows}, {last * customers // world.rows}) n"
    return [
        f"INSERT INTO customer SELECT n, n % 37, (n % 37) * 3 + n % 2, 'customer ' || n FROM {people}",
        f"INSERT INTO orders SELECT n, 1 + {draw} % {customers},"
        f" CASE WHEN n % 20 < 16 THEN 0 WHEN n % 20 < 19 THEN 1 ELSE 2 + n % 30 END, n % {world.cities},"
        f" (n % {world.cities}) * 10 + n % 2, {draw} % 10000, {draw} % 977, repeat('x', 40 + n % 60) FROM {ids}",
        f"INSERT INTO event SELECT {draw} % 3000, CASE WHEN n % 3 = 0 THEN 0 ELSE {draw} % 200 END,"
        f" 1 + {draw} % {customers}, repeat('y', 30) FROM {ids}",
        f"INSERT INTO bystander SELECT n, 'word ' || n FROM generate_series({first}, {first + (last - first) // 4}) n",
    ]


def draw_queries(world: World, random: Random, count: int) -> list[Query]:
    """Return so many queries with random values."""
    return [_query(world, random, number) for number in range(count)]


def _query(world: World, random: Random, number: int) -> Query:
    text = random.choice(_TEMPLATES)
    city = random.randrange(world.cities)
    width = random.choice((20, 100, 400, 1200, 3000))
    start = random.randrange(7000)
    values = {
        "customer_id = $1": (random.randrange(1, world.customers),),
        "placed >=": (start, start + width),
        "placed < $1": (width,),
        "city =": (city, city * 10 + city % 2),
        "c.grade": (region := random.randrange(37), region * 3 + 1),
        "c.region": (random.randrange(37), random.choice((0, 1, 2, 5, 11))),
        "kind = $1 AND": (random.choice((0, random.randrange(200))), width),
        "kind = $1": (random.choice((0, random.randrange(200))),),
        "status = $1": (random.choice((0, 1, 2, 5, 11)),),
    }
    parameters = next(tuple(map(str, found)) for mark, found in values.items() if mark in text)
    [statement] = split(text)
    return Query(
        f"q{number}", f"q{number}", statement.text, statement.normalized_text, 1.0, QueryKind.READ,
        statement.parameter_count, parameters,
    )  # fmt: skip


def shapes(
    world: World, queries: list[Query], tops: Mapping[tuple[str, str], tuple[str, str]], *, as_role: bool = False
) -> dict[str, PlanShape]:
    """Return the shape of each query's plan for its own values, in a session of its own, by the query's id."""
    with world.session(as_role=as_role) as connection:
        return {query.id: plan_shape(explain(connection, query), tops) for query in queries}


def prepared_shapes(
    world: World, query: Query, tops: Mapping[tuple[str, str], tuple[str, str]], *, as_role: bool = False
) -> list[PlanShape]:
    """Return the shapes that a prepared statement's plan has, execution after execution, in a new session."""
    values = ", ".join(f"'{value}'" for value in query.parameters)
    found = []
    with world.session(as_role=as_role) as connection:
        connection.execute(f"PREPARE flipping AS {query.text}".encode())
        for _ in range(_EXECUTIONS):
            # PostgreSQL counts a plan that is only explained as one that is run.
            explained = f"EXPLAIN (FORMAT JSON, VERBOSE) EXECUTE flipping({values})".encode()
            row = connection.execute(explained, binary=False).fetchone()
            assert row is not None, "EXPLAIN returns one row"
            found.append(plan_shape(Plan.unread(json.dumps(row[0], indent=2)), tops))
    return found
