"""Leaves a strategy waiting for people: writes to the ledger what they are shown, and their approval is held to.

What they sign is made of it by `lifecycle.approving`; what is verified later is made anew from the facts of then. An
equal request that waits already is not written twice; of what was applied since it is a new one.
"""

from __future__ import annotations

import getpass
import hashlib
import os
import uuid
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace

from trimtab.apply.approved_facts import digest_of, facts_of, moved, table_bytes, table_rows
from trimtab.ledger.entry import Entry, Kind
from trimtab.ledger.ledger import Ledger
from trimtab.ledger.pending import applied_changes, intents
from trimtab.model.agent import Agent, agent_from, agent_to_dict
from trimtab.model.approval import ApprovalRequest
from trimtab.model.catalog import Snapshot
from trimtab.model.change import Change, change_from_dict, change_to_dict, takes_back
from trimtab.model.strategy import Decision, Prediction, QueryTrial, Strategy, Trial, Verdict
from trimtab.spec.specification import Specification
from trimtab.validate.facts import Evidence
from trimtab.validate.risk import Risk, risk_of

ACTOR = "TRIMTAB_ACTOR"


def actor(environ: Mapping[str, str] = os.environ) -> str:
    """Return who runs this program: `$TRIMTAB_ACTOR`, else the account's name, or its number where it has none."""
    if environ.get(ACTOR):
        return environ[ACTOR]
    try:
        return getpass.getuser()
    except (OSError, KeyError):
        return f"uid {os.geteuid()}"


def ask(
    ledger: Ledger,
    strategy: Strategy,
    specification: Specification,
    snapshot: Snapshot,
    database: Mapping[str, object],
    *,
    inverses: tuple[Change, ...],
    evidence: Evidence,
    verdict: Verdict | None,
    run_id: str | None,
    agent: Agent | None = None,
    asked: ApprovalRequest | None = None,
) -> ApprovalRequest:
    """Write that the strategy waits, and return the request; one that says the same and was not applied is returned.

    `agent` is who proposes it in a person's place. `asked` is the request that was to be carried out, where there was
    one: who proposed that still does, and not who wanted it applied.
    """
    if asked is not None:
        agent = asked.agent
    risk = risk_of(strategy, {(table.schema, table.name): table for table in snapshot.tables})
    entries = tuple(ledger.entries())
    facts = facts_of(strategy, snapshot, applied_changes(entries, database=database))
    request = ApprovalRequest(
        id="q-" + uuid.uuid4().hex[:10],
        strategy=strategy,
        inverses=inverses,
        database=database,
        spec_id=specification.id,
        spec_digest=specification.digest,
        facts_digest=digest_of(facts),
        table_bytes=table_bytes(strategy, snapshot),
        risk=risk.value,
        needed=specification.approvals.needed(risk),
        proposed_by=asked.proposed_by if asked is not None else actor() if agent is None else agent.actor,
        prediction=None if evidence.prediction is None else prediction_told(evidence.prediction),
        trial=None if evidence.trial is None else trial_told(evidence.trial),
        verdict=None if verdict is None else verdict_told(verdict),
        run_id=run_id,
        agent=agent,
        facts=facts,
        table_rows=table_rows(strategy, snapshot),
    )
    gone = drifted_requests(requests(entries))
    carried_out = [
        each.intended.seq
        for each in intents(entries)
        if each.is_done and each.is_on(database) and each.intended.text("strategy_id") == strategy.id
    ]
    for known in requests(entries[max(carried_out, default=0) :]):
        same = ("spec_digest", "needed", "proposed_by", "database", "verdict", "agent")
        is_same = known.strategy.id == strategy.id and _is_as_measured(known) == _is_as_measured(request)
        is_same = is_same and known.id not in gone and not _has_drifted(known, request)
        if is_same and all(getattr(known, key) == getattr(request, key) for key in same):
            return known
    entry = ledger.append(Kind.APPROVAL_REQUESTED, request_body(request), run_id=run_id)
    return replace(request, at_ns=entry.at_ns, entry_hash=entry.hash)


def drifted_requests(found: Sequence[ApprovalRequest]) -> frozenset[str]:
    """Return the ids of the requests whose facts were seen to be others since: the same has been asked for on those.

    `found` is oldest first. What is as it was again has been something else in between: it is asked for anew.
    """
    gone, since = set[str](), dict[tuple[str, str], list[ApprovalRequest]]()
    for request in reversed(found):
        later = since.setdefault((request.strategy.id, request.spec_digest), [])
        if any(each.database == request.database and _has_drifted(request, each) for each in later):
            gone.add(request.id)
        later.append(request)
    return frozenset(gone)


def _has_drifted(before: ApprovalRequest, now: ApprovalRequest) -> bool:
    if (before.facts_digest, before.inverses) != (now.facts_digest, now.inverses):
        return True
    return bool(moved(before.table_bytes, now.table_bytes, before.table_rows, now.table_rows))


def needed_for(strategy: Strategy, specification: Specification, snapshot: Snapshot) -> int:
    """Return how many people must approve the strategy, by the facts of now."""
    risk = risk_of(strategy, {(table.schema, table.name): table for table in snapshot.tables})
    return specification.approvals.needed(Risk(risk))


def _is_as_measured(request: ApprovalRequest) -> tuple[bool, bool]:
    """Figures are never twice the same; that there are some is."""
    return request.prediction is not None, request.trial is not None


def prediction_told(prediction: Prediction) -> dict[str, object]:
    """Return what people are told of a prediction: the interval, in which unit, and what it is held against."""
    return {
        "low": round(prediction.low, 4),
        "mid": round(prediction.mid, 4),
        "high": round(prediction.high, 4),
        "before": round(prediction.before, 4),
        "unit": prediction.unit,
        "confidence": prediction.confidence,
        "method": prediction.method,
    }


def trial_told(trial: Trial) -> dict[str, object]:
    """Return what people are told of a trial."""
    return {
        "before_ms": round(trial.before_ms, 4),
        "after_ms": round(trial.after_ms, 4),
        "pairs": trial.pairs,
        "error_rate": trial.error_rate,
        "margin": trial.margin,
        "decision": trial.decision.value,
        "reason": trial.reason,
        "query_ids": [query.query_id for query in trial.queries],
    }


def verdict_told(verdict: Verdict) -> dict[str, object]:
    """Return what people are told of a verdict: the rules by which, and despite which, it was allowed."""
    return {
        "compliant": verdict.compliant,
        "warnings": [warning.rule_id for warning in verdict.warnings],
        "waived": [f"{one.violation.rule_id} by {one.waiver_id}" for one in verdict.waived],
    }


def request_digest(request: ApprovalRequest) -> str:
    """Return the SHA-256 of all that the request says: of what people were shown."""
    import rfc8785

    return hashlib.sha256(rfc8785.dumps(request_body(request))).hexdigest()  # type: ignore[arg-type]


def prediction_from(request: ApprovalRequest) -> Prediction | None:
    """Return the prediction that the request tells of; None where it tells of none that can be read."""
    told = request.prediction
    if told is None:
        return None
    with suppress(KeyError, ValueError):
        low, mid, high, before, confidence = (
            float(str(told[key])) for key in ("low", "mid", "high", "before", "confidence")
        )
        return Prediction(low, mid, high, str(told["unit"]), before, confidence, str(told["method"]))
    return None


def trial_from(request: ApprovalRequest) -> Trial | None:
    """Return what is known of the trial, by its totals and the queries that it measured; None where there was none."""
    told = request.trial
    query_ids = told.get("query_ids") if told is not None else None
    if told is None or not isinstance(query_ids, list) or "decision" not in told:
        return None
    return Trial(
        before_ms=float(str(told["before_ms"])),
        after_ms=float(str(told["after_ms"])),
        pairs=int(str(told["pairs"])),
        error_rate=float(str(told.get("error_rate", 0.0))),
        margin=float(str(told.get("margin", 0.0))),
        e_value=0.0,
        decision=Decision(str(told["decision"])),
        reason=str(told["reason"]),
        queries=tuple(QueryTrial(str(query_id), 0.0, 0.0, 0, False, "") for query_id in query_ids),
    )


def request_body(request: ApprovalRequest) -> dict[str, object]:
    """Return the request as the ledger, and a file that is taken to somebody, holds it."""
    strategy = request.strategy
    through = {} if request.agent is None else {"agent": agent_to_dict(request.agent)}
    return {
        **through,
        "request_id": request.id,
        "strategy_id": strategy.id,
        "changes": [change_to_dict(change) for change in strategy.changes],
        "inverses": [change_to_dict(change) for change in request.inverses],
        "proposer": strategy.proposer,
        "title": strategy.title,
        "reason": strategy.reason,
        "query_ids": list(strategy.query_ids),
        "size_bytes": strategy.size_bytes,
        "evidence": dict(strategy.evidence),
        "database": dict(request.database),
        "spec_id": request.spec_id,
        "spec_digest": request.spec_digest,
        "facts_digest": request.facts_digest,
        "facts": dict(request.facts),
        "table_bytes": dict(request.table_bytes),
        "table_rows": dict(request.table_rows),
        "risk": request.risk,
        "needed": request.needed,
        "proposed_by": request.proposed_by,
        "prediction": None if request.prediction is None else dict(request.prediction),
        "trial": None if request.trial is None else dict(request.trial),
        "verdict": None if request.verdict is None else dict(request.verdict),
    }


def request_from(
    body: Mapping[str, object], *, run_id: str | None = None, at_ns: int = 0, entry_hash: str = ""
) -> ApprovalRequest:
    """Return the request that a body holds. Raises ValueError, KeyError or TypeError when it is none.

    One whose inverses are not those of its changes, one by one, is none.
    """

    def mapping(key: str) -> Mapping[str, object]:
        value = body[key]
        if not isinstance(value, Mapping):
            raise TypeError(key)
        return value

    def listed(key: str) -> list[Mapping[str, object]]:
        value = body[key]
        if not isinstance(value, list) or not all(isinstance(each, Mapping) for each in value):
            raise TypeError(key)
        return value

    query_ids = body["query_ids"]
    if not isinstance(query_ids, list):
        raise TypeError("query_ids")
    strategy = Strategy(
        tuple(change_from_dict(change) for change in listed("changes")),
        str(body["proposer"]),
        str(body["title"]),
        str(body["reason"]),
        tuple(str(query_id) for query_id in query_ids),
        size_bytes=int(str(body["size_bytes"])),
        evidence={k: v for k, v in mapping("evidence").items() if isinstance(v, int | float | str)},
    )
    if strategy.id != body["strategy_id"]:
        raise ValueError("the changes are not those of the strategy")
    inverses = tuple(change_from_dict(change) for change in listed("inverses"))
    if not strategy.changes or len(inverses) != len(strategy.changes):
        raise ValueError("there is not one inverse to each change")
    if not all(takes_back(inverse, change) for inverse, change in zip(inverses, strategy.changes, strict=True)):
        raise ValueError("the inverses are not those of the changes")
    return ApprovalRequest(
        id=str(body["request_id"]),
        strategy=strategy,
        inverses=inverses,
        database=mapping("database"),
        spec_id=str(body["spec_id"]),
        spec_digest=str(body["spec_digest"]),
        facts_digest=str(body["facts_digest"]),
        table_bytes={table: int(str(size)) for table, size in mapping("table_bytes").items()},
        risk=Risk(str(body["risk"])).value,
        needed=int(str(body["needed"])),
        proposed_by=str(body["proposed_by"]),
        prediction=None if body.get("prediction") is None else mapping("prediction"),
        trial=None if body.get("trial") is None else mapping("trial"),
        verdict=None if body.get("verdict") is None else mapping("verdict"),
        run_id=run_id,
        at_ns=at_ns,
        entry_hash=entry_hash,
        agent=agent_from(body.get("agent")),
        facts={kind: str(digest) for kind, digest in mapping("facts").items()} if "facts" in body else {},
        table_rows={t: int(str(rows)) for t, rows in mapping("table_rows").items()} if "table_rows" in body else {},
    )


def requests(entries: Iterable[Entry]) -> tuple[ApprovalRequest, ...]:
    """Return every request, oldest first. What is none is left out: one that is made up must not stop the others."""
    found = []
    for entry in entries:
        if entry.kind is Kind.APPROVAL_REQUESTED:
            with suppress(KeyError, TypeError, ValueError):
                found.append(request_from(entry.body, run_id=entry.run_id, at_ns=entry.at_ns, entry_hash=entry.hash))
    return tuple(found)
