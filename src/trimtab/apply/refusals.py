"""What is refused before anything is written or done: each function raises RefusedError, or returns what may be used.

The rules of the specification are `validate`'s; these are the facts of the moment on top of them. Nothing is changed.
"""

from __future__ import annotations

from enum import StrEnum

from trimtab.apply.state import ChangeState, state_of
from trimtab.db.connection import Connection
from trimtab.errors import ApplyError, ForbiddenError, RefusedError
from trimtab.model.applied import Applied
from trimtab.model.catalog import ServerIdentity, Snapshot
from trimtab.model.change import (
    ERASED,
    Change,
    CreateIndex,
    CreateStatistics,
    DropIndex,
    LeaveIndex,
    RebuildIndex,
    RestoreStatistics,
    SetDistinct,
    SetSetting,
    SetStatisticsTarget,
    touched_table,
)
from trimtab.model.strategy import Strategy, Verdict
from trimtab.spec.specification import Specification
from trimtab.validate.definition import shape_of_tail
from trimtab.validate.facts import Evidence, facts_from
from trimtab.validate.validate import validate

_MOST_TOLD = 5


def refuse_standby(server: ServerIdentity) -> None:
    """Refuse a server that takes no changes: `apply.standby`."""
    if server.is_standby:
        raise RefusedError(
            f"{server.database} is on a standby, which takes no changes",
            code="apply.standby",
            next_step="Run with --apply against the primary; a standby can be observed without --apply.",
        )


def refuse_forbidden(
    strategy: Strategy,
    specification: Specification,
    snapshot: Snapshot,
    *,
    accepted: tuple[Strategy, ...],
    done: tuple[Change, ...],
    evidence: Evidence,
    latest_ns: int | None = None,
) -> Verdict:
    """Refuse what the specification forbids on fresh facts: `apply.specification`. Return what it allowed it by.

    `latest_ns` is the time of the ledger's last entry: by it, too, waivers and bundles end.
    """
    facts = facts_from(
        snapshot, accepted=accepted, done=done, is_enforcing=True, evidence=evidence, latest_ns=latest_ns
    )
    verdict = validate(strategy, specification, facts)
    if not verdict.compliant:
        told = [f"{violation.rule_id}: {violation.message}" for violation in verdict.violations]
        more = f"; and {len(told) - _MOST_TOLD} more" if len(told) > _MOST_TOLD else ""
        raise ForbiddenError(
            f"strategy {strategy.id} was refused on fresh facts by {'; '.join(told[:_MOST_TOLD])}{more}",
            code="apply.specification",
            next_step="Widen the rule that is named in a specification of your own, or have it waived.",
            verdict=verdict,
        )
    return verdict


def refuse_other_table(change: Change, observed: Snapshot, snapshot: Snapshot) -> None:
    """Refuse a change to a table that is not the one which was observed, only of its name: `apply.other_table`."""
    name = touched_table(change)
    before, now = (None if name is None else one.table(*name) for one in (observed, snapshot))
    if before is not None and now is not None and before.oid != now.oid:
        raise RefusedError(
            f"{change.kind} was refused: {now.schema}.{now.name} is another table than the one that was observed",
            code="apply.other_table",
            next_step="Run again: the proof was of the table that had this name before.",
        )


def refuse_partitioned(change: Change, snapshot: Snapshot) -> None:
    """Refuse index work on a partitioned table, which the server cannot do without blocking it: `apply.partitioned`."""
    if not isinstance(change, CreateIndex | DropIndex | RebuildIndex):
        return
    table = snapshot.table(change.schema, change.table)
    if table is not None and table.kind == "p":
        raise RefusedError(
            f"{change.kind} was refused: {table.schema}.{table.name} is partitioned, and PostgreSQL does no concurrent "
            "index work on a partitioned table as a whole",
            code="apply.partitioned",
            next_step="Change the partitions one by one, then attach their indexes to one on the table.",
        )


def refuse_not_absent(connection: Connection, change: Change) -> None:
    """Refuse a change that stands already, half or whole, or whose name is taken: `apply.precondition`."""
    found = state_of(connection, change)
    if found is not ChangeState.ABSENT:
        what = {
            ChangeState.DONE: "it stands already",
            ChangeState.HALF: "an invalid index of that name, or that a rebuild of it left, is there",
            ChangeState.FOREIGN: "something else of that name is there",
        }[found]
        raise RefusedError(
            f"{change.kind} was refused: {what}",
            code="apply.precondition",
            next_step="Run `trimtab optimize` again: the catalog has changed since the proposal.",
        )


# What can only be put back where its table, and its columns, are there.
_ON_COLUMNS = (CreateIndex, CreateStatistics, SetStatisticsTarget, SetDistinct, RestoreStatistics)


class LeftAlone(StrEnum):
    """Why nothing is done to take a change back, as the ledger has it. SUBJECT_GONE: nothing is left to put it on.

    NOTHING_TO_UNDO: an index was rebuilt, and is the same.
    """

    REPLACED = "replaced_by_others"
    SUBJECT_GONE = "subject_gone"
    NOTHING_TO_UNDO = "nothing_to_undo"


def reason_to_leave(connection: Connection, applied: Applied, snapshot: Snapshot) -> LeftAlone | None:
    """Return why there is nothing to take back, or None.

    Either somebody else has put another thing, or another value, in the place of what was applied; or the table of what
    was dropped, or a column of it, is gone. Raises ApplyError `apply.replaced` for a dropped index: what is in its
    place now keeps it from being put back.
    """
    change, inverse = applied.change, applied.inverse
    if isinstance(inverse, LeaveIndex):
        return LeftAlone.NOTHING_TO_UNDO
    if isinstance(inverse, _ON_COLUMNS) and _is_subject_gone(inverse, snapshot):
        return LeftAlone.SUBJECT_GONE
    target = state_of(connection, inverse)
    if isinstance(change, DropIndex):
        is_erased = isinstance(inverse, CreateIndex) and inverse.tail == ERASED
        if is_erased and target is ChangeState.DONE:
            return LeftAlone.REPLACED
        if is_erased and target is ChangeState.ABSENT:
            raise ApplyError(
                f"the dropped index {change.schema}.{change.name} was not put back: its definition, which is kept "
                "beside the ledger, was erased or lost",
                code="apply.definition",
                next_step="Create it by hand, under that name, and run it again; or restore what is kept beside the "
                "ledger (docs/ledger.md).",
            )
        if target in (ChangeState.FOREIGN, ChangeState.HALF):
            raise ApplyError(
                f"the dropped index {change.schema}.{change.name} was not put back: another one, or an invalid one, "
                "has its name",
                code="apply.replaced",
                next_step="Rename or drop that index, then run `trimtab resume` or `trimtab revert` again.",
            )
        return None
    if isinstance(change, SetSetting | SetStatisticsTarget | SetDistinct | RestoreStatistics):
        is_ours = ChangeState.DONE in (target, state_of(connection, change))
    else:
        is_ours = target is not ChangeState.FOREIGN
    return None if is_ours else LeftAlone.REPLACED


def _is_subject_gone(
    change: CreateIndex | CreateStatistics | SetStatisticsTarget | SetDistinct | RestoreStatistics, snapshot: Snapshot
) -> bool:
    table = snapshot.table(change.schema, change.table)
    if table is None:
        return True
    if isinstance(change, CreateStatistics | RestoreStatistics):
        needed = {*change.columns}
    elif isinstance(change, SetStatisticsTarget | SetDistinct):
        needed = {change.column}
    else:
        shape = shape_of_tail(change.tail)
        needed = {*change.key_columns, *change.include_columns, *(shape.read_columns if shape is not None else ())}
    return not needed - {""} <= {column.name for column in table.columns}
