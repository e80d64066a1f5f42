"""Claims about the counters of pg_stat_statements: what they hold, and whose statements they are of."""

from __future__ import annotations

import pytest

from trimtab.db.connection import Connection
from trimtab.observe.statements import workload_from_statements
from trimtab.observe.traffic import read_counters, statements_of
from trimtab.observe.written import family_of, tables_of_writes


def run(conn: Connection, *texts: str) -> None:
    for text in texts:
        conn.execute(text.encode())


def test_the_counters_are_those_of_the_server_and_name_the_workloads_queries(
    owner: Connection, conn: Connection
) -> None:
    run(owner, *(f"SELECT note FROM sale WHERE id = {n}" for n in range(7)), "SELECT count(*) FROM city")
    run(owner, "PREPARE find (int) AS SELECT name FROM city WHERE id = $1", "EXECUTE find(1)", "EXECUTE find(2)")
    run(owner, "DEALLOCATE find")
    workload = workload_from_statements(conn)
    counters = read_counters(conn)
    assert counters is not None
    assert counters.evictions is not None
    known = statements_of(conn, workload.queries)
    counted = {known[key]: counter for key, counter in counters.by_statement.items() if key in known}
    assert {query.id: query.weight for query in workload.queries} == {q: c.calls for q, c in counted.items()}
    assert sorted(c.calls for c in counted.values()) == [1, 2, 7]
    for query_id, counter in counted.items():
        row = conn.execute(
            "select sum(calls * (stddev_exec_time ^ 2 + mean_exec_time ^ 2)), sum(total_exec_time)"
            " from pg_stat_statements where queryid = $1",
            (next(key for key, found in known.items() if found == query_id)[1],),
        ).fetchone()
        assert row is not None
        assert (counter.squares, counter.total_ms) == pytest.approx(row)


def test_two_readings_tell_what_ran_between_and_a_reset(owner: Connection, conn: Connection) -> None:
    run(owner, "SELECT count(*) FROM city")
    workload = workload_from_statements(conn)
    first = read_counters(conn)
    run(owner, *["SELECT count(*) FROM city"] * 5)
    second = read_counters(conn)
    [key] = statements_of(conn, workload.queries)
    run(owner, "SELECT pg_stat_statements_reset()", *["SELECT count(*) FROM city"] * 9)
    third = read_counters(conn)
    assert first is not None
    assert second is not None
    assert third is not None
    assert second.by_statement[key].calls - first.by_statement[key].calls == 5
    assert second.by_statement[key].since == first.by_statement[key].since
    assert third.by_statement[key].calls == 9
    shows_reset = third.reset != second.reset or third.by_statement[key].since != second.by_statement[key].since
    assert shows_reset or conn.info.server_version < 140000


def test_cursors_and_statements_inside_of_functions_are_no_one_querys(owner: Connection, conn: Connection) -> None:
    run(
        owner,
        "CREATE FUNCTION cities() RETURNS bigint LANGUAGE plpgsql AS 'BEGIN RETURN (SELECT count(*) FROM city); END'",
    )
    run(owner, "SELECT cities()", "BEGIN", "DECLARE c NO SCROLL CURSOR FOR SELECT note FROM sale", "FETCH 3 FROM c")
    run(owner, "COMMIT", "DROP FUNCTION cities", "SELECT min(id) FROM city")
    workload = workload_from_statements(conn)
    texts = {query.id: query.text for query in workload.queries}
    known = statements_of(conn, workload.queries)
    assert "SELECT note FROM sale" in texts.values()
    assert {texts[query_id] for query_id in known.values()} == {"SELECT cities()", "SELECT min(id) FROM city"}
    assert all(is_top_level for _, _, is_top_level in known)


def test_where_nothing_is_counted_there_are_no_counters(owner: Connection, conn: Connection) -> None:
    run(owner, "DROP EXTENSION pg_stat_statements")
    try:
        assert read_counters(conn) is None
    finally:
        run(owner, "CREATE EXTENSION pg_stat_statements")
    assert read_counters(conn) is not None


def test_a_role_that_may_not_see_others_statements_counts_its_own(owner: Connection, reader: Connection) -> None:
    run(owner, "SELECT count(*) FROM city")
    run(reader, "SELECT max(id) FROM city")
    workload = workload_from_statements(reader)
    assert [query.text for query in workload.queries] == ["SELECT max(id) FROM city"]
    assert len(statements_of(reader, workload.queries)) == 1


def test_writes_tell_the_tables_that_they_reach_and_a_partition_its_parent(owner: Connection, conn: Connection) -> None:
    run(owner, "INSERT INTO part VALUES (9999, '2020-02-02')", "DELETE FROM part WHERE k = 9999")
    run(owner, "UPDATE sale SET state = 'new' WHERE id = -1", "SELECT count(*) FROM city")
    run(owner, "WITH gone AS (DELETE FROM sale WHERE id = -7 RETURNING city) SELECT * FROM gone")
    workload = workload_from_statements(conn)
    texts = {query.id: query.text.split()[0] for query in workload.queries}
    found = tables_of_writes(conn, workload.queries)
    assert sorted(texts[query_id] for query_id in found) == ["DELETE", "INSERT", "UPDATE", "WITH"]
    by_word = {texts[query_id]: tables for query_id, tables in found.items()}
    assert by_word["INSERT"] == {("public", "part")}
    assert ("public", "sale") in by_word["UPDATE"] & by_word["WITH"]
    assert family_of(conn, {("public", "part_1")}) == {("public", "part_1"), ("public", "part")}
    assert family_of(conn, {("public", "part")}) == {("public", "part"), ("public", "part_1"), ("public", "part_2")}
    assert by_word["INSERT"] & family_of(conn, {("public", "part_2")})
    assert family_of(conn, {("public", "gone")}) == {("public", "gone")}
