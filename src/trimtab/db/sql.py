"""SQL texts as the lifecycle sees them: splits a text into statements and says of each what it is and if it may run.

One bad statement never hides the others. Also the way to the expressions of a plan (`expression_columns`,
`column_reference`, `sort_key`, `conditions`, `alternatives`, `order_terms`). Never runs anything.
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass

from trimtab.db.conditions import Condition, OrderTerm, alternatives, conditions, order_terms
from trimtab.db.danger import danger_of, kind_of
from trimtab.db.expressions import ColumnUse, column_reference, expression_columns, sort_key
from trimtab.db.fragments import Fragment, fragments
from trimtab.db.parser import Nodes, UnreadableSqlError, fingerprint, normalize, parse, tokens_of, walk
from trimtab.db.typed_parameters import plannable
from trimtab.model.workload import QueryKind

__all__ = [
    "ColumnUse",
    "Condition",
    "OrderTerm",
    "Statement",
    "alternatives",
    "column_reference",
    "conditions",
    "expression_columns",
    "order_terms",
    "sort_key",
    "split",
]


@dataclass(frozen=True, slots=True)
class Statement:
    """One statement of a text.

    `text` is as written, without the comments before it; `normalized_text` has `$n` for constants and no comments;
    `fingerprint` is 16 hexadecimal digits, equal for statements that differ in constants or layout only.
    `leading_comment` holds the comments before it, one per line. `danger` is None, or the stable code of why it is not
    planned or run, and `reason` says it for people, without literals. `line` counts from 1.
    """

    text: str
    normalized_text: str
    fingerprint: str
    kind: QueryKind | None
    parameter_count: int
    leading_comment: str
    danger: str | None
    reason: str
    line: int


def split(text: str) -> list[Statement]:
    """Return the statements of a text, in order. What cannot be read is one with a `danger`, and the rest goes on.

    Raises WorkloadError `sql.too_large` when the whole text passes the limit.
    """
    return [_statement(fragment) for fragment in fragments(text)]


def _statement(fragment: Fragment) -> Statement:
    if fragment.danger is not None:
        return _refused(fragment, fragment.danger, fragment.reason)
    try:
        return _readable(fragment)
    except UnreadableSqlError as exc:
        line = fragment.line
        if exc.offset is not None:
            line += fragment.text.encode()[: exc.offset].count(b"\n")
        where = f" on line {line}" if exc.code == "sql.syntax" else ""
        return _refused(fragment, exc.code, exc.found + where)


def _readable(fragment: Fragment) -> Statement:
    trees = parse(fragment.text)
    if len(trees) != 1:
        return _refused(fragment, "sql.several_statements", f"it holds {len(trees)} statements")
    nodes = tuple(walk(trees[0]))
    text = plannable(fragment.text, nodes)
    kind = kind_of(nodes)
    refusal = danger_of(nodes, kind)
    return Statement(
        text=text,
        normalized_text=masked(fragment.text) if kind is None else without_comments(normalize(text)),
        fingerprint=fingerprint(fragment.text),
        kind=kind,
        parameter_count=_parameter_count(nodes),
        leading_comment=fragment.leading_comment,
        danger=None if refusal is None else refusal.code,
        reason="" if refusal is None else refusal.reason,
        line=fragment.line,
    )


def _refused(fragment: Fragment, code: str, reason: str) -> Statement:
    shown = masked(fragment.text)
    return Statement(
        text=fragment.text,
        normalized_text=shown,
        fingerprint=hashlib.sha256(shown.encode()).hexdigest()[:16],
        kind=None,
        parameter_count=0,
        leading_comment=fragment.leading_comment,
        danger=code,
        reason=reason,
        line=fragment.line,
    )


def _parameter_count(nodes: Nodes) -> int:
    numbers = (fields.get("number") for name, fields in nodes if name == "ParamRef")
    return max((number for number in numbers if isinstance(number, int)), default=0)


def without_comments(text: str) -> str:
    """Return a readable text without its comments, with each run of white space outside of quotes as one space."""
    return _rendered(text, mask=False)


def masked(text: str, *, limit_bytes: int = 4096) -> str:
    """Return the beginning of a text that is not SQL, safe to show: up to its first string, numbers as `?`.

    In a broken text quotes may be paired wrongly, so that what looks like a name is a piece of somebody's data.
    """
    head = text.encode(errors="replace")[:limit_bytes].decode(errors="ignore").replace("\0", " ")
    shown = re.split(r"[eEbBxXuUnN]?&?'|\$\w*\$", head, maxsplit=1)[0]
    try:
        rendered = _rendered(shown, mask=True)
    except UnreadableSqlError:
        return "…"
    return rendered if shown == text else f"{rendered} …".strip()


def _rendered(text: str, *, mask: bool) -> str:
    encoded = text.encode()
    parts: list[str] = []
    end = 0
    for token in tokens_of(text):
        if token.is_comment:
            continue
        if parts and token.start > end:
            parts.append(" ")
        is_hidden = mask and token.is_constant
        parts.append("?" if is_hidden else encoded[token.start : token.end].decode())
        end = token.end
    return "".join(parts)
