"""A request is read as it was written, and one that hides a change, or what takes it back, is none."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from trimtab.apply.asking import request_body, request_digest, request_from, trial_from
from trimtab.model.agent import Agent
from trimtab.model.change import Change, DropIndex, LeaveIndex, RebuildIndex, SetSetting
from trimtab.model.strategy import Decision

from .requests import CREATE, DROP, TRIAL, UNDO_CREATE, UNDO_DROP, request

SET, BEFORE = (SetSetting("database", "shop", "work_mem", value) for value in ("64MB", "4MB"))
OTHER = SetSetting("database", "shop", "random_page_cost", "1")
REBUILD, LEAVE = RebuildIndex("public", "orders", "orders_b", 5), LeaveIndex("public", "orders", "orders_b")


@pytest.mark.parametrize(
    ("changes", "inverses"),
    [((CREATE, DROP), (UNDO_CREATE, UNDO_DROP)), ((SET,), (BEFORE,)), ((REBUILD,), (LEAVE,))],
)
def test_a_request_is_read_as_it_was_written(changes: tuple[Change, ...], inverses: tuple[Change, ...]) -> None:
    asked = request(changes, inverses, trial=TRIAL, verdict={"compliant": True, "warnings": ["W"], "waived": []})
    read = request_from(json.loads(json.dumps(request_body(asked))))
    assert read == asked
    assert request_digest(read) == request_digest(asked)


def test_a_request_tells_the_agent_that_made_it_and_who_approves_signs_that() -> None:
    plain = request()
    asked = replace(plain, agent=Agent("planner", "c" * 64))
    body = json.loads(json.dumps(request_body(asked)))
    assert body["agent"] == {"kind": "agent", "name": "planner", "tools_digest": "c" * 64}
    assert request_from(body) == asked
    assert request_digest(asked) != request_digest(plain)
    assert "agent" not in request_body(plain)


@pytest.mark.parametrize(
    ("changes", "inverses"),
    [
        ((CREATE, DROP), (UNDO_CREATE,)),
        ((CREATE,), (UNDO_CREATE, UNDO_DROP)),
        ((CREATE,), ()),
        ((), ()),
        ((CREATE, DROP), (UNDO_DROP, UNDO_CREATE)),
        ((CREATE,), (LEAVE,)),
        ((DROP,), (DropIndex("public", "orders", "orders_b", "USING btree (b)", ("b",)),)),
        ((CREATE,), (DropIndex("public", "orders", "orders_pkey", "USING btree (a)", ("a",)),)),
        ((SET,), (OTHER,)),
        ((REBUILD,), (UNDO_DROP,)),
    ],
)
def test_a_request_whose_inverses_are_not_those_of_its_changes_is_none(
    changes: tuple[Change, ...], inverses: tuple[Change, ...]
) -> None:
    with pytest.raises(ValueError, match="inverse"):
        request_from(request_body(request(changes, inverses)))


def test_a_trial_is_known_with_its_decision_and_one_without_is_none() -> None:
    rejected = trial_from(request(trial={**TRIAL, "decision": "rejected_slower"}))
    assert rejected is not None
    assert rejected.decision is Decision.SLOWER
    assert trial_from(request(trial={key: TRIAL[key] for key in TRIAL if key != "decision"})) is None
