"""How much of everything: of an answer, of a question, of calls at a time and per second. What is beyond is refused.

It counts, and refuses by raising; it waits for nobody, and knows no tool.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from trimtab.errors import HeldError, UsageError


@dataclass(frozen=True, slots=True)
class Bounds:
    """The limits of one server. Sizes are bytes of JSON; `calls_per_second` is refilled up to `burst`.

    `calls` may run at a time, and of these `jobs` that start servers of their own.
    """

    answer_bytes: int = 256 * 1024
    question_bytes: int = 64 * 1024
    rows: int = 100
    calls: int = 8
    jobs: int = 2
    calls_per_second: float = 20.0
    burst: int = 60


@dataclass(slots=True)
class Flood:
    """Lets so many calls through and no more. `clock` gives seconds."""

    bounds: Bounds
    clock: Callable[[], float]
    _tokens: float = field(init=False)
    _filled: float = field(init=False)
    _running: int = field(init=False, default=0)
    _jobs: int = field(init=False, default=0)

    def __post_init__(self) -> None:
        self._tokens = float(self.bounds.burst)
        self._filled = self.clock()

    @contextmanager
    def call(self) -> Iterator[None]:
        """Count a call while it runs. Raises HeldError `mcp.rate`, `mcp.busy`."""
        now = self.clock()
        self._tokens = min(self.bounds.burst, self._tokens + (now - self._filled) * self.bounds.calls_per_second)
        self._filled = now
        if self._tokens < 1:
            raise HeldError(
                f"too many calls: {self.bounds.calls_per_second:g} a second are answered",
                code="mcp.rate",
                next_step="Wait a second, and ask for less.",
            )
        if self._running >= self.bounds.calls:
            raise _busy(f"{self.bounds.calls} calls")
        self._tokens -= 1
        self._running += 1
        try:
            yield
        finally:
            self._running -= 1

    @contextmanager
    def job(self) -> Iterator[None]:
        """Count a job while it runs. Raises HeldError `mcp.busy`."""
        if self._jobs >= self.bounds.jobs:
            raise _busy(f"{self.bounds.jobs} long runs")
        self._jobs += 1
        try:
            yield
        finally:
            self._jobs -= 1


def refuse_large(size_bytes: int, bounds: Bounds, *, is_answer: bool) -> None:
    """Refuse a question or an answer that is too large: UsageError `mcp.question_size`, `mcp.answer_size`."""
    limit = bounds.answer_bytes if is_answer else bounds.question_bytes
    if size_bytes <= limit:
        return
    if is_answer:
        raise UsageError(
            f"the answer has {size_bytes} bytes, the limit is {limit}",
            code="mcp.answer_size",
            next_step="Ask for fewer rows: give a smaller limit, and go on by the cursor.",
        )
    raise UsageError(
        f"the request has {size_bytes} bytes, the limit is {limit}",
        code="mcp.question_size",
        next_step="Ask in smaller pieces.",
    )


def _busy(what: str) -> HeldError:
    return HeldError(
        f"{what} are running already",
        code="mcp.busy",
        next_step="Wait until one has ended, or cancel one.",
    )
