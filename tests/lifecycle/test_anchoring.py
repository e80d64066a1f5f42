"""Claims about taking an anchor of a real database: what it holds, what it never holds, and what a death leaves."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import psycopg
import pytest

from trimtab.anchor.force import Force
from trimtab.db.connection import Connection
from trimtab.errors import AnchorError, SourceError
from trimtab.ledger.entry import Kind
from trimtab.ledger.ledger import Ledger
from trimtab.lifecycle import anchor_chain, anchoring
from trimtab.lifecycle.anchoring import AnchorRequest
from trimtab.lifecycle.comparing import compare
from trimtab.model.anchor import Permanence
from trimtab.model.comparison import Finding
from trimtab.model.watch import Silent
from trimtab.observe.server import read_clock
from trimtab.twin.image import load

from .application import Application

pytestmark = pytest.mark.server

SECRET = "s3cret-value"
READ = "SELECT name FROM agent WHERE id = %s"
GROUPED = "SELECT team, count(*) FROM agent GROUP BY team"
HIDDEN = f"SELECT count(*) FROM agent WHERE name = '{SECRET}'"


def _work(application: Application, times: int = 30) -> None:
    with psycopg.connect(application.dsn, autocommit=True) as conn:
        for number in range(times):
            conn.execute(READ, (number,))
            conn.execute(GROUPED)
            conn.execute(HIDDEN.encode())


@pytest.fixture
def busy(application: Application) -> Application:
    application.run(f"INSERT INTO agent VALUES (100001, '{SECRET}', 1)", "ANALYZE agent")
    with psycopg.connect(application.dsn, autocommit=True) as conn:
        conn.execute("SELECT pg_stat_statements_reset()")
    _work(application)
    return application


def _request(application: Application, **others: object) -> AnchorRequest:
    return replace(AnchorRequest(application.dsn, application.ledger_path), **others)  # type: ignore[arg-type]


def test_an_anchor_holds_the_level_of_each_query_and_what_it_depends_on(busy: Application) -> None:
    signed = anchoring.create(_request(busy, runs=4), Silent())
    anchor = signed.anchor
    assert len(anchor.queries) == 3
    assert {level.counted.calls for level in anchor.queries if level.counted} == {30}
    assert {level.runs for level in anchor.queries} == {4}
    assert all(level.latency is not None and level.latency.count == 4 for level in anchor.queries)
    assert 0.0 < sum(level.counted.share for level in anchor.queries if level.counted) <= 1.0
    assert anchor.state.tables["public.agent"].statistics
    assert anchor.state.tables["public.agent"].rows == 201
    assert anchor.state.host.processor_ms > 0
    assert "pg_stat_statements" in anchor.state.extensions
    assert [d.name for d in anchor.dimensions if d.level is None] == []
    assert anchor_chain.verified_chain(busy.ledger_path) == [anchor.id]
    with Ledger.open(busy.ledger_path) as ledger:
        [entry] = ledger.entries(Kind.ANCHOR_RECORDED)
    assert entry.text("document_sha256") == signed.digest


def test_neither_the_document_nor_the_ledger_holds_a_text_a_literal_or_a_value(busy: Application) -> None:
    signed = anchoring.create(_request(busy, runs=1), Silent())
    document = anchor_chain.store_of(busy.ledger_path).path(signed.anchor).read_text()
    with Ledger.open(busy.ledger_path) as ledger:
        entries = json.dumps([dict(entry.body) for entry in ledger.entries()])
    for text in (document, entries):
        assert SECRET not in text
        assert "SELECT" not in text.upper().replace("TRIMTAB", "")
    statistics = anchor_chain.store_of(busy.ledger_path).statistics(signed.anchor)
    assert statistics is not None
    assert load(statistics).source.has_values


def test_without_statistics_nothing_is_kept_beside_it_and_it_says_so(busy: Application) -> None:
    signed = anchoring.create(_request(busy, keeps_statistics=False), Silent())
    assert anchor_chain.store_of(busy.ledger_path).statistics(signed.anchor) is None
    assert signed.anchor.state.tables["public.agent"].statistics == ""
    assert any("statistics were not kept" in problem for problem in signed.anchor.problems)
    assert signed.anchor.queries[0].runs == 0


def test_two_readings_count_what_ran_in_between_alone(busy: Application) -> None:
    slept: list[float] = []

    def sleep(seconds: float) -> None:
        slept.append(seconds)
        if len(slept) == 1:
            _work(busy, 7)

    signed = anchoring.create(_request(busy, seconds=1.0), Silent(), sleep=sleep)
    assert sum(slept) == pytest.approx(1.0)
    assert {level.counted.calls for level in signed.anchor.queries if level.counted} == {7}


def test_parts_of_the_window_tell_by_how_much_blocks_scatter(busy: Application) -> None:
    signed = anchoring.create(_request(busy, seconds=6.0), Silent(), sleep=lambda _seconds: _work(busy, 7))
    for counted in (level.counted for level in signed.anchor.queries if level.counted is not None):
        assert (counted.calls, counted.blocks_parts) == (7 * 7, 6)
        assert counted.blocks_deviation is not None
        assert counted.blocks_deviation <= counted.blocks
    assert anchoring.create(_request(busy), Silent()).anchor.queries[0].counted is not None


def test_executions_of_the_servers_log_are_taken_where_it_holds_all_of_them(
    busy: Application,
) -> None:
    log = busy.server.directory / "server.log"
    assert log.is_file()
    selective = anchoring.create(_request(busy, logs=(log,)), Silent()).anchor
    assert all(level.latency is None for level in selective.queries)
    assert any("the log was not read" in problem for problem in selective.problems)
    # For the database alone: our own session sees it too.
    busy.run(f'ALTER DATABASE "{busy.database}" SET log_min_duration_statement = 0')
    _work(busy, 25)
    anchor = anchoring.create(_request(busy, logs=(log,)), Silent()).anchor
    told = [problem for problem in anchor.problems if problem.startswith("the log: ")]
    assert len(told) == 1, anchor.problems
    assert SECRET not in told[0]


@pytest.mark.parametrize("seconds", [0.0, 0.5])
def test_the_window_is_by_the_servers_clock_whatever_ours_says(
    busy: Application, monkeypatch: pytest.MonkeyPatch, seconds: float
) -> None:
    def sleep(_seconds: float) -> None:
        _work(busy)

    begun, right = datetime.now(UTC), time.time  # datetime's own clock goes on as the server's, which is this machine's
    monkeypatch.setattr(time, "time", lambda: right() - 365 * 86_400)
    anchor = anchoring.create(_request(busy, seconds=seconds), Silent(), sleep=sleep).anchor
    assert anchor.since is not None
    since, until = (datetime.fromisoformat(at) for at in (anchor.since, anchor.until))
    assert since < until
    assert begun < until < datetime.now(UTC)
    assert not seconds or begun < since
    assert all(dimension.level is not None for dimension in anchor.dimensions)


@pytest.mark.parametrize("step", [timedelta(hours=1), timedelta(hours=-1), timedelta()])
def test_a_server_whose_clock_is_set_meanwhile_has_a_window_of_the_length_that_it_was(
    busy: Application, monkeypatch: pytest.MonkeyPatch, step: timedelta
) -> None:
    shift = timedelta()

    def clock(conn: Connection) -> str:
        return (datetime.fromisoformat(read_clock(conn)) + shift).isoformat()

    def sleep(_seconds: float) -> None:
        nonlocal shift
        shift = step
        _work(busy)

    monkeypatch.setattr(anchoring, "read_clock", clock)
    anchor = anchoring.create(_request(busy, seconds=0.5), Silent(), sleep=sleep).anchor
    assert anchor.since is not None
    length = datetime.fromisoformat(anchor.until) - datetime.fromisoformat(anchor.since)
    assert timedelta() < length < timedelta(minutes=1)
    assert any("clock was set" in problem for problem in anchor.problems) == bool(step)
    assert all(dimension.level is not None for dimension in anchor.dimensions)


def test_statements_that_are_left_out_are_told_by_the_reason(busy: Application) -> None:
    workload = ("SELECT name FROM agent WHERE id = 1", "SELECT x FROM not_there", "SELECT y FROM not_there", "VACUUM")
    anchor = anchoring.create(_request(busy, workload=workload), Silent()).anchor
    assert anchor.left_out == 3
    assert anchor.problems[0] == "statements of the workload that were left out: 2 query.unplannable, 1 sql.utility"


def test_counters_that_began_anew_meanwhile_are_told_and_never_differenced(busy: Application) -> None:
    def sleep(_seconds: float) -> None:
        with psycopg.connect(busy.dsn, autocommit=True) as conn:
            conn.execute("SELECT pg_stat_statements_reset()")
        _work(busy, 40)

    signed = anchoring.create(_request(busy, seconds=1.0), Silent(), sleep=sleep)
    assert all(level.counted is None for level in signed.anchor.queries)
    assert any("counters began anew" in problem for problem in signed.anchor.problems)
    assert all(dimension.level is None and dimension.note for dimension in signed.anchor.dimensions)


def test_of_a_workload_file_too_only_what_ran_since_the_earlier_anchor_is_compared(busy: Application) -> None:
    workload = (GROUPED, "SELECT name FROM agent WHERE id = 7")
    first = anchoring.create(_request(busy, workload=workload), Silent()).anchor
    _work(busy)
    second = anchoring.create(_request(busy, workload=workload), Silent()).anchor
    assert first.since is not None
    assert first.since == second.since
    assert all(dimension.level is not None for dimension in second.dimensions)
    found = compare(first, second, error_rate=0.01, margin=0.1)
    assert not any("since when" in difference for difference in found.differences)
    assert found.dimensions[0].later is not None


def test_an_unchanged_database_compares_as_the_same_and_a_lost_index_as_worse(busy: Application) -> None:
    busy.run("INSERT INTO agent SELECT n, 'agent ' || n, n % 9 FROM generate_series(1001, 60000) n", "ANALYZE agent")
    workload = ("SELECT name FROM agent WHERE id = 77", "SELECT name FROM agent WHERE id = 5077")
    request = _request(busy, workload=workload, runs=60)
    first, second = (anchoring.create(request, Silent()).anchor for _ in range(2))
    margin = 9.0  # a machine can be twice as slow a minute later, and a scan of all rows takes a hundred times as long
    same = compare(first, second, error_rate=0.01, margin=margin)
    assert same.finding is not Finding.WORSE
    assert all(query.same_plan for query in same.queries)
    busy.run("ALTER TABLE agent DROP CONSTRAINT agent_pkey")
    found = compare(first, anchoring.create(request, Silent()).anchor, error_rate=0.01, margin=margin)
    assert found.finding is Finding.WORSE
    assert {query.same_plan for query in found.queries} == {False}
    assert "table public.agent is defined otherwise: a column, index, key or statistics object" in found.differences


def test_a_death_between_document_and_ledger_is_made_good_by_the_next(
    busy: Application, monkeypatch: pytest.MonkeyPatch
) -> None:
    request = _request(busy)
    anchoring.create(request, Silent())
    with monkeypatch.context() as patch:
        patch.setattr(Ledger, "append", lambda *_, **__: (_ for _ in ()).throw(KeyboardInterrupt))
        with pytest.raises(KeyboardInterrupt):
            anchoring.create(request, Silent())
    assert len(anchor_chain.verified_chain(busy.ledger_path)) == 2
    anchoring.create(request, Silent())
    with Ledger.open(busy.ledger_path) as ledger:
        digests = [entry.text("document_sha256") for entry in ledger.entries(Kind.ANCHOR_RECORDED)]
    assert digests == [s.digest for s in anchor_chain.store_of(busy.ledger_path).anchors()]


def test_what_is_in_force_and_what_was_accepted_or_released(busy: Application) -> None:
    path = busy.ledger_path
    plain, lasting, cosmic = (
        anchoring.create(_request(busy, permanence=permanence), Silent()).anchor
        for permanence in (Permanence.PERFORMANCE_LIFETIME, Permanence.OPTIMIZATION_LIFETIME, Permanence.COSMIC)
    )

    def states() -> list[Force]:
        return [standing.force for standing in anchor_chain.listed(path)]

    assert states() == [Force.IN_FORCE, Force.SUPERSEDED, Force.IN_FORCE]
    anchor_chain.accept(path, cosmic.id, "new hardware")
    assert states() == [Force.SUPERSEDED, Force.SUPERSEDED, Force.IN_FORCE]
    anchor_chain.release(path, "latest", "the feature is gone")
    assert states() == [Force.SUPERSEDED, Force.SUPERSEDED, Force.RELEASED]
    store = anchor_chain.store_of(path)
    assert [store.statistics(anchor) for anchor in (plain, lasting, cosmic)] == [None, None, None]
    for act in (anchor_chain.accept, anchor_chain.release):
        with pytest.raises(AnchorError) as refused:
            act(path, cosmic.id, "again")
        assert refused.value.code == "anchor.not_in_force"


def test_an_anchor_of_another_machine_is_believed_by_its_key_alone(busy: Application, tmp_path: Path) -> None:
    signed = anchoring.create(_request(busy), Silent())
    document = anchor_chain.store_of(busy.ledger_path).path(signed.anchor)
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    with pytest.raises(AnchorError) as refused:
        anchor_chain.verified_file(document, elsewhere / "ledger.db")
    assert "is not known here" in str(refused.value)
    anchor_chain.export_key(busy.ledger_path, tmp_path / "shop.pub")
    assert anchor_chain.verified_file(document, elsewhere / "ledger.db", [tmp_path / "shop.pub"]) == signed


def test_a_source_that_is_gone_leaves_no_anchor(busy: Application, new_application: Callable[[], Application]) -> None:
    with pytest.raises(SourceError):
        anchoring.create(_request(busy, conninfo="host=127.0.0.1 port=1 dbname=none"), Silent())
    assert anchor_chain.listed(busy.ledger_path) == []
