"""The collector's loop: a thread a server, each at its own pace, whatever becomes of the others. It reads only.

A server that is gone is tried again ever more seldom, and keeps nobody waiting. What is seen is handed to one listener.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Protocol

from trimtab.errors import RefusedError, TrimtabError
from trimtab.history.facts import ServerFacts
from trimtab.lifecycle.collect_server import Pace, Seen, ServerCollector, Target
from trimtab.model.traffic import StatementKey

_JOIN_SECONDS = 15.0
_STACK_BYTES = 1 << 20


class Listener(Protocol):
    """Who is handed what was seen, from the threads of the servers."""

    def seen(self, name: str, seen: Seen) -> None:
        """Take what a step found. What it raises is handed to `trouble`."""

    def trouble(self, name: str, error: TrimtabError) -> None:
        """Take that what was seen could not be kept, or that a server cannot be looked at at all."""


@dataclass(frozen=True, slots=True)
class Remembered:
    """What is known of a server from before: its facts, and whether statements that it knows are the workload's."""

    facts: ServerFacts
    known: Mapping[StatementKey, bool] = field(default_factory=dict[StatementKey, bool])


@dataclass(slots=True)
class Collecting:
    """Collectors of several servers. `start` begins, `stop` ends them all; `pause` lets them wait.

    `focus` is the server whose sessions somebody looks at now. `fault` is what ended them all: a fault of ours, or that
    no server may be looked at, since the role on each of them may do too much.
    """

    targets: Iterable[Target]
    pace: Pace
    listener: Listener
    remembered: Callable[[str], Remembered] = lambda name: Remembered(ServerFacts(name))
    application_name: str = "trimtab collect"
    clock: Callable[[], int] = time.time_ns
    tick: Callable[[], float] = time.monotonic
    focus: str | None = None
    fault: BaseException | None = None
    _names: frozenset[str] = frozenset()
    _refused: set[str] = field(default_factory=set)
    _threads: list[threading.Thread] = field(default_factory=list)
    _ended: threading.Event = field(default_factory=threading.Event)
    _goes: threading.Event = field(default_factory=threading.Event)

    def start(self) -> None:
        """Begin to look at all servers."""
        self._goes.set()
        before = threading.stack_size(_STACK_BYTES)
        try:
            targets = list(self.targets)
            self._names = frozenset(target.name for target in targets)
            for number, target in enumerate(targets):
                # Spread over the interval, so that they do not all come at once.
                delay = self.pace.pulse_seconds * number / max(len(targets), 1)
                thread = threading.Thread(target=self._run, args=(target, delay), name=target.name, daemon=True)
                self._threads.append(thread)
                thread.start()
        finally:
            threading.stack_size(before)

    def pause(self, *, is_paused: bool) -> None:
        """Let all wait, or go on."""
        if is_paused:
            self._goes.clear()
        else:
            self._goes.set()

    def stop(self) -> None:
        """End all, and wait for what is being read."""
        self._ended.set()
        self._goes.set()
        deadline = self.tick() + _JOIN_SECONDS
        for thread in self._threads:
            thread.join(max(deadline - self.tick(), 0.0))
        self._threads.clear()

    def wait(self, seconds: float | None = None) -> None:
        """Wait until the end, or for so many seconds. Raises what ended them all: a fault of ours, RefusedError."""
        self._ended.wait(seconds)
        if self.fault is not None:
            raise self.fault

    def _run(self, target: Target, delay: float) -> None:
        collector = None
        try:
            before = self._remembered(target.name)
            if before is None:
                return
            collector = ServerCollector(
                target, self.pace, self.clock, self.tick, before.facts, self.application_name, dict(before.known)
            )
            due = self.tick() + delay
            while not self._ended.wait(max(due - self.tick(), 0.0)):
                self._goes.wait()
                if self._ended.is_set():
                    return
                wait = self._step(target, collector)
                # A step that takes long skips ticks, and never piles up work.
                due = max(due + self.pace.pulse_seconds, self.tick() + wait)
                due = max(due, self.tick())
        except BaseException as fault:
            self.fault = fault
            self._ended.set()
        finally:
            if collector is not None:
                collector.close()

    def _remembered(self, name: str) -> Remembered | None:
        """Return what is remembered of a server, as soon as that can be told; None when the end came before."""
        while not self._ended.is_set():
            try:
                return self.remembered(name)
            except TrimtabError as error:
                self.listener.trouble(name, error)
                self._ended.wait(self.pace.round_seconds)
        return None

    def _step(self, target: Target, collector: ServerCollector) -> float:
        collector.pace = self.pace
        collector.reads_sessions = self.focus == target.name
        try:
            seen, wait = collector.step()
            self.listener.seen(target.name, seen)
            self._end_refused(target.name, seen.refusal)
            return wait
        except TrimtabError as error:
            self.listener.trouble(target.name, error)
            return max(self.pace.pulse_seconds, self.pace.round_seconds)

    def _end_refused(self, name: str, refusal: RefusedError | None) -> None:
        """End where every server is refused: there is nothing to look at until somebody gives another role."""
        if refusal is None:
            self._refused.discard(name)
            return
        self._refused.add(name)
        if self._refused >= self._names:
            self.fault = refusal
            self._ended.set()
