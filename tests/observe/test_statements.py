from __future__ import annotations

import os
from collections.abc import Iterator

import pytest

from trimtab.db.connection import Connection, connect
from trimtab.embedded.binaries import Binaries
from trimtab.embedded.server import Server
from trimtab.errors import EmptyWorkloadError, SourceError, WorkloadError
from trimtab.observe.catalog import read_tables
from trimtab.observe.statements import unread_texts, workload_from_statements
from trimtab.twin.ends import read_ends


@pytest.fixture
def other_database(owner: Connection, server: Server) -> Iterator[Connection]:
    owner.execute("CREATE DATABASE plain")
    with connect(server.dsn("plain"), read_only=False) as connection:
        yield connection
    owner.execute("DROP DATABASE plain WITH (FORCE)")


def run(conn: Connection, *texts: str) -> None:
    for text in texts:
        conn.execute(text.encode())


def test_weights_are_calls_and_other_constants_are_the_same_query(owner: Connection, conn: Connection) -> None:
    run(owner, *(f"SELECT * FROM sale WHERE id = {n}" for n in range(7)))
    run(owner, *(f"SELECT amount FROM sale WHERE id IN ({', '.join(['1'] * n)})" for n in (1, 2, 3)))
    found = workload_from_statements(conn)
    assert sorted(query.weight for query in found.queries) == [3, 7]
    assert found.origin == "pg_stat_statements"
    assert all(query.parameter_count and not query.is_runnable for query in found.queries)


def test_only_what_the_application_asked_for_is_workload(
    owner: Connection, conn: Connection, other_database: Connection
) -> None:
    run(owner, "SELECT count(*) FROM sale", "SELECT 1", "SELECT count(*) FROM pg_class", "SET work_mem = '4MB'")
    run(owner, "EXPLAIN ANALYZE SELECT max(amount) FROM sale", "SHOW work_mem", "BEGIN", "SAVEPOINT s", "COMMIT")
    run(owner, "SELECT /* trimtab */ avg(id) FROM sale", "VACUUM city", "DO /* trimtab */ $$ BEGIN NULL; END $$")
    run(other_database, "CREATE TABLE sale (id int)", "SELECT sum(id) FROM sale")
    read_tables(conn)
    workload_from_statements(conn)
    found = workload_from_statements(conn)
    assert [query.text for query in found.queries] == ["SELECT count(*) FROM sale"]
    assert found.skipped == ()


def test_the_probes_of_the_twin_are_no_workload(owner: Connection, conn: Connection) -> None:
    """They alone of what runs on a source read the tables of its users."""
    run(owner, "CREATE TABLE probed (id int PRIMARY KEY)", "INSERT INTO probed SELECT generate_series(1, 5000)")
    run(owner, "ANALYZE probed", "INSERT INTO probed SELECT generate_series(5001, 9000)")
    run(owner, "SELECT pg_stat_statements_reset()", "SELECT count(*) FROM city")
    assert "probed" in {one.relation for one in read_ends(conn, with_values=True).ends}
    run(owner, "DROP TABLE probed")
    assert [query.text for query in workload_from_statements(conn).queries] == ["SELECT count(*) FROM city"]


def test_queries_behind_prepare_and_declare_are_workload(owner: Connection, conn: Connection) -> None:
    run(owner, "PREPARE find (int) AS SELECT name FROM city WHERE id = $1", "EXECUTE find(1)", "EXECUTE find(2)")
    run(owner, "DEALLOCATE find", "BEGIN", "DECLARE c NO SCROLL CURSOR FOR SELECT note FROM sale", "FETCH 3 FROM c")
    run(owner, "COMMIT")
    found = workload_from_statements(conn)
    assert {query.text: query.weight for query in found.queries} == {
        "SELECT name FROM city WHERE id = $1": 2,
        "SELECT note FROM sale": 1,
    }
    assert found.skipped == ()


def test_work_that_is_no_query_is_listed_once_per_kind(owner: Connection, conn: Connection) -> None:
    run(owner, "SELECT count(*) FROM sale", "CREATE PROCEDURE tidy(text) LANGUAGE sql AS 'SELECT min(id) FROM sale'")
    run(owner, "CALL tidy('Sesame')", "CALL tidy('open')", "DO $$ BEGIN PERFORM min(id) FROM sale; END $$")
    run(
        owner,
        "CREATE TABLE kept AS SELECT 'Sesame' AS word",
        "SELECT 1 AS one INTO kept_too",
        "DROP TABLE kept, kept_too",
    )
    run(owner, "DROP PROCEDURE tidy")
    for text in ("COPY (SELECT id FROM city) TO STDOUT", "COPY city TO STDOUT"):
        with owner.cursor() as cursor, cursor.copy(text.encode()) as copy:
            assert list(copy)
    found = workload_from_statements(conn)
    assert [query.text for query in found.queries] == ["SELECT count(*) FROM sale"]
    assert {(s.name, s.code, s.weight) for s in found.skipped} == {
        ("CALL statements", "sql.utility", 2),
        ("CREATE TABLE AS statements", "sql.utility", 2),
        ("DO statements", "sql.utility", 1),
        ("COPY statements", "sql.utility", 1),
    }
    assert "Sesame" not in str(found.skipped)


def test_what_the_server_normalised_into_nonsense_can_be_planned_again(owner: Connection, conn: Connection) -> None:
    run(owner, "SELECT date_trunc('month', at), count(*) FROM sale WHERE day > date '2024-02-01' - interval '1' month"
        " GROUP BY date_trunc('month', at) ORDER BY date_trunc('month', at)")  # fmt: skip
    (query,) = workload_from_statements(conn).queries
    conn.execute(f"PREPARE again AS {query.text}".encode())
    assert query.parameter_count == 2


def test_the_costliest_come_first_and_the_limit_holds(owner: Connection, conn: Connection) -> None:
    run(owner, "SELECT * FROM city WHERE id = 1", "SELECT count(*) FROM sale a, city b WHERE a.note < b.name")
    first, second = workload_from_statements(conn).queries
    assert "FROM sale a" in first.text
    assert workload_from_statements(conn, limit=1).queries == (first,)
    assert second.weight == 1


def test_dangerous_statements_are_listed(owner: Connection, conn: Connection) -> None:
    run(owner, "SELECT pg_advisory_xact_lock(id) FROM city WHERE id = 1", "SELECT * FROM city")
    found = workload_from_statements(conn)
    assert [(s.code, s.weight) for s in found.skipped] == [("sql.advisory_lock", 1)]


def test_texts_of_other_roles_are_counted_and_named(owner: Connection, reader: Connection) -> None:
    run(owner, "SELECT count(*) FROM sale")
    run(reader, "SELECT count(*) FROM city")
    found = workload_from_statements(reader)
    assert [query.text for query in found.queries] == ["SELECT count(*) FROM city"]
    assert {(s.name, s.code) for s in found.skipped} == {("statements of role trimtab", "query.hidden")}
    assert "pg_read_all_stats" in found.skipped[0].reason


def test_damaged_and_lost_texts_are_named_with_the_way_out(owner: Connection, conn: Connection, server: Server) -> None:
    texts = server.data_directory / "pg_stat_tmp" / "pgss_query_texts.stat"
    run(owner, "SELECT count(*) FROM sale")
    assert unread_texts(workload_from_statements(conn)) == ""
    size = texts.stat().st_size
    run(owner, "SELECT max(id) FROM sale")
    os.truncate(texts, size)
    found = workload_from_statements(conn)
    assert [query.text for query in found.queries] == ["SELECT count(*) FROM sale"]
    assert "pg_stat_statements_reset()" in unread_texts(found)
    os.truncate(texts, 0)
    with pytest.raises(EmptyWorkloadError) as empty:
        workload_from_statements(conn)
    assert "pg_stat_statements_reset()" in empty.value.next_step
    run(owner, "SELECT min(id) FROM sale")  # behind a hole, in which nothing is text
    with pytest.raises(SourceError) as caught:
        workload_from_statements(conn)
    assert caught.value.code == "source.damaged_texts"
    assert "pg_stat_statements_reset()" in caught.value.next_step
    run(owner, "SELECT pg_stat_statements_reset()", "SELECT count(*) FROM sale")
    found = workload_from_statements(conn)
    assert [query.text for query in found.queries] == ["SELECT count(*) FROM sale"]
    assert unread_texts(found) == ""


def test_nothing_to_work_on_is_refused(owner: Connection, conn: Connection) -> None:
    run(owner, "SELECT 1")
    with pytest.raises(WorkloadError) as caught:
        workload_from_statements(conn)
    assert caught.value.code == "workload.empty"


def test_a_database_without_the_extension_says_what_to_do(other_database: Connection) -> None:
    with pytest.raises(SourceError) as caught:
        workload_from_statements(other_database)
    assert caught.value.code == "source.no_pg_stat_statements"
    assert "--workload" in caught.value.next_step


def test_the_extension_is_found_in_any_schema(other_database: Connection, server: Server) -> None:
    run(other_database, 'CREATE SCHEMA "Ex {t}"', 'CREATE EXTENSION pg_stat_statements SCHEMA "Ex {t}"')
    run(other_database, "CREATE TABLE mine (id int)", "SELECT * FROM mine")
    assert [query.text for query in workload_from_statements(other_database).queries] == ["SELECT * FROM mine"]


def test_an_extension_older_than_its_server_is_read_as_far_as_it_can_be(other_database: Connection) -> None:
    run(other_database, "CREATE EXTENSION pg_stat_statements VERSION '1.8'", "CREATE TABLE mine (id int)")
    run(other_database, "SELECT * FROM mine")
    found = workload_from_statements(other_database)
    assert ([query.text for query in found.queries], found.since) == (["SELECT * FROM mine"], None)
    run(other_database, "DROP EXTENSION pg_stat_statements", "CREATE EXTENSION pg_stat_statements VERSION '1.7'")
    with pytest.raises(SourceError) as caught:
        workload_from_statements(other_database)
    assert caught.value.code == "source.pg_stat_statements_too_old"
    assert "1.7" in str(caught.value)
    assert "ALTER EXTENSION pg_stat_statements UPDATE" in caught.value.next_step


@pytest.mark.server
@pytest.mark.usefixtures("_own_places")
def test_an_extension_that_is_not_loaded_says_so() -> None:
    with (
        Server.create(Binaries.find(), purpose="observe-unloaded") as server,
        connect(server.dsn(), read_only=False) as connection,
    ):
        run(connection, "CREATE EXTENSION pg_stat_statements")
        with pytest.raises(SourceError) as caught:
            workload_from_statements(connection)
    assert caught.value.code == "source.pg_stat_statements_not_loaded"
    assert "shared_preload_libraries" in caught.value.next_step
