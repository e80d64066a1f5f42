from __future__ import annotations

from dataclasses import replace
from random import Random

import pytest

from trimtab.db.connection import Connection
from trimtab.db.explain import explain
from trimtab.model.workload import Query, QueryKind, Workload
from trimtab.observe.parameters import with_parameters


def workload(*texts: str) -> Workload:
    queries = []
    for number, text in enumerate(texts):
        kind = QueryKind.READ if text.startswith(("SELECT", "WITH")) else QueryKind.WRITE
        count = max((n for n in range(1, 20) if f"${n}" in text), default=0)
        queries.append(Query(f"q{number}", f"q{number}", text, text, 1.0, kind, parameter_count=count))
    return Workload(tuple(queries), "file")


def drawn(conn: Connection, text: str, seed: int = 1) -> tuple[str | None, ...]:
    return with_parameters(conn, workload(text), Random(seed)).queries[0].parameters


def rows(conn: Connection, text: str, seed: int) -> float | None:
    """The rows that the query finds with drawn values, by running it as a trial does."""
    (query,) = with_parameters(conn, workload(text), Random(seed)).queries
    assert query.is_runnable
    assert query.is_synthetic
    return explain(conn, query, analyze=True).root.actual_rows


@pytest.mark.parametrize(
    "text",
    [
        "SELECT * FROM sale WHERE id = $1",
        "SELECT * FROM sale s JOIN city c ON c.id = s.city WHERE c.name = $1",
        "SELECT * FROM sale WHERE at >= $1 AND at < $2",
        "SELECT * FROM sale WHERE day BETWEEN $1 AND $2",
        "SELECT * FROM sale WHERE amount > $1",
        "SELECT * FROM sale WHERE id = ANY($1)",
        "SELECT * FROM sale WHERE city IN ($1, $2) LIMIT $3 OFFSET $4",
        "SELECT * FROM sale WHERE note LIKE $1",
        "SELECT * FROM city WHERE name ~ $1",
        "SELECT * FROM part WHERE k = $1",
    ],
)
@pytest.mark.parametrize("seed", [1, 2])
def test_drawn_values_find_rows(conn: Connection, text: str, seed: int) -> None:
    assert (rows(conn, text, seed) or 0) > 0


def test_a_pair_of_bounds_is_a_narrow_range(conn: Connection) -> None:
    found = rows(conn, "SELECT * FROM sale WHERE at >= $1 AND at < $2", 3)
    assert found is not None
    assert 0 < found <= 100


@pytest.mark.parametrize(
    "text",
    [
        "INSERT INTO sale (id, city, state, amount, at, day, note) VALUES ($1, $2, $3, $4, $5, $6, $7)",
        "INSERT INTO city VALUES ($1, $2)",
        "UPDATE sale SET state = $1, amount = amount + $2 WHERE id = $3",
        "UPDATE city SET name = $1 WHERE id = $2",
        "DELETE FROM sale WHERE id = $1",
        "INSERT INTO city (id, name) VALUES ($1, $2) ON CONFLICT (id) DO UPDATE SET name = excluded.name || $3",
    ],
)
@pytest.mark.parametrize("seed", [1, 2])
def test_drawn_writes_break_no_constraint(conn: Connection, owner: Connection, text: str, seed: int) -> None:
    (query,) = with_parameters(conn, workload(text), Random(seed)).queries
    with owner.transaction(force_rollback=True):
        changed = owner.execute(text.encode(), query.parameters).rowcount
    assert changed == 1


def test_the_type_decides_where_no_column_does(conn: Connection) -> None:
    text = "SELECT $1::uuid, $2::interval, $3::boolean, $4::jsonb, $5::int[], date_trunc($6, at) FROM sale WHERE $7"
    values = drawn(conn, text)
    assert (values[1], values[3:6]) == ("1 day", ("{}", "{}", "day"))


def test_a_query_without_a_fit_value_stays_open(conn: Connection) -> None:
    found = with_parameters(
        conn,
        workload("SELECT $2::point FROM sale WHERE id = $1", "SELECT * FROM gone WHERE id = $1", "SELECT 1"),
        Random(0),
    )
    assert [query.parameters for query in found.queries] == [(), (), ()]
    assert not any(query.is_synthetic for query in found.queries)


def test_the_same_seed_draws_the_same_whatever_else_is_there(conn: Connection) -> None:
    one, other = "SELECT * FROM sale WHERE id = $1", "SELECT * FROM city WHERE name = $1"
    both = with_parameters(conn, workload(one, other), Random(5)).queries
    assert both == with_parameters(conn, workload(one, other), Random(5)).queries
    assert both[0] == with_parameters(conn, workload(one), Random(5)).queries[0]
    assert drawn(conn, one, 5) != drawn(conn, one, 6)


def test_awkward_names_are_found_without_help(conn: Connection) -> None:
    text = 'SELECT * FROM "Wéird ""S"""."T \'q\' ü" x WHERE x."A b" = $1 AND id = $2'
    assert len(drawn(conn, text)) == 2


def test_dates_do_not_depend_on_the_session(conn: Connection) -> None:
    text = "SELECT * FROM sale WHERE day = $1"
    expected = drawn(conn, text)
    conn.execute("SET DateStyle = 'German, DMY'")
    assert drawn(conn, text) == expected
    assert conn.execute("SHOW DateStyle").fetchone() == ("German, DMY",)


def test_only_the_key_of_a_unique_index_gets_new_values(owner: Connection) -> None:
    with owner.transaction(force_rollback=True):
        owner.execute("CREATE TABLE keyed (id int, extra int)")
        owner.execute("INSERT INTO keyed SELECT n, n FROM generate_series(1, 100) n")
        owner.execute("CREATE UNIQUE INDEX ON keyed (id) INCLUDE (extra)")
        owner.execute("ANALYZE keyed")
        key, extra = drawn(owner, "INSERT INTO keyed VALUES ($1, $2)")
    assert int(key or 0) > 100 >= int(extra or 0)


def test_the_heaviest_reads_get_several_values_that_share_their_executions(conn: Connection) -> None:
    many = [f"SELECT {number} FROM sale WHERE id = $1" for number in range(25)]
    one = "SELECT amount FROM sale WHERE state = $1"
    found = workload(*many, one, "UPDATE sale SET amount = 1 WHERE id = $1")
    weighted = replace(found, queries=tuple(replace(q, weight=float(n)) for n, q in enumerate(found.queries, 1)))
    drawn = with_parameters(conn, weighted, Random(1), draws=3).queries
    of_query = {query.id: [d for d in drawn if d.text == query.text] for query in weighted.queries}
    assert [len(of_query[f"q{number}"]) for number in (0, 5, 26)] == [1, 1, 1]  # light reads, and a write
    assert len(of_query["q24"]) == 3
    assert {draw.id for draw in of_query["q24"]} == {"q24", "q24b", "q24c"}
    assert len({draw.parameters for draw in of_query["q25"]}) == len(of_query["q25"]) <= 3
    assert {draw.statement_id for draw in of_query["q24"]} == {"q24"}
    for query in weighted.queries:
        assert sum(draw.weight for draw in of_query[query.id]) == pytest.approx(query.weight)
    # The first is what one draw alone would be.
    alone = with_parameters(conn, weighted, Random(1)).queries
    assert [query.parameters for query in alone] == [of_query[query.id][0].parameters for query in weighted.queries]
