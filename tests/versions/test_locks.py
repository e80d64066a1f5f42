"""On every version: a plan that flipped is brought back and held, by each mechanism that the server has."""

from __future__ import annotations

import pytest

from tests.lifecycle.lockable import FLIPS, Lockable
from trimtab.anchor.lease import LeaseState
from trimtab.errors import RefusedError
from trimtab.lifecycle.locking import lock
from trimtab.model.change import RestoreStatistics

pytestmark = [pytest.mark.server, pytest.mark.versions]
HELD = (
    "index",
    "setting of a function",
    "plan_cache_mode",
    "target",
    "extended statistics",
)


@pytest.mark.parametrize("name", HELD)
def test_a_lost_plan_is_held_again(place: Lockable, name: str) -> None:
    flip = FLIPS[name]
    anchored, lease = flip.flip_and_lock(place)
    assert lease.state is LeaseState.VERIFIED, lease.reason
    if name != "setting of a function":  # whose plan is another one outside of it
        assert flip.shape(place) == anchored


def test_statistics_are_stored_from_18_on(place: Lockable) -> None:
    flip = FLIPS["restored statistics"]
    restored = RestoreStatistics("public", "orders", ("customer",), "0" * 64, "1" * 64)
    place.run(*flip.flipping)
    with pytest.raises(RefusedError, match=r"statistics\.restore"):
        lock(flip.request(place, "0" * 16, (restored,)))
