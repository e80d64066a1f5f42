"""Claims about what is read as open, and as standing, from the entries."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from trimtab.errors import LedgerError
from trimtab.ledger.entry import GENESIS, Entry, Json, Kind
from trimtab.ledger.pending import applied_changes, intents, pending
from trimtab.model.change import SetSetting, change_to_dict

SHOP: dict[str, Json] = {"system_identifier": "7", "database": "shop", "database_oid": 16384}
OTHER: dict[str, Json] = {"system_identifier": "7", "database": "other", "database_oid": 16385}


class Story:
    """Entries as a run would write them, without a file."""

    def __init__(self) -> None:
        self.entries: list[Entry] = []

    def add(self, kind: Kind, body: dict[str, Json], run_id: str = "r-1") -> None:
        seq = len(self.entries) + 1
        self.entries.append(Entry(seq, seq, kind, run_id, body, GENESIS, GENESIS))

    def intend(self, intent_id: str, *, strategy: str = "s-1", on: dict[str, Json] = SHOP, reverts: str = "") -> None:
        change = change_to_dict(SetSetting("database", "shop", "work_mem", intent_id))
        inverse = change_to_dict(SetSetting("database", "shop", "work_mem", None))
        body: dict[str, object] = {"intent_id": intent_id, "strategy_id": strategy, "database": on}
        body |= {"change": change, "inverse": inverse} | ({"reverts": reverts} if reverts else {})
        self.add(Kind.REVERT_INTENDED if reverts else Kind.APPLY_INTENDED, body)  # type: ignore[arg-type]

    def answer(self, kind: Kind, intent_id: str) -> None:
        self.add(kind, {"intent_id": intent_id, "seconds": 2})

    def apply(self, intent_id: str, *, strategy: str = "s-1", on: dict[str, Json] = SHOP) -> None:
        self.intend(intent_id, strategy=strategy, on=on)
        self.answer(Kind.APPLY_DONE, intent_id)

    def revert(self, intent_id: str, kind: Kind = Kind.REVERT_DONE) -> None:
        self.intend(f"{intent_id}-back", reverts=intent_id)
        self.answer(kind, f"{intent_id}-back")

    def settle(self, outcome: str, *, strategy: str = "s-1", run_id: str = "r-1") -> None:
        self.add(Kind.STRATEGY_SETTLED, {"strategy_id": strategy, "outcome": outcome}, run_id)

    @property
    def standing(self) -> list[str]:
        return [applied.intent_id for applied in applied_changes(self.entries)]

    @property
    def unsettled(self) -> list[str]:
        return [applied.intent_id for applied in pending(self.entries).unsettled]


def test_nothing_is_open_in_an_empty_ledger() -> None:
    assert pending([]).is_empty
    assert applied_changes([]) == ()


def test_an_intent_without_an_answer_is_open_and_does_not_stand() -> None:
    story = Story()
    story.intend("a")
    assert [entry.text("intent_id") for entry in pending(story.entries).intents] == ["a"]
    assert story.standing == []


@pytest.mark.parametrize(("kind", "stands"), [(Kind.APPLY_DONE, ["a"]), (Kind.APPLY_FAILED, [])])
def test_an_answer_closes_the_intent(kind: Kind, stands: list[str]) -> None:
    story = Story()
    story.intend("a")
    story.answer(kind, "a")
    assert pending(story.entries).intents == ()
    assert story.standing == stands


def test_an_applied_change_comes_back_with_its_inverse() -> None:
    story = Story()
    story.apply("64MB")
    [applied] = applied_changes(story.entries)
    assert applied.change == SetSetting("database", "shop", "work_mem", "64MB")
    assert applied.inverse == SetSetting("database", "shop", "work_mem", None)
    assert (applied.strategy_id, applied.seconds) == ("s-1", 2.0)


def test_a_revert_takes_it_from_what_stands_only_when_it_is_done() -> None:
    story = Story()
    story.apply("a")
    story.revert("a", Kind.REVERT_FAILED)
    assert story.standing == ["a"]
    story.intend("again", reverts="a")
    assert story.standing == ["a"]
    assert [entry.text("reverts") for entry in pending(story.entries).intents] == ["a"]
    story.answer(Kind.REVERT_DONE, "again")
    assert story.standing == []
    assert pending(story.entries).is_empty


def test_what_stands_is_unsettled_until_its_strategy_is_kept() -> None:
    story = Story()
    story.apply("a")
    assert story.unsettled == ["a"]
    story.settle("kept")
    assert story.unsettled == []
    assert story.standing == ["a"]


@pytest.mark.parametrize("outcome", ["reverted", "failed"])
def test_a_strategy_that_ended_otherwise_leaves_a_change_that_still_stands_open(outcome: str) -> None:
    story = Story()
    story.apply("a")
    story.settle(outcome)
    assert story.unsettled == ["a"]


def test_a_strategy_kept_by_an_earlier_or_another_run_does_not_settle_this_one() -> None:
    story = Story()
    story.settle("kept", run_id="r-0")
    story.settle("kept")
    story.apply("a")
    story.settle("kept", run_id="r-2")
    assert story.unsettled == ["a"]


def test_a_database_and_a_strategy_narrow_it() -> None:
    story = Story()
    story.apply("a")
    story.apply("b", on=OTHER)
    story.apply("c", strategy="s-2")
    story.intend("d", on=OTHER)
    assert story.standing == ["a", "b", "c"]
    assert [a.intent_id for a in applied_changes(story.entries, database=OTHER)] == ["b"]
    assert [a.intent_id for a in applied_changes(story.entries, database=SHOP, strategy_id="s-2")] == ["c"]
    assert pending(story.entries, database=SHOP).intents == ()
    assert len(pending(story.entries, database=OTHER).intents) == 1


def test_a_renamed_database_is_the_same_unless_nothing_but_its_name_tells_it() -> None:
    story = Story()
    unknown: dict[str, Json] = {**SHOP, "system_identifier": ""}
    for number, on in enumerate((SHOP, unknown)):
        story.add(Kind.RUN_STARTED, {"database": on}, f"r-{number}")
        story.intend(f"i-{number}", on=on)
        found = pending(story.entries, database={**on, "database": "market"})
        assert (len(found.intents), found.runs) == ((1, ("r-0",)) if number == 0 else (0, ()))
        assert len(pending(story.entries, database=on).intents) == 1


def test_a_run_is_open_until_it_finished_failed_or_was_reconciled() -> None:
    story = Story()
    for run_id in ("r-1", "r-2", "r-3", "r-4"):
        story.add(Kind.RUN_STARTED, {"database": SHOP if run_id != "r-4" else OTHER}, run_id)
    assert pending(story.entries).runs == ("r-1", "r-2", "r-3", "r-4")
    assert pending(story.entries, database=OTHER).runs == ("r-4",)
    for run_id, kind in (("r-1", Kind.RUN_FINISHED), ("r-2", Kind.RUN_FAILED), ("r-3", Kind.RECONCILED)):
        story.add(kind, {}, run_id)
    assert pending(story.entries).runs == ("r-4",)


def test_a_body_that_lacks_what_its_kind_promises_is_named() -> None:
    story = Story()
    story.add(Kind.APPLY_DONE, {})
    with pytest.raises(LedgerError) as refused:
        pending(story.entries)
    assert refused.value.code == "ledger.layout"
    story = Story()
    story.apply("a")
    del story.entries[0].body["change"]  # type: ignore[attr-defined]
    with pytest.raises(LedgerError) as refused:
        applied_changes(story.entries)
    assert refused.value.code == "ledger.layout"


@settings(deadline=None)
@given(
    st.lists(st.tuples(st.sampled_from(["apply", "fail", "revert", "crash", "keep"]), st.integers(0, 3)), max_size=30)
)
def test_what_stands_is_what_a_plain_model_says_in_the_order_of_its_doing(steps: list[tuple[str, int]]) -> None:
    story = Story()
    model: list[tuple[str, str]] = []
    kept: set[str] = set()
    for number, (what, which) in enumerate(steps):
        change, strategy = f"c{number}", f"s{which}"
        mine = [item for item in model if item[1] == strategy]
        if what == "apply":
            story.apply(change, strategy=strategy)
            model.append((change, strategy))
        elif what == "keep":
            story.settle("kept", strategy=strategy)
            kept |= {name for name, _ in mine}
        elif what == "revert" and mine:
            story.revert(mine[-1][0])
            model.remove(mine[-1])
        elif what in ("fail", "crash"):
            story.intend(change, strategy=strategy)
            if what == "fail":
                story.answer(Kind.APPLY_FAILED, change)
    assert story.standing == [name for name, _ in model]
    assert story.unsettled == [name for name, _ in model if name not in kept]
    unanswered = [intent.id for intent in intents(story.entries) if intent.result is None]
    assert unanswered == [f"c{number}" for number, (what, _) in enumerate(steps) if what == "crash"]
