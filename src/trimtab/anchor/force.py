"""Which anchors are in force, and which one of a database is the reference. Pure: the chain and the ledger decide.

An anchor is never deleted; one that is not in force any more is history.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum

from trimtab.ledger.entry import Entry, Kind
from trimtab.ledger.pending import applied_changes
from trimtab.model.anchor import Anchor, Permanence


class Force(StrEnum):
    """How an anchor stands."""

    IN_FORCE = "in_force"
    SUPERSEDED = "superseded"  # a later one of the same database was accepted, or taken
    LAPSED = "lapsed"  # its changes do not stand any more
    RELEASED = "released"  # by a person


@dataclass(frozen=True, slots=True)
class Standing:
    """An anchor and how it stands; `accepted_because` is why it was accepted as the new normal, or ""."""

    anchor: Anchor
    force: Force
    accepted_because: str = ""


def standings(anchors: Sequence[Anchor], entries: Iterable[Entry]) -> list[Standing]:
    """Return how each anchor stands, in the order of the chain."""
    entries = tuple(entries)
    released = {e.text("anchor_id") for e in entries if e.kind is Kind.ANCHOR_RELEASED}
    accepted = {e.text("anchor_id"): e.text("reason") for e in entries if e.kind is Kind.ANCHOR_ACCEPTED}
    standing_changes = {applied.intent_id for applied in applied_changes(entries)}
    found = []
    for number, anchor in enumerate(anchors):
        of_same = (anchor.server, anchor.is_standby)
        later = [other for other in anchors[number + 1 :] if (other.server, other.is_standby) == of_same]
        force = Force.IN_FORCE
        if anchor.id in released:
            force = Force.RELEASED
        elif anchor.permanence is Permanence.PERFORMANCE_LIFETIME:
            if any(other.id in accepted for other in later):
                force = Force.SUPERSEDED
        elif anchor.permanence is Permanence.OPTIMIZATION_LIFETIME:
            if anchor.change_ids and not standing_changes.issuperset(anchor.change_ids):
                force = Force.LAPSED
            elif later:
                force = Force.SUPERSEDED
        found.append(Standing(anchor, force, accepted.get(anchor.id, "")))
    return found


def reference(standing: Sequence[Standing], server: tuple[str, str, int], *, is_standby: bool = False) -> Anchor | None:
    """Return the anchor that a database is held to: the last that was accepted, else the last, of those in force."""
    of_same = (server, is_standby)
    candidates = [
        s for s in standing if s.force is Force.IN_FORCE and (s.anchor.server, s.anchor.is_standby) == of_same
    ]
    accepted = [s for s in candidates if s.accepted_because]
    return (accepted or candidates)[-1].anchor if candidates else None
