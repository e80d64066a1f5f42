from __future__ import annotations

from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trimtab.anchor.stability import breaches, executions_needed, service_level_ms, sigma_level, stability
from trimtab.model.latency import Latency


def test_what_six_sigma_tables_call_six_is_four_and_a_half_here() -> None:
    assert sigma_level(3.4e-6) == pytest.approx(4.5, abs=0.01)
    assert sigma_level(0.5) == pytest.approx(0.0)
    assert sigma_level(1.0) == float("-inf")


def test_a_clean_record_supports_no_more_than_its_length() -> None:
    needed = executions_needed(3.4)
    assert needed == 881_097
    found, shorter = stability(needed, 0), stability(needed - 1000, 0)
    assert found is not None
    assert shorter is not None
    assert found.breaches_per_million == 0.0
    assert found.at_most_per_million <= 3.4 < shorter.at_most_per_million


@given(st.integers(1, 10_000_000), st.data())
def test_the_bound_is_above_what_was_seen_and_falls_with_a_longer_watch(executions: int, data: st.DataObject) -> None:
    breaches = data.draw(st.integers(0, min(executions, 1000)))
    found, longer = stability(executions, breaches), stability(executions * 2, breaches)
    assert found is not None
    assert longer is not None
    assert found.breaches_per_million < found.at_most_per_million <= 1e6 or breaches == executions
    assert longer.at_most_per_million <= found.at_most_per_million
    assert longer.sigma_level >= found.sigma_level


def test_nothing_run_is_no_stability_and_more_breaches_than_runs_are_refused() -> None:
    assert stability(0, 0) is None
    with pytest.raises(ValueError, match="no more hits"):
        stability(3, 4)


def test_what_failed_or_took_longer_than_the_slowest_of_before_is_a_breach() -> None:
    was = Latency.of([1.0, 2.0, 10.0], random=Random(1))
    level_ms = service_level_ms(was, 0.1)
    assert level_ms == pytest.approx(11.0)
    assert breaches(Latency.of([1.0, 10.5, 12.0, 90.0], random=Random(1)), level_ms) == 2
    assert breaches(Latency.of([1.0, 90.0, 90.0], errors=3, random=Random(1)), level_ms) == 3
    found = stability(4, 2)
    assert found is not None
    assert "2 of 4 executions" in found.sentence
    assert "sigma" in found.sentence
