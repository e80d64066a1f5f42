"""What `trimtab anchor lock` prints when it was refused: the cause that was found, and all that was tried."""

from __future__ import annotations

import json

import pytest

from trimtab import api
from trimtab.cli import anchor_locks
from trimtab.errors import ForbiddenError
from trimtab.lifecycle.holding import Held
from trimtab.model.flip import Attribution, CauseKind, IndexDifference
from trimtab.model.plan_shape import PlanShape

SHAPE = PlanShape("ab", ("Seq Scan",), frozenset(), frozenset())
CAUSE = IndexDifference("public", "orders_customer", "orders", "dropped")
FOUND = Attribution(CauseKind.INDEX, (CAUSE,), "the old plan returns", SHAPE, SHAPE, (), 180000)


@pytest.mark.parametrize("as_json", [True, False])
def test_a_refusal_does_not_hide_the_cause(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], as_json: bool
) -> None:
    def refuse(*_: object, **__: object) -> Held:
        refused = ForbiddenError("refused by indexes.max: found 9, allowed 8", code="apply.specification")
        refused.done = Held("a-1", "q1", FOUND, None, (("index put back", str(refused)),), ())
        raise refused

    monkeypatch.setattr(api, "lock_plan", refuse)
    asked = anchor_locks.LockAsked("a-1", "q1", "service=shop")
    with pytest.raises(ForbiddenError):
        anchor_locks.lock(asked, as_json=as_json, is_quiet=True)
    printed = capsys.readouterr().out
    assert "found 9, allowed 8" in printed
    if as_json:
        document = json.loads(printed)
        assert (document["kind"], document["causes"], document["lease"]) == ("index", [str(CAUSE)], None)
    else:
        assert "index: the old plan returns" in printed
