"""Two moments of a database, of which the later is on a twin: plans a query with differences between them taken back.

A twin is built of what is now, once; statistics and lengths are then loaded over it, and settings and indexes thought
there. Another is built only where the schema or the version of before is needed. No query is run, and no server asked.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from functools import cached_property
from types import TracebackType

from trimtab.embedded.binaries import Binaries
from trimtab.model.flip import Difference, Name
from trimtab.model.plan import Plan
from trimtab.model.plan_shape import PlanShape, plan_shape, renamed
from trimtab.model.whatif import PlanFailure
from trimtab.model.workload import Query
from trimtab.twin.build import build, programs_for
from trimtab.twin.capture import Image
from trimtab.twin.difference import Families, Standpoint, differences, same_indexes
from trimtab.twin.mixture import Mixture, mix, setting
from trimtab.twin.source import Source
from trimtab.twin.twin import Twin


class TwinMoments:
    """The two moments, for one query. Use it as a context manager: its twins are gone afterwards.

    `others` are the same statement with other values, as far as they are known. `programs` finds those of a major
    version, or the nearest. `index_names` lead from indexes that stand for others to the names of these; one that has
    another name now and is the same is found by itself.
    """

    def __init__(
        self,
        old: Image,
        new: Image,
        query: Query,
        *,
        standpoint: Standpoint | None = None,
        others: Sequence[Query] = (),
        index_names: Mapping[str, str] | None = None,
        programs: Callable[[int], Binaries] = Binaries.for_major,
        progress: Callable[[int, int, str], None] = lambda _done, _total, _what: None,
    ) -> None:
        self._old, self._new, self._query, self._others = old, new, query, others
        self._standpoint = standpoint or Standpoint()
        self._programs, self._progress = programs, progress
        self._stack = ExitStack()
        self._twins: dict[tuple[bool, bool], tuple[Twin, Source]] = {}
        self._tops = {**old.source.definitions.tops(), **new.source.definitions.tops()}
        stand_for = index_names or {}
        same = same_indexes(old.source.definitions, new.source.definitions)
        self._index_names = {**stand_for, **{now: stand_for.get(was, was) for now, was in same.items()}}

    def __enter__(self) -> TwinMoments:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._twins.clear()
        self._stack.close()

    @cached_property
    def differences(self) -> tuple[Difference, ...]:
        """All that differs between the two moments, of what plans depend on."""
        return differences(self._old, self._new, self._standpoint, self._index_names)

    @cached_property
    def relations(self) -> frozenset[Name]:
        """(schema, table) of what the planner looks at for the query, partitions by their topmost parent."""
        twin = self._twin_of(self._mixed(()))
        families = Families(self._old.source, self._new.source)
        seen = [twin.relations_of(self._query, generic=mode) for mode in self.modes]
        return frozenset(families.of(name) for names in seen for name in names)

    @property
    def modes(self) -> tuple[bool, ...]:
        """Whether it can be planned for its own values (False), for any (True), or both."""
        if self._query.parameter_count == 0:
            return (False,)
        return (False, True) if self._query.is_runnable else (True,)

    @property
    def engine_version(self) -> int:
        """The version of the planner that is asked, as server_version_num."""
        return self._twin_of(self._mixed(())).version

    def planned(self, without: Sequence[Difference] = (), *, is_generic: bool) -> Plan | PlanFailure:
        """Return the plan with these differences taken back. Raises LabError when a twin is lost or cannot be built."""
        return self._asked(self._query, self._mixed(without), is_generic=is_generic)

    def planned_with(self, settings: Sequence[Mapping[str, str]], *, is_generic: bool) -> list[Plan | PlanFailure]:
        """Return the plans of now, with each of these sets of planner settings in force. Raises LabError."""
        now = self._mixed(())
        configurations = [(*now.changes, *(setting(name, value) for name, value in one.items())) for one in settings]
        generic = is_generic if self._query.parameter_count else None
        return [answer for [answer] in self._twin_of(now).what_if([self._query], configurations, generic=generic)]

    def planned_for_others(self) -> list[Plan | PlanFailure]:
        """Return the statement's plans of now for other values that are known of it."""
        now = self._mixed(())
        return [self._asked(other, now, is_generic=False) for other in self._others if other.is_runnable]

    def shape_of(self, plan: Plan) -> PlanShape:
        """Return the plan's shape, partitions folded and indexes under the names for which they stand."""
        return plan_shape(renamed(plan, self._index_names), self._tops)

    def _mixed(self, without: Sequence[Difference]) -> Mixture:
        return mix(self._old, self._new, self.differences, frozenset(without), self._standpoint)

    def _asked(self, query: Query, mixture: Mixture, *, is_generic: bool) -> Plan | PlanFailure:
        if mixture.has_old_version and not self._has_old_programs():
            return PlanFailure("", f"no programs of PostgreSQL {self._old.source.major} are on this machine")
        twin = self._twin_of(mixture)
        for change, values in mixture.held:
            twin.take_statistics(change, values)
        [[answer]] = twin.what_if([query], [mixture.changes], generic=is_generic if query.parameter_count else None)
        return answer

    def _has_old_programs(self) -> bool:
        return self._programs(self._old.source.major).version[0] == self._old.source.major

    def _twin_of(self, mixture: Mixture) -> Twin:
        """Return the twin of the mixture's schema and version, with its statistics and lengths loaded."""
        key = mixture.has_old_schema, mixture.has_old_version
        source = mixture.image.source
        if key not in self._twins:
            programs = programs_for(mixture.image, self._programs(source.major))
            built = build(mixture.image, programs, progress=self._progress)
            twin = self._stack.enter_context(Twin.open(built, 1, role=self._standpoint.role))
            self._twins[key] = twin, source
        twin, loaded = self._twins[key]
        if loaded is not source and loaded != source:
            twin.restate(source)
            self._twins[key] = twin, source
        return twin
