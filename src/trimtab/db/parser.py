"""The door to PostgreSQL's own grammar (libpg_query through postgast): tokens, trees, normal forms, fingerprints.

A text that could overflow the parser's C stack is refused before the parser sees it. Decides nothing about what a
statement means. Offsets count bytes of the UTF-8 text.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from functools import cache, lru_cache
from typing import NamedTuple, TypeAlias, cast

from trimtab.errors import WorkloadError

Node: TypeAlias = Mapping[str, object]
Nodes: TypeAlias = Sequence[tuple[str, Node]]

MAX_FILE_BYTES = 8 * 1024 * 1024
MAX_STATEMENT_BYTES = 256 * 1024
# libpg_query checks no stack depth. Measured: it overflows 512 KiB, a thread's stack on some systems, at 360 levels of
# nested WITH or brackets, and 8 MiB past 10 000 operators in a chain.
MAX_NESTING = 250

_RESETS_CHAIN = frozenset({"AND", "OR", "SELECT", "FROM", "WHERE", "WHEN", "THEN", "ELSE", "ON", "BY", "VALUES", "SET"})
_NESTS = frozenset({"JOIN", "UNION", "INTERSECT", "EXCEPT"})
_CHAINS = frozenset({"NOT", "COLLATE", "IS", "ISNULL", "NOTNULL", "AT", "TYPECAST", "LIKE", "ILIKE", "BETWEEN", "Op"})
_CHAIN_CHARACTERS = frozenset("+-*/%^<>=.[")


class UnreadableSqlError(WorkloadError):
    """A text is no SQL (`sql.syntax`) or too much of it (`sql.too_large`). `offset` is where, in bytes, or None.

    `is_open_quote` says that a quoted string never ends.
    """

    def __init__(self, found: str, *, code: str, offset: int | None = None, is_open_quote: bool = False) -> None:
        next_step = "Split or shorten it." if code == "sql.too_large" else "Check the statement with psql."
        super().__init__(f"a statement is refused: {found}", code=code, next_step=next_step)
        self.found = found
        self.offset = offset
        self.is_open_quote = is_open_quote


class Token(NamedTuple):
    """A token: its kind (the grammar's name, or the character itself) and its place, in bytes."""

    kind: str
    start: int
    end: int

    @property
    def is_comment(self) -> bool:
        """True for both kinds of comments."""
        return self.kind in ("SQL_COMMENT", "C_COMMENT")

    @property
    def is_constant(self) -> bool:
        """True for a string, bit string or number."""
        return self.kind in ("SCONST", "USCONST", "BCONST", "XCONST", "ICONST", "FCONST")


def tokens_of(text: str, *, limit_bytes: int = MAX_FILE_BYTES) -> list[Token]:
    """Return the tokens of a text, comments included. Raises UnreadableSqlError."""
    import postgast

    _encoded(text, limit_bytes)
    names = _token_names()
    try:
        return [Token(names(t.token), t.start, t.end) for t in postgast.scan(text).tokens]
    except postgast.PgQueryError as exc:
        raise _syntax_error(exc, text) from None


def parse(text: str) -> tuple[Node, ...]:
    """Return the trees of the statements in `text`, as libpg_query's JSON names them. Raises UnreadableSqlError."""
    from postgast.errors import PgQueryError, check_error
    from postgast.native import lib

    encoded = _checked(text)
    result = lib.pg_query_parse(encoded)
    try:
        check_error(result)
        # postgast.parse gives up at 100 nested messages, some thirty nested operators; the JSON form does not.
        tree = json.loads(result.parse_tree)
    except PgQueryError as exc:
        raise _syntax_error(exc, text) from None
    except RecursionError:
        raise _too_nested() from None
    finally:
        lib.pg_query_free_parse_result(result)
    return tuple(statement["stmt"] for statement in tree.get("stmts", ()) if "stmt" in statement)


def normalize(text: str) -> str:
    """Return `text` with constants replaced by `$n`, numbered after those it has. Raises UnreadableSqlError."""
    import postgast

    _checked(text)
    try:
        return cast("str", postgast.normalize(text))
    except postgast.PgQueryError as exc:
        raise _syntax_error(exc, text) from None


def fingerprint(text: str) -> str:
    """Return 16 hexadecimal digits, equal for statements that differ in constants, names of `$n` or layout only."""
    import postgast

    _checked(text)
    try:
        return cast("str", postgast.fingerprint(text).hex)
    except postgast.PgQueryError as exc:
        raise _syntax_error(exc, text) from None


def normal_expression(node: object) -> str | None:
    """Return the SQL of an expression's tree: equal expressions have equal texts. None when it is too deep for that."""
    return _normal_expression(json.dumps(_without_places(node)))


def _without_places(node: object) -> object:
    if isinstance(node, dict):
        return {key: _without_places(value) for key, value in node.items() if key != "location"}
    return [_without_places(item) for item in node] if isinstance(node, list) else node


@lru_cache(maxsize=8192)
def _normal_expression(tree: str) -> str | None:
    import postgast
    from google.protobuf.json_format import ParseDict, ParseError

    statement = {
        "SelectStmt": {
            "targetList": [{"ResTarget": {"val": json.loads(tree)}}],
            "limitOption": "LIMIT_OPTION_DEFAULT",
            "op": "SETOP_NONE",
        }
    }
    try:
        message = ParseDict({"stmts": [{"stmt": statement}]}, postgast.pg_query_pb2.ParseResult())
        text = cast("str", postgast.deparse(message))
    except (ParseError, postgast.PgQueryError, RecursionError):
        return None
    return text.removeprefix("SELECT ")


def statement_count(text: str) -> int:
    """Return the number of statements in `text`, empty ones left out. Raises UnreadableSqlError."""
    if ";" not in text:
        return 1
    return len(parse(text))


def walk(node: object) -> Iterator[tuple[str, Node]]:
    """Yield (node type, fields) of every node at or below `node`, a statement's own first. Never recurses."""
    stack = [node]
    while stack:
        item = stack.pop()
        if isinstance(item, dict):
            for key, value in item.items():
                if isinstance(value, dict):
                    yield key, value
                    stack.append(value)
                elif isinstance(value, list):
                    stack.append(value)
        elif isinstance(item, list):
            stack.extend(item)


def _checked(text: str) -> bytes:
    encoded = _encoded(text, MAX_STATEMENT_BYTES)
    if len(encoded) > MAX_NESTING and _nesting(text) > MAX_NESTING:
        raise _too_nested()
    return encoded


def _encoded(text: str, limit_bytes: int) -> bytes:
    if "\0" in text:
        raise UnreadableSqlError("it holds a NUL", code="sql.syntax")
    try:
        encoded = text.encode()
    except UnicodeEncodeError:
        raise UnreadableSqlError("it is not UTF-8", code="sql.syntax") from None
    if len(encoded) > limit_bytes:
        raise UnreadableSqlError(f"it has {len(encoded)} bytes, the limit is {limit_bytes}", code="sql.too_large")
    return encoded


@lru_cache(maxsize=8)
def _nesting(text: str) -> int:
    """Return an upper bound of the tree's depth: brackets, chains of operators, and what nests without brackets."""
    structure = chain = deepest = 0
    open_chains: list[int] = []
    for token in tokens_of(text):
        kind = token.kind
        if kind in ("(", "[", "CASE"):
            open_chains.append(chain + 1)
            chain += 1
        elif kind in (")", "]", "END"):
            # What stands in brackets is one operand of the chain outside.
            chain = open_chains.pop() if open_chains else 0
        elif kind in _NESTS:
            structure += 1
        elif kind in _CHAINS or kind in _CHAIN_CHARACTERS or kind.endswith("_EQUALS") or kind == "EQUALS_GREATER":
            chain += 1
        elif kind == "," or kind in _RESETS_CHAIN:
            chain = open_chains[-1] if open_chains else 0
        deepest = max(deepest, chain)
    return structure + deepest


@cache
def _token_names() -> _TokenNames:
    import postgast

    return _TokenNames({number: name for name, number in postgast.pg_query_pb2.Token.items()})


class _TokenNames:
    """Names of token numbers: single characters stand for themselves, keywords lose the grammar's `_P`."""

    def __init__(self, names: dict[int, str]) -> None:
        self._names = {
            number: chr(int(name.removeprefix("ASCII_"))) if name.startswith("ASCII_") else name.removesuffix("_P")
            for number, name in names.items()
        }

    def __call__(self, number: int) -> str:
        return self._names.get(number) or (chr(number) if number < 256 else str(number))


def _syntax_error(exc: Exception, text: str) -> UnreadableSqlError:
    message = str(exc)
    if "memory exhausted" in message or "stack depth" in message:
        return _too_nested()
    # Counted in characters, against what postgast's documentation says.
    position = getattr(exc, "cursorpos", 0)
    return UnreadableSqlError(
        "syntax error",
        code="sql.syntax",
        offset=len(text[: position - 1].encode()) if position else None,
        is_open_quote=message.startswith("unterminated quoted string"),
    )


def _too_nested() -> UnreadableSqlError:
    return UnreadableSqlError("its expressions are nested too deeply", code="sql.too_large")
