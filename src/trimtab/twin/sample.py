"""Counts on the source what column statistics do not tell, over a bounded sample of a table: no row ever travels.

Everything is computed by the source, in SQL, in one read-only transaction under a time limit, from at most 30,000 rows
of at most 30,000 pages, as ANALYZE reads them; from up to ten times as many for statistics targets above 100, and for
predicates that fewer than 1,000 of them satisfy. How often keys repeat is counted in 30,000 rows of whole blocks, and
then, for keys that were seldom seen there, in as many rows of all 30,000 pages. What the source refuses is told and not
guessed.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing, contextmanager, suppress
from dataclasses import dataclass, field, replace
from queue import SimpleQueue
from threading import Lock
from typing import TypeVar, cast

import psycopg
from psycopg.rows import TupleRow

from trimtab.db import queries
from trimtab.db.connection import Connection
from trimtab.db.failures import source_error
from trimtab.db.role import reading
from trimtab.errors import TrimtabError
from trimtab.model.change import qualified
from trimtab.twin.expression_statistics import ExpressionStatistics, compute
from trimtab.twin.groups import KeyCounts, PickedKeys, is_uneven
from trimtab.twin.repeat import sampled_rows
from trimtab.twin.sample_statements import (
    ITEMS,
    KEYS,
    MOST_PICKED,
    MOST_ROWS,
    ROWS,
    SHARE,
    Sampled,
    Wanted,
    keys_statement,
    picked_statement,
    rows_statement,
    sampled,
)

_TIMEOUT_MS, _LOCK_TIMEOUT_MS = 20_000, 2_000
_AT_ONCE = 20
_FEW = 1_000
"""A count below this is off by three per cent and more."""

_MORE = 1.5
"""With fewer times as many blocks little more would be seen."""
_LARGE_PAGES = 2_000
"""Tables from here on are read in two sessions at a time."""

Answer = TypeVar("Answer")
Question = TypeVar("Question")


@dataclass(frozen=True, slots=True)
class Measured:
    """What was counted over `rows` sampled rows; `share` of them satisfy the predicate. None is not measured.

    `table_rows` are what whole blocks tell of how many the table has. `refusal` says why nothing was, or is "".
    """

    refusal: str = ""
    rows: float = 0.0
    share: float | None = None
    table_rows: float | None = None
    key_counts: KeyCounts | None = None
    item_counts: tuple[KeyCounts | None, ...] = ()
    statistics: dict[int, ExpressionStatistics] = field(default_factory=dict)


class SourceSample:
    """Reads samples of one source. A connection, or two for a large table, is open only while something is measured.

    Without values no value of a row is asked for: what is told of expressions are counts and averages.
    """

    def __init__(self, conninfo: str, *, with_values: bool = True, timeout_ms: int = _TIMEOUT_MS) -> None:
        self._conninfo = conninfo
        self._with_values = with_values
        self._timeout_ms = timeout_ms
        self._known: dict[tuple[tuple[str, str], Wanted], Measured] = {}
        self._answers: dict[Hashable, object] = {}
        self._lock = Lock()

    def measure(self, table: tuple[str, str], wanted: Sequence[Wanted]) -> list[Measured]:
        """Return what each of `wanted` asks of this table. A refusal is an answer with a note, never an error.

        What was answered once is not asked again: all servers of a twin have the same answers.
        """
        with self._lock:
            fresh = [want for want in dict.fromkeys(wanted) if (table, want) not in self._known]
            answers = self._ask(table, fresh) if fresh else []
            self._known.update({(table, want): a for want, a in zip(fresh, answers, strict=True)})
            return [self._known[table, want] for want in wanted]

    def once(self, key: Hashable, ask: Callable[[Connection], Answer], refused: Callable[[str], Answer]) -> Answer:
        """Return what `ask` finds on the source in a read-only transaction, or what `refused` makes of the reason.

        It is asked once for each key.
        """
        with self._lock:
            if key not in self._answers:
                self._answers[key] = self._read(ask, refused)
            return cast("Answer", self._answers[key])

    def _ask(self, table: tuple[str, str], wanted: Sequence[Wanted]) -> list[Measured]:
        def ask(connection: Connection) -> list[Measured]:
            size = connection.execute(
                queries.load("twin_sample_size", connection.info.server_version), (qualified(*table),)
            ).fetchone()
            if size is None:
                return [Measured("the source has no such table")] * len(wanted)
            is_partitioned, pages, rows = size
            if rows <= 0 < pages:  # Nobody counted them yet.
                rows = _planned_rows(connection, table)
            read, more = (
                sampled(table, pages, rows, is_whole_tree=is_partitioned, most_rows=most) for most in (ROWS, MOST_ROWS)
            )
            with ExitStack() as stack:
                connections = [connection]
                if pages >= _LARGE_PAGES and len(wanted) > 1:
                    with suppress(TrimtabError, psycopg.Error):  # There may be no room for another session.
                        connections.append(self._open(stack))
                reading = _Reading(connections, read, more, self._with_values)
                return [answer for part in _parts(wanted) for answer in reading.measured(part)]

        return self._read(ask, lambda reason: [Measured(reason)] * len(wanted))

    def _read(self, ask: Callable[[Connection], Answer], refused: Callable[[str], Answer]) -> Answer:
        try:
            with ExitStack() as stack:
                return ask(self._open(stack))
        except TrimtabError as error:
            return refused(str(error))
        except psycopg.Error as error:
            return refused(str(source_error(error)))

    def _open(self, stack: ExitStack) -> Connection:
        """Return a session in a read-only transaction, which ends with the stack."""
        connection = reading(
            self._conninfo,
            statement_timeout_ms=self._timeout_ms,
            lock_timeout_ms=_LOCK_TIMEOUT_MS,
        )
        stack.enter_context(closing(connection))
        stack.enter_context(_reading(connection))
        return connection


@contextmanager
def _reading(connection: Connection) -> Iterator[None]:
    with connection.transaction(force_rollback=True):
        connection.execute("set transaction isolation level repeatable read, read only")
        connection.execute("select pg_catalog.set_config('search_path', '', true)")
        # A sample of the rows that a policy lets through would be told as one of the table.
        connection.execute("select pg_catalog.set_config('row_security', 'off', true)")
        yield


def _parts(wanted: Sequence[Wanted]) -> Iterator[Sequence[Wanted]]:
    for start in range(0, len(wanted), _AT_ONCE):
        yield wanted[start : start + _AT_ONCE]


@dataclass(frozen=True, slots=True)
class _Reading:
    """One table's sample on open connections; `more` is a larger one, for what is seldom."""

    connections: Sequence[Connection]
    source: Sampled
    more: Sampled
    with_values: bool

    @property
    def connection(self) -> Connection:
        """The one for what is asked one after the other."""
        return self.connections[0]

    def measured(self, wanted: Sequence[Wanted]) -> list[Measured]:
        """Answer all with one reading of the sample; when that is refused, each with its own."""
        try:
            with self.connection.transaction():
                return self._with_picked(wanted, self._counted_again(wanted, self._asked(wanted)))
        except psycopg.Error as error:
            if any(connection.closed for connection in self.connections):
                raise
            if len(wanted) == 1 or error.sqlstate == "57014":
                return [Measured(str(source_error(error)))] * len(wanted)
        return [answer for want in wanted for answer in self.measured([want])]

    def _asked(self, wanted: Sequence[Wanted]) -> list[Measured]:
        placed = list(enumerate(wanted))
        keyed = [(place, want) for place, want in placed if want.keys]
        others = [(place, want) for place, want in placed if not want.is_of_keys_alone]
        texts = [text(self.source, some) for text, some in ((rows_statement, others), (keys_statement, keyed)) if some]
        rows = [row for some in self._side_by_side(sampled_rows, texts) for row in some]
        found = {(place, part): value for place, part, value in rows}
        return [self._answer(place, want, found) for place, want in enumerate(wanted)]

    def _counted_again(self, wanted: Sequence[Wanted], answers: Sequence[Measured]) -> list[Measured]:
        """Count what few of the rows satisfy in ten times as many, where the table has more."""
        few = {
            place: answer
            for place, answer in enumerate(answers)
            if answer.share is not None and answer.share * answer.rows < _FEW and self.source.all_rows
        }
        if not few:
            return list(answers)
        text = rows_statement(self.more, [(place, Wanted(predicate=wanted[place].predicate)) for place in few])
        try:
            with self.connection.transaction():
                counts = {place: _numbers(value) for place, _, value in sampled_rows(self.connection, text)}
        except psycopg.Error:  # It takes too long, say: what was counted first holds.
            if self.connection.closed:
                raise
            return list(answers)
        return [
            answer if place not in few or not counts[place][0] else _with_share(answer, *counts[place])
            for place, answer in enumerate(answers)
        ]

    def _with_picked(self, wanted: Sequence[Wanted], answers: Sequence[Measured]) -> list[Measured]:
        """Count some keys in more blocks where it is open how often those occur; in still more where that differs."""
        source, counted = self.source, {place: one.key_counts for place, one in enumerate(answers) if one.key_counts}
        some = {place: counts for place, counts in counted.items() if counts.is_open(source.block_share)}
        known = source.block_share
        for blocks, share in ((source.more_blocks, source.more_share), (source.most_blocks, source.most_share)):
            if share < _MORE * known or not some:
                continue
            known = share
            picked = self._picked(wanted, some, blocks, share)
            counted |= picked
            some = {place: counts for place, counts in picked.items() if counts.picked and is_uneven(counts.picked)}
        return [replace(answer, key_counts=counted.get(place)) for place, answer in enumerate(answers)]

    def _picked(
        self, wanted: Sequence[Wanted], some: Mapping[int, KeyCounts], blocks: str, share: float
    ) -> dict[int, KeyCounts]:
        """Return the counts with what these blocks tell of them, by place; those are left out of which it is not known.

        What can be picked by the same expressions is counted together, unless these have frequent values; else each by
        itself. Until one takes too long: the others would too.
        """
        together: dict[tuple[str | None, tuple[str, ...]], list[int]] = {}
        for place in some:
            want = wanted[place]
            together.setdefault((want.predicate, want.picked_by or want.keys), []).append(place)
        is_too_long = False

        def ask(connection: Connection, places: Sequence[int]) -> list[TupleRow]:
            """Return what is told of these; nothing where the server refuses it, or where it would take too long."""
            nonlocal is_too_long
            if is_too_long:
                return []
            first, is_alone = wanted[places[0]], len(places) == 1
            text = picked_statement(
                blocks,
                [(place, wanted[place]) for place in places],
                first.keys if is_alone else first.picked_by or first.keys,
                key_share(places),
                most=0 if is_alone else MOST_PICKED,
            )
            try:
                with connection.transaction():
                    return sampled_rows(connection, text)
            except psycopg.Error as error:
                if connection.closed:
                    raise
                is_too_long = is_too_long or error.sqlstate == "57014"
                return []

        def key_share(places: Sequence[int]) -> float:
            return min(ROWS / (some[places[0]].rows / self.source.block_share * share), 1.0)

        left, found = list(together.values()), dict[int, KeyCounts]()
        while left:
            told = list(zip(left, self._side_by_side(ask, left), strict=True))
            for places, rows in told:
                for place, _, value in rows:
                    if (more := _counts(value)) is not None:
                        picked = PickedKeys(key_share(places), share, more.occurrences)
                        found[place] = replace(some[place], width=more.width, picked=picked)
            left = [[place] for places, rows in told if not rows and len(places) > 1 for place in places]
        return found

    def _side_by_side(
        self, ask: Callable[[Connection, Question], Answer], questions: Sequence[Question]
    ) -> list[Answer]:
        """Return the answers in their order, of as many at a time as there are connections."""
        if len(self.connections) == 1 or len(questions) == 1:
            return [ask(self.connection, question) for question in questions]
        free = SimpleQueue[Connection]()
        for connection in self.connections:
            free.put(connection)

        def answer(question: Question) -> Answer:
            connection = free.get()
            try:
                with connection.transaction():
                    return ask(connection, question)
            finally:
                free.put(connection)

        with ThreadPoolExecutor(len(self.connections)) as pool:
            return list(pool.map(answer, questions))

    def _answer(self, place: int, want: Wanted, found: dict[tuple[int, int], object]) -> Measured:
        key_counts = _counts(found.get((place, KEYS))) if want.keys else None
        if want.is_of_keys_alone:
            rows = passed = key_counts.rows if key_counts else 0.0
        else:
            rows, passed = _numbers(found[place, SHARE])
        base = passed if want.predicate is not None else rows
        statistics: dict[int, ExpressionStatistics] = {}
        for position, expression in want.expressions:
            told = compute(
                self.connection,
                self.source.text,
                expression,
                want.predicate,
                max(self.source.all_rows, rows),
                with_values=self.with_values,
            )
            if told is not None:
                statistics[position] = told
        return Measured(
            rows=rows,
            share=None if want.predicate is None or not rows else passed / rows,
            table_rows=key_counts.rows / self.source.block_share if key_counts and want.predicate is None else None,
            key_counts=key_counts,
            item_counts=tuple(_counts(found.get((place, ITEMS + n)), base) for n in range(len(want.items))),
            statistics=statistics,
        )


def _planned_rows(connection: Connection, table: tuple[str, str]) -> float:
    text = f"EXPLAIN (FORMAT JSON) SELECT FROM {qualified(*table)}"
    [[[plan]]] = connection.execute(text.encode()).fetchall()
    return float(plan["Plan"]["Plan Rows"])


def _with_share(answer: Measured, rows: float, passed: float) -> Measured:
    return replace(answer, rows=rows, share=passed / rows)


def _numbers(value: object) -> tuple[float, float]:
    assert isinstance(value, list), "jsonb_build_array"
    return float(value[0]), float(value[1])


def _counts(value: object, rows: float | None = None) -> KeyCounts | None:
    """Return the counts over so many rows, those of the keys together where nothing is said."""
    if not isinstance(value, list) or rows == 0:
        return None
    occurrences = tuple((int(row[0]), int(row[1]), int(row[2])) for row in value)
    known = [(int(row[1]), int(row[2]), float(row[3])) for row in value if row[3] is not None]
    width = sum(keys * each for keys, _, each in known) / max(sum(keys for keys, _, _ in known), 1)
    row_width = sum(of * each for _, of, each in known) / max(sum(of for _, of, _ in known), 1)
    return KeyCounts(rows or float(sum(of for _, _, of in occurrences)), occurrences, width, row_width)
