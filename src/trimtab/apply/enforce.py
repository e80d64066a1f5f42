"""The one place from which a change reaches a source server.

For every change, in this order: fresh facts, the effective specification again, the inverse, the intent in the ledger,
the act, the check in the catalog, the result in the ledger. A change whose intent cannot be written is not made.
Nothing here decides what would be good; it only refuses what is not allowed.
"""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass

from trimtab.apply.execute import Execution, UnfinishedError
from trimtab.apply.patience import Patience
from trimtab.apply.refusals import (
    refuse_forbidden,
    refuse_not_absent,
    refuse_partitioned,
    refuse_standby,
    refuse_without_inverse,
    replaced_since,
)
from trimtab.apply.state import ChangeState, own_session, state_of
from trimtab.db.connection import Connection
from trimtab.errors import ApplyError, LedgerError, TrimtabError
from trimtab.ledger.entry import Kind
from trimtab.ledger.ledger import Ledger
from trimtab.ledger.pending import applied_changes
from trimtab.model.applied import Applied
from trimtab.model.catalog import ServerIdentity, Snapshot
from trimtab.model.change import Change, change_digest, change_to_dict
from trimtab.model.strategy import Strategy
from trimtab.spec.specification import Specification


@dataclass(frozen=True, slots=True)
class Enforcer:
    """Applies and reverts changes on one source database.

    `look` reads a fresh Snapshot of the source; `connection` is the writing session, in autocommit, its own; `sleep` is
    called between tries.
    """

    connection: Connection
    ledger: Ledger
    specification: Specification
    look: Callable[[], Snapshot]
    run_id: str
    sleep: Callable[[float], None] = time.sleep

    def apply(self, strategy: Strategy, accepted: tuple[Strategy, ...] = ()) -> list[Applied]:
        """Apply the strategy's changes in order; all of them, or none: a failure or an interrupt takes back the others.

        `accepted` are the strategies that this run has applied already. Raises RefusedError, ApplyError, LedgerError,
        SourceError. What could not be taken back stands in the ledger for `resume`.
        """
        done: list[Applied] = []
        try:
            for change in strategy.changes:
                done.append(self._apply_one(strategy, change, tuple(done), accepted))
        except BaseException as error:
            self._take_back(strategy, error)
            raise
        return done

    def revert(self, applied: Applied) -> None:
        """Take the change back by its stored inverse.

        What somebody else has replaced since is left alone, and the ledger says so. Raises ApplyError when the server
        does not allow it now, or when a dropped index's name has been taken; also RefusedError and SourceError.
        """
        snapshot = self.look()
        refuse_standby(snapshot.server)
        is_replaced = replaced_since(self.connection, applied)
        body = {"reverts": applied.intent_id, "intent_id": uuid.uuid4().hex}
        self._intend(Kind.REVERT_INTENDED, body, applied.strategy_id, applied.inverse, applied.change, snapshot)
        if is_replaced:
            self._append(Kind.REVERT_DONE, {**body, "seconds": 0.0, "replaced_by_others": True})
            return
        self._carry_out(Kind.REVERT_DONE, Kind.REVERT_FAILED, body, applied.inverse, puts_back=True)

    def _apply_one(
        self, strategy: Strategy, change: Change, done: tuple[Applied, ...], accepted: tuple[Strategy, ...]
    ) -> Applied:
        snapshot = self.look()
        refuse_standby(snapshot.server)
        changes_done = tuple(applied.change for applied in done)
        refuse_forbidden(strategy, self.specification, snapshot, accepted=accepted, done=changes_done)
        refuse_partitioned(change, snapshot)
        refuse_not_absent(self.connection, change)
        inverse = refuse_without_inverse(self.connection, change, snapshot)
        body = {"intent_id": uuid.uuid4().hex}
        self._intend(Kind.APPLY_INTENDED, body, strategy.id, change, inverse, snapshot)
        seconds = self._carry_out(Kind.APPLY_DONE, Kind.APPLY_FAILED, body, change, puts_back=False)
        return Applied(body["intent_id"], strategy.id, change, inverse, seconds)

    def _intend(
        self,
        kind: Kind,
        body: Mapping[str, str],
        strategy_id: str,
        change: Change,
        inverse: Change,
        snapshot: Snapshot,
    ) -> None:
        self._append(
            kind,
            {
                **body,
                "strategy_id": strategy_id,
                "database": database_body(snapshot.server),
                "session": own_session(self.connection),
                "change": change_to_dict(change),
                "inverse": change_to_dict(inverse),
                "change_digest": change_digest(change),
                "spec_digest": self.specification.digest,
            },
        )

    def _carry_out(
        self, done: Kind, failed: Kind, body: Mapping[str, str], change: Change, *, puts_back: bool
    ) -> float:
        """Act on an intent and write its result. An intent that is not answered here stays open for `resume`."""
        patience = Patience.of(self.specification.locks)
        execution = Execution(self.connection, patience, self.sleep, puts_back)
        started = time.monotonic()
        try:
            if state_of(self.connection, change) is not ChangeState.DONE:
                execution.carry_out(change)
            seconds = time.monotonic() - started
            self._append(done, {**body, "seconds": round(seconds, 6)})
        except (UnfinishedError, LedgerError):
            raise
        except TrimtabError as error:
            self._append(failed, {**body, "code": error.code, "message": str(error)})
            raise
        except BaseException:
            self._answer_interrupted(done, failed, body, change)
            raise
        return seconds

    def _answer_interrupted(self, done: Kind, failed: Kind, body: Mapping[str, str], change: Change) -> None:
        """Write what the catalog says now; half a change, or one that cannot be looked at, stays open."""
        with suppress(TrimtabError):
            found = state_of(self.connection, change)
            if found is ChangeState.DONE:
                self._append(done, {**body, "seconds": 0.0, "interrupted": True})
            elif found is not ChangeState.HALF:
                message = "interrupted; nothing of the change was left"
                self._append(failed, {**body, "code": "apply.interrupted", "message": message})

    def _take_back(self, strategy: Strategy, error: BaseException) -> None:
        """Revert what the ledger says stands of the strategy: it knows of changes that an interrupt kept from us."""
        standing = applied_changes(self.ledger.entries(run_id=self.run_id), strategy_id=strategy.id)
        left = 0
        for applied in reversed(standing):
            try:
                self.revert(applied)
            except TrimtabError:
                left += 1
        if left and isinstance(error, TrimtabError):
            raise ApplyError(
                f"{error}; and {left} of the strategy's changes could not be taken back",
                code="apply.not_taken_back",
                next_step="Run `trimtab resume`: it takes back what was left, as soon as the server allows it.",
            ) from error

    def _append(self, kind: Kind, body: Mapping[str, object]) -> None:
        self.ledger.append(kind, body, run_id=self.run_id)


def database_body(server: ServerIdentity) -> dict[str, object]:
    """Return how the ledger names a database: enough to never act on another one of the same name."""
    return {
        "system_identifier": server.system_identifier or "",
        "database": server.database,
        "database_oid": server.database_oid,
    }
