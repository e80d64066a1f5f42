"""Proposes to make one index of two, where one's keys begin the other's and each holds columns that the other lacks.

Plain, non-unique B-trees alone, which nothing but reads needs; and only where one index is smaller than the two, so
that disk and writes gain whatever the reads do. The trial says whether these lose.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from trimtab.model.catalog import Index, Table
from trimtab.model.change import CreateIndex, quote_identifier
from trimtab.model.plan import Plan
from trimtab.model.strategy import Strategy
from trimtab.propose.context import Context, Limits
from trimtab.propose.drops import begins, drop_of, is_plain, may_go, needless
from trimtab.propose.names import object_name, titled

NAME = "merges"
# Names with parentheses, operator classes with parameters and storage options are left alone.
_PLAIN = re.compile(r"(?P<keys>USING btree \([^()]*\))(?: INCLUDE \((?P<included>[^()]*)\))?")


def propose(context: Context) -> list[Strategy]:
    """Return one strategy per pair, what frees the most bytes first. No index is part of two."""
    tables = context.snapshot.tables if context.limits.wants_drops else ()
    found = [merge for table in tables for merge in _merges(table, context)]
    users = _users(context) if found else {}
    chosen: list[Strategy] = []
    taken: set[tuple[str, str]] = set()
    for freed, table, short, long, change in sorted(found, key=lambda merge: (-merge[0], merge[4].name)):
        names = {(short.schema, short.name), (long.schema, long.name)}
        if not names & taken:
            taken |= names
            chosen.append(_strategy(freed, table, short, long, change, users))
    return chosen


_Merge = tuple[int, Table, Index, Index, CreateIndex]
"""Bytes that it frees, the table, the index whose keys begin the other's, that one, and the index instead of both."""


def _merges(table: Table, context: Context) -> Iterator[_Merge]:
    limits = context.limits
    gone = {index.name for index, _ in needless(table, limits.must_keep)}
    usable = [
        index
        for index in table.indexes
        if may_go(index)
        and is_plain(index)
        and index.method == "btree"
        and index.name not in gone
        and (index.schema, index.name) not in limits.must_keep
    ]
    pairs = [(short, long) for short in usable for long in usable if short is not long and begins(long, short)]
    wanted = [(short, long, change) for short, long in pairs if (change := _merged(table, short, long, limits))]
    sizes = context.what_if.size_bytes([change for _, _, change in wanted]) if wanted else []
    for (short, long, change), size in zip(wanted, sizes, strict=True):
        if size is not None and size < short.size_bytes + long.size_bytes:
            yield short.size_bytes + long.size_bytes - size, table, short, long, change


def _merged(table: Table, short: Index, long: Index, limits: Limits) -> CreateIndex | None:
    """Return the longer index with what the shorter one includes; None where that is no plain index, or not allowed."""
    if len(short.key_columns) == len(long.key_columns) and short.name > long.name:
        return None  # Of two with the same keys one order is enough.
    missing = [column for column in short.include_columns if column not in (*long.key_columns, *long.include_columns)]
    included = (*long.include_columns, *missing)
    definition = _PLAIN.fullmatch(long.tail or "")
    if definition is None or not missing or "include" not in limits.kinds:
        return None
    if len(included) > limits.max_include_columns or not limits.allows(table.schema, table.name, included):
        return None
    known = [definition["included"]] if definition["included"] else []
    tail = f"{definition['keys']} INCLUDE ({', '.join([*known, *map(quote_identifier, missing)])})"
    keys = tuple(column or "" for column in long.key_columns)
    name = object_name(limits.name_prefix, (table.name, *keys), f"{table.schema}.{table.name} {tail}")
    return CreateIndex(table.schema, table.name, name, tail, keys, included)


def _users(context: Context) -> dict[str, list[str]]:
    """Return the ids of the queries that use an index now, by its name."""
    queries = context.queries
    [plans] = context.what_if.what_if(queries, [()])
    users: dict[str, list[str]] = {}
    for query, plan in zip(queries, plans, strict=True):
        for name in plan.indexes if isinstance(plan, Plan) else ():
            users.setdefault(name, []).append(query.id)
    return users


def _strategy(
    freed: int, table: Table, short: Index, long: Index, change: CreateIndex, users: dict[str, list[str]]
) -> Strategy:
    ids = dict.fromkeys([*users.get(short.name, ()), *users.get(long.name, ())])
    return Strategy(
        changes=(change, drop_of(table, short), drop_of(table, long)),
        proposer=NAME,
        title=f"merge indexes {short.name} and {long.name} of {titled(table.schema, table.name)}",
        reason=f"one index does what both do, in {freed:,} bytes less, and writes pay for one",
        query_ids=tuple(ids),
        size_bytes=-freed,
        evidence={
            "case": "mergeable",
            f"size_bytes.{change.name}": short.size_bytes + long.size_bytes - freed,
            f"rule.{change.name}": NAME,
        },
    )
