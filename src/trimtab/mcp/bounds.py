"""How much of everything: of an answer, of a question, of a client's calls at a time and per second.

What is beyond is refused. It counts, and refuses by raising; it waits for nobody, and knows no tool.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from trimtab.errors import HeldError, UsageError
from trimtab.mcp.caller import caller
from trimtab.web.limits import RateLimit


@dataclass(frozen=True, slots=True)
class Bounds:
    """The limits of one server. Sizes are bytes of JSON; `calls_per_second` of a client is refilled up to its `burst`.

    `calls` of a client may run at a time, and of these `jobs` that start servers of their own; `all_calls` and
    `all_jobs` of all clients together, which leave something to others when one takes all of its share.
    """

    answer_bytes: int = 256 * 1024
    question_bytes: int = 64 * 1024
    rows: int = 100
    calls: int = 8
    jobs: int = 2
    all_calls: int = 12
    all_jobs: int = 3
    calls_per_second: float = 20.0
    burst: int = 60


class Flood:
    """Lets so many calls of each client through and no more. `clock` gives seconds."""

    def __init__(self, bounds: Bounds, clock: Callable[[], float]) -> None:
        self.bounds = bounds
        self._rate = RateLimit(bounds.burst, bounds.calls_per_second, clock)
        self._calls: Counter[str] = Counter()
        self._jobs: Counter[str] = Counter()

    @contextmanager
    def call(self) -> Iterator[None]:
        """Count a call of the caller's while it runs. Raises HeldError `mcp.rate`, `mcp.busy`."""
        if self._rate.wait_seconds(caller().key):
            raise HeldError(
                f"too many calls: {self.bounds.calls_per_second:g} a second are answered",
                code="mcp.rate",
                next_step="Wait a second, and ask for less.",
            )
        with _counted(self._calls, self.bounds.calls, self.bounds.all_calls, "calls"):
            yield

    @contextmanager
    def job(self) -> Iterator[None]:
        """Count a job of the caller's while it runs. Raises HeldError `mcp.busy`."""
        with _counted(self._jobs, self.bounds.jobs, self.bounds.all_jobs, "long runs"):
            yield


@contextmanager
def _counted(running: Counter[str], most: int, most_of_all: int, what: str) -> Iterator[None]:
    key = caller().key
    if running[key] >= most:
        raise _busy(f"{most} {what} of yours")
    if running.total() >= most_of_all:
        raise _busy(f"{most_of_all} {what} of all clients")
    running[key] += 1
    try:
        yield
    finally:
        running[key] -= 1
        if not running[key]:
            del running[key]


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
