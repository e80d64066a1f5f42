"""Refuses to take back what later changes rest on: they would be left without their reason, or undone by their inverse.

Reads what stands from the ledger's entries and the facts; asks no server.
"""

from __future__ import annotations

from collections.abc import Sequence

from trimtab.errors import RefusedError
from trimtab.model.applied import Applied
from trimtab.model.catalog import Snapshot
from trimtab.model.change import CreateIndex, DropIndex
from trimtab.validate.definition import shape_of_index, shape_of_tail


def refuse_rested_on(applied: Sequence[Applied], standing: Sequence[Applied], snapshot: Snapshot) -> None:
    """Refuse to take these back, which are of one strategy, while others rest on them: `revert.rested_on`.

    `standing` is all that stands on the database, newest last.
    """
    own = {each.intent_id for each in applied}
    place = {each.intent_id: number for number, each in enumerate(standing)}
    resting = [
        later
        for later in standing
        if later.intent_id not in own
        and any(
            later.rests_on(each)
            and place.get(each.intent_id, len(standing)) < place[later.intent_id]
            and not _has_another_reason(later, each, own_names=_made_names(applied), snapshot=snapshot)
            for each in applied
        )
    ]
    if resting:
        ids = list(dict.fromkeys(each.strategy_id for each in reversed(resting)))
        raise RefusedError(
            f"{applied[0].strategy_id} was not reverted: what was applied later rests on it, by {', '.join(ids)}",
            code="revert.rested_on",
            next_step=f"Revert first, in this order: {', '.join(ids)}; or all that stands, with --all.",
        )


def _made_names(applied: Sequence[Applied]) -> frozenset[str]:
    return frozenset(each.change.name for each in applied if isinstance(each.change, CreateIndex))


def _has_another_reason(later: Applied, earlier: Applied, *, own_names: frozenset[str], snapshot: Snapshot) -> bool:
    """True when an index that stays does all that the dropped one did, so that it is not missed."""
    change, made = later.change, earlier.change
    if not isinstance(change, DropIndex) or not isinstance(made, CreateIndex) or change.name == made.name:
        return False
    shape = shape_of_tail(change.tail)
    table = snapshot.table(made.schema, made.table)
    if shape is None or table is None:
        return False
    staying = [shape_of_index(index) for index in table.indexes if index.is_valid and index.name not in own_names]
    return any(other == shape or other.covers(shape) for other in staying)
