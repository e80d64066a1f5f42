"""Reads the definition of an index, its text from USING on, as PostgreSQL's grammar does, and brings it into one form.

Two definitions of the same index are equal values, whoever wrote them: a server that shows one, or Trimtab.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import lru_cache

from trimtab.db.parser import Node, Token, UnreadableSqlError, normal_expression, parse, tokens_of, walk

_WORDS_OF_AN_INDEX = frozenset(
    {"unique", "idxname", "relation", "accessMethod", "indexParams", "indexIncludingParams", "whereClause", "options"}
)


@dataclass(frozen=True, slots=True)
class DefinedKey:
    """A key: the name of a column, or else the normal text of an expression. None stands for the default."""

    column: str = ""
    expression: str = ""
    is_descending: bool = False
    is_nulls_first: bool = False
    operator_class: str | None = None
    collation: str | None = None


@dataclass(frozen=True, slots=True)
class Definition:
    """An index over a table. `predicate` is a normal text, "" for whole rows; `options` are `name=value`.

    `columns` are all that are read: keys, INCLUDE, those in expressions and in the predicate.
    """

    method: str
    keys: tuple[DefinedKey, ...]
    include_columns: tuple[str, ...]
    predicate: str
    options: tuple[str, ...]
    columns: frozenset[str]

    def makes_the_same_as(self, other: Definition) -> bool:
        """True when the two are the same index, storage options left out."""
        return self == replace(other, options=self.options)


@lru_cache(maxsize=8192)
def read_definition(tail: str) -> Definition | None:
    """Return what `tail` defines; None when it is anything but one index of keys, INCLUDE, options and predicate."""
    try:
        tokens = tokens_of(tail)
        # Comments and spelled-out code points hide what a reader would see.
        if not tokens or tokens[0].kind != "USING" or any(map(_hides_something, tokens)):
            return None
    except UnreadableSqlError:
        return None
    return read_statement(f"CREATE INDEX ON t {tail}")


def is_plain(tail: str) -> bool:
    """True when a definition names columns alone, over all rows: then it holds no constant, and reads the same whatever
    the search path is.
    """
    return read_plain_definition(tail) is not None


def read_plain_definition(tail: str) -> Definition | None:
    """Return what `tail` defines where `is_plain` is true of it; what a server shows takes a hundredth of the parser's
    time.
    """
    if _has_expression(tail):
        return None
    found = _simple(tail) or read_definition(tail)
    return None if found is None or found.predicate or any(key.expression for key in found.keys) else found


@lru_cache(maxsize=8192)
def read_statement(text: str) -> Definition | None:
    """Return what a CREATE INDEX statement defines, whether unique or not; None as with `read_definition`."""
    try:
        trees = parse(text)
    except UnreadableSqlError:
        return None
    match trees:
        case [{"IndexStmt": dict(statement)}] if not _says_more(statement):
            return _definition(statement)
    return None


def _hides_something(token: Token) -> bool:
    return token.is_comment or token.kind in ("UIDENT", "USCONST")


def _says_more(statement: Node) -> bool:
    return any(value and name not in _WORDS_OF_AN_INDEX for name, value in statement.items())


def _definition(statement: Node) -> Definition | None:
    keys = [_key(element) for element in _elements(statement, "indexParams")]
    included = [_key(element) for element in _elements(statement, "indexIncludingParams")]
    where = statement.get("whereClause")
    predicate = "" if where is None else normal_expression(where)
    if predicate is None or None in keys or any(key is None or key != DefinedKey(key.column) for key in included):
        return None
    names = {str(fields["name"]) for kind, fields in walk(statement) if kind == "IndexElem" and "name" in fields}
    inside = {_only_name(fields) for name, fields in walk(statement) if name == "ColumnRef"}
    if None in inside or any(name in ("SubLink", "ParamRef") for name, _ in walk(statement)):
        return None
    return Definition(
        method=str(statement.get("accessMethod", "btree")),
        keys=tuple(key for key in keys if key is not None),
        include_columns=tuple(key.column for key in included if key is not None),
        predicate=predicate,
        options=tuple(sorted(_option(option) for option in _list(statement, "options"))),
        columns=frozenset(names | {column for column in inside if column}),
    )


def _elements(statement: Node, name: str) -> list[Mapping[str, object]]:
    found = [element.get("IndexElem") for element in _list(statement, name)]
    return [element for element in found if isinstance(element, dict)]


def _list(statement: Node, name: str) -> list[Mapping[str, object]]:
    value = statement.get(name)
    return [item for item in value if isinstance(item, dict)] if isinstance(value, list) else []


def _key(element: Mapping[str, object]) -> DefinedKey | None:
    expression = normal_expression(element["expr"]) if "expr" in element else ""
    if expression is None or "opclassopts" in element:
        return None
    is_descending = element.get("ordering") == "SORTBY_DESC"
    nulls = element.get("nulls_ordering")
    return DefinedKey(
        column=str(element.get("name", "")),
        expression=expression,
        is_descending=is_descending,
        is_nulls_first=is_descending if nulls in (None, "SORTBY_NULLS_DEFAULT") else nulls == "SORTBY_NULLS_FIRST",
        # A server shows the schema of a class or not, as its search_path has it.
        operator_class=_last_name(element.get("opclass")),
        collation=_last_name(element.get("collation")),
    )


def _last_name(names: object) -> str | None:
    match names:
        case [*_, {"String": {"sval": str(name)}}]:
            return name
    return None


def _only_name(fields: Node) -> str | None:
    match fields.get("fields"):
        case [{"String": {"sval": str(name)}}]:
            return name
    return None


def _option(option: Mapping[str, object]) -> str:
    """Return `name=value`; a server quotes the values that others write as numbers."""
    element = option.get("DefElem")
    assert isinstance(element, dict), "an option of an index"
    value = element.get("arg")
    match value:
        case {"Integer": dict(number)}:
            shown = str(number.get("ival", 0))
        case {"String": {"sval": str(text)}} | {"Float": {"fval": str(text)}}:
            shown = text
        case _:
            shown = str(value)
    return f"{element.get('defname')}={shown}"


def _has_expression(tail: str) -> bool:
    """Brackets in brackets, or a predicate: what a name in quotes makes look so is taken for it, which is harmless."""
    return " WHERE " in tail or _NESTED.search(tail) is not None


_NESTED = re.compile(r"\([^)]*\(")
_NAMES = r"[a-z_][a-z0-9_]*(?:, [a-z_][a-z0-9_]*)*"
_SIMPLE = re.compile(rf"USING (?P<method>[a-z_]+) \((?P<keys>{_NAMES})\)(?: INCLUDE \((?P<included>{_NAMES})\))?")


def _simple(tail: str) -> Definition | None:
    match = _SIMPLE.fullmatch(tail)
    if match is None:
        return None
    keys, included = match["keys"].split(", "), (match["included"] or "").split(", ")
    return Definition(
        method=match["method"],
        keys=tuple(DefinedKey(column=key) for key in keys),
        include_columns=tuple(column for column in included if column),
        predicate="",
        options=(),
        columns=frozenset(keys),
    )
