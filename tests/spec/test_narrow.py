"""The run's budget narrows and never widens."""

import pytest

from trimtab.errors import SpecError
from trimtab.spec.load import load_spec
from trimtab.spec.narrow import narrowed


def test_the_smaller_budget_wins() -> None:
    spec = load_spec()
    smaller = narrowed(spec, budget_bytes=2 * 2**30)
    assert smaller.indexes.max_total_size_bytes == 2 * 2**30
    assert smaller.digest != spec.digest
    assert smaller.chain[-1] == "run:budget"
    assert narrowed(smaller, budget_bytes=3 * 2**30) is smaller


def test_no_budget_changes_nothing() -> None:
    spec = load_spec()
    assert narrowed(spec) is spec


def test_a_negative_budget_is_refused() -> None:
    with pytest.raises(SpecError) as caught:
        narrowed(load_spec(), budget_bytes=-1)
    assert caught.value.code == "spec.invalid"
