"""Rules on statistics: how many columns, which kinds, whose name, that an object is new; what is told of a column."""

from __future__ import annotations

import re

from trimtab.model.change import CreateStatistics, DropStatistics, RestoreStatistics, SetDistinct, SetStatisticsTarget
from trimtab.validate.case import Case, Findings, broken, label

RESTORED_SINCE = 180000
_DIGEST = re.compile(r"[0-9a-f]{64}")


def max_columns(case: Case) -> Findings:
    """It is over two columns at least, and no more than allowed."""
    made = case.pending(CreateStatistics)
    limit = case.spec.statistics.max_columns
    if not made:
        return None
    return [
        broken(
            "statistics.max_columns",
            "the statistics object has a number of columns that is not allowed",
            f"{path}.columns",
            expected=f"2 to {limit}",
            actual=str(len(set(change.columns))),
        )
        for path, change in made
        if not 2 <= len(set(change.columns)) <= limit
    ]


def kinds(case: Case) -> Findings:
    """Its kinds are allowed ones."""
    made = case.pending(CreateStatistics)
    allowed = case.spec.statistics.kinds
    if not made:
        return None
    return [
        broken(
            "statistics.kinds",
            "the kinds of the statistics object are not allowed",
            f"{path}.kinds",
            expected=", ".join(allowed) or "none",
            actual=", ".join(label(kind) for kind in change.kinds) or "none",
        )
        for path, change in made
        if not change.kinds or not set(change.kinds) <= set(allowed)
    ]


def name_prefix(case: Case) -> Findings:
    """The name says whose object it is."""
    made = case.pending(CreateStatistics)
    prefix = case.spec.statistics.name_prefix
    if not made:
        return None
    return [
        broken(
            "statistics.name_prefix",
            "the name does not say that the statistics object is Trimtab's",
            f"{path}.name",
            expected=f"{prefix}...",
            actual=label(change.name),
        )
        for path, change in made
        if not change.name.startswith(prefix)
    ]


def exist(case: Case) -> Findings:
    """No object over the same columns has its kinds already, and none has its name."""
    made = case.pending_with_tables(CreateStatistics)
    if not made:
        return None
    taken = {(held.schema, held.name) for table in case.facts.tables.values() for held in table.statistics}
    found = []
    for path, change, table in made:
        known = [(held.name, held.columns, held.kinds) for held in table.statistics]
        for other in case.others(path):
            if isinstance(other, CreateStatistics) and (other.schema, other.table) == (table.schema, table.name):
                known.append((other.name, other.columns, other.kinds))
        same = [name for name, columns, kinds in known if _holds(columns, kinds, change) or name == change.name]
        if same or (change.schema, change.name) in taken:
            what = f"statistics object {label(change.name)} is there already, or another that says the same"
            actual = label(*sorted(same)[:1]) or "its name on another table"
            found.append(broken("objects.statistics_exist", what, path, expected="one that is new", actual=actual))
    return found


def _holds(columns: tuple[str, ...], kinds: tuple[str, ...], change: CreateStatistics) -> bool:
    return set(columns) == set(change.columns) and set(change.kinds) <= set(kinds)


def gone(case: Case) -> Findings:
    """A statistics object that is to be dropped is there."""
    dropped = case.pending_with_tables(DropStatistics)
    if not dropped:
        return None
    return [
        broken(
            "objects.statistics_gone",
            f"statistics object {label(change.schema, change.name)} cannot be dropped",
            f"{path}.name",
            expected="an object of that table",
            actual="none of that name",
        )
        for path, change, table in dropped
        if (change.schema, change.name) not in {(held.schema, held.name) for held in table.statistics}
    ]


def max_target(case: Case) -> Findings:
    """A column's target is within the limit, and not 0, by which ANALYZE would forget the column."""
    chosen = case.pending(SetStatisticsTarget)
    limit = case.spec.statistics.max_target
    if not chosen:
        return None
    return [
        broken(
            "statistics.max_target",
            f"the statistics target of {label(change.schema, change.table, change.column)} is not allowed",
            f"{path}.target",
            expected=f"1 to {limit}, or none",
            actual=str(change.target),
        )
        for path, change in chosen
        if change.target is not None and not 1 <= change.target <= limit
    ]


def distinct(case: Case) -> Findings:
    """A number of distinct values is a count, or a share of the rows from -1 on; 0 would mean that none is set."""
    chosen = case.pending(SetDistinct)
    if not chosen:
        return None
    return [
        broken(
            "statistics.distinct",
            f"the number of distinct values of {label(change.schema, change.table, change.column)} means nothing",
            f"{path}.distinct",
            expected="a whole count from 1 on, -1 to below 0 for a share of the rows, or none",
            actual=repr(change.distinct),
        )
        for path, change in chosen
        if change.distinct is not None and not _is_distinct(change.distinct)
    ]


def _is_distinct(number: float) -> bool:
    return -1 <= number < 0 or (1 <= number < float("inf") and number == int(number))


def restore(case: Case) -> Findings:
    """Statistics are stored where the server has functions for it, and those of now can be read, to be put back."""
    chosen = case.pending_with_tables(RestoreStatistics)
    if not chosen:
        return None
    found = []
    for path, change, table in chosen:
        what = f"the statistics of {label(change.schema, change.table)} cannot be stored"
        if case.facts.server_version < RESTORED_SINCE:
            version = f"version {case.facts.server_version // 10000}"
            found.append(broken("statistics.restore", what, path, expected="version 18 or later", actual=version))
        if not table.is_readable:
            role = "a role that may not read the table"
            found.append(
                broken("statistics.restore", what, path, expected="one that reads its statistics", actual=role)
            )
        if not change.columns or not all(map(_DIGEST.fullmatch, (change.file_sha256, change.columns_sha256))):
            malformed = "no column, or what is no digest"
            found.append(broken("statistics.restore", what, path, expected="columns and two digests", actual=malformed))
    return found
