"""Requires the approvals that a strategy needs before each of its changes. They are spent by its first intent.

An approval that was spent is good for the rest of the same application, and for no other. A strategy that lacks some is
left waiting for people.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from trimtab.apply.approvals import Asked, Moment, refuse_unapproved
from trimtab.apply.approved_facts import foreseen
from trimtab.apply.asking import ask, drifted_requests, needed_for, request_digest, requests
from trimtab.apply.bound import with_bound
from trimtab.db.connection import Connection
from trimtab.errors import UnapprovedError
from trimtab.ledger.entry import Kind
from trimtab.ledger.ledger import Ledger
from trimtab.ledger.pending import applied_changes
from trimtab.model.approval import ApprovalRequest
from trimtab.model.catalog import Snapshot
from trimtab.model.change import Change
from trimtab.model.strategy import Strategy, Verdict
from trimtab.spec.specification import Specification
from trimtab.validate.facts import Evidence


@dataclass(frozen=True, slots=True)
class Consent:
    """What people have allowed in one application of a strategy, known by `attempt`. `now_ns` gives UTC nanoseconds.

    `connection` is a session on the source, which what an approval is bound to is read in. `asked` is the request that
    is carried out, where one is.
    """

    connection: Connection
    ledger: Ledger
    specification: Specification
    run_id: str
    attempt: str
    now_ns: Callable[[], int]
    asked: ApprovalRequest | None = None

    def require(
        self,
        strategy: Strategy,
        snapshot: Snapshot,
        database: Mapping[str, object],
        evidence: Evidence,
        verdict: Verdict,
        *,
        inverses: tuple[Change, ...],
        done: Sequence[Change],
    ) -> tuple[str, ...]:
        """Return the numbers of the approvals that count, none where none is needed. Raises UnapprovedError.

        `inverses` are those that the strategy's changes would have now. `done` are the changes of it that have been
        made in this application.
        """
        needed = needed_for(strategy, self.specification, snapshot)
        if not needed:
            return ()
        snapshot = with_bound(self.connection, strategy, snapshot)
        kinds = (Kind.APPROVAL_REQUESTED, Kind.APPROVAL_GIVEN, Kind.APPROVAL_REJECTED, Kind.APPLY_INTENDED)
        entries = sorted((e for kind in kinds for e in self.ledger.entries(kind)), key=lambda entry: entry.seq)
        asked = [request for request in requests(entries) if request.strategy.id == strategy.id]
        own, gone = {request.proposed_by for request in asked}, drifted_requests(asked)
        last = self.ledger.last()
        moment = Moment(
            strategy,
            self.specification,
            snapshot,
            database,
            self.now_ns(),
            self.attempt,
            applied_changes(self.ledger.entries(), database=database),
            foreseen(strategy, inverses, done),
            bool(done),
            {each.id: Asked(request_digest(each), each.entry_hash, each.inverses, each.id in gone) for each in asked},
            0 if last is None else last.at_ns,
        )
        try:
            return refuse_unapproved(moment, needed, entries, own)
        except UnapprovedError:
            if not done:
                ask(
                    self.ledger,
                    strategy,
                    self.specification,
                    snapshot,
                    database,
                    inverses=inverses,
                    evidence=evidence,
                    verdict=verdict,
                    run_id=self.run_id,
                    asked=self.asked,
                )
            raise

    def spent(self, nonces: tuple[str, ...]) -> dict[str, object]:
        """Return what the first intent says of these approvals: with it they are used, and no other application may."""
        return {"approvals": list(nonces), "attempt": self.attempt} if nonces else {}
