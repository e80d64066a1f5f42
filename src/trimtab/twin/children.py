"""Puts tables that inherit from the same ones into the order in which the source made them, in an archive's list.

The planner goes through a table's children by their age; pg_dump sorts tables by name. Pure.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise

_ENTRY = "-- TOC entry "
_HEAD = re.compile(r"(?P<id>\d+) \(class 1259 OID (?P<oid>\d+)\)\n")
_PARENTS = re.compile(r"^INHERITS \((?P<names>.+)\)", re.MULTILINE)
_NEEDS = re.compile(r"^(?P<id>\d+); .*\n;\s+depends on:(?P<needed>[ \d]+)$", re.MULTILINE)
_MARK = b"INHERITS ("


def are_likely(archive: bytes) -> bool:
    """Return whether the archive may define tables that inherit."""
    return _MARK in archive


def by_age(lines: Sequence[str], listed: str, script: str) -> list[str]:
    """Return the entries of an archive's list, each still after all that it needs.

    `listed` and `script` are the whole list and the script that pg_restore wrote of the archive, verbosely.
    """
    entries = {line.partition(";")[0]: line for line in lines}
    needs = {found["id"]: found["needed"].split() for found in _NEEDS.finditer(listed)}
    older = {younger: before for siblings in _siblings(script) for before, younger in pairwise(siblings)}
    order: dict[str, None] = {}
    for entry in entries:
        _place(entry, needs, older, order)
    places = {entry: place for place, entry in enumerate(order)}
    if any(places[n] > places[entry] for entry in places for n in needs.get(entry, ()) if n in places):
        return list(lines)  # The older one needs the younger.
    return [entries[entry] for entry in order if entry in entries]


def _siblings(script: str) -> Iterator[list[str]]:
    """Yield the numbers of the entries of tables that inherit from the same ones, the oldest first."""
    found: dict[str, list[tuple[int, str]]] = {}
    for section in script.split(_ENTRY)[1:]:
        head, parents = _HEAD.match(section), _PARENTS.search(section)
        if head and parents:
            found.setdefault(parents["names"], []).append((int(head["oid"]), head["id"]))
    for children in found.values():
        yield [entry for _, entry in sorted(children)]


def _place(entry: str, needs: Mapping[str, Sequence[str]], older: Mapping[str, str], order: dict[str, None]) -> None:
    """Add the entry to the order, and before it what it needs and its older sibling."""
    waiting, begun = [entry], set[str]()
    while waiting:
        last = waiting[-1]
        if last in order or last in begun:
            order.setdefault(waiting.pop())
            continue
        begun.add(last)
        before = [*needs.get(last, ()), *([older[last]] if last in older else [])]
        waiting += [one for one in reversed(before) if one not in order and one not in begun]
