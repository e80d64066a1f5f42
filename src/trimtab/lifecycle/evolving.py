"""Puts together how a performance evolved: anchors and watched hours as series, beside what the ledger tells.

It reads files of this machine alone. What a series says is found in `anchor.evolution` and said in
`anchor.insights`; nothing here judges, and nothing is changed.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path

from trimtab.anchor.dimensions import COHERENCE, MARGIN, THROUGHPUT
from trimtab.anchor.evolution import describe
from trimtab.anchor.force import reference, standings
from trimtab.anchor.insights import insights
from trimtab.anchor.recommendations import recommendations
from trimtab.anchor.stability import breaches, service_level_ms, stability
from trimtab.anchor.store import AnchorStore
from trimtab.ledger.entry import Entry
from trimtab.ledger.ledger import Ledger
from trimtab.ledger.pending import applied_changes, intents
from trimtab.lifecycle.anchor_chain import store_of
from trimtab.lifecycle.arrivals import watched_hours
from trimtab.lifecycle.undoing import PROPOSER, undoing
from trimtab.model.anchor import Anchor, QueryLevel
from trimtab.model.applied import Applied
from trimtab.model.change import change_from_dict
from trimtab.model.evolution import (
    Action,
    AnchoredLevel,
    Event,
    EventKind,
    Evolution,
    Insight,
    Point,
    Recommendation,
    Rules,
    Scale,
    Series,
)
from trimtab.model.stability import Stability
from trimtab.model.strategy import Strategy
from trimtab.spec.load import load_spec
from trimtab.spec.specification import Specification

_TOLD = frozenset(
    {
        EventKind.ANCHOR_RECORDED,
        EventKind.CHANGE_APPLIED,
        EventKind.CHANGE_REVERTED,
        EventKind.PLAN_CHANGED,
        EventKind.SCHEMA_CHANGED,
        EventKind.SETTING_CHANGED,
        EventKind.ANALYZED,
    }
)


@dataclass(frozen=True, slots=True)
class Evolved:
    """One series' evolution, what it says, and what to do next.

    `stability` is that of a query's executions, None where fewer than two anchors have any.
    """

    evolution: Evolution
    insights: tuple[Insight, ...]
    recommendations: tuple[Recommendation, ...]
    stability: Stability | None = None


def evolutions(
    ledger_path: Path,
    server: tuple[str, str, int],
    *,
    is_standby: bool = False,
    query_ids: Sequence[str] | None = None,
    rules: Rules | None = None,
    specification: Specification | None = None,
) -> list[Evolved]:
    """Return how a database evolved, by dimension, then by query, the heaviest first. `server` is `Anchor.server`.

    Strategies name new objects as the specification wants; the shipped one where none is given.

    A query's points are its anchors' and, where the database was watched, the means of the hours. `query_ids` are those
    to tell of; None for the twenty heaviest of the latest anchor.
    Raises AnchorError, LedgerError.
    """
    store = store_of(ledger_path)
    chain = [signed.anchor for signed in store.anchors()]
    anchors = [anchor for anchor in chain if (anchor.server, anchor.is_standby) == (server, is_standby)]
    with Ledger.open(ledger_path) as ledger:
        entries = tuple(ledger.entries())
    held = reference(standings(chain, entries), server, is_standby=is_standby)
    events = [*_ledger_events(entries, server), *_anchor_events(anchors)]
    past = _Past(anchors, store, applied_changes(entries, database=_database(server)), specification or load_spec(None))
    hours = watched_hours(ledger_path, _database(server))
    found = [
        _evolved(series, events, _dimension_level(held, series.dimension), rules, past)
        for series in _dimensions(anchors)
    ]
    for query_id in _heaviest(anchors) if query_ids is None else query_ids:
        plans = list(_plan_events(anchors, query_id))
        level = None if held is None else held.query(query_id)
        value = None if level is None else _value(level)
        anchored = AnchoredLevel(held.id, value[0]) if held is not None and value is not None else None
        series = _query_series(anchors, query_id, hours.get(query_id, ()))
        evolved = _evolved(series, [*events, *plans], anchored, rules, past)
        found.append(replace(evolved, stability=_stability(anchors, held, query_id)))
    return found


def _stability(anchors: Sequence[Anchor], held: Anchor | None, query_id: str) -> Stability | None:
    """Return how often executions failed, or took longer than the slowest of the reference and the margin.

    They are those of the anchors after the reference; where that is the last one, after the first one instead.
    """
    run = [
        (anchor, level.latency)
        for anchor in anchors
        if (level := anchor.query(query_id)) is not None and level.latency is not None
    ]
    place = next((number for number, (anchor, _) in enumerate(run[:-1]) if anchor == held), 0)
    if len(run) < 2:
        return None
    service_ms = service_level_ms(run[place][1], MARGIN)
    later = [latency for _, latency in run[place + 1 :]]
    return stability(sum(one.count for one in later), sum(breaches(one, service_ms) for one in later))


def _evolved(
    series: Series,
    events: Sequence[Event],
    anchored: AnchoredLevel | None,
    rules: Rules | None,
    past: _Past,
) -> Evolved:
    evolution = describe(series, events, watched=_TOLD, anchored=anchored, rules=rules)
    said = insights(evolution)
    found = recommendations(evolution, said)
    return Evolved(evolution, said, tuple(replace(each, strategy=past.strategy(each, series)) for each in found))


@dataclass(frozen=True, slots=True)
class _Past:
    """What strategies are made of: the database's anchors, what is kept with them, and our changes that stand."""

    anchors: Sequence[Anchor]
    store: AnchorStore
    standing: Sequence[Applied]
    specification: Specification

    def strategy(self, found: Recommendation, series: Series) -> Strategy | None:
        """Return what takes a change of ours back, or puts back what somebody else has changed."""
        ours = _taking_back(found, series, self.standing)
        return ours or undoing(found, series, self.anchors, self.store, self.specification)


def _taking_back(found: Recommendation, series: Series, standing: Sequence[Applied]) -> Strategy | None:
    """Return what takes the change back that a recommendation points at, where it stands in our ledger."""
    inverses = [a.inverse for a in reversed(standing) if a.strategy_id == found.subject]
    if found.action is not Action.LOOK_AT_CHANGE or not inverses:
        return None
    query_ids = (series.id,) if series.id.startswith("q") else ()
    return Strategy(tuple(inverses), PROPOSER, f"Take {found.subject} back", found.reason, query_ids)


def recommended(
    ledger_path: Path, server: tuple[str, str, int], *, is_standby: bool, specification: Specification
) -> list[Strategy]:
    """Return the strategies that the history recommends for now, each once. Raises AnchorError, LedgerError."""
    found = evolutions(ledger_path, server, is_standby=is_standby, specification=specification)
    strategies = [r.strategy for evolved in found for r in evolved.recommendations if r.strategy is not None]
    return list({strategy.id: strategy for strategy in strategies}.values())


def _database(server: tuple[str, str, int]) -> dict[str, object]:
    return dict(zip(("system_identifier", "database", "database_oid"), server, strict=True))


def _heaviest(anchors: Sequence[Anchor], most: int = 20) -> list[str]:
    levels = sorted(anchors[-1].queries, key=lambda level: -_weight(level)) if anchors else []
    return [level.query_id for level in levels[:most]]


def _weight(level: QueryLevel) -> float:
    return level.counted.share if level.counted is not None else level.p50_ms * level.weight * 1e-12


def _value(level: QueryLevel) -> tuple[float, float] | None:
    """Return the mean of the counted executions, else the median of the runs, and of how many it is."""
    if level.counted is not None:
        return level.counted.mean_ms, float(level.counted.calls)
    return (level.p50_ms, float(level.runs)) if level.runs else None


def _query_series(anchors: Iterable[Anchor], query_id: str, hours: Sequence[Point]) -> Series:
    points = list(hours)
    for anchor in anchors:
        level = anchor.query(query_id)
        value = None if level is None else _value(level)
        if value is not None:
            points.append(Point(anchor.coordinate[0], *value))
    return Series(query_id, "response_latency", "ms", tuple(points))


def _dimensions(anchors: Sequence[Anchor]) -> Iterator[Series]:
    names = dict.fromkeys(dimension.name for anchor in anchors for dimension in anchor.dimensions)
    for name in names:
        found = [
            (anchor.coordinate[0], dimension)
            for anchor in anchors
            for dimension in anchor.dimensions
            if dimension.name == name and dimension.level is not None
        ]
        if not found:
            continue
        yield Series(
            anchors[-1].database,
            name,
            found[-1][1].unit,
            tuple(Point(time_ns, dimension.level or 0.0) for time_ns, dimension in found),
            Scale.DIFFERENCE if name == COHERENCE else Scale.RATIO,
            lower_is_better=name not in (COHERENCE, THROUGHPUT),
        )


def _dimension_level(held: Anchor | None, name: str) -> AnchoredLevel | None:
    levels = {d.name: d.level for d in held.dimensions} if held is not None else {}
    level = levels.get(name)
    return AnchoredLevel(held.id, level) if held is not None and level is not None else None


def _ledger_events(entries: Sequence[Entry], server: tuple[str, str, int]) -> Iterator[Event]:
    """Yield what was applied to this database and taken back, when it was done."""
    database = _database(server)
    for intent in intents(entries):
        if intent.result is None or not intent.is_done or not intent.is_on(database):
            continue
        change = change_from_dict(intent.intended.mapping("change"))
        subject = str(getattr(change, "name", change.kind))
        kind = EventKind.CHANGE_REVERTED if intent.is_revert else EventKind.CHANGE_APPLIED
        yield Event(intent.result.at_ns, kind, intent.intended.text("strategy_id"), subject)


def _anchor_events(anchors: Sequence[Anchor]) -> Iterator[Event]:
    """Yield the anchors, and what was another one at an anchor than at the one before."""
    for anchor in anchors:
        yield Event(anchor.coordinate[0], EventKind.ANCHOR_RECORDED, anchor.id)
    for earlier, later in pairwise(anchors):
        time_ns = later.coordinate[0]
        for name in sorted(earlier.settings.keys() | later.settings.keys()):
            if earlier.settings.get(name) != later.settings.get(name):
                yield Event(time_ns, EventKind.SETTING_CHANGED, later.id, name)
        for name, table in later.state.tables.items():
            before = earlier.state.tables.get(name)
            if before is not None and before.definition != table.definition:
                yield Event(time_ns, EventKind.SCHEMA_CHANGED, later.id, name)
        if earlier.coordinate[3] != later.coordinate[3]:
            yield Event(time_ns, EventKind.ANALYZED, later.id)


def _plan_events(anchors: Sequence[Anchor], query_id: str) -> Iterator[Event]:
    levels = [(anchor, level) for anchor in anchors if (level := anchor.query(query_id)) is not None]
    for (_, earlier), (anchor, later) in pairwise(levels):
        if (earlier.generic_shape or earlier.plan_shape) != (later.generic_shape or later.plan_shape):
            yield Event(anchor.coordinate[0], EventKind.PLAN_CHANGED, anchor.id, query_id)
