"""The file in which a watcher keeps what it has seen: SQLite, 0600, bounded; it survives any end of its writer.

History is kept in three tiers: the newest rounds, minutes made of rounds, hours made of minutes. One writer holds the
file by a lock that the kernel releases when it dies; readers need no lock. It knows rows, and judges nothing.
"""

from __future__ import annotations

import json
import os
import sqlite3
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType

from trimtab.history.slots import SET_BACK_NS, Slot, groups, joined, moved_aside, pack, unpack
from trimtab.lifecycle.watch_file import faults, held, lock_path, open_database, prepare, require_known
from trimtab.model.traffic import StatementKey
from trimtab.model.watched import Alarm, Interval

ROUND, MINUTE, HOUR = range(3)
LENGTH_NS = {MINUTE: 60 * 10**9, HOUR: 3600 * 10**9}
KEPT_SLOTS = {ROUND: 360, MINUTE: 1440, HOUR: 2160}
"""An hour of rounds at 10 s, a day of minutes, ninety days of hours."""
KEPT_STATEMENTS = 500
"""So many of the heaviest statements of a minute or an hour are kept one by one; the rest as one, under number 0."""
MOST_STATEMENTS = 20_000
MOST_EVENTS = 10_000
MOST_ALARMS = 10_000


@dataclass(frozen=True, slots=True)
class KnownStatement:
    """A statement that was seen. `shape` is that of its plan when it was learnt, "" where there is none."""

    number: int
    name: str
    is_workload: bool
    shape: str = ""


@dataclass(frozen=True, slots=True)
class KeptAlarm:
    """An alarm as it is kept. `ledger_seq` is None until the ledger has it."""

    alarm: Alarm
    ledger_seq: int | None
    ended_ns: int | None
    ended_because: str | None


class WatchStore:
    """An open file. `writer` holds it for writing; `reader` reads beside a writer."""

    def __init__(self, connection: sqlite3.Connection, path: Path, lock: int | None) -> None:
        self._connection = connection
        self.path = path
        self._lock = lock

    @classmethod
    def writer(cls, path: Path) -> WatchStore:
        """Open or create the file, and hold it against other watchers.

        Raises BusyError `watch.busy`; LedgerError `watch.store_unwritable`, `watch.store_corrupt`,
        `watch.store_newer`.
        """
        with faults(path):
            path.parent.mkdir(mode=0o700, exist_ok=True)
            lock = held(lock_path(path))
        try:
            with faults(path):
                os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600))
                connection = open_database(path, is_writer=True)
                prepare(connection, path)
        except BaseException:
            os.close(lock)
            raise
        return cls(connection, path, lock)

    @classmethod
    def reader(cls, path: Path) -> WatchStore:
        """Open the file for reading. Raises LedgerError `watch.store_corrupt`, `_newer`, `_empty`."""
        with faults(path):
            connection = open_database(path, is_writer=False)
            require_known(connection, path)
        return cls(connection, path, None)

    def close(self) -> None:
        """Close the file and let go of it."""
        self._connection.close()
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None

    def __enter__(self) -> WatchStore:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    @contextmanager
    def writing(self) -> Iterator[None]:
        """Write all of the block, or nothing of it when it raises."""
        with faults(self.path):
            self._connection.execute("BEGIN IMMEDIATE")
            try:
                yield
                self._connection.execute("COMMIT")
            except BaseException:
                if self._connection.in_transaction:
                    self._connection.execute("ROLLBACK")
                raise

    def fact(self, name: str) -> object:
        """Return what was put under a name, None when nothing was."""
        with faults(self.path):
            row = self._connection.execute("SELECT value FROM facts WHERE name = ?", (name,)).fetchone()
            return None if row is None else json.loads(row[0])

    def put_fact(self, name: str, value: object) -> None:
        """Put a JSON value under a name. Within `writing`."""
        self._connection.execute("INSERT OR REPLACE INTO facts VALUES (?, ?)", (name, json.dumps(value)))

    def blob(self, name: str) -> bytes | None:
        """Return the bytes under a name."""
        with faults(self.path):
            row = self._connection.execute("SELECT value FROM blobs WHERE name = ?", (name,)).fetchone()
            return None if row is None else bytes(row[0])

    def put_blob(self, name: str, value: bytes | None) -> None:
        """Put bytes under a name; None removes them. Within `writing`."""
        if value is None:
            self._connection.execute("DELETE FROM blobs WHERE name = ?", (name,))
        else:
            self._connection.execute("INSERT OR REPLACE INTO blobs VALUES (?, ?)", (name, value))

    def statements(self) -> dict[StatementKey, KnownStatement]:
        """Return all statements that are known."""
        with faults(self.path):
            rows = self._connection.execute(
                "SELECT role_oid, query_id, is_top_level, number, name, is_workload, shape FROM statements"
            ).fetchall()
        return {
            (role, query, bool(top)): KnownStatement(number, name, bool(is_workload), shape)
            for role, query, top, number, name, is_workload, shape in rows
        }

    def add_statements(
        self, found: Mapping[StatementKey, tuple[str, bool]], now_ns: int
    ) -> dict[StatementKey, KnownStatement]:
        """Add statements by name and whether they are the workload's, and return them. Within `writing`.

        Beyond `MOST_STATEMENTS` those that were not seen for longest are forgotten.
        """
        added = {}
        for key, (name, is_workload) in found.items():
            cursor = self._connection.execute(
                "INSERT INTO statements (role_oid, query_id, is_top_level, name, is_workload, seen_ns)"
                " VALUES (?, ?, ?, ?, ?, ?)",
                (*key, name, is_workload, now_ns),
            )
            assert cursor.lastrowid is not None
            added[key] = KnownStatement(cursor.lastrowid, name, is_workload)
        return added

    def forget_statements(self, seen: Iterable[int], now_ns: int) -> bool:
        """Note which were seen now, and forget the rest beyond the limit; tell whether any were. Within `writing`."""
        self._connection.executemany(
            "UPDATE statements SET seen_ns = ? WHERE number = ?", ((now_ns, number) for number in seen)
        )
        cursor = self._connection.execute(
            "DELETE FROM statements WHERE number IN"
            " (SELECT number FROM statements ORDER BY seen_ns DESC, number DESC LIMIT -1 OFFSET ?)",
            (MOST_STATEMENTS,),
        )
        return cursor.rowcount > 0

    def put_shape(self, number: int, shape: str) -> None:
        """Put a plan's shape beside a statement. Within `writing`."""
        self._connection.execute("UPDATE statements SET shape = ? WHERE number = ?", (shape, number))

    def forget_shapes(self) -> None:
        """Forget the shapes of all plans: others are to be the baseline's. Within `writing`."""
        self._connection.execute("UPDATE statements SET shape = ''")

    def add_round(self, interval: Interval, numbers: Sequence[int]) -> None:
        """Add an interval to the newest tier, roll up what is complete, and drop what is too old. Within `writing`.

        `numbers` are those of the interval's statements. What lies farthest from its end is too old, or was stamped by
        a clock that was far ahead.
        """
        import numpy as np

        at = np.array(numbers, dtype=np.int64)
        end_ns = interval.start_ns + int(interval.seconds * 1e9)
        self._put(Slot(ROUND, interval.start_ns, interval.seconds, interval.active_sessions, at, interval.counts))
        for tier in (MINUTE, HOUR):
            self._roll_up(tier, end_ns)
        for tier, kept in KEPT_SLOTS.items():
            self._connection.execute(
                "DELETE FROM slots WHERE tier = ? AND start_ns IN (SELECT start_ns FROM slots WHERE tier = ?"
                " ORDER BY abs(start_ns - ?) LIMIT -1 OFFSET ?)",
                (tier, tier, end_ns, kept),
            )

    def slots(self, tier: int, since_ns: int = 0) -> list[Slot]:
        """Return the slots of a tier from that time on, the oldest first."""
        with faults(self.path):
            rows = self._connection.execute(
                "SELECT tier, start_ns, seconds, active, numbers, counts FROM slots"
                " WHERE tier = ? AND start_ns >= ? ORDER BY start_ns",
                (tier, since_ns),
            ).fetchall()
        return [unpack(*row) for row in rows]

    def slot_count(self, tier: int, since_ns: int = 0) -> int:
        """Return how many slots of a tier there are from that time on, of those in which anything ran."""
        with faults(self.path):
            query = "SELECT count(*) FROM slots WHERE tier = ? AND start_ns >= ? AND statements > 0"
            return int(self._connection.execute(query, (tier, since_ns)).fetchone()[0])

    def set_aside(self, now_ns: int) -> None:
        """Make way for times that are told again, where a clock was set back. Within `writing`.

        Rounds of later are dropped: which were newer is not known. Minutes and hours of later stay beside those that
        come, and what they were made of is dropped, so that it does not count again. The hour of now is made anew of
        its minutes, where they are all there.
        """
        self._connection.execute("DELETE FROM slots WHERE tier = ? AND start_ns >= ?", (ROUND, now_ns))
        for tier, length in LENGTH_NS.items():
            begin = now_ns - now_ns % length
            if tier > MINUTE:
                self._connection.execute(
                    "DELETE FROM slots WHERE tier = ?1 AND start_ns = ?2 AND seconds * 0.999999 <="
                    " (SELECT sum(seconds) FROM slots WHERE tier = ?1 - 1 AND start_ns >= ?2 AND start_ns < ?3)",
                    (tier, begin, begin + length),
                )
            found = self._connection.execute(
                "SELECT start_ns FROM slots WHERE tier = ? AND start_ns >= ? AND start_ns < ?",
                (tier, begin, begin + SET_BACK_NS),
            ).fetchall()
            for start_ns, aside_ns in moved_aside([start_ns for [start_ns] in found], length).items():
                self._connection.execute(
                    "UPDATE slots SET start_ns = ? WHERE tier = ? AND start_ns = ?", (aside_ns, tier, start_ns)
                )
                self._connection.execute(
                    "DELETE FROM slots WHERE tier < ? AND start_ns >= ? AND start_ns < ?",
                    (tier, start_ns, start_ns + length),
                )

    def forget_slots(self, since_ns: int, until_ns: int) -> None:
        """Drop what was added in that time, and not set aside: it will be counted again. Within `writing`."""
        for tier, length in {ROUND: 1, **LENGTH_NS}.items():
            start = since_ns - since_ns % length
            self._connection.execute(
                "DELETE FROM slots WHERE tier = ? AND start_ns >= ? AND start_ns < ? AND start_ns % ? = 0",
                (tier, start, until_ns, length),
            )

    def add_event(self, at_ns: int, kind: str, detail: Mapping[str, object]) -> None:
        """Add an event; the oldest beyond the limit are dropped. Within `writing`."""
        cursor = self._connection.execute(
            "INSERT INTO events (at_ns, kind, detail) VALUES (?, ?, ?)", (at_ns, kind, json.dumps(detail))
        )
        self._connection.execute("DELETE FROM events WHERE id <= ?", ((cursor.lastrowid or 0) - MOST_EVENTS,))

    def events(self, limit: int = 20) -> list[tuple[int, str, Mapping[str, object]]]:
        """Return the newest events: when, of which kind, and its detail; the newest first."""
        with faults(self.path):
            rows = self._connection.execute(
                "SELECT at_ns, kind, detail FROM events ORDER BY id DESC LIMIT ?", (limit,)
            ).fetchall()
        return [(at_ns, kind, json.loads(detail)) for at_ns, kind, detail in rows]

    def add_alarm(self, alarm: Alarm) -> None:
        """Add an alarm; ended ones beyond the limit are dropped, the oldest first. Within `writing`."""
        key = None if alarm.key is None else json.dumps(alarm.key)
        self._connection.execute(
            "INSERT INTO alarms (id, at_ns, subject, key, evidence) VALUES (?, ?, ?, ?, ?)",
            (alarm.id, alarm.at_ns, alarm.subject, key, json.dumps(dict(alarm.evidence))),
        )
        self._connection.execute(
            "DELETE FROM alarms WHERE ended_ns IS NOT NULL AND ledger_seq IS NOT NULL AND id IN"
            " (SELECT id FROM alarms ORDER BY at_ns DESC LIMIT -1 OFFSET ?)",
            (MOST_ALARMS,),
        )

    def put_evidence(self, alarm: Alarm) -> None:
        """Put what is known of an alarm now in place of what was. Within `writing`."""
        evidence = json.dumps(dict(alarm.evidence))
        self._connection.execute("UPDATE alarms SET evidence = ? WHERE id = ?", (evidence, alarm.id))

    def end_alarm(self, alarm_id: str, at_ns: int, because: str) -> None:
        """Note that an alarm is over. Within `writing`."""
        self._connection.execute(
            "UPDATE alarms SET ended_ns = ?, ended_because = ? WHERE id = ? AND ended_ns IS NULL",
            (at_ns, because, alarm_id),
        )

    def note_ledger(self, alarm_id: str, seq: int) -> None:
        """Note that the ledger has an alarm. Within `writing`."""
        self._connection.execute("UPDATE alarms SET ledger_seq = ? WHERE id = ?", (seq, alarm_id))

    def alarms(self, *, is_open: bool | None = None, limit: int = 1000) -> list[KeptAlarm]:
        """Return alarms, the newest first: all, or those that are open, or those that are over."""
        where = {None: "1", True: "ended_ns IS NULL", False: "ended_ns IS NOT NULL"}[is_open]
        return self._alarms(where, limit)

    def alarm(self, alarm_id: str) -> KeptAlarm | None:
        """Return an alarm by its id, None where there is none of it any more."""
        return next(iter(self._alarms("id = ?", 1, alarm_id)), None)

    def unrecorded_alarms(self) -> list[KeptAlarm]:
        """Return the alarms that the ledger does not have yet, the oldest first."""
        return self._alarms("ledger_seq IS NULL", 1000)[::-1]

    def size_bytes(self) -> int:
        """Return how large the file and its journal are."""
        names = (self.path, self.path.with_name(self.path.name + "-wal"))
        return sum(path.stat().st_size for path in names if path.exists())

    def _alarms(self, where: str, limit: int, *values: str) -> list[KeptAlarm]:
        with faults(self.path):
            rows = self._connection.execute(
                "SELECT id, at_ns, subject, key, evidence, ledger_seq, ended_ns, ended_because FROM alarms"  # noqa: S608
                f" WHERE {where} ORDER BY at_ns DESC, id DESC LIMIT ?",
                (*values, limit),
            ).fetchall()
        return [
            KeptAlarm(Alarm(id, at_ns, subject, _key(key), json.loads(evidence)), seq, ended_ns, because)
            for id, at_ns, subject, key, evidence, seq, ended_ns, because in rows
        ]

    def _put(self, slot: Slot) -> None:
        numbers, counts = pack(slot)
        self._connection.execute(
            "INSERT OR REPLACE INTO slots VALUES (?, ?, ?, ?, ?, ?, ?)",
            (slot.tier, slot.start_ns, slot.seconds, slot.active_sessions, len(slot.numbers), numbers, counts),
        )

    def _roll_up(self, tier: int, end_ns: int) -> None:
        """Make the slots of this tier that are complete and not there yet, of those of the tier below."""
        length = LENGTH_NS[tier]
        [last] = self._connection.execute(
            "SELECT max(start_ns) FROM slots WHERE tier = ? AND start_ns < ? AND start_ns % ? = 0",
            (tier, end_ns, length),
        ).fetchone()
        begin = 0 if last is None else last + length
        complete = end_ns - end_ns % length
        for start_ns, parts in groups(self._between(tier - 1, begin, complete), length).items():
            self._put(joined(tier, start_ns, parts, KEPT_STATEMENTS))

    def _between(self, tier: int, begin_ns: int, end_ns: int) -> list[Slot]:
        rows = self._connection.execute(
            "SELECT tier, start_ns, seconds, active, numbers, counts FROM slots"
            " WHERE tier = ? AND start_ns >= ? AND start_ns < ? ORDER BY start_ns",
            (tier, begin_ns, end_ns),
        ).fetchall()
        return [unpack(*row) for row in rows]


def _key(text: str | None) -> StatementKey | None:
    if text is None:
        return None
    role, query, is_top_level = json.loads(text)
    return int(role), int(query), bool(is_top_level)
