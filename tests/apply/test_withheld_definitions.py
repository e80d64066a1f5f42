"""Claims about indexes whose definition holds constants: made and taken back by a ledger that has none of them."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import psycopg
import pytest

from trimtab.errors import ApplyError, RefusedError
from trimtab.ledger.pending import applied_changes
from trimtab.lifecycle.recover import resume
from trimtab.model.applied import Applied
from trimtab.model.change import ERASED, CreateIndex, DropIndex

from .shop import CREATE_INDEX, SET_TARGET, Shop, quick_specification, strategy
from .victims import Victims

pytestmark = pytest.mark.server

SECRET = "Canary-4711-Predicate"
TWICE = tuple(f"CREATE INDEX orders_{name} ON orders (day) WHERE city = '{SECRET}'" for name in ("part", "stays"))
CREATE = CreateIndex(
    "public", "orders", "trimtab_orders_part", f"USING btree (day) WHERE (city = '{SECRET}'::text)", ("day",)
)


def assert_nowhere(shop: Shop) -> None:
    for path in shop.ledger_path.parent.glob("ledger.db*"):
        assert path.is_dir() or SECRET.encode() not in path.read_bytes(), path.name


def drop_of(shop: Shop, name: str) -> DropIndex:
    table = shop.facts().table("public", "orders")
    assert table is not None
    [tail] = [index.tail for index in table.indexes if index.name == name]
    return DropIndex("public", "orders", name, tail or "", ("day",))


def lose(shop: Shop) -> None:
    for path in beside(shop.ledger_path).iterdir():
        path.unlink()


def beside(path: Path) -> Path:
    return path.with_name(path.name + ".withheld")


def standing(shop: Shop) -> Applied:
    """Return what stands as a later program reads it."""
    [applied] = applied_changes(shop.ledger().entries())
    return applied


def test_a_partial_index_is_made_and_taken_back(shop: Shop) -> None:
    before = shop.picture()
    shop.enforcer().apply(strategy(CREATE))
    assert shop.standing() == [CREATE]
    assert_nowhere(shop)
    shop.enforcer().revert(standing(shop))
    assert shop.picture() == before
    assert_nowhere(shop)
    assert SECRET in json.dumps([dict(entry.body) for entry in shop.ledger().entries()])


def test_a_dropped_partial_index_is_put_back_as_it_was(shop: Shop) -> None:
    shop.run(*TWICE)
    before = shop.picture()
    shop.enforcer().apply(strategy(drop_of(shop, "orders_part")))
    assert shop.picture() != before
    shop.enforcer().revert(standing(shop))
    assert shop.picture() == before
    assert_nowhere(shop)


def test_a_made_index_is_taken_back_by_its_oid_though_its_definition_is_gone(shop: Shop) -> None:
    before = shop.picture()
    shop.enforcer().apply(strategy(CREATE))
    shop.run("ALTER INDEX trimtab_orders_part RENAME TO theirs")
    lose(shop)
    found = standing(shop)
    assert isinstance(found.change, CreateIndex)
    assert found.change.tail == ERASED
    shop.enforcer().revert(found)
    assert shop.picture() == before


def test_a_dropped_index_whose_definition_is_gone_is_refused_until_somebody_makes_it(shop: Shop) -> None:
    shop.run(*TWICE)
    before = shop.picture()
    shop.enforcer().apply(strategy(drop_of(shop, "orders_part")))
    lose(shop)
    with pytest.raises(ApplyError) as refused:
        shop.enforcer().revert(standing(shop))
    assert refused.value.code == "apply.definition"
    assert shop.kinds()[-1] != "revert_intended", "nothing was begun"
    shop.run(TWICE[0])
    assert shop.enforcer().revert(standing(shop)).left_alone is not None
    assert shop.picture() == before
    assert shop.standing() == []


def test_what_was_erased_counts_as_any_index_of_its_table(shop: Shop) -> None:
    specification = quick_specification()
    rates = specification.limits.rates.model_copy(update={"max_repeats": 1})
    limits = specification.limits.model_copy(update={"rates": rates})
    once = replace(specification, limits=limits)
    shop.enforcer(specification=once).apply(strategy(CREATE))
    shop.enforcer(specification=once).revert(standing(shop))
    lose(shop)
    for change in (CREATE, CREATE_INDEX):
        with pytest.raises(RefusedError) as refused:
            shop.enforcer(specification=once).apply(strategy(change))
        assert refused.value.code == "apply.oscillation"
    shop.enforcer(specification=once).apply(strategy(SET_TARGET))


@pytest.mark.parametrize("is_left", ["valid", "invalid"])
def test_what_a_dead_run_has_built_is_found_by_its_name_though_its_definition_is_gone(
    shop: Shop, victims: Victims, is_left: str
) -> None:
    before = shop.picture()
    if is_left == "valid":
        victims.run_until_killed(shop, CREATE, killed_at="before apply_done")
    else:
        victims.kill_in_the_act(shop, CREATE, blocked_by=("UPDATE orders SET note = 'y' WHERE id = 1",))
    assert shop.picture() != before
    lose(shop)
    resume(shop.dsn, shop.ledger_path, None)
    assert (shop.picture(), shop.standing(), shop.open_intents()) == (before, [], 0)


def test_an_invalid_index_is_nobodys_replacement(shop: Shop) -> None:
    """A dropped index was being put back when all died: what is left of that is not taken for the index."""
    shop.run(*TWICE)
    shop.enforcer().apply(strategy(drop_of(shop, "orders_part")))
    lose(shop)
    # As a build that broke off leaves it.
    with psycopg.connect(shop.dsn, autocommit=True) as session, pytest.raises(psycopg.Error):
        session.execute("CREATE UNIQUE INDEX CONCURRENTLY orders_part ON orders ((1))")
    with pytest.raises(ApplyError) as refused:
        shop.enforcer().revert(standing(shop))
    assert refused.value.code == "apply.replaced"
    assert len(shop.standing()) == 1


def test_a_strategy_whose_definition_is_gone_is_not_applied(shop: Shop) -> None:
    before = shop.picture()
    with pytest.raises(RefusedError):
        shop.enforcer().apply(strategy(CreateIndex("public", "orders", "trimtab_orders_x", ERASED, ("day",))))
    assert shop.picture() == before
