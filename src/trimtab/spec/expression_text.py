"""Says of an expression's text, before any library reads it, whether it is of the small language that rules are in.

CEL can be asked for work without an end: texts that double in every step, patterns of a million states. None of that is
needed to judge a change. What is left has a bounded cost: comprehensions run over lists of the facts alone, nothing
builds lists or maps, patterns are short literals. Knows no type and evaluates nothing.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from trimtab.spec.fact_names import FactType

MAX_BYTES, MAX_TOKENS, MAX_DEPTH, MAX_PATTERN = 2048, 400, 12, 200
MAX_LOOPS, MAX_NESTED_LOOPS = 6, 2
_TOKEN = re.compile(
    r"""(?P<space>[ \n]+)
      | (?P<text>'(?:[^'"\\\n]|\\[\\'"])*'|"(?:[^'"\\\n]|\\[\\'"])*")
      | (?P<number>[0-9]{1,18}(?:\.[0-9]{1,17})?(?![0-9A-Za-z_.]))
      | (?P<name>[a-z_][A-Za-z0-9_]*(?:\.[a-z_][A-Za-z0-9_]*)*)
      | (?P<mark>&&|\|\||==|!=|<=|>=|[-+*/%<>!?:,.()\[\]])""",
    re.VERBOSE,
)
_LOOPS = frozenset({"all", "exists", "exists_one"})
_METHODS = frozenset({
    "contains", "endsWith", "matches", "size", "startsWith", "getDayOfMonth", "getDayOfWeek", "getDayOfYear",
    "getFullYear", "getHours", "getMinutes", "getMonth", "getSeconds",
})  # fmt: skip
_OF_TIME = frozenset(method for method in _METHODS if method.startswith("get"))
_FUNCTIONS = frozenset({"double", "int", "matches", "size", "string", "timestamp"})
_PLAIN = frozenset({"true", "false", "in"})


class ExpressionError(ValueError):
    """The text is not of the language. The message says what was found, as people say it."""


@dataclass(frozen=True, slots=True)
class _Token:
    kind: str
    text: str


def facts_named(text: str, types: Mapping[str, FactType]) -> tuple[str, ...]:
    """Return the facts that the expression names, in order. Raises ExpressionError for what is not of the language."""
    if len(text.encode()) > MAX_BYTES:
        raise ExpressionError(f"is longer than {MAX_BYTES} bytes")
    tokens = list(_tokens(text))
    if not tokens:
        raise ExpressionError("is empty")
    if len(tokens) > MAX_TOKENS:
        raise ExpressionError(f"has more than {MAX_TOKENS} words and marks")
    _refuse_depth(tokens)
    _refuse_loops(tokens)
    bound: set[str] = set()
    named: dict[str, None] = {}
    for position, token in enumerate(tokens):
        if token.kind != "name":
            _refuse_dangling(tokens, position)
            continue
        is_called = _at(tokens, position + 1) == "("
        is_method_of_more = _at(tokens, position - 1) == "."
        if not is_called:
            _note_name(token.text, types, bound, named)
            continue
        owner, _, called = token.text.rpartition(".")
        if called in _LOOPS:
            bound.add(_loop_variable(tokens, position, owner, types))
            named.setdefault(owner)
        elif owner or is_method_of_more:
            _refuse_unknown_call(called, _METHODS)
            if owner:
                _note_name(owner, types, bound, named)
        else:
            _refuse_unknown_call(called, _FUNCTIONS)
        if called == "matches":
            _refuse_pattern(tokens, position)
        if called in _OF_TIME and _at(tokens, position + 2) != ")":
            raise ExpressionError(
                f"gives {called} a time zone; times are in UTC here, so that a verdict can be replayed"
            )
    return tuple(named)


def patterns_in(text: str) -> list[str]:
    """Return the patterns of an expression of the language, as they are written, with their quotes."""
    tokens = list(_tokens(text))
    return [
        next(literal.text for literal in tokens[position:] if literal.kind == "text")
        for position, token in enumerate(tokens)
        if token.kind == "name" and token.text.rpartition(".")[2] == "matches"
    ]


def _tokens(text: str) -> Iterator[_Token]:
    position = 0
    while position < len(text):
        match = _TOKEN.match(text, position)
        if match is None:
            raise ExpressionError(f"holds something that rules do not use, at character {position + 1}")
        position = match.end()
        kind = str(match.lastgroup)
        if kind == "text" and not text[match.start() : position].isprintable():
            raise ExpressionError("holds a character that cannot be seen")
        if kind != "space":
            yield _Token(kind, match[0])


def _at(tokens: list[_Token], position: int) -> str:
    return tokens[position].text if 0 <= position < len(tokens) else ""


def _refuse_depth(tokens: list[_Token]) -> None:
    depth = 0
    for token in tokens:
        depth += (token.text in ("(", "[")) - (token.text in (")", "]"))
        if depth < 0:
            break
        if depth > MAX_DEPTH:
            raise ExpressionError(f"is nested more than {MAX_DEPTH} deep")
    if depth != 0:
        raise ExpressionError("has a bracket without its other half")


def _refuse_loops(tokens: list[_Token]) -> None:
    """Within one list another may be run over, and no more: two lists of columns are a few thousand steps."""
    open_loops: list[bool] = []
    count = 0
    for position, token in enumerate(tokens):
        if token.text in ("(", "["):
            is_loop = token.text == "(" and _at(tokens, position - 1).rpartition(".")[2] in _LOOPS
            count += is_loop
            open_loops.append(is_loop)
        elif token.text in (")", "]"):
            open_loops.pop()
        if sum(open_loops) > 1 and token.text.rpartition(".")[2] == "matches":
            raise ExpressionError("matches a pattern within two lists; that is a pattern compiled thousands of times")
        if sum(open_loops) > MAX_NESTED_LOOPS or count > MAX_LOOPS:
            raise ExpressionError(
                f"runs over lists more than {MAX_LOOPS} times, or more than {MAX_NESTED_LOOPS} within one another"
            )


def _refuse_dangling(tokens: list[_Token], position: int) -> None:
    """Refuse what CEL reads in another way than it looks here: comments, and texts of three quotes or with a prefix."""
    token, following = tokens[position], _at(tokens, position + 1)
    if token.kind == "text" and position > 0 and tokens[position - 1].kind != "mark":
        raise ExpressionError("has a text directly behind a text or a name; texts are written 'so' and have no prefix")
    if token.text == "/" and following == "/":
        raise ExpressionError("holds a comment; write it in the document, with #")
    if token.text == "." and (position + 1 >= len(tokens) or tokens[position + 1].kind != "name"):
        raise ExpressionError("has a dot that no method follows")


def _note_name(name: str, types: Mapping[str, FactType], bound: set[str], named: dict[str, None]) -> None:
    if name in _PLAIN or name in bound:
        return
    if name not in types:
        raise ExpressionError(f"names {name}, which is no fact")
    named.setdefault(name)


def _loop_variable(tokens: list[_Token], position: int, owner: str, types: Mapping[str, FactType]) -> str:
    if types.get(owner) != "list":
        raise ExpressionError("runs over something else than a list of the facts")
    variable, comma = _at(tokens, position + 2), _at(tokens, position + 3)
    if tokens[position + 2].kind != "name" or "." in variable or variable in _PLAIN or comma != ",":
        raise ExpressionError("runs over a list without naming what stands in it, as in all(c, c != 'x')")
    if variable in types or variable in {name.split(".")[0] for name in types}:
        raise ExpressionError(f"gives what stands in a list the name {variable}, which facts have")
    return variable


def _refuse_unknown_call(called: str, known: frozenset[str]) -> None:
    if called not in known:
        raise ExpressionError(f"calls {called}, which rules do not have")


def _refuse_pattern(tokens: list[_Token], position: int) -> None:
    inner = tokens[position + 2 :]
    literal = next((token for token in inner if token.kind == "text"), None)
    is_last = literal is not None and _at(inner, inner.index(literal) + 1) == ")"
    is_first = literal is not None and (inner[0] is literal or _at(inner, inner.index(literal) - 1) == ",")
    if literal is None or not is_last or not is_first:
        raise ExpressionError("matches against something else than a pattern that is written out")
    if len(literal.text) > MAX_PATTERN or "{" in literal.text:
        raise ExpressionError(f"matches against a pattern that is longer than {MAX_PATTERN} or repeats by number")
