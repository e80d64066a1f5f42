"""Finds out whether a statement got its plan for any values in place of the one for its own, though neither changed.

Counters of the server do not tell which of the two was executed. So both are planned; the server is asked which one a
session gets that prepares the statement; and what shows that it became the other one is looked for: the setting, how
often executions are planned at all, the planner's own preference then and now. Plans only: no query is run.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from trimtab.anchor.attribute import attribute_flip
from trimtab.anchor.holding import Parents, shape_now
from trimtab.anchor.lease import Expected
from trimtab.db.connection import Connection
from trimtab.db.explain import explain
from trimtab.errors import TrimtabError
from trimtab.model.anchor import QueryLevel
from trimtab.model.change import Change, SetSetting
from trimtab.model.flip import Attribution, Moments
from trimtab.model.plan import Plan
from trimtab.model.plan_shape import PlanShape, plan_shape, renamed
from trimtab.model.whatif import PlanFailure
from trimtab.model.workload import Query
from trimtab.observe.parameters import other_values
from trimtab.observe.traffic import read_planned, statements_of

_LOOK_SECONDS = 10
_ENOUGH_CALLS = 10
_CACHED_SHARE = 0.5
"""A session plans its first five executions in any case: whoever runs a cached plan plans less than half of them."""
_PLANNING_COST = 1000.0
"""What PostgreSQL takes planning for, in operators per relation, when it weighs the two (`cached_plan_cost`)."""

KEPT = "a session that prepares it gets the plan for its values"
PLANNED_EACH_TIME = "the server plans it for each execution: its values may be of another class than those of then"
UNKNOWN = (
    "its plan for any values is the anchor's, and another one than for its values; whether that came to be executed in "
    "place of these nothing tells: pg_stat_statements.track_planning = on would, if the anchor was taken with it"
)


@dataclass(frozen=True, slots=True)
class How:
    """As whom a query is planned: settings of its role; `parents` and `index_names` as in `shape_now`."""

    settings: Mapping[str, str]
    parents: Parents
    index_names: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class TwoForms:
    """A query whose plan for any values is as it was, and whose plan for the values of `query` is another one.

    `own` and `any` are their shapes; `chosen` is the hash of what a session gets that has prepared it; `planned` and
    `executed` how often it was while it was looked at, `planned_before` how often before, None where the server does
    not count that.
    """

    query: Query
    was: QueryLevel
    own: PlanShape
    any: PlanShape
    chosen: str
    planned: int | None = None
    executed: int | None = None
    planned_before: int | None = None

    @property
    def is_cached(self) -> bool | None:
        """Whether most executions were not planned, None: not known."""
        if self.planned is None or self.executed is None or self.executed < _ENOUGH_CALLS:
            return None
        return self.planned < _CACHED_SHARE * self.executed

    @property
    def was_cached(self) -> bool:
        """Whether too little was planned up to now for the anchor's executions to have been planned, or none tells."""
        counted = self.was.counted
        if self.planned_before is None or counted is None:
            return True
        return self.planned_before < _CACHED_SHARE * counted.calls

    @property
    def why_none(self) -> str:
        """Why the plan for any values is not what is run, "" where it may be."""
        if self.is_cached:  # as where the application's own sessions have another plan_cache_mode
            return ""
        if self.chosen != self.any.hash:
            return KEPT
        return PLANNED_EACH_TIME if self.is_cached is False else ""


def two_forms(
    source: Connection, query: Query, was: QueryLevel, now: QueryLevel, how: How, *, seed: int
) -> TwoForms | None:
    """Return what the server tells of the two, None where they are one, or that for any values is not the anchor's.

    Raises SourceError when the connection is lost.
    """
    if not query.parameter_count or not was.generic_shape or was.generic_shape != now.generic_shape:
        return None
    try:
        found = _with_another_plan(source, query, was, how, seed)
        if found is None:
            return None
        valued, own = found
        generic = _shape(explain(source, valued, generic=True, settings=how.settings), how)
        expected = Expected(own.hash, "prepared", how.index_names)
        chosen = shape_now(source, valued, expected, how.settings, how.parents)
    except TrimtabError:
        if source.closed:
            raise
        return None
    return _looked_at(source, TwoForms(valued, was, own, generic, chosen))


def _looked_at(source: Connection, seen: TwoForms) -> TwoForms:
    """Count for a while how often it is planned, and how often executed, where the server counts that."""
    # A statement that is prepared has another id than with its values in the text.
    server_ids = {query for (_, query, _) in statements_of(source, [seen.query])}
    begin = end = read_planned(source, server_ids)
    for _ in range(_LOOK_SECONDS):
        if begin is None or end is None or end[1] - begin[1] >= _ENOUGH_CALLS:
            break
        time.sleep(1.0)
        end = read_planned(source, server_ids)
    if begin is None or end is None or end[1] < begin[1]:
        return seen
    return replace(seen, planned=end[0] - begin[0], executed=end[1] - begin[1], planned_before=begin[0])


def _with_another_plan(
    source: Connection, query: Query, was: QueryLevel, how: How, seed: int
) -> tuple[Query, PlanShape] | None:
    """Return the query with values for which its plan is not the one for any, and that plan; rare ones come first."""
    for one in (*other_values(source, query, seed), query):
        if one.is_runnable:
            shape = _shape(explain(source, one, settings=how.settings), how)
            if shape.hash != was.generic_shape:
                return one, shape
    return None


def shape_of_draws(
    source: Connection,
    query: Query,
    expected: Expected,
    settings: Mapping[str, str],
    parents: Parents,
    changes: Sequence[Change],
) -> str:
    """Return what `shape_now` does; of a prepared statement the expected shape where some drawn values have it.

    Which values were drawn when the lock was made nobody keeps. Where its changes force the plan for any values, the
    expected shape has to be that of all that are drawn. Raises SourceError, WorkloadError.
    """
    of_all = any(isinstance(one, SetSetting) and one.value == "force_generic_plan" for one in changes)
    found = shape_now(source, query, expected, settings, parents)
    if expected.mode != "prepared" or (found == expected.plan_shape) is not of_all:
        return found
    others = (shape_now(source, one, expected, settings, parents) for one in other_values(source, query, 1))
    return next((shape for shape in others if (shape == expected.plan_shape) is not of_all), found)


def _shape(plan: Plan, how: How) -> PlanShape:
    return plan_shape(renamed(plan, how.index_names), how.parents)


def attributed(found: TwoForms, moments: Moments, settings_then: Mapping[str, str]) -> Attribution | str:
    """Return why the plan for any values came in place of the one for its own, with the proof; else why not.

    `settings_then` are the planner settings that it had then. Raises LabError.
    """
    if found.why_none:
        return found.why_none
    then = [moments.planned(moments.differences, is_generic=is_generic) for is_generic in (False, True)]
    if not isinstance(then[0], Plan) or moments.shape_of(then[0]).hash != found.own.hash:
        return UNKNOWN
    if found.chosen != found.any.hash and found.was_cached:  # only the count shows that it is run now
        return UNKNOWN
    was_own = _was_own(then[0], then[1], settings_then, len(moments.relations))
    if not was_own:
        return UNKNOWN
    shown = (
        f"of {found.executed} executions {found.planned} were planned: a plan that is kept is run"
        if found.is_cached
        else "a session that prepares it gets the plan for any values"
    )
    attribution = attribute_flip(moments, found.own, found.any, was_generic=False)
    if not attribution.is_attributed:
        return UNKNOWN
    return replace(attribution, reason=f"{shown}; then it got the one for its values: {was_own}; {attribution.reason}")


def _was_own(own: Plan, any_: Plan | PlanFailure, settings: Mapping[str, str], relations: int) -> str:
    """Return what shows that a session that prepared it got the plan for its values then, "" where nothing does.

    Without a setting the server decides so after five executions, by the costs.
    """
    mode = settings.get("plan_cache_mode", "auto")
    if mode == "force_custom_plan":
        return f"plan_cache_mode was {mode}"
    planning = _PLANNING_COST * float(settings.get("cpu_operator_cost", 0.0025)) * (relations + 1)
    if mode != "auto" or not isinstance(any_, Plan) or any_.cost < own.cost + planning:
        return ""
    costs = f"{any_.cost:.4g} for any, {own.cost:.4g} for these"
    return f"the costs were {costs}, and {planning:.3g} for planning each time"
