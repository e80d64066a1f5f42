"""Which change of ours is taken back for an alarm, what forbids it, and when it is proven that it helped."""

from __future__ import annotations

import random
from collections.abc import Mapping
from pathlib import Path

import pytest

from trimtab.anchor.guard import (
    Act,
    Note,
    Subject,
    act_body,
    acts,
    candidates,
    is_slow_still,
    judged,
    made_it,
    refusal,
    tables_of,
    touches,
    would_show,
)
from trimtab.anchor.lease import DAY_NS, Expected, Lease, LeaseState, lease_body
from trimtab.anchor.lease import Note as LeaseNote
from trimtab.errors import LedgerError
from trimtab.ledger.entry import Entry, Kind
from trimtab.ledger.ledger import Ledger
from trimtab.model.change import (
    Change,
    CreateIndex,
    DropIndex,
    LeaveIndex,
    RebuildIndex,
    SetSetting,
    SetStatisticsTarget,
    change_to_dict,
    role_in_database,
)
from trimtab.spec.limits import Guard

DATABASE = {"system_identifier": "1", "database": "shop", "database_oid": 5}
ELSEWHERE = {**DATABASE, "database_oid": 6}
LIMITS = Guard(auto_revert=True, max_reverts_per_day=3, window_hours=24.0, verify_rounds=20)
SECOND = 10**9
KEY = (10, -(2**60), True)
INDEX = CreateIndex("public", "orders", "trimtab_i", "USING btree (at)", ("at",))


class Book:
    """A ledger whose clock is set by the test, in seconds."""

    def __init__(self, path: Path) -> None:
        self.now = 0.0
        self.ledger = Ledger.open(path / "ledger.db", clock=lambda: int(self.now * SECOND))

    def apply(
        self,
        name: str,
        begun: float,
        done: float,
        change: Change | None = None,
        database: Mapping[str, object] = DATABASE,
    ) -> None:
        made = change or index(name)
        inverse = (
            LeaveIndex("public", "t", name)
            if isinstance(made, RebuildIndex)
            else DropIndex("public", "t", name, "", ())
        )
        self.now = begun
        body = {"intent_id": name, "strategy_id": f"s-{name}", "database": database}
        changes = {"change": change_to_dict(made), "inverse": change_to_dict(inverse)}
        self.ledger.append(Kind.APPLY_INTENDED, {**body, **changes}, run_id="r-1")
        self.now = done
        self.ledger.append(Kind.APPLY_DONE, {"intent_id": name, "seconds": 1.0}, run_id="r-1")

    def note(
        self, note: Note, *, alarm: str = "w-1", strategy: str = "s-a", query: str = "q1", lease: str = ""
    ) -> None:
        act = Act(alarm, query, KEY, strategy, note, 0, reason="because", lease_id=lease, reference_ms=(2.0, 3.0))
        self.ledger.append(Kind.GUARD_NOTED, act_body(act, DATABASE))

    def entries(self) -> tuple[Entry, ...]:
        return tuple(self.ledger.entries())

    def candidates(self, onset: float, window: float = 1000.0, cleared: tuple[str, ...] = ()) -> list[str]:
        found = candidates(
            self.entries(), DATABASE, onset_ns=int(onset * SECOND), window_ns=int(window * SECOND), cleared=cleared
        )
        return [each.strategy_id for each in found]

    def refusal(self, now: float, query: str = "q1", limits: Guard = LIMITS) -> str:
        return refusal(self.entries(), query, limits, int(now * SECOND), DATABASE)


@pytest.fixture
def book(tmp_path: Path) -> Book:
    return Book(tmp_path)


def index(name: str) -> CreateIndex:
    return CreateIndex("public", "t", name, "USING btree (a)", ("a",))


def test_the_newest_that_was_begun_before_the_onset_comes_first(book: Book) -> None:
    book.apply("a", 10, 20)
    book.apply("b", 30, 40)
    book.apply("c", 50, 90)
    assert book.candidates(onset=45) == ["s-b", "s-a"]
    # A build slows writes before it is done.
    assert book.candidates(onset=60) == ["s-c", "s-b", "s-a"]
    assert book.candidates(onset=60, window=25) == ["s-c", "s-b"]
    assert book.candidates(onset=60, cleared=("s-c",)) == ["s-b", "s-a"]
    assert book.candidates(onset=5) == []


def test_what_stands_on_another_database_or_has_no_inverse_is_no_candidate(book: Book) -> None:
    book.apply("a", 10, 20, database=ELSEWHERE)
    book.apply("b", 30, 40, RebuildIndex("public", "t", "b", 7))
    assert book.candidates(onset=60) == []


@pytest.mark.parametrize(
    ("change", "role", "expected"),
    [
        (SetSetting("database", "shop", "work_mem", "8MB"), "app", "the setting work_mem of a database holds for it"),
        (SetSetting("role", "app", "work_mem", "8MB"), "app", "the setting work_mem of a role holds for it"),
        (SetSetting("role", "app", "work_mem", "8MB"), "other", ""),
        (SetSetting("role_in_database", role_in_database("app", "shop"), "jit", "off"), "other", ""),
        (
            SetSetting("role_in_database", role_in_database("app", "shop"), "jit", "off"),
            "app",
            "the setting jit of a role in database holds for it",
        ),
        (SetSetting("function", '"public"."f"()', "jit", "off"), "app", ""),
    ],
)
def test_a_setting_concerns_whom_it_holds_for(change: SetSetting, role: str, expected: str) -> None:
    assert touches([change], (), (), Subject("q1", role, None)) == expected


def test_a_strategy_concerns_its_queries_and_those_of_its_tables() -> None:
    changes = [index("a")]
    tables = tables_of(changes)
    assert tables == {("public", "t")}
    assert touches(changes, ("q9b",), tables, Subject("q9", "", None)) == "it was made for this query"
    assert touches(changes, (), tables, Subject("q9", "", frozenset({("public", "t")}))) != ""
    assert touches(changes, ("q8",), tables, Subject("q9", "", frozenset({("other", "t")}))) == ""
    assert touches(changes, (), tables, Subject("q9", "", None)) == ""


def test_what_the_specification_and_the_day_forbid(book: Book) -> None:
    assert book.refusal(now=1) == ""
    assert "guard.auto_revert" in book.refusal(1, limits=LIMITS.model_copy(update={"auto_revert": False}))
    for number in range(3):
        book.now = 10.0 + number
        book.note(Note.REVERTING, alarm=f"w-{number}", query=f"q{number}")
        book.note(Note.REVERTED, alarm=f"w-{number}", query=f"q{number}")
    assert "guard.max_reverts_per_day" in book.refusal(now=20)
    assert book.refusal(now=20 + DAY_NS / SECOND) == ""


def test_a_query_is_flipped_twice_a_day_its_leases_counted(book: Book) -> None:
    book.now = 10.0
    book.note(Note.REVERTED)
    book.note(Note.UNDONE)
    assert book.refusal(now=20) == ""
    lease = Lease("l-1", "q1", "", Expected("p"), "s-b", "index", "", 0, 10**18, 0, LeaseState.ENFORCED)
    book.ledger.append(Kind.LEASE_NOTED, lease_body(lease, LeaseNote.RELEASED, DATABASE, ""))
    book.note(Note.REVERTED, lease="l-1", alarm="w-2")
    assert "flipped 2 times" in book.refusal(now=20)
    assert book.refusal(now=20, query="q2") == ""


def test_an_act_is_what_its_notes_say_and_another_begins_when_it_is_over(book: Book) -> None:
    book.now = 1.0
    book.note(Note.REVERTING)
    book.now = 2.0
    book.note(Note.REVERTED)
    [act] = acts(book.entries(), DATABASE)
    assert (act.note, act.statement, act.reference_ms) == (Note.REVERTED, KEY, (2.0, 3.0))
    assert (act.reverted_ns, act.is_unfinished) == (2 * SECOND, True)
    book.now = 3.0
    book.note(Note.UNDOING)
    book.note(Note.UNDONE)
    book.note(Note.NONE, strategy="")
    undone, nothing = acts(book.entries(), DATABASE)
    assert (undone.note, undone.reverted_ns, undone.strategy_id) == (Note.UNDONE, 2 * SECOND, "s-a")
    assert (nothing.note, nothing.strategy_id, nothing.is_unfinished) == (Note.NONE, "", False)
    assert acts(book.entries(), ELSEWHERE) == ()


def test_an_entry_of_another_layout_is_refused(book: Book) -> None:
    act = Act("w-1", "q1", KEY, "", Note.NONE, 0)
    book.ledger.append(Kind.GUARD_NOTED, {**act_body(act, DATABASE), "statement": ["1"]})
    with pytest.raises(LedgerError) as refused:
        acts(book.entries(), DATABASE)
    assert refused.value.code == "ledger.layout"


def test_what_is_over_by_itself_is_not_slow_still() -> None:
    assert is_slow_still([1.0] * 20 + [5.0] * 3 + [1.0] * 2, 1.0)
    assert not is_slow_still([5.0] * 20 + [1.0] * 3 + [5.0] * 2, 1.0)


def test_faster_looks_prove_and_no_more_of_the_same_do_not() -> None:
    draw = random.Random(7)
    slow = [draw.lognormvariate(1.0, 0.2) for _ in range(40)]
    after = [draw.lognormvariate(0.0, 0.2) for _ in range(20)]
    found = judged(slow, after, calls_per_hour=None)
    assert found.is_faster
    assert float(str(found.evidence["before_ms"])) > float(str(found.evidence["after_ms"]))
    assert not judged(slow, [draw.lognormvariate(1.0, 0.2) for _ in range(120)], calls_per_hour=None).is_faster
    assert not judged(slow, [], calls_per_hour=1e6).is_faster


def test_a_gain_is_no_help_unless_it_matters_as_a_loss_must() -> None:
    draw = random.Random(7)
    slow = [draw.lognormvariate(1.0, 0.2) for _ in range(40)]
    after = [draw.lognormvariate(0.0, 0.2) for _ in range(40)]
    seldom = judged(slow, after, calls_per_hour=1_000)  # about 1.7 ms a call: 2 s an hour
    assert not seldom.is_faster
    assert float(str(seldom.evidence["evidence"])) >= float(str(seldom.evidence["needed"]))
    assert 0 < float(str(seldom.evidence["gained_seconds_per_hour"])) < 10
    assert judged(slow, after, calls_per_hour=100_000).is_faster
    assert not would_show(slow, after, 40, calls_per_hour=1_000)
    assert would_show(slow, after, 40, calls_per_hour=100_000)


def test_it_is_waited_until_a_help_could_be_shown() -> None:
    draw = random.Random(3)
    normal = [draw.lognormvariate(0.0, 0.3) for _ in range(60)]
    slow = [1.5 * draw.lognormvariate(0.0, 0.3) for _ in range(120)]
    assert not would_show(slow[:20], normal, 120, calls_per_hour=None)
    assert would_show(slow, normal, 120, calls_per_hour=None)
    assert would_show([10.0 * value for value in normal[:20]], normal, 20, calls_per_hour=None)
    assert not would_show(slow, [], 120, calls_per_hour=None)


def test_a_revert_that_changes_nothing_is_seldom_called_a_help() -> None:
    draw, proven = random.Random(11), 0
    for _ in range(400):
        slow = [draw.lognormvariate(0.0, 0.5) for _ in range(20)]
        after = [draw.lognormvariate(0.0, 0.5) for _ in range(120)]
        proven += judged(slow, after, calls_per_hour=None).is_faster
    # At 1 % twelve of 400 or more have a probability below 0.001.
    assert proven < 12


@pytest.mark.parametrize(
    ("change", "cause", "is_made"),
    [
        (INDEX, ("index", "public", "orders", "trimtab_i", ""), True),
        (INDEX, ("index", "public", "orders", "other", ""), False),
        (INDEX, ("statistics", "public", "orders", "", ""), False),
        (INDEX, ("schema", "public", "orders", "", ""), True),
        (SetSetting("role", "app", "work_mem", "1MB"), ("setting of role", "", "", "work_mem", "app"), True),
        (SetSetting("role", "app", "work_mem", "1MB"), ("setting of role", "", "", "work_mem", "web"), False),
        (SetSetting("role", "app", "work_mem", "1MB"), ("setting of database", "", "", "work_mem", "app"), False),
        (SetSetting("database", "shop", "plan_cache_mode", "auto"), ("generic plan", "", "", "", ""), True),
        (SetStatisticsTarget("public", "orders", "at", 10), ("statistics", "public", "orders", "", ""), True),
        (SetStatisticsTarget("public", "orders", "at", 10), ("statistics", "public", "visits", "", ""), False),
    ],
)
def test_a_proven_cause_is_a_change_of_ours_where_it_is_of_the_same_object(
    change: Change, cause: tuple[str, str, str, str, str], is_made: bool
) -> None:
    objects = [dict(zip(("what", "schema", "table", "name", "scope"), cause, strict=True))]
    assert made_it((change,), objects) is is_made
    assert not made_it((change,), [])
