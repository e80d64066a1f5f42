"""Names why a plan flipped: takes differences back, one, two or more at a time, until the old shape returns.

Nothing is named that was not proven so: a cause is a set of differences without which the planner makes the old plan
again, and with any of which it does not. It asks a port for plans, and reads no server.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations

from trimtab.model.flip import (
    Attribution,
    CauseKind,
    Difference,
    IndexDifference,
    Moments,
    Name,
    ObjectStatistics,
    ParameterDifference,
    PlanningDifference,
    Replanning,
    SchemaDifference,
    SettingDifference,
    TableSize,
    TableStatistics,
    VersionDifference,
)
from trimtab.model.plan import Plan
from trimtab.model.plan_shape import PlanShape

MOVED = 2.0
"""The factor by which a table's rows have to differ to be called growth, or shrinkage."""
_MODE_SETTING = "plan_cache_mode"
_KINDS: dict[type[Difference], CauseKind] = {
    TableStatistics: CauseKind.STATISTICS,
    ObjectStatistics: CauseKind.EXTENDED_STATISTICS,
    IndexDifference: CauseKind.INDEX,
    SettingDifference: CauseKind.SETTING,
    VersionDifference: CauseKind.VERSION,
    SchemaDifference: CauseKind.SCHEMA,
    PlanningDifference: CauseKind.GENERIC_PLAN,
    ParameterDifference: CauseKind.PARAMETERS,
}


def attribute_flip(
    moments: Moments,
    old: PlanShape,
    new: PlanShape,
    *,
    was_generic: bool | None = None,
    most_plans: int = 200,
) -> Attribution:
    """Return why the plan of `old` became the plan of `new`, with the proof.

    `was_generic` says how the old plan was made, None where nobody knows. No more than `most_plans` plans are asked
    for. Raises LabError when the twin is lost.
    """
    search = _Search(moments, old, most_plans)
    if old.hash == new.hash:
        return search.nothing("the plan is as it was", new)
    # Of both ways of planning that show it, the one that made the old plan is the one that it came from.
    modes = sorted(moments.modes, key=lambda mode: mode is not was_generic)
    is_generic = next((mode for mode in modes if search.shows(new, is_generic=mode)), None)
    if is_generic is None:
        return search.nothing("the twin does not show the flip: as things are it plans the query otherwise", new)
    search.is_generic = is_generic
    candidates = ranked(moments.differences, moments.relations, old, new)
    definitions = tuple(d for d in moments.differences if isinstance(d, SchemaDifference))
    everything = (*candidates, *definitions)
    if search.is_switch(everything, was_generic):
        return search.found((_switch(moments.differences, is_generic),), new)
    causes = search.smallest(candidates, definitions)
    if causes is None and any(search.is_old(plan) for plan in moments.planned_for_others()):
        causes = (ParameterDifference(),)
    version = tuple(d for d in moments.differences if isinstance(d, VersionDifference))
    if causes is None and version:
        causes = search.with_version(version, everything)
    if causes is not None:
        return search.found(causes, new)
    if search.is_exhausted:
        return search.nothing(f"no cause was found within {most_plans} plans", new)
    found = "the old plan does not return when all that differs is taken back"
    if not everything and not version:
        found = "nothing differs that the plan depends on"
    untried = search.why_not_tried(version)
    return search.nothing(f"{found}, but for the {version[0]}: {untried}" if untried else found, new)


def ranked(
    differences: Sequence[Difference], relations: frozenset[Name], old: PlanShape, new: PlanShape
) -> tuple[Difference, ...]:
    """Return what may be taken back by itself, the most plausible first; what does not touch the query is left out."""
    found = [(rank, d) for d in differences if (rank := _rank(d, relations, old, new)) is not None]
    return tuple(d for _, d in sorted(found, key=lambda pair: (pair[0], str(pair[1]))))


def kind_of(causes: Sequence[Difference]) -> CauseKind:
    """Return what kind of thing these differences are together.

    Statistics and sizes are growth where the rows moved by the factor MOVED, one without the other bloat or statistics.
    """
    if all(isinstance(cause, TableStatistics | TableSize) for cause in causes):
        sizes = [cause for cause in causes if isinstance(cause, TableSize)]
        if any(has_moved(size) for size in sizes):
            return CauseKind.DATA_GROWTH
        return CauseKind.BLOAT if len(sizes) == len(causes) else CauseKind.STATISTICS
    kinds = {_KINDS.get(type(cause), CauseKind.DATA_GROWTH) for cause in causes}
    return kinds.pop() if len(kinds) == 1 else CauseKind.SEVERAL


def has_moved(size: TableSize) -> bool:
    """Whether the table's rows grew or shrank by the factor MOVED."""
    before, now = max(size.rows_before, 1.0), max(size.rows_now, 1.0)
    return max(before, now) >= MOVED * min(before, now)


class _Search:
    """Has plans made and remembers them."""

    def __init__(self, moments: Moments, old: PlanShape, most_plans: int) -> None:
        self.is_generic = False
        self._moments = moments
        self._old = old
        self._left = most_plans
        self._proof: dict[tuple[frozenset[Difference], bool], Replanning] = {}

    @property
    def is_exhausted(self) -> bool:
        return self._left <= 0

    def shows(self, shape: PlanShape, *, is_generic: bool) -> bool:
        """Whether the twin, as things are, plans it in this shape."""
        return self._tried((), is_generic).shape == shape.hash

    def restores(self, without: Sequence[Difference]) -> bool:
        """Whether the old shape returns when these are taken back."""
        return self._tried(tuple(without), self.is_generic).is_old_shape

    def is_old(self, plan: object) -> bool:
        return isinstance(plan, Plan) and self._moments.shape_of(plan).hash == self._old.hash

    def is_switch(self, everything: Sequence[Difference], was_generic: bool | None) -> bool:
        """Whether the old plan is what the other way of planning makes now, and no difference explains it as well."""
        other = not self.is_generic
        if other not in self._moments.modes or was_generic is self.is_generic:
            return False
        if not self._tried((), other).is_old_shape:
            return False
        return was_generic is other or not everything or not self.restores(everything)

    def smallest(
        self, candidates: Sequence[Difference], definitions: tuple[Difference, ...]
    ) -> tuple[Difference, ...] | None:
        """Return the first single, else the first pair, else a set of which none can be spared; None without any."""
        for one in candidates:
            if self.restores((one,)):
                return (one,)
        for pair in combinations(candidates, 2):
            if _table(pair[0]) == _table(pair[1]) is not None and self.restores(pair):
                return pair
        if definitions and self.restores(definitions):
            return self._spared(definitions)
        everything = (*candidates, *definitions)
        if len(everything) < 2 or not self.restores(everything):
            return None
        return next((pair for pair in combinations(candidates, 2) if self.restores(pair)), None) or self._spared(
            everything
        )

    def with_version(
        self, version: tuple[Difference, ...], everything: tuple[Difference, ...]
    ) -> tuple[Difference, ...] | None:
        """Return the version, alone or with the fewest of what differs besides; None where even that does not do."""
        if self.restores(version):
            return version
        if not everything or self.why_not_tried(version) or not self.restores((*version, *everything)):
            return None
        return self._spared((*version, *everything))

    def why_not_tried(self, version: tuple[Difference, ...]) -> str:
        """Return why nothing was planned as before the upgrade, "" where it was, or there was none."""
        tried = self._proof.get((frozenset(version), self.is_generic)) if version else None
        return "" if tried is None else tried.reason

    def _spared(self, causes: tuple[Difference, ...]) -> tuple[Difference, ...]:
        """Leave out one after another without which the old shape returns too."""
        for one in reversed(causes):
            fewer = tuple(cause for cause in causes if cause != one)
            if fewer and self.restores(fewer):
                causes = fewer
        return causes

    def found(self, causes: tuple[Difference, ...], new: PlanShape) -> Attribution:
        named = ", and ".join(map(str, causes))
        told = f"the old plan returns when this is taken back: {named}{self._growth(causes)}{self._schema(causes)}"
        return self._attribution(kind_of(causes), causes, told, new)

    def _growth(self, causes: Sequence[Difference]) -> str:
        """Say of tables whose statistics did it that they also grew or shrank: the statistics may tell of that."""
        moved = [d for d in self._moments.differences if isinstance(d, TableSize) and has_moved(d)]
        told = [size for size in moved if size not in causes and TableStatistics(size.schema, size.table) in causes]
        said = (f"; {s.schema}.{s.table} has {s.rows_now / max(s.rows_before, 1.0):.2g} times the rows" for s in told)
        return "".join(said)

    def _schema(self, causes: Sequence[Difference]) -> str:
        """Say of the version what came with it: the old programs plan on the old schema, and no other."""
        if not any(isinstance(cause, VersionDifference) for cause in causes):
            return ""
        taken = [str(d) for d in self._moments.differences if isinstance(d, SchemaDifference)]
        return f"; the schema of then was taken with it, which is another one: {', '.join(taken)}" if taken else ""

    def nothing(self, reason: str, new: PlanShape) -> Attribution:
        return self._attribution(None, (), reason, new)

    def _attribution(
        self, kind: CauseKind | None, causes: tuple[Difference, ...], reason: str, new: PlanShape
    ) -> Attribution:
        proof = tuple(self._proof.values())
        return Attribution(kind, causes, reason, self._old, new, proof, self._moments.engine_version)

    def _tried(self, without: tuple[Difference, ...], is_generic: bool) -> Replanning:
        key = frozenset(without), is_generic
        if key not in self._proof:
            if self.is_exhausted:
                return Replanning(without, is_generic, "", None, False, "the limit of plans is reached")
            self._left -= 1
            self._proof[key] = self._made(without, is_generic)
        return self._proof[key]

    def _made(self, without: tuple[Difference, ...], is_generic: bool) -> Replanning:
        answer = self._moments.planned(without, is_generic=is_generic)
        if not isinstance(answer, Plan):
            return Replanning(without, is_generic, "", None, False, answer.reason)
        shape = self._moments.shape_of(answer)
        return Replanning(without, is_generic, shape.hash, answer.cost, shape.hash == self._old.hash)


def _switch(differences: Sequence[Difference], is_generic: bool) -> Difference:
    """Return the setting that decides how a statement is planned, where that differs, else the switch itself."""
    settings = (d for d in differences if isinstance(d, SettingDifference) and d.name == _MODE_SETTING)
    return next(settings, PlanningDifference(is_generic))


def _rank(d: Difference, relations: frozenset[Name], old: PlanShape, new: PlanShape) -> int | None:
    """Return the place of a difference among others, None for one that cannot be taken back alone or is elsewhere."""
    table = _table(d)
    if table is not None and table not in relations:
        return None
    match d:
        case IndexDifference():
            return 0 if (d.known_as or d.name) in (old.indexes ^ new.indexes) else 5
        case ObjectStatistics():
            return 1
        case SettingDifference():
            return None if d.name == _MODE_SETTING else 2
        case TableSize():
            return 3 if has_moved(d) else 5
        case TableStatistics():
            return 4
        case _:
            return None


def _table(d: Difference) -> Name | None:
    match d:
        case TableStatistics() | TableSize() | ObjectStatistics() | IndexDifference():
            return d.schema, d.table
        case _:
            return None
