"""Tells the past from the entries: what each run did, and each strategy's life. Pure; it prints nothing.

A run's counts are what the run itself reported at its end; for one that has no such end they are what was settled.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum

from trimtab.ledger.entry import Entry, Json, Kind
from trimtab.ledger.pending import Intent, applied_changes, intents
from trimtab.model.report import OnSource, on_source
from trimtab.model.shares import saved_share
from trimtab.model.strategy import Decision, Outcome

_BY_OTHERS = (
    Kind.STRATEGY_SETTLED,
    Kind.LEASE_NOTED,
    Kind.GUARD_NOTED,
    Kind.APPROVAL_GIVEN,
    Kind.APPROVAL_REJECTED,
)
_ENDS = {Kind.RUN_FINISHED: "finished", Kind.RUN_FAILED: "failed", Kind.RECONCILED: "reconciled"}


class RunState(StrEnum):
    """How a run stands. OPEN: it has no end in the ledger; it runs now, or was killed and waits for `resume`."""

    OPEN = "open"
    FINISHED = "finished"
    FAILED = "failed"
    RECONCILED = "reconciled"


@dataclass(frozen=True, slots=True)
class RunSummary:
    """One run. Times are UTC nanoseconds; `before_ms` and `after_ms` are the workload's totals in the lab, or None.

    `on_source` tells how much of what the lab proved stood on the source at the run's end. `outcomes` counts strategies
    by outcome; `applied` and `reverted` count changes. `error_code` is of a failed run.
    """

    run_id: str
    state: RunState
    started_ns: int
    ended_ns: int | None
    database: str
    spec_id: str
    outcomes: Mapping[str, int]
    applied: int
    reverted: int
    before_ms: float | None
    after_ms: float | None
    error_code: str | None
    on_source: OnSource

    @property
    def improvement(self) -> float | None:
        """Share of the workload's time saved in the lab, None when nothing was measured."""
        return saved_share(self.before_ms, self.after_ms)


@dataclass(frozen=True, slots=True)
class StrategyLife:
    """A strategy's way through one run: every entry about it, in order, and those by which it was taken back later.

    `run_id` is the run and `database` the name of its database, "" where the ledger names none. `outcome` is None while
    it has not come to an end. `standing` counts its changes of this run that stand applied now. `run_ids` are all runs
    that wrote the entries.
    """

    strategy_id: str
    run_id: str | None
    database: str
    title: str
    proposer: str
    outcome: Outcome | None
    standing: int
    run_ids: tuple[str, ...]
    entries: tuple[Entry, ...]


def runs(entries: Iterable[Entry]) -> tuple[RunSummary, ...]:
    """Return a summary of every run that started, oldest first."""
    by_run: dict[str, list[Entry]] = {}
    for entry in entries:
        if entry.run_id is not None:
            by_run.setdefault(entry.run_id, []).append(entry)
    return tuple(
        _summary(run_id, known)
        for run_id, known in by_run.items()
        if any(entry.kind is Kind.RUN_STARTED for entry in known)
    )


def strategy_lives(entries: Iterable[Entry], strategy_id: str) -> tuple[StrategyLife, ...]:
    """Return the strategy's lives, one for each run that had it, on whichever database; the newest is the last."""
    return tuple(life for life in strategies(entries) if life.strategy_id == strategy_id)


def strategies(entries: Iterable[Entry]) -> tuple[StrategyLife, ...]:
    """Return the life of every strategy in every run, in the order in which they were first met."""
    known = tuple(entries)
    intent_of = {intent.id: intent.intended for intent in intents(known)}
    strategy_of = {intent_id: intended.text("strategy_id") for intent_id, intended in intent_of.items()}
    lives: dict[tuple[str, str | None], list[Entry]] = {}
    newest: dict[str, str | None] = {}
    for entry in known:
        for strategy_id in _subjects(entry, strategy_of):
            run_id = _reverted_run(entry, intent_of)
            if entry.kind in _BY_OTHERS and (strategy_id, run_id) not in lives:
                run_id = newest.get(strategy_id, run_id)  # written by who took it back, or by people
            newest[strategy_id] = run_id
            lives.setdefault((strategy_id, run_id), []).append(entry)
    standing = Counter((applied.strategy_id, intent_of[applied.intent_id].run_id) for applied in applied_changes(known))
    databases = {run.run_id: run.database for run in runs(known)}
    return tuple(
        _life(strategy_id, run_id, databases.get(run_id or "", ""), found, standing[strategy_id, run_id])
        for (strategy_id, run_id), found in lives.items()
    )


def _reverted_run(entry: Entry, intent_of: Mapping[str, Entry]) -> str | None:
    """Return the run whose strategy an entry is about: of a revert that which made the change, else the entry's own."""
    intended = intent_of.get(_text(entry.body.get("intent_id")), entry)
    made = intent_of.get(_text(intended.body.get("reverts")), entry)
    return made.run_id


def _subjects(entry: Entry, strategy_of: Mapping[str, str]) -> tuple[str, ...]:
    """Return the strategies that an entry is about: the one named, that of its intent, or those whose anchor it is."""
    named = _text(entry.body.get("strategy_id")) or strategy_of.get(_text(entry.body.get("intent_id")))
    if named:
        return (named,)
    change_ids = entry.body.get("change_ids")
    if entry.kind is not Kind.ANCHOR_RECORDED or not isinstance(change_ids, list):
        return ()
    return tuple(dict.fromkeys(strategy_of[str(each)] for each in change_ids if str(each) in strategy_of))


def _life(strategy_id: str, run_id: str | None, database: str, entries: list[Entry], standing: int) -> StrategyLife:
    proposed = next((entry for entry in reversed(entries) if entry.kind is Kind.STRATEGY_PROPOSED), None)
    return StrategyLife(
        strategy_id=strategy_id,
        run_id=run_id,
        database=database,
        title=_text(proposed.body.get("title")) if proposed is not None else "",
        proposer=_text(proposed.body.get("proposer")) if proposed is not None else "",
        outcome=_outcome(entries, standing),
        standing=standing,
        run_ids=tuple(dict.fromkeys(entry.run_id for entry in entries if entry.run_id is not None)),
        entries=tuple(entries),
    )


def _outcome(entries: list[Entry], standing: int) -> Outcome | None:
    """Return the last end that the entries tell; what was kept and stands no longer was taken back since."""
    outcome: Outcome | None = None
    for entry in entries:
        match entry.kind:
            case Kind.STRATEGY_PROPOSED | Kind.APPLY_INTENDED:
                outcome = None
            case Kind.TRIAL_FINISHED if entry.body.get("decision") == Decision.ACCEPTED.value:
                outcome = Outcome.PROVEN
            case Kind.STRATEGY_SETTLED:
                outcome = _settled_outcome(entry)
            case _:
                pass
    return Outcome.REVERTED if outcome is Outcome.KEPT and standing == 0 else outcome


def _settled_outcome(entry: Entry) -> Outcome:
    try:
        return Outcome(entry.text("outcome"))
    except ValueError:
        raise entry.layout_error("outcome") from None


def _summary(run_id: str, entries: list[Entry]) -> RunSummary:
    started = next(entry for entry in entries if entry.kind is Kind.RUN_STARTED)
    end = next((entry for entry in reversed(entries) if entry.kind in _ENDS), None)
    finished = end.body if end is not None and end.kind is Kind.RUN_FINISHED else {}
    carried_out = [intent for intent in intents(entries) if intent.is_done]
    outcomes = _outcomes(finished, entries)
    return RunSummary(
        run_id=run_id,
        state=RunState.OPEN if end is None else RunState(_ENDS[end.kind]),
        started_ns=started.at_ns,
        ended_ns=None if end is None else end.at_ns,
        database=_database(started, carried_out),
        spec_id=_text(started.body.get("spec_id")),
        outcomes=outcomes,
        applied=sum(not intent.is_revert for intent in carried_out),
        reverted=sum(intent.is_revert for intent in carried_out),
        before_ms=_number(finished.get("before_ms")),
        after_ms=_number(finished.get("after_ms")),
        error_code=_text(end.body.get("code")) or None if end is not None else None,
        on_source=on_source(outcomes, is_applying=started.body.get("apply") is True),
    )


def _outcomes(finished: Mapping[str, Json], entries: list[Entry]) -> dict[str, int]:
    reported = finished.get("outcomes")
    if isinstance(reported, dict):
        return {outcome: count for outcome, count in reported.items() if isinstance(count, int)}
    settled = {e.text("strategy_id"): e.text("outcome") for e in entries if e.kind is Kind.STRATEGY_SETTLED}
    return dict(Counter(settled.values()))


def _database(started: Entry, carried_out: list[Intent]) -> str:
    named = started.body.get("database")
    if named is None and carried_out:
        named = carried_out[0].intended.body.get("database")
    return _text(named.get("database")) if isinstance(named, dict) else _text(named)


def _text(value: Json) -> str:
    return value if isinstance(value, str) else ""


def _number(value: Json) -> float | None:
    return float(value) if isinstance(value, int | float) else None
