"""Plans of real servers, before and after GENERIC_PLAN came (16), and that asking leaves nothing behind."""

from __future__ import annotations

import psycopg
import pytest
from psycopg.pq import TransactionStatus

from trimtab.db.connection import Connection
from trimtab.db.explain import QueryTimeout, ServerError, explain
from trimtab.errors import WorkloadError
from trimtab.model.workload import Query, QueryKind


def _query(text: str, *parameters: str | None, count: int | None = None, kind: QueryKind = QueryKind.READ) -> Query:
    number = len(parameters) if count is None else count
    return Query("q", "q", text, text, 1.0, kind, number, parameters)


def _count(conn: Connection) -> object:
    row = conn.execute("SELECT count(*) FROM shipment").fetchone()
    assert row is not None
    return row[0]


def test_a_plain_query_is_planned_and_not_run(conn: Connection) -> None:
    plan = explain(conn, _query("SELECT 100 % 7, id FROM shipment WHERE kind LIKE 'r%' -- trailing"))
    assert plan.relations == {("public", "shipment")}
    assert plan.cost > 0
    assert plan.execution_ms is None


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("SELECT 1 FROM shipment WHERE id = $1", "5"),
        ("SELECT 1 FROM shipment WHERE day < $1", "2024-02-01"),
        ("SELECT 1 FROM shipment WHERE tags && $1", "{1,2}"),
        ("SELECT 1 FROM shipment WHERE id = ANY ($1)", "{1,2}"),
        ("SELECT 1 FROM shipment WHERE is_open = $1", "t"),
        ("SELECT 1 FROM shipment WHERE amount > $1", "12.5"),
        ("SELECT 1 FROM shipment WHERE kind = $1", None),
        ("SELECT 1 FROM shipment WHERE day > now() - $1::interval LIMIT 5", "3 days"),
    ],
)
def test_text_values_take_the_types_that_the_server_infers(conn: Connection, text: str, value: str | None) -> None:
    plan = explain(conn, _query(text, value), analyze=True)
    assert plan.execution_ms is not None
    assert plan.total_ms > 0


def test_values_give_a_plan_for_these_values(conn: Connection) -> None:
    text = "SELECT * FROM shipment WHERE kind = $1"
    rare = explain(conn, _query(text, "rare"))
    common = explain(conn, _query(text, "common"))
    assert rare.root.rows < 1000 < 15000 < common.root.rows
    assert rare.indexes == {"shipment_kind"}
    assert not common.indexes


def test_a_query_without_values_gets_a_generic_plan(conn: Connection) -> None:
    text = "SELECT * FROM shipment WHERE kind = $1 AND day < $2"
    generic = explain(conn, _query(text, count=2))
    forced = explain(conn, _query(text, "rare", "2024-05-01"), generic=True)
    assert "$1" in "".join(c for node in generic.root.walk() for c in node.conditions.values())
    assert generic.cost == forced.cost
    assert explain(conn, _query("SELECT * FROM shipment"), generic=True).cost > 0


def test_a_generic_plan_can_be_had_again_and_leaves_no_prepared_statement(conn: Connection) -> None:
    query = _query("SELECT * FROM shipment WHERE id = $1", count=1)
    assert explain(conn, query) == explain(conn, query)
    with pytest.raises(ServerError) as refused:
        explain(conn, _query("SELECT * FROM missing WHERE id = $1", count=1))
    assert refused.value.sqlstate == "42P01"
    assert conn.execute("SELECT count(*) FROM pg_prepared_statements").fetchone() == (0,)
    assert conn.execute("SHOW plan_cache_mode").fetchone() == ("auto",)


@pytest.mark.parametrize("count", [0, 1])
def test_inside_a_transaction_a_failure_spoils_nothing(conn: Connection, count: int) -> None:
    with conn.transaction(force_rollback=True):
        conn.execute("CREATE TABLE fresh AS SELECT 1 AS n")
        with pytest.raises(ServerError):
            explain(conn, _query("SELECT nope FROM fresh WHERE n = $1", count=count))
        assert conn.info.transaction_status is TransactionStatus.INTRANS
        assert explain(conn, _query("SELECT n FROM fresh WHERE n = $1", count=1)).relations == {("public", "fresh")}
        assert conn.execute("SELECT count(*) FROM pg_prepared_statements").fetchone() == (0,)


@pytest.mark.parametrize("inside", [False, True])
def test_settings_hold_for_one_plan(conn: Connection, inside: bool) -> None:
    query = _query("SELECT * FROM shipment WHERE kind = $1", "rare")
    off = {"enable_indexscan": "off", "enable_bitmapscan": "off"}
    if inside:
        with conn.transaction():
            _assert_settings_hold_once(conn, query, off)
    else:
        _assert_settings_hold_once(conn, query, off)


def _assert_settings_hold_once(conn: Connection, query: Query, off: dict[str, str]) -> None:
    assert not explain(conn, query, settings=off).indexes
    assert not explain(conn, query, settings=off, analyze=True).indexes
    assert explain(conn, query).indexes
    with pytest.raises(ServerError):
        explain(conn, query, settings={"no_such_setting": "1"})
    assert conn.execute("SHOW enable_indexscan").fetchone() == ("on",)


def test_a_write_that_is_run_is_taken_back(conn: Connection) -> None:
    before = _count(conn)
    plan = explain(conn, _query("DELETE FROM shipment WHERE id < $1", "500", kind=QueryKind.WRITE), analyze=True)
    assert plan.execution_ms is not None
    assert _count(conn) == before
    assert conn.info.transaction_status is TransactionStatus.IDLE


def test_running_needs_values(conn: Connection) -> None:
    for generic in (None, False, True):
        with pytest.raises(WorkloadError) as refused:
            explain(conn, _query("SELECT 1 FROM shipment WHERE id = $1", count=1), analyze=True, generic=generic)
        assert refused.value.code == "query.not_runnable"


@pytest.mark.parametrize("count", [0, 1])
def test_a_second_statement_in_a_text_never_runs(conn: Connection, count: int) -> None:
    condition = "id = $1" if count else "true"
    with pytest.raises((ServerError, WorkloadError)):
        explain(conn, _query(f"SELECT 1 FROM shipment WHERE {condition}; CREATE TABLE sneaked ()", count=count))
    assert conn.execute("SELECT to_regclass('sneaked')").fetchone() == (None,)


def test_a_timeout_is_told_and_the_connection_stays_usable(conn: Connection) -> None:
    conn.execute("SET statement_timeout = 50")
    with pytest.raises(QueryTimeout) as refused:
        explain(conn, _query("SELECT pg_sleep(20)"), analyze=True)
    assert refused.value.code == "query.timeout"
    assert explain(conn, _query("SELECT 1")).cost >= 0


def test_a_connection_without_dollar_placeholders_serves_too(conn: Connection) -> None:
    with psycopg.connect(conn.info.dsn) as plain:
        assert explain(plain, _query("SELECT 1 FROM shipment WHERE id = $1 AND kind LIKE '%x'", "5")).cost > 0
        assert explain(plain, _query("SELECT 1 FROM shipment WHERE id = $1 AND kind LIKE '%x'", count=1)).cost > 0
