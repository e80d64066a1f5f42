"""One server of the fleet as a collector sees it: its session, what was read last, and what ran since.

It reads only, and keeps nothing on disk. What happened in between (a restart, a fail-over, a reset) is an event, and is
never differenced across; what cannot be read here is named with its reason, and is never zero.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TypeAlias

import numpy as np

from trimtab.anchor.intervals import gap_between, interval_between, seconds_between
from trimtab.db.connection import Connection
from trimtab.db.dsn import describe
from trimtab.db.role import MONITORING, reading
from trimtab.errors import RefusedError, SourceError
from trimtab.history.facts import ServerFacts
from trimtab.history.sample import Sample
from trimtab.history.steps import begun_anew, sample_between
from trimtab.model.pulse import MetricName, Pulse
from trimtab.model.traffic import StatementKey
from trimtab.model.watched import TOTAL_MS, Gap, Interval, Reading
from trimtab.observe.host import postmaster_of, read_host
from trimtab.observe.own_statements import SystemNames, read_system_names
from trimtab.observe.pulse import PulseReader
from trimtab.observe.sessions import Session, read_sessions
from trimtab.observe.watched import Described, Source, open_source, read_instance, read_round, read_texts
from trimtab.observe.watched import describe as described

APPLICATION_NAME = "trimtab collect"
STATEMENT_TIMEOUT_MS = 10_000
LOCK_TIMEOUT_MS = 1_000
DESCRIBED_PER_ROUND = 200
LONGEST_BACK_OFF_SECONDS = 60.0
LEAST_DIFFERENCE_SECONDS = 5.0
"""What two clocks differ by less is not told as an event."""
Event: TypeAlias = tuple[str, Mapping[str, object]]
_STATEMENT_SUMS = ("calls", "total_ms", "squares", "rows", "blocks", "temporary_blocks")
_WITHOUT_STATEMENTS = Source("", (), tells_identifier=True, tells_timeline=True)


@dataclass(frozen=True, slots=True)
class Target:
    """A server to look at: its name in trimtab.toml, and what gives its conninfo (a password may come by a command)."""

    name: str
    conninfo: Callable[[], str]


@dataclass(frozen=True, slots=True)
class Pace:
    """How often what is read, in seconds: the state, the statements, tables with settings."""

    pulse_seconds: float = 1.0
    round_seconds: float = 10.0
    relations_seconds: float = 300.0


@dataclass(frozen=True, slots=True)
class Seen:
    """What one step found. None and empty are what was not due, or could not be read (`facts` says why).

    `sample` is since the step before; `interval` are statements, of which `texts` describes those that are new.
    `sessions` are those at work, where somebody looks at them. `refusal` is why the server was not looked at: the role
    may do more than monitoring needs.
    """

    facts: ServerFacts
    at_ns: int
    sample: Sample | None = None
    pulse: Pulse | None = None
    interval: Interval | None = None
    texts: Mapping[StatementKey, Described] = field(default_factory=dict[StatementKey, Described])
    relations: Sample | None = None
    events: Sequence[Event] = ()
    sessions: Sequence[Session] | None = None
    refusal: RefusedError | None = None


@dataclass(slots=True)
class _Link:
    conn: Connection
    reader: PulseReader
    source: Source | None
    system: SystemNames
    postmaster: int | None


@dataclass(slots=True)
class ServerCollector:
    """Looks at one server, step by step. `clock` tells UTC nanoseconds, `tick` monotonic seconds.

    `reads_sessions` is for somebody who looks at this server's sessions now.
    """

    target: Target
    pace: Pace
    clock: Callable[[], int]
    tick: Callable[[], float]
    facts: ServerFacts
    application_name: str = APPLICATION_NAME
    known: dict[StatementKey, bool] = field(default_factory=dict)
    reads_sessions: bool = False
    _link: _Link | None = None
    _pulse: Pulse | None = None
    _reading: Reading | None = None
    _details: Pulse | None = None
    _relations: tuple[float, Pulse] | None = None
    _round_due: float = 0.0
    _relations_due: float = 0.0
    _failures: int = 0
    _told_ahead: float = 0.0

    def step(self) -> tuple[Seen, float]:
        """Look once; return what was found, and how many seconds to wait at least before the next step."""
        try:
            events: list[Event] = []
            if self._link is None:
                self._link = self._connected()
            return self._look(self._link, events), 0.0
        except (SourceError, RefusedError) as error:
            return self._trouble(error)

    def close(self) -> None:
        """End the session."""
        if self._link is not None:
            self._link.conn.close()
            self._link = None

    def _look(self, link: _Link, events: list[Event]) -> Seen:
        tick = self.tick()
        is_round, is_relations = tick >= self._round_due, tick >= self._relations_due
        pulse = self._with_clock(link.reader.pulse(wall_ns=self.clock(), tick=tick), self.tick() - tick, events)
        sample = self._step(pulse, events)
        if is_round:
            self._round_due = tick + self.pace.round_seconds * 0.99
            sample = self._with_details(link, pulse, sample, events)
        found = Seen(self._up(pulse, events), pulse.moment.wall_ns, sample, pulse)
        if is_round:
            found = self._statements(link, found, events)
        if is_relations:
            self._relations_due = tick + self.pace.relations_seconds * 0.99
            found = replace(found, relations=self._tables(link, pulse), facts=self._settings(link, found.facts, events))
        if self.reads_sessions:
            found = replace(found, sessions=read_sessions(link.conn))
        facts = replace(found.facts, missing=dict(link.reader.missing))
        self.facts = facts
        return replace(found, facts=facts, events=events)

    def _with_clock(self, pulse: Pulse, took_seconds: float, events: list[Event]) -> Pulse:
        """Add how far the server's clock is ahead of ours, which is known to within what the look took."""
        ahead = pulse.moment.instance.clock - pulse.moment.wall_ns / 1e9 - took_seconds / 2
        if abs(ahead - self._told_ahead) > LEAST_DIFFERENCE_SECONDS + took_seconds:
            agrees = abs(ahead) <= LEAST_DIFFERENCE_SECONDS + took_seconds
            self._told_ahead = 0.0 if agrees else ahead
            events.append(("clocks_agree" if agrees else "clocks_differ", {"server_ahead_seconds": round(ahead, 1)}))
        return replace(pulse, gauges={**pulse.gauges, ("clock_ahead_seconds",): ahead})

    def _step(self, pulse: Pulse, events: list[Event]) -> Sample | None:
        before, self._pulse = self._pulse, pulse
        if before is None:
            return None
        gap = gap_between(before.moment, pulse.moment)
        if gap is not None:
            events.append(("gap", {"why": gap.value, "code": gap.name.lower()}))
            self._relations = self._details = None
            return None
        _tell_anew(before, pulse, events)
        return sample_between(before, pulse, seconds_between(before.moment, pulse.moment))

    def _with_details(self, link: _Link, pulse: Pulse, sample: Sample | None, events: list[Event]) -> Sample | None:
        """Add what is read once a round: WAL, checkpoints, I/O and the host, counted since the round before."""
        counters, gauges = dict(link.reader.details()), dict[MetricName, float]()
        host = read_host(link.postmaster) if link.postmaster is not None else None
        if host is not None:
            counters |= host.counters
            gauges |= host.gauges
        now = replace(pulse, counters=counters, gauges=gauges, sessions={})
        before, self._details = self._details, now
        if before is None or sample is None:
            return sample
        _tell_anew(before, now, events)
        seconds = seconds_between(before.moment, now.moment)
        round_ = sample_between(before, now, seconds)
        return replace(
            sample,
            sums={**sample.sums, **round_.sums, ("round", "seconds"): seconds},
            means={**sample.means, **round_.means},
            peaks={**sample.peaks, **round_.peaks},
        )

    def _up(self, pulse: Pulse, events: list[Event]) -> ServerFacts:
        now, instance = pulse.moment.wall_ns, pulse.moment.instance
        facts = self.facts
        if not facts.is_up:
            facts = replace(facts, is_up=True, code="", state_since_ns=now)
            if self._failures:
                events.append(("reachable", {"after_failures": self._failures}))
        self._failures = 0
        return replace(
            facts, database=pulse.database, version=instance.version, is_standby=instance.is_standby,
            timeline=instance.timeline, started_at=instance.started_at, max_connections=pulse.max_connections,
            system_identifier=instance.system_identifier, first_ns=facts.first_ns or now, last_ns=now, tried_ns=now,
            interval_seconds=self.pace.pulse_seconds,
        )  # fmt: skip

    def _statements(self, link: _Link, found: Seen, events: list[Event]) -> Seen:
        if link.source is None:
            return found
        try:
            reading = read_round(link.conn, link.source, wall_ns=self.clock(), tick=self.tick())
        except SourceError as error:
            if link.conn.closed:
                raise
            link.reader.missing["statements"] = error.code
            return found
        link.reader.missing.pop("statements", None)
        if reading.hidden:
            link.reader.missing["statements_of_others"] = f"{reading.hidden} are hidden (GRANT pg_read_all_stats)"
        before, self._reading = self._reading, reading
        step = interval_between(before, reading) if before is not None else Gap.NOT_BEFORE
        if isinstance(step, Gap):
            if step not in (Gap.NOT_BEFORE, Gap.RESTARTED, Gap.FAILED_OVER, Gap.CLOCK_STEPPED, Gap.UPGRADED):
                events.append(("statements_gap", {"why": step.value, "code": step.name.lower()}))
            return replace(found, texts=self._texts(link, reading))
        if step.evictions:
            events.append(("evictions", {"times": step.evictions}))
        texts, sample = self._texts(link, reading), found.sample
        if sample is not None:
            sample = replace(sample, sums={**sample.sums, **self._of_statements(step)})
        return replace(found, interval=step, texts=texts, sample=sample)

    def _of_statements(self, interval: Interval) -> dict[MetricName, float]:
        """Return the sums of the workload's statements; one whose text was not read yet is the workload's."""
        ours = np.array([self.known.get(key, True) for key in interval.keys], dtype=bool)
        sums = interval.counts[ours].sum(axis=0).tolist() if len(ours) else [0.0] * len(_STATEMENT_SUMS)
        return {("statement", "seconds"): interval.seconds} | {
            ("statement", name): value for name, value in zip(_STATEMENT_SUMS, sums, strict=True)
        }

    def _texts(self, link: _Link, reading: Reading) -> dict[StatementKey, Described]:
        """Read what new statements are, the heaviest first, so many a round that it is not felt."""
        assert link.source is not None
        order = (-reading.counts[:, TOTAL_MS]).argsort(kind="stable").tolist()
        wanted = [reading.keys[row] for row in order if reading.keys[row] not in self.known][:DESCRIBED_PER_ROUND]
        if not wanted:
            return {}
        texts = read_texts(link.conn, link.source, wanted)
        by_id = {query_id: described(text, link.system) for query_id, text in texts.items()}
        found = {key: by_id.get(key[1], Described("", True, why="its text is lost")) for key in wanted}
        self.known |= {key: each.is_workload for key, each in found.items()}
        return found

    def _tables(self, link: _Link, pulse: Pulse) -> Sample | None:
        counters, sizes = link.reader.relations()
        now = replace(pulse, counters=counters, gauges=sizes, sessions={})
        before, self._relations = self._relations, (pulse.moment.tick or 0.0, now)
        if before is None:
            # A moment earlier than what follows, which begins now.
            return Sample(pulse.moment.wall_ns - 1, 0.0, {}, sizes, {})
        return replace(sample_between(before[1], now, self._relations[0] - before[0]), peaks={})

    def _settings(self, link: _Link, facts: ServerFacts, events: list[Event]) -> ServerFacts:
        settings = link.reader.settings()
        if facts.settings:
            for name in sorted(settings.keys() | facts.settings.keys()):
                was, now = facts.settings.get(name), settings.get(name)
                if was != now:
                    events.append(("setting_changed", {"setting": name, "from": was, "to": now}))
        return replace(facts, settings=dict(settings))

    def _trouble(self, error: SourceError | RefusedError) -> tuple[Seen, float]:
        """Keep what was seen last; a statement that was broken off costs the session, and the next one is new."""
        self._failures += 1
        self.close()
        now, before = self.clock(), self.facts
        refusal = error if isinstance(error, RefusedError) else None
        events: list[Event] = []
        facts = replace(before, tried_ns=now, code=error.code)
        if before.is_up or not before.state_since_ns:
            facts = replace(facts, is_up=False, state_since_ns=now)
            if refusal is None:
                events.append(("unreachable", {"code": error.code}))
        if refusal is not None and (self._failures == 1 or before.code != error.code):
            events.append(("overprivileged", {"found": str(error)}))
        self.facts = facts
        wait = min(self.pace.pulse_seconds * 2 ** min(self._failures, 10), LONGEST_BACK_OFF_SECONDS)
        return Seen(facts, now, events=events, refusal=refusal), wait

    def _connected(self) -> _Link:
        conninfo = self.target.conninfo()
        self.facts = replace(self.facts, where=describe(conninfo))
        conn = reading(
            conninfo, work=MONITORING, statement_timeout_ms=STATEMENT_TIMEOUT_MS, lock_timeout_ms=LOCK_TIMEOUT_MS
        )
        try:
            conn.execute("select pg_catalog.set_config('application_name', $1, false)", (self.application_name,))
            reader = PulseReader(conn)
            source = self._source(conn, reader)
            found = read_instance(conn, source or _WITHOUT_STATEMENTS)
            reader.system_identifier, reader.timeline = found.system_identifier, found.timeline
            postmaster = postmaster_of(conn)
            if postmaster is None:
                reader.missing["host"] = "the server is on another machine"
            return _Link(conn, reader, source, read_system_names(conn), postmaster)
        except BaseException:
            conn.close()
            raise

    @staticmethod
    def _source(conn: Connection, reader: PulseReader) -> Source | None:
        try:
            return open_source(conn)
        except SourceError as error:
            if conn.closed:
                raise
            reader.missing["statements"] = error.code
            return None


def _tell_anew(before: Pulse, after: Pulse, events: list[Event]) -> None:
    anew = begun_anew(before, after)
    if anew:
        events.append(("counters_reset", {"counters": anew}))
