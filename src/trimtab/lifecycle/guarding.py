"""Acts on a watcher's alarms, one at a time: takes back what `anchor.guard` names, and undoes what did not help.

Where an act stands is in the ledger alone, so that it goes on after any end of the program. Without `--act` there is no
guard; with it nothing is done that the specification forbids. Trouble never ends the watch.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np

from trimtab.anchor.common_mode import Pooled
from trimtab.anchor.guard import (
    LEAST_REFERENCE,
    MOST_REFERENCE,
    Act,
    Candidate,
    Note,
    Subject,
    act_body,
    acts,
    candidates,
    is_slow_still,
    judged,
    made_it,
    noted,
    refusal,
    tables_of,
    touches,
    would_show,
)
from trimtab.anchor.lease import DAY_NS
from trimtab.anchor.vigil import look_at
from trimtab.db.connection import Connection
from trimtab.errors import LedgerError, TrimtabError
from trimtab.ledger.entry import Entry, Kind
from trimtab.ledger.ledger import Ledger
from trimtab.lifecycle.guard_changes import (
    Desk,
    lease_of,
    opened,
    put_back,
    reason_against,
    strategy_of,
    take_back,
)
from trimtab.lifecycle.watch_alarms import at_ns_of, at_text
from trimtab.lifecycle.watch_plans import PlanChecks
from trimtab.lifecycle.watch_proofs import is_waited_for, proven_objects
from trimtab.lifecycle.watch_round import Memory
from trimtab.model.traffic import StatementKey
from trimtab.model.watched import Alarm
from trimtab.observe.reading import read
from trimtab.observe.watched import Source
from trimtab.observe.written import family_of
from trimtab.spec.specification import Specification

RETRY_SECONDS = 60.0
"""What could not be done now, as while a run is at work, is tried again after so long."""
_RETRY_NS = int(RETRY_SECONDS * 1e9)
_KEPT_ACTS = 20
_HOUR_NS = 3600 * 10**9
_MOST_TRACES = 32
_FACT = "guard"
NOTHING_MADE = "no change of ours was made in the time before it became slower"
TOO_SMALL = "it is slower by so little that guard.verify_rounds looks could not show a revert that helped and matters"
NOT_OURS = "it is proven why its plan is another one, and no change of ours of that time did it"
NOTHING_CONCERNS = "no change of ours of that time concerns it"


@dataclass(slots=True)
class _Trace:
    """How long a call of one statement took, look by look, in the rounds that began at `origin_ns` or later."""

    key: StatementKey
    origin_ns: int
    since_ns: int
    pooled: Pooled = field(default_factory=lambda: Pooled.empty(1))
    values_ms: list[float] = field(default_factory=list)

    def follow(self, memory: Memory) -> None:
        """Add what ran since the last look."""
        vigil = memory.vigil
        row = vigil.place.get(self.key) if vigil is not None else None
        if vigil is None or row is None:
            return
        for interval in memory.intervals(self.since_ns):
            self.pooled, factor = look_at(vigil, interval, row, self.pooled)
            if factor is not None:
                self.values_ms.append(factor * float(vigil.baseline.mean_ms[row]))
            self.since_ns = interval.start_ns + 1


@dataclass(frozen=True, slots=True)
class Scene:
    """What a round has at hand: the watcher's memory and session, and our clock, UTC nanoseconds."""

    memory: Memory
    conn: Connection
    source: Source
    checks: PlanChecks
    now_ns: int


@dataclass(slots=True)
class Guard:
    """A watcher's hands. `database` is how the ledger names it, as intents do."""

    conninfo: str
    ledger_path: Path
    specification: Specification
    database: Mapping[str, object]
    _known: list[Act] | None = None
    _traces: dict[StatementKey, _Trace] = field(default_factory=dict)
    _not_before_ns: int = 0

    def begin(self, memory: Memory) -> None:
        """Take up what the ledger says. Raises LedgerError."""
        with Ledger.open(self.ledger_path) as ledger:
            self._known = list(acts(ledger.entries(), self.database))
        self._show(memory)

    def act(self, scene: Scene) -> list[tuple[str, Mapping[str, object]]]:
        """Go on with the act that is not finished, or begin one for an open alarm; return what happened as events."""
        now_ns = scene.now_ns
        if now_ns < self._not_before_ns < now_ns + _RETRY_NS * 2:  # a clock may have been set
            return []
        before = list(self._known or ())
        try:
            self._go_on(scene)
            events = [_event(act) for act in self._known or () if act not in before]
        except TrimtabError as error:
            if isinstance(error, LedgerError) and error.code.startswith("watch."):
                raise
            self._not_before_ns = now_ns + _RETRY_NS
            events = [("guard_waits", {"code": error.code, "next_try_seconds": RETRY_SECONDS})]
        for kind, told in events:
            scene.memory.note(now_ns, kind, told)
        return events

    def _go_on(self, scene: Scene) -> None:
        if self._known is None:
            self.begin(scene.memory)
        unfinished = next((act for act in self._known or () if act.is_unfinished), None)
        if unfinished is None:
            self._consider(scene)
        elif unfinished.note is Note.REVERTED:
            self._verify(unfinished, scene)
        else:
            with self._opened(scene) as desk:
                do = take_back if unfinished.note is Note.REVERTING else put_back
                self._note(desk.ledger, do(desk, unfinished), scene.memory, desk.enforcer.run_id)

    def _consider(self, scene: Scene) -> None:
        """Begin with the oldest open alarm about which something is left to do."""
        earliest_ns = scene.now_ns - self._window_ns
        last = {act.alarm_id: act for act in self._known or ()}
        for kept in reversed(scene.memory.store.alarms(is_open=True)):
            alarm, done = kept.alarm, last.get(kept.alarm.id)
            is_answered = done is not None and done.note is not Note.UNDONE
            if alarm.key is None or kept.ledger_seq is None or is_answered or alarm.at_ns < earliest_ns:
                continue
            if is_waited_for(alarm):  # why its plan changed decides which change is taken back
                continue
            if self._answer(scene, alarm, alarm.key, done):
                return

    def _answer(self, scene: Scene, alarm: Alarm, key: StatementKey, done: Act | None) -> bool:
        """Do what an alarm asks for, and return whether anything was noted; it may be too early to tell."""
        memory = scene.memory
        # Of a round that was slow in part the later half counts.
        onset_ns = at_ns_of(str(alarm.evidence["rising_since"])) - int(memory.sensitivity.seconds_per_look * 5e8)
        since_ns = done.at_ns if done is not None else onset_ns
        reference = self._followed(memory, key, since_ns)[-MOST_REFERENCE:]
        level_ms = float(str(alarm.evidence["baseline_ms"]))
        if len(reference) < LEAST_REFERENCE or not is_slow_still(reference, level_ms):
            return False
        limits = self.specification.guard
        calls = _calls_per_hour(alarm)
        is_shown = would_show(reference, _normal_ms(memory, key), limits.verify_rounds, calls_per_hour=calls)
        if not is_shown and len(reference) < MOST_REFERENCE:
            return False
        ran = memory.intervals(onset_ns)
        known_ns = ran[0].start_ns + int(ran[0].seconds * 1e9) if ran else onset_ns  # when, is known to an interval
        act = Act(alarm.id, alarm.subject, key, "", Note.REFUSED, scene.now_ns)
        with Ledger.open(self.ledger_path) as ledger:
            entries = tuple(ledger.entries())
            reason = refusal(entries, alarm.subject, limits, scene.now_ns, self.database)
            if not reason and not self._timely(entries, known_ns, alarm.subject):
                act, reason = replace(act, note=Note.NONE), NOTHING_MADE
            elif not reason and not is_shown:
                reason = TOO_SMALL
            if reason:
                self._note(ledger, replace(act, reason=reason), memory)
                return True
        # What was reverted for a proven cause and did not help was not proven well enough: the rest goes by time.
        proven = proven_objects(alarm) if done is None else ()
        relations = scene.checks.relations(scene.conn, scene.source, key)
        subject = Subject(alarm.subject, _role(scene.conn, key), relations)
        with self._opened(scene) as desk:
            act = self._chosen(desk, act, self._timely(desk.entries, known_ns, alarm.subject), subject, proven)
            if act.note is Note.REVERTING:
                act = replace(act, reference_ms=tuple(round(value, 6) for value in reference))
                act = self._note(desk.ledger, act, memory, desk.enforcer.run_id)
                act = take_back(desk, act)
            self._note(desk.ledger, act, memory, desk.enforcer.run_id)
        return True

    def _verify(self, act: Act, scene: Scene) -> None:
        """Look whether the statement is faster now; when that is not shown in time, undo the revert."""
        memory = scene.memory
        after = self._followed(memory, act.statement, act.reverted_ns)
        kept = memory.store.alarm(act.alarm_id)
        calls = None if kept is None else _calls_per_hour(kept.alarm)
        found = judged(act.reference_ms, after, calls_per_hour=calls)
        if found.is_faster:
            self._note_alone(replace(act, note=Note.CONFIRMED, evidence=found.evidence), memory)
        elif len(after) >= self.specification.guard.verify_rounds:
            act = self._note_alone(replace(act, note=Note.UNDOING, evidence=found.evidence), memory)
            with self._opened(scene) as desk:
                self._note(desk.ledger, put_back(desk, act), memory, desk.enforcer.run_id)
        elif scene.now_ns - act.reverted_ns > DAY_NS:
            reason = "it ran too seldom within a day to tell"
            self._note_alone(replace(act, note=Note.UNVERIFIED, evidence=found.evidence, reason=reason), memory)

    def _chosen(
        self,
        desk: Desk,
        act: Act,
        found: tuple[Candidate, ...],
        subject: Subject,
        proven: tuple[Mapping[str, str], ...],
    ) -> Act:
        """Return the act with the newest strategy that concerns the statement: `reverting`, or why it is not done.

        Where it is proven what made its plan another one, only a strategy that made that concerns it.
        """
        for candidate in found:
            changes = [applied.change for applied in candidate.applied]
            query_ids = strategy_of(desk.entries, candidate.strategy_id).query_ids
            tables = tables_of(changes)
            families = family_of(desk.enforcer.connection, tables) if tables else frozenset()
            why = touches(changes, query_ids, families, subject) if not proven else ""
            if proven and made_it(changes, proven):
                why = "it is proven that the plan is another one because of it"
            if not why:
                continue
            lease = lease_of(desk, candidate.strategy_id)
            act = replace(act, strategy_id=candidate.strategy_id, lease_id=lease.id if lease is not None else "")
            against = reason_against(desk, act)
            return replace(act, reason=against) if against else replace(act, note=Note.REVERTING, reason=why)
        if proven:
            return replace(act, note=Note.NONE, reason=f"{NOT_OURS}: {', '.join(map(_words, proven))}")
        unknown = "" if subject.relations is not None else "; which tables it uses is not known: it cannot be planned"
        return replace(act, note=Note.NONE, reason=NOTHING_CONCERNS + unknown)

    def _followed(self, memory: Memory, key: StatementKey, origin_ns: int) -> list[float]:
        """Return how long a call took, look by look, in the rounds from a time on."""
        trace = self._traces.get(key)
        if trace is None or trace.origin_ns != origin_ns:
            if len(self._traces) >= _MOST_TRACES:
                self._traces.clear()
            trace = self._traces[key] = _Trace(key, origin_ns, origin_ns)
        trace.follow(memory)
        return trace.values_ms

    def _timely(self, entries: tuple[Entry, ...], onset_ns: int, query_id: str) -> tuple[Candidate, ...]:
        """Return the strategies of the right time, but those that were reverted for this query in vain."""
        acted = [act for act in self._known or () if act.query_id == query_id]
        cleared = {act.strategy_id for act in acted if act.note is Note.UNDONE}
        return candidates(entries, self.database, onset_ns=onset_ns, window_ns=self._window_ns, cleared=cleared)

    @property
    def _window_ns(self) -> int:
        return int(self.specification.guard.window_hours * _HOUR_NS)

    def _opened(self, scene: Scene) -> AbstractContextManager[Desk]:
        return opened(self.conninfo, self.ledger_path, self.specification, self.database, scene.now_ns)

    def _note_alone(self, act: Act, memory: Memory) -> Act:
        with Ledger.open(self.ledger_path) as ledger:
            return self._note(ledger, act, memory)

    def _note(self, ledger: Ledger, act: Act, memory: Memory, run_id: str | None = None) -> Act:
        """Write the note, and return the act as it stands then."""
        entry = ledger.append(Kind.GUARD_NOTED, act_body(act, self.database), run_id=run_id)
        self._known = noted(self._known or [], replace(act, at_ns=entry.at_ns))
        self._show(memory)
        return next(each for each in reversed(self._known) if each.alarm_id == act.alarm_id)

    def _show(self, memory: Memory) -> None:
        """Leave what the status tells, which reads the watch's file alone."""
        shown = [act_document(act) for act in (self._known or [])[-_KEPT_ACTS:]]
        with memory.store.writing():
            memory.store.put_fact(_FACT, {"acts": shown})


def act_document(act: Act) -> dict[str, object]:
    """Return an act as the status shows it."""
    return {
        "at": at_text(act.at_ns),
        "alarm_id": act.alarm_id,
        "query_id": act.query_id,
        "strategy_id": act.strategy_id,
        "lease_id": act.lease_id,
        "note": act.note.value,
        "reason": act.reason,
        "evidence": dict(act.evidence),
    }


def _event(act: Act) -> tuple[str, Mapping[str, object]]:
    detail = {"subject": act.query_id, "strategy": act.strategy_id, "alarm": act.alarm_id, "reason": act.reason}
    return f"guard_{act.note.value}", {name: value for name, value in detail.items() if value}


def _normal_ms(memory: Memory, key: StatementKey) -> list[float]:
    """Return how long a call took, look by look, while the baseline was learnt, at the level that it is held to."""
    vigil = memory.vigil
    row = vigil.place.get(key) if vigil is not None else None
    if vigil is None or row is None:
        return []
    factors = vigil.baseline.factors[row].astype(float)
    known = factors[~np.isnan(factors)] * float(vigil.baseline.mean_ms[row])
    return [float(value) for value in known]


def _calls_per_hour(alarm: Alarm) -> float | None:
    """Return how often the statement ran when the alarm was told; None in what an older version has written."""
    told = alarm.evidence.get("calls_per_hour")
    return float(told) if isinstance(told, int | float) else None


def _words(cause: Mapping[str, str]) -> str:
    return " ".join(part for part in (cause["what"], cause["name"], cause["schema"], cause["table"]) if part)


def _role(conn: Connection, key: StatementKey) -> str:
    rows = read(conn, "role_name", (key[0],))
    return str(rows[0]["name"]) if rows else ""
