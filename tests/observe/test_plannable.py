from __future__ import annotations

from dataclasses import replace

import pytest

from trimtab.db.connection import Connection
from trimtab.errors import EmptyWorkloadError
from trimtab.model.workload import Query, QueryKind, Workload
from trimtab.observe.plannable import check_plannable


def query(text: str, kind: QueryKind = QueryKind.READ, count: int = 0) -> Query:
    return Query(text, text, text, text, 1.0, kind, parameter_count=count)


def check(conn: Connection, *queries: Query) -> Workload:
    return check_plannable(conn, Workload(queries, "file"))


def test_what_cannot_be_planned_is_skipped_with_a_reason_without_literals(conn: Connection) -> None:
    found = check(conn, query("SELECT * FROM sale"), query("SELECT 'Sesame' FROM gone"), query("SELECT 'Sesame'::int"))
    assert [kept.text for kept in found.queries] == ["SELECT * FROM sale"]
    assert [skipped.code for skipped in found.skipped] == ["query.unplannable"] * 2
    assert "42P01" in found.skipped[0].reason
    assert not any("Sesame" in skipped.reason for skipped in found.skipped)


def test_what_another_session_locks_waited_too_long(conn: Connection, owner: Connection) -> None:
    with owner.transaction(force_rollback=True):
        owner.execute("LOCK TABLE sale IN ACCESS EXCLUSIVE MODE")
        conn.execute("SET statement_timeout = '200ms'")
        found = check(conn, query("SELECT * FROM sale"), query("SELECT 1"))
    assert [skipped.code for skipped in found.skipped] == ["query.timeout"]


def test_a_generic_plan_is_enough(conn: Connection) -> None:
    assert len(check(conn, query("SELECT * FROM sale WHERE id = $1", count=1)).queries) == 1


def test_drawn_values_that_do_not_fit_are_taken_away(conn: Connection) -> None:
    drawn = replace(query("SELECT * FROM sale WHERE id = $1", count=1), parameters=("no number",), is_synthetic=True)
    (kept,) = check(conn, drawn).queries
    assert (kept.parameters, kept.is_synthetic) == ((), False)


def test_a_role_without_the_right_to_write_keeps_the_writes_of_tables_it_may_read(reader: Connection) -> None:
    write = QueryKind.WRITE
    found = check(
        reader,
        query("SELECT * FROM sale"),
        query("UPDATE sale SET amount = 1", write),
        query("DELETE FROM part", write),
        query("SELECT * FROM part"),
    )
    assert [kept.text for kept in found.queries] == ["SELECT * FROM sale", "UPDATE sale SET amount = 1"]
    assert all("42501" in skipped.reason for skipped in found.skipped)


def test_a_workload_of_which_nothing_is_left_is_refused_with_the_reason_of_each(conn: Connection) -> None:
    texts = ("SELECT * FROM gone", "SELECT absent('Sesame')")
    with pytest.raises(EmptyWorkloadError) as caught:
        check(conn, *map(query, texts))
    assert caught.value.code == "workload.empty"
    assert [(name, code) for name, code, _ in caught.value.left_out] == [(text, "query.unplannable") for text in texts]
    for (_, _, reason), found in zip(caught.value.left_out, ("42P01", "42883"), strict=True):
        assert found in reason
        assert "Sesame" not in reason
    assert [skipped["reason"] for skipped in caught.value.as_dict()["skipped"]] == [  # type: ignore[attr-defined]
        reason for _, _, reason in caught.value.left_out
    ]


def test_progress_counts_every_query(conn: Connection) -> None:
    told: list[tuple[int, int]] = []
    two = Workload((query("SELECT 1"), query("SELECT 2")), "file")
    check_plannable(conn, two, lambda done, total: told.append((done, total)))
    assert told == [(0, 2), (1, 2)]
