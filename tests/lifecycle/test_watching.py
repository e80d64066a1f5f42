"""Claims about what is taken back because the application's own writes got slower, on a server with real traffic."""

from __future__ import annotations

from dataclasses import replace

import pytest

from trimtab.apply.enforce import Enforcer
from trimtab.errors import SourceError
from trimtab.ledger.pending import pending
from trimtab.lifecycle.recover import resume
from trimtab.lifecycle.watching import UNREADABLE, first_counters
from trimtab.model.strategy import Outcome

from .application import INSERT, OTHER_INDEX, PLAIN_INDEX, READS, SLOW_INDEX, Application, proven

pytestmark = pytest.mark.server


def test_an_index_that_makes_the_writes_of_its_table_slower_is_taken_back(application: Application) -> None:
    application.work(INSERT, *READS)
    with application.landing() as landing:
        lives, anchor = landing.land(proven(OTHER_INDEX, SLOW_INDEX))
        harmless, slow = lives
        assert (harmless.outcome, slow.outcome) == (Outcome.KEPT, Outcome.REVERTED)
        assert anchor is not None
        assert application.indexes() == {OTHER_INDEX.name}
        [insert] = [q for q in landing.snapshot.workload.queries if q.text.startswith("INSERT")]
    assert slow.note.startswith(f"{insert.id} takes ")
    assert "executions" in slow.note
    assert "times as long" in slow.note
    [told] = landing.messages
    assert "1 of the statements that the changes touch judged, 1 of them slower than before" in told
    entries = application.entries()
    [settled] = [e for e in entries if e.kind == "strategy_settled" and e.text("strategy_id") == slow.strategy.id]
    assert (settled.text("outcome"), settled.text("note")) == ("reverted", slow.note)
    assert [e.kind.value for e in entries if e.kind.value.startswith("revert")] == ["revert_intended", "revert_done"]
    assert all("INSERT" not in str(entry.body) for entry in entries)


def test_a_harmless_index_stays_under_the_same_traffic(application: Application) -> None:
    # Of a write that takes so much longer than an entry of an index, the index is no share that counts.
    application.run(
        "CREATE FUNCTION laborious() RETURNS trigger LANGUAGE plpgsql AS"
        " 'BEGIN PERFORM pg_catalog.count(*) FROM pg_catalog.generate_series(1, 20000); RETURN NEW; END'",
        "CREATE TRIGGER laborious BEFORE INSERT ON ticket FOR EACH ROW EXECUTE FUNCTION laborious()",
    )
    application.work(INSERT, *READS)
    with application.landing() as landing:
        [life], _ = landing.land(proven(PLAIN_INDEX))
    assert life.outcome is Outcome.KEPT
    assert application.indexes() == {PLAIN_INDEX.name}
    [told] = landing.messages
    assert told.endswith("1 of the statements that the changes touch judged")


def test_all_that_is_on_the_written_table_is_taken_back_the_last_first(application: Application) -> None:
    application.work(INSERT, *READS)
    with application.landing() as landing:
        lives, anchor = landing.land(proven(SLOW_INDEX, PLAIN_INDEX))
    assert [life.outcome for life in lives] == [Outcome.REVERTED] * 2
    assert anchor is None
    assert application.indexes() == set()
    settled = [entry.text("strategy_id") for entry in application.entries() if entry.kind == "strategy_settled"]
    assert settled == [life.strategy.id for life in reversed(lives)]


@pytest.mark.parametrize("what", ["reset", "few", "quiet", "unwatched"])
def test_what_cannot_be_judged_is_kept_and_told_as_such(
    application: Application, monkeypatch: pytest.MonkeyPatch, what: str
) -> None:
    application.work(*READS)
    if what != "few":
        # As much as the window before needs, and after the change none, or counters that begin anew.
        application.run(*[INSERT.replace("%s", "1")] * 5)
    else:
        application.run(INSERT.replace("%s", "1"))
    with application.landing(watch_seconds=0.0 if what == "unwatched" else 2.0) as landing:
        if what != "few":
            application.run(*[INSERT.replace("%s", str(n)) for n in range(30)])
        if what == "reset":
            apply = landing.enforcer.apply

            def resetting(*arguments: object) -> object:
                done = apply(*arguments)  # type: ignore[arg-type]
                application.run("SELECT pg_stat_statements_reset()")
                application.work(INSERT)
                return done

            monkeypatch.setattr(type(landing.enforcer), "apply", lambda _self, *arguments: resetting(*arguments))
        [life], _ = landing.land(proven(SLOW_INDEX))
    assert life.outcome is Outcome.KEPT
    assert application.indexes() == {SLOW_INDEX.name}
    told = " ".join(landing.messages)
    assert {
        "reset": "1 not judged (1 had its counters reset, or lost them, meanwhile)",
        "few": "not watched: 0 of the statements that the changes touch judged; 1 not judged (1 ran fewer than 20",
        "quiet": "1 not judged (1 ran fewer than 20 times before or after)",
        "unwatched": "",
    }[what] in told
    assert bool(told) is (what != "unwatched")


def test_without_traffic_nobody_waits(application: Application) -> None:
    """The clock is the test's: an hour of watching would end by itself only when it is over."""
    application.work(*READS)
    application.run(*[INSERT.replace("%s", str(n)) for n in range(5)])
    slept: list[float] = []
    with application.landing(watch_seconds=3600.0) as landing:
        application.run(*[INSERT.replace("%s", str(n)) for n in range(30)])
        landing.watching.clock = lambda: sum(slept)
        landing.watching.sleep = slept.append
        [life], _ = landing.land(proven(PLAIN_INDEX))
    assert life.outcome is Outcome.KEPT
    assert 0 < sum(slept) < 5
    assert "watched for 3 s" in landing.messages[0]


def test_a_workload_of_a_file_is_not_watched(application: Application) -> None:
    application.work(INSERT)
    with application.landing() as landing:
        workload = landing.snapshot.workload
        assert first_counters(landing.workshop, workload) is not None
        assert first_counters(landing.workshop, replace(workload, origin="file")) is None
        dry = replace(landing.workshop, request=replace(landing.workshop.request, apply=False))
        assert first_counters(dry, workload) is None


@pytest.mark.parametrize("were_read", [True, False])
def test_counters_that_cannot_be_read_are_told(application: Application, were_read: bool) -> None:
    application.work(INSERT, *READS)
    with application.landing() as landing:
        if were_read:
            application.run("DROP EXTENSION pg_stat_statements")
        else:
            landing.watching.counted = None
        [life], _ = landing.land(proven(PLAIN_INDEX))
    assert life.outcome is Outcome.KEPT
    assert landing.messages == (UNREADABLE,)


def test_a_build_whose_session_the_server_ends_leaves_nothing_and_the_run_goes_on(application: Application) -> None:
    application.work(*READS)
    with application.landing(watch_seconds=0.0) as landing:
        first = landing.enforcer.connection
        with application.ending_builds_of(SLOW_INDEX):
            lives, anchor = landing.land(proven(PLAIN_INDEX, SLOW_INDEX, OTHER_INDEX))
        assert first.closed
        assert landing.enforcer.connection is not first
        assert pending(landing.workshop.ledger.entries()).intents == ()
    assert [life.outcome for life in lives] == [Outcome.KEPT, Outcome.FAILED, Outcome.KEPT]
    assert lives[1].note.endswith("; in a new session nothing of it was left")
    assert anchor is not None
    assert application.indexes() == {PLAIN_INDEX.name, OTHER_INDEX.name}


def test_where_no_new_session_is_given_the_intent_waits_for_resume(application: Application) -> None:
    application.work(*READS)
    with application.landing(watch_seconds=0.0) as landing:

        def refused() -> Enforcer:
            raise SourceError("no more sessions", code="source.connect", next_step="Try again.")

        landing.reopen = refused
        with application.ending_builds_of(SLOW_INDEX):
            [life], _ = landing.land(proven(SLOW_INDEX))
        [intent] = pending(landing.workshop.ledger.entries()).intents
    assert life.outcome is Outcome.FAILED
    assert life.note.endswith("; no more sessions")
    assert resume(application.dsn, application.ledger_path, None).reconciled[0].intent_id == intent.text("intent_id")
    assert application.indexes() == set()
