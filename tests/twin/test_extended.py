"""Column numbers in the bytes of extended statistics."""

from __future__ import annotations

import struct

from hypothesis import given
from hypothesis import strategies as st

from trimtab.twin.extended import DEPENDENCY_ITEM, NDISTINCT_ITEM, renumbered

GROUPS = st.lists(st.tuples(st.floats(0, 1), st.lists(st.integers(-8, 1600), min_size=2, max_size=8)), max_size=5)


def written(groups: list[tuple[float, list[int]]], item: struct.Struct) -> bytes:
    data = struct.pack("=III", 1, 1, len(groups))
    for value, numbers in groups:
        data += item.pack(value, len(numbers)) + struct.pack(f"={len(numbers)}h", *numbers)
    return data


@given(GROUPS, st.sampled_from([NDISTINCT_ITEM, DEPENDENCY_ITEM]))
def test_numbers_are_translated_and_nothing_else(groups: list[tuple[float, list[int]]], item: struct.Struct) -> None:
    numbers = {number: number + 1 for number in range(1, 1601)}
    expected = [(value, [numbers.get(n, n) for n in places]) for value, places in groups]
    assert renumbered(written(groups, item), numbers, item) == written(expected, item)


@given(GROUPS)
def test_equal_numbers_change_nothing(groups: list[tuple[float, list[int]]]) -> None:
    data = written(groups, NDISTINCT_ITEM)
    assert renumbered(data, {}, NDISTINCT_ITEM) == data
