"""Makes texts of pg_stat_statements valid again where `$n` split what GROUP BY, ORDER BY or DISTINCT must find equal.

`select f('month', x) ... group by f('month', x)` is kept as `select f($1, x) ... group by f('month', x)`, which no
server accepts. The constant that is still there is put back in place of `$1`, and the others are renumbered. Nothing
else is touched.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from trimtab.db.parser import Node, Token, UnreadableSqlError, parse, tokens_of, walk

_ANCHORS = ("groupClause", "sortClause", "distinctClause")
_FOLLOWERS = ("targetList", "havingClause", "sortClause")
_AGGREGATES = frozenset(
    [
        "count",
        "sum",
        "avg",
        "min",
        "max",
        "array_agg",
        "string_agg",
        "json_agg",
        "jsonb_agg",
        "json_object_agg",
        "jsonb_object_agg",
        "bool_and",
        "bool_or",
        "every",
        "stddev",
        "stddev_pop",
        "stddev_samp",
        "variance",
        "var_pop",
        "var_samp",
        "corr",
        "percentile_cont",
        "percentile_disc",
        "mode",
    ]
)
_PLAIN = frozenset({"ColumnRef", "A_Const", "ParamRef", "String", "Integer"})


def regrouped(text: str) -> str:
    """Return `text`, with `$n` replaced by what stands at the same place of an equal expression; unchanged without one.

    A text that cannot be read is returned unchanged: saying why is not decided here.
    """
    try:
        counterparts = {
            number: place
            for tree in parse(text)
            for select in _selects(tree)
            for number, place in _counterparts(select).items()
        }
        return _edited(text, counterparts) if counterparts else text
    except (UnreadableSqlError, RecursionError):
        return text


def _selects(tree: Node) -> Iterator[Node]:
    return (fields for _, fields in walk(tree) if "targetList" in fields and any(key in fields for key in _ANCHORS))


def _counterparts(select: Node) -> dict[int, int]:
    """Return {n: byte offset of the constant or parameter that `$n` must equal}."""
    followers = [node for key in _FOLLOWERS for node in _expressions(select.get(key))]
    found: dict[int, int] = {}
    for key in _ANCHORS:
        for anchor in _whole_expressions(select.get(key)):
            for follower in followers:
                pairs = None if follower is anchor else _pairs(anchor, follower)
                found.update((number, place) for number, place in (pairs or {}).items() if number not in found)
    return found


def _whole_expressions(clause: object) -> Iterator[Node]:
    """Yield the expressions of a GROUP BY, ORDER BY or DISTINCT ON list that are more than a name or a constant."""
    for item in clause if isinstance(clause, list) else ():
        expression = item["SortBy"].get("node") if "SortBy" in item else item
        if isinstance(expression, Mapping) and not _PLAIN & expression.keys():
            yield expression


def _expressions(node: object) -> Iterator[Node]:
    """Yield what could be such an expression, at any depth but not below an aggregate: nothing must be equal there."""
    if isinstance(node, list):
        for item in node:
            yield from _expressions(item)
    elif isinstance(node, Mapping):
        call = node.get("FuncCall")
        if isinstance(call, Mapping) and _is_aggregate(call):
            return
        if any(key[:1].isupper() for key in node) and not _PLAIN & node.keys():
            yield node
        for value in node.values():
            yield from _expressions(value)


def _is_aggregate(call: Node) -> bool:
    names = call.get("funcname")
    return isinstance(names, list) and bool(names) and names[-1].get("String", {}).get("sval") in _AGGREGATES


def _pairs(anchor: object, follower: object) -> dict[int, int] | None:
    """Return what makes the follower equal to the anchor, or None when nothing does."""
    if isinstance(anchor, Mapping) and isinstance(follower, Mapping):
        if "ParamRef" in follower and ("A_Const" in anchor or "ParamRef" in anchor):
            return _pair(anchor, follower["ParamRef"])
        keys = (anchor.keys() | follower.keys()) - {"location"}
        return _all_pairs((anchor.get(key), follower.get(key)) for key in sorted(keys))
    if isinstance(anchor, list) and isinstance(follower, list):
        return _all_pairs(zip(anchor, follower, strict=True)) if len(anchor) == len(follower) else None
    return {} if anchor == follower else None


def _pair(anchor: Mapping[str, object], parameter: Node) -> dict[int, int]:
    value = anchor.get("A_Const") or anchor.get("ParamRef")
    assert isinstance(value, Mapping)
    number = parameter.get("number")
    if value.get("number") == number:
        return {}
    place = value.get("location", 0)
    return {number: place} if isinstance(number, int) and isinstance(place, int) else {}


def _all_pairs(couples: Iterator[tuple[object, object]] | zip[tuple[object, object]]) -> dict[int, int] | None:
    merged: dict[int, int] = {}
    for anchor, follower in couples:
        pairs = _pairs(anchor, follower)
        if pairs is None:
            return None
        merged.update(pairs)
    return merged


def _edited(text: str, counterparts: Mapping[int, int]) -> str:
    encoded = text.encode()
    tokens = tokens_of(text)
    at = {token.start: token for token in tokens}
    replaced = {
        number: encoded[at[place].start : at[place].end]
        for number, place in counterparts.items()
        if place in at and (at[place].is_constant or at[place].kind == "PARAM")
    }
    parameters = [token for token in tokens if token.kind == "PARAM"]
    kept = sorted({_number(encoded, token) for token in parameters} - replaced.keys())
    renumbered = {old: new for new, old in enumerate(kept, start=1)}
    for token in reversed(parameters):
        value = replaced.get(_number(encoded, token), encoded[token.start : token.end])
        if value.startswith(b"$") and int(value[1:]) in renumbered:
            value = b"$%d" % renumbered[int(value[1:])]
        encoded = encoded[: token.start] + value + encoded[token.end :]
    return encoded.decode()


def _number(encoded: bytes, token: Token) -> int:
    return int(encoded[token.start + 1 : token.end])
