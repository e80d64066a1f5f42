"""The one place from which a change reaches a source server.

For every change, in this order: fresh facts, the effective specification again, approvals, kill switch and windows, how
much was changed already, the inverse, the intent in the ledger, the act, the check in the catalog, the result there.
Switch and windows are asked again before each statement, the facts before each further try. A change whose intent
cannot be written is not made.
Nothing here decides what would be good; it only refuses what is not allowed.
"""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace

from trimtab.apply.consent import Consent
from trimtab.apply.dependence import refuse_rested_on
from trimtab.apply.disk import predicted_bytes
from trimtab.apply.execute import Execution, UnfinishedError
from trimtab.apply.gate import Gate
from trimtab.apply.pace import paced
from trimtab.apply.patience import Patience
from trimtab.apply.present import applied_now
from trimtab.apply.preserve import Preservation
from trimtab.apply.refusals import (
    LeftAlone,
    reason_to_leave,
    refuse_forbidden,
    refuse_not_absent,
    refuse_other_table,
    refuse_partitioned,
    refuse_standby,
)
from trimtab.apply.shut import refuse_when_shut
from trimtab.apply.state import ChangeState, held_setting, made_object, own_session, state_of
from trimtab.apply.statistics_files import DIRECTORY, StatisticsFiles, columns_digest
from trimtab.apply.stored_statistics import read_statistics, statistics_of
from trimtab.apply.switch import KillSwitch
from trimtab.db.connection import Connection
from trimtab.errors import ApplyError, HeldError, LedgerError, SourceError, TrimtabError
from trimtab.ledger.entry import Kind
from trimtab.ledger.ledger import Ledger
from trimtab.ledger.pending import applied_changes, intents
from trimtab.ledger.required import Required
from trimtab.model.applied import Applied
from trimtab.model.approval import ApprovalRequest
from trimtab.model.catalog import ServerIdentity, Snapshot
from trimtab.model.change import Change, RestoreStatistics, SetSetting, change_digest, change_to_dict, touched_table
from trimtab.model.strategy import Strategy, Verdict
from trimtab.spec.specification import Specification
from trimtab.validate.facts import NO_EVIDENCE, Evidence, unix_of


@dataclass(frozen=True, slots=True)
class _Kinds:
    """The entries that tell of one act."""

    intended: Kind
    done: Kind
    failed: Kind


_APPLY = _Kinds(Kind.APPLY_INTENDED, Kind.APPLY_DONE, Kind.APPLY_FAILED)
_REVERT = _Kinds(Kind.REVERT_INTENDED, Kind.REVERT_DONE, Kind.REVERT_FAILED)


@dataclass(frozen=True, slots=True)
class TakenBack:
    """What was taken back, under the names of that moment; or why nothing was done, and nothing needs to be."""

    applied: Applied
    left_alone: LeftAlone | None = None


@dataclass(frozen=True, slots=True)
class Enforcer:
    """Applies and reverts changes on one source database.

    `look` reads a fresh Snapshot of the source; `connection` is the writing session, in autocommit, its own; `sleep` is
    called between tries; `now_ns` gives UTC nanoseconds. `observed` is the snapshot that the strategies were proven
    for, where they were in this run. `preservation` compares the source's security before and after every change.
    `asked` is the request that is carried out, where one is.
    """

    connection: Connection
    ledger: Ledger
    specification: Specification
    look: Callable[[], Snapshot]
    run_id: str
    sleep: Callable[[float], None] = time.sleep
    observed: Snapshot | None = None
    now_ns: Callable[[], int] = time.time_ns
    preservation: Preservation | None = None
    asked: ApprovalRequest | None = None

    def __post_init__(self) -> None:
        refuse_when_shut()

    def apply(
        self, strategy: Strategy, accepted: tuple[Strategy, ...] = (), evidence: Evidence = NO_EVIDENCE
    ) -> list[Applied]:
        """Apply the strategy's changes in order; all of them, or none: a failure or an interrupt takes back the others.

        `accepted` are the strategies that this run has applied already; `evidence` is what rules may ask for.
        Raises RefusedError, ApplyError, LedgerError, SourceError. What could not be taken back stands in the ledger for
        `resume`.
        """
        done: list[Applied] = []
        if self.preservation is not None:
            self.preservation.begin()
        attempt = uuid.uuid4().hex
        consent = Consent(
            self.connection, self.ledger, self.specification, self.run_id, attempt, self.now_ns, self.asked
        )
        try:
            for change in strategy.changes:
                done.append(self._apply_one(strategy, change, tuple(done), accepted, evidence, consent))
        except BaseException as error:
            self._take_back(strategy, error)
            raise
        return done

    def revert(self, applied: Applied) -> TakenBack:
        """Take the change back by its stored inverse, under the names that things have now.

        What somebody else has replaced since is left alone, and so is a dropped index whose table or column is gone;
        the ledger says so. Raises ApplyError when the server does not allow it now, or when a dropped index's name has
        been taken; RefusedError `revert.rested_on` while a later change rests on it; also SourceError.
        """
        snapshot = self.look()
        refuse_standby(snapshot.server)
        gate = self.gate(snapshot.server, is_revert=True)
        gate()
        applied = applied_now(self.connection, applied, snapshot)
        standing = applied_changes(self.ledger.entries(), database=database_body(snapshot.server))
        refuse_rested_on((applied,), standing, snapshot)
        left_alone = reason_to_leave(self.connection, applied, snapshot)
        if self.preservation is not None:
            self.preservation.look_before_taking_back()
        body = {"reverts": applied.intent_id, "intent_id": uuid.uuid4().hex}
        oid = applied.object_oid
        with self._intended(_REVERT, body, applied.strategy_id, applied.inverse, applied.change, snapshot, oid):
            if left_alone is not None:
                self._append(_REVERT.done, {**body, "seconds": 0.0, left_alone.value: True})
            else:
                self._carry_out(_REVERT, body, applied.inverse, gate, lambda: refuse_standby(self.look().server))
        if self.preservation is not None and left_alone is None:
            self.preservation.taken_back(applied.inverse, body)
        return TakenBack(applied, left_alone)

    def _apply_one(
        self,
        strategy: Strategy,
        change: Change,
        done: tuple[Applied, ...],
        accepted: tuple[Strategy, ...],
        evidence: Evidence,
        consent: Consent,
    ) -> Applied:
        changes_done = tuple(applied.change for applied in done)

        def recheck() -> tuple[Snapshot, Verdict, tuple[str, ...]]:
            found = self.look()
            refuse_standby(found.server)
            last = self.ledger.last()
            verdict = refuse_forbidden(
                strategy,
                self.specification,
                found,
                accepted=accepted,
                done=changes_done,
                evidence=evidence,
                latest_ns=None if last is None else last.at_ns,
            )
            if self.observed is not None:
                refuse_other_table(change, self.observed, found)
            database = database_body(found.server)
            inverses = tuple(self._foreseen(each, found) for each in strategy.changes)
            approved_by = consent.require(
                strategy, found, database, evidence, verdict, inverses=inverses, done=changes_done
            )
            return found, verdict, approved_by

        snapshot, verdict, approvals = recheck()
        gate = self.gate(snapshot.server, is_revert=False)
        gate()
        pace = self._paced(strategy.changes[len(done) :], snapshot)
        refuse_partitioned(change, snapshot)
        refuse_not_absent(self.connection, change)
        if self.preservation is not None:
            self.preservation.refuse_blocked(change)
        inverse = self._inverse(change, snapshot)
        body = {"intent_id": uuid.uuid4().hex}
        spends = {} if done else consent.spent(approvals)
        with self._intended(
            _APPLY, body, strategy.id, change, inverse, snapshot, verdict=verdict, spends=spends, require=pace
        ):
            seconds, made = self._carry_out(_APPLY, body, change, gate, recheck, predicted_bytes(strategy, change))
        if self.preservation is not None:
            self.preservation.made(change, body)
        return Applied(
            body["intent_id"],
            strategy.id,
            change,
            inverse,
            seconds,
            snapshot.server.database,
            _table_oid(change, snapshot),
            made.get("object_oid"),
        )

    def gate(self, server: ServerIdentity, *, is_revert: bool) -> Gate:
        """Return what stands before every statement that is sent to this database."""
        switch = KillSwitch(self.ledger.path.parent)
        return Gate(switch, self.specification.windows, server.database, is_revert, self.now_ns)

    def _paced(self, changes: Sequence[Change], snapshot: Snapshot) -> Required:
        """Refuse more than the rates allow, by the earlier of two clocks: one that is set forward ends no day early."""
        now_ns, server_unix = self.now_ns(), unix_of(snapshot.taken_at)
        if server_unix is not None:
            now_ns = min(now_ns, (server_unix + 1) * 10**9)
        return paced(changes, self.ledger, database_body(snapshot.server), self.specification.rates, now_ns)

    def _inverse(self, change: Change, snapshot: Snapshot) -> Change:
        """Return the change that takes this one back exactly; what cannot be put back so is forbidden (`drops`)."""
        if isinstance(change, RestoreStatistics):
            statistics_of(change, self._files)  # what could not be stored is refused before anything is written
            return self._kept_statistics(change)
        return self._foreseen(change, snapshot)

    def _foreseen(self, change: Change, snapshot: Snapshot) -> Change:
        """Return the inverse as it would be now; that of restored statistics without its file."""
        if isinstance(change, SetSetting):
            return replace(change, value=held_setting(self.connection, change))
        return change.inverse(snapshot)

    def _kept_statistics(self, change: RestoreStatistics) -> RestoreStatistics:
        """Return what puts back the statistics of now: they are in a file, on disk, before the intent is written."""
        found = read_statistics(self.connection, change.schema, change.table, change.columns)
        if found is None:
            raise ApplyError(
                f"{change.kind} was refused: its table, or one of its columns, is not there any more",
                code="apply.failed",
                next_step="Nothing was done; look at the table, and lock the plan by other means.",
            )
        return replace(change, file_sha256=self._files.write(found), columns_sha256=columns_digest(found))

    @property
    def _files(self) -> StatisticsFiles:
        return StatisticsFiles(self.ledger.path.parent / DIRECTORY)

    @contextmanager
    def _intended(
        self,
        kinds: _Kinds,
        body: Mapping[str, str],
        strategy_id: str,
        change: Change,
        inverse: Change,
        snapshot: Snapshot,
        object_oid: int | None = None,
        verdict: Verdict | None = None,
        spends: Mapping[str, object] | None = None,
        require: Required | None = None,
    ) -> Iterator[None]:
        """Write the intent, which spends approvals; within it the change is made. What is not answered stays open."""
        intent: dict[str, object] = {
            **body,
            "strategy_id": strategy_id,
            "database": database_body(snapshot.server),
            "session": own_session(self.connection),
            "change": change_to_dict(change),
            "inverse": change_to_dict(inverse),
            "change_digest": change_digest(change),
            "spec_digest": self.specification.digest,
            **(spends or {}),
        }
        oids = {"table_oid": _table_oid(change, snapshot), "object_oid": object_oid}
        intent.update((key, oid) for key, oid in oids.items() if oid is not None)
        if verdict is not None and verdict.warnings:
            intent["warnings"] = [warning.rule_id for warning in verdict.warnings]
        if verdict is not None and verdict.waived:
            intent["waived"] = [f"{one.violation.rule_id} by {one.waiver_id}" for one in verdict.waived]
        is_intended = False
        try:
            self.ledger.append(kinds.intended, intent, run_id=self.run_id, require=require)
            is_intended = True
            yield
        except (UnfinishedError, LedgerError):
            raise
        except TrimtabError as error:
            if is_intended:  # what the ledger refused as an intent has no result
                self._append(kinds.failed, {**body, "code": error.code, "message": str(error)})
            raise
        except BaseException:
            self._answer_interrupted(kinds, body, change)
            raise

    def _carry_out(
        self,
        kinds: _Kinds,
        body: Mapping[str, str],
        change: Change,
        gate: Gate,
        recheck: Callable[[], object],
        size_bytes: int = 0,
    ) -> tuple[float, dict[str, int]]:
        """Make the change, unless it is made already, and write that it is done; return its seconds, and oids."""
        puts_back = kinds is _REVERT  # which waits for nobody's leisure
        limits = None if puts_back else self.specification.servers
        patience = Patience.of(self.specification.locks)
        execution = Execution(
            self.connection, patience, self.sleep, gate, recheck, puts_back, limits, size_bytes, self._files
        )
        started = time.monotonic()
        if state_of(self.connection, change) is not ChangeState.DONE:
            execution.carry_out(change)
        seconds = time.monotonic() - started
        made = self._made(change)
        self._append(kinds.done, {**body, "seconds": round(seconds, 6), **made})
        return seconds, made

    def _made(self, change: Change) -> dict[str, int]:
        """The change has been seen to be done: a connection that is lost now takes only the oid from the ledger."""
        with suppress(SourceError):
            return made_object(self.connection, change)
        return {}

    def _answer_interrupted(self, kinds: _Kinds, body: Mapping[str, str], change: Change) -> None:
        """Write what the catalog says now; half a change, or one that cannot be looked at, stays open."""
        with suppress(TrimtabError):
            known = intents(self.ledger.entries(run_id=self.run_id))
            if not any(intent.id == body["intent_id"] and intent.result is None for intent in known):
                return  # the interrupt came before the intent was written, or after its answer
            found = state_of(self.connection, change)
            if found is ChangeState.DONE:
                self._append(kinds.done, {**body, "seconds": 0.0, "interrupted": True, **self._made(change)})
            elif found is not ChangeState.HALF:
                message = "interrupted; nothing of the change was left"
                self._append(kinds.failed, {**body, "code": "apply.interrupted", "message": message})

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
            first = f"{error.next_step} Then run" if isinstance(error, HeldError) else "Run"
            raise ApplyError(
                f"{error}; and {left} of the strategy's changes could not be taken back",
                code="apply.not_taken_back",
                next_step=f"{first} `trimtab resume`: it takes back what was left, as soon as the server allows it.",
            ) from error

    def _append(self, kind: Kind, body: Mapping[str, object]) -> None:
        self.ledger.append(kind, body, run_id=self.run_id)


def _table_oid(change: Change, snapshot: Snapshot) -> int | None:
    touched = touched_table(change)
    table = snapshot.table(*touched) if touched is not None else None
    return table.oid if table is not None else None


def database_body(server: ServerIdentity) -> dict[str, object]:
    """Return how the ledger names a database: enough to never act on another one of the same name."""
    return dict(zip(("system_identifier", "database", "database_oid"), server.of_database, strict=True))
