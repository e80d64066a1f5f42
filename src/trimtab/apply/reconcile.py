"""After a crash: what was intended and never answered is compared with the catalog, and finished or undone.

It looks before it acts: done is recorded as done; absent as failed; half a build is removed, half a drop is finished.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from trimtab.apply.execute import tidy
from trimtab.apply.state import ChangeState, Connection, build_in_progress, state_of
from trimtab.errors import BusyError
from trimtab.ledger.entry import Entry, Kind
from trimtab.ledger.ledger import Ledger
from trimtab.model.change import Change, DropIndex, change_from_dict, touched_table


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
    *,
    wait_seconds: float = 30.0,
    sleep: Callable[[float], None] = time.sleep,
) -> Reconciled:
    """Finish or undo one interrupted intent, and write its result. Raises BusyError while the server works on it."""
    body: Mapping[str, object] = intent.body
    raw = body["change"]
    assert isinstance(raw, Mapping)
    change = change_from_dict(raw)
    _wait_for_build(connection, change, wait_seconds, sleep)
    if state_of(connection, change) is ChangeState.HALF:
        tidy(connection, change)  # for a drop this finishes it: an invalid index cannot be made valid again
    is_done = state_of(connection, change) is ChangeState.DONE
    is_revert = intent.kind is Kind.REVERT_INTENDED
    result: dict[str, object] = {"intent_id": str(body["intent_id"]), "reconciled": True}
    if is_revert:
        result["reverts"] = str(body.get("reverts", ""))
    if is_done:
        kind = Kind.REVERT_DONE if is_revert else Kind.APPLY_DONE
        result["seconds"] = 0.0
    else:
        kind = Kind.REVERT_FAILED if is_revert else Kind.APPLY_FAILED
        result["code"] = "apply.interrupted"
        result["message"] = "the program ended before the change was made"
    ledger.append(kind, result, run_id=intent.run_id)
    return Reconciled(str(body["intent_id"]), change, is_done)


def _wait_for_build(
    connection: Connection, change: Change, wait_seconds: float, sleep: Callable[[float], None]
) -> None:
    """The server may go on building after its client was killed: give it time, then say so."""
    table = touched_table(change)
    if table is None or (not isinstance(change, DropIndex) and state_of(connection, change) is ChangeState.DONE):
        return
    waited = 0.0
    while (pid := build_in_progress(connection, *table)) is not None:
        if waited >= wait_seconds:
            raise BusyError(
                f"the server (pid {pid}) still works on the interrupted {change.kind}",
                code="resume.still_running",
                next_step="Wait until that session ends, or end it with pg_terminate_backend, then resume again.",
            )
        sleep(0.5)
        waited += 0.5
