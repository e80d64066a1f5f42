"""Decides what made a query slower where its plan is the same: the host, the load, or more data. Pure.

The order is fixed: what slows everything is named before what slows one query, and a change of plan comes after all of
these, by rolling differences back.
"""

from __future__ import annotations

from dataclasses import dataclass

from trimtab.model.flip import CauseKind


@dataclass(frozen=True, slots=True)
class Movement:
    """How things moved since the anchor, as ratios of now to then; 1.0 is no movement, None is not known.

    `host` is the host probe's time, `common` the time of queries whose plan did not change, `own` this query's time per
    call, `blocks` its blocks per call, `rows` the rows of the tables that it reads.
    """

    host: float | None
    common: float | None
    own: float
    blocks: float | None
    rows: float | None
    is_plan_changed: bool


@dataclass(frozen=True, slots=True)
class Bands:
    """Up to which ratio a movement is none."""

    host: float = 1.25
    common: float = 1.25
    blocks: float = 1.25
    rows: float = 1.25


@dataclass(frozen=True, slots=True)
class Ruling:
    """The kind of cause, None for none of these, and why, in words."""

    kind: CauseKind | None
    reason: str


def cause_beside_the_plan(movement: Movement, bands: Bands | None = None) -> Ruling:
    """Return the first cause that is not a change of plan. A host or a load has to explain half of the slowdown.

    So a query that became ten times slower is not put down to a host that is a third slower. (Half on the scale of
    ratios: its square reaches what the query moved.)
    """
    allowed = bands or Bands()
    for moved, most, kind, what in (
        (movement.host, allowed.host, CauseKind.HOST, "the host's own probe is {:.2g} times slower"),
        (movement.common, allowed.common, CauseKind.LOAD, "queries whose plans did not change are {:.2g} times slower"),
    ):
        if moved is not None and moved > most and moved**2 >= movement.own:
            return Ruling(kind, what.format(moved))
    if movement.is_plan_changed:
        return Ruling(None, "its plan changed")
    if movement.blocks is not None and movement.blocks > allowed.blocks:
        has_grown = movement.rows is not None and movement.rows > allowed.rows
        told = f"the plan is the same and reads {movement.blocks:.2g} times as many blocks per call"
        if has_grown:
            return Ruling(CauseKind.DATA_GROWTH, f"{told}; its tables have {movement.rows:.2g} times the rows")
        return Ruling(CauseKind.BLOAT, f"{told}, while its tables have no more rows")
    return Ruling(None, "the plan is the same, and neither the host, nor other queries, nor its blocks tell why")
