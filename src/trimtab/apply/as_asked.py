"""Whether a request is applied as it was made: under the rules that it was made under, and measured as they require.

What a request says of its trial is held against the trials that this ledger tells of. Who can write the ledger can
forge both; people's signatures, which are over the request, are what stands against that.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from trimtab.errors import UnapprovedError
from trimtab.ledger.entry import Entry, Kind
from trimtab.model.approval import ApprovalRequest
from trimtab.model.strategy import Decision
from trimtab.spec.specification import Specification

_TOLD = ("before_ms", "after_ms", "pairs", "error_rate", "margin", "decision", "reason")


def refuse_other_rules(request: ApprovalRequest, specification: Specification) -> None:
    """Refuse another specification than the request was made under: UnapprovedError `approval.drifted`."""
    if specification.digest != request.spec_digest:
        raise UnapprovedError(
            f"strategy {request.strategy.id} was not applied: it was proposed under {request.spec_id} "
            f"({request.spec_digest[:16]}), and this is {specification.id} ({specification.digest[:16]})",
            code="approval.drifted",
            next_step="Give the specification with which it was proposed, or propose it anew under this one.",
        )


def refuse_unmeasured(request: ApprovalRequest, specification: Specification, entries: Iterable[Entry]) -> None:
    """Refuse what was not measured where `trial.required`: UnapprovedError `approval.unmeasured`.

    The trial must be one of a run that this ledger tells of, of the same strategy, on the same database and under the
    same rules, which accepted it.
    """
    if not specification.trial.required:
        return
    trial = request.trial
    if trial is not None and trial.get("decision") == Decision.ACCEPTED.value and _is_known(request, trial, entries):
        return
    told = "it says of no trial that accepted it" if trial is None else "this ledger knows of no such accepted trial"
    raise UnapprovedError(
        f"strategy {request.strategy.id} was not applied: the specification requires a trial, and {told}",
        code="approval.unmeasured",
        next_step="Propose it anew with `trimtab optimize --propose`, which measures it.",
    )


def _is_known(request: ApprovalRequest, trial: Mapping[str, object], entries: Iterable[Entry]) -> bool:
    runs: set[str | None] = set()
    for entry in entries:
        if entry.kind is Kind.RUN_STARTED:
            is_there = entry.body.get("database") == dict(request.database)
            if is_there and entry.body.get("spec_digest") == request.spec_digest:
                runs.add(entry.run_id)
        elif entry.kind is Kind.TRIAL_FINISHED and entry.run_id in runs:
            is_of_it = entry.body.get("strategy_id") == request.strategy.id
            if is_of_it and all(entry.body.get(key) == trial.get(key) for key in _TOLD):
                return True
    return False
