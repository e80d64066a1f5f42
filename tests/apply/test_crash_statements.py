"""Claims about `kill -9` at every statement between intent and result, of every kind of change and of its inverse.

(Of the statements that store statistics, which are many and alike, at every third.)
At each the program dies when the statement was sent and its answer was not read: the server may still be at it. After
the next start nothing is half done, and nothing was done that is not recorded. (test_crash.py does the same around each
entry of the ledger, and while the server waits for locks.)
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import cache, partial
from itertools import count

import pytest

from trimtab.ledger.entry import Kind
from trimtab.ledger.ledger import Ledger
from trimtab.ledger.pending import intents, pending
from trimtab.lifecycle.recover import resume
from trimtab.model.change import Change
from trimtab.model.strategy import Outcome

from .shop import Shop, quick_specification, strategy
from .test_rebuild import BLOATED, rebuild
from .test_restore import _skewed
from .victims import Victims

pytestmark = pytest.mark.server

# How many moments there are at least; fewer would mean that the program does not die where it should.
APPLIED = {
    "create_index": 8,
    "drop_index": 6,
    "create_statistics": 8,
    "set_setting": 5,
    "set_statistics_target": 6,
    "set_distinct": 6,
    "restore_statistics": 20,
    "rebuild_index": 10,
}
# The inverse that is made: an index dropped, created, left; statistics dropped; what was set, or stored, put back.
REVERTED = {
    "create_index": 6,
    "drop_index": 6,
    "create_statistics": 5,
    "set_setting": 5,
    "set_statistics_target": 6,
    "set_distinct": 6,
    "restore_statistics": 20,
    "rebuild_index": 0,
}

STEP = {"restore_statistics": 3}


@pytest.fixture
def changes(shop: Shop) -> dict[str, Callable[[], Change]]:
    """Makes the change of a kind, as it is to be made next time."""
    restored = cache(partial(_skewed, shop))  # what it stores is the same each time
    made: dict[str, Callable[[], Change]] = {kind: partial(_itself, each) for kind, each in shop.every_kind().items()}
    return made | {"restore_statistics": restored, "rebuild_index": partial(rebuild, shop)}


def _itself(change: Change) -> Change:
    return change


def _require_all_recorded(shop: Shop) -> None:
    with Ledger.open(shop.ledger_path) as ledger:
        assert ledger.verify().verified
        entries = tuple(ledger.entries())
    assert pending(entries).is_empty
    assert all(intent.result is not None for intent in intents(entries))


def test_the_moments_are_fifty_at_least() -> None:
    assert sum(least // STEP.get(kind, 1) for of in (APPLIED, REVERTED) for kind, least in of.items()) >= 50


@pytest.mark.parametrize("kind", APPLIED)
def test_killed_at_every_statement_of_an_apply(
    shop: Shop, victims: Victims, changes: dict[str, Callable[[], Change]], kind: str
) -> None:
    shop.run(*(BLOATED if kind == "rebuild_index" else ()))
    for number in count(1, STEP.get(kind, 1)):
        change = changes[kind]()
        before = shop.picture()
        is_killed = victims.is_killed(shop, change, killed_at=f"at statement {number}")
        resume(shop.dsn, shop.ledger_path, None)
        assert (shop.picture(), shop.standing()) == (before, []), number
        _require_all_recorded(shop)
        if not is_killed:
            break
    assert number > APPLIED[kind]


@pytest.mark.parametrize("kind", REVERTED)
def test_killed_at_every_statement_of_a_revert(
    shop: Shop, victims: Victims, changes: dict[str, Callable[[], Change]], kind: str
) -> None:
    shop.run(*(BLOATED if kind == "rebuild_index" else ()))
    for number in count(1, STEP.get(kind, 1)):
        if not shop.standing():
            change = changes[kind]()
            before = shop.picture()
            _apply_and_keep(shop, change)
            after = shop.picture()
        is_killed = victims.is_killed(shop, killed_at=f"at statement {number}", reverts=True)
        resume(shop.dsn, shop.ledger_path, None)
        standing = shop.standing()
        assert standing in ([], [change])
        assert shop.picture() == (after if standing else before), number
        _require_all_recorded(shop)
        if not is_killed:
            break
    assert number > REVERTED[kind]


def _apply_and_keep(shop: Shop, change: Change) -> None:
    limits = quick_specification().limits
    rates = limits.rates.model_copy(update={"max_repeats": 1_000})
    specification = replace(quick_specification(), limits=limits.model_copy(update={"rates": rates}))
    enforcer = shop.enforcer(specification=specification)
    enforcer.apply(strategy(change))
    kept = {"strategy_id": strategy(change).id, "outcome": Outcome.KEPT.value, "note": ""}
    enforcer.ledger.append(Kind.STRATEGY_SETTLED, kept, run_id=enforcer.run_id)
    shop.stack.close()
