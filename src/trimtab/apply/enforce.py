"""The one place from which a change reaches a source server.

For every statement, in this order: fresh facts, the effective specification again, the inverse, the intent in the
ledger, the act, the check in the catalog, the result in the ledger. A change whose intent cannot be written is not
made. Nothing here decides what would be good; it only refuses what is not allowed.
"""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType

from trimtab.apply.execute import UNKNOWN, Patience, carry_out
from trimtab.apply.state import ChangeState, Connection, build_in_progress, state_of
from trimtab.errors import BusyError, RefusedError, TrimtabError
from trimtab.ledger.entry import Kind
from trimtab.ledger.ledger import Ledger
from trimtab.model.applied import Applied
from trimtab.model.catalog import ServerIdentity, Snapshot
from trimtab.model.change import Change, change_digest, change_to_dict, touched_table
from trimtab.model.strategy import Strategy
from trimtab.spec.specification import Specification
from trimtab.validate.facts import facts_from
from trimtab.validate.validate import validate

NOTHING: Mapping[str, str] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class Enforcer:
    """Applies and reverts changes on one source database.

    `look` reads a fresh Snapshot of the source; `connection` is the writing session, in autocommit; `sleep` is called
    between tries.
    """

    connection: Connection
    ledger: Ledger
    specification: Specification
    look: Callable[[], Snapshot]
    run_id: str
    sleep: Callable[[float], None] = time.sleep

    def apply(self, strategy: Strategy, accepted: tuple[Strategy, ...] = ()) -> list[Applied]:
        """Apply the strategy's changes in order; all of them, or none: a failure takes back those before it.

        `accepted` are the strategies that this run has applied already. Raises RefusedError, ApplyError, LedgerError.
        """
        done: list[Applied] = []
        try:
            for change in strategy.changes:
                done.append(self._apply_one(strategy, change, accepted))
        except TrimtabError:
            for applied in reversed(done):
                self.revert(applied)
            raise
        return done

    def revert(self, applied: Applied) -> None:
        """Take the change back by its stored inverse. Raises ApplyError when the server does not allow it now."""
        snapshot = self.look()
        self._refuse_standby(snapshot.server)
        self._refuse_busy_table(applied.change)
        intent_id = uuid.uuid4().hex
        reverts = {"reverts": applied.intent_id}
        self._intend(
            Kind.REVERT_INTENDED, intent_id, applied.strategy_id, applied.inverse, applied.change, snapshot, reverts
        )
        self._carry_out(Kind.REVERT_DONE, Kind.REVERT_FAILED, intent_id, applied.inverse, reverts)

    def _apply_one(self, strategy: Strategy, change: Change, accepted: tuple[Strategy, ...]) -> Applied:
        snapshot = self.look()
        self._refuse_standby(snapshot.server)
        self._refuse_forbidden(strategy, snapshot, accepted)
        self._refuse_busy_table(change)
        if state_of(self.connection, change) is not ChangeState.ABSENT:
            raise RefusedError(
                f"{change.kind} was refused: its object is there already, or is not the one that was proposed",
                code="apply.precondition",
                next_step="Run `trimtab optimize` again: the catalog has changed since the proposal.",
            )
        inverse = change.inverse(snapshot)
        if inverse is None:
            raise RefusedError(
                f"{change.kind} was refused: the state before does not allow an inverse",
                code="apply.not_reversible",
                next_step="Make this change by hand if you want it; Trimtab applies only what it can take back.",
            )
        intent_id = uuid.uuid4().hex
        self._intend(Kind.APPLY_INTENDED, intent_id, strategy.id, change, inverse, snapshot)
        seconds = self._carry_out(Kind.APPLY_DONE, Kind.APPLY_FAILED, intent_id, change)
        return Applied(intent_id, strategy.id, change, inverse, seconds)

    def _intend(
        self,
        kind: Kind,
        intent_id: str,
        strategy_id: str,
        change: Change,
        inverse: Change,
        snapshot: Snapshot,
        more: Mapping[str, str] = NOTHING,
    ) -> None:
        body = {
            **more,
            "intent_id": intent_id,
            "strategy_id": strategy_id,
            "database": database_body(snapshot.server),
            "change": change_to_dict(change),
            "inverse": change_to_dict(inverse),
            "change_digest": change_digest(change),
            "spec_digest": self.specification.digest,
        }
        self.ledger.append(kind, body, run_id=self.run_id)

    def _carry_out(
        self, done: Kind, failed: Kind, intent_id: str, change: Change, more: Mapping[str, str] = NOTHING
    ) -> float:
        limits = self.specification.locks
        patience = Patience(limits.lock_timeout_ms, limits.attempts, limits.pause_seconds)
        named = {"intent_id": intent_id, **more}
        started = time.monotonic()
        try:
            if state_of(self.connection, change) is not ChangeState.DONE:
                carry_out(self.connection, change, patience, self.sleep)
        except TrimtabError as error:
            if error.code != UNKNOWN:
                self.ledger.append(failed, {**named, "code": error.code, "message": str(error)}, run_id=self.run_id)
            raise
        except (KeyboardInterrupt, SystemExit):
            message = "interrupted; nothing of the change was left"
            self.ledger.append(failed, {**named, "code": "apply.interrupted", "message": message}, run_id=self.run_id)
            raise
        seconds = time.monotonic() - started
        self.ledger.append(done, {**named, "seconds": round(seconds, 6)}, run_id=self.run_id)
        return seconds

    def _refuse_forbidden(self, strategy: Strategy, snapshot: Snapshot, accepted: tuple[Strategy, ...]) -> None:
        verdict = validate(strategy, self.specification, facts_from(snapshot, accepted=accepted))
        if not verdict.compliant:
            rules = ", ".join(violation.rule_id for violation in verdict.violations)
            raise RefusedError(
                f"strategy {strategy.id} was refused on fresh facts: {rules}",
                code="apply.specification",
                next_step="See `trimtab show " + strategy.id + "` for each rule, what it allows and what was found.",
            )

    def _refuse_standby(self, server: ServerIdentity) -> None:
        if server.is_standby:
            raise RefusedError(
                f"{server.database} is on a standby, which takes no changes",
                code="apply.standby",
                next_step="Run with --apply against the primary; a standby can be observed without --apply.",
            )

    def _refuse_busy_table(self, change: Change) -> None:
        table = touched_table(change)
        if table is None:
            return
        pid = build_in_progress(self.connection, *table)
        if pid is not None:
            raise BusyError(
                f"another session (pid {pid}) is building an index or vacuuming on that table",
                code="apply.table_busy",
                next_step="Wait until it is done, then run again.",
            )


def database_body(server: ServerIdentity) -> dict[str, object]:
    """Return how the ledger names a database: enough to never act on another one of the same name."""
    return {
        "system_identifier": server.system_identifier or "",
        "database": server.database,
        "database_oid": server.database_oid,
    }
