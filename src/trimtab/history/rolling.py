"""Rolls a history up: minutes, hours and days are made of what is below them, and what is too old is dropped.

A stretch begins at a whole minute, hour or day. A clock that was set back tells times again that are there already:
what was made of them the first time is set aside, a nanosecond or more later, and both are kept. All within `writing`.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, replace
from functools import partial

import numpy as np
from sqlalchemy import Column, ColumnElement, Connection, Table, and_, delete, func, select, update

from trimtab.history.sample import joined_samples, sample_groups
from trimtab.history.schema import EVENTS, EXECUTIONS, SAMPLES, SLOTS, STATEMENTS
from trimtab.history.slots import SET_BACK_NS, Slot, groups, joined, moved_aside
from trimtab.history.store import PULSE, RELATIONS, HistoryStore
from trimtab.history.tiers import DAY, HOUR, KEPT_STATEMENTS, LENGTH_NS, MINUTE, RAW, SECOND_NS

_DROPPED_AT_ONCE_NS = LENGTH_NS[DAY]
"""So much is dropped of anything at once, which is once an hour: a clock that is far ahead for a while takes little."""


@dataclass(frozen=True, slots=True)
class _Kept:
    """One thing that is kept by tiers, the finest first: its table, its rows of a tier, and how a tier is made.

    `once` are rows of which there is one for each stretch. `make` takes the tier to make, the one below, and from when
    to when.
    """

    table: Table
    rows: Callable[[int], ColumnElement[bool]]
    once: Callable[[int], ColumnElement[bool]]
    tiers: Sequence[int]
    make: Callable[[int, int, int, int], None]


def roll_up(store: HistoryStore, connection: Connection, server: int, now_ns: int) -> None:
    """Make the minutes, hours and days that are over and not there yet, and drop raw readings that are too old.

    What a stretch lacks is no reason to wait: its seconds say how much of it was measured.
    """
    for kept in _all_kept(store, connection, server):
        for below, tier in zip(kept.tiers, kept.tiers[1:], strict=False):
            begin_ns, end_ns = _due(connection, kept, tier, now_ns)
            if begin_ns < end_ns:
                kept.make(tier, below, begin_ns, end_ns)
    _drop_tiers(store, connection, server, (RAW,), now_ns, now_ns)


def drop_old(store: HistoryStore, connection: Connection, server: int, now_ns: int) -> None:
    """Drop what is too old of all that is kept for days: to be called once an hour."""
    _drop_tiers(store, connection, server, (MINUTE, HOUR, DAY), now_ns, _DROPPED_AT_ONCE_NS)
    kept = store.retention
    for table, column, seconds in (
        (EXECUTIONS, EXECUTIONS.c.end_ns, kept.executions_seconds),
        (STATEMENTS, STATEMENTS.c.seen_ns, kept.seconds[HOUR]),
    ):
        rows, before_ns = table.c.server == server, now_ns - int(seconds * SECOND_NS)
        _drop(connection, rows, rows, column, before_ns, _DROPPED_AT_ONCE_NS)
    newest = connection.execute(select(func.max(EVENTS.c.id))).scalar_one() or 0
    connection.execute(delete(EVENTS).where(EVENTS.c.id <= newest - kept.events))


def set_aside(store: HistoryStore, connection: Connection, server: int, now_ns: int) -> None:
    """Make way for times that are told again, where a clock was set back: before anything is written by the new time.

    Hours and days are made anew of what is below them, where all of that is there. Where it is not, and of raw readings
    there may be none left by then, what was made stays beside, and what is below is dropped: it does not count again.
    """
    for kept in _all_kept(store, connection, server):
        column = kept.table.c.start_ns
        for below, tier in reversed(list(zip(kept.tiers, kept.tiers[1:], strict=False))):
            length_ns = LENGTH_NS[tier]
            end_ns = now_ns - now_ns % length_ns
            near = and_(kept.once(tier), column >= end_ns, column < end_ns + SET_BACK_NS)
            found = connection.execute(select(column, kept.table.c.seconds).where(near)).all()
            seconds = {row.start_ns: row.seconds for row in found}
            for start_ns, aside_ns in moved_aside(list(seconds), length_ns).items():
                if below != RAW and _is_made_anew(connection, kept, tier, below, start_ns, seconds[start_ns]):
                    continue
                connection.execute(
                    update(kept.table).where(kept.rows(tier), column == start_ns).values(start_ns=aside_ns)
                )
                within = and_(column >= start_ns, column < start_ns + length_ns)
                for finer in kept.tiers[: kept.tiers.index(tier)]:
                    connection.execute(delete(kept.table).where(kept.rows(finer), within))


def _is_made_anew(connection: Connection, kept: _Kept, tier: int, below: int, start_ns: int, seconds: float) -> bool:
    """Remove a stretch of which all is still below it, to be made anew; return False where it is not."""
    column = kept.table.c.start_ns
    within = and_(kept.once(below), column >= start_ns, column < start_ns + LENGTH_NS[tier])
    held = connection.execute(select(func.sum(kept.table.c.seconds)).where(within)).scalar_one() or 0.0
    if held < seconds * (1 - 1e-9):
        return False
    connection.execute(delete(kept.table).where(kept.rows(tier), column == start_ns))
    return True


def _all_kept(store: HistoryStore, connection: Connection, server: int) -> Sequence[_Kept]:
    def first_part(tier: int) -> ColumnElement[bool]:  # which is always there
        return and_(SLOTS.c.server == server, SLOTS.c.tier == tier, SLOTS.c.part == 0)

    def samples(kind: int, tier: int) -> ColumnElement[bool]:
        return and_(SAMPLES.c.server == server, SAMPLES.c.kind == kind, SAMPLES.c.tier == tier)

    return (
        _Kept(
            SLOTS, partial(store.in_tier, connection, server), first_part, (RAW, MINUTE, HOUR, DAY),
            partial(_make_slots, store, connection, server),
        ),
        *(
            _Kept(
                SAMPLES, partial(samples, kind), partial(samples, kind), tiers,
                partial(_make_samples, store, connection, server, kind),
            )
            for kind, tiers in ((PULSE, (RAW, MINUTE, HOUR, DAY)), (RELATIONS, (RAW, HOUR, DAY)))
        ),
    )  # fmt: skip


def _due(connection: Connection, kept: _Kept, tier: int, now_ns: int) -> tuple[int, int]:
    """Return the beginning and the end of what is over and was not rolled up into a tier yet."""
    column, length_ns = kept.table.c.start_ns, LENGTH_NS[tier]
    end_ns = now_ns - now_ns % length_ns
    made = and_(kept.once(tier), column < end_ns, column % length_ns == 0)
    last = connection.execute(select(column).where(made).order_by(column.desc()).limit(1)).scalar_one_or_none()
    return (0 if last is None else int(last) + length_ns), end_ns


def _make_slots(
    store: HistoryStore, connection: Connection, server: int, tier: int, below: int, begin_ns: int, end_ns: int
) -> None:
    found = store.slots(server, below, begin_ns, end_ns, connection=connection)
    for start_ns, parts in groups(found, LENGTH_NS[tier]).items():
        store.add_slot(connection, server, joined(tier, start_ns, _whole(parts), KEPT_STATEMENTS))


def _make_samples(
    store: HistoryStore, connection: Connection, server: int, kind: int, tier: int, below: int, begin_ns: int,
    end_ns: int,
) -> None:  # fmt: skip
    found = store.samples(server, kind, below, begin_ns, end_ns, connection=connection)
    for start_ns, samples in sample_groups(found, LENGTH_NS[tier]).items():
        store.add_sample(connection, server, kind, tier, joined_samples(start_ns, samples))


def _drop_tiers(
    store: HistoryStore, connection: Connection, server: int, tiers: Collection[int], now_ns: int, at_once_ns: int
) -> None:
    for kept in _all_kept(store, connection, server):
        for tier in (tier for tier in kept.tiers if tier in tiers):
            before_ns = now_ns - int(store.retention.seconds[tier] * SECOND_NS)
            _drop(connection, kept.rows(tier), kept.once(tier), kept.table.c.start_ns, before_ns, at_once_ns)


def _drop(
    connection: Connection, rows: ColumnElement[bool], once: ColumnElement[bool], column: Column[int], before_ns: int,
    at_once_ns: int,
) -> None:  # fmt: skip
    oldest = connection.execute(select(column).where(once).order_by(column).limit(1)).scalar_one_or_none()
    if oldest is not None and oldest < before_ns:
        connection.execute(delete(column.table).where(rows, column < min(before_ns, int(oldest) + at_once_ns)))


def _whole(parts: Sequence[Slot]) -> list[Slot]:
    """Put the parts of each stretch together again: else its seconds would count once a part."""
    by_start: dict[int, list[Slot]] = {}
    for part in parts:
        by_start.setdefault(part.start_ns, []).append(part)
    return [
        replace(
            pieces[0],
            numbers=np.concatenate([piece.numbers for piece in pieces]),
            counts=np.concatenate([piece.counts for piece in pieces]),
        )
        for pieces in by_start.values()
    ]
