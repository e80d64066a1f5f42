"""How an expression of a plan uses columns: which ones could lead an index, which ones are only read.

Reads the deparsed text of EXPLAIN VERBOSE. Only what all rows must satisfy (the top-level AND) counts as a condition on
a column; everything else is "other". Never guesses types, and never decides that an index is worth it.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal, TypeAlias

from trimtab.db.parser import UnreadableSqlError, parse, walk
from trimtab.db.plan_text import as_sql, column_reference, mentioned_columns, sort_key

__all__ = ["ColumnUse", "Role", "column_reference", "expression_columns", "sort_key"]

Role: TypeAlias = Literal["equality", "range", "join", "null_test", "other"]
_Column: TypeAlias = tuple[str, str]

_RANGE = frozenset({"<", "<=", ">", ">="})
_BETWEEN = frozenset({"AEXPR_BETWEEN", "AEXPR_BETWEEN_SYM"})
# varchar and char columns are shown as (t.c)::text wherever they are compared; the value is the same.
_SAME_VALUE_TYPES = frozenset({"text", "varchar", "bpchar"})


@dataclass(frozen=True, slots=True)
class ColumnUse:
    """One use of a column: `alias` and `column` as the plan names them.

    `role`: "equality" with something that is fixed for a scan, also IN, = ANY and a bare boolean; "range" for <, <=, >,
    >=, BETWEEN; "join" for equality with columns of another alias; "null_test" for IS NULL; "other" for the rest.
    `other_alias` (and `other_column`, when it is a bare column) are what it is compared with. `is_negated`: below NOT,
    IS NOT NULL, <>, NOT IN.
    """

    alias: str
    column: str
    role: Role
    other_alias: str | None = None
    other_column: str | None = None
    is_negated: bool = False


@lru_cache(maxsize=8192)
def expression_columns(expression: str) -> tuple[ColumnUse, ...]:
    """Return how `expression`, as EXPLAIN VERBOSE prints it, uses columns, in order of appearance, without repeats.

    Never fails: of a text that no parser reads, every `alias.column` in it is an "other" use.
    """
    tree = tree_of(expression)
    if tree is None:
        found = [ColumnUse(alias, column, "other") for alias, column in mentioned_columns(expression)]
    else:
        found = [use for conjunct in conjuncts(tree) for use in _uses(conjunct)]
    return tuple(dict.fromkeys(found))


def tree_of(expression: str) -> object | None:
    """Return the tree of an expression as EXPLAIN prints it, None when no parser reads it."""
    try:
        statements = parse(f"SELECT {as_sql(expression)}")
    except UnreadableSqlError:
        return None
    match statements:
        case [{"SelectStmt": {"targetList": [{"ResTarget": {"val": dict(value)}}]}}]:
            return dict(value)
    return None


def conjuncts(node: object) -> Iterator[object]:
    """Yield what all rows must satisfy: the arguments of the top-level AND."""
    match node:
        case {"BoolExpr": {"boolop": "AND_EXPR", "args": list(arguments)}}:
            for argument in arguments:
                yield from conjuncts(argument)
        case _:
            yield node


def _uses(node: object) -> list[ColumnUse]:
    match node:
        case {
            "A_Expr": {"lexpr": left, "rexpr": right, "name": [*_, {"String": {"sval": str(name)}}], "kind": str(kind)}
        }:
            return _compared(left, right, name, kind)
        case {"NullTest": {"arg": argument, **rest}}:
            return _tested(argument, "null_test", is_negated=rest.get("nulltesttype") == "IS_NOT_NULL")
        case {"BooleanTest": {"arg": argument, "booltesttype": "IS_TRUE" | "IS_FALSE" as test}}:
            return _tested(argument, "equality", is_negated=test == "IS_FALSE")
        case {"BoolExpr": {"boolop": "NOT_EXPR", "args": [argument]}}:
            return _tested(argument, "equality", is_negated=True)
        case _:
            return _tested(node, "equality", is_negated=False)


def _tested(node: object, role: Role, *, is_negated: bool) -> list[ColumnUse]:
    """A condition on one column by itself; on anything else the columns in it are "other"."""
    column = bare_column(node)
    if column is not None:
        return [ColumnUse(*column, role, is_negated=is_negated)]
    return _others(node, is_negated=is_negated)


def _compared(left: object, right: object, name: str, kind: str) -> list[ColumnUse]:
    role = _comparison(name, kind)
    if role is None:
        is_negated = name in ("<>", "!=") or kind.startswith("AEXPR_NOT_BETWEEN")
        return _others(left, is_negated=is_negated) + _others(right, is_negated=is_negated)
    uses = _side(left, right, role)
    # For = ANY and IN the list is no side of its own.
    return uses + (_side(right, left, role) if kind == "AEXPR_OP" else _others(right))


def _comparison(name: str, kind: str) -> Role | None:
    if kind in _BETWEEN or (kind == "AEXPR_OP" and name in _RANGE):
        return "range"
    return "equality" if name == "=" and kind in ("AEXPR_OP", "AEXPR_OP_ANY", "AEXPR_IN") else None


def _side(node: object, other: object, role: Role) -> list[ColumnUse]:
    """Return the uses of one side of a comparison, given what stands on the other side."""
    column = bare_column(node)
    against = columns_of(other)
    aliases = {alias for alias, _ in against}
    if column is None or column[0] in aliases:
        return _others(node)
    if not against:
        return [ColumnUse(*column, role)]
    bare = bare_column(other)
    other_alias = bare[0] if bare else min(aliases)
    joined: Role = "join" if role == "equality" else role
    return [ColumnUse(*column, joined, other_alias=other_alias, other_column=bare[1] if bare else None)]


def _others(node: object, *, is_negated: bool = False) -> list[ColumnUse]:
    return [ColumnUse(*column, "other", is_negated=is_negated) for column in columns_of(node)]


def columns_of(node: object) -> list[_Column]:
    """Return every alias.column at or below `node`, in order of appearance."""
    found: dict[_Column, int] = {}
    for name, fields in walk(node):
        column = _column_of(fields) if name == "ColumnRef" else None
        if column is not None:
            place = fields.get("location", 0)
            found.setdefault(column, place if isinstance(place, int) else 0)
    return sorted(found, key=found.__getitem__)


def bare_column(node: object) -> _Column | None:
    """Return the column that `node` is, looking through a cast that does not change the value."""
    match node:
        case {"ColumnRef": fields}:
            return _column_of(fields)
        case {"TypeCast": {"arg": argument, "typeName": {"names": [*_, {"String": {"sval": str(name)}}]}}}:
            return bare_column(argument) if name in _SAME_VALUE_TYPES else None
        case _:
            return None


def _column_of(fields: object) -> _Column | None:
    match fields:
        case {"fields": [{"String": {"sval": str(alias)}}, {"String": {"sval": str(column)}}]}:
            return alias, column
        case _:
            return None
