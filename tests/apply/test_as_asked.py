"""What waits is applied under the rules that it was proposed under, and measured where they require it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from trimtab.apply.as_asked import refuse_other_rules, refuse_unmeasured
from trimtab.errors import UnapprovedError
from trimtab.ledger.entry import Kind
from trimtab.ledger.ledger import Ledger
from trimtab.model.approval import ApprovalRequest
from trimtab.spec.load import get_spec

from .requests import CREATE, DATABASE, DROP, TRIAL, UNDO_CREATE, UNDO_DROP, request

SPECIFICATION = get_spec("DATABASE_OPTIMIZATION_SPEC_V4")
DIGEST = SPECIFICATION.digest
ASKED = request(spec_digest=DIGEST, trial=TRIAL)
TRIED = {**TRIAL, "strategy_id": ASKED.strategy.id}


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Ledger]:
    with Ledger.open(tmp_path / "ledger.db") as found:
        yield found


def _run(ledger: Ledger, *, tried: dict[str, object] = TRIED, digest: str = DIGEST, oid: int = 5) -> None:
    body = {"database": {**DATABASE, "database_oid": oid}, "spec_digest": digest}
    ledger.append(Kind.RUN_STARTED, body, run_id="r-1")
    ledger.append(Kind.TRIAL_FINISHED, tried, run_id="r-1")


def _refused(ledger: Ledger, asked: ApprovalRequest = ASKED) -> bool:
    try:
        refuse_unmeasured(asked, SPECIFICATION, ledger.entries())
    except UnapprovedError as refused:
        return refused.code == "approval.unmeasured"
    return False


def test_a_trial_that_this_ledger_tells_of_counts(ledger: Ledger) -> None:
    _run(ledger)
    assert not _refused(ledger)


def test_a_request_without_a_trial_or_with_one_that_is_made_up_is_refused(ledger: Ledger) -> None:
    assert _refused(ledger)
    _run(ledger)
    assert _refused(ledger, replace(ASKED, trial=None))
    assert _refused(ledger, replace(ASKED, trial={**TRIAL, "after_ms": 0.5}))
    assert _refused(ledger, replace(ASKED, trial={**TRIAL, "decision": "rejected_slower"}))
    assert _refused(ledger, request((DROP,), (UNDO_DROP,), spec_digest=DIGEST, trial=TRIAL))


@pytest.mark.parametrize(
    "told",
    [
        {"digest": "0" * 64},
        {"oid": 6},
        {"tried": {**TRIED, "strategy_id": "s-0000000000"}},
        {"tried": {**TRIED, "decision": "rejected_no_gain"}},
    ],
)
def test_a_trial_of_something_else_does_not_count(ledger: Ledger, told: dict[str, object]) -> None:
    _run(ledger, **told)  # type: ignore[arg-type]
    assert _refused(ledger)


def test_a_rejected_trial_does_not_count_where_both_say_so(ledger: Ledger) -> None:
    _run(ledger, tried={**TRIED, "decision": "rejected_slower"})
    assert _refused(ledger, replace(ASKED, trial={**TRIAL, "decision": "rejected_slower"}))


def test_where_no_trial_is_required_none_is_asked_for(ledger: Ledger) -> None:
    trial = SPECIFICATION.trial.model_copy(update={"required": False})
    lax = replace(SPECIFICATION, limits=SPECIFICATION.limits.model_copy(update={"trial": trial}))
    refuse_unmeasured(request((CREATE,), (UNDO_CREATE,)), lax, ledger.entries())


def test_another_specification_than_that_of_the_request_is_refused() -> None:
    refuse_other_rules(ASKED, SPECIFICATION)
    with pytest.raises(UnapprovedError) as refused:
        refuse_other_rules(request(), SPECIFICATION)
    assert refused.value.code == "approval.drifted"
