from __future__ import annotations

from random import Random

from hypothesis import given
from hypothesis import strategies as st

from trimtab.observe import values
from trimtab.observe.column_facts import ColumnFacts, ParameterType

NUMBERS = ColumnFacts(20, "bigint", "N", bounds=tuple(str(n) for n in range(0, 1000, 10)), is_unique=True)
STATES = ColumnFacts(25, "text", "S", common_values=("paid", "new"), frequencies=(0.9, 0.1))
EMPTY = ColumnFacts(25, "text", "S")
seeds = st.integers(0, 2**32)


def test_common_values_come_as_often_as_they_occur() -> None:
    random = Random(1)
    drawn = [values.occurring(STATES, random) for _ in range(1000)]
    assert 850 < drawn.count("paid") < 950


@given(seeds)
def test_a_range_is_narrow_and_in_order(seed: int) -> None:
    found = values.narrow_range(NUMBERS, Random(seed))
    assert found is not None
    low, high = map(int, found)
    assert high - low == 10


@given(seeds)
def test_one_bound_keeps_the_outer_tenth(seed: int) -> None:
    low = values.outer_bound(NUMBERS, Random(seed), is_low=True)
    high = values.outer_bound(NUMBERS, Random(seed), is_low=False)
    assert low is not None
    assert high is not None
    assert int(low) >= 900
    assert int(high) <= 90


@given(seeds)
def test_a_new_key_is_beyond_the_largest_known(seed: int) -> None:
    found = values.new_key(NUMBERS, Random(seed))
    assert found is not None
    assert int(found) > 990


@given(seeds, st.sampled_from(["smallint", "integer"]))
def test_a_new_key_stays_inside_its_type(seed: int, type_name: str) -> None:
    largest = {"smallint": 32767, "integer": 2147483647}[type_name]
    facts = ColumnFacts(21, type_name, "N", bounds=("1", str(largest - 2)), is_unique=True)
    assert int(values.new_key(facts, Random(seed)) or 0) <= largest


@given(seeds)
def test_a_new_text_key_fits_its_column(seed: int) -> None:
    facts = ColumnFacts(1043, "character varying", "S", max_length=8, common_values=("abcdefgh",), frequencies=(0.1,))
    assert len(values.new_key(facts, Random(seed)) or "") == 8


@given(st.text(min_size=1).filter(lambda text: "\0" not in text), seeds)
def test_patterns_escape_what_means_something(value: str, seed: int) -> None:
    facts = ColumnFacts(25, "text", "S", common_values=(value,), frequencies=(1.0,))
    found = values.pattern(facts, Random(seed))
    assert found is not None
    assert found.endswith("%")
    assert "%" not in found[:-1].replace("\\%", "")


def test_the_same_seed_gives_the_same_values() -> None:
    assert values.several(NUMBERS, Random(7)) == values.several(NUMBERS, Random(7))


def test_without_statistics_there_is_no_value() -> None:
    random = Random(0)
    assert values.occurring(EMPTY, random) is None
    assert values.several(EMPTY, random) is None
    assert values.narrow_range(EMPTY, random) is None
    assert values.outer_bound(EMPTY, random, is_low=True) is None
    assert values.pattern(EMPTY, random) is None


def test_a_value_is_only_used_for_a_type_that_can_hold_it() -> None:
    integer, day = ParameterType(23, "integer", "N"), ParameterType(1082, "date", "D")
    money = ColumnFacts(1700, "numeric", "N")
    assert values.fitted("1.50", money, integer) == "1"
    assert values.fitted("1.50", money, day) is None
    assert values.fitted("12:00", ColumnFacts(1083, "time without time zone", "D"), day) is None


def test_a_type_alone_gives_something_usual_or_nothing() -> None:
    random = Random(0)
    assert values.typical(ParameterType(1, "mood", "E", label="happy"), random) == "happy"
    assert values.typical(ParameterType(17, "bytea", "U"), random) == ""
    assert values.typical(ParameterType(600, "point", "G"), random) is None
