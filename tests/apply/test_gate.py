"""Nothing is sent to a source while it is frozen or its windows are shut: asked before each statement, not once."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from trimtab.apply.enforce import Enforcer, database_body
from trimtab.apply.gate import Gate
from trimtab.apply.switch import Freeze, KillSwitch
from trimtab.errors import ApplyError, HeldError, RefusedError
from trimtab.ledger.entry import Kind
from trimtab.lifecycle.recover import recover
from trimtab.model.catalog import Snapshot
from trimtab.model.change import change_to_dict
from trimtab.spec.load import load_spec
from trimtab.spec.specification import Specification

from .shop import (
    CREATE_INDEX,
    CREATE_STATISTICS,
    DROP_INDEX,
    SET_TARGET,
    Shop,
    open_transaction,
    quick_specification,
    strategy,
)

pytestmark = pytest.mark.server

LOCK = "LOCK TABLE orders IN SHARE UPDATE EXCLUSIVE MODE"  # in the way of what changes a column's statistics


def switch_of(shop: Shop) -> KillSwitch:
    return KillSwitch(shop.ledger_path.parent)


def freeze(shop: Shop, *, allows_reverts: bool = False) -> None:
    switch_of(shop).freeze(Freeze(None, "incident", "ann", 1, allows_reverts))


def windows(*open_windows: str, bind_reverts: bool = False) -> Specification:
    specification = quick_specification()
    changed = {"open_windows": (open_windows,), "bind_reverts": bind_reverts}
    limits = specification.limits.model_copy(update={"windows": specification.windows.model_copy(update=changed)})
    return replace(specification, limits=limits)


def at(enforcer: Enforcer, moment: str) -> Enforcer:
    now = datetime.fromisoformat(moment).replace(tzinfo=UTC)
    return replace(enforcer, now_ns=lambda: int(now.timestamp() * 1e9))


def test_a_frozen_source_is_left_alone_and_nothing_is_intended(shop: Shop) -> None:
    before = shop.picture()
    freeze(shop)
    for change in shop.every_kind().values():
        with pytest.raises(HeldError) as refused:
            shop.enforcer().apply(strategy(change))
        assert refused.value.code == "apply.frozen"
    assert (shop.picture(), shop.kinds()) == (before, [])


def test_a_freeze_stops_reverts_too_unless_it_allows_them(shop: Shop) -> None:
    before, enforcer = shop.picture(), shop.enforcer()
    (applied,) = enforcer.apply(strategy(CREATE_INDEX))
    stands = shop.picture()
    freeze(shop)
    with pytest.raises(HeldError, match="nothing was taken back"):
        enforcer.revert(applied)
    assert shop.picture() == stands
    freeze(shop, allows_reverts=True)
    with pytest.raises(HeldError):
        enforcer.apply(strategy(CREATE_STATISTICS))
    enforcer.revert(applied)
    assert shop.picture() == before


def test_a_freeze_between_two_changes_stops_the_second_and_what_stands_is_mended_after_the_thaw(shop: Shop) -> None:
    before, enforcer = shop.picture(), shop.enforcer()
    look = enforcer.look
    looks = iter(range(100))

    def freezing() -> Snapshot:
        if next(looks) == 1:  # the facts of the second change
            freeze(shop)
        return look()

    with pytest.raises(ApplyError) as refused:
        replace(enforcer, look=freezing).apply(strategy(CREATE_INDEX, CREATE_STATISTICS))
    assert refused.value.code == "apply.not_taken_back"
    assert shop.standing() == [CREATE_INDEX]
    switch_of(shop).thaw(None)
    recover(enforcer.ledger, enforcer, enforcer.look())
    assert (shop.picture(), shop.open_intents()) == (before, 0)


def test_the_switch_is_read_again_before_each_try_of_one_change(shop: Shop) -> None:
    before = shop.picture()
    slept: list[float] = []

    def sleep(seconds: float) -> None:
        slept.append(seconds)
        freeze(shop)

    enforcer = shop.enforcer(sleep=sleep, specification=quick_specification(attempts=3))
    with open_transaction(shop, LOCK), pytest.raises(HeldError):
        enforcer.apply(strategy(SET_TARGET))
    assert len(slept) == 1
    assert shop.picture() == before
    assert shop.kinds() == ["apply_intended", "apply_failed"]


def test_a_drop_that_has_begun_stays_open_while_frozen_and_is_finished_after_the_thaw(shop: Shop) -> None:
    before = shop.picture()
    unhurried = quick_specification(lock_timeout_ms=1000)  # on a busy machine, too, its first half is done by then
    enforcer = shop.enforcer(sleep=lambda _seconds: freeze(shop), specification=unhurried)
    with open_transaction(shop, "LOCK TABLE orders IN ROW EXCLUSIVE MODE"), pytest.raises(ApplyError) as unfinished:
        enforcer.apply(strategy(DROP_INDEX))
    assert (unfinished.value.code, shop.open_intents()) == ("apply.unfinished", 1)
    switch_of(shop).thaw(None)
    recover(enforcer.ledger, enforcer, enforcer.look())  # finished, and then taken back: it was never settled
    assert (shop.picture(), shop.open_intents(), shop.standing()) == (before, 0, [])


def test_a_freeze_between_the_two_statements_of_a_change_rolls_back_the_first(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    before, asked, ask = shop.picture(), iter(range(100)), Gate.__call__

    def freezing(gate: Gate) -> None:
        if next(asked) == 2:  # before the change, before CREATE STATISTICS, before ANALYZE
            freeze(shop)
        ask(gate)

    monkeypatch.setattr(Gate, "__call__", freezing)
    with pytest.raises(HeldError):
        shop.enforcer().apply(strategy(CREATE_STATISTICS))
    assert shop.picture() == before
    assert shop.kinds() == ["apply_intended", "apply_failed"]


def test_a_leftover_is_not_cleared_away_while_frozen_and_its_intent_stays_open(shop: Shop) -> None:
    before, enforcer = shop.picture(), shop.enforcer()
    shop.run(CREATE_INDEX.sql(concurrently=False))
    shop.run(f"UPDATE pg_index SET indisvalid = false WHERE indexrelid = '{CREATE_INDEX.name}'::regclass")
    session = {"pid": 1, "started_at": "2020-01-01T00:00:00.000000Z"}
    said = {"change": change_to_dict(CREATE_INDEX), "inverse": change_to_dict(CREATE_INDEX), "session": session}
    body = {"intent_id": "i", "strategy_id": "s", "database": database_body(enforcer.look().server), **said}
    enforcer.ledger.append(Kind.APPLY_INTENDED, body, run_id="r")
    broken = shop.picture()
    freeze(shop)
    with pytest.raises(ApplyError) as unfinished:
        recover(enforcer.ledger, enforcer, enforcer.look())
    assert (unfinished.value.code, shop.picture(), shop.open_intents()) == ("apply.unfinished", broken, 1)
    switch_of(shop).thaw(None)
    recover(enforcer.ledger, enforcer, enforcer.look())
    assert (shop.picture(), shop.open_intents()) == (before, 0)


def test_outside_its_windows_a_source_is_left_alone_and_the_next_one_is_told(shop: Shop) -> None:
    before = shop.picture()
    enforcer = shop.enforcer(specification=windows("Sat 02:00-04:00 UTC"))
    with pytest.raises(HeldError) as refused:
        at(enforcer, "2026-11-27T12:00").apply(strategy(CREATE_INDEX))
    assert (refused.value.code, shop.picture()) == ("apply.window", before)
    assert str(refused.value).endswith("; the next window is from 2026-11-28 02:00 to 2026-11-28 04:00 UTC")
    (applied,) = at(enforcer, "2026-11-28T03:59").apply(strategy(CREATE_INDEX))
    at(enforcer, "2026-11-27T12:00").revert(applied)  # taking back does not wait
    assert shop.picture() == before


def test_reverts_wait_for_a_window_where_the_specification_says_so(shop: Shop) -> None:
    enforcer = shop.enforcer(specification=windows("Sat 02:00-04:00 UTC", bind_reverts=True))
    (applied,) = at(enforcer, "2026-11-28T02:00").apply(strategy(CREATE_INDEX))
    with pytest.raises(HeldError) as refused:
        at(enforcer, "2026-11-28T04:00").revert(applied)
    assert refused.value.code == "apply.window"


def test_what_others_with_the_same_ledger_made_today_counts(shop: Shop) -> None:
    specification = quick_specification()
    rates = specification.rates.model_copy(update={"max_changes_per_day": 1})
    few = replace(specification, limits=specification.limits.model_copy(update={"rates": rates}))
    shop.enforcer().apply(strategy(CREATE_STATISTICS))
    with pytest.raises(HeldError) as refused:
        shop.enforcer(specification=few).apply(strategy(CREATE_INDEX))
    assert refused.value.code == "apply.rate"


def test_an_application_that_undoes_a_drop_is_not_fought(shop: Shop) -> None:
    for _ in range(load_spec().rates.max_repeats):
        shop.enforcer().apply(strategy(DROP_INDEX))
        shop.run("CREATE INDEX orders_city ON orders (city)")
    before = shop.picture()
    with pytest.raises(RefusedError) as refused:
        shop.enforcer().apply(strategy(DROP_INDEX))
    assert (refused.value.code, shop.picture()) == ("apply.oscillation", before)


def test_the_facts_are_looked_at_again_before_a_further_try(shop: Shop) -> None:
    before, enforcer = shop.picture(), shop.enforcer(specification=quick_specification(attempts=3))
    slept: list[float] = []

    def look() -> Snapshot:
        found = enforcer.look()
        return replace(found, server=replace(found.server, is_standby=bool(slept)))

    with open_transaction(shop, LOCK), pytest.raises(RefusedError) as refused:
        replace(enforcer, look=look, sleep=slept.append).apply(strategy(SET_TARGET))
    assert (refused.value.code, len(slept), shop.picture()) == ("apply.standby", 1, before)
