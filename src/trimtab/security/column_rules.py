"""What it means for security that the columns of a table, what it is read through, or domains are other ones. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from trimtab.security.difference import Both, Difference, Effect, RowChange
from trimtab.security.snapshot import Row

_W, _S, _N, _U = Effect.WEAKENED, Effect.STRENGTHENED, Effect.NEUTRAL, Effect.UNKNOWN


def _parents(change: RowChange) -> Iterator[Difference]:
    """Through a parent the parent's own grants and policies count, and the table's do not."""
    for parent, is_new in change.members("parents"):
        yield change.member("parents", parent, is_new, "posture.inheritance", _U if is_new else _N)


def _columns(change: RowChange) -> Iterator[Difference]:
    """How many columns there have ever been: a new one alone weakens nothing."""
    yield change.of("columns", "posture.relation", _N)


def _defaults(change: RowChange) -> Iterator[Difference]:
    """What a column gets that nobody gives it. That of a column which is new itself is no other one than before."""
    old, new = (dict(_column_and_default(row)) for row in (change.before or {}, change.after or {}))
    known = int(str((change.before or {}).get("columns") or 0))
    for column in sorted(old.keys() | new.keys()):
        if old.get(column) != new.get(column):
            effect = _N if column > known else _U
            yield Difference(
                "posture.column_default",
                effect,
                change.section,
                change.key,
                "defaults",
                None if column not in old else f"{column}={old[column]}",
                None if column not in new else f"{column}={new[column]}",
            )


def _column_and_default(row: Row) -> Iterator[tuple[int, str]]:
    held = row.get("defaults")
    for each in held if isinstance(held, tuple) else ():
        number, _, default = each.partition("=")
        yield int(number), default


def domain(change: RowChange, _both: Both) -> Iterator[Difference]:
    """A domain that lets NULL through, or gives another value where none is given."""
    if change.before is None or change.after is None:
        yield change.whole("posture.domain", _N)
        return
    for name, _, new in change.attributes():
        match name:
            case "not_null":
                yield change.of(name, "posture.not_null", _S if new else _W)
            case "default":
                yield change.of(name, "posture.column_default", _U)
            case "owner":
                yield change.of(name, "posture.owner", _U)


COLUMN_RULES: dict[str, Callable[[RowChange], Iterator[Difference]]] = {
    "parents": _parents,
    "columns": _columns,
    "defaults": _defaults,
}
"""The rule of each attribute of a table that is about its columns, or about what it is read through."""
