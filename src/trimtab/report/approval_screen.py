"""What a person sees of a request before signing: all of it, uncut, and what is only the requester's word marked so.

It prints nothing, and asks no server: what can be told from the changes alone is told from them.
"""

from __future__ import annotations

from collections.abc import Mapping

from trimtab.model.approval import ApprovalRequest
from trimtab.model.change import touched_table
from trimtab.report.figures import duration, in_ascii, size
from trimtab.spec.specification import Specification
from trimtab.validate.risk import Risk, risk_by_sizes

# What a change takes on the source; the table of docs/lifecycle.md says it in full.
_LOCKS = {
    "create_index": "SHARE UPDATE EXCLUSIVE: reads and writes go on",
    "drop_index": "SHARE UPDATE EXCLUSIVE, and waits for transactions that use it",
    "rebuild_index": "SHARE UPDATE EXCLUSIVE; waits for transactions that use the table",
    "set_setting": "none; new sessions see it",
}
_OTHER_LOCK = "SHARE UPDATE EXCLUSIVE: reads and writes go on"


def risk_shown(request: ApprovalRequest) -> Risk:
    """Return the risk of the request's changes, by the rules and the sizes of tables that the request states."""
    tables = {table for change in request.strategy.changes if (table := touched_table(change)) is not None}
    stated = {table: request.table_bytes.get(".".join(table)) for table in tables}
    return risk_by_sizes(request.strategy, {table: held for table, held in stated.items() if held is not None})


def screen(request: ApprovalRequest, specification: Specification | None) -> list[str]:
    """Return the lines of the request. `specification` is the effective one, None where it is not at hand."""
    strategy, risk = request.strategy, risk_shown(request)
    if specification is not None and specification.digest == request.spec_digest:
        needed = f"{specification.approvals.needed(risk)} must approve"
    else:
        needed = f"the request claims that {request.needed} must approve"
    disputed = "" if risk.value == request.risk else f" (the request claims {request.risk})"
    count = f"{len(strategy.changes)} change{'s' if len(strategy.changes) > 1 else ''}"
    lines = [
        f"{strategy.id} ({request.id}), {count}: {strategy.title}",
        f"  why       {strategy.reason}",
        f"  database  {request.database.get('database')} of server {request.database.get('system_identifier')}",
        f"  risk      {risk.value}{disputed}; {needed}; proposed by {request.proposed_by}",
        f"  rules     {request.spec_id}, effective digest {request.spec_digest}",
        f"  claimed   {_verdict_told(request.verdict)}",
    ]
    for change, inverse in zip(strategy.changes, request.inverses, strict=True):
        lines += [
            f"  change    {change.sql()}",
            f"  lock      {_LOCKS.get(change.kind, _OTHER_LOCK)}",
            f"  inverse   {inverse.sql()} (as claimed; it is read anew when it is applied)",
        ]
    lines += [f"  claimed   table {table} has {size(held)}" for table, held in request.table_bytes.items()]
    lines.append(f"  claimed   {_prediction_told(request.prediction)}")
    lines.append(f"  claimed   {_trial_told(request.trial)}")
    return [told for line in lines for told in (line, *_escaped(line))]


def _escaped(line: str) -> list[str]:
    """A name that looks like another one is told from it by its characters' numbers."""
    told = in_ascii(line)
    return [] if told == line else [f"  escaped   {told.strip()}"]


def _verdict_told(verdict: Mapping[str, object] | None) -> str:
    if verdict is None:
        return "nothing of what the rules said"
    told = "compliant when it was proposed" if verdict.get("compliant") is True else "not compliant"
    for key in ("waived", "warnings"):
        found = verdict.get(key)
        told += f"; {key}: {', '.join(map(str, found)) if isinstance(found, list) and found else 'none'}"
    return told


def _prediction_told(prediction: Mapping[str, object] | None) -> str:
    if prediction is None:
        return "no prediction"
    try:
        unit = prediction["unit"]
        before, low, mid, high, confidence = (
            float(str(prediction[key])) for key in ("before", "low", "mid", "high", "confidence")
        )
    except (KeyError, ValueError):
        return "a prediction that cannot be read"
    told = [duration(value) if unit == "ms" else f"cost {value:,.0f}" for value in (before, low, high, mid)]
    interval = f"{told[1]} to {told[2]} (most likely {told[3]})"
    return f"predicted {told[0]} to become {interval}, {confidence:.0%} interval by {prediction.get('method')}"


def _trial_told(trial: Mapping[str, object] | None) -> str:
    if trial is None:
        return "no trial"
    try:
        before, after = (duration(float(str(trial[key]))) for key in ("before_ms", "after_ms"))
        told = f"trial {trial['decision']}, {before} to {after}, {trial['pairs']} pairs"
        alpha, margin = (float(str(trial[key])) for key in ("error_rate", "margin"))
        return f"{told}, error rate {alpha:g}, gain asked for {margin:.0%}: {trial['reason']}"
    except (KeyError, ValueError):
        return "a trial that cannot be read"
