"""What is marked in a query's life: what touches it, by one rule, each with its evidence and where that stands."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

import pytest

from tests.anchor.anchors import anchor, level
from trimtab import api
from trimtab.history.values import Window
from trimtab.ledger.entry import Kind
from trimtab.ledger.ledger import Ledger
from trimtab.lifecycle.anchor_chain import keep, store_of
from trimtab.lifecycle.query_marks import Mark

from .lives import DATABASE, Lives, create, intent_body, write_lives

EVERYTHING = Window(0, 1 << 62)


@pytest.fixture
def lives(tmp_path: Path) -> Lives:
    return write_lives(tmp_path / "ledger.db")


def marks(lives: Lives, query_id: str, window: Window = EVERYTHING, **where: str) -> Sequence[Mark]:
    return api.query_marks(query_id, window, ledger_path=lives.path, **where)  # type: ignore[arg-type]


def apply(lives: Lives, strategy_id: str, intent_id: str, name: str) -> None:
    with Ledger.open(lives.path) as ledger:
        ledger.append(Kind.APPLY_INTENDED, intent_body(strategy_id, create(name, "z"), intent_id), run_id="r-9")
        ledger.append(Kind.APPLY_DONE, {"intent_id": intent_id, "seconds": 0.5}, run_id="r-9")


def test_changes_whose_trial_measured_the_query_are_marked_with_what_was_measured(lives: Lives) -> None:
    found = marks(lives, "q1")
    assert [(mark.kind, mark.strategy_id) for mark in found] == [
        ("applied", lives.kept), ("applied", lives.reverted), ("reverted", lives.reverted),
    ]  # fmt: skip
    assert {(mark.database, mark.source, mark.text) for mark in found} == {("shop", "ledger", "An index")}
    with Ledger.open(lives.path) as ledger:
        trials = {e.seq: e.text("strategy_id") for e in ledger.entries() if e.kind is Kind.TRIAL_FINISHED}
    for mark in found:
        told = re.fullmatch(
            r"its trial measured 9\.5 ms to 1\.25 ms in 12 pairs: faster \(entry (\d+)\)", mark.evidence
        )
        assert told is not None, mark
        assert trials[int(told[1])] == mark.strategy_id
    assert marks(lives, "q2") == []
    assert marks(lives, "q1", Window(0, 1)) == []


def test_a_change_that_was_only_proposed_for_the_query_says_that_no_trial_measured_it(lives: Lives) -> None:
    with Ledger.open(lives.path) as ledger:
        body = {"strategy_id": "s-0000000009", "title": "For another", "query_ids": ["q7"], "changes": []}
        ledger.append(Kind.STRATEGY_PROPOSED, body, run_id="r-9")
    apply(lives, "s-0000000009", "i9", "o9")
    [mark] = marks(lives, "q7")
    assert (mark.kind, mark.text) == ("applied", "For another")
    assert mark.evidence.startswith("it was proposed for it, and no trial measured this query (entry ")


def test_a_lock_of_the_querys_plan_touches_it_and_no_other_query(lives: Lives) -> None:
    with Ledger.open(lives.path) as ledger:
        body = {"lease_id": "l-1", "note": "proposed", "query_id": "q8", "strategy_id": "s-0000000008"}
        ledger.append(Kind.LEASE_NOTED, {**body, "database": DATABASE}, run_id="r-9")
    apply(lives, "s-0000000008", "i8", "o8")
    [mark] = marks(lives, "q8")
    assert (mark.kind, mark.text) == ("applied", "create_index")
    assert mark.evidence.startswith("it holds its plan, by the lock l-1 (entry ")
    assert "s-0000000008" not in {mark.strategy_id for mark in marks(lives, "q1")}


def test_an_intent_without_an_end_is_no_mark(lives: Lives) -> None:
    before = len(marks(lives, "q1"))
    with Ledger.open(lives.path) as ledger:
        ledger.append(Kind.APPLY_INTENDED, intent_body(lives.kept, create("o9", "z"), "i9"), run_id="r-1")
        assert len(marks(lives, "q1")) == before
        ledger.append(Kind.APPLY_FAILED, {"intent_id": "i9", "code": "x"}, run_id="r-1")
    assert len(marks(lives, "q1")) == before


def test_anchors_that_hold_the_query_are_marked_with_their_level(lives: Lives) -> None:
    made = anchor(level("q1", [1.0, 2.5, 2.0]), level("q5"))
    with Ledger.open(lives.path) as ledger:
        keep(store_of(lives.path), ledger, made)
    held = [mark for mark in marks(lives, "q1") if mark.kind == "anchored"]
    assert [(mark.text, mark.database) for mark in held] == [(made.id, "shop")]
    assert held[0].evidence.startswith("median 2 ms of 3 runs, plan shape (entry ")
    [unmeasured] = marks(lives, "q5")
    assert unmeasured.evidence.startswith("its time was not measured, plan shape (entry ")


def test_what_happened_to_another_database_or_server_is_not_marked(lives: Lives) -> None:
    assert len(marks(lives, "q1", system_identifier="7", database="shop")) == 3
    assert marks(lives, "q1", system_identifier="8", database="shop") == []
    assert marks(lives, "q1", system_identifier="7", database="billing") == []


def test_a_view_that_was_read_already_gives_the_same(lives: Lives) -> None:
    view = api.ledger_viewer(ledger_path=lives.path).view()
    assert api.query_marks("q1", EVERYTHING, view=view) == marks(lives, "q1")
