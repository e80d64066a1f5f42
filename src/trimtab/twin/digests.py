"""Tells planner statistics apart by digests, so that nobody needs the values to see that they changed. Pure."""

from __future__ import annotations

import hashlib
import json
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import asdict

from trimtab.model.catalog import Snapshot
from trimtab.twin.source import Source


def statistics_digests(source: Source, snapshot: Snapshot) -> Mapping[tuple[str, str], str]:
    """Return, by table, the digest of what the planner knows of it: its columns, those of its indexes, and extended.

    Sizes are not in it: a table that grew, and was not analysed, has the same statistics.
    """
    owners = {(t.schema, i.name): (t.schema, t.name) for t in snapshot.tables for i in t.indexes}
    objects = {(s.schema, s.name): (t.schema, t.name) for t in snapshot.tables for s in t.statistics}
    facts: dict[tuple[str, str], list[object]] = defaultdict(list)
    for column in source.columns:
        relation = column.schema, column.relation
        facts[owners.get(relation, relation)].append(asdict(column))
    for values in source.extended:
        if (table := objects.get((values.schema, values.name))) is not None:
            facts[table].append(asdict(values))
    return {table: _digest(sorted(map(_text, found))) for table, found in facts.items()}


def _digest(value: object) -> str:
    return hashlib.sha256(_text(value).encode()).hexdigest()


def _text(value: object) -> str:
    return json.dumps(value, sort_keys=True, default=_plain)


def _plain(value: object) -> object:
    if isinstance(value, bytes):
        return value.hex()
    if isinstance(value, Iterable):
        return list(value)
    raise TypeError(type(value).__name__)
