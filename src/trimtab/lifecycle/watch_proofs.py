"""Has the plan of an alarm explained beside the rounds, one alarm at a time, and writes the proof into its record.

A process of its own does it, so that a round waits for nothing, and so that it can be ended when its time is over. What
is waited for stands in the watch's file: it goes on after a restart. Where nothing can be proven it says why.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import IO, Protocol

from trimtab.db.connection import Connection
from trimtab.errors import LedgerError, SourceError
from trimtab.ledger.entry import Kind
from trimtab.ledger.ledger import Ledger
from trimtab.lifecycle.watch_store import KeptAlarm, WatchStore
from trimtab.lifecycle.watch_why import WhyRequest
from trimtab.model.flip import CauseKind
from trimtab.model.traffic import StatementKey
from trimtab.model.watched import Alarm
from trimtab.model.workload import Query
from trimtab.observe.reading import read

LONGEST_SECONDS = 600.0
"""A twin is built and asked within seconds; of a database with ten thousand tables within minutes."""
MOST_WAITING = 20
MOST_TRIES = 2
_GRACE_SECONDS = 10.0
_MODULE = "trimtab.lifecycle.watch_why"

WAITING, FOUND, NONE = "waiting", "found", "none"
LEARNT = "learnt"
"""What a watcher holds statements to where no anchor is in force: the level that it learnt."""
NO_ANCHOR = "no anchor is in force, whose statistics could be put back: trimtab anchor create takes one"
TOO_MANY = f"more than {MOST_WAITING} alarms waited for it"
ENDED = "the alarm ended before its turn"
NO_TEXT = "the statement cannot be planned here"
TOO_LONG = f"it took more than {LONGEST_SECONDS:.0f} s"
TOO_OFTEN = f"it was begun {MOST_TRIES} times, and ended each time before it was through"

Events = list[tuple[str, Mapping[str, object]]]


def to_be_explained(level_of: str, cause: Mapping[str, object] | None, plan: str) -> dict[str, object] | None:
    """Return what a statement's alarm says of its attribution at first; None where its plan is not what made it slower.

    A plan that is as it was for the watcher may be another one for the role that runs the statement: so that is looked
    into as well, unless the host, the load or more blocks account for it.
    """
    kind = None if cause is None else cause.get("kind")
    if plan != "changed" and kind not in (None, CauseKind.PLAN.value):
        return None
    if level_of == LEARNT:
        return _told(NONE, "", NO_ANCHOR) if plan == "changed" else None
    return _told(WAITING, level_of)


def is_waited_for(alarm: Alarm) -> bool:
    """Return whether the alarm's plan is still to be explained."""
    return _attribution(alarm).get("state") == WAITING


def proven_objects(alarm: Alarm) -> tuple[Mapping[str, str], ...]:
    """Return what was proven to have made its plan another one, each as documents name an object; or nothing."""
    found = _attribution(alarm).get("found")
    objects = found.get("objects") if isinstance(found, Mapping) and found.get("kind") else None
    return tuple(objects) if isinstance(objects, list) else ()


class Inquiry(Protocol):
    """A process that explains one alarm."""

    def answer(self) -> Mapping[str, object] | None:
        """Return `found` and `reason` once it is through; None before that."""

    def wait(self, seconds: float) -> None:
        """Wait for its end, so many seconds at most."""

    def end(self) -> None:
        """End it, with all that it has begun."""


@dataclass(frozen=True, slots=True)
class Scene:
    """What a round has at hand: the watch's file, our session, our clock, and what a statement is for EXPLAIN."""

    store: WatchStore
    conn: Connection
    now_ns: int
    query_of: Callable[[StatementKey], Query | None]


class ChildInquiry:
    """An inquiry as a child process of a session of its own: Ctrl-C is the watcher's to hear."""

    def __init__(self, request: WhyRequest) -> None:
        self._output: IO[bytes] = tempfile.TemporaryFile()  # noqa: SIM115 - until its end; a pipe would have to be emptied
        # -P: no module of the directory that the watcher was started in.
        self._process = subprocess.Popen(
            (sys.executable, "-P", "-m", _MODULE),
            stdin=subprocess.PIPE,
            stdout=self._output,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        assert self._process.stdin is not None
        with suppress(OSError):  # one that has ended already says so by its answer
            self._process.stdin.write(request.line())
            self._process.stdin.flush()

    def answer(self) -> Mapping[str, object] | None:
        """Return what it has printed at its end."""
        code = self._process.poll()
        if code is None:
            return None
        self._output.seek(0)
        try:
            found = json.loads(self._output.read())
        except ValueError:
            found = None
        self.end()
        return found if isinstance(found, dict) else {"found": None, "reason": f"the process ended with {code}"}

    def wait(self, seconds: float) -> None:
        """Wait for its end."""
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(seconds)

    def end(self) -> None:
        """Tell it to end, which removes its twin; what does not listen is killed, and swept by the next start."""
        if self._process.poll() is None:
            self._process.terminate()
            self.wait(_GRACE_SECONDS)
        if self._process.poll() is None:
            self._process.kill()
            self._process.wait()
        if self._process.stdin is not None:
            with suppress(OSError):
                self._process.stdin.close()
        self._output.close()


@dataclass(slots=True)
class _Running:
    alarm_id: str
    inquiry: Inquiry
    began: float


@dataclass(slots=True)
class Proofs:
    """A watcher's inquiries. `database` is how the ledger names it; `tick` our monotonic clock in seconds."""

    conninfo: str
    ledger_path: Path
    database: Mapping[str, object]
    tick: Callable[[], float]
    start: Callable[[WhyRequest], Inquiry] = ChildInquiry
    _waiting: list[str] = field(default_factory=list)
    _running: _Running | None = None
    _unwritten: list[str] = field(default_factory=list)

    def begin(self, store: WatchStore) -> None:
        """Take up what an earlier watcher has left to do."""
        alarms = [kept.alarm for kept in reversed(store.alarms())]
        self._waiting = [alarm.id for alarm in alarms if is_waited_for(alarm)]
        self._unwritten = [alarm.id for alarm in alarms if _is_unwritten(alarm)]

    def go_on(self, scene: Scene, alarms: Sequence[Alarm] = ()) -> Events:
        """Take these new alarms, look whether the inquiry under way is through, and begin the next one.

        Return what happened as events. Never waits.
        """
        events: Events = []
        for alarm in alarms:
            if is_waited_for(alarm):
                self._waiting.append(alarm.id)
        for alarm_id in self._waiting[MOST_WAITING:]:
            events += self._close(scene, alarm_id, reason=TOO_MANY)
        del self._waiting[MOST_WAITING:]
        events += self._look(scene)
        with suppress(SourceError):  # a session that is lost shows in the next round: it is begun after that
            while self._running is None and self._waiting:
                events += self._begin(scene, self._waiting[0])
                del self._waiting[0]
        self._to_ledger(scene.store)
        for kind, detail in events:
            with scene.store.writing():
                scene.store.add_event(scene.now_ns, kind, detail)
        return events

    def finish(self, scene: Scene, alarms: Sequence[Alarm] = ()) -> Events:
        """The same, and wait for all that is to be explained: for a watcher of one round."""
        events = self.go_on(scene, alarms)
        while self._running is not None:
            self._running.inquiry.wait(max(self._running.began + LONGEST_SECONDS - self.tick(), 0.0))
            events += self.go_on(scene)
        return events

    def end(self) -> None:
        """End the inquiry under way; the next watcher begins it anew."""
        if self._running is not None:
            self._running.inquiry.end()
            self._running = None

    def _look(self, scene: Scene) -> Events:
        running = self._running
        if running is None:
            return []
        answer = running.inquiry.answer()
        if answer is None and self.tick() - running.began < LONGEST_SECONDS:
            return []
        self._running = None
        if answer is None:
            running.inquiry.end()
            return self._close(scene, running.alarm_id, reason=TOO_LONG)
        found = answer.get("found")
        reason = str(answer.get("reason") or "")
        return self._close(scene, running.alarm_id, found=found if isinstance(found, dict) else None, reason=reason)

    def _begin(self, scene: Scene, alarm_id: str) -> Events:
        """Begin the inquiry, or say why it is not begun. Raises SourceError when the session is lost."""
        kept = scene.store.alarm(alarm_id)
        if kept is None or kept.alarm.key is None:
            return []
        if kept.ended_ns is not None:
            return self._close(scene, alarm_id, reason=ENDED)
        told = _attribution(kept.alarm)
        tries = int(str(told.get("tries", 0)))
        if tries >= MOST_TRIES:
            return self._close(scene, alarm_id, reason=TOO_OFTEN)
        key = kept.alarm.key
        query = scene.query_of(key)
        if query is None:
            return self._close(scene, alarm_id, reason=NO_TEXT)
        rows = read(scene.conn, "role_name", (key[0],))
        request = WhyRequest(
            self.conninfo,
            str(self.ledger_path),
            str(told.get("anchor_id", "")),
            kept.alarm.subject,
            str(key[1]),
            query.text,
            str(rows[0]["name"]) if rows else "",
        )
        _put(scene.store, kept, {**told, "tries": tries + 1})
        try:
            self._running = _Running(alarm_id, self.start(request), self.tick())
        except OSError as error:
            return self._close(scene, alarm_id, reason=f"no process could be started for it: {error.strerror}")
        return []

    def _close(
        self, scene: Scene, alarm_id: str, *, found: Mapping[str, object] | None = None, reason: str = ""
    ) -> Events:
        kept = scene.store.alarm(alarm_id)
        if kept is None:
            return []
        state = NONE if found is None else FOUND
        told = {**_told(state, str(_attribution(kept.alarm).get("anchor_id", "")), reason), "found": found}
        _put(scene.store, kept, told)
        self._unwritten.append(alarm_id)
        kind = None if found is None else found.get("kind")
        why = reason if found is None else str(found.get("reason", ""))
        word = "not proven" if kind is None else str(kind)
        return [("explained", {"id": alarm_id, "subject": kept.alarm.subject, "cause": word, "reason": why})]

    def _to_ledger(self, store: WatchStore) -> None:
        """What the ledger does not take now is tried again after the next round; an alarm goes before its proof."""
        waiting = [kept for alarm_id in self._unwritten if (kept := store.alarm(alarm_id)) is not None]
        ready = [kept for kept in waiting if kept.ledger_seq is not None]
        if not ready:
            self._unwritten = [kept.alarm.id for kept in waiting]
            return
        try:
            with Ledger.open(self.ledger_path) as ledger:
                known = {entry.body.get("alarm_id"): entry.seq for entry in ledger.entries(Kind.WATCH_EXPLAINED)}
                for kept in ready:
                    seq = known.get(kept.alarm.id)
                    if seq is None:
                        seq = ledger.append(Kind.WATCH_EXPLAINED, explained_body(kept.alarm, self.database)).seq
                    _put(store, kept, {**_attribution(kept.alarm), "ledger_seq": seq})
                    waiting.remove(kept)
        except LedgerError as error:
            if error.code.startswith("watch."):
                raise
        finally:
            self._unwritten = [kept.alarm.id for kept in waiting]


def explained_body(alarm: Alarm, database: Mapping[str, object]) -> dict[str, object]:
    """Return an alarm's attribution as the ledger writes it."""
    told = _attribution(alarm)
    return {
        "alarm_id": alarm.id,
        "database": dict(database),
        "query_id": alarm.subject,
        "anchor_id": told.get("anchor_id", ""),
        "reason": told.get("reason", ""),
        "found": told.get("found"),
    }


def _told(state: str, anchor_id: str, reason: str = "") -> dict[str, object]:
    return {"state": state, "anchor_id": anchor_id, "reason": reason, "found": None, "tries": 0, "ledger_seq": None}


def _attribution(alarm: Alarm) -> Mapping[str, object]:
    told = alarm.evidence.get("attribution")
    return told if isinstance(told, Mapping) else {}


def _is_unwritten(alarm: Alarm) -> bool:
    """What was known when the alarm was told stands in its own entry of the ledger."""
    told = _attribution(alarm)
    return told.get("state") in (FOUND, NONE) and bool(told.get("anchor_id")) and told.get("ledger_seq") is None


def _put(store: WatchStore, kept: KeptAlarm, told: Mapping[str, object]) -> None:
    alarm = replace(kept.alarm, evidence={**kept.alarm.evidence, "attribution": dict(told)})
    with store.writing():
        store.put_evidence(alarm)
