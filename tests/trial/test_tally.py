from __future__ import annotations

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from trimtab.model.paired import PairedTest
from trimtab.model.strategy import Decision
from trimtab.trial.limits import TrialLimits
from trimtab.trial.measurement import Measurement, QuerySeries, Standing
from trimtab.trial.tally import Ruling, Tally

LIMITS = TrialLimits(error_rate=0.01, min_gain_percent=5, max_query_slowdown_percent=10, slowdown_floor_ms=2.0)
Times = dict[str, tuple[float, float]]


def series(query_id: str, weight: float = 1.0) -> QuerySeries:
    slower = PairedTest(LIMITS.error_rate, 0.05, LIMITS.slowdown_margin)
    return QuerySeries(query_id, weight, plan_changed=True, slower=slower, floor_ms=LIMITS.slowdown_floor_ms)


def carry_out(
    times: Times, *, pairs: int = 60, neutral: bool = False, weights: dict[str, float] | None = None
) -> Ruling:
    """Feed the same pair again and again until there is a ruling."""
    tally = Tally.start([series(q, (weights or {}).get(q, 1.0)) for q in times], LIMITS, 0.05)
    for remaining in range(pairs - 1, -1, -1):
        tally = tally.observe({q: (finished(b), finished(a)) for q, (b, a) in times.items()})
        ruling = tally.ruling(remaining, accept_neutral=neutral)
        if ruling is not None:
            return ruling
    raise AssertionError("a trial that has used its pairs must end")


def finished(ms: float) -> Measurement:
    return Measurement(ms, None)


def timed_out(ms: float) -> Measurement:
    return Measurement(ms, None, timed_out=True)


def test_a_clear_gain_is_accepted() -> None:
    assert carry_out({"a": (100, 20)}).decision is Decision.ACCEPTED


def test_a_gain_below_the_required_one_is_not_accepted() -> None:
    assert carry_out({"a": (100, 97)}).decision is Decision.NO_GAIN


def test_no_difference_is_no_gain() -> None:
    assert carry_out({"a": (100, 100)}).decision is Decision.NO_GAIN


def test_a_mean_gain_that_hides_one_loser_is_rejected() -> None:
    ruling = carry_out({"big": (1000, 100), "loser": (20, 30)})
    assert ruling.decision is Decision.SLOWER_QUERY
    assert "loser" in ruling.reason


def test_small_losses_of_many_strategies_are_one_loss() -> None:
    slow = series("a").observe(finished(103), finished(106))
    for _ in range(3):
        slow = slow.observe(finished(103), finished(106))
    assert slow.standing(is_final=True) is Standing.NOT_WORSE
    assert replace(slow, carried_ms=3.0).standing(is_final=True) is Standing.NOT_WORSE
    assert replace(slow, carried_ms=8.0).standing(is_final=True) is Standing.WORSE
    gains = replace(series("a"), carried_ms=50.0)
    for _ in range(3):
        gains = gains.observe(finished(103), finished(100))
    assert gains.standing(is_final=True) is Standing.NOT_WORSE


def test_a_loss_below_the_floor_is_not_a_slower_query() -> None:
    assert carry_out({"read": (100, 20), "insert": (0.05, 0.08)}).decision is Decision.ACCEPTED


def test_small_losses_of_a_very_frequent_query_outweigh_a_gain() -> None:
    ruling = carry_out({"read": (100, 20), "insert": (0.05, 0.5)}, weights={"insert": 1000.0})
    assert ruling.decision is Decision.SLOWER


def test_a_total_loss_is_rejected() -> None:
    assert carry_out({"a": (100, 103), "b": (50, 54)}).decision in (Decision.SLOWER, Decision.NO_GAIN)
    assert carry_out({"a": (100, 109)}).decision is Decision.SLOWER


def test_once_the_gain_is_proven_only_queries_in_doubt_are_due_and_decide() -> None:
    times = {"big": (1000.0, 100.0), "doubtful": (20.0, 22.2)}
    tally = Tally.start([series(q) for q in times], LIMITS, 0.05)
    assert tally.due == {"big", "doubtful"}
    while not tally.gain_is_proven:
        tally = tally.observe({q: (finished(b), finished(a)) for q, (b, a) in times.items()})
    assert tally.due == {"doubtful"}
    gain = tally.gain
    for _ in range(40):
        tally = tally.observe({"doubtful": (finished(20.0), finished(20.0))})
    assert tally.gain is gain
    ruling = tally.ruling(1, accept_neutral=False)
    assert ruling is not None
    assert ruling.decision is Decision.ACCEPTED


def test_a_gain_of_small_queries_is_given_up_when_the_total_saves_too_little() -> None:
    """Evidence on many small queries could still grow, but the total decides what is saved."""
    times = {"big": (1000.0, 1000.0), **{f"small{n}": (1.0, 0.9) for n in range(4)}}
    tally = Tally.start([series(q) for q in times], LIMITS, 0.05)
    for _ in range(12):
        tally = tally.observe({q: (finished(b), finished(a)) for q, (b, a) in times.items()})
    ruling = tally.ruling(48, accept_neutral=False)
    assert ruling is not None
    assert ruling.decision is Decision.NO_GAIN


def test_what_is_only_watched_is_no_part_of_the_gain_and_may_not_lose() -> None:
    def ruled(after_ms: float) -> tuple[Ruling | None, list[frozenset[str]], Tally]:
        watched = replace(series("report"), is_watched=True)
        tally, ruling, due = Tally.start([series("a"), watched], LIMITS, 0.05), None, []
        while ruling is None:
            due.append(tally.due)
            pairs = {"a": (finished(100), finished(20)), "report": (finished(10_000), finished(after_ms))}
            tally = tally.observe({query_id: pairs[query_id] for query_id in tally.due})
            ruling = tally.ruling(40, accept_neutral=False)
        return ruling, due, tally

    ruling, due, tally = ruled(10_000)
    assert ruling is not None
    assert ruling.decision is Decision.ACCEPTED
    assert (tally.before_ms, tally.after_ms) == (100, 20)
    assert due == [{"a", "report"}] * 3 + [{"a"}] * (len(due) - 3)
    ruling, _, _ = ruled(20_000)
    assert ruling is not None
    assert ruling.decision is Decision.SLOWER_QUERY


def test_a_query_that_times_out_only_with_the_change_is_worse_at_once() -> None:
    tally = Tally.start([series("a"), series("b")], LIMITS, 0.05)
    cold = tally.check({"a": (finished(10), timed_out(1000)), "b": (finished(10), finished(1))})
    ruling = cold.ruling(60, accept_neutral=False)
    assert ruling is not None
    assert ruling.decision is Decision.SLOWER_QUERY


def test_an_error_only_with_the_change_is_worse_at_once() -> None:
    tally = Tally.start([series("a")], LIMITS, 0.05)
    after = Measurement(1000.0, None, sqlstate="54000")
    ruling = tally.check({"a": (finished(10), after)}).ruling(60, accept_neutral=False)
    assert ruling is not None
    assert ruling.decision is Decision.SLOWER_QUERY


def test_a_timeout_next_to_the_limit_is_not_a_loss() -> None:
    one = series("a").observe(finished(980), timed_out(1000))
    assert not one.fails_only_after
    assert one.timed_out == 1
    assert one.after == (1000,)


def test_a_timeout_that_the_change_removes_is_a_gain() -> None:
    tally = Tally.start([series("a")], LIMITS, 0.05)
    ruling = None
    while ruling is None:
        tally = tally.observe({"a": (timed_out(1000), finished(10))})
        ruling = tally.ruling(40, accept_neutral=False)
    assert ruling.decision is Decision.ACCEPTED


def test_what_is_not_slower_is_accepted_only_when_asked_for() -> None:
    assert carry_out({"insert": (1.0, 1.0)}, neutral=True).decision is Decision.ACCEPTED
    assert carry_out({"insert": (1.0, 1.0)}).decision is Decision.NO_GAIN


def test_a_neutral_change_that_makes_a_query_slower_is_rejected() -> None:
    assert carry_out({"insert": (1.0, 0.9), "read": (1.0, 40.0)}, neutral=True).decision is Decision.SLOWER_QUERY


def test_a_trial_out_of_time_is_inconclusive() -> None:
    tally = Tally.start([series("a")], LIMITS, 0.05).observe({"a": (finished(100), finished(10))})
    ruling = tally.ruling(0, accept_neutral=False)
    assert ruling is not None
    assert ruling.decision is Decision.NO_GAIN
    assert "inconclusive" in ruling.reason


def test_a_neutral_change_is_told_what_it_did_not_show() -> None:
    tally = Tally.start([series("a")], LIMITS, 0.05).observe({"a": (finished(100), finished(100))})
    wanted, neutral = (tally.ruling(0, accept_neutral=is_neutral) for is_neutral in (False, True))
    assert wanted is not None
    assert neutral is not None
    assert "the required gain was not proven" in wanted.reason
    assert "that nothing is slower was not proven" in neutral.reason


def test_too_few_pairs_leave_a_query_undecided() -> None:
    one = series("a").observe(finished(10), finished(10))
    assert one.standing(is_final=True) is Standing.UNDECIDED


@given(
    st.dictionaries(st.sampled_from("abcde"), st.tuples(st.floats(0, 1e5), st.floats(0, 1e5)), min_size=1),
    st.booleans(),
)
def test_every_trial_ends_and_never_keeps_a_query_beyond_margin_and_floor(times: Times, neutral: bool) -> None:
    ruling = carry_out(times, neutral=neutral)
    if ruling.decision is Decision.ACCEPTED:
        assert all(after - before <= max(2.0, before * 0.1) * 1.0001 for before, after in times.values())
        total_before, total_after = (sum(pair[arm] for pair in times.values()) for arm in (0, 1))
        assert total_after <= total_before * 1.1001 + 0.001 * len(times)
        assert neutral or total_after < total_before


def test_a_gain_that_many_queries_share_is_proven_in_fewer_rounds_than_one_querys() -> None:
    one = carry_out({"a": (100.0, 50.0)}).reason
    many = carry_out(dict.fromkeys("abcdefgh", (100.0, 50.0))).reason
    assert (one, many) == ("proven faster in 10 pairs", "proven faster in 3 pairs")


def test_small_queries_cannot_prove_a_gain_that_the_total_does_not_show() -> None:
    times = {"large": (10_000.0, 10_000.0), **dict.fromkeys("abcdefgh", (10.0, 5.0))}
    assert carry_out(times).decision is Decision.NO_GAIN
