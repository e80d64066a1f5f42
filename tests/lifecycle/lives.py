"""A ledger with strategies at every stage, written by what writes ledgers; a name in it is as hostile as can be."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from trimtab.apply.asking import request_body
from trimtab.ledger.entry import Kind
from trimtab.ledger.ledger import Ledger
from trimtab.lifecycle.journal import Journal
from trimtab.model.approval import ApprovalRequest
from trimtab.model.change import Change, CreateIndex, DropIndex, SetSetting, change_digest, change_to_dict
from trimtab.model.report import Life
from trimtab.model.strategy import (
    Decision,
    Outcome,
    Prediction,
    QueryTrial,
    Strategy,
    Trial,
    Verdict,
    Violation,
    Waived,
)

DATABASE = {"system_identifier": "7", "database": "shop", "database_oid": 5}
HOSTILE = 'a"b<script>alert(1)</script>\u202e\x1b[31m&amp;'
SPEC_DIGEST = "5" * 64
ALLOWED = Verdict(True, (), "SHOP", SPEC_DIGEST, 100.0, engine_version="1")
WARNED = replace(
    ALLOWED,
    warnings=(Violation("own.wide", "the index is wide", severity="warn"),),
    waived=(Waived(Violation("indexes.max_key_columns", "four keys"), "W_WIDE", 1, 1_800_000_000),),
)
REFUSED = replace(ALLOWED, compliant=False, violations=(Violation("indexes.max_per_table", "six are too many"),))
PREDICTION = Prediction(1.0, 2.0, 4.0, "ms", 9.5, 0.9, "calibrated")
ROUNDS = tuple((9.5 + 0.1 * (number % 3), 1.25 + 0.02 * (number % 5)) for number in range(12))
TRIAL = Trial(
    9.5, 1.25, 12, 0.01, 0.0526, 740.0, Decision.ACCEPTED, "proven faster in 12 pairs",
    (QueryTrial("q1", 9.5, 1.25, 12, True, "faster"),), 8192, 0.25, rounds=ROUNDS, scale=0.05,
)  # fmt: skip
SLOWER = replace(TRIAL, before_ms=9.5, after_ms=9.6, decision=Decision.NO_GAIN, reason="no gain", e_value=0.4)


def create(name: str, *columns: str) -> CreateIndex:
    return CreateIndex("public", "orders", name, f"USING btree ({', '.join(columns)})", columns)


def drop(made: CreateIndex) -> DropIndex:
    return DropIndex(made.schema, made.table, made.name, made.tail, made.key_columns)


def strategy(*changes: Change, title: str = "An index") -> Strategy:
    return Strategy(
        changes, "index", title, "the plan reads all rows", ("q1",), size_bytes=8192, evidence={"gain": 8.2}
    )


@dataclass(frozen=True)
class Lives:
    """The ledger's path, and the ids of its strategies."""

    path: Path
    kept: str
    refused: str
    not_promising: str
    rejected: str
    proven: str
    waiting: str
    reverted: str
    open: str
    request_id: str


KEPT, REVERTED, WAITING = (create(name, column) for name, column in (("orders_day", "day"), ("o2", "b"), ("o3", "c")))


def write_lives(
    path: Path, *, clock: Callable[[], int] | None = None, proposed_by: str = "agent", signs: bool = True
) -> Lives:
    """Write the ledger. One that `signs` has a key, and checkpoints."""
    with Ledger.open(path) if clock is None else Ledger.open(path, clock=clock) as ledger:
        if signs:
            ledger.set_key()
        run = Journal(ledger, "r-1")
        run.started({"database": DATABASE, "spec_id": "SHOP", "apply": True})
        kept = strategy(KEPT)
        _tried(run, kept, ALLOWED, TRIAL)
        _apply(ledger, kept, KEPT, "i1")
        ledger.append(Kind.ANCHOR_RECORDED, {"anchor_id": "a-1", "change_ids": ["i1"]}, run_id="r-1")
        _end(run, kept, Outcome.KEPT)
        refused = strategy(create(HOSTILE, "x"), title=HOSTILE)
        run.proposed(refused)
        run.validated(refused, REFUSED)
        _end(run, refused, Outcome.REFUSED, "indexes.max_per_table")
        poor = strategy(SetSetting("database", "shop", "work_mem", "64MB"), title="More memory")
        run.proposed(poor)
        run.validated(poor, ALLOWED)
        run.predicted(poor, PREDICTION)
        _end(run, poor, Outcome.NOT_PREDICTED)
        rejected = strategy(create("o4", "d"))
        _tried(run, rejected, ALLOWED, SLOWER)
        _end(run, rejected, Outcome.REJECTED, "no gain")
        proven = strategy(create("o5", "e"))
        _tried(run, proven, ALLOWED, TRIAL)
        waiting = strategy(WAITING, title="An index that waits")
        _tried(run, waiting, WARNED, TRIAL)
        request = _request(waiting, proposed_by)
        ledger.append(Kind.APPROVAL_REQUESTED, request_body(request), run_id="r-1")
        reverted = strategy(REVERTED)
        _tried(run, reverted, ALLOWED, TRIAL)
        _apply(ledger, reverted, REVERTED, "i2")
        _apply(ledger, reverted, drop(REVERTED), "u2", reverts="i2")
        _end(run, reverted, Outcome.REVERTED, "q1 lost")
        run.finished({"before_ms": 10.5, "after_ms": 4.0})
        begun = strategy(create("o6", "f"))
        later = Journal(ledger, "r-2")
        later.started({"database": DATABASE, "spec_id": "SHOP", "apply": True})
        later.proposed(begun)
    of = (kept, refused, poor, rejected, proven, waiting, reverted, begun)
    kept_id, refused_id, poor_id, rejected_id, proven_id, waiting_id, reverted_id, open_id = (each.id for each in of)
    return Lives(
        path, kept_id, refused_id, poor_id, rejected_id, proven_id, waiting_id, reverted_id, open_id, request.id
    )


def _tried(run: Journal, made: Strategy, verdict: Verdict, trial: Trial) -> None:
    run.proposed(made)
    run.validated(made, verdict)
    run.predicted(made, PREDICTION)
    run.tried(made, trial)


def _end(run: Journal, ended: Strategy, outcome: Outcome, note: str = "") -> None:
    run.settled(Life(ended, outcome=outcome, note=note))


def intent_body(strategy_id: str, change: Change, intent: str) -> dict[str, object]:
    """What the ledger is told before a change is made."""
    assert isinstance(change, CreateIndex | DropIndex)
    inverse = change.inverse(None)  # type: ignore[arg-type]  # an index's needs no snapshot
    return {
        "intent_id": intent, "strategy_id": strategy_id, "database": DATABASE, "session": {},
        "change": change_to_dict(change), "inverse": change_to_dict(inverse),
        "change_digest": change_digest(change), "spec_digest": SPEC_DIGEST,
    }  # fmt: skip


def _apply(ledger: Ledger, made: Strategy, change: Change, intent: str, *, reverts: str | None = None) -> None:
    body = intent_body(made.id, change, intent)
    intended, done = Kind.APPLY_INTENDED, Kind.APPLY_DONE
    if reverts is not None:
        body["reverts"] = reverts
        intended, done = Kind.REVERT_INTENDED, Kind.REVERT_DONE
    ledger.append(intended, body, run_id="r-1")
    ledger.append(done, {"intent_id": intent, "seconds": 0.5}, run_id="r-1")
    compared = {
        "intent_id": intent, "change_digest": change_digest(change), "before_digest": "b" * 64,
        "after_digest": "a" * 64, "difference_count": 1, "undeclared_count": 0, "warnings": [],
        "differences": [
            {"code": "index.added", "effect": "neutral", "section": "indexes", "path_sha256": "0" * 64, "stands": True}
        ],
    }  # fmt: skip
    ledger.append(Kind.SECURITY_COMPARED, compared, run_id="r-1")


def _request(asked: Strategy, proposed_by: str) -> ApprovalRequest:
    [change] = asked.changes
    assert isinstance(change, CreateIndex)
    told = {"before_ms": 9.5, "after_ms": 1.25, "pairs": 12, "error_rate": 0.01, "margin": 0.05}
    return ApprovalRequest(
        id="q-0123456789", strategy=asked, inverses=(drop(change),), database=DATABASE, spec_id="SHOP",
        spec_digest=SPEC_DIGEST, facts_digest="b" * 64, table_bytes={"public.orders": 8192}, risk="low", needed=1,
        proposed_by=proposed_by,
        trial={**told, "decision": "accepted", "reason": "faster", "query_ids": ["q1"]},
        verdict={"compliant": True, "warnings": ["own.wide"], "waived": []},
    )  # fmt: skip
