"""Claims about the picture: well-formed and bounded whatever the names are, and it shows what the evolution holds."""

from __future__ import annotations

import re
from xml.etree import ElementTree

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.anchor.streams import event, series
from trimtab.anchor.evolution import describe
from trimtab.model.evolution import AnchoredLevel, EventKind, Evolution, Point, Scale, Series
from trimtab.report.life_plot import HEIGHT, LETTERS, WIDTH, life_plot

SVG = "{http://www.w3.org/2000/svg}"


def parsed(evolution: Evolution) -> ElementTree.Element:
    return ElementTree.fromstring(life_plot(evolution))


def classes(root: ElementTree.Element, name: str) -> list[ElementTree.Element]:
    return [element for element in root.iter() if name in (element.get("class") or "").split()]


def stepped(count: int = 300) -> np.ndarray:
    values = 10 * np.random.default_rng(1).lognormal(0, 0.15, count)
    values[count // 2 :] *= 2
    return values


hostile = st.one_of(
    st.text(max_size=60),
    st.sampled_from(
        [
            '"><script>alert(1)</script>',
            "]]>",
            "<!--",
            "&amp;&#0;",
            "\x00\x08\ufffe\ud800",
            "</title></svg>",
            "' onload='x",
        ]
    ),
)


@settings(max_examples=60, deadline=None)
@given(name=hostile, unit=hostile, dimension=hostile, subject=hostile, anchor=hostile)
def test_it_is_well_formed_and_runs_nothing_whatever_the_names_are(
    name: str, unit: str, dimension: str, subject: str, anchor: str
) -> None:
    points = tuple(Point(p.time_ns, p.value) for p in series(stepped(60)).points)
    evolution = describe(
        Series(name, dimension, unit, points),
        [event(29.5, name=name, subject=subject)],
        anchored=AnchoredLevel(anchor, 9.0),
    )
    root = parsed(evolution)
    tags = {element.tag.removeprefix(SVG) for element in root.iter()}
    assert tags <= {"svg", "title", "desc", "style", "rect", "text", "path", "circle", "g"}
    assert not [key for element in root.iter() for key in element.attrib if key.startswith("on") or "href" in key]
    life_plot(evolution).encode("utf-8")


@settings(max_examples=40, deadline=None)
@given(
    st.lists(st.tuples(st.integers(0, 10**6), st.floats(1e-9, 1e12)), max_size=40),
    st.sampled_from(Scale),
    st.floats(-1e3, 1e3),
)
def test_every_mark_stands_inside_of_the_picture(
    points: list[tuple[int, float]], scale: Scale, anchored: float
) -> None:
    made = tuple(Point(10**18 + minute * 60 * 10**9, value) for minute, value in points)
    events = [event(hour, kind) for kind in EventKind for hour in (-10_000, 5, 10**5)]
    root = parsed(describe(Series("q", "x", "", made, scale), events, anchored=AnchoredLevel("a", anchored)))
    for element in root.iter():
        for key, most in (("cx", WIDTH), ("x", WIDTH), ("cy", HEIGHT), ("y", HEIGHT)):
            assert 0 <= float(element.get(key) or 0) <= most


def test_it_says_in_words_what_it_shows() -> None:
    root = parsed(describe(series(stepped()), [event(149.5)], anchored=AnchoredLevel("a-1", 10.0)))
    assert root.get("role") == "img"
    title, desc = root.find(f"{SVG}title"), root.find(f"{SVG}desc")
    assert title is not None
    assert desc is not None
    assert root.get("aria-labelledby") == f"{title.get('id')} {desc.get('id')}"
    assert title.text == "Response latency of q1"
    assert "to the worse" in (desc.text or "")
    assert "Change applied s-1" in (desc.text or "")


def test_points_levels_steps_events_and_the_anchor_are_drawn() -> None:
    evolution = describe(
        series(stepped()),
        [event(20, EventKind.ANALYZED), event(149.5), event(250, EventKind.ANCHOR_RECORDED)],
        anchored=AnchoredLevel("a-1", 10.0),
    )
    root = parsed(evolution)
    assert len(classes(root, "point")) == 300
    assert len(classes(root, "level")) == len(evolution.segments) == 2
    assert len(classes(root, "step")) == len(evolution.change_points) == 1
    assert len(classes(root, "anchor")) == 1
    letters = ["".join(mark.itertext()).strip()[-1] for mark in classes(root, "event")]
    assert letters == ["A", "C", "N"]


def test_the_anchors_line_stands_where_its_value_does() -> None:
    root = parsed(describe(series([8.0] * 20 + [12.0] * 20), anchored=AnchoredLevel("a-1", 8.0)))
    [line] = classes(root, "anchor")
    ys = {point.get("cy") for point in classes(root, "point")}
    assert re.findall(r"M[\d.]+ ([\d.]+)H", line.get("d") or "")[0] in ys


def test_a_long_life_is_a_picture_of_bounded_size() -> None:
    values = 10 * np.random.default_rng(1).lognormal(0, 0.15, 20_000)
    events = [event(hour, kind, f"e{hour}") for hour in range(0, 20_000, 20) for kind in EventKind]
    text = life_plot(describe(series(values), events))
    assert len(text.encode()) < 150_000
    root = ElementTree.fromstring(text)
    assert classes(root, "point") == []
    assert len(classes(root, "band")) == len(classes(root, "line")) == 1
    assert all("and " in "".join(mark.itertext()) for mark in classes(root, "event"))


@pytest.mark.parametrize("count", [0, 1, 2, 7, 8])
def test_few_points_are_drawn_too(count: int) -> None:
    root = parsed(describe(series([5.0] * count)))
    assert len(classes(root, "point")) == count


def test_it_has_rules_for_dark_for_light_and_for_paper_that_hold_in_itself_alone() -> None:
    root = parsed(describe(series(stepped())))
    style = root.find(f"{SVG}style")
    assert style is not None
    rules = style.text or ""
    assert "@media (prefers-color-scheme:dark)" in rules
    assert rules.index("@media print") > rules.index("prefers-color-scheme")
    selectors = re.findall(r"(?:^|[{}])([^{}@]+)\{", rules)
    assert selectors
    assert all(one.startswith(f"#{root.get('id')} ") for selector in selectors for one in selector.split(","))


def test_every_kind_of_event_has_a_letter_of_its_own() -> None:
    assert set(LETTERS) == set(EventKind)
    assert len(set(LETTERS.values())) == len(EventKind)
