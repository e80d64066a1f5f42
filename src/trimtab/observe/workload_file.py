"""Reads a workload from a .sql file, or from texts: statements, how often each counts, and what is left out and why.

A statement that cannot be used never stops the others; a file or a directive that cannot be understood stops all, since
guessing a weight would falsify every total.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from trimtab.db.parser import MAX_FILE_BYTES
from trimtab.db.sql import Statement, split
from trimtab.errors import EmptyWorkloadError, WorkloadError
from trimtab.model.workload import Query, QueryKind, Skipped, Workload
from trimtab.observe.identity import QueryIds

ORIGIN = "file"
_DIRECTIVE = re.compile(r"\s*--\s*(?P<key>weight|name)\s*:(?P<value>.*)", re.IGNORECASE)
_LARGEST_WEIGHT = 1e15
_FORM = "Write `-- weight: 12.5` on a line of its own above the statement."


@dataclass(frozen=True, slots=True)
class _Entry:
    """One statement of the file with what its directives say."""

    statement: Statement
    weight: float
    name: str | None


def workload_from_file(path: Path) -> Workload:
    """Return the workload of a file; equal statements add up their weights, 1 unless `-- weight: N` stands above.

    Raises WorkloadError: workload.unreadable, workload.not_utf8, workload.too_large, workload.bad_weight,
    workload.bad_name; EmptyWorkloadError when there is no statement that can be used.
    """
    return _workload_of(_text_of(path), f"workload file {path}")


def workload_from_texts(texts: Iterable[str]) -> Workload:
    """Return the workload of statements in memory, which may have directives above them as in a file.

    Raises WorkloadError as `workload_from_file` does.
    """
    return _workload_of("\n".join(text.rstrip().rstrip(";") + "\n;" for text in texts), "the workload")


def _workload_of(text: str, name: str) -> Workload:
    try:
        statements = split(text)
    except WorkloadError as error:
        raise _too_large(name, str(error)) from None
    entries = [_entry(statement, name) for statement in statements]
    usable = [entry for entry in entries if entry.statement.danger is None]
    skipped = tuple(_skipped(entry) for entry in entries if entry.statement.danger is not None)
    if not usable:
        raise _empty(name, skipped)
    return Workload(_queries(usable), ORIGIN, skipped)


def _too_large(name: str, found: str) -> WorkloadError:
    return WorkloadError(
        f"{name} is refused: {found}", code="workload.too_large", next_step="Split it, or leave statements out."
    )


def _text_of(path: Path) -> str:
    try:
        with path.open("rb") as file:
            raw = file.read(MAX_FILE_BYTES + 1)
    except OSError as exc:
        raise WorkloadError(
            f"workload file {path} cannot be read: {exc.strerror}",
            code="workload.unreadable",
            next_step="Check the path and its permissions, or leave --workload out to read pg_stat_statements.",
        ) from None
    if len(raw) > MAX_FILE_BYTES:
        raise _too_large(f"workload file {path}", f"it has more than {MAX_FILE_BYTES} bytes")
    try:
        return raw.decode("utf-8-sig")
    except UnicodeDecodeError as exc:
        line = raw[: exc.start].count(b"\n") + 1
        raise WorkloadError(
            f"workload file {path} is refused: line {line} is not UTF-8",
            code="workload.not_utf8",
            next_step="Save the file as UTF-8.",
        ) from None


def _entry(statement: Statement, name: str) -> _Entry:
    given: dict[str, str] = {}
    for comment in statement.leading_comment.splitlines():
        match = _DIRECTIVE.fullmatch(comment)
        if match is None:
            continue
        key = match["key"].lower()
        if key in given:
            raise _bad(name, statement, key, "it is given twice")
        given[key] = match["value"].strip()
    weight = _weight(given["weight"], name, statement) if "weight" in given else 1.0
    title = given.get("name")
    if title is not None and not (title and title.isprintable()):
        raise _bad(name, statement, "name", "it is empty or not printable")
    return _Entry(statement, weight, title)


def _weight(text: str, name: str, statement: Statement) -> float:
    try:
        weight = float(text)
    except ValueError:
        raise _bad(name, statement, "weight", f"{text!r} is not a number") from None
    if not 0 < weight <= _LARGEST_WEIGHT:
        raise _bad(name, statement, "weight", f"{text!r} is not a positive, finite number up to {_LARGEST_WEIGHT:g}")
    return weight


def _bad(name: str, statement: Statement, key: str, found: str) -> WorkloadError:
    return WorkloadError(
        f"{name} is refused: the {key} of the statement on line {statement.line} is wrong: {found}",
        code=f"workload.bad_{key}",
        next_step=_FORM if key == "weight" else _FORM.replace("weight: 12.5", "name: monthly report"),
    )


def _queries(entries: list[_Entry]) -> tuple[Query, ...]:
    merged: dict[str, list[_Entry]] = {}
    for entry in entries:
        merged.setdefault(entry.statement.text, []).append(entry)
    ids = QueryIds()
    return tuple(_query(same, ids) for same in merged.values())


def _query(same: list[_Entry], ids: QueryIds) -> Query:
    statement = same[0].statement
    query_id = ids.next_for(statement.fingerprint)
    return Query(
        id=query_id,
        name=next((entry.name for entry in same if entry.name is not None), query_id),
        text=statement.text,
        normalized_text=statement.normalized_text,
        weight=math.fsum(entry.weight for entry in same),
        kind=statement.kind or QueryKind.WRITE,
        parameter_count=statement.parameter_count,
    )


def _skipped(entry: _Entry) -> Skipped:
    statement = entry.statement
    return Skipped(
        name=entry.name or f"line {statement.line}",
        normalized_text=statement.normalized_text,
        weight=entry.weight,
        code=statement.danger or "",
        reason=f"line {statement.line}: {statement.reason}",
    )


def _empty(name: str, skipped: tuple[Skipped, ...]) -> EmptyWorkloadError:
    found = "it holds no statement"
    if skipped:
        found = f"none of its {len(skipped)} statements can be used; the first, {skipped[0].reason}"
    return EmptyWorkloadError(
        f"{name} is refused: {found}",
        next_step="Write the SELECT, INSERT, UPDATE and DELETE statements of the workload, each ended by a semicolon.",
        left_out=[one.why for one in skipped],
    )
