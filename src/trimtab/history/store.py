"""What every store of the history does, whatever keeps its tables: add what was seen, and give it back.

Knows rows and stretches, not what numbers mean. `sqlite.py` and `postgres.py` open one, `rolling.py` rolls it
up and drops what is old. A write is whole or not there.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass, replace
from types import TracebackType
from typing import Any

import numpy as np
from sqlalchemy import ColumnElement, Connection, Engine, and_, bindparam, delete, func, insert, select, update

from trimtab.errors import TrimtabError
from trimtab.history.facts import ServerFacts, facts_of, facts_text
from trimtab.history.known import KnownStatement, Label, query_name, statement_of
from trimtab.history.sample import Sample, pack_sample, unpack_sample
from trimtab.history.schema import EVENTS, EXECUTIONS, LOGS, SAMPLES, SERVERS, SLOTS, STATEMENTS
from trimtab.history.slots import Slot, pack, unpack
from trimtab.history.tiers import RAW, Retention
from trimtab.model.traffic import StatementKey

PULSE, RELATIONS = range(2)
"""Kinds of samples: what is read often, and the use of tables and indexes, which is read seldom and kept by hours."""
PART = 256
"""So many statements stand together in one row."""
_PAGE = 500
"""So many statements are asked for by their numbers at once."""
_LABELS = select(
    STATEMENTS.c.number, STATEMENTS.c.name, STATEMENTS.c.query_id, STATEMENTS.c.is_workload, STATEMENTS.c.first_ns
)
_SLOT_KEY = ("server", "tier", "part", "start_ns")
_SAMPLE_KEY = ("server", "kind", "tier", "start_ns")


@dataclass(frozen=True, slots=True)
class Dialect:
    """What differs between stores: its name in messages, its faults as ours, and how the writer's place is taken."""

    name: str
    faults: Callable[[], AbstractContextManager[None]]
    lock: Callable[[Connection], None]


@dataclass(frozen=True, slots=True)
class Event:
    """Something that happened to a server: when, of which kind, and what else is known of it."""

    id: int
    server: int
    at_ns: int
    kind: str
    detail: Mapping[str, object]


class HistoryStore:
    """An open store. Safe to use from several threads; several processes may have the same one open."""

    def __init__(self, engine: Engine, dialect: Dialect, retention: Retention) -> None:
        self._engine = engine
        self._dialect = dialect
        self.retention = retention
        self._turn = threading.Lock()

    @property
    def name(self) -> str:
        """What messages call it."""
        return self._dialect.name

    def close(self) -> None:
        """Close every connection to it."""
        self._engine.dispose()

    def __enter__(self) -> HistoryStore:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    @contextmanager
    def writing(self) -> Iterator[Connection]:
        """Write all of the block, or nothing of it when it raises. Threads of this process take turns."""
        with self._turn, self._dialect.faults(), self._engine.connect() as connection:
            self._dialect.lock(connection)
            yield connection
            connection.commit()

    @contextmanager
    def reading(self) -> Iterator[Connection]:
        """Hold a connection for reads."""
        with self._dialect.faults(), self._engine.connect() as connection:
            yield connection

    def servers(self) -> list[tuple[int, ServerFacts]]:
        """Return all servers with their numbers, by name."""
        with self.reading() as connection:
            rows = connection.execute(select(SERVERS).order_by(SERVERS.c.name)).all()
        return [(row.id, facts_of(row.name, row.facts)) for row in rows]

    def server_id(self, connection: Connection, facts: ServerFacts) -> int:
        """Return the number of a server, which is added when it is new. Within `writing`."""
        found = connection.execute(select(SERVERS.c.id).where(SERVERS.c.name == facts.name)).scalar_one_or_none()
        if found is not None:
            return int(found)
        added = connection.execute(insert(SERVERS).values(name=facts.name, facts=facts_text(facts)))
        [server] = added.inserted_primary_key or (0,)
        return int(server)

    def put_facts(self, connection: Connection, server: int, facts: ServerFacts) -> None:
        """Write what is known of a server now. Within `writing`."""
        connection.execute(update(SERVERS).where(SERVERS.c.id == server).values(facts=facts_text(facts)))

    def statements(self, server: int, numbers: Iterable[int] | None = None) -> dict[int, KnownStatement]:
        """Return the statements of a server by number: all, or those asked for."""
        return {row.number: statement_of(row) for row in self._statement_rows(select(STATEMENTS), server, numbers)}

    def labels(self, server: int, numbers: Iterable[int]) -> dict[int, Label]:
        """Return who statements of a server are, by number; those that are not there are left out."""
        rows = self._statement_rows(_LABELS, server, numbers)
        return {
            number: Label(query_name(name, query_id), bool(is_workload), first_ns)
            for number, name, query_id, is_workload, first_ns in rows
        }

    def statements_named(self, server: int, name: str) -> list[KnownStatement]:
        """Return the statements of a server that have this id of ours."""
        query = select(STATEMENTS).where(STATEMENTS.c.server == server, STATEMENTS.c.name == name)
        with self.reading() as connection:
            return [statement_of(row) for row in connection.execute(query)]

    def add_statements(
        self, connection: Connection, server: int, found: Sequence[KnownStatement]
    ) -> dict[StatementKey, int]:
        """Add statements, and return their numbers by key. Within `writing`; numbers that are given are ignored."""
        if not found:
            return {}
        most = select(func.coalesce(func.max(STATEMENTS.c.number), 0)).where(STATEMENTS.c.server == server)
        first = int(connection.execute(most).scalar_one()) + 1
        rows = [
            {
                "server": server, "number": first + place, "role_oid": each.key[0], "query_id": each.key[1],
                "is_top_level": each.key[2], "name": each.name, "text": each.text, "is_workload": each.is_workload,
                "first_ns": each.first_ns, "seen_ns": each.seen_ns,
            }
            for place, each in enumerate(found)
        ]  # fmt: skip
        connection.execute(insert(STATEMENTS), rows)
        return {each.key: first + place for place, each in enumerate(found)}

    def describe_statements(
        self, connection: Connection, server: int, texts: Mapping[int, tuple[str, str, bool]]
    ) -> None:
        """Write names, texts and whether they are the workload's beside statements. Within `writing`."""
        rows = [
            {"of": number, "as_name": name, "as_text": text, "as_workload": is_workload}
            for number, (name, text, is_workload) in texts.items()
        ]
        if rows:
            query = update(STATEMENTS).where(STATEMENTS.c.server == server, STATEMENTS.c.number == bindparam("of"))
            new = query.values(
                name=bindparam("as_name"), text=bindparam("as_text"), is_workload=bindparam("as_workload")
            )
            connection.execute(new, rows)

    def saw_statements(self, connection: Connection, server: int, numbers: Iterable[int], at_ns: int) -> None:
        """Note that statements ran. Within `writing`."""
        rows = [{"of": number} for number in numbers]
        if rows:
            query = update(STATEMENTS).where(STATEMENTS.c.server == server, STATEMENTS.c.number == bindparam("of"))
            connection.execute(query.values(seen_ns=at_ns), rows)

    def add_slot(self, connection: Connection, server: int, slot: Slot) -> None:
        """Write what ran in a stretch, part by part. Within `writing`."""
        order = np.argsort(slot.numbers, kind="stable")
        numbers, counts = slot.numbers[order], slot.counts[order]
        parts = numbers // PART
        rows: list[dict[str, Any]] = []
        # The first part is always there: it tells which stretches are.
        for part in np.union1d(parts, [0]).tolist():
            of = parts == part
            piece = replace(slot, numbers=numbers[of], counts=counts[of])
            packed = pack(piece, is_rounded=slot.tier != RAW)
            rows.append(
                {
                    "server": server, "tier": slot.tier, "part": int(part), "start_ns": slot.start_ns,
                    "seconds": slot.seconds, "active": slot.active_sessions,
                    "numbers": packed[0], "counts": packed[1],
                }
            )  # fmt: skip
        self._replace(connection, SLOTS, _SLOT_KEY, rows)

    def slots(
        self, server: int, tier: int, begin_ns: int, end_ns: int, part: int | None = None, *,
        connection: Connection | None = None,
    ) -> list[Slot]:  # fmt: skip
        """Return what ran, of the stretches that began from one time to before another; the oldest first.

        With `part` only that part of the statements is read.
        """
        with nullcontext(connection) if connection is not None else self.reading() as held:
            is_meant = self.in_tier(held, server, tier) if part is None else _in_parts(server, tier, [part])
            within = (SLOTS.c.start_ns >= begin_ns) & (SLOTS.c.start_ns < end_ns)
            rows = self._rows(select(SLOTS).where(is_meant, within), held)
        rows.sort(key=lambda row: (row.start_ns, row.part))
        return [unpack(tier, row.start_ns, row.seconds, row.active, row.numbers, row.counts) for row in rows]

    @staticmethod
    def in_tier(connection: Connection, server: int, tier: int) -> ColumnElement[bool]:
        """Return the condition of all slots of a tier, with its parts by name: the key has them before the time.

        Else every row of the tier is looked at, whatever the time that is asked for.
        """
        last = connection.execute(
            select(func.max(SLOTS.c.part)).where(SLOTS.c.server == server, SLOTS.c.tier == tier)
        ).scalar_one()
        return _in_parts(server, tier, range(0 if last is None else int(last) + 1))

    def add_sample(self, connection: Connection, server: int, kind: int, tier: int, sample: Sample) -> None:
        """Write a sample. Within `writing`."""
        values: dict[str, Any] = {
            "server": server, "kind": kind, "tier": tier, "start_ns": sample.start_ns, "seconds": sample.seconds,
            "body": pack_sample(sample),
        }  # fmt: skip
        self._replace(connection, SAMPLES, _SAMPLE_KEY, [values])

    def samples(
        self, server: int, kind: int, tier: int, begin_ns: int, end_ns: int, *, connection: Connection | None = None
    ) -> list[Sample]:
        """Return the samples that began from one time to before another; the oldest first."""
        query = select(SAMPLES).where(
            SAMPLES.c.server == server, SAMPLES.c.kind == kind, SAMPLES.c.tier == tier,
            SAMPLES.c.start_ns >= begin_ns, SAMPLES.c.start_ns < end_ns,
        )  # fmt: skip
        rows = self._rows(query.order_by(SAMPLES.c.start_ns), connection)
        return [unpack_sample(row.start_ns, row.seconds, row.body) for row in rows]

    def add_event(
        self, connection: Connection, server: int, at_ns: int, kind: str, detail: Mapping[str, object]
    ) -> None:
        """Write an event. Within `writing`."""
        values = {"server": server, "at_ns": at_ns, "kind": kind, "detail": json.dumps(detail)}
        connection.execute(insert(EVENTS), values)

    def events(
        self, *, servers: Sequence[int] | None = None, kinds: Sequence[str] | None = None, begin_ns: int = 0,
        end_ns: int = 1 << 62, limit: int = 100, offset: int = 0,
    ) -> list[Event]:  # fmt: skip
        """Return events, the newest first: of all servers or some, of all kinds or some, in a stretch of time."""
        query = select(EVENTS).where(EVENTS.c.at_ns >= begin_ns, EVENTS.c.at_ns < end_ns)
        if servers is not None:
            query = query.where(EVENTS.c.server.in_(servers))
        if kinds is not None:
            query = query.where(EVENTS.c.kind.in_(kinds))
        rows = self._rows(query.order_by(EVENTS.c.at_ns.desc(), EVENTS.c.id.desc()).limit(limit).offset(offset), None)
        return [Event(row.id, row.server, row.at_ns, row.kind, json.loads(row.detail)) for row in rows]

    def add_executions(
        self, connection: Connection, server: int, chunks: Sequence[tuple[int, int, int, bytes]]
    ) -> None:
        """Write single executions: of each chunk its first and last time, how many, and its bytes. Within `writing`."""
        names = ("start_ns", "end_ns", "executions", "body")
        rows = [{"server": server, **dict(zip(names, chunk, strict=True))} for chunk in chunks]
        if rows:
            connection.execute(insert(EXECUTIONS), rows)

    def executions(self, server: int, begin_ns: int, end_ns: int) -> list[bytes]:
        """Return the chunks that hold executions of a stretch of time; the oldest first."""
        query = select(EXECUTIONS.c.body).where(
            EXECUTIONS.c.server == server, EXECUTIONS.c.end_ns >= begin_ns, EXECUTIONS.c.start_ns < end_ns
        )
        return [bytes(row.body) for row in self._rows(query.order_by(EXECUTIONS.c.end_ns, EXECUTIONS.c.id), None)]

    def log_offsets(self, server: int) -> dict[str, int]:
        """Return how far each file of a server's log was read."""
        rows = self._rows(select(LOGS).where(LOGS.c.server == server), None)
        return {row.file: row.offset for row in rows}

    def put_log_offsets(self, connection: Connection, server: int, offsets: Mapping[str, int], now_ns: int) -> None:
        """Write how far the files of a server's log were read. Within `writing`."""
        connection.execute(delete(LOGS).where(LOGS.c.server == server, LOGS.c.file.in_(list(offsets))))
        rows = [
            {"server": server, "file": file, "offset": offset, "read_ns": now_ns} for file, offset in offsets.items()
        ]
        if rows:
            connection.execute(insert(LOGS), rows)

    @staticmethod
    def _replace(connection: Connection, table: Any, key: Sequence[str], rows: Sequence[Mapping[str, Any]]) -> None:
        """Write rows in place of what stands under their keys: a clock that was set back gives a time twice."""
        query = delete(table).where(*(table.c[name] == bindparam(f"of_{name}") for name in key))
        connection.execute(query, [{f"of_{name}": row[name] for name in key} for row in rows])
        connection.execute(insert(table), rows)

    def _statement_rows(self, query: Any, server: int, numbers: Iterable[int] | None) -> list[Any]:
        query = query.where(STATEMENTS.c.server == server)
        if numbers is None:
            return self._rows(query, None)
        wanted = sorted({int(number) for number in numbers})
        if wanted and wanted[-1] - wanted[0] < 2 * len(wanted):  # most of those between, and then all at once
            known = set(wanted)
            rows = self._rows(query.where(STATEMENTS.c.number.between(wanted[0], wanted[-1])), None)
            return [row for row in rows if row.number in known]
        pages = [wanted[at : at + _PAGE] for at in range(0, len(wanted), _PAGE)]
        with self.reading() as connection:
            return [row for page in pages for row in self._rows(query.where(STATEMENTS.c.number.in_(page)), connection)]

    def _rows(self, query: Any, connection: Connection | None) -> list[Any]:
        if connection is not None:
            return list(connection.execute(query).all())
        with self.reading() as held:
            return list(held.execute(query).all())


def _in_parts(server: int, tier: int, parts: Collection[int]) -> ColumnElement[bool]:
    return and_(SLOTS.c.server == server, SLOTS.c.tier == tier, SLOTS.c.part.in_(parts))


def no_such_server(name: str, known: Sequence[str]) -> TrimtabError:
    """Return the error for a name that the history does not have."""
    from trimtab.errors import UsageError

    return UsageError(
        f"there is no history of {name!r}",
        code="history.no_server",
        next_step=f"Known are: {', '.join(known)}." if known else "Start `trimtab collect`: it writes one.",
    )
