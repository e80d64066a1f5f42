"""One watcher's memory and its round: read, difference, judge, keep. All that a round learns is written at once.

What happened to the server between two rounds is noted, and never differenced across. It reads only, acts on nothing,
and never says that all is well where it could not judge.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace

import numpy as np

from trimtab.anchor.effect import TIGHTEST_AT
from trimtab.anchor.intervals import interval_between
from trimtab.anchor.learning import RATE, Sensitivity, learn, only_judged
from trimtab.anchor.track import IDLE
from trimtab.anchor.vigil import Seen, Vigil, closed, grown, observe, open_alarms
from trimtab.anchor.watched_dimensions import ROWS, unknown_dimensions, watched_dimensions
from trimtab.db.connection import Connection
from trimtab.lifecycle.watch_alarms import alarms_of, cause_word, effect_bounds, since_rising
from trimtab.lifecycle.watch_causes import Surroundings, causes_of, read_surroundings
from trimtab.lifecycle.watch_facts import not_judged, round_facts
from trimtab.lifecycle.watch_plans import Checked, PlanChecks
from trimtab.lifecycle.watch_proofs import LEARNT, to_be_explained
from trimtab.lifecycle.watch_shapes import Shapes
from trimtab.lifecycle.watch_slots import interval_of
from trimtab.lifecycle.watch_state import (
    pack_baseline,
    pack_reading,
    pack_vigil,
    unpack_baseline,
    unpack_reading,
    unpack_vigil,
)
from trimtab.lifecycle.watch_statements import describe_new, heaviest_first, hidden_events, is_blind, of_workload
from trimtab.lifecycle.watch_store import ROUND, KnownStatement, WatchStore
from trimtab.model.traffic import StatementKey
from trimtab.model.watched import Alarm, Gap, Interval, Reading, Unjudged, Watched
from trimtab.observe.own_statements import SystemNames
from trimtab.observe.watched import Source, read_round

CHECKPOINT_SECONDS = 60.0
GROWN_EVERY_ROUNDS = 360
FORGOTTEN_AFTER_NS = 7 * 86400 * 10**9
NEVER = Gap.NOT_BEFORE
BLIND = "blind"
NO_ALARM = "-"
"""Less load is an event, and no alarm: it is the application's business, and comes every night."""
_RATE_ROW = -RATE - 1


@dataclass(frozen=True, slots=True)
class Told:
    """What a round came to: its state in a word, what happened, and new alarms."""

    state: str
    events: Sequence[tuple[str, Mapping[str, object]]]
    alarms: Sequence[Alarm]
    dimensions: Sequence[Watched]
    open_alarms: int


@dataclass(slots=True)
class Memory:
    """What one watcher knows. `shapes` has the levels of an anchor, `level_of` is its id or LEARNT.

    `anchored` are the surroundings of that anchor; without one those of when the level was learnt are kept.
    """

    store: WatchStore
    sensitivity: Sensitivity
    learn_rounds: int
    shapes: Shapes = field(default_factory=Shapes)
    level_of: str = LEARNT
    anchored: Surroundings | None = None
    reading: Reading | None = None
    vigil: Vigil | None = None
    known: dict[StatementKey, KnownStatement] = field(default_factory=dict)
    rounds: int = 0
    skipped_ticks: int = 0
    _checkpoint_ns: int = 0
    _since_growth: int = 0
    _hidden: int = 0
    _mends: list[tuple[str, Mapping[str, object]]] = field(default_factory=list)

    def resume(self, now_ns: int) -> None:
        """Take up what an earlier watcher has left. What cannot be read of it is learnt anew, and told."""
        store = self.store
        self.known = store.statements()
        reading, baseline, vigil = (store.blob(name) for name in ("reading", "baseline", "vigil"))
        try:
            self.reading = unpack_reading(reading) if reading is not None else None
            if baseline is not None:
                base = unpack_baseline(baseline)
                self.vigil = unpack_vigil(vigil, base) if vigil is not None else Vigil.start(base)
        except (ValueError, KeyError, TypeError):
            self.reading = self.vigil = None
            self._mends.append(("state_lost", {"next": "learning anew"}))
        self._checkpoint_ns = 0  # the first round is written down whole
        with store.writing():
            if self.reading is None:
                store.put_fact("learning_since_ns", now_ns)
            else:  # by that time there was another checkpoint
                store.forget_slots(self.reading.wall_ns, self.reading.wall_ns + int(CHECKPOINT_SECONDS * 2e9))
        self._agree_on_alarms(now_ns)

    def learn_anew(self, now_ns: int, why: str) -> None:
        """Forget the baseline; open alarms end, since nothing holds them any more."""
        self.vigil = None
        with self.store.writing():
            for name in ("baseline", "vigil"):
                self.store.put_blob(name, None)
            self.store.put_fact("learning_since_ns", now_ns)
            self.store.put_fact("baseline", None)
            self.store.put_fact("stability", None)
            self.store.put_fact("surroundings", None)
            self.store.forget_shapes()
            for kept in self.store.alarms(is_open=True):
                self.store.end_alarm(kept.alarm.id, now_ns, why)
                self._mends.append(("ended", {"id": kept.alarm.id, "why": why}))
            self._mends.append(("learning", {"why": why}))
        self.known = self.store.statements()

    def round(
        self,
        conn: Connection,
        source: Source,
        system: SystemNames,
        checks: PlanChecks,
        *,
        clock: Callable[[], int],
        tick: Callable[[], float],
    ) -> Told:
        """Read once and judge what ran since the last reading. Raises SourceError, LedgerError."""
        reading = read_round(conn, source, wall_ns=clock(), tick=tick())
        events = [*self._mends]
        names = describe_new(conn, source, system, reading, self.known)
        step = interval_between(self.reading, reading) if self.reading is not None else NEVER
        if isinstance(step, Gap) and step is not NEVER:
            events.append(("gap", {"why": step.value, "code": step.name.lower()}))
        events += hidden_events(self._hidden, reading)
        self._hidden = reading.hidden
        blind = is_blind(reading, self.known, names)
        vigil, seen, alarms = self.vigil, None, {}
        learnt_in = None
        if vigil is not None and self._then() is None:
            learnt_in = read_surroundings(conn)
        interval = of_workload(step, self.known, names) if isinstance(step, Interval) else None
        if vigil is not None and interval is not None:
            seen = observe(vigil, interval, self.sensitivity)
            alarms = self._alarms(seen, interval, reading.wall_ns, conn, source, checks)
            vigil = open_alarms(seen.vigil, {row: alarm.id for row, alarm in alarms.items()})
            if RATE in seen.shown_dimensions:
                vigil = open_alarms(vigil, {_RATE_ROW: NO_ALARM})
                events.append(("throughput_fell", {"calls_per_second": round(seen.now.rate, 3)}))
        checked = self._check_plans(conn, source, checks, reading)
        if vigil is not None:
            vigil, found = self.shapes.held_against(vigil, checked, self.known)
            events += found
        with self.store.writing():
            self.known |= self.store.add_statements(names, reading.wall_ns)
            if learnt_in is not None:
                self.store.put_fact("surroundings", learnt_in.as_fact())
            self._keep_shapes(checked)
            self.store.set_aside(reading.wall_ns)
            if interval is not None:
                self.store.add_round(interval, [self.known[key].number for key in interval.keys])
            if seen is not None:
                self._count_breaches(seen, reading.wall_ns)
            for alarm in alarms.values():
                self.store.add_alarm(alarm)
                events.append(("alarm", {"id": alarm.id, "subject": alarm.subject, "cause": cause_word(alarm)}))
            for alarm_id in seen.gone if seen is not None else ():
                self.store.end_alarm(alarm_id, reading.wall_ns, "went away")
                events.append(("throughput_back", {}) if alarm_id == NO_ALARM else ("ended", {"id": alarm_id}))
            vigil, learnt = self._learnt(vigil, reading.wall_ns)
            events += learnt
            dimensions = self._dimensions(seen, vigil)
            told = Told(self._state(vigil, blind=blind), events, list(alarms.values()), dimensions, self._open(vigil))
            for kind, detail in events:
                self.store.add_event(reading.wall_ns, kind, detail)
            self._put_status(told, reading, interval, seen, vigil, checks)
            is_due = bool(alarms or events) or reading.wall_ns - self._checkpoint_ns >= CHECKPOINT_SECONDS * 1e9
            if is_due or reading.wall_ns < self._checkpoint_ns:
                self._put_checkpoint(reading, vigil)
        self.reading, self.vigil, self._mends = reading, vigil, []
        return told

    def checkpoint(self) -> None:
        """Write what a next watcher needs to go on from here."""
        if self.reading is not None:
            with self.store.writing():
                self._put_checkpoint(self.reading, self.vigil)

    def note(self, at_ns: int, kind: str, detail: Mapping[str, object], *, state: str | None = None) -> None:
        """Write an event, and what the status says from now on."""
        with self.store.writing():
            self.store.add_event(at_ns, kind, detail)
            if state is not None:
                status = self.store.fact("status")
                known = status if isinstance(status, dict) else {}
                self.store.put_fact("status", {**known, "state": state, "state_since_ns": at_ns})

    def _put_checkpoint(self, reading: Reading, vigil: Vigil | None) -> None:
        self.store.put_blob("reading", pack_reading(reading))
        if vigil is not None:
            self.store.put_blob("vigil", pack_vigil(vigil))
        seen = [self.known[key].number for key in reading.keys if key in self.known]
        if self.store.forget_statements(seen, reading.wall_ns):
            self.known = self.store.statements()
        self._checkpoint_ns = reading.wall_ns

    def _learnt(self, vigil: Vigil | None, now_ns: int) -> tuple[Vigil | None, list[tuple[str, Mapping[str, object]]]]:
        since = self.store.fact("learning_since_ns")
        begin = since if isinstance(since, int) else 0
        if begin > now_ns:  # a clock was set back
            begin = now_ns
            self.store.put_fact("learning_since_ns", begin)
        if vigil is None:
            if self.store.slot_count(ROUND, begin) < self.learn_rounds:
                return None, []
            base = learn(self.intervals(begin), self.sensitivity, self.shapes.references)
            self.store.put_blob("baseline", pack_baseline(base))
            self.store.put_fact("baseline", {"at_ns": now_ns, "level_of": self.level_of})
            judged = int(base.is_judged().sum())
            detail = {"statements": len(base.keys), "judged": judged, "level_of": self.level_of}
            return Vigil.start(base), [("learnt", detail)]
        self._since_growth += 1
        if self._since_growth < max(self.learn_rounds, GROWN_EVERY_ROUNDS):
            return vigil, []
        self._since_growth = 0
        known = frozenset(vigil.baseline.keys)
        more = learn(self.intervals(0), self.sensitivity, self.shapes.references, leave_out=known)
        # The new ones' levels are learnt late, and only those that can be judged are worth a row.
        after = grown(vigil, only_judged(more), unseen_since_ns=now_ns - FORGOTTEN_AFTER_NS)
        self.store.put_blob("baseline", pack_baseline(after.baseline))
        self.store.put_blob("vigil", pack_vigil(after))
        new = len(set(after.baseline.keys) - set(vigil.baseline.keys))
        return after, [("grown", {"statements": new})] if new else []

    def intervals(self, begin_ns: int) -> list[Interval]:
        """Return what ran in the newest rounds, from those on that began then; the oldest first."""
        by_number = {known.number: key for key, known in self.known.items()}
        return [interval_of(slot, by_number) for slot in self.store.slots(ROUND, begin_ns)]

    def _count_breaches(self, seen: Seen, now_ns: int) -> None:
        """Add to what was looked at since the level is in force, and how much of that was beyond its service level."""
        kept = self.store.fact("stability")
        known = kept if isinstance(kept, dict) else {"since_ns": now_ns, "looks": 0, "breaches": 0}
        more = {"looks": known["looks"] + seen.looks, "breaches": known["breaches"] + seen.breaches}
        self.store.put_fact("stability", {**known, **more})

    def _check_plans(self, conn: Connection, source: Source, checks: PlanChecks, reading: Reading) -> list[Checked]:
        suspects: list[StatementKey] = []
        if self.vigil is not None:
            heaviest: Sequence[StatementKey] = self.vigil.baseline.keys
            evidence = self.vigil.statements.evidence.max(axis=(1, 2), initial=0.0)
            rows = np.argsort(-evidence, kind="stable")[:1].tolist()
            suspects = [self.vigil.baseline.keys[row] for row in rows if evidence[row] > IDLE]
        else:
            known = heaviest_first(reading)
            heaviest = [key for key in known if key in self.known and self.known[key].is_workload]
        return checks.check(conn, source, heaviest, suspects)

    def _keep_shapes(self, checked: Sequence[Checked]) -> None:
        """The first shape that is seen is the baseline's, where no anchor has one."""
        for each in checked:
            known = self.known.get(each.key)
            if known is not None and each.shape and not known.shape:
                self.store.put_shape(known.number, each.shape)
                self.known[each.key] = replace(known, shape=each.shape)

    def _alarms(
        self, seen: Seen, interval: Interval, now_ns: int, conn: Connection, source: Source, checks: PlanChecks
    ) -> dict[int, Alarm]:
        if not seen.shown and not set(seen.shown_dimensions) - {RATE}:
            return {}
        keys = seen.vigil.baseline.keys
        # The plan of what is told now is looked at now.
        for each in checks.check(conn, source, [], [keys[row] for row in seen.shown][:4]):
            self.shapes.note(each, self.known.get(each.key))
        then = self._then()
        words = [self.shapes.word(key) for key in keys]
        tables = {row: checks.relations(conn, source, keys[row]) or frozenset() for row in seen.shown}
        causes = (
            causes_of(
                seen,
                then,
                lambda wanted: read_surroundings(conn, wanted),
                tables=tables,
                plans={row: words[row] for row in seen.shown},
            )
            if then is not None
            else {}
        )
        effects = {
            row: effect_bounds(
                seen,
                row,
                [*self.intervals(since_rising(seen, row))[-TIGHTEST_AT:], interval],
                self.sensitivity.error_rate,
            )
            for row in seen.shown
        }
        return alarms_of(
            seen,
            interval,
            self.sensitivity,
            names=[self.known[key].name if key in self.known else str(key[1]) for key in keys],
            plans=words,
            level_of=self.level_of,
            unjudged=self._unjudged(seen, interval, None),
            causes=causes,
            attributions={row: to_be_explained(self.level_of, causes.get(row), words[row]) for row in seen.shown},
            effects=effects,
            now_ns=now_ns,
        )

    def _then(self) -> Surroundings | None:
        """Return what the host and the tables were when the level was taken."""
        return self.anchored or Surroundings.of_fact(self.store.fact("surroundings"))

    def _agree_on_alarms(self, now_ns: int) -> None:
        """The file may know alarms that the last checkpoint did not, and the other way round."""
        kept = {each.alarm.id: each.alarm for each in self.store.alarms(is_open=True)}
        if self.vigil is None:
            with self.store.writing():
                for alarm_id in kept:
                    self.store.end_alarm(alarm_id, now_ns, "the baseline is gone")
            return
        place = self.vigil.place
        rows = {
            alarm_id: place.get(alarm.key) if alarm.key is not None else -ROWS.index(alarm.subject) - 1
            for alarm_id, alarm in kept.items()
        }
        held = {row: alarm_id for alarm_id, row in rows.items() if row is not None}
        if _RATE_ROW in self.vigil.open_ids:
            held[_RATE_ROW] = NO_ALARM
        self.vigil = open_alarms(closed(self.vigil), held)

    def _dimensions(self, seen: Seen | None, vigil: Vigil | None) -> tuple[Watched, ...]:
        if seen is not None and vigil is not None:
            return watched_dimensions(replace(seen, vigil=vigil), self.sensitivity.margin)
        return unknown_dimensions("learning" if vigil is None else "no interval to judge")

    def _unjudged(self, seen: Seen | None, interval: Interval | None, reading: Reading | None) -> list[Unjudged]:
        unread = 0 if reading is None else sum(key not in self.known for key in reading.keys)
        hidden, hidden_share = (0, 0.0) if reading is None else (reading.hidden, reading.hidden_share)
        return not_judged(seen, interval, unread=unread, hidden=hidden, hidden_share=hidden_share)

    def _put_status(
        self,
        told: Told,
        reading: Reading,
        interval: Interval | None,
        seen: Seen | None,
        vigil: Vigil | None,
        checks: PlanChecks,
    ) -> None:
        self.rounds += 1
        since = self.store.fact("learning_since_ns")
        self.store.put_fact(
            "status",
            {
                "state": told.state,
                "rounds": self.rounds,
                "skipped_ticks": self.skipped_ticks,
                "interval_seconds": self.sensitivity.seconds_per_look,
                "learnt_rounds": self.store.slot_count(ROUND, since if isinstance(since, int) else 0),
                "learn_rounds": self.learn_rounds,
                "level_of": self.level_of,
                "plans_checked": checks.checked,
                "plans_not_checked": dict(checks.reasons()),
                "dimensions": [asdict(each) for each in told.dimensions],
                "not_judged": [asdict(each) for each in self._unjudged(seen, interval, reading)],
                **round_facts(reading, interval, seen, vigil),
            },
        )

    @staticmethod
    def _state(vigil: Vigil | None, *, blind: bool) -> str:
        if vigil is not None and open_count(vigil):
            return "alarm"
        if blind:
            return BLIND
        return "learning" if vigil is None else "watching"

    @staticmethod
    def _open(vigil: Vigil | None) -> int:
        return 0 if vigil is None else open_count(vigil)


def open_count(vigil: Vigil) -> int:
    """Return how many alarms are open."""
    return sum(alarm_id != NO_ALARM for alarm_id in vigil.open_ids.values())
