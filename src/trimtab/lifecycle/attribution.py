"""Finds out why a query's plan flipped between two images of its database: brings the twin to who decides.

The source is asked for its catalog and one plan; nothing of it is changed, and no query is run.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import closing

from trimtab.anchor.attribute import attribute_flip
from trimtab.db.explain import explain
from trimtab.db.role import reading
from trimtab.embedded.binaries import Binaries
from trimtab.model.flip import Attribution
from trimtab.model.plan_shape import PlanShape, plan_shape, renamed
from trimtab.model.workload import Query
from trimtab.twin.capture import Image, read_image
from trimtab.twin.difference import Standpoint, same_indexes
from trimtab.twin.moments import TwinMoments


def why_flipped(
    old: Image,
    new: Image,
    query: Query,
    shapes: tuple[PlanShape, PlanShape],
    *,
    standpoint: Standpoint | None = None,
    was_generic: bool | None = None,
    others: Sequence[Query] = (),
    index_names: Mapping[str, str] | None = None,
    programs: Callable[[int], Binaries] = Binaries.for_major,
) -> Attribution:
    """Return why the plan of the first shape, at the moment of `old`, is of the second at that of `new`.

    `query` has the values that it is run with now, if it has any. `index_names` are as in `renamed`: of indexes that
    locks have put back. `programs` finds those of a version. Raises LabError.
    """
    with TwinMoments(
        old, new, query, standpoint=standpoint, others=others, index_names=index_names, programs=programs
    ) as moments:
        return attribute_flip(moments, *shapes, was_generic=was_generic)


def why_flipped_now(
    old: Image,
    conninfo: str,
    query: Query,
    old_shape: PlanShape,
    *,
    standpoint: Standpoint | None = None,
    was_generic: bool | None = None,
) -> Attribution | None:
    """Return why the source plans the query otherwise than at the moment of `old`; None when it does not.

    Raises SourceError, and LabError.
    """
    with closing(reading(conninfo)) as connection:
        plan = explain(connection, query)
    new = read_image(conninfo, Binaries.find(), with_values=old.source.has_values, progress=_silent)
    names = same_indexes(old.source.definitions, new.source.definitions)
    shape = plan_shape(renamed(plan, names), new.source.definitions.tops())
    if shape.hash == old_shape.hash:
        return None
    return why_flipped(old, new, query, (old_shape, shape), standpoint=standpoint, was_generic=was_generic)


def _silent(_done: int, _total: int, _what: str) -> None:
    """A progress that nobody watches."""
