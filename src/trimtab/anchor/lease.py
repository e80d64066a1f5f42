"""Locks are leases: what the ledger says of each, when it runs out, and how often a query's plan was flipped by us.

Pure: entries in, values out. A lock has to earn its place again and again; who flips a plan twice a day, whatever for,
is to stop and ask.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum

from trimtab.ledger.entry import Entry, Kind
from trimtab.ledger.pending import applied_changes

DAY_NS = 86_400 * 10**9
TTL_DAYS = 14.0
MOST_FLIPS = 2


class Note(StrEnum):
    """What the ledger tells of a lease, one entry each."""

    PROPOSED = "proposed"
    ENFORCED = "enforced"
    VERIFIED = "verified"
    BROKEN = "broken"  # it stands, and the planner chooses another plan all the same
    RENEWED = "renewed"
    NOT_HELD = "not_held"  # taken back at once: the anchored plan did not come back
    RETIRED = "retired"  # taken back: the planner does as well alone
    RELEASED = "released"  # taken back: a person wanted it
    REPLACED = "replaced"  # taken back: it was broken, and the same lock is set anew
    FROZEN = "frozen"  # nothing was done: the query's plan was flipped too often
    CONFIRMED = "confirmed"  # a person said to go on after that


class LeaseState(StrEnum):
    """Where a lease stands."""

    PROPOSED = "proposed"
    ENFORCED = "enforced"
    VERIFIED = "verified"
    BROKEN = "broken"
    EXPIRED = "expired"
    FROZEN = "frozen"
    NOT_HELD = "not_held"
    RETIRED = "retired"
    RELEASED = "released"
    UNDONE = "undone"  # somebody undid it on the source; it is seen by looking there, and not in the ledger
    GONE = "gone"  # taken back by a revert or a resume: nothing of it stands


ACTIVE = frozenset({LeaseState.ENFORCED, LeaseState.VERIFIED, LeaseState.BROKEN, LeaseState.EXPIRED})
_STATES = {
    Note.PROPOSED: LeaseState.PROPOSED,
    Note.ENFORCED: LeaseState.ENFORCED,
    Note.VERIFIED: LeaseState.VERIFIED,
    Note.RENEWED: LeaseState.VERIFIED,
    Note.BROKEN: LeaseState.BROKEN,
    Note.NOT_HELD: LeaseState.NOT_HELD,
    Note.RETIRED: LeaseState.RETIRED,
    Note.RELEASED: LeaseState.RELEASED,
    Note.REPLACED: LeaseState.RELEASED,
    Note.FROZEN: LeaseState.FROZEN,
}
_LOOKED_AT = frozenset({Note.VERIFIED, Note.BROKEN, Note.RENEWED, Note.NOT_HELD})
# A lock that did not hold is one flip with the taking back of it.
_FLIPS = frozenset({Note.ENFORCED, Note.RETIRED, Note.RELEASED})


@dataclass(frozen=True, slots=True)
class Expected:
    """The plan that is to be chosen. `mode` is how it is planned: "custom", "generic", or "prepared" (seven times).

    `index_names` leads from an index of now to the anchored one for which it stands: an index that was put back has
    another name, since the specification wants to see whose it is.
    """

    plan_shape: str
    mode: str = "custom"
    index_names: Mapping[str, str] | None = None


@dataclass(frozen=True, slots=True)
class Lease:
    """A lock as the ledger has it. Times are UTC nanoseconds. `role` is whose settings it is verified with, "" is ours.

    `flips` are those of its query in the last 24 hours, by any lease; `reason` is that of the last note. `seen_ns` is
    when it was last looked at on the source, 0 for never: what happened there since, the ledger does not know.
    """

    id: str
    query_id: str
    anchor_id: str
    expected: Expected
    strategy_id: str
    mechanism: str
    role: str
    created_ns: int
    expires_ns: int
    flips: int
    state: LeaseState
    reason: str = ""
    seen_ns: int = 0

    @property
    def is_active(self) -> bool:
        """True while its changes stand."""
        return self.state in ACTIVE


def lease_body(lease: Lease, note: Note, database: Mapping[str, object], reason: str) -> dict[str, object]:
    """Return the ledger's entry for a note on the lease. Nanoseconds are texts, as everywhere in the ledger."""
    return {
        "lease_id": lease.id,
        "note": note.value,
        "database": database,
        "query_id": lease.query_id,
        "anchor_id": lease.anchor_id,
        "plan_shape": lease.expected.plan_shape,
        "plan_mode": lease.expected.mode,
        "index_names": dict(lease.expected.index_names or {}),
        "strategy_id": lease.strategy_id,
        "mechanism": lease.mechanism,
        "role": lease.role,
        "expires_ns": str(lease.expires_ns),
        "reason": reason,
    }


def leases(entries: Iterable[Entry], now_ns: int, *, database: Mapping[str, object] | None = None) -> tuple[Lease, ...]:
    """Return every lease, the first made first; those of one database, named as in intents, or of all.

    Raises LedgerError `ledger.layout`.
    """
    known = tuple(entries)
    found: dict[str, Lease] = {}
    # A lock that stands is not set again: who set it again found the lease before gone, and that stays so.
    newest: dict[tuple[object, ...], str] = {}
    for entry in known:
        if entry.kind is not Kind.LEASE_NOTED or not is_on(entry, database):
            continue
        lease_id, note = entry.text("lease_id"), Note(entry.text("note"))
        before = found.get(lease_id)
        state = _STATES.get(note) or (before.state if before is not None else LeaseState.PROPOSED)
        created_ns = before.created_ns if before is not None else entry.at_ns
        seen_ns = entry.at_ns if note in _LOOKED_AT else before.seen_ns if before is not None else 0
        found[lease_id] = replace(_read(entry, lease_id, created_ns, state), seen_ns=seen_ns)
        if before is None:
            newest[_lock_of(entry)] = lease_id
    standing = {applied.strategy_id for applied in applied_changes(known, database=database)}
    last = set(newest.values())
    flipped = {lease.query_id: flips(known, lease.query_id, now_ns, database=database) for lease in found.values()}
    return tuple(
        replace(
            lease,
            state=_state_now(lease, standing if lease.id in last else set(), now_ns),
            flips=flipped[lease.query_id],
        )
        for lease in found.values()
    )


def flips(entries: Iterable[Entry], query_id: str, now_ns: int, *, database: Mapping[str, object] | None = None) -> int:
    """Return how often the query's plan was flipped in the last 24 hours, since a person last said to go on.

    What a watcher took back for it counts too; the release of a lease is noted as such, and counts once.
    """
    count = 0
    for entry in entries:
        if entry.kind is Kind.GUARD_NOTED and is_on(entry, database) and entry.at_ns > now_ns - DAY_NS:
            is_flip = entry.text("note") == "reverted" and not entry.text("lease_id")
            count += is_flip and entry.text("query_id") == query_id
        if entry.kind is not Kind.LEASE_NOTED or not is_on(entry, database) or entry.text("query_id") != query_id:
            continue
        note = Note(entry.text("note"))
        if note is Note.CONFIRMED:
            count = 0
        elif note in _FLIPS and entry.at_ns > now_ns - DAY_NS:
            count += 1
    return count


def due(known: Sequence[Lease]) -> tuple[Lease, ...]:
    """Return the leases that have run out: each is to be tried without, and renewed or retired."""
    return tuple(lease for lease in known if lease.state is LeaseState.EXPIRED)


def _state_now(lease: Lease, standing: set[str], now_ns: int) -> LeaseState:
    if lease.state in ACTIVE:
        if lease.strategy_id not in standing:
            return LeaseState.GONE
        if now_ns >= lease.expires_ns:
            return LeaseState.EXPIRED
    return lease.state


def _read(entry: Entry, lease_id: str, created_ns: int, state: LeaseState) -> Lease:
    names = {name: str(stands_for) for name, stands_for in entry.mapping("index_names").items()}
    try:
        expires_ns = int(entry.text("expires_ns"))
    except ValueError:
        raise entry.layout_error("expires_ns") from None
    return Lease(
        id=lease_id,
        query_id=entry.text("query_id"),
        anchor_id=entry.text("anchor_id"),
        expected=Expected(entry.text("plan_shape"), entry.text("plan_mode"), names),
        strategy_id=entry.text("strategy_id"),
        mechanism=entry.text("mechanism"),
        role=entry.text("role"),
        created_ns=created_ns,
        expires_ns=expires_ns,
        flips=0,
        state=state,
        reason=entry.text("reason"),
    )


def _lock_of(entry: Entry) -> tuple[object, ...]:
    """Return what is held by what, and where: a query, by the changes of a strategy, on a database."""
    named = entry.mapping("database")
    where = named.get("system_identifier") or named.get("database")
    return entry.text("query_id"), entry.text("strategy_id"), where, named.get("database_oid")


def is_on(entry: Entry, database: Mapping[str, object] | None) -> bool:
    """Return whether an entry names this database; None stands for any.

    A database can be renamed: its name counts only where the server's identifier could not be read.
    """
    if database is None:
        return True
    named = entry.mapping("database")
    keys = ("system_identifier", "database_oid") if named.get("system_identifier") else tuple(database)
    return all(named.get(key) == database.get(key) for key in keys)
