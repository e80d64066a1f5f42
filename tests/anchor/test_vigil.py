"""Claims about watching over synthetic intervals: who is told, who is not, and what a shared load does."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from trimtab.anchor.learning import COHERENCE, LATENCY, WORK, Sensitivity, learn
from trimtab.anchor.vigil import Seen, Vigil, grown, observe, open_alarms
from trimtab.model.traffic import StatementKey
from trimtab.model.watched import Interval, Reference

SECOND = 10**9
STATEMENTS = 12
KEYS: tuple[StatementKey, ...] = tuple((10, number, True) for number in range(STATEMENTS))
MEANS = np.linspace(2.0, 24.0, STATEMENTS)
SENSITIVITY = Sensitivity(10.0)
LEARN, ROUNDS = 120, 300

Change = Callable[[int], np.ndarray]


def _same(_number: int) -> np.ndarray:
    return np.ones(STATEMENTS)


def _intervals(
    count: int, seed: int, *, slower: Change = _same, load: float = 0.0, blocks: Change = _same
) -> list[Interval]:
    """Rounds of 50 calls each: means scatter by 10 %, and a load that all share wanders."""
    random = np.random.default_rng(seed)
    found, shared = [], 0.0
    for number in range(count):
        shared = 0.95 * shared + load * np.sqrt(1 - 0.95**2) * random.standard_normal()
        means = MEANS * np.exp(0.1 * random.standard_normal(STATEMENTS) + shared) * slower(number)
        calls = np.full(STATEMENTS, 50.0)
        total = calls * means
        counts = np.column_stack((calls, total, total**2 / calls, calls, calls * 10.0 * blocks(number), 0 * calls))
        found.append(Interval(number * 10 * SECOND, 10.0, 2.0, KEYS, counts))
    return found


def _watch(vigil: Vigil, intervals: list[Interval]) -> tuple[Vigil, list[Seen]]:
    told = []
    for number, interval in enumerate(intervals):
        seen = observe(vigil, interval, SENSITIVITY)
        rows = [*seen.shown, *(-row - 1 for row in seen.shown_dimensions)]
        vigil = open_alarms(seen.vigil, {row: f"w-{number}-{row}" for row in rows})
        told.append(seen)
    return vigil, told


@pytest.fixture
def vigil() -> Vigil:
    return Vigil.start(learn(_intervals(LEARN, 1), SENSITIVITY))


def _row(vigil: Vigil, key: StatementKey) -> int:
    return vigil.place[key]


@pytest.mark.parametrize("seed", range(2, 8))
def test_an_unchanged_workload_is_never_told(vigil: Vigil, seed: int) -> None:
    _, told = _watch(vigil, _intervals(ROUNDS, seed))
    assert not any(seen.shown or seen.shown_dimensions for seen in told)


@pytest.mark.parametrize("seed", range(2, 5))
def test_a_wandering_load_tells_of_no_statement(vigil: Vigil, seed: int) -> None:
    """The load is one that comes and goes while it is watched, and was not there when it was learnt."""
    _, told = _watch(vigil, _intervals(ROUNDS, seed, load=0.3))
    assert not any(seen.shown for seen in told)


def test_a_statement_that_becomes_slower_is_told_once_and_alone(vigil: Vigil) -> None:
    key = KEYS[5]
    after, told = _watch(vigil, _intervals(ROUNDS, 9, slower=lambda n: np.where(np.arange(12) == 5, 3.0, 1.0)))
    shown = [row for seen in told for row in seen.shown]
    assert shown == [_row(vigil, key)]
    assert not any(seen.shown_dimensions for seen in told)
    assert after.statements.effect[_row(vigil, key)] == pytest.approx(3.0, rel=0.1)
    assert told[-1].now.changed > 0.1


def test_statements_are_told_also_where_the_plans_of_most_changed(vigil: Vigil) -> None:
    """What they share is then no load: too few are left whose plan is as it was to tell one by."""
    slowed = np.arange(STATEMENTS) < 8
    changed = np.zeros(STATEMENTS, dtype=bool)
    changed[[_row(vigil, key) for key, is_slow in zip(KEYS, slowed, strict=True) if is_slow]] = True
    vigil = replace(vigil, plan_changed=changed)
    _, told = _watch(vigil, _intervals(60, 9, slower=lambda _n: np.where(slowed, 3.0, 1.0)))
    assert {row for seen in told for row in seen.shown} == set(np.flatnonzero(changed).tolist())


def test_one_that_is_as_it_was_has_not_become_slower_because_the_others_got_faster(vigil: Vigil) -> None:
    def faster(_number: int) -> np.ndarray:
        return np.where(np.arange(12) == 5, 1.0, 0.5)

    _, told = _watch(vigil, _intervals(ROUNDS, 9, slower=faster))
    assert not any(seen.shown or seen.shown_dimensions for seen in told)
    assert told[-1].common == pytest.approx(0.5, rel=0.1), "what all share is told as it is"


def test_it_is_over_when_the_statement_is_as_it_was(vigil: Vigil) -> None:
    def slower(number: int) -> np.ndarray:
        return np.where(np.arange(12) == 5, 3.0 if number < 60 else 1.0, 1.0)

    after, told = _watch(vigil, _intervals(ROUNDS, 9, slower=slower))
    assert sum(len(seen.gone) for seen in told) == 1
    assert after.open_ids == {}


def test_what_slows_everything_is_told_of_the_whole(vigil: Vigil) -> None:
    _, told = _watch(vigil, _intervals(ROUNDS, 9, slower=lambda _n: np.full(STATEMENTS, 2.0)))
    assert not any(seen.shown for seen in told)
    assert [row for seen in told for row in seen.shown_dimensions] == [LATENCY]


def test_more_blocks_per_call_are_told(vigil: Vigil) -> None:
    _, told = _watch(vigil, _intervals(ROUNDS, 9, blocks=lambda _n: np.full(STATEMENTS, 2.0)))
    assert [row for seen in told for row in seen.shown_dimensions] == [WORK]


def test_time_that_nobody_knows_is_told_as_lost_coherence(vigil: Vigil) -> None:
    strange = [
        Interval(
            i.start_ns, i.seconds, i.active_sessions, tuple((99, *k[1:]) if k[1] > 5 else k for k in i.keys), i.counts
        )
        for i in _intervals(ROUNDS, 9)
    ]
    _, told = _watch(vigil, strange)
    assert [row for seen in told for row in seen.shown_dimensions] == [COHERENCE]
    assert told[-1].now.unknown > 0.5


def test_what_was_slow_before_is_told_when_an_anchor_knows_better() -> None:
    references = {number: Reference(float(mean), 10.0, 0.1) for number, mean in enumerate(MEANS)}
    slow = _intervals(LEARN, 1, slower=lambda _n: np.where(np.arange(12) == 5, 3.0, 1.0))
    assert learn(slow, SENSITIVITY).mean_ms.max() > 30
    held = Vigil.start(learn(slow, SENSITIVITY, references))
    _, told = _watch(held, _intervals(ROUNDS, 9, slower=lambda _n: np.where(np.arange(12) == 5, 3.0, 1.0)))
    assert [held.baseline.keys[row] for seen in told for row in seen.shown] == [KEYS[5]]


def test_a_loss_that_does_not_matter_is_counted_and_not_told(vigil: Vigil) -> None:
    few = [
        Interval(i.start_ns, 10.0, 2.0, i.keys, i.counts * 0.001)
        for i in _intervals(ROUNDS, 9, slower=lambda _n: np.where(np.arange(12) == 5, 3.0, 1.0))
    ]
    base = learn([Interval(i.start_ns, 10.0, 2.0, i.keys, i.counts * 0.001) for i in _intervals(LEARN, 1)], SENSITIVITY)
    _, told = _watch(Vigil.start(base), few)
    assert not any(seen.shown for seen in told)


def test_statements_that_ran_too_seldom_have_no_limit() -> None:
    intervals = _intervals(LEARN, 1)
    once = intervals[0]
    rare: StatementKey = (10, 77, True)
    intervals[0] = Interval(once.start_ns, 10.0, 2.0, (*once.keys, rare), np.vstack([once.counts, once.counts[:1]]))
    base = learn(intervals, SENSITIVITY)
    judged = dict(zip(base.keys, base.is_judged().tolist(), strict=True))
    assert not judged[rare]
    assert all(judged[key] for key in KEYS)


def test_new_statements_are_joined_and_the_state_of_the_old_stays(vigil: Vigil) -> None:
    slower = _intervals(60, 9, slower=lambda _n: np.where(np.arange(12) == 5, 3.0, 1.0))
    before, _ = _watch(vigil, slower)
    renamed = [
        Interval(i.start_ns, i.seconds, 2.0, tuple((77, *k[1:]) for k in i.keys), i.counts)
        for i in _intervals(LEARN, 4)
    ]
    after = grown(before, learn(renamed, SENSITIVITY), unseen_since_ns=0)
    assert len(after.baseline.keys) == 2 * STATEMENTS
    row = _row(after, KEYS[5])
    assert after.open_ids[row] == before.open_ids[_row(before, KEYS[5])]
    assert after.statements.is_open[row]
    _, told = _watch(after, _intervals(30, 5))
    assert not any(seen.shown for seen in told)


def test_nothing_at_all_is_a_baseline_that_judges_nothing() -> None:
    empty = [Interval(n * 10 * SECOND, 10.0, 0.0, (), np.zeros((0, 6))) for n in range(40)]
    vigil = Vigil.start(learn(empty, SENSITIVITY))
    seen = observe(vigil, empty[0], SENSITIVITY)
    assert (seen.now.matching, seen.now.unknown, seen.shown) == (None, 1.0, ())


def test_the_alarm_of_the_whole_does_not_end_by_what_makes_it_slow_being_about_to_be_told(vigil: Vigil) -> None:
    open_whole = open_alarms(vigil, {-LATENCY - 1: "w-whole"})
    one = lambda _n: np.where(np.arange(STATEMENTS) == STATEMENTS - 1, 4.0, 1.0)  # noqa: E731
    state = open_whole
    for interval in _intervals(60, 9, slower=one):
        seen = observe(state, interval, SENSITIVITY)
        state = seen.vigil  # its own alarm is never opened
        assert seen.gone == ()
    assert state.open_ids == {-LATENCY - 1: "w-whole"}
