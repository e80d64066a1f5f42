"""Tells what a message of the server says of a statement: that it began, how long it took, with which plan.

Durations are recognised in English alone. What a message says in other languages is told as such, by its figures.
"""

from __future__ import annotations

import re
from enum import Enum
from typing import NamedTuple


class Kind(Enum):
    """What a message says."""

    BEGAN = "began"
    LASTED = "lasted"
    PLAN = "plan"
    LEFT_OUT = "left out"


class Said(NamedTuple):
    """What a message says. `text` is the statement, "" where it stands in an earlier message; or the plan.

    `is_simple` is true for what was sent as text, false for what was sent to be executed with values; `is_prepared` for
    an EXECUTE, whose text is that of its PREPARE. `reason` is why it is left out.
    """

    kind: Kind
    duration_ms: float = 0.0
    text: str = ""
    is_simple: bool = True
    is_prepared: bool = False
    reason: str = ""


_DURATION = re.compile(r"duration: (\d{1,15}\.\d{3}) ms(?:  |\Z)")
_EXECUTE = re.compile(r"execute (?P<fetch>fetch from )?[^\n]*?: ")
_LEFT_OUT = {"parse ": "parse_or_bind", "bind ": "parse_or_bind", "fastpath function call: ": "fastpath"}
_STATEMENT, _PLAN = "statement: ", "plan:\n"
# "Dauer: 0.123 ms", "durée : 0.123 ms, instruction", "varaktighet 0.123 ms": one word and a time.
_FOREIGN_DURATION = re.compile(r"[^\s\d:\uff1a]{1,40}\s?[:\uff1a]? ?\d{1,15}[.,]\d{3} [^\s\d,]{1,20}(?:[ ,]|\Z)")
_PREPARED = "prepare: "


def said_of(message: str, detail: str) -> Said | None:
    """Return what a message that is no error says, or None when it is of no statement."""
    found = _DURATION.match(message)
    if found is None:
        begun = _statement(message, 0, detail)
        if begun is None and _FOREIGN_DURATION.match(message):
            return Said(Kind.LEFT_OUT, reason="localized")
        return begun._replace(kind=Kind.BEGAN) if begun is not None and begun.kind is Kind.LASTED else begun
    duration_ms, place = float(found[1]), found.end()
    if place == len(message):
        return Said(Kind.LASTED, duration_ms)
    if message.startswith(_PLAN, place):
        return Said(Kind.PLAN, duration_ms, message[place + len(_PLAN) :])
    said = _statement(message, place, detail, duration_ms)
    return said if said is not None else Said(Kind.LEFT_OUT, reason="localized")


def _statement(message: str, place: int, detail: str, duration_ms: float = 0.0) -> Said | None:
    """Return which statement is told from `place` on."""
    if message.startswith(_STATEMENT, place):
        # EXECUTE of a statement that PREPARE made: its text is below.
        if detail.startswith(_PREPARED):
            return Said(Kind.LASTED, duration_ms, detail.removeprefix(_PREPARED), is_prepared=True)
        return Said(Kind.LASTED, duration_ms, message[place + len(_STATEMENT) :])
    if execute := _EXECUTE.match(message, place):
        if execute["fetch"]:
            return Said(Kind.LEFT_OUT, reason="cursor")
        return Said(Kind.LASTED, duration_ms, message[execute.end() :], is_simple=False)
    reasons = (reason for word, reason in _LEFT_OUT.items() if message.startswith(word, place))
    reason = next(reasons, None)
    # Only a duration says so; "bind ..." may begin a message of its own.
    return Said(Kind.LEFT_OUT, reason=reason) if reason is not None and place else None
