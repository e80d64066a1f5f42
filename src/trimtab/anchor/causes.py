"""Decides what made a query slower: the host, the load, more data, or a change of its plan, in this order. Pure.

What slows everything is named before what slows one query. Why a plan changed is found elsewhere, by rolling
differences back; here it is only told that it did.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from trimtab.model.anchor import HostProbe
from trimtab.model.catalog import version_text
from trimtab.model.flip import CauseKind


@dataclass(frozen=True, slots=True)
class Movement:
    """How things moved since the anchor, as ratios of now to then; 1.0 is no movement, None is not known.

    `host` is the host probe's time, `common` the time of queries whose plan did not change, `own` this query's time per
    call, `blocks` its blocks per call, `rows` and `pages` those of the tables that it reads, as they were last counted.
    """

    host: float | None
    common: float | None
    own: float
    blocks: float | None
    rows: float | None
    is_plan_changed: bool | None
    pages: float | None = None


@dataclass(frozen=True, slots=True)
class Bands:
    """Up to which ratio a movement is none."""

    host: float = 1.25
    common: float = 1.25
    blocks: float = 1.25
    rows: float = 1.25
    pages: float = 1.25


@dataclass(frozen=True, slots=True)
class Ruling:
    """The kind of cause, None for none of these, and why, in words."""

    kind: CauseKind | None
    reason: str


def ruling(movement: Movement, bands: Bands | None = None) -> Ruling:
    """Return the first cause, in the order of the head of this file. A host or a load has to explain half of it.

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
        return Ruling(CauseKind.PLAN, "its plan changed")
    plan = "the plan is the same" if movement.is_plan_changed is False else "the plan is not known"
    if movement.blocks is not None and movement.blocks > allowed.blocks:
        told = f"{plan} and {movement.blocks:.2g} times as many blocks are read per call"
        if movement.is_plan_changed is None:
            return Ruling(None, told)
        if movement.rows is None:
            return Ruling(None, f"{told}; how many rows its tables had is not known")
        if movement.rows > allowed.rows:
            return Ruling(CauseKind.DATA_GROWTH, f"{told}; its tables have {movement.rows:.2g} times the rows")
        counted = "while its tables have no more rows, as they were last counted"
        if movement.pages is not None and movement.pages > allowed.pages:
            return Ruling(CauseKind.BLOAT, f"{told}, {counted}, in {movement.pages:.2g} times the pages")
        return Ruling(None, f"{told}, {counted}" + ("" if movement.pages is None else ", nor more pages"))
    return Ruling(None, f"{plan}, and neither the host, nor other queries, nor its blocks tell why")


def host_movement(was: HostProbe, now: HostProbe) -> float | None:
    """Return by how much the host is slower: the larger of what the processor's and the memory's work took."""
    pairs = ((was.processor_ms, now.processor_ms), (was.memory_ms, now.memory_ms))
    return max((after / before for before, after in pairs if min(before, after) > 0), default=None)


def table_movement(was: Mapping[str, float], now: Mapping[str, float], tables: Iterable[str]) -> float | None:
    """Return by how much the table among these that grew most grew; None where no count of then and now is known.

    The counts are of rows, or of pages.
    """
    known = [(was[name], now[name]) for name in tables if was.get(name, 0.0) > 0 and now.get(name, 0.0) > 0]
    return max((after / before for before, after in known), default=None)


def proof_of(
    was: HostProbe,
    now: HostProbe,
    rows: tuple[Mapping[str, float], Mapping[str, float]],
    pages: tuple[Mapping[str, float], Mapping[str, float]],
    tables: Iterable[str],
) -> tuple[str, ...]:
    """Return what was measured of the host and of tables, then and now, in words: figures of the server alone."""
    told = [
        f"host: the same work of the {what} took {before:.3g} ms then and {after:.3g} ms now"
        for what, before, after in (
            ("processor", was.processor_ms, now.processor_ms),
            ("memory", was.memory_ms, now.memory_ms),
        )
        if min(before, after) > 0
    ]
    for name in sorted(tables):
        for what, counts in (("rows", rows), ("pages", pages)):
            if name in counts[0] and name in counts[1]:
                told.append(f"{what} of {name}: {counts[0][name]:.0f} then, {counts[1][name]:.0f} now")
    return tuple(told)


def proof_of_version(was: int, now: int) -> tuple[str, ...]:
    """Return that the server is of another version than then, in words; nothing where it is not, or is not known."""
    return (f"server: PostgreSQL {version_text(was)} then, {version_text(now)} now",) if 0 < was != now > 0 else ()
