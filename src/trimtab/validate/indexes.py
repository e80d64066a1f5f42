"""Rules on a new index: what it is, how large, how many there would be. The size is the proposer's estimate, and an
index without one is refused: what is not known is not allowed.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from trimtab.model.change import CreateIndex, DropIndex, RebuildIndex
from trimtab.spec.quantity import size_text
from trimtab.validate.case import Case, Findings, broken, label
from trimtab.validate.definition import shape_of_tail

_VERBS = ("CREATE", "DROP", "REINDEX")


def definition(case: Case) -> Findings:
    """The definition is a method, keys, INCLUDE columns and a predicate, as the change names them, and nothing else."""
    made = case.pending(CreateIndex)
    if not made:
        return None
    return [
        broken(
            "indexes.definition",
            f"the definition of {label(change.name)} is more than that of an index",
            f"{path}.tail",
            expected="USING method (keys) INCLUDE (columns) WHERE predicate, as the change names them",
            actual="something else",
        )
        for path, change in made
        if (shape := shape_of_tail(change.tail)) is None
        or shape.rest
        or not all(_is_harmless(option, shape.method) for option in shape.options)
        or (shape.key_columns, shape.include_columns) != (change.key_columns, change.include_columns)
    ]


def _is_harmless(option: str, method: str) -> bool:
    """How many pages a range of BRIN has is part of what it is; no other option is Trimtab's to choose."""
    return method == "brin" and re.fullmatch(r"pages_per_range=[1-9]\d{0,5}", option) is not None


def allowed_methods(case: Case) -> Findings:
    """The access method is allowed."""
    allowed = case.spec.indexes.allowed_methods
    readable = [(p, shape) for p, c in case.pending(CreateIndex) if (shape := shape_of_tail(c.tail)) is not None]
    if not readable:
        return None
    return [
        broken(
            "indexes.allowed_methods",
            "the access method is not allowed",
            f"{path}.tail",
            expected=", ".join(allowed) or "none",
            actual=label(shape.method),
        )
        for path, shape in readable
        if shape.method not in allowed
    ]


def exists(case: Case) -> Findings:
    """No index of the same definition is there, or comes from another change of the run."""
    made = [(p, c, t, s) for p, c, t in case.pending_with_tables(CreateIndex) if (s := shape_of_tail(c.tail))]
    if not made:
        return None
    return [
        broken(
            "objects.index_exists",
            f"the definition of {label(change.name)} is there already",
            path,
            expected="a definition that is new",
            actual=f"index {label(same)}",
        )
        for path, change, table, shape in made
        for same, other in sorted(case.indexes_after(table, without=path).items())
        if other.without_options == shape.without_options
    ]


def max_size(case: Case) -> Findings:
    """No new index is larger than allowed."""
    made = case.pending(CreateIndex)
    if not made or case.facts.done:  # judged before the first change was made; the sizes have not changed since
        return None
    limit = case.spec.indexes.max_size_bytes
    return [
        broken(
            "indexes.max_size",
            f"index {label(change.name)} is too large",
            path,
            expected=f"at most {size_text(limit)}",
            actual=size_text(size) if size > 0 else "no estimate",
        )
        for (path, change), size in zip(made, estimated_sizes(case, [change for _, change in made]), strict=True)
        if not 0 < size <= limit
    ]


def estimated_sizes(case: Case, made: list[CreateIndex]) -> Iterator[int]:
    """Yield the size of each new index: its own estimate from the evidence, or else that of all of them together."""
    dropped = [case.facts.index(c.schema, c.table, c.name) for _, c in case.pending(DropIndex)]
    together = case.strategy.size_bytes + sum(index.size_bytes for index in dropped if index is not None)
    for change in made:
        own = case.strategy.evidence.get(f"size_bytes.{change.name}")
        yield int(own) if isinstance(own, int | float) and len(made) > 1 else together


def max_total_size(case: Case) -> Findings:
    """What the run adds stays within the budget. Space that a drop frees counts only within its own strategy."""
    if not case.pending(CreateIndex) and case.strategy.size_bytes <= 0:
        return None
    limit = case.spec.indexes.max_total_size_bytes
    earlier = [s.size_bytes for s in case.facts.accepted if s.id != case.strategy.id]
    total = sum(max(size, 0) for size in (*earlier, case.strategy.size_bytes))
    if total <= limit:
        return []
    what = "the run would add more than its budget"
    expected = f"at most {size_text(limit)}"
    return [broken("indexes.max_total_size", what, "size_bytes", expected=expected, actual=size_text(total))]


def max_table_size(case: Case) -> Findings:
    """The table is not too large to be indexed by a tool."""
    made = case.pending_with_tables(CreateIndex)
    limit = case.spec.indexes.max_table_size_bytes
    if not made:
        return None
    return [
        broken(
            "indexes.max_table_size",
            f"{label(table.schema, table.name)} is too large for an index to be built on it",
            f"{path}.table",
            expected=f"at most {size_text(limit)}",
            actual=size_text(table.size_bytes),
        )
        for path, _, table in made
        if table.size_bytes > limit
    ]


def max_key_columns(case: Case) -> Findings:
    """The index has no more key columns than allowed."""
    limit = case.spec.indexes.max_key_columns
    counted = [(f"{path}.key_columns", len(change.key_columns)) for path, change in case.pending(CreateIndex)]
    return _counted("indexes.max_key_columns", "the index has too many key columns", counted, limit)


def max_include_columns(case: Case) -> Findings:
    """The index has no more INCLUDE columns than allowed."""
    limit = case.spec.indexes.max_include_columns
    counted = [(f"{path}.include_columns", len(change.include_columns)) for path, change in case.pending(CreateIndex)]
    return _counted("indexes.max_include_columns", "the index has too many INCLUDE columns", counted, limit)


def _counted(rule_id: str, what: str, counted: list[tuple[str, int]], limit: int) -> Findings:
    if not counted:
        return None
    return [
        broken(rule_id, what, path, expected=f"at most {limit}", actual=str(count))
        for path, count in counted
        if count > limit
    ]


def max_per_table(case: Case) -> Findings:
    """The table would not have more indexes than allowed; those that are there, valid or not, are counted."""
    tables = {(t.schema, t.name): t for _, _, t in case.pending_with_tables(CreateIndex)}
    limit = case.spec.indexes.max_per_table
    counts = {key: len(_names_after(case, key)) for key in sorted(tables)}
    if not tables:
        return None
    return [
        broken(
            "indexes.max_per_table",
            f"{label(*key)} would have too many indexes",
            "changes",
            expected=f"at most {limit}",
            actual=str(count),
        )
        for key, count in counts.items()
        if count > limit
    ]


def _names_after(case: Case, key: tuple[str, str]) -> set[str]:
    table = case.facts.table(*key)
    names = {index.name for index in table.indexes} if table is not None else set()
    changes = [c for c in (*case.earlier(), *case.strategy.changes) if isinstance(c, CreateIndex | DropIndex)]
    here = [change for change in changes if (change.schema, change.table) == key]
    names |= {change.name for change in here if isinstance(change, CreateIndex)}
    return names - {change.name for change in here if isinstance(change, DropIndex)}


def require_concurrently(case: Case) -> Findings:
    """The statement that would be run does not block writers."""
    acting: list[tuple[str, CreateIndex | DropIndex | RebuildIndex]] = []
    acting += case.pending(CreateIndex)
    acting += case.pending(DropIndex)
    acting += case.pending(RebuildIndex)
    if not acting or not case.spec.indexes.require_concurrently:
        return None
    return [
        broken(
            "indexes.require_concurrently",
            "the statement would block every write on the table",
            path,
            expected="CONCURRENTLY",
            actual="a plain statement",
        )
        for path, change in acting
        if not _statement(change).startswith(tuple(f"{verb} INDEX CONCURRENTLY " for verb in _VERBS))
    ]


def _statement(change: CreateIndex | DropIndex | RebuildIndex) -> str:
    try:
        return change.sql()
    except ValueError:  # a name that no statement can hold
        return ""


def name_prefix(case: Case) -> Findings:
    """The name says whose index it is."""
    prefix = case.spec.indexes.name_prefix
    made = case.pending(CreateIndex)
    if not made:
        return None
    return [
        broken(
            "indexes.name_prefix",
            "the name does not say that the index is Trimtab's",
            f"{path}.name",
            expected=f"{prefix}...",
            actual=label(change.name),
        )
        for path, change in made
        if not change.name.startswith(prefix)
    ]
