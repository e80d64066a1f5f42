"""Spreads work over the engines of a twin: one at first, more when there is work enough to pay for them.

Which engine does what changes no answer: all have the same indexes, made in the same order.
"""

from __future__ import annotations

import os
import time
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from trimtab.errors import TrimtabError
from trimtab.twin.cache import Task
from trimtab.twin.engine import Engine

Item = TypeVar("Item")
Result = TypeVar("Result")

WORTH_SECONDS = 1.0
"""Work that could have been shared after which another engine is made: it costs about as much."""
_LEAST_PIECE = 8


class Engines:
    """The engines. `limit` is how many there may be, None for one on each processor."""

    def __init__(self, first: Engine, limit: int | None) -> None:
        self.all = [first]
        self.problems: tuple[str, ...] = ()
        self._limit = max(limit if limit is not None else _processors(), 1)
        self._shareable_seconds = 0.0

    @property
    def first(self) -> Engine:
        """The one that is always there."""
        return self.all[0]

    def grow(self) -> None:
        """Make the engines that are still allowed. Where that fails, `problems` says so and those that are there go on.

        Raises what the first engine meets when it does not come back.
        """
        while len(self.all) < self._limit:
            try:
                self.all.append(self.first.copied())
            except TrimtabError as error:
                if not self.first.is_alive:
                    raise
                self._limit = len(self.all)
                self.problems += (f"planning goes on with {self._limit} servers: {error}",)

    def pieces(self, tasks: Sequence[Task]) -> list[Task]:
        """Return the tasks in pieces that can be shared out, after making more engines if that pays."""
        total = sum(len(task.questions) for task in tasks)
        if total > _LEAST_PIECE and len(self.all) < self._limit and self._shareable_seconds >= WORTH_SECONDS:
            self.grow()
        if len(self.all) == 1:
            return list(tasks)
        size = max(total // (8 * len(self.all)), _LEAST_PIECE)
        return [piece for task in tasks for piece in task.pieces(size)]

    def each(self, work: Callable[[Engine], None]) -> None:
        """Do it on every engine, at the same time."""
        if len(self.all) == 1:
            work(self.first)
            return
        with ThreadPoolExecutor(len(self.all), thread_name_prefix="twin") as pool:
            for future in [pool.submit(work, engine) for engine in self.all]:
                future.result()

    def spread(
        self, items: Iterable[Item], work: Callable[[Engine, Item], Result], keep: Callable[[Item, Result], None]
    ) -> None:
        """Do the work on each item, on whichever engine is free, and keep every result, in the items' order.

        The first error ends it: what was done before is kept, and the error is raised.
        """
        waiting = deque(enumerate(items))
        everything = [item for _, item in waiting]
        results: dict[int, Result] = {}

        def run(engine: Engine) -> None:
            try:
                while waiting:
                    try:
                        place, item = waiting.popleft()
                    except IndexError:  # Another thread was faster.
                        return
                    results[place] = work(engine, item)
            except BaseException:
                waiting.clear()
                raise

        started = time.monotonic()
        try:
            self._run_all(run, len(waiting))
        finally:
            if len(everything) > 1:
                self._shareable_seconds += time.monotonic() - started
            for place in sorted(results):
                keep(everything[place], results[place])

    def _run_all(self, run: Callable[[Engine], None], count: int) -> None:
        """The first engine works in this thread, which is the one that an interrupt comes to."""
        others = self.all[1:count]
        if not others:
            run(self.first)
            return
        with ThreadPoolExecutor(len(others), thread_name_prefix="twin") as pool:
            futures = [pool.submit(run, engine) for engine in others]
            run(self.first)
            for future in futures:
                future.result()

    def close(self) -> None:
        """End all of them."""
        while self.all:
            self.all.pop().close()


def _processors() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
