"""What proposals of indexes must stay inside: the specification's limits and the run's wishes, of each the narrower.

Here the names that a person wrote are looked up in the catalog; one that nothing has is refused. It proposes nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from trimtab.errors import UsageError
from trimtab.lifecycle.workshop import Workshop
from trimtab.model.catalog import Snapshot
from trimtab.propose.context import Limits
from trimtab.spec.patterns import first_match
from trimtab.spec.specification import Specification


def index_limits(
    workshop: Workshop, snapshot: Snapshot, *, proof_seconds: float = 0.0, foresees_refusals: bool = False
) -> Limits:
    """Return the limits of the run; `proof_seconds` is how long a proof may take that no wish limits.

    With `foresees_refusals` nothing is chosen that the specification refuses for its table, or as one change too many;
    without it that is proposed too, and its refusal is shown.
    Raises UsageError `usage.must_keep` and `usage.must_not` for a name that nothing has.
    """
    limits, most = workshop.proposal_limits(), workshop.specification.changes.max_changes_per_run
    wishes = workshop.request.wishes
    wanted = most if wishes.max_indexes is None else wishes.max_indexes
    denied = _denied(workshop.specification, snapshot) if foresees_refusals else frozenset()
    width = limits.max_key_columns if wishes.max_width is None else min(limits.max_key_columns, wishes.max_width)
    return replace(
        limits,
        kinds=limits.kinds if wishes.kinds is None else limits.kinds & wishes.kinds,
        max_key_columns=width,
        proof_seconds=proof_seconds if wishes.seconds is None else wishes.seconds,
        solver=wishes.solver or limits.solver,
        max_indexes=min(most, wanted) if foresees_refusals or wishes.max_indexes is not None else None,
        max_write_overhead=wishes.max_write_overhead,
        max_regression=wishes.max_regression,
        must_keep=_kept(wishes.must_keep, snapshot),
        must_not=_untouched(wishes.must_not, snapshot) | denied,
        wants_drops=wishes.drops,
    )


def _kept(names: Sequence[str], snapshot: Snapshot) -> frozenset[tuple[str, str]]:
    found: set[tuple[str, str]] = set()
    for name in names:
        indexes = (index for table in snapshot.tables for index in table.indexes)
        meant = {(i.schema, i.name) for i in indexes if name in (i.name, f"{i.schema}.{i.name}")}
        if not meant:
            raise UsageError(
                f"must-keep {name!r} was refused: there is no index of that name",
                code="usage.must_keep",
                next_step="Write the name as the catalog has it, without quotes: INDEX or SCHEMA.INDEX.",
            )
        found |= meant
    return frozenset(found)


def _untouched(names: Sequence[str], snapshot: Snapshot) -> frozenset[tuple[str, str, str]]:
    """A name that has several readings means all of them."""
    found: set[tuple[str, str, str]] = set()
    for name in names:
        meant = {
            (table.schema, table.name, column)
            for table in snapshot.tables
            for column in ("", *(column.name for column in table.columns))
            for known in (f"{table.name}.{column}".removesuffix("."),)
            if name in (known, f"{table.schema}.{known}")
        }
        if not meant:
            raise UsageError(
                f"must-not {name!r} was refused: there is no table or column of that name",
                code="usage.must_not",
                next_step="Write it as the catalog has it, without quotes: [SCHEMA.]TABLE or [SCHEMA.]TABLE.COLUMN.",
            )
        found |= meant
    return frozenset(found)


def _denied(specification: Specification, snapshot: Snapshot) -> frozenset[tuple[str, str, str]]:
    """Whole tables that the specification denies."""
    objects = specification.objects
    return frozenset(
        (table.schema, table.name, "")
        for table in snapshot.tables
        if first_match(objects.denied_tables, f"{table.schema}.{table.name}") is not None
        or first_match(objects.denied_schemas, table.schema) is not None
        or first_match(objects.allowed_schemas, table.schema) is None
    )
