"""Counts on the source what column statistics do not tell, over a bounded sample of a table: no row ever travels.

Everything is computed by the source, in SQL, in one read-only transaction under a time limit, from at most 30,000 rows
of at most 30,000 pages, as ANALYZE reads them; from up to ten times as many for statistics targets above 100, and for
predicates that fewer than 1,000 of them satisfy. How often keys repeat is counted in 30,000 rows of whole blocks: where
equal keys lie together, rows from many blocks would show pairs of them as often as if there were few keys. What the
source refuses is told and not guessed.
"""

# ruff: noqa: S608 - what is put together are expressions that the twin's server wrote out of its catalog
from __future__ import annotations

from collections.abc import Callable, Hashable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, field, replace
from threading import Lock
from typing import TypeVar, cast

import psycopg

from trimtab.db import queries
from trimtab.db.connection import Connection, connect
from trimtab.db.failures import source_error
from trimtab.errors import TrimtabError
from trimtab.model.change import qualified
from trimtab.twin.expression_statistics import ExpressionStatistics, compute
from trimtab.twin.gin_items import bytes_of, items_query
from trimtab.twin.groups import KeyCounts
from trimtab.twin.repeat import sampled_rows

ROWS, MOST_ROWS = 30_000, 300_000
"""Rows, and as many pages, that a sample has at most: ordinarily, and for a high statistics target."""
_TIMEOUT_MS, _LOCK_TIMEOUT_MS = 20_000, 2_000
_AT_ONCE = 20
_LEAST_BLOCKS = 100
_FEW = 1_000
"""A count below this is off by three per cent and more."""

Answer = TypeVar("Answer")


@dataclass(frozen=True, slots=True)
class Wanted:
    """What is asked of one index.

    `expressions` are (position, SQL) of columns that need statistics; `keys` make up the key whose repeats are counted;
    `items` are (SQL, schema and name of the operator class) of a GIN index's columns; `predicate` is the index's.
    """

    expressions: tuple[tuple[int, str], ...] = ()
    keys: tuple[str, ...] = ()
    items: tuple[tuple[str, str, str], ...] = ()
    predicate: str | None = None

    @property
    def is_of_keys_alone(self) -> bool:
        """Whether the sample of whole blocks has all of it."""
        return bool(self.keys) and not self.expressions and not self.items and self.predicate is None


@dataclass(frozen=True, slots=True)
class Measured:
    """What was counted over `rows` sampled rows; `share` of them satisfy the predicate. None is not measured.

    `refusal` says why nothing was, or is "".
    """

    refusal: str = ""
    rows: float = 0.0
    share: float | None = None
    key_counts: KeyCounts | None = None
    item_counts: tuple[KeyCounts | None, ...] = ()
    statistics: dict[int, ExpressionStatistics] = field(default_factory=dict)


class SourceSample:
    """Reads samples of one source. A connection is open only while something is measured.

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
            read, more = (
                sampled(table, pages, rows, is_whole_tree=is_partitioned, most_rows=most) for most in (ROWS, MOST_ROWS)
            )
            reading = _Reading(connection, read, more, self._with_values)
            return [answer for part in _parts(wanted) for answer in reading.measured(part)]

        return self._read(ask, lambda reason: [Measured(reason)] * len(wanted))

    def _read(self, ask: Callable[[Connection], Answer], refused: Callable[[str], Answer]) -> Answer:
        try:
            with closing(self._connect()) as connection, _reading(connection):
                return ask(connection)
        except TrimtabError as error:
            return refused(str(error))
        except psycopg.Error as error:
            return refused(str(source_error(error)))

    def _connect(self) -> Connection:
        return connect(
            self._conninfo,
            read_only=True,
            statement_timeout_ms=self._timeout_ms,
            lock_timeout_ms=_LOCK_TIMEOUT_MS,
        )


@dataclass(frozen=True, slots=True)
class Sampled:
    """What is read: FROM and after of the sample, and all rows of the table; 0 where the sample is the whole table.

    `blocks` is the same for a sample of as many rows that is made of whole blocks.
    """

    text: str
    all_rows: float
    blocks: str


def sampled(
    table: tuple[str, str], pages: float, rows: float, *, is_whole_tree: bool, most_rows: int = ROWS
) -> Sampled:
    """Return how to read about `most_rows` rows, of as many pages, from a table of that length.

    `is_whole_tree` reads all that inherits from it too.
    """
    share = min(most_rows / max(pages, 1.0), 1.0)
    kept = min(most_rows / max(rows * share, 1.0), 1.0)
    whole = min(max(most_rows / max(rows, 1.0), _LEAST_BLOCKS / max(pages, 1.0)), share)
    name = f"FROM {'' if is_whole_tree else 'ONLY '}{qualified(*table)} TABLESAMPLE SYSTEM"
    thinned = f" WHERE pg_catalog.random() < {kept:.9f}" if kept < 1 else ""
    return Sampled(
        text=f"{name} ({100 * share:.6f}) REPEATABLE (1){thinned} LIMIT {2 * most_rows}",
        all_rows=rows if min(share, kept) < 1 else 0.0,
        blocks=f"{name} ({100 * whole:.6f}) REPEATABLE (1) LIMIT {2 * most_rows}",
    )


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
    """One table's sample on an open connection; `more` is a larger one, for what is seldom."""

    connection: Connection
    source: Sampled
    more: Sampled
    with_values: bool

    def measured(self, wanted: Sequence[Wanted]) -> list[Measured]:
        """Answer all with one reading of the sample; when that is refused, each with its own."""
        try:
            with self.connection.transaction():
                return self._counted_again(wanted, self._asked(wanted))
        except psycopg.Error as error:
            if self.connection.closed:
                raise
            if len(wanted) == 1 or error.sqlstate == "57014":
                return [Measured(str(source_error(error)))] * len(wanted)
        return [answer for want in wanted for answer in self.measured([want])]

    def _asked(self, wanted: Sequence[Wanted]) -> list[Measured]:
        placed = list(enumerate(wanted))
        keyed = [(place, want) for place, want in placed if want.keys]
        others = [(place, want) for place, want in placed if not want.is_of_keys_alone]
        texts = [text(self.source, some) for text, some in ((_statement, others), (_keys_statement, keyed)) if some]
        rows = [row for text in texts for row in sampled_rows(self.connection, text)]
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
        text = _statement(self.more, [(place, Wanted(predicate=wanted[place].predicate)) for place in few])
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

    def _answer(self, place: int, want: Wanted, found: dict[tuple[int, int], object]) -> Measured:
        key_counts = _counts(found.get((place, _KEYS))) if want.keys else None
        if want.is_of_keys_alone:
            rows = passed = key_counts.rows if key_counts else 0.0
        else:
            rows, passed = _numbers(found[place, _SHARE])
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
            key_counts=key_counts,
            item_counts=tuple(_counts(found.get((place, _ITEMS + n)), base) for n in range(len(want.items))),
            statistics=statistics,
        )


def _with_share(answer: Measured, rows: float, passed: float) -> Measured:
    return replace(answer, rows=rows, share=passed / rows)


_SHARE, _KEYS, _ITEMS = 0, 1, 2  # and one more for each further column


class _Columns:
    """The expressions that a statement reads of a sample, each once, under names of ours."""

    def __init__(self) -> None:
        self._names: dict[str, str] = {}

    def name(self, expression: str) -> str:
        """Return the expression's name."""
        return self._names.setdefault(expression, f"c{len(self._names)}")

    def passing(self, predicate: str | None) -> str:
        """Return the condition of the rows that count."""
        return "true" if predicate is None else self.name(f"(({predicate}) IS TRUE)")

    def listed(self, *more: str) -> str:
        """Return the select list, beside what is there anyway."""
        return ", ".join([*more, *(f"({expression}) AS {name}" for expression, name in self._names.items())]) or "1"


def _statement(source: Sampled, wanted: Sequence[tuple[int, Wanted]]) -> str:
    """Return one statement that reads the sample once: (place, part, JSON) rows."""
    columns = _Columns()
    selects: list[str] = []
    for place, want in wanted:
        where = columns.passing(want.predicate)
        selects.append(
            f"SELECT {place}, {_SHARE}, pg_catalog.jsonb_build_array(count(*), count(*) FILTER (WHERE {where})) FROM s"
        )
        for number, (expression, schema, name) in enumerate(want.items):
            value = columns.name(expression)
            items = items_query(f"s.{value}", schema, name)
            rows = (
                f"SELECT count(*) AS times, count(*) AS rows, coalesce(avg({bytes_of('i.item')}), 0) AS bytes"
                f" FROM s CROSS JOIN LATERAL ({items}) i WHERE {where} AND s.{value} IS NOT NULL GROUP BY i.item"
                f" UNION ALL SELECT count(*), count(*), 0 FROM s"
                f" WHERE {where} AND s.{value} IS NULL HAVING count(*) > 0"
            )
            selects.append(_counted(place, _ITEMS + number, rows))
    return f"WITH s AS MATERIALIZED (SELECT {columns.listed()} {source.text}) {' UNION ALL '.join(selects)}"


def _keys_statement(source: Sampled, wanted: Sequence[tuple[int, Wanted]]) -> str:
    """Return one statement that reads whole blocks once: (place, part, JSON) rows, in how many blocks each key is."""
    columns = _Columns()
    selects: list[str] = []
    for place, want in wanted:
        where = columns.passing(want.predicate)
        names = ", ".join(map(columns.name, want.keys))
        keys = "SELECT count(DISTINCT b) AS times, count(*) AS rows, 0 AS bytes FROM s"
        selects.append(_counted(place, _KEYS, f"{keys} WHERE {where} GROUP BY {names}"))
    block = "(tableoid::bigint << 32) + (ctid::pg_catalog.text::pg_catalog.point)[0]::bigint AS b"
    return f"WITH s AS MATERIALIZED (SELECT {columns.listed(block)} {source.blocks}) {' UNION ALL '.join(selects)}"


def _counted(place: int, part: int, keys: str) -> str:
    """Return the query for how many keys occur how often, in how many rows, and their mean bytes."""
    return (
        f"SELECT {place}, {part}, (SELECT pg_catalog.jsonb_agg(pg_catalog.jsonb_build_array(times, keys, rows, bytes))"
        f" FROM (SELECT k.times, count(*) AS keys, sum(k.rows) AS rows, avg(k.bytes) AS bytes"
        f" FROM ({keys}) k GROUP BY k.times, k.rows) g)"
    )


def _numbers(value: object) -> tuple[float, float]:
    assert isinstance(value, list), "jsonb_build_array"
    return float(value[0]), float(value[1])


def _counts(value: object, rows: float | None = None) -> KeyCounts | None:
    """Return the counts over so many rows, those of the keys together where nothing is said."""
    if not isinstance(value, list) or rows == 0:
        return None
    keys = sum(int(row[1]) for row in value)
    occurrences = tuple((int(row[0]), int(row[1]), int(row[2])) for row in value)
    width = sum(float(row[1]) * float(row[3]) for row in value) / keys
    return KeyCounts(rows or float(sum(of for _, _, of in occurrences)), occurrences, width)
