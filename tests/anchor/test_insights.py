"""Claims about sentences and recommendations: each has its numbers, and none says more than they do."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.anchor.streams import event, series
from trimtab.anchor import insights as module
from trimtab.anchor.evolution import describe
from trimtab.anchor.insights import insights
from trimtab.anchor.recommendations import recommendations
from trimtab.anchor.wording import chance, duration, percent, printable, quantity
from trimtab.model.evolution import Action, AnchoredLevel, Event, EventKind, Evolution, Insight

EVERYTHING = frozenset(EventKind)


def life(
    *factors: float,
    events: tuple[Event, ...] = (),
    anchored: float | None = None,
    watched: frozenset[EventKind] = EVERYTHING,
) -> Evolution:
    """Return an evolution of 10 ms by these factors, two hundred hours each."""
    values = 10 * np.random.default_rng(1).lognormal(0, 0.15, 200 * len(factors)) * np.repeat(factors, 200)
    level = None if anchored is None else AnchoredLevel("a-1", anchored)
    return describe(series(values), events, watched=watched, anchored=level)


def said(evolution: Evolution) -> dict[str, Insight]:
    return {found.code.removeprefix("evolution."): found for found in insights(evolution)}


def advised(evolution: Evolution) -> list[tuple[Action, str]]:
    return [(found.action, found.subject) for found in recommendations(evolution, insights(evolution))]


def test_a_level_is_told_with_its_interval_and_number() -> None:
    level = said(life(1.0))["level"]
    assert re.fullmatch(
        r"Response latency of q1 is [\d.]+ ms \([\d.]+ to [\d.]+ at 95 %\): the median of 200 intervals since"
        r" \d{4}-\d\d-\d\d \d\d:\d\d:\d\d UTC; eight of ten lie between [\d.]+ and [\d.]+ ms\.",
        level.sentence,
    )
    assert level.evidence["n"] == 200
    assert {"value", "low", "high", "confidence", "since_ns", "until_ns"} <= level.evidence.keys()


@pytest.mark.parametrize(
    ("factors", "anchored", "code"),
    [
        ((1.0,), 10.0, "at_anchor"),
        ((1.0,), 5.0, "worse_than_anchor"),
        ((1.0,), 20.0, "better_than_anchor"),
        ((1.0, 2.0), 10.0, "worse_than_anchor"),
    ],
)
def test_a_level_is_compared_with_the_anchors(factors: tuple[float, ...], anchored: float, code: str) -> None:
    assert code in said(life(*factors, anchored=anchored))


def test_a_step_after_a_change_names_the_change_and_advises_to_look_at_it() -> None:
    evolution = life(1.0, 2.0, events=(event(199.5, subject="public.Orders_idx"),), anchored=10.0)
    found = said(evolution)
    assert "to the worse" in found["step_worse"].sentence
    assert "Change applied s-1 (public.Orders_idx) came within the interval of that step" in found["precedes"].sentence
    assert "no proof" in found["precedes"].sentence
    assert advised(evolution) == [(Action.LOOK_AT_CHANGE, "s-1")]


def test_a_step_with_a_new_plan_is_to_be_attributed_and_statistics_are_to_be_ruled_out() -> None:
    plan = event(199.5, EventKind.PLAN_CHANGED, "p-2")
    assert advised(life(1.0, 2.0, events=(plan,))) == [(Action.ATTRIBUTE_PLAN_CHANGE, "q1"), (Action.ANALYZE, "q1")]
    analyzed = event(30, EventKind.ANALYZED, "t-1")
    assert advised(life(1.0, 2.0, events=(plan, analyzed))) == [(Action.ATTRIBUTE_PLAN_CHANGE, "q1")]
    unwatched = life(1.0, 2.0, events=(plan,), watched=frozenset())
    assert advised(unwatched) == [(Action.ATTRIBUTE_PLAN_CHANGE, "q1")]


def test_a_step_that_was_taken_back_asks_for_nothing() -> None:
    evolution = life(1.0, 2.0, 1.0, events=(event(199.5), event(399.5, EventKind.CHANGE_REVERTED)), anchored=10.0)
    assert {"step_worse", "step_better"} <= said(evolution).keys()
    assert advised(evolution) == []


def test_a_step_without_an_event_says_what_was_watched() -> None:
    assert "analyzed, change applied" in said(life(1.0, 2.0))["step_unexplained"].sentence.replace("_", " ")
    nothing = said(life(1.0, 2.0, watched=frozenset()))["step_unexplained"]
    assert nothing.sentence == "What came before that step is not known: no event was told."
    assert advised(life(1.0, 2.0)) == []


def test_a_better_level_that_has_held_is_worth_an_anchor() -> None:
    assert advised(life(1.0, 0.5, anchored=10.0)) == [(Action.RE_ANCHOR, "q1")]
    assert advised(life(1.0, 0.5)) == [(Action.RE_ANCHOR, "q1")]
    assert advised(life(1.0, 0.5, events=(event(300, EventKind.ANCHOR_RECORDED, "a-9"),))) == []
    assert advised(life(1.0, anchored=10.0)) == []


def test_a_drift_to_the_worse_advises_analyze_only_where_none_was_seen() -> None:
    values = 10 * np.random.default_rng(2).lognormal(0, 0.1, 600) * 1.03 ** (np.arange(600) / 24)
    drifting = describe(series(values), watched=EVERYTHING)
    assert re.search(r"drifts by \+[23]\.\d\d % a day", said(drifting)["drift"].sentence)
    assert advised(drifting) == [(Action.ANALYZE, "q1")]
    assert advised(describe(series(values), [event(100, EventKind.ANALYZED)], watched=EVERYTHING)) == []
    better = describe(series(values[::-1]), watched=EVERYTHING, anchored=None)
    assert (Action.ANALYZE, "q1") not in advised(better)


def test_too_few_points_say_so_and_nothing_else() -> None:
    evolution = describe(series([1.0, 2.0, -1.0]))
    assert list(said(evolution)) == ["left_out", "too_few_points"]
    assert advised(evolution) == []


def test_a_missing_season_has_its_reason() -> None:
    assert "8.3 days of history, the hour of the week needs 28" in said(life(1.0))["no_season"].sentence


def test_a_load_that_moves_along_is_told_once_it_is_clear() -> None:
    rng = np.random.default_rng(5)
    values = 10 * rng.lognormal(0, 0.3, 300)
    load, other = (
        series(values * rng.lognormal(0, 0.1, 300), name="load"),
        series(rng.lognormal(0, 0.3, 300), name="host"),
    )
    told = [
        found for found in insights(describe(series(values), companions=[load, other])) if "correlated" in found.code
    ]
    assert [found.evidence["series_id"] for found in told] == ["load"]


@settings(max_examples=30, deadline=None)
@given(st.text(max_size=300), st.text(max_size=300))
def test_hostile_names_stay_on_one_line_and_short(name: str, subject: str) -> None:
    evolution = life(1.0, 2.0, events=(event(199.5, name=name, subject=subject),))
    texts = [found.sentence for found in insights(evolution)]
    texts += [found.reason for found in recommendations(evolution, insights(evolution))]
    assert all(text.isprintable() for text in texts)
    assert max(map(len, texts)) < 700


def test_every_insight_and_action_is_documented() -> None:
    document = (Path(__file__).parents[2] / "docs" / "evolution.md").read_text("utf-8")
    source = Path(module.__file__).read_text("utf-8")
    codes = {*re.findall(r'"evolution\.([a-z_]+)"', source), "at_anchor", "worse_than_anchor", "better_than_anchor"}
    assert {f"evolution.{code}" for code in codes} == set(
        re.findall(r"^\| `(evolution\.[a-z_]+)`", document, re.MULTILINE)
    )
    assert {action.value for action in Action} == set(re.findall(r"^\| `([a-z_]+)` \|", document, re.MULTILINE))


def test_numbers_are_short() -> None:
    assert [quantity(v, "ms") for v in (0.0, 12.3456, 1234567.0, 0.000012345)] == [
        "0 ms",
        "12.35 ms",
        "1.23e+06 ms",
        "1.23e-05 ms",
    ]
    assert [duration(s) for s in (0.5, 90, 5400, 200_000)] == ["0.5 s", "1.5 min", "1.5 h", "2.31 d"]
    assert (percent(0.1234, 1), percent(-0.02, 1, sign=True)) == ("12.3 %", "-2.0 %")
    assert (chance(0.0123), chance(1e-43)) == ("0.012", "less than 1e-06")
    assert printable("a\nb\u202e") == "a\ufffdb\ufffd"
