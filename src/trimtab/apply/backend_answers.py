"""After a crash: what was intended for a backend and never answered is compared with what is there, and answered.

It only looks, and signals nobody. An intent whose session still is there is left to it. On a server that was started
again since, or is another one of the same cluster, nobody can tell: that is what is written.
"""

from __future__ import annotations

from collections.abc import Callable

from trimtab.apply.backends import is_over
from trimtab.apply.enforce import database_body
from trimtab.ledger.backend_acts import BackendIntent, open_backend_intents
from trimtab.ledger.entry import Kind
from trimtab.ledger.ledger import Ledger
from trimtab.model.backend import Backend, BackendAct
from trimtab.model.catalog import ServerIdentity

INTERRUPTED, UNKNOWN = "backend.interrupted", "backend.unanswered"


def answer_open(ledger: Ledger, server: ServerIdentity, look: Callable[[int], Backend | None]) -> tuple[str, ...]:
    """Answer the intents that are open on this server; return a line for each. Raises SourceError, LedgerError."""
    told = []
    for intent in open_backend_intents(ledger.entries(), database=database_body(server)):
        if _is_at_work(intent, look):
            continue
        act, pid = BackendAct(intent.intended.text("act")), intent.intended.number("pid") or 0
        named = {"intent_id": intent.id, "reconciled": True}
        seen = look(pid)
        if seen is not None and not seen.started_at:
            continue  # hidden from this role: left to one that sees it
        if intent.intended.text("server_started_at") != server.started_at:
            found, message = UNKNOWN, "nobody can tell: the server was started again since, or is another one"
        elif is_over(act, intent.intended.text("started_at"), intent.intended.text("since"), seen):
            ledger.append(Kind.BACKEND_DONE, {**named, "seconds": 0.0, "has_ended": True})
            told.append(f"{act.value} of backend {pid}, which was interrupted: what it was to end has ended")
            continue
        else:
            found, message = INTERRUPTED, "the program ended before it was done: the backend is at it still"
        ledger.append(Kind.BACKEND_FAILED, {**named, "code": found, "message": message})
        told.append(f"{act.value} of backend {pid}, which was interrupted: {message}")
    return tuple(told)


def _is_at_work(intent: BackendIntent, look: Callable[[int], Backend | None]) -> bool:
    session = intent.intended.mapping("session")
    pid, started_at = session.get("pid"), session.get("started_at")
    if not isinstance(pid, int) or not isinstance(started_at, str):
        raise intent.intended.layout_error("session")
    found = look(pid)
    return found is not None and not found.is_own and found.started_at in ("", started_at)
