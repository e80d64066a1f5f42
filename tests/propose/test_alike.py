"""What a query cannot tell apart: the planner's answer is the same whether it is shown all, or one of each."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from itertools import chain, permutations

import pytest

from tests.places import own_places
from trimtab.db.connection import connect
from trimtab.embedded.binaries import Binaries
from trimtab.embedded.server import Server
from trimtab.model.catalog import Table
from trimtab.model.plan import Plan
from trimtab.model.workload import Query, QueryKind, Workload
from trimtab.observe.snapshot import read_facts
from trimtab.propose.alike import Alike
from trimtab.propose.candidate import Candidate, Key
from trimtab.propose.needs import needs_of
from trimtab.twin.twin import Twin

from .catalogue import index, node, scan, table

# PostgreSQL's planner itself takes one of two plans whose costs differ by less for the other.
FUZZ = 0.01
QUERY = Query("q", "q", "select a from t where b = 1 order by c", "", 1.0, QueryKind.READ)


def one_plan(condition: str, *output: str) -> Plan:
    return Plan(node("Sort", replace(scan("t", condition), keys={"Output": output})))


def aggregate(condition: str, *output: str) -> Plan:
    """An aggregate over all columns of one table, whose names EXPLAIN writes bare then."""
    below = replace(scan("t", condition), keys={"Output": ("a", "b", "c")})
    return Plan(replace(node("Aggregate", below), keys={"Output": output}))


PLAN = one_plan("(t.b = 1)", "t.a", "t.c")
TABLE = table("t", ["a", "b", "c", "x", "y", "X", "strange name"])


def alike(
    plan: Plan, sizes: dict[Candidate, int], query: Query = QUERY, one: Table = TABLE
) -> tuple[Alike, dict[Candidate, str]]:
    names = {candidate: f"i{number}" for number, candidate in enumerate(sizes)}
    by_name = {name: candidate for candidate, name in names.items()}
    bytes_of = {names[one]: size for one, size in sizes.items()}
    return Alike([query], {query.id: plan}, {query.id: needs_of(plan)}, [one], by_name, bytes_of), names


def kept(plan: Plan, sizes: dict[Candidate, int], query: Query = QUERY, one: Table = TABLE) -> set[Candidate]:
    told, names = alike(plan, sizes, query, one)
    found = told.distinct(query.id, frozenset(names.values()))
    return {candidate for candidate, name in names.items() if name in found}


def over(*columns: str, include: tuple[str, ...] = (), where: tuple[str, ...] = ()) -> Candidate:
    return Candidate("public", "t", tuple(map(Key, columns)), include, predicate=where)


def asking(text: str) -> Query:
    return replace(QUERY, text=text)


def test_of_keys_behind_all_that_the_query_names_the_smaller_index_is_shown() -> None:
    assert kept(PLAN, {over("b", "x"): 5, over("b", "y"): 4, over("b", "c"): 9}) == {over("b", "y"), over("b", "c")}


def test_what_lies_before_a_key_that_the_query_names_counts() -> None:
    # A scan may skip from one of its values to the next (PostgreSQL 18), and rows are read in the first key's order.
    sizes = {over("x", "b"): 6, over("y", "b"): 5, over("b", "x", "c"): 6, over("b", "y", "c"): 5}
    assert kept(PLAN, sizes) == sizes.keys()
    parts = {over("x", where=("b = 1",)): 2, over("y", where=("b = 1",)): 2}
    assert kept(PLAN, parts) == parts.keys()


def test_a_single_key_is_shown_beside_what_is_smaller_with_more_keys() -> None:
    assert kept(PLAN, {over("b"): 5, over("b", "x"): 4, over("b", "y"): 6}) == {over("b"), over("b", "x")}
    assert kept(PLAN, {over("b"): 4, over("b", "x"): 4}) == {over("b")}


def test_included_columns_count_where_they_make_up_all_that_a_scan_returns() -> None:
    whole, part, other = (over("b", include=columns) for columns in (("a", "c"), ("a",), ("x",)))
    assert kept(PLAN, {over("b"): 3, whole: 6, part: 5, other: 4}) == {over("b"), whole}
    wider = over("b", include=("a", "c", "x"))
    assert kept(PLAN, {whole: 6, wider: 7}) == {whole}


@pytest.mark.parametrize("output", ["count(DISTINCT a)", "EXTRACT(year FROM a)", "(a)::double precision", "a IS NULL"])
def test_words_of_an_expression_are_no_columns_that_a_scan_needs(output: str) -> None:
    sizes = {over("b"): 3, over("b", include=("a",)): 6}
    assert kept(aggregate("(b = 1)", output), sizes, asking(f"select {output} from t where b = 1")) == sizes.keys()


def test_an_extreme_needs_less_of_the_table_than_the_plan_that_is_known() -> None:
    sizes = {over("a"): 3, over("a", include=("b",)): 6}
    text = "select max(a), min(c) from t where b = 1"
    assert kept(aggregate("(b = 1)", "max(a)", "min(c)"), sizes, asking(text)) == sizes.keys()


def test_what_the_predicate_says_need_not_be_held() -> None:
    holds = over("c", include=("a",), where=("b = 1",))
    assert kept(PLAN, {holds: 2, over("c", where=("b = 1",)): 1}) == {holds, over("c", where=("b = 1",))}


def test_a_predicate_of_a_column_that_the_query_does_not_name_is_of_no_use() -> None:
    told, names = alike(PLAN, {over("b", where=("x = 1",)): 1, over("x"): 1, over("b"): 3})
    assert told.useful("q", list(names.values())) == {names[over("b")]}


def test_one_branch_of_an_or_shows_that_a_predicate_holds() -> None:
    either = over("c", where=("x = 1 OR b = 1",))
    assert kept(PLAN, {either: 1}) == {either}


def test_where_a_partial_index_is_used_the_plan_does_not_show_all_that_is_asked() -> None:
    used = replace(index("t_open", "b"), is_partial=True)
    plan = Plan(node("Sort", replace(scan("t", "(t.b = 1)"), keys={"Output": ("t.a",)}, index="t_open")))
    part = over("b", where=("x = 1",))
    assert kept(plan, {part: 1}, asking("select a from a_view")) == set()
    assert kept(plan, {part: 1}, asking("select a from a_view"), table("t", ["a", "b", "x"], used)) == {part}


def test_a_count_needs_no_column_and_may_take_any_index() -> None:
    sizes = {over("x"): 3, over("y"): 2, over("y", "x"): 4}
    found = kept(Plan(node("Aggregate", scan("t"))), sizes, asking("select count(*) from t"))
    assert found == {over("x"), over("y")}


def test_columns_that_the_plan_does_not_show_are_named_by_the_text() -> None:
    told = asking('select a from t where b = 1 and "X" is not distinct from y')
    assert kept(PLAN, {over("X"): 1, over("y"): 1, over("z"): 1}, told) == {over("X"), over("y")}
    assert kept(PLAN, {over("strange name"): 1}) == {over("strange name")}


def test_what_comes_later_is_told_apart_too() -> None:
    told, names = alike(PLAN, {over("b", "x"): 5, over("b", "y"): 4})
    first = names[over("b", "x")]
    assert told.distinct("q", frozenset({first})) == {first}
    assert told.distinct("q", frozenset(names.values())) == {names[over("b", "y")]}
    assert told.distinct("q", frozenset({first})) == {first}


SCHEMA = """
create table customer (id int primary key, region int not null, name text not null, since date not null);
create table orders (id int, customer_id int, placed date, status text, total int, note text);
insert into customer select n, n % 25, 'name' || n, date '2020-01-01' + n % 900 from generate_series(1, 20000) n;
insert into orders select n, 1 + n * 7919 % 20000, date '2024-01-01' + n % 365, 'status' || n % 5, n * 31 % 1000,
       repeat('x', n % 40) from generate_series(1, 100000) n;
vacuum analyze
"""
TEXTS = (
    "select count(*) from orders",
    "select total from orders where customer_id = 17 order by placed limit 5",
    "select status, count(*) from orders where placed > '2024-11-30' group by status",
    "select c.name, sum(o.total) from customer c join orders o on o.customer_id = c.id where c.region = 3 group by 1",
    "select * from customer c where exists (select from orders o where o.customer_id = c.id and o.total > 990)",
    "select max(total) from orders where status = 'status1'",
    "select c.region, o.status from customer c, orders o where o.customer_id = c.id and c.since = o.placed",
    "select a.id from orders a join orders b on b.id = a.total where a.placed = '2024-05-05'",
    "update orders set total = 1 where id = 77",
)


@pytest.fixture(scope="module")
def source() -> Iterator[Server]:
    with own_places("tta-"), Server.create(Binaries.find(), purpose="alike-tests") as made:
        with closing(connect(made.dsn(), read_only=False)) as connection:
            for statement in SCHEMA.split(";\n"):
                connection.execute(statement.encode())
        yield made


@pytest.mark.server
def test_the_planner_takes_the_same_of_what_is_distinct_as_of_all(source: Server) -> None:
    candidates = {f"c{number}": candidate for number, candidate in enumerate(some_candidates())}
    changes = {name: replace(candidate.change("t_"), name=name) for name, candidate in candidates.items()}
    queries = [
        Query(text, text, text, "", 1.0, QueryKind.WRITE if text.startswith("update") else QueryKind.READ)
        for text in TEXTS
    ]
    with closing(connect(source.dsn(), read_only=True)) as connection:
        facts = read_facts(connection, Workload((), "file"))
    with Twin.build(source.dsn(), facts, Binaries.find(), progress=lambda *_: None, workers=1) as twin:
        measured = zip(changes, twin.size_bytes(list(changes.values())), strict=True)
        sizes = {name: size for name, size in measured if size is not None}
        assert sizes.keys() == changes.keys()
        now = {q.id: p for q, p in zip(queries, *twin.what_if(queries, [()]), strict=True) if isinstance(p, Plan)}
        needs = {query_id: needs_of(plan) for query_id, plan in now.items()}
        told = Alike(queries, now, needs, facts.tables, candidates, sizes)
        for query in queries:
            distinct = told.distinct(query.id, frozenset(candidates))
            assert 0 < len(distinct) < len(candidates)
            sets = [tuple(changes[name] for name in sorted(names)) for names in (candidates, distinct)]
            [of_all], [of_distinct] = twin.what_if([query], sets)
            assert isinstance(of_all, Plan)
            assert isinstance(of_distinct, Plan)
            assert of_distinct.cost == pytest.approx(of_all.cost, rel=FUZZ), query.text


def some_candidates() -> Iterator[Candidate]:
    """Every pair and triple of columns as keys, and singles and pairs with others included or of a part."""
    for name, columns in (
        ("orders", ("id", "customer_id", "placed", "status", "total")),
        ("customer", ("region", "name", "since")),
    ):
        for keys in chain(permutations(columns, 1), permutations(columns, 2), permutations(columns, 3)):
            yield Candidate("public", name, tuple(map(Key, keys)))
            rest = tuple(column for column in columns if column not in keys)
            if rest and len(keys) < 3:
                yield Candidate("public", name, tuple(map(Key, keys)), rest)
                yield Candidate("public", name, tuple(map(Key, keys)), rest[:1])
    yield Candidate("public", "orders", (Key("total"),), predicate=("status = 'status1'::text",))
    yield Candidate("public", "customer", (Key("region"),), predicate=("region = 3",))
