"""A ledger in a temporary directory, with a clock that the test turns."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from trimtab.ledger.ledger import Ledger


@dataclass
class Clock:
    """UTC nanoseconds as the test wants them; each look moves it by `step_ns`."""

    now_ns: int = 1_760_000_000_000_000_000
    step_ns: int = 1

    def __call__(self) -> int:
        self.now_ns += self.step_ns
        return self.now_ns


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def ledger(tmp_path: Path, clock: Clock) -> Iterator[Ledger]:
    with Ledger.open(tmp_path / "ledger.db", clock=clock) as opened:
        yield opened
