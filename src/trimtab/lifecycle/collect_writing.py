"""Keeps what collectors see in the history's store: a write a round and server, and the roll-up once a minute.

While the store takes nothing (locked, full, its server gone) what was seen waits in memory, joined as it grows, and is
written when it takes again. It judges nothing.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np

from trimtab.errors import LedgerError, TrimtabError
from trimtab.history.facts import ServerFacts
from trimtab.history.known import KnownStatement
from trimtab.history.rolling import drop_old, roll_up, set_aside
from trimtab.history.sample import Sample, joined_samples
from trimtab.history.slots import Slot
from trimtab.history.store import PULSE, RELATIONS, HistoryStore
from trimtab.history.tiers import HOUR, LENGTH_NS, MINUTE, RAW, SECOND_NS
from trimtab.lifecycle.collect_server import Event, Seen
from trimtab.lifecycle.collecting import Remembered
from trimtab.model.traffic import StatementKey
from trimtab.model.watched import Interval
from trimtab.observe.watched import Described

MOST_WAITING = 360
"""So many rounds of a server wait for the store at most; then its samples become one, and the oldest are dropped."""


@dataclass(slots=True)
class _Waiting:
    """What was seen of a server and is not written yet; `numbers` are those that the store gave its statements."""

    server: int
    numbers: dict[StatementKey, int]
    facts: ServerFacts
    samples: list[Sample] = field(default_factory=list)
    rounds: list[Sample] = field(default_factory=list)
    intervals: list[Interval] = field(default_factory=list)
    relations: list[Sample] = field(default_factory=list)
    texts: dict[StatementKey, Described] = field(default_factory=dict)
    events: list[tuple[int, Event]] = field(default_factory=list)
    ran: set[int] = field(default_factory=set)
    minute_ns: int = 0
    hour_ns: int = 0
    lost_rounds: int = 0


@dataclass(slots=True)
class HistoryWriter:
    """A listener of collectors that writes. `on_trouble` is told what it cannot write, `on_kept` whose was written, and
    `on_seen` each step.
    """

    store: HistoryStore
    round_seconds: float
    on_seen: Callable[[str, Seen], None] = lambda _name, _seen: None
    on_trouble: Callable[[str, TrimtabError], None] = lambda _name, _error: None
    on_kept: Callable[[str], None] = lambda _name: None
    _waiting: dict[str, _Waiting] = field(default_factory=dict)

    def remembered(self, name: str) -> Remembered:
        """Return what the store knows of a server; it is added to the store when it is new. Raises LedgerError."""
        with self.store.writing() as connection:
            server = self.store.server_id(connection, ServerFacts(name))
        facts = dict(self.store.servers())[server]
        statements = self.store.statements(server)
        self._waiting[name] = _Waiting(server, {each.key: each.number for each in statements.values()}, facts)
        return Remembered(facts, {each.key: each.is_workload for each in statements.values() if each.name})

    def seen(self, name: str, seen: Seen) -> None:
        """Take what a step found, and write it when a round is whole."""
        self.on_seen(name, seen)
        waiting = self._waiting[name]
        waiting.facts = seen.facts
        waiting.events += [(seen.at_ns, event) for event in seen.events]
        waiting.texts |= seen.texts
        if seen.sample is not None:
            waiting.samples.append(seen.sample)
        if seen.interval is not None:
            waiting.intervals.append(seen.interval)
        if seen.relations is not None:
            waiting.relations.append(seen.relations)
        is_whole = sum(sample.seconds for sample in waiting.samples) >= self.round_seconds * 0.99
        if is_whole or seen.events or seen.relations is not None or not seen.facts.is_up:
            if waiting.samples:
                waiting.rounds.append(joined_samples(waiting.samples[0].start_ns, waiting.samples))
                waiting.samples = []
            self._write(name, waiting, seen.at_ns)

    def trouble(self, name: str, error: TrimtabError) -> None:
        """Hand on that a server cannot be looked at."""
        self.on_trouble(name, error)

    def flush(self, now_ns: int) -> None:
        """Write what waits of all servers: at the end, once no collector runs any more."""
        for name, waiting in self._waiting.items():
            if waiting.samples:
                waiting.rounds.append(joined_samples(waiting.samples[0].start_ns, waiting.samples))
                waiting.samples = []
            if waiting.rounds or waiting.intervals or waiting.events:
                self._write(name, waiting, now_ns)

    def _write(self, name: str, waiting: _Waiting, now_ns: int) -> None:
        minute_ns, hour_ns = (now_ns - now_ns % LENGTH_NS[tier] for tier in (MINUTE, HOUR))
        is_due = minute_ns != waiting.minute_ns
        # What began in the minute before may be written a round later.
        over_ns = now_ns - int(self.round_seconds * SECOND_NS)
        try:
            with self.store.writing() as connection:
                if is_due:
                    set_aside(self.store, connection, waiting.server, over_ns)
                added, described = self._new_statements(waiting, now_ns)
                numbers = waiting.numbers | self.store.add_statements(connection, waiting.server, added)
                self.store.describe_statements(connection, waiting.server, described)
                for interval in waiting.intervals:
                    slot = _slot(interval, numbers)
                    self.store.add_slot(connection, waiting.server, slot)
                    waiting.ran.update(slot.numbers.tolist())
                for sample in waiting.rounds:
                    self.store.add_sample(connection, waiting.server, PULSE, RAW, sample)
                for sample in waiting.relations:
                    self.store.add_sample(connection, waiting.server, RELATIONS, RAW, sample)
                for at_ns, (kind, detail) in waiting.events:
                    self.store.add_event(connection, waiting.server, at_ns, kind, detail)
                if waiting.lost_rounds:
                    lost = {"rounds": waiting.lost_rounds}
                    self.store.add_event(connection, waiting.server, now_ns, "history_lost", lost)
                self.store.put_facts(connection, waiting.server, waiting.facts)
                if is_due:
                    self.store.saw_statements(connection, waiting.server, waiting.ran, now_ns)
                    roll_up(self.store, connection, waiting.server, over_ns)
                if hour_ns != waiting.hour_ns:
                    drop_old(self.store, connection, waiting.server, over_ns)
        except LedgerError as error:
            self._make_room(waiting)
            self.on_trouble(name, error)
            return
        waiting.numbers, waiting.hour_ns = numbers, hour_ns
        if is_due:
            waiting.minute_ns = minute_ns
            waiting.ran = set()
        waiting.rounds, waiting.intervals, waiting.relations = [], [], []
        waiting.texts, waiting.events, waiting.lost_rounds = {}, [], 0
        self.on_kept(name)

    def _new_statements(
        self, waiting: _Waiting, now_ns: int
    ) -> tuple[list[KnownStatement], dict[int, tuple[str, str, bool]]]:
        """Return statements that the store does not have, and what is new of those that it has."""
        ran = {key for interval in waiting.intervals for key in interval.keys}
        added = [
            KnownStatement(0, key, *_described(key, waiting.texts.get(key)), now_ns, now_ns)
            for key in sorted(ran | waiting.texts.keys())
            if key not in waiting.numbers
        ]
        described = {
            waiting.numbers[key]: _described(key, text) for key, text in waiting.texts.items() if key in waiting.numbers
        }
        return added, described

    @staticmethod
    def _make_room(waiting: _Waiting) -> None:
        if len(waiting.rounds) > MOST_WAITING:
            waiting.rounds = [joined_samples(waiting.rounds[0].start_ns, waiting.rounds)]
        if len(waiting.intervals) > MOST_WAITING:
            waiting.lost_rounds += len(waiting.intervals) - MOST_WAITING
            waiting.intervals = waiting.intervals[-MOST_WAITING:]
        waiting.events = waiting.events[-MOST_WAITING * 10 :]
        waiting.relations = waiting.relations[-MOST_WAITING:]


def _slot(interval: Interval, numbers: dict[StatementKey, int]) -> Slot:
    of = np.array([numbers[key] for key in interval.keys], dtype=np.int64)
    return Slot(RAW, interval.start_ns, interval.seconds, interval.active_sessions, of, interval.counts)


def _described(key: StatementKey, described: Described | None) -> tuple[str, str, bool]:
    """Return a statement's name, its text without literals, and whether it is the workload's; "" is not known yet."""
    if described is None:
        return "", "", True
    text = described.query.normalized_text if described.query is not None else ""
    return described.name or f"statement {key[1]}", text, described.is_workload
