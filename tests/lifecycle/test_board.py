"""Claims about the board of changes and the detail of one, as a real ledger tells them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from trimtab import api
from trimtab.errors import UsageError
from trimtab.ledger.entry import Kind
from trimtab.ledger.ledger import Ledger
from trimtab.ledger.proof import proven
from trimtab.lifecycle.approving import reject
from trimtab.lifecycle.ledger_view import LedgerViewer
from trimtab.lifecycle.stages import Stage
from trimtab.model.strategy import Outcome

from .lives import HOSTILE, ROUNDS, SPEC_DIGEST, Lives, write_lives


@pytest.fixture
def lives(tmp_path: Path) -> Lives:
    return write_lives(tmp_path / "ledger.db")


def test_every_strategy_lies_in_the_column_of_the_stage_that_it_reached(lives: Lives) -> None:
    board = api.changes_board(ledger_path=lives.path)
    found = {card.strategy_id: column.stage for column in board.columns for card in column.cards}
    assert found == {
        lives.kept: Stage.SETTLE,
        lives.refused: Stage.VALIDATE,
        lives.not_promising: Stage.PREDICT,
        lives.rejected: Stage.TRIAL,
        lives.proven: Stage.TRIAL,
        lives.waiting: Stage.APPLY,
        lives.reverted: Stage.SETTLE,
        lives.open: Stage.PROPOSE,
    }
    assert [column.stage for column in board.columns] == list(Stage)
    with Ledger.open(lives.path) as ledger:
        assert board.head == ledger.head


def test_a_column_shows_the_newest_and_counts_all(lives: Lives) -> None:
    settled = api.changes_board(limit=1, ledger_path=lives.path).columns[-1]
    assert (settled.total, [card.strategy_id for card in settled.cards]) == (2, [lives.reverted])


def test_pages_hold_every_card_once_and_filters_leave_out_the_others(lives: Lives) -> None:
    seen, offset = [], 0
    while True:
        page = api.changes_page(offset=offset, limit=3, ledger_path=lives.path)
        seen += [card.strategy_id for card in page.cards]
        if page.next_offset is None:
            break
        offset = page.next_offset
    assert len(seen) == len(set(seen)) == page.total == 8
    path = lives.path
    assert [card.strategy_id for card in api.changes_page(outcome="kept", ledger_path=path).cards] == [lives.kept]
    assert [card.strategy_id for card in api.changes_page(outcome="open", ledger_path=path).cards] == [lives.open]
    assert [c.strategy_id for c in api.changes_page(text="MORE MEM", ledger_path=path).cards] == [lives.not_promising]
    assert api.changes_page(database="other", ledger_path=path).total == 0
    assert {c.strategy_id for c in api.changes_page(stage="trial", ledger_path=path).cards} == {
        lives.proven,
        lives.rejected,
    }


@pytest.mark.parametrize(
    ("asked", "code"),
    [
        ({"limit": 0}, "usage.page"),
        ({"limit": 501}, "usage.page"),
        ({"offset": -1}, "usage.page"),
        ({"stage": "nowhere"}, "usage.stage"),
        ({"outcome": "fine"}, "usage.outcome"),
    ],
)
def test_a_page_that_there_is_not_is_refused(lives: Lives, asked: dict[str, object], code: str) -> None:
    with pytest.raises(UsageError) as refused:
        api.changes_page(ledger_path=lives.path, **asked)  # type: ignore[arg-type]
    assert refused.value.code == code


def test_the_detail_of_what_was_kept_tells_all_that_the_ledger_holds(lives: Lives) -> None:
    found = api.change_detail(lives.kept, ledger_path=lives.path)
    [change] = found.changes
    assert (change.kind, change.stands, change.seconds) == ("create_index", True, 0.5)
    assert change.sql == 'CREATE INDEX CONCURRENTLY "orders_day" ON "public"."orders" USING btree (day)'
    assert change.inverse_sql == 'DROP INDEX CONCURRENTLY "public"."orders_day"'
    assert found.prediction is not None
    assert (found.prediction.low, found.prediction.high, found.prediction.confidence) == (1.0, 4.0, 0.9)
    assert found.trial is not None
    assert found.trial.rounds == tuple((round(before, 4), round(after, 4)) for before, after in ROUNDS)
    assert found.trial.interval is not None
    assert found.trial.interval.low is not None
    assert found.trial.interval.low < found.trial.improvement  # type: ignore[operator]
    assert found.verdict is not None
    assert (found.verdict.compliant, found.verdict.spec_digest) == (True, SPEC_DIGEST)
    [security] = found.security
    assert [(each.code, each.is_declared) for each in security.differences] == [("index.added", True)]
    assert (found.card.outcome, found.unreadable) == (Outcome.KEPT, ())
    assert {entry.kind for entry in found.entries} >= {Kind.STRATEGY_PROPOSED, Kind.APPLY_DONE, Kind.ANCHOR_RECORDED}


def test_rules_that_warned_and_waivers_are_told_and_who_was_asked(lives: Lives) -> None:
    found = api.change_detail(lives.waiting, ledger_path=lives.path)
    assert found.verdict is not None
    assert [(rule.rule_id, rule.effect, rule.waiver_id) for rule in found.verdict.rules] == [
        ("own.wide", "warned", ""),
        ("indexes.max_key_columns", "waived", "W_WIDE"),
    ]
    assert found.waiting is not None
    assert (found.waiting.request.id, found.card.approval) == (lives.request_id, "waiting")
    assert found.changes[0].inverse_sql is not None
    refused = api.change_detail(lives.refused, ledger_path=lives.path)
    assert refused.verdict is not None
    assert (refused.card.title, refused.verdict.rules[0].effect, refused.trial) == (HOSTILE, "blocked", None)


def test_what_people_did_belongs_to_the_run_that_asked_them(lives: Lives) -> None:
    reject(lives.path, lives.waiting, "not now", by=lambda: "ann")
    found = api.change_detail(lives.waiting, ledger_path=lives.path)
    assert [(each.by, each.is_given, each.reason) for each in found.approvals] == [("ann", False, "not now")]
    assert (found.card.run_id, found.card.approval, found.others) == ("r-1", "rejected", ())


def test_a_strategy_that_is_not_there_is_refused(lives: Lives) -> None:
    for name, run_id in (("s-none", None), (lives.kept, "r-9")):
        with pytest.raises(UsageError) as refused:
            api.change_detail(name, run_id=run_id, ledger_path=lives.path)
        assert refused.value.code == "show.unknown"


def test_entries_of_another_layout_are_told_by_their_numbers(lives: Lives) -> None:
    with Ledger.open(lives.path) as ledger:
        body = {"strategy_id": lives.open, "low": "much"}
        entry = ledger.append(Kind.STRATEGY_PREDICTED, body, run_id="r-2")
    found = api.change_detail(lives.open, ledger_path=lives.path)
    assert (found.prediction, found.unreadable) == (None, (entry.seq,))


def test_a_proof_by_the_last_checkpoint_holds_and_looking_signs_nothing(lives: Lives) -> None:
    with Ledger.open(lives.path) as ledger:
        keys, notes = ledger.signers(), ledger.notes()
    found = api.entry_proof(3, ledger_path=lives.path)
    assert found.document is not None
    assert (proven(json.loads(found.document), keys).seq, found.is_signed) == (3, True)
    with Ledger.open(lives.path) as ledger:
        assert ledger.notes() == notes
    with pytest.raises(UsageError) as refused:
        api.entry_proof(10_000, ledger_path=lives.path)
    assert refused.value.code == "ledger.unknown"


def test_without_a_key_a_proof_says_that_nobody_signed(tmp_path: Path) -> None:
    found = api.entry_proof(2, ledger_path=write_lives(tmp_path / "ledger.db", signs=False).path)
    with Ledger.open(tmp_path / "ledger.db") as ledger:
        assert (found.is_signed, found.root) == (False, ledger.verify().root)


def test_a_view_is_the_same_while_nothing_is_new_and_grows_by_what_is(lives: Lives) -> None:
    viewer = LedgerViewer(lives.path)
    first = viewer.view()
    assert viewer.view() is first
    with Ledger.open(lives.path) as ledger:
        ledger.append(Kind.RUN_FINISHED, {}, run_id="r-2")
    second = viewer.view()
    assert second.entries[: len(first.entries)] == first.entries
    assert len(second.entries) > len(first.entries)
    with Ledger.open(lives.path) as ledger:
        assert second.entries == tuple(ledger.entries())
