"""Patterns stand for sets of names; intersecting and covering agree with matching."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trimtab.spec.patterns import check_pattern, covers, intersect, matches, simplify

names = st.text("ab.", max_size=4)
patterns = st.builds(lambda name, star: name + star, st.text("ab.", min_size=1, max_size=3), st.sampled_from(["", "*"]))
lists = st.lists(patterns | st.just("*"), max_size=4)


@given(lists, lists, names)
def test_the_intersection_stands_for_what_both_stand_for(left: list[str], right: list[str], name: str) -> None:
    both = any(matches(p, name) for p in left) and any(matches(p, name) for p in right)
    assert any(matches(p, name) for p in intersect(left, right)) == both


@given(lists, names)
def test_simplifying_changes_no_set(some: list[str], name: str) -> None:
    assert any(matches(p, name) for p in simplify(some)) == any(matches(p, name) for p in some)


@given(patterns, patterns, names)
def test_a_covered_pattern_matches_nothing_more(wide: str, narrow: str, name: str) -> None:
    if covers(wide, narrow) and matches(narrow, name):
        assert matches(wide, name)


@pytest.mark.parametrize("pattern", ["", "a*b", "**", "a**", "a\n", "a\x1b"])
def test_a_pattern_has_at_most_one_trailing_star(pattern: str) -> None:
    with pytest.raises(ValueError, match="pattern"):
        check_pattern(pattern)
