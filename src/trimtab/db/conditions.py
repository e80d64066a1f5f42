"""The conditions and orders of a plan as an index would serve them: which operand, under which operator, against what.

Reads the deparsed text of EXPLAIN VERBOSE as `expressions` does, and gives texts as a definition of an index has them:
the server's own, without the relation's alias. Never decides that an index is worth it.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal, TypeAlias

from trimtab.db.expressions import bare_column, columns_of, conjuncts, tree_of
from trimtab.db.parser import UnreadableSqlError, normal_expression, parse, walk
from trimtab.db.plan_text import as_sql

__all__ = ["Against", "Condition", "OrderTerm", "alternatives", "conditions", "order_terms"]

Against: TypeAlias = Literal["constant", "parameter", "relation"]

_COMMUTED = {"=": "=", "<": ">", "<=": ">=", ">": "<", ">=": "<=", "@>": "<@", "<@": "@>", "&&": "&&", "@@": "@@",
             "<->": "<->"}  # fmt: skip
_KINDS = {"AEXPR_OP": "", "AEXPR_OP_ANY": " any", "AEXPR_IN": " any"}
_SUBPLAN_TEST = "subplan_test"


@dataclass(frozen=True, slots=True)
class Condition:
    """What a condition asks of one relation, by one of its sides.

    `operand` is that side without the alias, `column` its name where it is a bare column, else None; `columns` are all
    that the operand reads. `operator`: "=", "<", "@>"..., "= any" for IN and = ANY; "is null", "is not null", "is
    true", "is false"; "or" for a disjunction, which is its own operand. `literal` is the string compared with,
    `type_name` its type, where the text tells. `predicate` is the whole condition without the alias, where it compares
    with constants alone, else None.
    """

    alias: str
    operand: str
    column: str | None
    columns: frozenset[str]
    operator: str
    against: Against
    literal: str | None = None
    type_name: str | None = None
    predicate: str | None = None


@dataclass(frozen=True, slots=True)
class OrderTerm:
    """An entry of a sort or group key over one relation: a bare column, or an expression; the same direction rules."""

    alias: str
    operand: str
    column: str | None
    columns: frozenset[str]
    is_descending: bool = False
    is_nulls_first: bool = False


@lru_cache(maxsize=8192)
def conditions(expression: str) -> tuple[Condition, ...]:
    """Return what an expression, as EXPLAIN VERBOSE prints it, asks of each relation that an index could answer.

    Never fails: what no parser reads asks nothing.
    """
    tree = tree_of(expression)
    found = () if tree is None else (condition for conjunct in conjuncts(tree) for condition in _of(conjunct))
    return tuple(dict.fromkeys(found))


@lru_cache(maxsize=8192)
def alternatives(expression: str) -> tuple[tuple[tuple[Condition, ...], ...], ...]:
    """Return what the branches of each OR at the top ask of one relation, where every branch asks something of it.

    An index for each of the branches serves the whole.
    """
    tree = tree_of(expression)
    found: list[tuple[tuple[Condition, ...], ...]] = []
    for conjunct in () if tree is None else conjuncts(tree):
        match conjunct:
            case {"BoolExpr": {"boolop": "OR_EXPR", "args": list(arguments)}}:
                branches = [[c for part in conjuncts(argument) for c in _of(part)] for argument in arguments]
                for alias in sorted(set.intersection(*({c.alias for c in branch} for branch in branches))):
                    found.append(tuple(tuple(c for c in branch if c.alias == alias) for branch in branches))
    return tuple(dict.fromkeys(found))


@lru_cache(maxsize=8192)
def order_terms(entry: str) -> OrderTerm | None:
    """Return what an entry of a Sort Key or Group Key sorts by; None for another operator, or several relations."""
    try:
        trees = parse(f"SELECT 1 ORDER BY {as_sql(entry)}")
    except UnreadableSqlError:
        return None
    match trees:
        case [{"SelectStmt": {"sortClause": [{"SortBy": {"node": dict(node), **how}}]}}] if "useOp" not in how:
            side = _side(node)
            is_descending = how.get("sortby_dir") == "SORTBY_DESC"
            nulls = how.get("sortby_nulls")
            is_first = is_descending if nulls == "SORTBY_NULLS_DEFAULT" else nulls == "SORTBY_NULLS_FIRST"
            return None if side is None else OrderTerm(*side, is_descending=is_descending, is_nulls_first=is_first)
    return None


def _of(node: object) -> Iterator[Condition]:
    predicate = _predicate(node)
    match node:
        case {"A_Expr": {"lexpr": left, "rexpr": right, "name": [*_, {"String": {"sval": str(name)}}], "kind": kind}}:
            if kind in _KINDS:
                yield from _compared(left, right, name + _KINDS[kind], predicate)
                if name in _COMMUTED and kind == "AEXPR_OP":
                    yield from _compared(right, left, _COMMUTED[name], predicate)
        case {"NullTest": {"arg": argument, "nulltesttype": test}}:
            yield from _tested(argument, "is not null" if test == "IS_NOT_NULL" else "is null", predicate)
        case {"BooleanTest": {"arg": argument, "booltesttype": "IS_TRUE" | "IS_FALSE" as test}}:
            yield from _tested(argument, "is true" if test == "IS_TRUE" else "is false", predicate)
        case {"BoolExpr": {"boolop": "NOT_EXPR", "args": [argument]}}:
            yield from _tested(argument, "is false", predicate)
        case {"BoolExpr": {"boolop": "OR_EXPR"}} if predicate is not None:
            yield from _tested(node, "or", predicate)
        case {"BoolExpr": _}:
            pass
        case _:
            yield from _tested(node, "is true", predicate)


def _tested(node: object, operator: str, predicate: str | None) -> Iterator[Condition]:
    side = _side(node)
    if side is not None:
        yield Condition(*side, operator, "constant", predicate=predicate)


def _compared(node: object, other: object, operator: str, predicate: str | None) -> Iterator[Condition]:
    side = _side(node)
    aliases = {alias for alias, _ in columns_of(other)}
    if side is None or side[0] in aliases:
        return
    against: Against = "relation" if aliases else "parameter" if _is_open(other) else "constant"
    yield Condition(*side, operator, against, _literal(other), _type_name(other), predicate)


def _side(node: object) -> tuple[str, str, str | None, frozenset[str]] | None:
    """Return alias, text, column and columns of what one relation's row alone decides; None for anything else."""
    columns = columns_of(node)
    aliases = {alias for alias, _ in columns}
    if len(aliases) != 1 or _is_open(node):
        return None
    bare = bare_column(node)
    text = normal_expression(_without_alias(node))
    if text is None:
        return None
    return columns[0][0], text, None if bare is None else bare[1], frozenset(column for _, column in columns)


def _predicate(node: object) -> str | None:
    aliases = {alias for alias, _ in columns_of(node)}
    return None if len(aliases) != 1 or _is_open(node) else normal_expression(_without_alias(node))


def _is_open(node: object) -> bool:
    """True when it holds what is not known before the plan runs, a whole row, or what no index can hold."""
    for name, fields in walk(node):
        if name in ("ParamRef", "SubLink", "A_Star", "SQLValueFunction"):
            return True
        if name == "FuncCall" and fields.get("funcname") == [{"String": {"sval": _SUBPLAN_TEST}}]:
            return True
    return False


def _without_alias(node: object) -> object:
    match node:
        case {"ColumnRef": {"fields": [_, column]}}:
            return {"ColumnRef": {"fields": [column]}}
        case dict():
            return {key: _without_alias(value) for key, value in node.items()}
        case list():
            return [_without_alias(item) for item in node]
    return node


def _literal(node: object) -> str | None:
    match node:
        case {"TypeCast": {"arg": argument}}:
            return _literal(argument)
        case {"A_Const": {"sval": {"sval": str(text)}}}:
            return text
        case {"A_Const": {"sval": {}}}:
            return ""
    return None


def _type_name(node: object) -> str | None:
    match node:
        case {"TypeCast": {"typeName": {"names": [*_, {"String": {"sval": str(name)}}], **rest}}}:
            return name + "[]" * bool(rest.get("arrayBounds"))
    return None
