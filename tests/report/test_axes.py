"""Claims about axes: every value has its place, in order, and few round ones are written beside it."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from trimtab.report.axes import TimeAxis, ValueAxis

positive = st.floats(1e-9, 1e12)
moments = st.integers(0, 4 * 10**18)


@given(st.lists(positive, min_size=1, max_size=20), st.booleans())
def test_every_value_stands_between_top_and_bottom_and_in_order(values: list[float], is_logarithmic: bool) -> None:
    axis = ValueAxis.of(values, top=50, bottom=300, is_logarithmic=is_logarithmic)
    places = [axis.place(value) for value in sorted(values)]
    assert all(50 <= place <= 300 for place in places)
    assert places == sorted(places, reverse=True)


@given(st.lists(positive, min_size=2, max_size=20), st.booleans())
def test_few_values_are_written_and_stand_on_the_axis(values: list[float], is_logarithmic: bool) -> None:
    axis = ValueAxis.of(values, top=50, bottom=300, is_logarithmic=is_logarithmic)
    ticks = axis.ticks()
    assert len(ticks) <= 10
    assert len(set(ticks)) == len(ticks)
    assert all(49.9 <= axis.place(tick) <= 300.1 for tick in ticks)


@given(st.lists(moments, min_size=1, max_size=20))
def test_moments_stand_in_order_and_those_beyond_at_the_end(times: list[int]) -> None:
    axis = TimeAxis.of(times, left=70, right=900)
    places = [axis.place(at) for at in sorted(times)]
    assert places == sorted(places)
    assert all(70 <= place <= 900 for place in places)
    assert (axis.place(-(10**12)), axis.place(10**19)) == (70, 900)
    assert len(axis.ticks()) <= 9
