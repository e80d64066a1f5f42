"""Claims about the smallest effect that a paired test could have shown."""

from __future__ import annotations

from functools import reduce

import numpy as np
import pytest

from trimtab.model.paired import PairedTest
from trimtab.model.paired_power import POWER, smallest_paired_effect


@pytest.mark.parametrize("pairs", [15, 40, 200])
def test_the_smallest_paired_effect_is_shown_about_as_often_as_it_says(pairs: int) -> None:
    empty = PairedTest(0.01, 0.1)
    effect = smallest_paired_effect(reduce(PairedTest.observe, [0.0] * pairs, empty))
    assert effect is not None
    rng = np.random.default_rng(2)
    shown = [reduce(PairedTest.observe, rng.normal(np.log(effect), 0.1, pairs), empty).is_proven for _ in range(300)]
    assert np.mean(shown) >= POWER - 0.1
    assert smallest_paired_effect(empty) is None
