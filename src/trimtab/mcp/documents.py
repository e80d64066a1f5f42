"""Makes of the documents that runs print (`trimtab.optimize/v1`, `trimtab.indexes/v1`) what the tools answer. Pure.

Long lists are cut; what is left out is counted, and is in the run's evidence.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

from trimtab.api_spec import Compliance, RuleViolation
from trimtab.lifecycle.approving import Waiting
from trimtab.lifecycle.kept_advice import SOURCE, KeptAdvice
from trimtab.mcp import change_answers as told
from trimtab.mcp.answers import BrokenRule
from trimtab.model.strategy import Outcome, Strategy

MOST_STRATEGIES = 40
_MOST_MESSAGES = 20
_ORDER = ("proven", "rejected", "refused", "untried", "not_promising")
_NOTHING = "Nothing was proven: nothing waits, and the source is as it was."


def optimized(document: Mapping[str, Any], database: str, *, is_proposed: bool, how_applied: str) -> told.Optimized:
    """Return a run of `optimize`, what was proven first."""
    strategies = sorted(document["strategies"], key=lambda each: _rank(each["outcome"]))
    proven = sum(each["outcome"] == "proven" for each in strategies)
    waiting = proven if is_proposed else 0
    next_step = how_applied if waiting else _NOTHING
    if proven and not waiting:
        next_step = "Nothing waits: ask again with propose true, or change_propose one of them."
    return told.Optimized(
        run_id=document["run_id"],
        database=database,
        queries=document["workload"]["queries"],
        strategies=[strategy_told(each) for each in strategies[:MOST_STRATEGIES]],
        strategies_left_out=max(0, len(strategies) - MOST_STRATEGIES),
        before_ms=document["total"]["before_ms"],
        after_ms=document["total"]["after_ms"],
        waiting=waiting,
        messages=list(document["messages"])[:_MOST_MESSAGES],
        next_step=next_step,
    )


def proposed(document: Mapping[str, Any], waits: Waiting | None, how_applied: str) -> told.Proposed:
    """Return what became of a proposal: the one strategy of the run."""
    strategy = strategy_told(document["strategies"][0])
    return told.Proposed(
        run_id=document["run_id"],
        strategy=strategy,
        is_waiting=waits is not None,
        request_id=None if waits is None else waits.request.id,
        needed=None if waits is None else waits.request.needed,
        next_step=_NOTHING if waits is None else how_applied,
    )


def refused(strategy: Strategy, verdict: Compliance) -> told.Proposed:
    """Return what became of a proposal that the rules refuse: it was not tried, and nothing was written."""
    return told.Proposed(
        run_id=None,
        strategy=told.StrategyTold(
            strategy_id=strategy.id,
            proposer=strategy.proposer,
            title=strategy.title,
            outcome=Outcome.REFUSED.value,
            note="refused by the specification",
            statements=[change.sql() for change in strategy.changes],
            inverse_statements=[],
            size_bytes=strategy.size_bytes,
            violations=[broken_rule(each) for each in verdict.violations],
            prediction=None,
            trial=None,
        ),
        is_waiting=False,
        request_id=None,
        needed=None,
        next_step=_NOTHING,
    )


def broken_rule(violation: RuleViolation) -> BrokenRule:
    """Return a broken rule of a verdict."""
    return BrokenRule(
        rule=violation.rule,
        severity=violation.severity,
        path=violation.path,
        expected=violation.expected,
        actual=violation.actual,
        message=violation.message,
    )


def strategy_told(document: Mapping[str, Any]) -> told.StrategyTold:
    """Return a strategy of a run."""
    verdict, prediction, trial = document["verdict"], document["prediction"], document["trial"]
    return told.StrategyTold(
        strategy_id=document["id"],
        proposer=document["proposer"],
        title=document["title"],
        outcome=document["outcome"],
        note=document["note"],
        statements=[change["sql"] for change in document["changes"]],
        inverse_statements=[change["inverse_sql"] or "" for change in document["changes"]],
        size_bytes=document["size_bytes"],
        violations=[] if verdict is None else [_broken(each) for each in verdict["violations"]],
        prediction=None
        if prediction is None
        else told.PredictionTold(**{key: prediction[key] for key in told.PredictionTold.model_fields}),
        trial=None if trial is None else trial_told(trial),
    )


def trial_told(trial: Mapping[str, Any]) -> told.TrialTold:
    """Return a trial, of a run's document or of a request."""
    return told.TrialTold(**{key: trial[key] for key in told.TrialTold.model_fields})


def kept_advised(
    advice: KeptAdvice, statements: Mapping[str, Sequence[str]], database: str, computed_at: str
) -> told.IndexesAdvised:
    """Return an advice that is kept, as it was computed then; `statements` are those of its strategies, by their id."""
    return told.IndexesAdvised(
        run_id=advice.run_id,
        database=database,
        computed_at=computed_at,
        source=SOURCE,
        frontier=[told.FrontierPoint(**asdict(point)) for point in advice.frontier],
        indexes=[
            told.IndexAdvised(
                strategy_id=index.strategy_id,
                statement=next((sql for sql in statements.get(index.strategy_id, ()) if index.name in sql), ""),
                size_bytes=index.size_bytes,
                value=index.value,
                write_cost=None,
                outcome=index.outcome,
                queries=[],
            )
            for index in advice.indexes[:MOST_STRATEGIES]
        ],
        tidying=[],
        cost_before=advice.cost_before,
        cost_after=advice.cost_after,
        unit=advice.unit,
        lower_bound=None,
        gap=advice.gap,
        size_bytes=advice.size_bytes,
        health_score=advice.health_score,
        problems=[],
        next_step="It was kept: index_advise with kept false computes one for the database as it is now.",
    )


def indexes_advised(document: Mapping[str, Any], database: str, computed_at: str) -> told.IndexesAdvised:
    """Return the advice of `indexes`."""
    kinds = (("drops", "drop"), ("merges", "merge"), ("rebuilds", "rebuild"))
    tidying = [_gone(each, what) for key, what in kinds for each in document[key]]
    return told.IndexesAdvised(
        run_id=document["run_id"],
        database=database,
        computed_at=computed_at,
        source=SOURCE,
        frontier=[told.FrontierPoint(**point) for point in document["frontier"]],
        indexes=[_index(each) for each in document["indexes"][:MOST_STRATEGIES]],
        tidying=tidying[:MOST_STRATEGIES],
        cost_before=document["cost_before"],
        cost_after=document["cost_after"],
        unit=document["unit"],
        lower_bound=document["lower_bound"],
        gap=document["gap"],
        size_bytes=document["size_bytes"],
        health_score=document["health"]["score"],
        problems=list(document["problems"])[:_MOST_MESSAGES],
        next_step="Nothing waits: optimize_queries or change_propose leave what is proven to people.",
    )


def _index(document: Mapping[str, Any]) -> told.IndexAdvised:
    return told.IndexAdvised(
        strategy_id=document["id"],
        statement=document["sql"],
        size_bytes=document["size_bytes"],
        value=document["value"],
        write_cost=document["write_cost"],
        outcome=document["outcome"],
        queries=[query["name"] for query in document["queries"]][:20],
    )


def _gone(document: Mapping[str, Any], what: str) -> told.IndexGone:
    statements: Sequence[str] = document["sql"] if isinstance(document["sql"], list) else [document["sql"]]
    return told.IndexGone(
        strategy_id=document["id"],
        what=what,
        statements=list(statements),
        reason=document["reason"],
        size_bytes=document["size_bytes"],
        outcome=document["outcome"],
    )


def _broken(violation: Mapping[str, Any]) -> BrokenRule:
    return BrokenRule(
        rule=violation["rule_id"],
        **{key: violation[key] for key in ("severity", "path", "expected", "actual", "message")},
    )


def _rank(outcome: str) -> int:
    return _ORDER.index(outcome) if outcome in _ORDER else len(_ORDER)
