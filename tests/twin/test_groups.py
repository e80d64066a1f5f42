"""How often keys occur, from a sample of them, and sizes that rest on it. No server is needed."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trimtab.twin.groups import KeyCounts, PickedKeys, estimated_distinct, key_groups
from trimtab.twin.size import IndexedColumn
from trimtab.twin.size_brin import brin_size
from trimtab.twin.size_gin import gin_pages, known_groups
from trimtab.twin.size_hash import hash_pages


def counts(rows: float, found: tuple[tuple[int, int], ...]) -> KeyCounts:
    """Counts of keys of which no two rows lie in one place."""
    return KeyCounts(rows, tuple((times, keys, times * keys) for times, keys in found))


OCCURRENCES = st.dictionaries(st.integers(1, 500), st.integers(1, 1000), min_size=1, max_size=20).map(
    lambda found: tuple(found.items())
)
CLASSES = ("array_ops", "tsvector_ops", "jsonb_ops", "jsonb_path_ops", "gin_trgm_ops", "int4_ops")


@given(OCCURRENCES, st.floats(1, 1e5))
def test_there_are_as_many_keys_as_were_seen_or_more_but_not_more_than_rows(
    found: tuple[tuple[int, int], ...], scale: float
) -> None:
    seen, items = sum(keys for _, keys in found), sum(times * keys for times, keys in found)
    assert seen * 0.999 <= estimated_distinct(found, scale) <= items * scale * 1.001


@given(OCCURRENCES, st.floats(0.01, 1e4))
def test_the_groups_of_all_keys_have_all_rows(found: tuple[tuple[int, int], ...], scale: float) -> None:
    items = sum(times * keys for times, keys in found)
    groups = key_groups(counts(float(items), found), items * scale)
    assert sum(keys * times for keys, times in groups) == pytest.approx(items * scale, rel=1e-6)


def test_a_sample_of_all_rows_is_exact() -> None:
    assert key_groups(counts(9.0, ((1, 3), (2, 3))), 9.0) == [(3.0, 1.0), (3.0, 2.0)]


@given(OCCURRENCES, st.floats(1, 1e4), OCCURRENCES, st.floats(1e-4, 1), st.floats(1e-3, 1))
def test_so_have_those_of_which_a_part_was_picked(
    found: tuple[tuple[int, int], ...], scale: float, of_picked: tuple[tuple[int, int], ...], share: float, part: float
) -> None:
    items = sum(times * keys for times, keys in found)
    picked = PickedKeys(share, part, counts(1.0, of_picked).occurrences)
    groups = key_groups(replace(counts(float(items), found), picked=picked), items * scale)
    assert sum(keys * times for keys, times in groups) == pytest.approx(items * scale, rel=1e-6)
    assert all(keys >= 0 and times > 0 for keys, times in groups)


@given(
    st.sampled_from(CLASSES),
    st.floats(1, 1e8),
    st.floats(0, 1),
    st.lists(st.floats(1e-6, 1), max_size=60),
    st.floats(0, 200),
    st.integers(0, 3000),
    st.integers(1, 10**7),
)
def test_any_statistics_give_pages_of_a_gin_index(
    name: str, rows: float, nulls: float, shares: list[float], count: float, width: int, table_pages: int
) -> None:
    column = IndexedColumn(
        8.0, 4, nulls, -0.5, operator_class=name, elements=tuple(shares), element_count=count, stored_width=float(width)
    )
    groups, width_of_key = known_groups(column, rows)
    found = gin_pages([groups], [width_of_key], table_pages)
    assert found.entry_pages >= 1
    assert found.data_pages >= 0
    assert found.pages == 1 + found.entry_pages + found.data_pages


@given(st.floats(0, 1e8), st.floats(0, 1), st.floats(1, 1e8), st.lists(st.floats(1e-6, 0.009), max_size=100))
def test_any_statistics_give_pages_of_a_hash_index(
    table_rows: float, share: float, distinct: float, frequencies: list[float]
) -> None:
    assert hash_pages(table_rows, table_rows * share, distinct=distinct, frequencies=frequencies) >= 4


def test_a_hash_index_of_few_keys_overflows() -> None:
    assert hash_pages(100_000, 100_000, distinct=100_000) == 2 + 512
    assert hash_pages(100_000, 100_000, distinct=2, frequencies=(0.5, 0.5)) == 2 + 512 + 2 * 122


@given(st.integers(0, 10**7), st.integers(1, 1000), st.floats(0, 1e8))
def test_a_brin_index_has_a_summary_for_each_range(pages: int, per_range: int, rows: float) -> None:
    found = brin_size(pages, per_range, [IndexedColumn(4, 4, 0, -1, operator_class="int4_minmax_ops")], rows)
    assert found.map_pages >= 1
    assert found.pages >= 2 + found.map_pages - 1
    assert found.pages <= 3 + found.map_pages + pages / per_range


def sampled(rows_of_keys: Sequence[int], share: float, seed: int) -> KeyCounts:
    """Counts of a sample that has each row with the chance `share`."""
    coins = random.Random(seed)
    found = Counter(sum(coins.random() < share for _ in range(rows)) for rows in rows_of_keys)
    del found[0]
    return counts(share * sum(rows_of_keys), tuple(found.items()))


@pytest.mark.parametrize(
    ("rows_of_keys", "share"),
    [
        ([5] * 20_000, 0.05),
        ([1] * 50_000 + [200] * 500, 0.05),
        ([max(30_000 // rank, 1) for rank in range(1, 20_000)], 0.05),
        ([1] * 20_000 + [30] * 1000, 0.6),
    ],
    ids=["even", "two kinds", "by rank", "most of them"],
)
def test_keys_that_differ_in_frequency_are_found_too(rows_of_keys: list[int], share: float) -> None:
    groups = key_groups(sampled(rows_of_keys, share, seed=3), float(sum(rows_of_keys)))
    assert sum(keys for keys, _ in groups) == pytest.approx(len(rows_of_keys), rel=0.25)
    assert sum(keys * rows for keys, rows in groups) == pytest.approx(sum(rows_of_keys), rel=0.05)


def test_rows_of_a_key_that_lie_in_one_place_are_one_occurrence() -> None:
    # A hundredth of the blocks: a thousand keys with four rows each, and none of them in two of the blocks.
    [(keys, rows)] = key_groups(KeyCounts(4000.0, ((1, 1000, 4000),)), 400_000.0)
    assert keys == pytest.approx(100_000)
    assert rows == pytest.approx(4.0)


SEVERAL = [max(round(20_000 * rank**-0.9), 1) for rank in range(1, 100_000)]
LAWS = {
    "by rank": SEVERAL,
    "one or thirty": [1] * 150_000 + [30] * 5000,
    "half in large ones": [1] * 150_000 + [300] * 500,
    "about five": [1 + random.Random(n).randrange(9) for n in range(50_000)],
}


@pytest.mark.parametrize("law", LAWS)
@pytest.mark.parametrize("part", [0.2, 1.0])
def test_picked_keys_tell_how_many_have_one_row(law: str, part: float) -> None:
    rows_of_keys = LAWS[law]
    share, key_share = 0.005, min(30_000 / (part * sum(rows_of_keys)), 1.0)
    coins = random.Random(7)
    of_picked = sampled([rows for rows in rows_of_keys if coins.random() < key_share], part, seed=4).occurrences
    picked = PickedKeys(key_share, part, of_picked)
    rows = float(sum(rows_of_keys))
    groups = key_groups(replace(sampled(rows_of_keys, share, seed=3), picked=picked), rows)
    assert sum(keys for keys, _ in groups) == pytest.approx(len(rows_of_keys), rel=0.08)
    once = sum(rows == 1 for rows in rows_of_keys)
    assert sum(keys for keys, times in groups if times < 1.5) == pytest.approx(
        once, rel=0.1, abs=0.12 * len(rows_of_keys)
    )


def test_a_frequent_key_that_a_hash_picks_by_chance_is_not_taken_for_many() -> None:
    # Half of all rows have one key, which is picked; the others are a key each.
    first = KeyCounts(1000.0, ((1, 500, 500), (500, 1, 500)))
    picked = PickedKeys(0.01, 0.1, ((1, 500, 500), (50_000, 1, 50_000)))
    groups = sorted(key_groups(replace(first, picked=picked), 1e6), key=lambda group: group[1])
    assert [keys for keys, _ in groups] == pytest.approx([500_000, 1], rel=0.01)
    assert [times for _, times in groups] == pytest.approx([1, 500_000], rel=0.01)
