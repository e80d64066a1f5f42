"""After a crash: what was intended and never answered is compared with the catalog, and finished or undone.

It looks before it acts: done is recorded as done; absent as failed; half a build is removed, half a drop is finished.
It never ends another session.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from trimtab.apply.execute import Execution
from trimtab.apply.patience import Patience
from trimtab.apply.present import intended_now
from trimtab.apply.state import ChangeState, made_object, session_at_work, state_of
from trimtab.db.connection import Connection
from trimtab.errors import BusyError
from trimtab.ledger.entry import Entry, Kind
from trimtab.ledger.ledger import Ledger
from trimtab.model.catalog import Snapshot
from trimtab.model.change import Change

_LOOK_AGAIN_SECONDS = 0.5


@dataclass(frozen=True, slots=True)
class Reconciled:
    """One interrupted intent and how it ended: `is_done` True when the change now stands."""

    intent_id: str
    change: Change
    is_done: bool


def reconcile(
    connection: Connection,
    ledger: Ledger,
    intent: Entry,
    patience: Patience,
    snapshot: Snapshot,
    *,
    gate: Callable[[], None],
    wait_seconds: float = 30.0,
    sleep: Callable[[float], None] = time.sleep,
) -> Reconciled:
    """Finish or undo one interrupted intent, and write its result. The snapshot says what tables are called now, and
    `gate` raises HeldError while no statement may be sent.

    Raises BusyError `resume.still_running` while the server works on it, UnfinishedError `apply.unfinished` while locks
    or a freeze keep its leftover, SourceError, LedgerError.
    """
    change = intended_now(connection, intent, snapshot)
    _wait_for_session(connection, intent, change, wait_seconds, sleep)
    Execution(connection, patience, sleep, gate).clear(change)
    is_done = state_of(connection, change) is ChangeState.DONE
    kind, result = _answer(intent, is_done)
    made = made_object(connection, change) if is_done else {}
    ledger.append(kind, {**result, **made}, run_id=intent.run_id)
    return Reconciled(intent.text("intent_id"), change, is_done)


def _answer(intent: Entry, is_done: bool) -> tuple[Kind, Mapping[str, object]]:
    is_revert = intent.kind is Kind.REVERT_INTENDED
    named = {"intent_id": intent.text("intent_id"), "reconciled": True}
    if is_revert:
        named["reverts"] = intent.text("reverts")
    if is_done:
        return (Kind.REVERT_DONE if is_revert else Kind.APPLY_DONE), {**named, "seconds": 0.0}
    told = {"code": "apply.interrupted", "message": "the program ended before the change was made"}
    return (Kind.REVERT_FAILED if is_revert else Kind.APPLY_FAILED), {**named, **told}


def _wait_for_session(
    connection: Connection, intent: Entry, change: Change, wait_seconds: float, sleep: Callable[[float], None]
) -> None:
    """The server may work on after its client was killed, for a while or, before 14, to the end: only then look."""
    session = intent.mapping("session")
    pid, started_at = session.get("pid"), session.get("started_at")
    if not isinstance(pid, int) or not isinstance(started_at, str):
        raise intent.layout_error("session")
    waited = 0.0
    while session_at_work(connection, pid, started_at):
        if waited >= wait_seconds:
            raise BusyError(
                f"the server (process {pid}) still works on the interrupted {change.kind}",
                code="resume.still_running",
                next_step=f"Wait until it ends, or end it with pg_terminate_backend({pid}), then resume again.",
            )
        sleep(_LOOK_AGAIN_SECONDS)
        waited += _LOOK_AGAIN_SECONDS
