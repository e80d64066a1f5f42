"""Claims about the judge of the application's own statements: what is slower, what is shared, what is unknown."""

from __future__ import annotations

import random
from collections.abc import Iterable, Mapping
from dataclasses import replace
from math import log
from statistics import fmean

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trimtab.model.applied import Applied
from trimtab.model.change import CreateIndex, DropIndex
from trimtab.model.report import Life
from trimtab.model.strategy import Strategy
from trimtab.model.traffic import Counter, Counters, StatementKey
from trimtab.settle.judge import to_revert
from trimtab.settle.traffic import (
    LEAST_CALLS,
    LEAST_OTHERS,
    Judged,
    Margin,
    Unjudged,
    Window,
    can_be_judged,
    is_quiet,
    judge_traffic,
)

MARGIN = Margin(max_slowdown_percent=10.0, floor_ms=2.0, error_rate=0.01)
WRITE: StatementKey = (10, 1, True)
TOUCHED = {WRITE: "q1"}
# Beside what this takes, nobody notices what a few short statements lose.
BUSY: dict[StatementKey, list[float]] = {(10, 99, True): [1_000_000.0] * 60}
OTHERS: list[StatementKey] = [(10, number, True) for number in range(100, 106)]

times = st.lists(st.floats(0.001, 1e4, allow_nan=False), min_size=LEAST_CALLS, max_size=60)


def _add(counter: Counter, runs: Iterable[float]) -> Counter:
    ran = list(runs)
    squares = sum(ms**2 for ms in ran)
    return replace(
        counter,
        calls=counter.calls + len(ran),
        total_ms=counter.total_ms + sum(ran),
        squares=counter.squares + squares,
    )


def _windows(
    before: Mapping[StatementKey, Iterable[float]],
    after: Mapping[StatementKey, Iterable[float]],
    held: Counter = Counter(500, 5_000.0, 90_000.0, "then"),  # noqa: B008 - a frozen value
) -> tuple[Window, Window]:
    """Counters that had counted for long when the run began; nothing runs while the changes are made."""
    keys = {*before, *after}
    first = Counters("since", dict.fromkeys(keys, held))
    second = Counters("since", {key: _add(held, before.get(key, ())) for key in keys})
    third = Counters("since", {key: _add(second.by_statement[key], after.get(key, ())) for key in keys})
    return Window(first, second), Window(second, third)


def _around(ms: float, seed: int, count: int = 60) -> list[float]:
    chance = random.Random(seed)
    return [ms * chance.lognormvariate(0.0, 0.3) for _ in range(count)]


def _judge(before: Window, after: Window, margin: Margin = MARGIN, others: Iterable[StatementKey] = OTHERS) -> Judged:
    return judge_traffic(before, after, TOUCHED, list(others), margin)


def test_a_write_that_takes_three_times_as_long_is_slower_and_the_reason_has_the_numbers() -> None:
    judged = _judge(*_windows({WRITE: _around(10, 1)}, {WRITE: _around(30, 2)}))
    [lost] = judged.slowed
    assert (judged.judged, judged.unjudged, judged.common) == (1, {}, None)
    assert lost.query_id == "q1"
    assert 1.1 < lost.at_least < lost.after_ms / lost.before_ms
    assert "60 executions" in lost.reason
    assert f"{lost.after_ms:.1f} ms" in lost.reason
    assert f"{lost.at_least:.2f} times as long" in lost.reason


@given(times)
def test_what_stayed_as_it_was_is_judged_and_not_slower(runs: list[float]) -> None:
    judged = _judge(*_windows({WRITE: runs}, {WRITE: runs}))
    assert judged.slowed == ()
    assert judged.judged + sum(judged.unjudged.values()) == 1


@given(times, times, st.floats(0, 50), st.floats(0, 50))
def test_whatever_is_slower_lost_more_than_margin_and_floor(
    was: list[float], now: list[float], percent: float, floor_ms: float
) -> None:
    margin = Margin(percent, floor_ms, 0.05)
    before, after = _windows({WRITE: was, **BUSY}, {WRITE: now, **BUSY}, held=Counter(0, 0.0, 0.0))
    for lost in _judge(before, after, margin).slowed:
        assert lost.after_ms - lost.before_ms > floor_ms
        assert 1 + percent / 100 < lost.at_least <= lost.after_ms / lost.before_ms * (1 + 1e-9)
        assert fmean(now) > fmean(was)


@given(times, times, st.floats(0, 50), st.floats(0, 10))
def test_a_wider_margin_and_a_smaller_error_rate_never_find_more(
    was: list[float], now: list[float], percent: float, floor_ms: float
) -> None:
    windows = _windows({WRITE: was, **BUSY}, {WRITE: now, **BUSY})
    for lenient in (Margin(percent + 5, floor_ms, 0.05), Margin(percent, floor_ms + 5, 0.05)):
        if not _judge(*windows, Margin(percent, floor_ms, 0.05)).slowed:
            assert not _judge(*windows, lenient).slowed
    if not _judge(*windows, Margin(percent, floor_ms, 0.1)).slowed:
        assert not _judge(*windows, Margin(percent, floor_ms, 0.001)).slowed


def test_a_loss_below_the_floor_is_none() -> None:
    windows = _windows({WRITE: _around(0.1, 1), **BUSY}, {WRITE: _around(1.0, 2), **BUSY})
    assert not _judge(*windows).slowed
    assert _judge(*windows, replace(MARGIN, floor_ms=0.5)).slowed


def test_the_floor_is_lower_for_what_runs_so_often_that_it_is_noticed() -> None:
    others = {OTHERS[0]: [10.0] * 60}
    seldom = _windows({WRITE: _around(0.1, 1, 25), **others}, {WRITE: _around(1.0, 2, 25), **others})
    assert not _judge(*seldom).slowed  # 22 ms of 625
    often = _windows({WRITE: _around(0.1, 1, 100), **others}, {WRITE: _around(1.0, 2, 100), **others})
    assert _judge(*often).slowed  # 90 ms of 700


def test_one_execution_that_took_very_long_is_no_slowdown() -> None:
    """The outlier makes the mean 101 times as high, and its spread as wide: nothing is known."""
    assert not _judge(*_windows({WRITE: [10.0] * 50}, {WRITE: [10.0] * 49 + [50_000.0]})).slowed


def test_what_all_statements_have_in_common_is_no_slowdown_of_one() -> None:
    """Load that doubles every time, and a change that touches one statement beside it."""
    before = {key: _around(5, number) for number, key in enumerate([WRITE, *OTHERS])}
    loaded = {key: [2 * ms for ms in _around(5, 50 + number)] for number, key in enumerate([WRITE, *OTHERS])}
    judged = _judge(*_windows(before, loaded))
    assert judged.slowed == ()
    assert judged.common is not None
    assert abs(log(judged.common / 2)) < 0.2
    assert _judge(*_windows(before, loaded), others=[]).slowed, "without the others it would look like a slowdown"
    touched = {**loaded, WRITE: [4 * ms for ms in loaded[WRITE]]}
    [lost] = _judge(*_windows(before, touched)).slowed
    assert 2.0 < lost.at_least < 5.0
    assert "times for all" in lost.reason


def test_too_few_others_have_nothing_in_common() -> None:
    keys = OTHERS[: LEAST_OTHERS - 1]
    before = {key: _around(5, number) for number, key in enumerate([WRITE, *keys])}
    after = {key: _around(10, 50 + number) for number, key in enumerate([WRITE, *keys])}
    assert _judge(*_windows(before, after), others=keys).common is None


def test_others_that_disagree_widen_the_doubt() -> None:
    agreeing = {key: _around(5, 7) for key in OTHERS}
    apart = {key: [ms * 4.0 ** (number - 2.5) for ms in _around(5, 7)] for number, key in enumerate(OTHERS)}
    before, slower = {WRITE: _around(10, 1), **agreeing}, _around(14, 2)
    assert _judge(*_windows(before, {WRITE: slower, **agreeing})).slowed
    assert not _judge(*_windows(before, {WRITE: slower, **apart})).slowed


def test_it_is_no_loss_to_have_stayed_as_it_was_while_the_others_got_faster() -> None:
    before = {key: _around(20, number) for number, key in enumerate([WRITE, *OTHERS])}
    after = {**{key: [ms / 3 for ms in _around(20, number)] for number, key in enumerate(OTHERS)}, WRITE: before[WRITE]}
    judged = _judge(*_windows(before, after))
    assert judged.common is not None
    assert judged.common < 0.5
    assert judged.slowed == ()


@pytest.mark.parametrize(("before", "after"), [(LEAST_CALLS - 1, 90), (90, LEAST_CALLS - 1), (0, 0)])
def test_few_executions_are_not_judged(before: int, after: int) -> None:
    judged = _judge(*_windows({WRITE: [1.0] * before}, {WRITE: [900.0] * after}))
    assert judged == Judged((), 0, {Unjudged.FEW: 1})


def _shown(counters: Counters, **changes: object) -> Counters:
    return replace(counters, **changes)  # type: ignore[arg-type]


@pytest.mark.parametrize("place", ["first", "second", "third", "fourth"])
@pytest.mark.parametrize("how", ["all", "one", "shrunk", "gone"])
def test_counters_that_were_reset_or_evicted_are_not_judged(place: str, how: str) -> None:
    """Whenever it happened: in one of the windows, or while the changes were made."""
    before, after = _windows({WRITE: _around(10, 1)}, {WRITE: _around(90, 2)})
    readings = {"first": before.begin, "second": before.end, "third": after.begin, "fourth": after.end}
    names = list(readings)
    for name in names[names.index(place) :] if place != "first" else names[:1]:
        found = readings[name]
        counter = found.by_statement[WRITE]
        changed = {
            "all": _shown(found, reset="later"),
            "one": _shown(found, by_statement={WRITE: replace(counter, since="later")}),
            "shrunk": _shown(found, by_statement={WRITE: Counter(3, 30.0, 300.0, counter.since)}),
            "gone": _shown(found, by_statement={}),
        }
        readings[name] = changed[how]
    judged = _judge(Window(readings["first"], readings["second"]), Window(readings["third"], readings["fourth"]))
    if place == "first" and how in ("shrunk", "gone"):
        assert judged.judged == 1, "it was simply not there yet, or ran less"
        return
    assert judged.slowed == ()
    assert judged.judged == 0
    assert sum(judged.unjudged.values()) == 1


def test_differences_that_no_executions_can_have_are_not_judged() -> None:
    """A counter that began anew and overtook the old one: forty executions of 10 ms have more squares than these."""
    first = Counters("", {WRITE: Counter(100, 1_000.0, 90_000.0)})
    second = Counters("", {WRITE: Counter(140, 1_400.0, 90_100.0)})
    third = Counters("", {WRITE: Counter(200, 9_400.0, 9_000_000.0)})
    assert _judge(Window(first, second), Window(second, third)) == Judged((), 0, {Unjudged.RESET: 1})


def test_where_statements_were_forgotten_and_nobody_knows_which_none_is_judged() -> None:
    first = Counters("r", {WRITE: Counter(100, 1_000.0, 11_000.0)}, 0)
    second = Counters("r", {WRITE: Counter(140, 1_400.0, 15_400.0)}, 0)
    third = Counters("r", {WRITE: Counter(200, 9_400.0, 1_400_000.0)}, 1)
    assert _judge(Window(first, second), Window(second, third)) == Judged((), 0, {Unjudged.RESET: 1})


def test_the_statements_that_are_judged_share_the_error_rate() -> None:
    keys = {(10, number, True): f"q{number}" for number in range(400)}
    alone = _windows({WRITE: _around(10, 3)}, {WRITE: _around(30, 4, 30)})
    margin = replace(MARGIN, error_rate=0.05)
    many_before, many_after = (dict.fromkeys(keys, runs) for runs in (_around(10, 3), _around(30, 4, 30)))
    [one] = judge_traffic(*alone, TOUCHED, [], margin).slowed
    many = judge_traffic(*_windows(many_before, many_after), keys, [], margin).slowed
    assert many
    assert all(lost.at_least < one.at_least for lost in many)


def test_rare_alarms_where_nothing_changed() -> None:
    """Two hundred runs of five statements, skewed as times are, with shared load: at 1 % two alarms are expected."""
    chance = random.Random(11)
    keys = {(10, number, True): f"q{number}" for number in range(5)}
    alarms = 0
    for _ in range(200):
        loads = [chance.lognormvariate(0.0, 0.4) for _ in range(2)]
        before, after = (
            {key: [load * 20 * chance.lognormvariate(0.0, 1.0) for _ in range(40)] for key in [*keys, *OTHERS]}
            for load in loads
        )
        alarms += bool(judge_traffic(*_windows(before, after), keys, OTHERS, MARGIN).slowed)
    assert alarms <= 6


def test_quiet_and_able_to_be_judged() -> None:
    before, after = _windows({WRITE: [1.0] * LEAST_CALLS}, {})
    assert can_be_judged(before, TOUCHED)
    assert is_quiet(after, TOUCHED)
    assert not is_quiet(before, TOUCHED)
    assert not can_be_judged(after, TOUCHED)


def _life(name: str, table: str) -> Life:
    change = CreateIndex("public", table, name, "USING btree (a)", ("a",))
    strategy = Strategy((change,), "test", name, "reason", ())
    inverse = DropIndex("public", table, name, "USING btree (a)", ("a",))
    return Life(strategy, applied=(Applied(name, strategy.id, change, inverse, 0.1),))


def test_the_strategies_that_touch_the_write_are_taken_back_and_no_other() -> None:
    guilty, accomplice, bystander = _life("i1", "t"), _life("i2", "t"), _life("i3", "u")
    judged = _judge(*_windows({WRITE: _around(10, 1)}, {WRITE: _around(30, 2)}))
    touched = {life.strategy.id: frozenset({"q1"}) for life in (guilty, accomplice)}
    found = to_revert([guilty, accomplice, bystander], judged.slowed, touched=touched)
    assert set(found) == {guilty.strategy.id, accomplice.strategy.id}
    assert set(found.values()) == {judged.slowed[0].reason}
