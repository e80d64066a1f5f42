"""Claims about patience: one pause between two tries, doubled each time, none after the last."""

from __future__ import annotations

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from trimtab.apply.patience import Patience
from trimtab.spec.load import load_spec


@given(st.integers(1, 60), st.floats(0.001, 3600), st.none() | st.integers(1, 60))
def test_pauses(attempts: int, pause_seconds: float, tries: int | None) -> None:
    pauses = list(Patience(1, 1, attempts, pause_seconds).pauses(tries))
    *between, last = pauses
    assert last is None
    assert len(pauses) == (tries or attempts)
    assert all(a is not None and b == 2 * a for a, b in pairwise(between))
    assert between[:1] in ([], [pause_seconds])


def test_the_specification_says_how_patient() -> None:
    locks = load_spec(None).locks
    assert Patience.of(locks) == Patience(
        locks.lock_timeout_ms, locks.build_timeout_ms, locks.attempts, locks.pause_seconds
    )
