"""Claims about changes that rest on earlier ones: those are not taken back before these, and all of them can be."""

from __future__ import annotations

import pytest

from trimtab.errors import ApplyError, RefusedError
from trimtab.ledger.entry import Kind
from trimtab.lifecycle.recover import revert
from trimtab.model.change import Change, CreateIndex, DropIndex
from trimtab.model.strategy import Outcome

from .shop import CREATE_STATISTICS, Shop, strategy

pytestmark = pytest.mark.server

TAIL = "USING btree (note, zip)"
WIDE = CreateIndex("public", "orders", "trimtab_orders_note_zip", TAIL, ("note", "zip"))
WIDER = CreateIndex("public", "orders", "trimtab_orders_nzc", "USING btree (note, zip, city)", ("note", "zip", "city"))
DROP_NARROW = DropIndex("public", "orders", "orders_note", "USING btree (note)", ("note",))
DROP_WIDE = DropIndex("public", "orders", WIDE.name, TAIL, ("note", "zip"))


def _keep(shop: Shop, *changes: Change) -> str:
    """Apply the changes as one strategy, and keep it; return its id."""
    enforcer = shop.enforcer()
    kept = strategy(*changes)
    enforcer.apply(kept)
    body = {"strategy_id": kept.id, "outcome": Outcome.KEPT.value, "note": ""}
    enforcer.ledger.append(Kind.STRATEGY_SETTLED, body, run_id=enforcer.run_id)
    return kept.id


def _revert(shop: Shop, strategy_id: str | None) -> list[Change]:
    return [applied.change for applied in revert(shop.dsn, shop.ledger_path, None, strategy_id).reverted]


def _assert_refused_for(shop: Shop, strategy_id: str, resting: str) -> None:
    before, entries = shop.picture(), shop.kinds()
    with pytest.raises(RefusedError, match=resting) as refused:
        _revert(shop, strategy_id)
    assert refused.value.code == "revert.rested_on"
    assert resting in refused.value.next_step
    assert (shop.picture(), shop.kinds()) == (before, entries)


def test_an_index_is_not_taken_back_while_one_is_missing_that_it_made_needless(shop: Shop) -> None:
    shop.run("CREATE INDEX orders_note ON orders (note)")
    before = shop.picture()
    made = _keep(shop, CREATE_STATISTICS, WIDE)
    dropped = _keep(shop, DROP_NARROW)
    _assert_refused_for(shop, made, dropped)
    assert _revert(shop, dropped) == [DROP_NARROW]
    assert _revert(shop, made) == [WIDE, CREATE_STATISTICS]
    assert shop.picture() == before


def test_an_index_is_taken_back_where_another_stands_in_for_the_one_that_is_missing(shop: Shop) -> None:
    shop.run("CREATE INDEX orders_note ON orders (note)", "CREATE INDEX orders_note_day ON orders (note, day)")
    made = _keep(shop, WIDE)
    _keep(shop, DROP_NARROW)
    assert _revert(shop, made) == [WIDE]
    assert shop.standing() == [DROP_NARROW]


def test_what_was_dropped_again_later_is_taken_back_in_the_other_order_or_all_at_once(shop: Shop) -> None:
    before = shop.picture()
    made = _keep(shop, WIDE)
    _keep(shop, WIDER)
    dropped = _keep(shop, DROP_WIDE)
    _assert_refused_for(shop, made, dropped)
    assert _revert(shop, None) == [DROP_WIDE, WIDER, WIDE]
    assert (shop.picture(), shop.standing()) == (before, [])


def test_a_setting_that_was_set_again_later_is_taken_back_in_the_other_order(shop: Shop) -> None:
    """Even where the first value came back: each time that it was set is one of its own."""
    before = shop.picture()
    first = _keep(shop, shop.set_setting("64MB"))
    second = _keep(shop, shop.set_setting("128MB"))
    _assert_refused_for(shop, first, second)
    assert _keep(shop, shop.set_setting("64MB")) == first
    _assert_refused_for(shop, second, first)
    with pytest.raises(RefusedError, match=second):
        _revert(shop, first)
    assert len(shop.standing()) == 2
    _revert(shop, second)
    _revert(shop, first)
    assert (shop.picture(), shop.standing()) == (before, [])


def test_what_cannot_be_put_back_keeps_all_that_it_rests_on(shop: Shop) -> None:
    _keep(shop, CREATE_STATISTICS)
    _keep(shop, WIDE)
    _keep(shop, WIDER)
    _keep(shop, DROP_WIDE)
    shop.run(f"CREATE INDEX {WIDE.name} ON orders (day)")
    with pytest.raises(ApplyError, match="was not put back"):
        _revert(shop, None)
    assert shop.standing() == [WIDE, WIDER, DROP_WIDE]
