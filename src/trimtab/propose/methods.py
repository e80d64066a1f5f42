"""Indexes of other access methods, where the operators of a query ask for them: BRIN, GIN, GiST, hash.

A rule looks at operators and types; whether the server has such an operator class, the server says.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from trimtab.db.sql import Condition
from trimtab.model.catalog import Table
from trimtab.model.change import quote_identifier
from trimtab.propose.candidate import Candidate, Key
from trimtab.propose.needs import DISTANCE, RANGES, Need
from trimtab.propose.prefix import begins_known

MIN_BRIN_PAGES = 1024
MIN_BRIN_CORRELATION = 0.9
# A wide value fills a B-tree's pages; of a hash index it is four bytes, whatever its length.
MIN_HASHED_BYTES = 48

_HOLDS = frozenset({"@>", "<@", "&&"})
_JSON = frozenset({"@>", "?", "?|", "?&", "@?", "@@"})
_JSON_PATHS = frozenset({"@>", "@?", "@@"})
_PATTERNS = frozenset({"~~", "~~*", "~", "~*", "%", "<%", "%>", "<<%", "%>>"})
_RANGE = frozenset({"@>", "<@", "&&", "<<", ">>", "&<", "&>", "-|-"})
_SHAPE = frozenset({"@>", "<@", "&&", "~=", "<<", ">>", "&<", "&>", "<<|", "|>>", "&<|", "|&>", DISTANCE})
_NETWORK = frozenset({"&&", "<<", "<<=", ">>", ">>="})
_TEXTS = ("text", "character", "varchar", "bpchar", "citext")
_SHAPES = frozenset({"point", "box", "circle", "polygon", "lseg", "path"})
_TRIGRAMS = "pg_trgm"


def brin_candidates(need: Need, table: Table) -> Iterator[Candidate]:
    """Yield BRIN indexes on columns with a range condition, where a large table lies in their order."""
    if table.pages < MIN_BRIN_PAGES:
        return
    for condition in need.conditions:
        column = None if condition.column is None else table.column(condition.column)
        if column is None or condition.operator not in RANGES:
            continue
        if abs(column.correlation or 0.0) >= MIN_BRIN_CORRELATION:
            keys = (Key(column.name),)
            yield _made(table, "brin", keys, pages_per_range=pages_per_range(table.pages))


def pages_per_range(pages: int) -> int:
    """Return a power of two that makes about a thousand ranges, from 8, a read of 64 KiB, to the default of 128."""
    return min(max(1 << (pages // MIN_BRIN_PAGES).bit_length() - 1, 8), 128)


def gin_candidates(need: Need, table: Table, extensions: Mapping[str, str]) -> Iterator[Candidate]:
    """Yield GIN indexes for what is in arrays, JSON, and texts: words, and with pg_trgm pieces of words."""
    for operand, used in _by_operand(need).items():
        operators = {condition.operator for condition in used}
        match _family(used[0], table):
            case "array" if operators & _HOLDS:
                yield _made(table, "gin", (operand,))
            case "jsonb" if operators & _JSON:
                if operators & _JSON <= _JSON_PATHS:
                    yield _made(table, "gin", (_with_class(operand, "jsonb_path_ops"),))
                yield _made(table, "gin", (operand,))
            case "words" if "@@" in operators:
                yield _made(table, "gin", (operand,))
            case "text" if _TRIGRAMS in extensions and any(map(_is_of_trigrams, used)):
                yield _made(table, "gin", (_with_class(operand, "gin_trgm_ops", extensions[_TRIGRAMS]),))


def gist_candidates(need: Need, table: Table, extensions: Mapping[str, str]) -> Iterator[Candidate]:
    """Yield GiST indexes for ranges, shapes, networks, and what is nearest."""
    for operand, used in _by_operand(need).items():
        operators = {condition.operator for condition in used}
        match _family(used[0], table):
            case "range" if operators & _RANGE:
                yield _made(table, "gist", (operand,))
            case "shape" if operators & _SHAPE:
                yield _made(table, "gist", (operand,))
            case "network" if operators & _NETWORK:
                yield _made(table, "gist", (_with_class(operand, "inet_ops"),))
            case "text" if _TRIGRAMS in extensions and DISTANCE in operators:
                yield _made(table, "gist", (_with_class(operand, "gist_trgm_ops", extensions[_TRIGRAMS]),))


def hash_candidates(need: Need, table: Table) -> Iterator[Candidate]:
    """Yield hash indexes on wide texts that are compared as a whole."""
    for condition in need.conditions:
        column = None if condition.column is None else table.column(condition.column)
        if column is None or condition.operator != "=" or (column.average_width or 0) < MIN_HASHED_BYTES:
            continue
        if _family_of(column.type_name) == "text" or column.type_name == "bytea":
            yield _made(table, "hash", (Key(column.name),))


def _made(table: Table, method: str, keys: tuple[Key, ...], *, pages_per_range: int | None = None) -> Candidate:
    return Candidate(table.schema, table.name, keys, method=method, pages_per_range=pages_per_range, rule=method)


def _by_operand(need: Need) -> dict[Key, list[Condition]]:
    found: dict[Key, list[Condition]] = {}
    for condition in need.conditions:
        key = Key(expression=condition.operand) if condition.column is None else Key(condition.column)
        found.setdefault(key, []).append(condition)
    return found


def _with_class(key: Key, name: str, schema: str = "pg_catalog") -> Key:
    return Key(key.column, expression=key.expression, operator_class=f"{quote_identifier(schema)}.{name}")


def _is_of_trigrams(condition: Condition) -> bool:
    """A pattern with a known beginning is a B-tree's."""
    return condition.operator in _PATTERNS and not begins_known(condition)


def _family(condition: Condition, table: Table) -> str:
    """Return what kind of value the operand is: by its column's type, or by what it is compared with."""
    if condition.column is not None:
        column = table.column(condition.column)
        return "" if column is None else _family_of(column.type_name)
    if condition.operator == "@@" and condition.type_name is None:
        return "words"
    return _family_of(condition.type_name or "")


def _family_of(type_name: str) -> str:
    if type_name.endswith("[]"):
        return "array"
    if type_name.endswith("range"):
        return "range"
    if type_name.startswith(_TEXTS):
        return "text"
    if type_name in ("inet", "cidr"):
        return "network"
    if type_name in ("tsvector", "tsquery"):
        return "words"
    return "jsonb" if type_name in ("jsonb", "jsonpath") else "shape" if type_name in _SHAPES else ""
