"""What is packed comes back as it was, in both forms; joining adds up, and loses nothing."""

from __future__ import annotations

import zlib

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from trimtab.history.slots import Slot, joined, pack, unpack

numbers = st.lists(st.integers(0, 100_000), unique=True, max_size=50)


def slot_of(of: list[int], seed: int = 1, tier: int = 0, start_ns: int = 0) -> Slot:
    counts = np.random.default_rng(seed).lognormal(3, 2, (len(of), 6))
    return Slot(tier, start_ns, 10.0, 1.5, np.array(of, dtype=np.int64), counts)


@given(numbers)
def test_what_is_packed_comes_back_in_single_precision(of: list[int]) -> None:
    slot = slot_of(of)
    found = unpack(0, 0, 10.0, 1.5, *pack(slot))
    assert found.numbers.tolist() == of
    np.testing.assert_array_equal(found.counts, slot.counts.astype(np.float32).astype(float))


@given(numbers)
def test_rounding_costs_times_at_most_one_part_in_sixty_five_thousand(of: list[int]) -> None:
    slot = slot_of(of)
    found = unpack(0, 0, 10.0, 1.5, *pack(slot, is_rounded=True))
    np.testing.assert_allclose(found.counts, slot.counts, rtol=1 / 65_000)
    np.testing.assert_array_equal(found.counts[:, [0, 3, 4, 5]], slot.counts[:, [0, 3, 4, 5]].astype(np.float32))


def test_bytes_of_the_version_before_are_read() -> None:
    slot = slot_of([3, 1, 2])
    old = (
        zlib.compress(slot.numbers.astype("<i8").tobytes(), 1),
        zlib.compress(slot.counts.astype("<f4").tobytes(), 1),
    )
    found = unpack(0, 0, 10.0, 1.5, *old)
    assert found.numbers.tolist() == [3, 1, 2]
    np.testing.assert_array_equal(found.counts, slot.counts.astype(np.float32).astype(float))


@given(st.lists(numbers, min_size=1, max_size=4), st.integers(1, 60))
def test_joining_adds_up_and_keeps_the_rest_as_one(parts: list[list[int]], most: int) -> None:
    slots = [slot_of(of, seed) for seed, of in enumerate(parts)]
    whole = joined(1, 0, slots, most)
    total = sum((slot.counts.sum(axis=0) for slot in slots), np.zeros(6))
    np.testing.assert_allclose(whole.counts.sum(axis=0), total, rtol=1e-9)
    assert len(whole.numbers) <= most + 1
    assert len(set(whole.numbers.tolist())) == len(whole.numbers)
    assert whole.seconds == pytest.approx(10.0 * len(slots))


def test_the_heaviest_are_those_that_are_kept_one_by_one() -> None:
    slot = Slot(0, 0, 1.0, 0.0, np.array([1, 2, 3, 4]), np.diag([1.0] * 4) @ np.full((4, 6), 1.0))
    slot.counts[:, 1] = [5.0, 100.0, 1.0, 50.0]
    whole = joined(1, 0, [slot], 2)
    assert whole.numbers.tolist() == [0, 2, 4]
    assert whole.counts[:, 1].tolist() == [6.0, 100.0, 50.0]
