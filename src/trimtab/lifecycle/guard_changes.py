"""Takes a strategy back for a watcher, whole, and puts it back: both through the enforcement point, as in a run.

It can be broken off anywhere: done again, it goes on with what stands. Whether and what is `anchor.guard`'s to decide.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from trimtab.anchor.guard import Act, Note
from trimtab.anchor.lease import Lease, LeaseState, lease_body, leases
from trimtab.anchor.lease import Note as LeaseNote
from trimtab.apply.enforce import Enforcer, database_body
from trimtab.errors import BusyError, HeldError, LedgerError, SourceError, TrimtabError
from trimtab.ledger.entry import Entry, Kind
from trimtab.ledger.ledger import Ledger
from trimtab.ledger.pending import applied_changes, intents
from trimtab.lifecycle.journal import Journal
from trimtab.lifecycle.recover import recover, recovering, refuse_halving
from trimtab.model.change import Change, change_from_dict
from trimtab.model.strategy import Outcome, Strategy
from trimtab.spec.specification import Specification

if TYPE_CHECKING:
    from trimtab.model.catalog import Snapshot

LATER = (BusyError, HeldError, LedgerError, SourceError)
"""What ends an attempt without an answer: it is gone on with later."""


@dataclass(frozen=True, slots=True)
class Desk:
    """What one attempt works with. `database` is how the ledger names it; `now_ns` is our clock, UTC nanoseconds."""

    ledger: Ledger
    enforcer: Enforcer
    snapshot: Snapshot
    database: Mapping[str, object]
    now_ns: int

    @property
    def entries(self) -> tuple[Entry, ...]:
        """All that the ledger has now."""
        return tuple(self.ledger.entries())

    def journal(self) -> Journal:
        """Where the ends of strategies are written."""
        return Journal(self.ledger, self.enforcer.run_id)


@contextmanager
def opened(
    conninfo: str, ledger_path: Path, specification: Specification, database: Mapping[str, object], now_ns: int
) -> Iterator[Desk]:
    """Open the sessions and mend what earlier ends left open.

    Raises BusyError while a run is at work, SourceError, and what cannot be mended.
    """
    run_id = "g-" + uuid.uuid4().hex[:10]
    with recovering(conninfo, ledger_path, specification, run_id) as (ledger, enforcer, snapshot):
        if database_body(snapshot.server) != dict(database):
            raise SourceError(
                "nothing was reverted: another server, or another database of that name, answers in its place",
                code="watch.replaced",
                next_step="Start `trimtab watch` again.",
            )
        recover(ledger, enforcer, snapshot)
        yield Desk(ledger, enforcer, snapshot, database, now_ns)


def reason_against(desk: Desk, act: Act) -> str:
    """Return why the act's strategy cannot be taken back now, "" when it can. Raises SourceError, LedgerError."""
    standing = applied_changes(desk.entries, database=desk.database, strategy_id=act.strategy_id)
    try:
        refuse_halving(desk.ledger, desk.enforcer, standing)
    except LATER:
        raise
    except TrimtabError as error:
        return f"{error} ({error.code})"
    return ""


def take_back(desk: Desk, act: Act) -> Act:
    """Revert all of the strategy that stands, and return the act: `reverted`, or `refused` with the reason.

    Raises what `LATER` names: then the act is as it was, and this can be called again.
    """
    standing = applied_changes(desk.entries, database=desk.database, strategy_id=act.strategy_id)
    lease = lease_of(desk, act.strategy_id)
    taken = []
    for applied in reversed(standing):
        try:
            taken.append(desk.enforcer.revert(applied))
        except LATER:
            raise
        except TrimtabError as error:
            done = f"{len(taken)} of {len(standing)} changes were taken back"
            return replace(act, note=Note.REFUSED, reason=f"{done}; then: {error} ({error.code})")
    desk.journal().ended(act.strategy_id, Outcome.REVERTED, f"{act.query_id} became slower after it: {act.alarm_id}")
    if lease is not None and lease.state is not LeaseState.RELEASED:
        _note_lease(desk, lease, LeaseNote.RELEASED, f"its query became slower after it: {act.alarm_id}")
    if taken and all(each.left_alone is not None for each in taken):
        return replace(act, note=Note.REFUSED, reason="nothing was left to take back: others have changed it since")
    return replace(act, note=Note.REVERTED, lease_id=lease.id if lease is not None else "")


def put_back(desk: Desk, act: Act) -> Act:
    """Apply the strategy again, on fresh facts, and return the act: `undone`, or `refused` with the reason.

    Raises what `LATER` names: then the act is as it was, and this can be called again.
    """
    entries = desk.entries
    # What was broken off has been taken back by `recover`: what stands was put back whole.
    if not applied_changes(entries, database=desk.database, strategy_id=act.strategy_id):
        strategy = strategy_of(entries, act.strategy_id)
        desk.journal().proposed(strategy)
        try:
            desk.enforcer.apply(strategy)
        except LATER:
            raise
        except TrimtabError as error:
            desk.journal().ended(act.strategy_id, Outcome.FAILED, str(error))
            return replace(act, note=Note.REFUSED, reason=f"it was not put back: {error} ({error.code})")
        desk.journal().ended(act.strategy_id, Outcome.KEPT, "put back: taking it back did not help")
    lease = lease_of(desk, act.strategy_id)
    if lease is not None and lease.state is LeaseState.RELEASED:
        _note_lease(desk, lease, LeaseNote.ENFORCED, "put back: releasing it did not help")
    return replace(act, note=Note.UNDONE)


def strategy_of(entries: tuple[Entry, ...], strategy_id: str) -> Strategy:
    """Return the strategy as it was last proposed. Raises LedgerError `ledger.layout`."""
    proposed: Entry | None = None
    for entry in entries:
        if entry.kind is Kind.STRATEGY_PROPOSED and entry.text("strategy_id") == strategy_id:
            proposed = entry
    if proposed is None:
        return Strategy(_changes_made(entries, strategy_id), "watch", strategy_id, "it stood before", ())
    body = proposed.body
    changes, query_ids, size = body.get("changes"), body.get("query_ids"), body.get("size_bytes")
    if not isinstance(changes, list) or not isinstance(query_ids, list) or not isinstance(size, int):
        raise proposed.layout_error("changes")
    try:
        made = tuple(change_from_dict(each) for each in changes if isinstance(each, dict))
    except (KeyError, TypeError):
        raise proposed.layout_error("changes") from None
    evidence = {
        key: value for key, value in proposed.mapping("evidence").items() if isinstance(value, int | float | str)
    }
    return Strategy(
        made,
        proposed.text("proposer"),
        proposed.text("title"),
        proposed.text("reason"),
        tuple(str(query_id) for query_id in query_ids),
        size_bytes=size,
        evidence=evidence,
    )


def lease_of(desk: Desk, strategy_id: str) -> Lease | None:
    """Return the newest lease that a strategy holds, or held until it was taken back; None where it is no lock's."""
    of_strategy = [
        lease
        for lease in leases(desk.entries, desk.now_ns, database=desk.database)
        if lease.strategy_id == strategy_id
        and (lease.is_active or lease.state in (LeaseState.GONE, LeaseState.RELEASED))
    ]
    return of_strategy[-1] if of_strategy else None


def _note_lease(desk: Desk, lease: Lease, note: LeaseNote, reason: str) -> None:
    body = lease_body(lease, note, desk.database, reason)
    desk.ledger.append(Kind.LEASE_NOTED, body, run_id=desk.enforcer.run_id)


def _changes_made(entries: tuple[Entry, ...], strategy_id: str) -> tuple[Change, ...]:
    """Return the changes of its last application, by the intents: who applied it need not have proposed it."""
    made = [
        intent.intended
        for intent in intents(entries)
        if not intent.is_revert and intent.is_done and intent.intended.text("strategy_id") == strategy_id
    ]
    try:
        last = [entry for entry in made if entry.run_id == made[-1].run_id]
        return tuple(change_from_dict(entry.mapping("change")) for entry in last)
    except (KeyError, TypeError):
        raise made[-1].layout_error("change") from None
