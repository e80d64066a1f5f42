"""Writes a run's steps to the ledger, as they happen: ids, digests, numbers and reasons; never a text or a literal."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass

from trimtab.anchor.record import anchor_to_dict
from trimtab.apply.asking import prediction_told
from trimtab.apply.enforce import database_body
from trimtab.errors import TrimtabError
from trimtab.ledger.entry import Kind
from trimtab.ledger.ledger import Ledger
from trimtab.lifecycle.request import Request
from trimtab.lifecycle.usage import usage_body
from trimtab.model.agent import agent_to_dict
from trimtab.model.anchor import Anchor
from trimtab.model.catalog import Snapshot
from trimtab.model.change import change_to_dict
from trimtab.model.report import Life
from trimtab.model.strategy import Outcome, Prediction, Strategy, Trial, Verdict
from trimtab.spec.specification import Specification


@dataclass(frozen=True, slots=True)
class Journal:
    """The ledger of one run."""

    ledger: Ledger
    run_id: str

    def started(self, body: Mapping[str, object]) -> None:
        """The run has begun."""
        self._write(Kind.RUN_STARTED, body)

    def proposed(self, strategy: Strategy) -> None:
        """A strategy was proposed."""
        self._write(
            Kind.STRATEGY_PROPOSED,
            {
                "strategy_id": strategy.id,
                "proposer": strategy.proposer,
                "title": strategy.title,
                "reason": strategy.reason,
                "changes": [change_to_dict(change) for change in strategy.changes],
                "query_ids": list(strategy.query_ids),
                "size_bytes": strategy.size_bytes,
                "evidence": dict(strategy.evidence),
            },
        )

    def validated(self, strategy: Strategy, verdict: Verdict) -> None:
        """The specification has spoken."""
        self._write(
            Kind.STRATEGY_VALIDATED,
            {
                "strategy_id": strategy.id,
                "compliant": verdict.compliant,
                "spec_id": verdict.spec_id,
                "spec_digest": verdict.spec_digest,
                "engine_version": verdict.engine_version,
                "violations": [{"rule_id": v.rule_id, "message": v.message} for v in verdict.violations],
                "warnings": [{"rule_id": v.rule_id, "message": v.message} for v in verdict.warnings],
                "waived": [{"rule_id": w.violation.rule_id, "waiver_id": w.waiver_id} for w in verdict.waived],
            },
        )

    def predicted(self, strategy: Strategy, prediction: Prediction) -> None:
        """An interval was predicted."""
        self._write(Kind.STRATEGY_PREDICTED, {"strategy_id": strategy.id, **prediction_told(prediction)})

    def tried(self, strategy: Strategy, trial: Trial) -> None:
        """A trial was measured."""
        self._write(
            Kind.TRIAL_FINISHED,
            {
                "strategy_id": strategy.id,
                "before_ms": round(trial.before_ms, 4),
                "after_ms": round(trial.after_ms, 4),
                "pairs": trial.pairs,
                "error_rate": trial.error_rate,
                "margin": trial.margin,
                "e_value": _finite(trial.e_value),
                "decision": trial.decision.value,
                "reason": trial.reason,
                "size_bytes": trial.size_bytes,
                "build_seconds": round(trial.build_seconds, 3),
                "scale": round(trial.scale, 6),
                "rounds": [[round(before, 4), round(after, 4)] for before, after in trial.rounds],
                "queries": [
                    {
                        "query_id": q.query_id,
                        "before_ms": round(q.before_ms, 4),
                        "after_ms": round(q.after_ms, 4),
                        "pairs": q.pairs,
                        "verdict": q.verdict,
                    }
                    for q in trial.queries
                ],
            },
        )

    def anchored(self, anchor: Anchor) -> None:
        """A level was recorded."""
        self._write(Kind.ANCHOR_RECORDED, anchor_to_dict(anchor))

    def settled(self, life: Life) -> None:
        """A strategy has come to its end."""
        self.ended(life.strategy.id, life.outcome, life.note)

    def ended(self, strategy_id: str, outcome: Outcome, note: str) -> None:
        """The strategy of that id has come to its end."""
        self._write(Kind.STRATEGY_SETTLED, {"strategy_id": strategy_id, "outcome": outcome.value, "note": note})

    def finished(self, body: Mapping[str, object]) -> None:
        """The run is over."""
        self._write(Kind.RUN_FINISHED, body)

    def broke_off(self, error: BaseException) -> None:
        """The run broke off by this error. Never raises TrimtabError: the ledger itself may be the trouble."""
        code = error.code if isinstance(error, TrimtabError) else type(error).__name__
        message = str(error) if isinstance(error, TrimtabError) else "the run was interrupted or failed inside"
        with suppress(TrimtabError):  # the first error says more
            self._write(Kind.RUN_FAILED, {"code": code, "message": message})

    def _write(self, kind: Kind, body: Mapping[str, object]) -> None:
        self.ledger.append(kind, body, run_id=self.run_id)


def opening(specification: Specification, request: Request, facts: Snapshot) -> dict[str, object]:
    """Return what a run's first entry says of it."""
    through = {} if request.agent is None else {"agent": agent_to_dict(request.agent)}
    return {
        **through,
        "database": database_body(facts.server),
        "spec_id": specification.id,
        "spec_digest": specification.digest,
        "objectives": list(request.objectives),
        "lab": request.lab if request.lab in ("clone", "none") else "dsn",
        "apply": request.apply,
        "seed": request.seed,
        "index_usage": usage_body(facts.usage),
    }


def _finite(value: float) -> float:
    return min(value, 1e12)
