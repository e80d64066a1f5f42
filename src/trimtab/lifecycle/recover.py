"""After an end that was not planned: finish or undo what stands open in the ledger. Also takes back what was kept.

Works from the ledger and the catalog alone. It never touches a database other than the one that an entry names.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass, field, replace
from functools import partial
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

from trimtab.apply.backend_answers import answer_open
from trimtab.apply.dependence import refuse_rested_on
from trimtab.apply.enforce import Enforcer, TakenBack, database_body
from trimtab.apply.patience import Patience
from trimtab.apply.present import applied_now
from trimtab.apply.reconcile import Reconciled, reconcile
from trimtab.apply.refusals import LeftAlone
from trimtab.errors import LedgerError, TrimtabError, UsageError
from trimtab.ledger.entry import Entry, Kind
from trimtab.ledger.ledger import Ledger
from trimtab.ledger.pending import Pending, applied_changes, pending
from trimtab.lifecycle.governing import named
from trimtab.lifecycle.same_server import require_same_server
from trimtab.lifecycle.securing import preservation
from trimtab.model.applied import Applied
from trimtab.model.strategy import Outcome
from trimtab.model.workload import Workload

if TYPE_CHECKING:
    from trimtab.model.catalog import Snapshot
    from trimtab.spec.specification import Specification

_NO_WORKLOAD = Workload((), "none")

Ends: TypeAlias = dict[tuple[str | None, str], Outcome]
"""How strategies ended, by (run, strategy)."""


@dataclass(frozen=True, slots=True)
class Recovery:
    """What a resume or a revert did: interrupted intents answered, changes taken back.

    `left_alone` says, by intent id, for which of these there was nothing to take back, and why. `notes` tell what was
    seen of security that no error tells, what became of acts on backends, and which runs were closed.
    """

    reconciled: tuple[Reconciled, ...]
    reverted: tuple[Applied, ...]
    left_alone: Mapping[str, LeftAlone] = field(default_factory=dict)
    notes: tuple[str, ...] = ()

    @classmethod
    def of(cls, reconciled: Sequence[Reconciled], taken: Sequence[TakenBack], enforcer: Enforcer) -> Recovery:
        """Return the recovery that did this."""
        notes = () if enforcer.preservation is None else tuple(enforcer.preservation.notes)
        left_alone = {each.applied.intent_id: each.left_alone for each in taken if each.left_alone is not None}
        return cls(tuple(reconciled), tuple(each.applied for each in taken), left_alone, notes)


def resume(conninfo: str, ledger_path: Path, spec: str | Path | None) -> Recovery:
    """Finish or undo what an unplanned end left open on this database. Raises TrimtabError.

    Each open intent is compared with the catalog and answered. Then what was applied and never settled is taken back:
    without its measurement nobody knows that it holds.
    """
    with recovering(conninfo, ledger_path, named(spec, ledger_path)) as (ledger, enforcer, snapshot):
        return recover(ledger, enforcer, snapshot)


def recover(ledger: Ledger, enforcer: Enforcer, snapshot: Snapshot) -> Recovery:
    """Do the work of `resume` in an open session. The run that does it is not among those that it closes.

    What cannot be mended now does not keep the rest from being mended; then the first reason is raised, and its `done`
    says what was.
    """
    recovery, problems = _recover(ledger, enforcer, snapshot)
    _raise_first(problems, recovery)
    return recovery


def revert(conninfo: str, ledger_path: Path, spec: str | Path | None, strategy_id: str | None) -> Recovery:
    """Take back one strategy, or all that stands applied on this database, newest first. Raises TrimtabError.

    A strategy on which later ones rest is refused before anything of it is taken back: `revert.rested_on`. What cannot
    be taken back does not keep the rest from it; then the first reason is raised, and its `done` says what was.
    """
    with recovering(conninfo, ledger_path, named(spec, ledger_path)) as (ledger, enforcer, snapshot):
        database = database_body(snapshot.server)
        first, problems = _recover(ledger, enforcer, snapshot)
        standing = applied_changes(ledger.entries(), database=database)
        applications = _applications(standing, strategy_id)
        if strategy_id is not None and not applications and not problems:
            raise UsageError(
                f"{strategy_id} was not reverted: nothing of it stands applied on {snapshot.server.database}",
                code="revert.not_applied",
                next_step="See `trimtab status` for what stands applied.",
            )
        taken: list[TakenBack] = []
        for application in applications:
            try:
                refuse_halving(ledger, enforcer, application)
            except TrimtabError as error:
                problems.append(error)
                break
            done, more = take_back(enforcer, application)
            taken += done
            problems += more
        second = Recovery.of((), taken, enforcer)
        left = {applied.strategy_id for applied in applied_changes(ledger.entries(), database=database)}
        ends: Ends = {
            (enforcer.run_id, applied.strategy_id): Outcome.REVERTED
            for applied in second.reverted
            if applied.strategy_id not in left
        }
        _settle(ledger, ends, "taken back on request")
        left_alone = {**first.left_alone, **second.left_alone}
        notes = tuple(dict.fromkeys((*first.notes, *second.notes)))
        recovery = Recovery(first.reconciled, first.reverted + second.reverted, left_alone, notes)
        _raise_first(problems, recovery)
        return recovery


def _applications(standing: Sequence[Applied], strategy_id: str | None) -> list[tuple[Applied, ...]]:
    """Return what is to be taken back, newest first: each time that the strategy was applied, or all as one."""
    if strategy_id is None:
        return [tuple(standing)]
    parts = groupby(standing, key=lambda applied: applied.strategy_id)
    return [tuple(part) for name, part in parts if name == strategy_id][::-1]


def refuse_halving(ledger: Ledger, enforcer: Enforcer, application: Sequence[Applied]) -> None:
    """Refuse to take these back while others rest on them: `revert.rested_on`.

    The enforcement point refuses this of each change; asked before, it keeps strategies from being halved.
    """
    facts = enforcer.look()
    standing = applied_changes(ledger.entries(), database=database_body(facts.server))
    refuse_rested_on([applied_now(enforcer.connection, each, facts) for each in application], standing, facts)


def answer_intents(
    ledger: Ledger, enforcer: Enforcer, snapshot: Snapshot, open_intents: Sequence[Entry]
) -> tuple[list[Reconciled], list[TrimtabError]]:
    """Compare interrupted intents with the catalog, and finish or undo them; return which, and why others were not."""
    problems: list[TrimtabError] = []
    reconciled: list[Reconciled] = []
    patience = Patience.of(enforcer.specification.locks)
    preserved = enforcer.preservation
    if preserved is not None and open_intents:
        preserved.look_before_taking_back()
    for intent in open_intents:
        try:
            gate = enforcer.gate(snapshot.server, is_revert=True)
            answered = reconcile(
                enforcer.connection, ledger, intent, patience, snapshot, gate=gate, sleep=enforcer.sleep
            )
            reconciled.append(answered)
            if preserved is not None:
                preserved.answered(answered.change, {"intent_id": answered.intent_id})
        except LedgerError:
            raise
        except TrimtabError as error:
            problems.append(error)
    return reconciled, problems


def _recover(ledger: Ledger, enforcer: Enforcer, snapshot: Snapshot) -> tuple[Recovery, list[TrimtabError]]:
    database = database_body(snapshot.server)
    open_now = pending(ledger.entries(), database=database)
    reconciled, problems = answer_intents(ledger, enforcer, snapshot, open_now.intents)
    unsettled = pending(ledger.entries(), database=database).unsettled
    taken, more = take_back(enforcer, unsettled)
    problems += more
    recovery = Recovery.of(reconciled, taken, enforcer)
    try:
        recovery = replace(recovery, notes=(*recovery.notes, *_answered_acts(ledger, enforcer, snapshot)))
    except LedgerError:
        raise
    except TrimtabError as error:
        problems.append(error)
    ends = _ends(ledger, database, open_now.intents, reconciled, recovery.reverted)
    _settle(ledger, ends, "the run ended before it was settled")
    for run_id in () if problems else dict.fromkeys(open_now.runs):
        if run_id != enforcer.run_id:
            counts = {"intents": len(reconciled), "reverted": len(taken)}
            ledger.append(Kind.RECONCILED, counts, run_id=run_id)
            recovery = replace(recovery, notes=(*recovery.notes, f"run {run_id} had broken off, and is closed"))
    return recovery, problems


def _answered_acts(ledger: Ledger, enforcer: Enforcer, snapshot: Snapshot) -> tuple[str, ...]:
    """Answer what was intended for backends and broke off; return what is told of it."""
    from trimtab.observe.backends import read_backend

    return answer_open(ledger, snapshot.server, partial(read_backend, enforcer.connection))


def take_back(enforcer: Enforcer, standing: Sequence[Applied]) -> tuple[list[TakenBack], list[TrimtabError]]:
    """Revert the changes, newest first; return those that were, and why others were not."""
    taken: list[TakenBack] = []
    problems: list[TrimtabError] = []
    for applied in reversed(standing):
        try:
            taken.append(enforcer.revert(applied))
        except LedgerError:
            raise
        except TrimtabError as error:
            problems.append(error)
    return taken, problems


def _ends(
    ledger: Ledger,
    database: Mapping[str, object],
    intents: Sequence[Entry],
    reconciled: Sequence[Reconciled],
    reverted: Sequence[Applied],
) -> Ends:
    """Return how those strategies of broken-off runs ended of which nothing stands any more."""
    run_of = {entry.text("intent_id"): entry.run_id for entry in ledger.entries(Kind.APPLY_INTENDED)}
    settled = {(entry.run_id, entry.text("strategy_id")) for entry in ledger.entries(Kind.STRATEGY_SETTLED)}
    standing = {applied.strategy_id for applied in applied_changes(ledger.entries(), database=database)}
    answered = {each.intent_id for each in reconciled}
    ends: Ends = {}
    for intent in intents:
        strategy_id = intent.text("strategy_id")
        if intent.text("intent_id") not in answered or strategy_id in standing:
            continue
        is_revert = intent.kind is Kind.REVERT_INTENDED
        run_id = run_of.get(intent.text("reverts")) if is_revert else intent.run_id
        if (run_id, strategy_id) not in settled:
            ends[run_id, strategy_id] = Outcome.REVERTED if is_revert else Outcome.FAILED
    for applied in reverted:
        if applied.strategy_id not in standing:
            ends[run_of[applied.intent_id], applied.strategy_id] = Outcome.REVERTED
    return ends


def _settle(ledger: Ledger, ends: Ends, note: str) -> None:
    for (run_id, strategy_id), outcome in ends.items():
        body = {"strategy_id": strategy_id, "outcome": outcome.value, "note": note}
        ledger.append(Kind.STRATEGY_SETTLED, body, run_id=run_id)


def _raise_first(problems: Sequence[TrimtabError], done: Recovery) -> None:
    if problems:
        problems[0].done = done
        raise problems[0]


@contextmanager
def recovering(
    conninfo: str, ledger_path: Path, specification: Specification, run_id: str = "recovery"
) -> Iterator[tuple[Ledger, Enforcer, Snapshot]]:
    """Open the ledger, a reading and a writing session, and hold the database against a second run."""
    from trimtab.db.connection import connect
    from trimtab.db.locks import DEAD_SESSION_SECONDS, hold_database
    from trimtab.db.role import APPLYING, reading, refuse_overprivileged
    from trimtab.observe.snapshot import read_facts

    with ExitStack() as stack:
        ledger = stack.enter_context(closing(Ledger.open(ledger_path)))
        source = stack.enter_context(closing(reading(conninfo, work=APPLYING)))
        stack.enter_context(hold_database(source, wait_seconds=DEAD_SESSION_SECONDS))
        writer = stack.enter_context(closing(connect(conninfo, read_only=False)))
        snapshot = read_facts(source, _NO_WORKLOAD)
        require_same_server(writer, snapshot.server)
        refuse_overprivileged(writer, APPLYING)
        enforcer = Enforcer(
            writer,
            ledger,
            specification,
            lambda: read_facts(source, _NO_WORKLOAD),
            run_id,
            preservation=preservation(source, ledger, run_id),
        )
        yield ledger, enforcer, snapshot


def open_work(ledger: Ledger, database: Mapping[str, object], *, run_id: str | None = None) -> Pending:
    """Return what earlier runs left open on this database; `run_id` is the run that asks, which is not among them."""
    found = pending(ledger.entries(), database=database)
    return replace(found, runs=tuple(run for run in found.runs if run != run_id))


def has_changes(found: Pending) -> bool:
    """Return True when the source is concerned: a change that is interrupted, or that stands and was never settled."""
    return bool(found.intents or found.unsettled)
