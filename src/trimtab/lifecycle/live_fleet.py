"""What a monitor holds of the servers that it looks at itself: the last seconds of each, and no more.

It answers as the history does, with the same values. A server that went down keeps its last values, with their age.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from trimtab.errors import TrimtabError
from trimtab.history.facts import ServerFacts
from trimtab.history.known import KnownStatement, Label
from trimtab.history.measure import health_of, joined_window
from trimtab.history.metrics import METRICS
from trimtab.history.profiles import wait_profile
from trimtab.history.queries import page_of
from trimtab.history.sample import Sample, joined_samples
from trimtab.history.slots import Slot
from trimtab.history.tiers import RAW
from trimtab.history.values import HistoryEvent, QueryPage, ServerHealth, WaitProfile, Window
from trimtab.lifecycle.collect_server import Seen
from trimtab.model.traffic import StatementKey
from trimtab.observe.sessions import Session

TRAILS = ("transactions_per_second", "active_sessions", "calls_per_second", "mean_execution_ms", "host_cpu_ratio")
"""Metrics of which each look's value is kept, for sparklines."""
TRAIL_POINTS = 120
WINDOW_SECONDS = 10.0
QUERY_SECONDS = 300.0
_MOST_EVENTS = 500
_MOST_STATEMENTS = 20_000


@dataclass(slots=True)
class _Kept:
    facts: ServerFacts
    samples: deque[Sample] = field(default_factory=deque)
    trails: dict[str, deque[float | None]] = field(default_factory=dict)
    slots: deque[Slot] = field(default_factory=deque)
    numbers: dict[StatementKey, int] = field(default_factory=dict)
    statements: dict[int, KnownStatement] = field(default_factory=dict)
    sessions: Sequence[Session] = ()
    last_number: int = 0
    trouble: str = ""


class LiveFleet:
    """A listener of collectors. Safe to use from several threads. `revision` grows with each look."""

    def __init__(self, names: Iterable[str], clock: Callable[[], int] = time.time_ns) -> None:
        self._servers = {name: _Kept(ServerFacts(name)) for name in names}
        self._events: deque[HistoryEvent] = deque(maxlen=_MOST_EVENTS)
        self._clock = clock
        self._turn = threading.Lock()
        self.revision = 0

    def seen(self, name: str, seen: Seen) -> None:
        """Take what a step found."""
        with self._turn:
            kept = self._servers[name]
            kept.facts, kept.trouble = seen.facts, ""
            self.revision += 1
            for kind, detail in seen.events:
                self._events.appendleft(HistoryEvent(self.revision, name, seen.at_ns, kind, detail))
            if seen.sample is not None:
                self._take_sample(kept, seen.sample)
            if seen.sessions is not None:
                kept.sessions = seen.sessions
            self._take_statements(kept, seen)

    def trouble(self, name: str, error: TrimtabError) -> None:
        """Take that a server cannot be looked at at all: its conninfo or its password command does not work."""
        with self._turn:
            kept = self._servers[name]
            now = self._clock()
            if kept.trouble != error.code:
                kept.trouble = error.code
                self._events.appendleft(HistoryEvent(self.revision, name, now, "trouble", {"code": error.code}))
            since = kept.facts.state_since_ns if not kept.facts.is_up and kept.facts.state_since_ns else now
            kept.facts = replace(kept.facts, is_up=False, code=error.code, tried_ns=now, state_since_ns=since)
            self.revision += 1

    def fleet(self) -> Sequence[ServerHealth]:
        """Return all servers in the order given, with their metrics of the last seconds."""
        with self._turn:
            return [self._health(kept) for kept in self._servers.values()]

    def health(self, name: str) -> ServerHealth:
        """Return one server."""
        with self._turn:
            return self._health(self._servers[name])

    def trail(self, name: str, metric: str) -> Sequence[float | None]:
        """Return the values of the last looks, the newest last; None where it was not measured."""
        with self._turn:
            return tuple(self._servers[name].trails.get(metric, ()))

    def settings(self, name: str) -> Mapping[str, str]:
        """Return the settings of a server that are not defaults."""
        with self._turn:
            return dict(self._servers[name].facts.settings)

    def sessions(self, name: str) -> Sequence[Session]:
        """Return the sessions at work as they were seen last, where the collectors' focus was on that server."""
        with self._turn:
            return self._servers[name].sessions

    def waits(self, name: str) -> WaitProfile:
        """Return what sessions at work wait for, in the last seconds."""
        with self._turn:
            kept = self._servers[name]
            whole, window = self._window(kept)
            return wait_profile(name, whole, window, kept.facts.missing.get("sessions", ""))

    def top_queries(self, name: str, *, sort: str = "total_ms", limit: int = 50, search: str = "") -> QueryPage:
        """Return the queries that ran in the last minutes, the most first."""
        with self._turn:
            kept = self._servers[name]
            begin = kept.slots[0].start_ns if kept.slots else self._clock()
            window = Window(begin, self._clock(), sum(slot.seconds for slot in kept.slots))
            return page_of(
                name, window, tuple(kept.slots), lambda numbers: _labels(kept, numbers), lambda _: kept.statements,
                sort=sort, limit=limit, offset=0, search=search, is_workload=True,
            )  # fmt: skip

    def query_trail(self, name: str, query_id: str) -> Sequence[tuple[int, float, float | None]]:
        """Return one query's intervals: when each began, its calls a second and their mean in milliseconds."""
        with self._turn:
            kept = self._servers[name]
            numbers = [number for number, each in kept.statements.items() if each.name == query_id]
            found = []
            for slot in kept.slots:
                calls, total, *_ = slot.counts[np.isin(slot.numbers, numbers)].sum(axis=0).tolist()
                found.append(
                    (slot.start_ns, calls / slot.seconds if slot.seconds else 0.0, total / calls if calls else None)
                )
            return found

    def events(self, server: str | None = None, limit: int = 100) -> Sequence[HistoryEvent]:
        """Return what happened since the monitor began, the newest first."""
        with self._turn:
            return [event for event in self._events if server in (None, event.server)][:limit]

    def _take_sample(self, kept: _Kept, sample: Sample) -> None:
        kept.samples.append(sample)
        span = sum(each.seconds for each in kept.samples)
        while len(kept.samples) > 1 and span - kept.samples[0].seconds >= WINDOW_SECONDS:
            span -= kept.samples.popleft().seconds
        for metric in TRAILS:
            trail = kept.trails.setdefault(metric, deque(maxlen=TRAIL_POINTS))
            value = METRICS[metric].make(sample)
            if value is None and metric not in ("transactions_per_second", "active_sessions"):
                continue  # it is read once a round: in between there is no new value
            trail.append(value)

    def _take_statements(self, kept: _Kept, seen: Seen) -> None:
        for key, described in seen.texts.items():
            number = self._number(kept, key)
            text = described.query.normalized_text if described.query is not None else ""
            name = described.name or f"statement {key[1]}"
            kept.statements[number] = KnownStatement(
                number, key, name, text, described.is_workload, seen.at_ns, seen.at_ns
            )
        if seen.interval is None:
            return
        of = np.array([self._number(kept, key) for key in seen.interval.keys], dtype=np.int64)
        step = seen.interval
        kept.slots.append(Slot(RAW, step.start_ns, step.seconds, step.active_sessions, of, step.counts))
        while len(kept.slots) > 1 and sum(slot.seconds for slot in kept.slots) > QUERY_SECONDS:
            kept.slots.popleft()

    @staticmethod
    def _number(kept: _Kept, key: StatementKey) -> int:
        found = kept.numbers.get(key)
        if found is None:
            if len(kept.numbers) >= _MOST_STATEMENTS:
                oldest = next(iter(kept.numbers))
                kept.statements.pop(kept.numbers.pop(oldest), None)
            kept.last_number += 1
            found = kept.last_number
            kept.numbers[key] = found
            kept.statements[found] = KnownStatement(found, key, f"statement {key[1]}", "", True, 0, 0)
        return found

    def _window(self, kept: _Kept) -> tuple[Sample, Window]:
        samples = tuple(kept.samples)
        begin = samples[0].start_ns if samples else self._clock()
        span = sum(sample.seconds for sample in samples)
        window = Window(begin, begin + int(span * 1e9), span)
        return (joined_samples(begin, samples) if samples else joined_window((), window)), window

    def _health(self, kept: _Kept) -> ServerHealth:
        whole, window = self._window(kept)
        return health_of(kept.facts, whole, window, self._clock())


def _labels(kept: _Kept, numbers: Iterable[int]) -> Mapping[int, Label]:
    known = kept.statements
    return {number: known[number].label for number in numbers if number in known}
