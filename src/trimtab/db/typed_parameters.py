"""Makes texts of pg_stat_statements plannable where its `$n` broke the grammar: `date $1`, `extract($1 from x)`.

The server replaces constants by `$n` even where only a constant may stand; libpg_query reads these forms, the server
does not. They are rewritten to casts and calls that mean the same for values of the type named: "3 days" where the text
had `interval $1 day`. Touches nothing else.
"""

from __future__ import annotations

from dataclasses import dataclass

from trimtab.db.parser import Node, Nodes, Token, tokens_of

_INTERVAL_FIELDS = frozenset({"YEAR", "MONTH", "DAY", "HOUR", "MINUTE", "SECOND"})


@dataclass(frozen=True, slots=True)
class _Edit:
    start: int
    end: int
    replacement: bytes


def plannable(text: str, nodes: Nodes) -> str:
    """Return `text`, whose nodes are `nodes`, in a form that the server can parse; unchanged when it can already."""
    typed = [fields for name, fields in nodes if name == "TypeCast" and _is_typed_parameter(fields)]
    extracts = [fields for name, fields in nodes if name == "FuncCall" and _is_open_extract(fields)]
    if not typed and not extracts:
        return text
    encoded = text.encode()
    tokens = [token for token in tokens_of(text) if not token.is_comment]
    edits = [_cast(encoded, tokens, fields) for fields in typed]
    for fields in extracts:
        edits.extend(_call(tokens, fields))
    for edit in sorted(edits, key=lambda edit: edit.start, reverse=True):
        encoded = encoded[: edit.start] + edit.replacement + encoded[edit.end :]
    return encoded.decode()


def _is_typed_parameter(cast: Node) -> bool:
    """True for `date $1`; `$1::date` and `cast($1 as date)` have a place of their own."""
    parameter = _parameter(cast.get("arg"))
    return parameter is not None and cast.get("location") == -1 and _place(cast.get("typeName")) < _place(parameter)


def _is_open_extract(call: Node) -> bool:
    arguments = call.get("args")
    is_sql_form = call.get("funcformat") == "COERCE_SQL_SYNTAX"
    if not is_sql_form or not isinstance(arguments, list) or len(arguments) != 2:
        return False
    names = call.get("funcname")
    last = names[-1] if isinstance(names, list) and names else {}
    return last == {"String": {"sval": "extract"}} and _parameter(arguments[0]) is not None


def _cast(encoded: bytes, tokens: list[Token], cast: Node) -> _Edit:
    start = _place(cast.get("typeName"))
    index = _index_at(tokens, _place(_parameter(cast.get("arg"))))
    parameter = tokens[index]
    end = index
    # `interval $1 day to second`: the fields follow the constant.
    while end + 1 < len(tokens) and b"interval" in encoded[start : parameter.start].lower():
        following = tokens[end + 1].kind
        if following not in _INTERVAL_FIELDS and not (following == "TO" and end > index):
            break
        end += 1
    type_name = encoded[start : parameter.start].strip()
    fields = encoded[parameter.end : tokens[end].end]
    value = encoded[parameter.start : parameter.end]
    return _Edit(start, tokens[end].end, b"CAST(" + value + b" AS " + type_name + fields + b")")


def _call(tokens: list[Token], call: Node) -> list[_Edit]:
    """`extract($1 from x)` becomes date_part($1, x), which every version has as a plain function."""
    arguments = call["args"]
    assert isinstance(arguments, list)
    name = tokens[_index_at(tokens, _place(call))]
    word = next(
        token for token in tokens[_index_at(tokens, _place(_parameter(arguments[0]))) :] if token.kind == "FROM"
    )
    return [_Edit(name.start, name.end, b"pg_catalog.date_part"), _Edit(word.start, word.end, b",")]


def _parameter(node: object) -> object:
    return node.get("ParamRef") if isinstance(node, dict) else None


def _place(node: object) -> int:
    """Return where a node stands, in bytes; the tree leaves a zero out."""
    location = node.get("location", 0) if isinstance(node, dict) else -1
    return location if isinstance(location, int) else -1


def _index_at(tokens: list[Token], place: int) -> int:
    return next(index for index, token in enumerate(tokens) if token.start == place)
