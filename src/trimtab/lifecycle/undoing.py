"""Makes of what was another one between two anchors the strategy that puts it back: a setting, indexes, statistics.

Nothing is judged: a strategy made here is validated, predicted and tried as any other. What cannot be put back by a
change, or is not known exactly, makes none. It reads files of this machine alone.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import pairwise

from trimtab.anchor.store import AnchorStore
from trimtab.lifecycle.lock_situation import index_bytes, put_back_index, put_back_statistics
from trimtab.model.anchor import Anchor
from trimtab.model.change import Change, SetSetting
from trimtab.model.evolution import Event, EventKind, Recommendation, Series
from trimtab.model.strategy import Strategy
from trimtab.spec.specification import Specification
from trimtab.twin.image import load
from trimtab.twin.source import Source

PROPOSER = "evolution"


def undoing(
    found: Recommendation, series: Series, anchors: Sequence[Anchor], store: AnchorStore, specification: Specification
) -> Strategy | None:
    """Return what puts back what the recommendation points at, None where that is not known or is no change of ours.

    `anchors` are those of the database, the oldest first. Raises AnchorError, and LabError for
    statistics that are damaged.
    """
    event = found.event
    pair = None if event is None else _around(event, anchors)
    if event is None or pair is None:
        return None
    size = 0
    changes: tuple[Change, ...] = ()
    if event.kind is EventKind.SETTING_CHANGED:
        changes = tuple(_settings(event.subject, *pair))
    elif event.kind is EventKind.SCHEMA_CHANGED:
        changes, size = _objects(event.subject, *pair, store, specification)
    if not changes:
        return None
    query_ids = (series.id,) if series.dimension == "response_latency" and series.id.startswith("q") else ()
    what = "setting" if event.kind is EventKind.SETTING_CHANGED else "table"
    return Strategy(
        changes, PROPOSER, f"Put back what the {what} {event.subject} had", found.reason, query_ids, size_bytes=size
    )


def _around(event: Event, anchors: Sequence[Anchor]) -> tuple[Anchor, Anchor] | None:
    return next(((before, after) for before, after in pairwise(anchors) if after.id == event.id), None)


def _settings(name: str, before: Anchor, after: Anchor) -> Iterator[SetSetting]:
    """Yield the setting as it was, where it was changed: in its scopes; else, where its value is known, here."""
    then, now = before.state.scoped_settings, after.state.scoped_settings
    is_scoped = False
    for key in sorted(then.keys() | now.keys()):
        old, new = then.get(key, {}).get(name), now.get(key, {}).get(name)
        scope = _scope(key)
        if old != new and scope is not None:
            is_scoped = True
            yield SetSetting(*scope, name, old)
    value = before.settings.get(name)
    if not is_scoped and value is not None and value != after.settings.get(name):
        yield SetSetting("database", after.database, name, value)


def _scope(key: str) -> tuple[str, str] | None:
    """Return the scope of a key of `scoped_settings` and its name; of a role in a database none is made again."""
    scope, _, name = key.partition(":")
    return (scope, name) if scope in ("database", "role") and name and "@database:" not in name else None


def _objects(
    table: str, before: Anchor, after: Anchor, store: AnchorStore, specification: Specification
) -> tuple[tuple[Change, ...], int]:
    """Return the indexes and statistics objects that the table had and has no more, and what the indexes took."""
    images = [store.statistics(anchor) for anchor in (before, after)]
    if images[0] is None or images[1] is None:
        return (), 0
    then, now = (load(path).source for path in images if path is not None)
    kept = {(i.schema, i.table, i.tail) for i in now.definitions.indexes}
    lost = [
        index
        for index in then.definitions.indexes
        if f"{index.schema}.{index.table}" == table
        and not index.is_unique
        and (index.schema, index.table, index.tail) not in kept
    ]
    return (
        *(put_back_index(index, specification.limits.indexes.name_prefix) for index in lost),
        *_statistics(table, then, now, specification),
    ), index_bytes([(index.schema, index.name) for index in lost], then)


def _statistics(table: str, then: Source, now: Source, specification: Specification) -> Iterator[Change]:
    kept = {(s.table_schema, s.table, s.columns, s.kinds) for s in now.definitions.statistics}
    for found in then.definitions.statistics:
        is_lost = (found.table_schema, found.table, found.columns, found.kinds) not in kept
        if f"{found.table_schema}.{found.table}" == table and is_lost and not found.has_expressions:
            yield put_back_statistics(found, specification.limits.statistics.name_prefix)
