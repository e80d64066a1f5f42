"""Gives the queries of a workload values for their `$n`, drawn from the planner's statistics and marked synthetic.

A value comes from the column that `$n` is compared with or written to; else its type decides. A query for which one
value cannot be found keeps none: it is planned as a generic plan and never run. Runs no query, and keeps no value.

What is fast for one value may be slow for another: the heaviest reads get several draws, each a query of its own that
stands for its share of the executions.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from random import Random

import psycopg
from psycopg import pq

from trimtab.db.connection import Connection, source_error
from trimtab.db.parser import UnreadableSqlError, parse
from trimtab.model.workload import Query, Workload
from trimtab.observe import values
from trimtab.observe.bindings import Binding, Role, bindings
from trimtab.observe.column_facts import ColumnFacts, ParameterType, read_column_facts, read_parameter_types
from trimtab.observe.names import ColumnName, TableName, relations_of

_WITH_SEVERAL = 20
"""So many of the reads, those with the most executions, get several draws."""
_OTHERS = 5
_FIXED = {Role.LIMIT: "10", Role.OFFSET: "0", Role.PART: "day"}


_JOINT_SHARE = 0.25


class _Common(Random):
    """Random numbers of the lowest quarter: they stand for the most common values."""

    def random(self) -> float:
        """Return a number from 0 to a quarter."""
        return super().random() * _JOINT_SHARE


class _Rare(Random):
    """Random numbers just below 1: they stand for the least common values that the statistics know."""

    def random(self) -> float:
        """Return a number that is nearly 1."""
        return 1.0 - super().random() * 1e-6


@dataclass(frozen=True, slots=True)
class _Draw:
    """What a draw for one query needs: facts by table and column as written, parameter types in order."""

    facts: Mapping[TableName, Mapping[str, ColumnFacts]]
    types: tuple[ParameterType, ...]
    tables: frozenset[TableName]
    random: Random
    seed: str
    is_rare: bool = False

    def of_row(self, column: ColumnName, level: int, nth: int, *, is_joint: bool) -> Random:
        """Return random numbers that are the same for every column of one table of the query: columns that go together
        (a city and its country) then get values of the same rank, which are likelier to meet in a row. Where several
        columns must meet (`is_joint`), they are common values: those meet the most.
        """
        seed = f"{self.seed} {level} {column[0]} {column[1]} {nth}"
        if self.is_rare:
            return _Rare(seed)
        return _Common(seed) if is_joint else Random(seed)  # noqa: S311


def with_parameters(
    conn: Connection, workload: Workload, random: Random, *, draws: int = 1, is_rare: bool = False
) -> Workload:
    """Return the workload with values for every `$n` that had none, where they can be found. Raises SourceError.

    The heaviest reads are drawn `draws` times; equal draws are one query. With `is_rare` the values that a column is
    compared with are the least common ones that its statistics know.
    """
    open_queries = [query for query in workload.queries if not query.is_runnable]
    if not open_queries:
        return workload
    tables = {query.id: _tables(query.text) for query in open_queries}
    facts = read_column_facts(conn, frozenset[TableName]().union(*tables.values()))
    oids = {query.id: _parameter_oids(conn, query) for query in open_queries}
    kinds = read_parameter_types(conn, {oid for found in oids.values() for oid in found})
    drawn: dict[str, list[tuple[str, ...] | None]] = {}
    reads = sorted((query for query in open_queries if query.is_read), key=lambda query: (-query.weight, query.id))
    several = {query.id for query in reads[:_WITH_SEVERAL]}
    base = random.getrandbits(64)
    for query in open_queries:
        types = tuple(kinds[oid] for oid in oids[query.id] if oid in kinds)
        if len(types) == query.parameter_count:
            # Each query has random numbers of its own: the order of the others does not change what it is given.
            seeds = [f"{base} {query.id}"]
            seeds += [f"{seeds[0]} {number}" for number in range(1, draws if query.id in several else 1)]
            drawn[query.id] = [
                _drawn(query.text, _Draw(facts, types, tables[query.id], Random(seed), seed, is_rare))  # noqa: S311
                for seed in seeds
            ]
    filled = (one for query in workload.queries for one in _filled(query, drawn.get(query.id, [])))
    return replace(workload, queries=tuple(filled))


def other_values(conn: Connection, query: Query, seed: int) -> list[Query]:
    """Return the statement with some other values that are drawn for it, rare ones first; none where it has its own.

    Raises SourceError.
    """
    if not query.is_synthetic:
        return []
    open_ = Workload((replace(query, parameters=()),), "")
    found: list[Query] = []
    for number in range(_OTHERS):
        found += with_parameters(conn, open_, Random(seed + number), is_rare=number == 0).queries  # noqa: S311
    return [one for one in dict.fromkeys(found) if one.is_runnable]


def _filled(query: Query, found: Sequence[tuple[str, ...] | None]) -> Iterator[Query]:
    """Yield a query for each different draw, with its share of the weight; the query itself where there is none."""
    draws = [parameters for parameters in found if parameters is not None]
    if not draws:
        yield query
    for number, (parameters, times) in enumerate(Counter(draws).items()):
        yield replace(
            query,
            id=f"{query.id}{_letter(number)}",
            name=f"{query.name}{_letter(number)}",
            weight=query.weight * times / len(draws),
            parameters=parameters,
            is_synthetic=True,
            drawn_of=query.id if number else "",
        )


def _letter(number: int) -> str:
    """Return what tells the draws of one query apart: nothing for the first, then "b", "c"..."""
    return "" if number == 0 else chr(ord("a") + number)


def _tables(text: str) -> frozenset[TableName]:
    try:
        return frozenset(relations_of(parse(text)))
    except UnreadableSqlError:
        return frozenset()


def _parameter_oids(conn: Connection, query: Query) -> tuple[int, ...]:
    """Return the types that the server infers, by oid; none when it refuses the text. Nothing is planned or run."""
    try:
        # In a transaction, so that a pooler keeps one server for both messages; the unnamed statement leaves nothing.
        with conn.transaction(force_rollback=True):
            if conn.pgconn.prepare(b"", query.text.encode()).status != pq.ExecStatus.COMMAND_OK:
                return ()
            described = conn.pgconn.describe_prepared(b"")
            return tuple(described.param_type(number) for number in range(described.nparams))
    except psycopg.Error as exc:
        raise source_error(exc) from None


def _drawn(text: str, draw: _Draw) -> tuple[str, ...] | None:
    found = bindings(text, draw.facts)
    values_by_number = _ranges(found.values(), draw)
    columns = {(b.level, b.column) for b in found.values() if b.column is not None and b.role is Role.EQUAL}
    together = Counter((level, column[:2]) for level, column in columns)
    met: Counter[tuple[int, ColumnName]] = Counter()
    for number, kind in enumerate(draw.types, start=1):
        if number not in values_by_number:
            binding = found.get(number)
            random = draw.random
            if binding is not None and binding.column is not None:
                is_joint = binding.role is Role.EQUAL and together[binding.level, binding.column[:2]] > 1
                nth = met[binding.level, binding.column]
                random = draw.of_row(binding.column, binding.level, nth, is_joint=is_joint)
                met[binding.level, binding.column] += 1
            value = _value(binding, kind, draw, random)
            if value is None:
                return None
            values_by_number[number] = value
    return tuple(values_by_number[number] for number in range(1, len(draw.types) + 1))


def _ranges(found: Iterable[Binding], draw: _Draw) -> dict[int, str]:
    """Return values for pairs of bounds on one column of one query level: a narrow range."""
    bounds: dict[tuple[int, ColumnName], dict[Role, int]] = {}
    for binding in found:
        if binding.column is not None and binding.role in (Role.LOW, Role.HIGH):
            bounds.setdefault((binding.level, binding.column), {}).setdefault(binding.role, binding.number)
    drawn: dict[int, str] = {}
    for (_, column), numbers in bounds.items():
        facts = _facts(column, draw)
        ends = values.narrow_range(facts, draw.random) if facts is not None and len(numbers) == 2 else None
        if facts is None or ends is None:
            continue
        for role, end in zip((Role.LOW, Role.HIGH), ends, strict=True):
            fit = values.fitted(end, facts, draw.types[numbers[role] - 1])
            if fit is not None:
                drawn[numbers[role]] = fit
    return drawn


def _value(binding: Binding | None, kind: ParameterType, draw: _Draw, random: Random) -> str | None:
    if binding is not None and binding.role in _FIXED:
        return _FIXED[binding.role]
    facts = _facts(binding.column, draw) if binding is not None else None
    value = _of_column(binding.role, facts, kind, random) if binding is not None and facts is not None else None
    return value or _of_type(kind, draw)


def _of_column(role: Role, facts: ColumnFacts, kind: ParameterType, random: Random) -> str | None:
    if kind.category == "A" and facts.category != "A":
        return values.several(facts, random) if kind.element_category == facts.category else None
    if role in (Role.INSERTED, Role.ASSIGNED) and facts.is_unique and not facts.is_foreign_key:
        return values.fitted(values.new_key(facts, random), facts, kind)
    if role in (Role.LOW, Role.HIGH):
        return values.fitted(values.outer_bound(facts, random, is_low=role is Role.LOW), facts, kind)
    if role is Role.PATTERN and kind.category == "S":
        return values.pattern(facts, random)
    if role is Role.REGEX and kind.category == "S":
        return values.regex(facts, random)
    return values.fitted(values.occurring(facts, random), facts, kind)


def _of_type(kind: ParameterType, draw: _Draw) -> str | None:
    """A moment that some column of the query holds is nearer to what was asked than any fixed one."""
    if kind.category == "D":
        for table in sorted(draw.tables):
            for facts in draw.facts.get(table, {}).values():
                if facts.type_oid == kind.oid and facts.is_known:
                    return values.occurring(facts, draw.random)
    return values.typical(kind, draw.random)


def _facts(column: ColumnName | None, draw: _Draw) -> ColumnFacts | None:
    return None if column is None else draw.facts.get(column[:2], {}).get(column[2])
