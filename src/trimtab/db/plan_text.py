"""Turns the expressions that EXPLAIN prints into SQL that the parser reads: subplans, init plans, partial aggregates.

String literals and quoted names stay as they are. Decides nothing about what the expression means.
"""

from __future__ import annotations

import re

_PLAN = r"(?:hashed\ |rescan\ )?(?:SubPlan|InitPlan|CTE)\ \w+"
_NOT_SQL = re.compile(
    rf"""(?P<quoted> '(?:[^']|'')*' | "(?:[^"]|"")*" )
       | (?P<plan> \(alternatives:\ [^()]*\) | (?:EXISTS|ARRAY)\({_PLAN}\) | \({_PLAN}\)(?:\.col\d+)?
                 | \b{_PLAN}\b(?:\.col\d+)? | \$0\b )
       | (?P<test> (?<=\()(?:ANY|ALL)\ (?=\() | \bROWCOMPARE\ (?=\() )
       | (?P<partial> \bPARTIAL\ (?=[\w".]+\() )
       | (?P<window> \bOVER\ \(\?\) )
    """,
    re.VERBOSE,
)
_COLUMN = re.compile(
    r"""'(?:[^']|'')*'
      | (?<![\w".$]) (?P<alias> [a-z_][\w$]* | "(?:[^"]|"")+" ) \. (?P<column> [a-z_][\w$]* | "(?:[^"]|"")+" )
        (?![\w$"]|\s*\(|\.)
    """,
    re.VERBOSE,
)
_NAME = r'(?:[^\W\dA-Z][\w$]*|"(?:[^"]|"")+")'
_SORT_KEY = re.compile(
    rf"(?P<alias>{_NAME})\.(?P<column>{_NAME})(?P<descending> DESC)?(?: NULLS (?P<nulls>FIRST|LAST))?"
)


def as_sql(expression: str) -> str:
    """Return the expression with whatever is not SQL replaced by a parameter or a plain function call."""
    return _NOT_SQL.sub(_replacement, expression)


def _replacement(match: re.Match[str]) -> str:
    if match["quoted"]:
        return match[0]
    if match["plan"]:
        return " $1 "
    if match["test"]:
        return "subplan_test"
    return "OVER ()" if match["window"] else ""


def mentioned_columns(expression: str) -> list[tuple[str, str]]:
    """Return every (alias, column) that the text mentions: for what no parser reads."""
    return [
        (unquoted(match["alias"]), unquoted(match["column"]))
        for match in _COLUMN.finditer(expression)
        if match["column"] is not None
    ]


def column_reference(text: str) -> tuple[str, str] | None:
    """Return (alias, column) of an entry that is one column, as Output and Group Key have it, else None."""
    key = sort_key(text)
    return None if key is None or " " in _outside_quotes(text.strip()) else key[:2]


def sort_key(text: str) -> tuple[str, str, bool, bool] | None:
    """Return (alias, column, descending, nulls first) of a Sort Key entry that is one column in its own order.

    None for expressions, and for another collation or operator, which an index on the column does not serve.
    """
    match = _SORT_KEY.fullmatch(_without_brackets(text.strip()))
    if match is None:
        return None
    descending = match["descending"] is not None
    nulls_first = descending if match["nulls"] is None else match["nulls"] == "FIRST"
    return unquoted(match["alias"]), unquoted(match["column"]), descending, nulls_first


def unquoted(name: str) -> str:
    """Return an identifier without its quotes."""
    return name[1:-1].replace('""', '"') if name.startswith('"') else name


def _without_brackets(text: str) -> str:
    """`(t.a) DESC` and `(t.a)` become `t.a DESC` and `t.a`: EXPLAIN puts what a lower node computed in brackets."""
    match = re.fullmatch(rf"\(({_NAME}\.{_NAME})\)(.*)", text)
    return match[1] + match[2] if match else text


def _outside_quotes(text: str) -> str:
    return re.sub(r'"(?:[^"]|"")+"', "", text)
