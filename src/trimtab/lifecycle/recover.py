"""After an end that was not planned: finish or undo what stands open in the ledger. Also takes back what was kept.

Works from the ledger and the catalog alone. It never touches a database other than the one that an entry names.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from trimtab.apply.enforce import Enforcer, database_body
from trimtab.apply.reconcile import Reconciled, reconcile
from trimtab.errors import UsageError
from trimtab.ledger.entry import Kind
from trimtab.ledger.ledger import Ledger
from trimtab.ledger.pending import applied_changes, pending
from trimtab.model.applied import Applied
from trimtab.model.strategy import Outcome
from trimtab.model.workload import Workload
from trimtab.spec.load import load_spec

if TYPE_CHECKING:
    from trimtab.model.catalog import Snapshot
    from trimtab.spec.specification import Specification

_NO_WORKLOAD = Workload((), "none")


@dataclass(frozen=True, slots=True)
class Recovery:
    """What a resume or a revert did: interrupted intents answered, changes taken back."""

    reconciled: tuple[Reconciled, ...]
    reverted: tuple[Applied, ...]


def resume(conninfo: str, ledger_path: Path, spec: str | Path | None) -> Recovery:
    """Finish or undo what an unplanned end left open on this database. Raises TrimtabError.

    Each open intent is compared with the catalog and answered. Then what was applied and never settled is taken back:
    without its measurement nobody knows that it holds.
    """
    with _recovering(conninfo, ledger_path, load_spec(spec)) as (ledger, enforcer, snapshot):
        return recover(ledger, enforcer, snapshot)


def recover(ledger: Ledger, enforcer: Enforcer, snapshot: Snapshot) -> Recovery:
    """Do the work of `resume` in an open session. The run that does it is not among those that it closes."""
    database = database_body(snapshot.server)
    open_now = pending(ledger.entries(), database=database)
    reconciled = tuple(reconcile(enforcer.connection, ledger, intent) for intent in open_now.intents)
    unsettled = pending(ledger.entries(), database=database).unsettled
    run_of = {entry.text("intent_id"): entry.run_id for entry in ledger.entries(Kind.APPLY_INTENDED)}
    for applied in reversed(unsettled):
        enforcer.revert(applied)
        body = {
            "strategy_id": applied.strategy_id,
            "outcome": Outcome.REVERTED.value,
            "note": "the run ended before it was settled",
        }
        ledger.append(Kind.STRATEGY_SETTLED, body, run_id=run_of[applied.intent_id])
    for run_id in set(open_now.runs) - {enforcer.run_id}:
        ledger.append(Kind.RECONCILED, {"intents": len(reconciled), "reverted": len(unsettled)}, run_id=run_id)
    return Recovery(reconciled, tuple(reversed(unsettled)))


def revert(conninfo: str, ledger_path: Path, spec: str | Path | None, strategy_id: str | None) -> Recovery:
    """Take back one strategy, or all that stands applied on this database, newest first. Raises TrimtabError."""
    with _recovering(conninfo, ledger_path, load_spec(spec)) as (ledger, enforcer, snapshot):
        first = recover(ledger, enforcer, snapshot)
        database = database_body(snapshot.server)
        standing = applied_changes(ledger.entries(), database=database, strategy_id=strategy_id)
        if strategy_id is not None and not standing:
            raise UsageError(
                f"{strategy_id} was not reverted: nothing of it stands applied on {snapshot.server.database}",
                code="revert.not_applied",
                next_step="See `trimtab status` for what stands applied.",
            )
        taken = _take_back(enforcer, standing)
        return Recovery(first.reconciled, first.reverted + taken)


def _take_back(enforcer: Enforcer, standing: Sequence[Applied]) -> tuple[Applied, ...]:
    for applied in reversed(standing):
        enforcer.revert(applied)
        body = {
            "strategy_id": applied.strategy_id,
            "outcome": Outcome.REVERTED.value,
            "note": "taken back on request",
        }
        enforcer.ledger.append(Kind.STRATEGY_SETTLED, body, run_id=enforcer.run_id)
    return tuple(reversed(standing))


@contextmanager
def _recovering(
    conninfo: str, ledger_path: Path, specification: Specification
) -> Iterator[tuple[Ledger, Enforcer, Snapshot]]:
    """Open the ledger, a reading and a writing session, and hold the database against a second run."""
    from trimtab.db.connection import connect
    from trimtab.db.locks import hold_database
    from trimtab.observe.snapshot import read_facts

    with ExitStack() as stack:
        ledger = stack.enter_context(closing(Ledger.open(ledger_path)))
        source = stack.enter_context(closing(connect(conninfo, read_only=True)))
        stack.enter_context(hold_database(source))
        writer = stack.enter_context(closing(connect(conninfo, read_only=False)))
        snapshot = read_facts(source, _NO_WORKLOAD)
        enforcer = Enforcer(writer, ledger, specification, lambda: read_facts(source, _NO_WORKLOAD), "recovery")
        yield ledger, enforcer, snapshot


def open_work(ledger: Ledger, database: Mapping[str, object]) -> bool:
    """Return True when an earlier run left something open on this database."""
    found = pending(ledger.entries(), database=database)
    return bool(found.intents or found.unsettled)
