"""What the JSON documents hold beyond the values of other rooms: entries, proofs, anchors, specifications, health."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from trimtab.ledger.entry import Entry
from trimtab.lifecycle.approving import Waiting
from trimtab.lifecycle.board import Card
from trimtab.lifecycle.change_detail import (
    ChangeDetail,
    ToldApproval,
    ToldChange,
    ToldSecurity,
    ToldTrial,
    ToldVerdict,
)
from trimtab.model.strategy import Prediction


@dataclass(frozen=True, slots=True)
class EntryTold:
    """An entry of the ledger, whole."""

    seq: int
    at_ns: int
    kind: str
    run_id: str | None
    hash: str
    prev_hash: str
    body: Mapping[str, Any]

    @classmethod
    def of(cls, entry: Entry) -> EntryTold:
        """Return an entry as documents have it."""
        return cls(entry.seq, entry.at_ns, entry.kind.value, entry.run_id, entry.hash, entry.prev_hash, entry.body)


@dataclass(frozen=True, slots=True)
class WaitingTold:
    """A request for approval, and how it stands: "waiting", "approved", "rejected" or "applied"."""

    request_id: str
    strategy_id: str
    title: str
    database: str
    state: str
    risk: str
    needed: int
    approved_by: Sequence[str]
    proposed_by: str
    asked_ns: int
    spec_id: str
    spec_digest: str

    @classmethod
    def of(cls, waiting: Waiting) -> WaitingTold:
        """Return a request as documents have it."""
        request = waiting.request
        return cls(
            request.id,
            request.strategy.id,
            request.strategy.title,
            str(request.database.get("database", "")),
            waiting.state,
            request.risk,
            request.needed,
            waiting.approved_by,
            request.proposed_by,
            request.at_ns,
            request.spec_id,
            request.spec_digest,
        )


@dataclass(frozen=True, slots=True)
class ChangeTold:
    """A strategy in one run, whole: as `ChangeDetail`, its entries and its request as documents have them."""

    card: Card
    reason: str
    query_ids: Sequence[str]
    size_bytes: int | None
    evidence: Mapping[str, float | int | str]
    changes: Sequence[ToldChange]
    verdict: ToldVerdict | None
    prediction: Prediction | None
    trial: ToldTrial | None
    security: Sequence[ToldSecurity]
    request: WaitingTold | None
    approvals: Sequence[ToldApproval]
    entries: Sequence[EntryTold]
    others: Sequence[Card]
    unreadable: Sequence[int]

    @classmethod
    def of(cls, found: ChangeDetail) -> ChangeTold:
        """Return a detail as documents have it."""
        return cls(
            found.card,
            found.reason,
            found.query_ids,
            found.size_bytes,
            found.evidence,
            found.changes,
            found.verdict,
            found.prediction,
            found.trial,
            found.security,
            None if found.waiting is None else WaitingTold.of(found.waiting),
            found.approvals,
            [EntryTold.of(entry) for entry in found.entries],
            found.others,
            found.unreadable,
        )


@dataclass(frozen=True, slots=True)
class CheckpointTold:
    """The last signed checkpoint: how many entries it is of, their Merkle root, and the signed note."""

    origin: str
    size: int
    root: str
    note: str


@dataclass(frozen=True, slots=True)
class LedgerPage:
    """The ledger: how many entries there are, the hash of the last, its checkpoint, and a page, the newest first."""

    entries: int
    head: str
    read_ns: int
    checkpoint: CheckpointTold | None
    kinds: Sequence[str]
    total: int
    offset: int
    page: Sequence[EntryTold]

    @property
    def next_offset(self) -> int | None:
        """Where the next page begins, None after the last entry."""
        end = self.offset + len(self.page)
        return end if end < self.total else None


@dataclass(frozen=True, slots=True)
class Verified:
    """Whether the ledger is what was written, signed and seen here before; else the first bad entry, and why.

    `ahead` says which entries bear times ahead of this machine's clock, "" when none does.
    """

    entries: int
    verified: bool
    first_bad: int | None
    reason: str
    head: str
    signed_entries: int
    signer: str
    witnesses: int
    ahead: str


@dataclass(frozen=True, slots=True)
class AnchorTold:
    """An anchor in the list. `state` is in_force, superseded, lapsed or released."""

    id: str
    at_ns: int
    database: str
    queries: int
    permanence: str
    state: str
    accepted_because: str


@dataclass(frozen=True, slots=True)
class SpecificationTold:
    """A specification that may be shown; `code` says why it cannot be read, "" where it can."""

    name: str
    id: str
    revision: int
    digest: str
    description: str
    is_configured: bool
    code: str


@dataclass(frozen=True, slots=True)
class SpecificationWhole:
    """An effective specification: its document, and the documents that it was narrowed from."""

    name: str
    id: str
    revision: int
    digest: str
    chain: Sequence[str]
    document: Mapping[str, Any]
    waivers: Sequence[str]


@dataclass(frozen=True, slots=True)
class FieldDifference:
    """A field, or a rule as `rules.ID`, of two specifications; `direction` is loosened, tightened or changed."""

    path: str
    direction: str
    before: Any
    after: Any


@dataclass(frozen=True, slots=True)
class SpecificationDifference:
    """Two specifications and what differs between them."""

    before: str
    after: str
    differences: Sequence[FieldDifference]


@dataclass(frozen=True, slots=True)
class Health:
    """How this program is: "ok", or "degraded" with the code of what it cannot read."""

    status: str
    version: str
    ledger: str
    history: str
