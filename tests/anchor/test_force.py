"""Claims about which anchors are in force, and which one a database is held to."""

from __future__ import annotations

from dataclasses import replace

from trimtab.anchor.force import Force, reference, standings
from trimtab.model.anchor import Permanence

from .anchors import SERVER, anchor


def test_a_standby_is_held_to_its_own_anchors_and_supersedes_none_of_its_primary() -> None:
    primary = anchor(time_ns=10**18, permanence=Permanence.OPTIMIZATION_LIFETIME)
    standby = replace(anchor(time_ns=2 * 10**18, permanence=Permanence.OPTIMIZATION_LIFETIME), is_standby=True)
    found = standings([primary, standby], ())
    assert [standing.force for standing in found] == [Force.IN_FORCE, Force.IN_FORCE]
    assert reference(found, SERVER) == primary
    assert reference(found, SERVER, is_standby=True) == standby


def test_an_anchor_lapses_with_the_changes_whose_level_it_is() -> None:
    lapsed = anchor(permanence=Permanence.OPTIMIZATION_LIFETIME, change_ids=("gone",))
    [found] = standings([lapsed], ())
    assert found.force is Force.LAPSED
    assert reference([found], SERVER) is None
