"""Every kind of index where it is the right one, found on a twin that samples its source; and none where it is not."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import replace

import pytest

from tests.places import own_places
from trimtab.db.connection import connect
from trimtab.db.sql import split
from trimtab.embedded.binaries import Binaries
from trimtab.embedded.server import Server
from trimtab.model.catalog import Snapshot
from trimtab.model.change import CreateIndex
from trimtab.model.index_wishes import KINDS
from trimtab.model.plan import Plan
from trimtab.model.strategy import Strategy
from trimtab.model.workload import Query, Workload
from trimtab.observe.snapshot import read_facts
from trimtab.propose.context import Context
from trimtab.propose.indexes import propose
from trimtab.spec.load import get_spec
from trimtab.twin.twin import Twin
from trimtab.validate.facts import facts_from
from trimtab.validate.validate import validate

from .catalogue import LIMITS

pytestmark = pytest.mark.server

SCHEMA = """
CREATE TABLE customer (id int PRIMARY KEY, email text NOT NULL, "Home Town" text);
CREATE TABLE orders (id int PRIMARY KEY, customer_id int NOT NULL REFERENCES customer, status text NOT NULL,
                     deleted_at date, placed timestamptz NOT NULL, shuffled int NOT NULL, total int,
                     tags int[], body text);
INSERT INTO customer SELECT n, 'Mail' || n || '@example.org', 'town' || n % 500 FROM generate_series(1, 30000) n;
INSERT INTO orders SELECT n, 1 + n * 7919 % 20000, CASE WHEN n % 40 = 0 THEN 'open' ELSE 'done' END,
       CASE WHEN n % 50 > 0 THEN date '2024-01-01' END, timestamptz '2024-01-01 UTC' + n * interval '1 minute',
       n * 7907 % 80021, n % 1000, ARRAY[n % 900, n % 7 + 1000], repeat(md5(n::text), 3)
  FROM generate_series(1, 80000) n;
VACUUM ANALYZE
"""
QUERIES = {
    "part": "SELECT id, body FROM orders WHERE status = 'open' AND total = 240",
    "soft": "SELECT id, body FROM orders WHERE deleted_at IS NULL AND customer_id = $1",
    "any": "SELECT id, body FROM orders WHERE status = $1 AND customer_id = $2",
    "mail": "SELECT * FROM customer WHERE lower(email) = 'mail17@example.org'",
    "sum": "SELECT sum(total) FROM orders WHERE shuffled BETWEEN 100 AND 4000",
    "tags": "SELECT id FROM orders WHERE tags @> '{77}'",
    "when": "SELECT max(body) FROM orders WHERE placed BETWEEN '2024-02-01 UTC' AND '2024-02-02 UTC'",
    "like": "SELECT id FROM customer WHERE email LIKE '%17@%'",
    "begins": "SELECT id FROM customer WHERE email LIKE 'Mail1770%'",
    "or": "SELECT id, body FROM orders WHERE customer_id = 17 OR shuffled = 4711",
}
DELETE = "DELETE FROM customer WHERE id BETWEEN 25000 AND 25010"
VALUES = {"soft": ("17",), "any": ("open", "17")}


def query(name: str, *parameters: str) -> Query:
    [statement] = split(QUERIES.get(name, DELETE))
    assert statement.kind is not None
    kind, count = statement.kind, statement.parameter_count
    return Query(name, name, statement.text, statement.normalized_text, 1.0, kind, count, parameters)


@pytest.fixture(scope="module", autouse=True)
def _own_places() -> Iterator[None]:
    with own_places("ttk-"):
        yield


@pytest.fixture(scope="module")
def facts(source: Server) -> Snapshot:
    with closing(connect(source.dsn(), read_only=True)) as connection:
        return read_facts(connection, Workload((), "file"))


@pytest.fixture(scope="module")
def source(_own_places: None) -> Iterator[Server]:
    with Server.create(Binaries.find(), purpose="kinds-tests") as server:
        with closing(connect(server.dsn(), read_only=False)) as connection:
            for statement in SCHEMA.split(";\n"):
                connection.execute(statement.encode())
        yield server


@pytest.fixture(scope="module")
def twin(source: Server, facts: Snapshot) -> Iterator[Twin]:
    with Twin.build(source.dsn(), facts, Binaries.find(), progress=lambda *_: None, workers=1) as twin:
        twin.sample_from(source.dsn())
        yield twin


def proposed(
    facts: Snapshot,
    twin: Twin,
    names: Sequence[str] = tuple(QUERIES),
    kinds: frozenset[str] = KINDS,
    budget_bytes: int = LIMITS.budget_bytes,
) -> list[Strategy]:
    queries = tuple(query(name, *VALUES.get(name, ())) for name in names)
    limits = replace(LIMITS, wants_efficiency=True, kinds=kinds, budget_bytes=budget_bytes)
    return propose(Context(replace(facts, workload=Workload(queries, "file")), twin, limits))


def rule_of(strategy: Strategy) -> set[str]:
    return {str(value) for key, value in strategy.evidence.items() if key.startswith("rule.")}


def tails(strategies: Sequence[Strategy]) -> dict[str, tuple[str, ...]]:
    """The definition of every index that is proposed, with the ids of the queries that use it."""
    return {c.tail: s.query_ids for s in strategies for c in s.changes if isinstance(c, CreateIndex)}


def test_each_kind_is_found_where_it_is_the_right_one(facts: Snapshot, twin: Twin) -> None:
    strategies = proposed(facts, twin)
    found = tails(strategies)
    by_query = {query_id: tail for tail, query_ids in found.items() for query_id in query_ids}
    assert by_query["part"].endswith("""WHERE (status = 'open'::text)"""), found
    assert by_query["mail"] == "USING btree ((lower(email)))"
    assert by_query["sum"] == 'USING btree ("shuffled") INCLUDE ("total")'
    assert by_query["tags"] == 'USING gin ("tags")'
    assert "like" not in by_query
    assert by_query["begins"] == 'USING btree ("email" pg_catalog.text_pattern_ops)'
    assert set.union(*map(rule_of, strategies)) >= {"partial", "expression", "covering", "gin", "prefix"}


def test_each_branch_of_an_or_has_an_index_and_neither_is_of_use_without_the_other(facts: Snapshot, twin: Twin) -> None:
    [both] = proposed(facts, twin, ("or",))
    made = [change for change in both.changes if isinstance(change, CreateIndex)]
    assert {change.key_columns[0] for change in made} == {"customer_id", "shuffled"}


def test_where_there_is_room_for_little_a_summary_of_what_lies_in_order_is_found(facts: Snapshot, twin: Twin) -> None:
    found = tails(proposed(facts, twin, ("when", "sum"), budget_bytes=1 << 17))
    assert found == {'USING brin ("placed") WITH (pages_per_range = 8)': ("when",)}


def test_what_is_proposed_keeps_to_a_specification_that_allows_the_methods(facts: Snapshot, twin: Twin) -> None:
    allowing = get_spec("DATABASE_OPTIMIZATION_SPEC_V4")
    for strategy in proposed(facts, twin):
        assert validate(strategy, allowing, facts_from(facts)).violations == ()


def test_what_is_proposed_can_be_made_and_is_then_there_already(source: Server, facts: Snapshot, twin: Twin) -> None:
    with closing(connect(source.dsn(), read_only=False)) as connection, connection.transaction(force_rollback=True):
        made = [c for s in proposed(facts, twin) for c in s.changes if isinstance(c, CreateIndex)]
        for change in made:
            connection.execute(change.sql(concurrently=False).encode())
        after = read_facts(connection, Workload((), "file"))
    again = tails(proposed(after, twin))
    assert not {change.tail for change in made} & set(again)


def test_a_part_that_only_a_parameter_asks_for_is_never_promised(facts: Snapshot, twin: Twin) -> None:
    """The drawn value is that of the other query's predicate; the next call may bring another one."""
    for tail, query_ids in tails(proposed(facts, twin, ("part", "any"))).items():
        assert "any" not in query_ids or "WHERE" not in tail
    alone = proposed(facts, twin, ("any",))
    assert alone
    assert not any("WHERE" in tail for tail in tails(alone))


def test_a_part_that_holds_for_any_parameters_is_promised(facts: Snapshot, twin: Twin) -> None:
    found = tails(proposed(facts, twin, ("soft",)))
    assert list(found) == ['USING btree ("customer_id") WHERE (deleted_at IS NULL)']
    [[plan]] = twin.what_if(
        [query("soft", "17")], [tuple(c for s in proposed(facts, twin, ("soft",)) for c in s.changes)], generic=True
    )
    assert isinstance(plan, Plan)
    assert plan.indexes


def test_what_a_delete_must_look_up_gets_its_index(facts: Snapshot, twin: Twin) -> None:
    [strategy] = proposed(facts, twin, ("delete",))
    assert tails([strategy]) == {'USING btree ("customer_id")': ("delete",)}
    assert rule_of(strategy) == {"foreign_key"}
    assert [v for k, v in strategy.evidence.items() if k.startswith("thought_of_for.")] == ["delete"]
    assert strategy.unshown.keys() == {"delete"}
    assert 0 < strategy.unshown["delete"] < 0.5


def test_only_the_kinds_that_the_limits_name_are_proposed(facts: Snapshot, twin: Twin) -> None:
    for tail in tails(proposed(facts, twin, kinds=frozenset({"btree"}))):
        assert tail.startswith("USING btree")
        assert "INCLUDE" not in tail
        assert "WHERE" not in tail
        assert "((" not in tail
