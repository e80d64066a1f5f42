"""Claims about the past as the entries tell it, read from a real ledger."""

from __future__ import annotations

import pytest

from trimtab.errors import LedgerError
from trimtab.ledger.entry import Kind
from trimtab.ledger.history import RunState, StrategyLife, runs, strategies, strategy_lives
from trimtab.ledger.ledger import Ledger
from trimtab.model.change import SetSetting, change_to_dict
from trimtab.model.report import OnSource
from trimtab.model.strategy import Outcome

SHOP = {"system_identifier": "7", "database": "shop", "database_oid": 16384}


def propose(ledger: Ledger, strategy: str, run: str = "r-1") -> None:
    body = {"strategy_id": strategy, "title": f"title of {strategy}", "proposer": "settings"}
    ledger.append(Kind.STRATEGY_PROPOSED, body, run_id=run)


def apply(ledger: Ledger, intent: str, strategy: str, *, run: str = "r-1", reverts: str | None = None) -> None:
    change = change_to_dict(SetSetting("database", "shop", "work_mem", "64MB"))
    body: dict[str, object] = {"intent_id": intent, "strategy_id": strategy, "database": SHOP}
    body |= {"change": change, "inverse": change} | ({"reverts": reverts} if reverts else {})
    intended, done = Kind.APPLY_INTENDED, Kind.APPLY_DONE
    if reverts:
        intended, done = Kind.REVERT_INTENDED, Kind.REVERT_DONE
    ledger.append(intended, body, run_id=run)
    ledger.append(done, {"intent_id": intent, "seconds": 0.5}, run_id=run)


def settle(ledger: Ledger, strategy: str, outcome: str, run: str = "r-1") -> None:
    ledger.append(Kind.STRATEGY_SETTLED, {"strategy_id": strategy, "outcome": outcome, "note": ""}, run_id=run)


def strategy_life(ledger: Ledger, strategy: str) -> StrategyLife:
    """The only one."""
    [life] = strategy_lives(ledger.entries(), strategy)
    return life


def test_a_finished_run_is_summed_up(ledger: Ledger) -> None:
    started = ledger.append(Kind.RUN_STARTED, {"database": SHOP, "spec_id": "SPEC"}, run_id="r-1")
    propose(ledger, "s-1")
    apply(ledger, "a", "s-1")
    apply(ledger, "b", "s-1")
    apply(ledger, "c", "s-1", reverts="b")
    settle(ledger, "s-1", "kept")
    body = {"outcomes": {"kept": 1, "rejected": 2}, "before_ms": 200.0, "after_ms": 50.0}
    finished = ledger.append(Kind.RUN_FINISHED, body, run_id="r-1")
    [run] = runs(ledger.entries())
    assert (run.run_id, run.state, run.database, run.spec_id) == ("r-1", RunState.FINISHED, "shop", "SPEC")
    assert (run.started_ns, run.ended_ns) == (started.at_ns, finished.at_ns)
    assert run.outcomes == {"kept": 1, "rejected": 2}
    assert (run.applied, run.reverted) == (2, 1)
    assert (run.before_ms, run.after_ms, run.improvement) == (200.0, 50.0, 0.75)
    assert run.error_code is None


@pytest.mark.parametrize(
    ("outcomes", "is_applying", "expected"),
    [
        ({"kept": 2, "rejected": 3}, True, OnSource.ALL),
        ({"kept": 1, "failed": 1}, True, OnSource.SOME),
        ({"kept": 1, "reverted": 1}, True, OnSource.SOME),
        ({"failed": 2, "refused": 1}, True, OnSource.NONE),
        ({"reverted": 1}, True, OnSource.NONE),
        ({"refused": 1, "rejected": 1}, True, OnSource.NOTHING_PROVEN),
        ({"proven": 2}, False, OnSource.NOT_ASKED),
    ],
)
def test_how_much_of_the_labs_gain_the_source_has_is_told(
    ledger: Ledger, outcomes: dict[str, int], is_applying: bool, expected: OnSource
) -> None:
    ledger.append(Kind.RUN_STARTED, {"database": SHOP, "apply": is_applying}, run_id="r-1")
    body = {"outcomes": outcomes, "before_ms": 200.0, "after_ms": 50.0}
    ledger.append(Kind.RUN_FINISHED, body, run_id="r-1")
    [run] = runs(ledger.entries())
    assert run.on_source is expected


def test_runs_that_did_not_finish_are_told_by_what_was_settled(ledger: Ledger) -> None:
    for run in ("r-1", "r-2", "r-3"):
        ledger.append(Kind.RUN_STARTED, {}, run_id=run)
    apply(ledger, "a", "s-1")
    settle(ledger, "s-1", "reverted")
    settle(ledger, "s-2", "refused")
    ledger.append(Kind.RUN_FAILED, {"code": "source.unreachable", "message": "gone"}, run_id="r-1")
    ledger.append(Kind.RECONCILED, {}, run_id="r-2")
    ledger.append(Kind.RECONCILED, {}, run_id="not a run that started")
    failed, reconciled, open_run = runs(ledger.entries())
    assert (failed.state, failed.error_code, failed.database) == (RunState.FAILED, "source.unreachable", "shop")
    assert failed.outcomes == {"reverted": 1, "refused": 1}
    assert failed.improvement is None
    assert reconciled.state is RunState.RECONCILED
    assert (open_run.state, open_run.ended_ns) == (RunState.OPEN, None)


def test_a_strategys_life_holds_every_entry_about_it_and_no_other(ledger: Ledger) -> None:
    ledger.append(Kind.RUN_STARTED, {}, run_id="r-1")
    for strategy in ("s-1", "s-2"):
        propose(ledger, strategy)
        ledger.append(Kind.STRATEGY_VALIDATED, {"strategy_id": strategy, "compliant": True}, run_id="r-1")
        ledger.append(Kind.TRIAL_FINISHED, {"strategy_id": strategy, "decision": "accepted"}, run_id="r-1")
    apply(ledger, "a", "s-2")
    ledger.append(Kind.ANCHOR_RECORDED, {"anchor_id": "x", "change_ids": ["a"]}, run_id="r-1")
    settle(ledger, "s-2", "kept")
    life = strategy_life(ledger, "s-2")
    assert [entry.seq for entry in life.entries] == [5, 6, 7, 8, 9, 10, 11]
    assert (life.title, life.proposer, life.outcome, life.standing) == ("title of s-2", "settings", Outcome.KEPT, 1)
    proven = strategy_life(ledger, "s-1")
    assert (proven.outcome, proven.standing) == (Outcome.PROVEN, 0)
    assert [each.strategy_id for each in strategies(ledger.entries())] == ["s-1", "s-2"]
    assert strategy_lives(ledger.entries(), "s-3") == ()


def test_what_was_kept_and_is_taken_back_later_is_reverted(ledger: Ledger) -> None:
    apply(ledger, "a", "s-1")
    settle(ledger, "s-1", "kept")
    apply(ledger, "b", "s-1", run="r-2", reverts="a")
    life = strategy_life(ledger, "s-1")
    assert (life.outcome, life.standing, life.run_ids) == (Outcome.REVERTED, 0, ("r-1", "r-2"))


def test_a_strategy_that_is_tried_anew_has_another_life(ledger: Ledger) -> None:
    propose(ledger, "s-1")
    settle(ledger, "s-1", "rejected")
    propose(ledger, "s-1", run="r-2")
    lives = strategy_lives(ledger.entries(), "s-1")
    assert [(life.run_id, life.outcome) for life in lives] == [("r-1", Outcome.REJECTED), ("r-2", None)]


def test_one_strategy_on_two_databases_has_two_lives(ledger: Ledger) -> None:
    """What takes it back on one of them, in a run of its own, belongs to the run that made the change."""
    for run, database in (("r-1", "shop"), ("r-2", "other")):
        ledger.append(Kind.RUN_STARTED, {"database": {**SHOP, "database": database}}, run_id=run)
        propose(ledger, "s-1", run=run)
        apply(ledger, f"of {run}", "s-1", run=run)
        settle(ledger, "s-1", "kept", run=run)
    apply(ledger, "back", "s-1", run="recovery", reverts="of r-1")
    settle(ledger, "s-1", "reverted", run="recovery")
    first, second = strategy_lives(ledger.entries(), "s-1")
    assert (first.run_id, first.database, first.outcome, first.standing) == ("r-1", "shop", Outcome.REVERTED, 0)
    assert (second.run_id, second.database, second.outcome, second.standing) == ("r-2", "other", Outcome.KEPT, 1)
    assert [entry.seq for entry in first.entries] == [2, 3, 4, 5, 11, 12, 13]
    assert [entry.seq for entry in second.entries] == [7, 8, 9, 10]


def test_an_outcome_that_this_version_does_not_know_is_named(ledger: Ledger) -> None:
    settle(ledger, "s-1", "sublimated")
    with pytest.raises(LedgerError) as refused:
        strategies(ledger.entries())
    assert refused.value.code == "ledger.layout"
