"""Finds which of an anchor's queries take longer now, and what made them: host, load, growth, or another plan. Pure.

Who is slower is shown by a bounded test of the counted means, before anything is taken out of them: what all have in
common is then named as a cause, and not hidden. What cannot be judged is counted.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from math import exp

from trimtab.anchor.causes import Movement, host_movement, proof_of, proof_of_version, ruling, table_movement
from trimtab.anchor.family import shared_error_rates
from trimtab.lifecycle.compared_queries import (
    NOTHING_IN_COMMON,
    Common,
    Pair,
    changes_of_means,
    in_common,
    judge_means,
    same_plan,
)
from trimtab.lifecycle.comparing import pairs_of, share_of, what_ran_since
from trimtab.model.anchor import Anchor, QueryLevel
from trimtab.model.comparison import Judgement
from trimtab.model.flip import CauseKind
from trimtab.settle.traffic import LEAST_CALLS

ERROR_RATE = 0.01
MARGIN = 0.10


@dataclass(frozen=True, slots=True)
class Slowed:
    """One query that takes longer per call: `ratio` times, `at_least` with an error rate of `error_rate`.

    `kind` is the first cause that explains it, None where none does; `movement` what moved, and `proof` the figures.
    """

    query_id: str
    share: float
    ratio: float
    at_least: float
    error_rate: float
    kind: CauseKind | None
    reason: str
    movement: Movement
    proof: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Slowing:
    """All that are slower, the heaviest first; how many were judged, and how many ran too seldom for that.

    `host` and `common` are by which factors the host and the queries whose plan is the same moved, None: not known.
    """

    slowed: tuple[Slowed, ...]
    judged: int
    unjudged: int
    host: float | None
    common: float | None


def slowing(
    anchor: Anchor,
    now: Anchor,
    *,
    error_rate: float = ERROR_RATE,
    margin: float = MARGIN,
    only: Collection[str] | None = None,
) -> Slowing:
    """Return what became slower since the anchor. `error_rate` is that of all queries together.

    `only` are the queries to tell of, None for all: the others still tell what all have in common.
    """
    later = what_ran_since(anchor, now)
    pairs = pairs_of(anchor, later)
    changes = changes_of_means(pairs)
    shares = {was.query_id: share_of(was, anchor) for was, _ in pairs}
    rates = shared_error_rates(shares, error_rate)
    host = host_movement(anchor.state.host, now.state.host)
    found: list[Slowed] = []
    asked = [(was, is_) for was, is_ in pairs if only is None or was.query_id in only]
    judged = 0
    for was, is_ in asked:
        if was.counted is None or is_.counted is None or min(was.counted.calls, is_.counted.calls) < LEAST_CALLS:
            continue
        judged += 1
        rate = rates[was.query_id]
        judgement, ratio, at_least, _ = judge_means(was.counted, is_.counted, NOTHING_IN_COMMON, rate, margin)
        if judgement is not Judgement.SLOWER:
            continue
        common = in_common([change for query_id, change in changes.items() if query_id != was.query_id])
        movement = _movement((was, is_), anchor, now, host, common, ratio)
        why = ruling(movement)
        proof = _proof((was, is_), anchor, now, common)
        share = shares[was.query_id]
        found.append(Slowed(was.query_id, share, ratio, at_least, rate, why.kind, why.reason, movement, proof))
    whole = in_common(list(changes.values()))
    found.sort(key=lambda slowed: (-slowed.share, slowed.query_id))
    return Slowing(
        tuple(found), judged, len(asked) - judged, host, None if whole is None else exp(whole.log_ratio)
    )  # fmt: skip


def _movement(
    pair: Pair, anchor: Anchor, now: Anchor, host: float | None, common: Common | None, own: float
) -> Movement:
    was, is_ = pair
    assert was.counted is not None and is_.counted is not None  # noqa: PT018 - who was judged
    is_same = same_plan(was, is_)
    blocks = is_.counted.blocks / was.counted.blocks if was.counted.blocks > 0 else None
    return Movement(
        host=host,
        common=None if common is None else exp(common.log_ratio),
        own=own,
        blocks=blocks,
        rows=table_movement(_rows(anchor), _rows(now), _tables(was)),
        is_plan_changed=None if is_same is None else not is_same,
        pages=table_movement(_pages(anchor), _pages(now), _tables(was)),
    )


def _proof(pair: Pair, anchor: Anchor, now: Anchor, common: Common | None) -> tuple[str, ...]:
    was, is_ = pair
    assert was.counted is not None and is_.counted is not None  # noqa: PT018 - who was judged
    counts = (_rows(anchor), _rows(now)), (_pages(anchor), _pages(now))
    told = list(proof_of(anchor.state.host, now.state.host, *counts, _tables(was)))
    told += proof_of_version(anchor.server_version, now.server_version)
    if common is not None:
        told.append(
            f"load: {common.count} other queries whose plan is the same take {exp(common.log_ratio):.3g} times as long"
            " in the median"
        )
    told.append(f"blocks per call: {was.counted.blocks:.4g} then, {is_.counted.blocks:.4g} now")
    shapes = [level.generic_shape if was.generic_shape and is_.generic_shape else level.plan_shape for level in pair]
    is_same = same_plan(was, is_)
    if is_same is not None:
        told.append(f"plan: {shapes[0]}, then and now" if is_same else f"plan: {shapes[0]} then, {shapes[1]} now")
    return tuple(told)


def _tables(level: QueryLevel) -> list[str]:
    plan = level.generic_plan or level.plan
    return [] if plan is None else [f"{schema}.{name}" for schema, name in plan.relations]


def _rows(anchor: Anchor) -> Mapping[str, float]:
    return {name: table.rows for name, table in anchor.state.tables.items()}


def _pages(anchor: Anchor) -> Mapping[str, float]:
    return {name: float(table.pages) for name, table in anchor.state.tables.items()}
