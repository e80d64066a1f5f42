"""What is refused before anything is written or done: each function raises RefusedError, or returns what may be used.

The rules of the specification are `validate`'s; these are the facts of the moment on top of them. Nothing is changed.
"""

from __future__ import annotations

from dataclasses import replace

from trimtab.apply.state import (
    ChangeState,
    held_setting,
    is_more_than_its_definition,
    state_of,
)
from trimtab.db.connection import Connection
from trimtab.errors import ApplyError, RefusedError
from trimtab.model.applied import Applied
from trimtab.model.catalog import ServerIdentity, Snapshot
from trimtab.model.change import Change, CreateIndex, DropIndex, SetSetting
from trimtab.model.strategy import Strategy
from trimtab.spec.specification import Specification
from trimtab.validate.facts import facts_from
from trimtab.validate.validate import validate


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
) -> None:
    """Refuse what the specification forbids on fresh facts: `apply.specification`."""
    verdict = validate(strategy, specification, facts_from(snapshot, accepted=accepted, done=done))
    if not verdict.compliant:
        rules = ", ".join(dict.fromkeys(violation.rule_id for violation in verdict.violations))
        raise RefusedError(
            f"strategy {strategy.id} was refused on fresh facts: {rules}",
            code="apply.specification",
            next_step=f"See `trimtab show {strategy.id}` for each rule, what it allows and what was found.",
        )


def refuse_partitioned(change: Change, snapshot: Snapshot) -> None:
    """Refuse index work on a partitioned table, which the server cannot do without blocking it: `apply.partitioned`."""
    if not isinstance(change, CreateIndex | DropIndex):
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
            ChangeState.HALF: "an invalid index of that name is there",
            ChangeState.FOREIGN: "something else of that name is there",
        }[found]
        raise RefusedError(
            f"{change.kind} was refused: {what}",
            code="apply.precondition",
            next_step="Run `trimtab optimize` again: the catalog has changed since the proposal.",
        )


def refuse_without_inverse(connection: Connection, change: Change, snapshot: Snapshot) -> Change:
    """Return the change that takes this one back exactly; refuse where there is none: `apply.not_reversible`."""
    inverse = change.inverse(snapshot)
    if isinstance(change, SetSetting):
        inverse = replace(change, value=held_setting(connection, change))
    if isinstance(change, DropIndex) and is_more_than_its_definition(connection, change):
        inverse = None
    if inverse is None:
        raise RefusedError(
            f"{change.kind} was refused: it could not be taken back exactly; an index with a comment or statistics "
            "targets of its own is more than its definition",
            code="apply.not_reversible",
            next_step="Make this change by hand if you want it; Trimtab applies only what it can take back.",
        )
    return inverse


def replaced_since(connection: Connection, applied: Applied) -> bool:
    """True when somebody else has put another thing, or another value, in the place of what was applied.

    Then there is nothing of ours to take back. Raises ApplyError `apply.replaced` for a dropped index: what is in its
    place now keeps it from being put back.
    """
    change, inverse = applied.change, applied.inverse
    target = state_of(connection, inverse)
    if isinstance(change, DropIndex):
        if target in (ChangeState.FOREIGN, ChangeState.HALF):
            raise ApplyError(
                f"the dropped index {change.schema}.{change.name} was not put back: another one, or an invalid one, "
                "has its name",
                code="apply.replaced",
                next_step="Rename or drop that index, then run `trimtab resume` or `trimtab revert` again.",
            )
        return False
    if isinstance(change, SetSetting):
        return target is not ChangeState.DONE and state_of(connection, change) is not ChangeState.DONE
    return target is ChangeState.FOREIGN
