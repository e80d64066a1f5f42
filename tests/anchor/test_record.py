"""Claims about anchors: how a level is taken, that nothing is changed for it, and what an anchor holds."""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trimtab.anchor.record import Measuring, _level, _Runs, anchor_to_dict, make_anchor, measure_levels
from trimtab.db.connection import Connection, connect
from trimtab.db.sql import split
from trimtab.embedded.server import Server
from trimtab.errors import SourceError
from trimtab.ledger.entry import canonical_body
from trimtab.model.workload import Query, QueryKind, Workload
from trimtab.observe.snapshot import read_facts
from trimtab.settle.judge import regressions

HOW = Measuring(runs=3, statement_timeout_ms=600, max_seconds=60.0)


def _query(text: str, *, parameters: tuple[str, ...] = (), kind: QueryKind = QueryKind.READ, count: int = 0) -> Query:
    (statement,) = split(text)
    return Query(text, text, text, statement.normalized_text, 2.0, kind, max(count, len(parameters)), parameters)


READ = _query("SELECT count(*) FROM parcel WHERE kind = 'kind 3'")
SLOW = _query("SELECT count(*) FROM generate_series(1, 1000000000)")
WRITE = _query("INSERT INTO parcel VALUES (-2)", kind=QueryKind.WRITE)
SNEAKY = _query("SELECT sneaky()")
CLONE_ONLY = replace(READ, id="clone only", clone_only="it calls act, which is volatile")
OPEN = _query("SELECT kind FROM parcel WHERE id = $1", count=1)
MISSING = _query("SELECT * FROM nowhere")
TWO = Query("two", "two", "SELECT 1; SELECT 2", "", 1.0, QueryKind.READ)


def test_a_read_is_run_as_often_as_asked(reader: Connection) -> None:
    level = measure_levels(reader, [READ], HOW)[READ.id]
    assert (level.runs, level.weight) == (3, 2.0)
    assert 0 < level.p50_ms <= level.p90_ms <= level.max_ms
    assert level.plan_shape


def test_a_run_that_reaches_the_time_limit_counts_as_the_limit(reader: Connection) -> None:
    level = measure_levels(reader, [SLOW], HOW)[SLOW.id]
    assert (level.runs, level.p50_ms, level.max_ms) == (1, 600.0, 600.0)


def test_writes_open_parameters_and_what_stays_in_a_clone_are_planned_and_not_run(reader: Connection) -> None:
    levels = measure_levels(reader, [WRITE, OPEN, CLONE_ONLY], HOW)
    assert [level.runs for level in levels.values()] == [0, 0, 0]
    assert all(level.plan_shape for level in levels.values())


def test_nothing_is_written_even_by_a_read_that_would_and_in_a_session_that_could(reader: Connection) -> None:
    count = "select count(*), pg_current_xact_id_if_assigned() from parcel"
    before = reader.execute(count.encode()).fetchone()
    level = measure_levels(reader, [SNEAKY, WRITE], HOW)[SNEAKY.id]
    assert level.runs == 0
    assert reader.execute(count.encode()).fetchone() == before
    row = reader.execute(
        "select current_setting('transaction_read_only'), current_setting('statement_timeout')"
    ).fetchone()
    assert row == ("off", "0")


def test_one_query_that_cannot_be_planned_does_not_end_the_measuring(reader: Connection) -> None:
    levels = measure_levels(reader, [MISSING, TWO, SNEAKY, READ], HOW)
    assert list(levels) == [SNEAKY.id, READ.id]
    assert levels[READ.id].runs == 3


def test_a_lost_connection_ends_it(reader: Connection, any_server: Server) -> None:
    with connect(any_server.dsn(), read_only=False) as admin:
        admin.execute("select pg_terminate_backend($1)", (reader.info.backend_pid,))
    with pytest.raises(SourceError):
        measure_levels(reader, [READ, READ], HOW)


def test_when_the_time_is_used_up_the_rest_is_planned(reader: Connection) -> None:
    ticks = itertools.count()
    clock: Callable[[], float] = lambda: float(next(ticks))  # noqa: E731
    levels = measure_levels(reader, [READ, OPEN, _query("SELECT 1")], Measuring(9, 1000, 4.5), clock=clock)
    assert [level.runs for level in levels.values()] == [3, 0, 1]


def test_what_no_time_was_left_for_is_told_however_often_the_others_are_run(reader: Connection) -> None:
    for runs in (1, 9):
        ticks = itertools.count()
        told: list[str] = []
        levels = measure_levels(
            reader,
            [READ, OPEN, WRITE, _query("SELECT 1")],
            Measuring(runs, 1000, 1.5),
            clock=lambda ticks=ticks: float(next(ticks)),  # type: ignore[misc]
            unmeasured=told.append,
        )
        assert [level.runs for level in levels.values()] == [1, 0, 0, 0]
        assert told == ["SELECT 1"]


def test_a_time_limit_that_is_reached_only_after_is_a_loss(reader: Connection) -> None:
    query = _query("SELECT count(*) FROM generate_series(1, 200000)")
    before = measure_levels(reader, [query], replace(HOW, statement_timeout_ms=60_000))
    after = measure_levels(reader, [query], replace(HOW, statement_timeout_ms=1))
    assert (before[query.id].runs, after[query.id].runs) == (3, 1)
    lost = regressions(before, after, max_slowdown_percent=10, floor_ms=2)
    assert [(one.query_id, one.is_timeout) for one in lost] == [(query.id, True)]
    assert regressions(after, after, max_slowdown_percent=10, floor_ms=2) == []


def test_what_could_be_read_before_and_cannot_be_after_is_a_loss(reader: Connection) -> None:
    before = measure_levels(reader, [READ], HOW)
    failing = _query("SELECT 1 / (count(*) - count(*)) FROM parcel")
    after = measure_levels(reader, [replace(failing, id=READ.id)], HOW)
    assert after[READ.id].runs == 0
    assert [one.after_ms for one in regressions(before, after, max_slowdown_percent=10, floor_ms=2)] == [None]


def test_where_reads_may_only_be_planned_nothing_is_run(reader: Connection) -> None:
    how = Measuring(3, 5000, 60.0, reads_are_run=False)
    assert measure_levels(reader, [READ, SLOW], how)[SLOW.id].runs == 0


def test_progress_is_told(reader: Connection) -> None:
    told: list[tuple[int, int]] = []
    measure_levels(reader, [READ, MISSING], HOW, progress=lambda done, total: told.append((done, total)))
    assert told == [(0, 4), (1, 4), (2, 4), (3, 4)]


@given(st.lists(st.floats(0, 1e9), min_size=1, max_size=50))
def test_quantiles_lie_in_order_within_what_was_seen(times: list[float]) -> None:
    level = _level(READ, _Runs(times), "shape")
    assert min(times) <= level.p50_ms <= level.p90_ms * (1 + 1e-12)
    assert level.p90_ms <= level.max_ms * (1 + 1e-12)
    assert (level.max_ms, level.runs) == (max(times), len(times))


def test_the_ninetieth_is_interpolated_within_the_sample() -> None:
    level = _level(READ, _Runs([float(n) for n in range(11)]), "shape")
    assert (level.p50_ms, level.p90_ms, level.max_ms) == (5.0, 9.0, 10.0)


def test_an_ordinary_role_gets_the_whole_coordinate(reader: Connection) -> None:
    facts = read_facts(reader, Workload((), "none"))
    anchor = make_anchor(reader, facts, measure_levels(reader, [READ], HOW), ("i1",), now_ns=17)
    now_ns, wal_position, timeline, epoch = anchor.coordinate
    assert (now_ns, timeline) == (17, 1)
    assert "/" in wal_position
    assert epoch.endswith("Z")
    assert anchor.settings
    assert anchor.change_ids == ("i1",)


def test_a_role_that_may_not_ask_gets_an_anchor_all_the_same(reader: Connection, any_server: Server) -> None:
    facts = read_facts(reader, Workload((), "none"))
    with connect(any_server.dsn(), read_only=False) as admin:
        admin.execute("REVOKE EXECUTE ON FUNCTION pg_control_checkpoint() FROM PUBLIC")
        anchor = make_anchor(reader, facts, {}, (), now_ns=17)
        admin.execute("GRANT EXECUTE ON FUNCTION pg_control_checkpoint() TO PUBLIC")
    assert anchor.coordinate[1:3] == ("", 0)
    assert anchor.coordinate[3].endswith("Z")


def test_what_the_ledger_is_given_holds_no_text_and_no_literal(reader: Connection) -> None:
    facts = read_facts(reader, Workload((), "none"))
    query = _query("SELECT count(*) FROM parcel WHERE kind = 'kind 3'")
    query = Query("q1", "name", query.text, query.normalized_text, 1.0, QueryKind.READ)
    written = anchor_to_dict(make_anchor(reader, facts, measure_levels(reader, [query], HOW), (), now_ns=2**62))
    text = canonical_body(written).decode()
    assert "kind 3" not in text
    assert "SELECT" not in text
    assert json.loads(text)["coordinate"]["time_ns"] == str(2**62)
    assert json.loads(text)["queries"][0]["query_id"] == "q1"


@pytest.mark.server
def test_a_standby_has_a_coordinate_too(newest_server: Server) -> None:
    with newest_server.clone("standby-tests") as standby:
        standby.stop()
        (standby.data_directory / "standby.signal").touch()
        standby.start()
        with connect(standby.dsn(), read_only=True) as connection:
            facts = read_facts(connection, Workload((), "none"))
            assert facts.server.is_standby
            anchor = make_anchor(connection, facts, measure_levels(connection, [READ], HOW), (), now_ns=1)
    assert anchor.coordinate[2] == 1
    assert anchor.queries[0].runs == 3
