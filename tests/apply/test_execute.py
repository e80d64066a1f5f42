"""Claims about carrying out one change among other sessions: locks, timeouts, interrupts, lost connections."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import replace

import pytest

from trimtab.apply.execute import Execution, UnfinishedError
from trimtab.apply.patience import Patience
from trimtab.apply.state import ChangeState, state_of
from trimtab.embedded.signals import cleanup_on_signals
from trimtab.errors import ApplyError
from trimtab.ledger.entry import Entry, Kind
from trimtab.ledger.ledger import Ledger
from trimtab.ledger.required import Required
from trimtab.lifecycle.recover import recover
from trimtab.model.change import Change, CreateIndex, DropIndex, SetSetting

from .shop import (
    CREATE_INDEX,
    CREATE_STATISTICS,
    DROP_INDEX,
    WAITING,
    Shop,
    open_transaction,
    quick_specification,
    strategy,
    wait_until,
)

pytestmark = pytest.mark.server

WRITE = "UPDATE orders SET note = 'y' WHERE id = 1"
READ = "SELECT count(*) FROM orders"
SNAPSHOT = ("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ", "SELECT count(*) FROM customer")


def _execution(shop: Shop, sleep: Callable[[float], None] = lambda _s: None, **more: int) -> Execution:
    numbers = {"lock_timeout_ms": 150, "build_timeout_ms": 60_000, "attempts": 2, **more}
    return Execution(shop.connect(), Patience(**numbers, pause_seconds=0.0), sleep, lambda: None)


@pytest.mark.parametrize("change", [CREATE_INDEX, DROP_INDEX, CREATE_STATISTICS], ids=lambda c: str(c.kind))
def test_a_lock_that_is_not_given_is_a_lock_timeout_and_leaves_nothing(any_shop: Shop, change: Change) -> None:
    before = any_shop.picture()
    with open_transaction(any_shop, "LOCK TABLE orders IN SHARE UPDATE EXCLUSIVE MODE"):
        with pytest.raises(ApplyError) as failed:
            any_shop.enforcer().apply(strategy(change))
        assert failed.value.code == "apply.lock_timeout"
    assert any_shop.picture() == before
    assert any_shop.kinds() == ["apply_intended", "apply_failed"]


@pytest.mark.parametrize("blocking", [(WRITE,), SNAPSHOT], ids=["a writer", "a snapshot"])
def test_an_old_transaction_is_not_waited_for_in_vain(any_shop: Shop, blocking: tuple[str, ...]) -> None:
    before = any_shop.picture()
    with open_transaction(any_shop, *blocking, old_ms=200):
        with pytest.raises(ApplyError, match="old transaction") as failed:
            any_shop.enforcer().apply(strategy(CREATE_INDEX))
        assert failed.value.code == "apply.lock_timeout"
        assert any_shop.picture() == before
    assert any_shop.kinds() == ["apply_intended", "apply_failed"]


def test_a_drop_does_not_make_an_index_invalid_while_a_reader_would_keep_it_half_dropped(any_shop: Shop) -> None:
    before = any_shop.picture()
    with open_transaction(any_shop, READ, old_ms=200), pytest.raises(ApplyError) as failed:
        any_shop.enforcer().apply(strategy(DROP_INDEX))
    assert failed.value.code == "apply.lock_timeout"
    assert any_shop.picture() == before


def test_a_lock_that_is_released_between_two_tries_is_taken(any_shop: Shop) -> None:
    paused: list[float] = []
    with open_transaction(any_shop, WRITE) as other:

        def release(seconds: float) -> None:
            paused.append(seconds)
            other.execute("ROLLBACK")

        any_shop.enforcer(sleep=release).apply(strategy(CREATE_INDEX))
    assert paused
    assert any_shop.standing() == [CREATE_INDEX]


def test_the_pause_is_doubled(shop: Shop) -> None:
    paused: list[float] = []
    specification = quick_specification(attempts=4, pause_seconds=0.5, lock_timeout_ms=20)
    with open_transaction(shop, "LOCK TABLE orders"), pytest.raises(ApplyError):
        shop.enforcer(sleep=paused.append, specification=specification).apply(strategy(CREATE_INDEX))
    assert paused == [0.5, 1.0, 2.0]


@pytest.mark.parametrize("change", [CREATE_INDEX, DROP_INDEX], ids=lambda c: str(c.kind))
def test_what_a_lock_keeps_half_done_stays_open_until_resume_ends_it(any_shop: Shop, change: Change) -> None:
    """A young writer is met: the server has begun when it must wait, and the leftover needs the same lock."""
    before = any_shop.picture()
    with open_transaction(any_shop) as other:
        other.execute("ROLLBACK")

        class Witness(Ledger):
            def append(
                self,
                kind: Kind,
                body: Mapping[str, object],
                *,
                run_id: str | None = None,
                require: Required | None = None,
            ) -> Entry:
                other.execute("BEGIN")
                other.execute(WRITE.encode())
                return super().append(kind, body, run_id=run_id, require=require)

        ledger = any_shop.stack.enter_context(Witness.open(any_shop.ledger_path))
        specification = quick_specification(attempts=1, lock_timeout_ms=1000)
        enforcer = any_shop.enforcer(ledger=ledger, specification=specification)
        with pytest.raises(UnfinishedError) as failed:
            enforcer.apply(strategy(change))
        assert failed.value.code == "apply.unfinished"
        assert (any_shop.open_intents(), any_shop.kinds()) == (1, ["apply_intended"])
    ledger = any_shop.ledger()
    recovered = recover(ledger, any_shop.enforcer(ledger=ledger), any_shop.facts())
    assert [each.is_done for each in recovered.reconciled] == [isinstance(change, DropIndex)]
    assert (any_shop.picture(), any_shop.open_intents(), any_shop.standing()) == (before, 0, [])


def test_a_build_that_takes_too_long_is_cancelled_and_cleared_away(any_shop: Shop) -> None:
    before = any_shop.picture()
    specification = quick_specification(build_timeout_ms=400, lock_timeout_ms=60_000)
    with ExitStack() as stack:
        stack.enter_context(open_transaction(any_shop, *SNAPSHOT))
        with pytest.raises(ApplyError) as failed:
            any_shop.enforcer(specification=specification).apply(strategy(CREATE_INDEX))
    assert failed.value.code == "apply.timeout"
    assert any_shop.picture() == before
    assert any_shop.kinds() == ["apply_intended", "apply_failed"]


def _patient() -> dict[str, int]:
    return {"lock_timeout_ms": 60_000}


def _when_waiting(shop: Shop, act: Callable[[], object]) -> threading.Thread:
    def watch() -> None:
        wait_until(shop, WAITING)
        act()

    thread = threading.Thread(target=watch)
    thread.start()
    return thread


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM], ids=["int", "term"])
@pytest.mark.parametrize("change", [CREATE_INDEX, CREATE_STATISTICS], ids=lambda c: str(c.kind))
def test_an_interrupt_in_the_middle_cancels_and_leaves_nothing(
    any_shop: Shop, change: Change, number: signal.Signals
) -> None:
    before = any_shop.picture()
    enforcer = any_shop.enforcer(specification=quick_specification(**_patient()))
    blocking = SNAPSHOT if isinstance(change, CreateIndex) else ("LOCK TABLE orders IN SHARE UPDATE EXCLUSIVE MODE",)
    with ExitStack() as stack:
        other = stack.enter_context(open_transaction(any_shop, *blocking))
        thread = _when_waiting(any_shop, lambda: os.kill(os.getpid(), number))
        with pytest.raises(SystemExit), cleanup_on_signals():
            enforcer.apply(strategy(change))
        thread.join()
        assert not other.closed
    assert any_shop.picture() == before
    assert any_shop.kinds() == ["apply_intended", "apply_failed"]


def test_an_interrupt_after_the_act_takes_the_change_back(shop: Shop) -> None:
    """It comes while the result is written: the catalog, not our place in the code, says what stands."""
    before = shop.picture()
    arrived: list[Kind] = []

    class Interrupted(Ledger):
        def append(
            self,
            kind: Kind,
            body: Mapping[str, object],
            *,
            run_id: str | None = None,
            require: Required | None = None,
        ) -> Entry:
            if kind is Kind.APPLY_DONE and not arrived:
                arrived.append(kind)
                raise KeyboardInterrupt
            return super().append(kind, body, run_id=run_id, require=require)

    enforcer = shop.enforcer(ledger=shop.stack.enter_context(Interrupted.open(shop.ledger_path)))
    with pytest.raises(KeyboardInterrupt):
        enforcer.apply(strategy(CREATE_STATISTICS, CREATE_INDEX))
    assert (shop.picture(), shop.standing(), shop.open_intents()) == (before, [], 0)


def test_an_interrupt_of_the_second_change_takes_back_the_first(shop: Shop) -> None:
    before = shop.picture()
    enforcer = shop.enforcer(specification=quick_specification(**_patient()))
    with open_transaction(shop, *SNAPSHOT):
        thread = _when_waiting(shop, lambda: os.kill(os.getpid(), signal.SIGINT))
        with pytest.raises(KeyboardInterrupt):
            enforcer.apply(strategy(CREATE_STATISTICS, CREATE_INDEX))
        thread.join()
    assert (shop.picture(), shop.standing(), shop.open_intents()) == (before, [], 0)


def test_a_lost_connection_leaves_the_intent_open_and_resume_clears_it_away(any_shop: Shop) -> None:
    before = any_shop.picture()
    enforcer = any_shop.enforcer(specification=quick_specification(**_patient()))
    kill = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE query LIKE 'CREATE INDEX CONCURRENTLY%'"
    with open_transaction(any_shop, *SNAPSHOT):
        thread = _when_waiting(any_shop, lambda: any_shop.run(kill))
        with pytest.raises(UnfinishedError) as failed:
            enforcer.apply(strategy(CREATE_INDEX))
        thread.join()
    assert failed.value.code == "apply.unknown"
    assert any_shop.open_intents() == 1
    assert any("valid=false" in line for line in any_shop.picture())
    recover(enforcer.ledger, any_shop.enforcer(ledger=enforcer.ledger), any_shop.facts())
    assert (any_shop.picture(), any_shop.open_intents()) == (before, 0)


def test_an_index_that_another_session_is_building_is_never_cleared_away(any_shop: Shop) -> None:
    """Theirs has the same name and definition, as ours would have."""
    execution = _execution(any_shop)
    making = f"CREATE INDEX CONCURRENTLY {CREATE_INDEX.name} ON orders {CREATE_INDEX.tail}"
    with open_transaction(any_shop, *SNAPSHOT):
        builder = threading.Thread(target=lambda: any_shop.run(making))
        builder.start()
        wait_until(any_shop, WAITING)
        assert state_of(execution.connection, CREATE_INDEX) is ChangeState.HALF
        with pytest.raises(UnfinishedError):
            execution.clear(CREATE_INDEX)
    builder.join()
    assert state_of(execution.connection, CREATE_INDEX) is ChangeState.DONE


def test_an_index_that_another_session_was_first_to_make_is_not_claimed(shop: Shop) -> None:
    execution = _execution(shop)
    shop.run(f"CREATE INDEX {CREATE_INDEX.name} ON orders {CREATE_INDEX.tail}")
    with pytest.raises(ApplyError) as failed:
        execution.carry_out(CREATE_INDEX)
    assert failed.value.code == "apply.failed"
    assert state_of(execution.connection, CREATE_INDEX) is ChangeState.DONE


def test_a_setting_whose_value_is_a_list_is_held_and_reset_as_given(any_shop: Shop) -> None:
    before = any_shop.picture()
    execution = _execution(any_shop)
    change = SetSetting("database", any_shop.database, "datestyle", "ISO, DMY")
    execution.carry_out(change)
    assert state_of(execution.connection, change) is ChangeState.DONE
    execution.carry_out(replace(change, value=None))
    assert any_shop.picture() == before


DEFINITIONS = (
    "USING btree (city)",
    "USING btree (city text_pattern_ops, day DESC NULLS LAST, zip NULLS FIRST)",
    "USING btree (city COLLATE \"C\" DESC) INCLUDE (zip, note) WITH (fillfactor='70') WHERE (day > '2024-03-01'::date)",
    "USING btree (lower((note || city)), ((id + 1)))",
    "USING hash (zip)",
    "USING gin (to_tsvector('simple'::regconfig, note)) WITH (fastupdate=off)",
    "USING brin (day date_minmax_multi_ops(values_per_range='32')) WITH (pages_per_range='16')",
    "USING gist (daterange(day, NULL::date))",
)


def test_an_index_that_was_dropped_comes_back_with_exactly_its_definition(any_shop: Shop) -> None:
    for number, tail in enumerate(DEFINITIONS):
        any_shop.run(f'CREATE INDEX "An ""odd"" {number}" ON orders {tail}')
    before = any_shop.picture()
    execution = _execution(any_shop)
    table = any_shop.facts().table("public", "orders")
    assert table is not None
    for index in table.indexes:
        if not index.name.startswith("An"):
            continue
        assert index.tail is not None
        keys = tuple(column or "" for column in index.key_columns)
        drop = DropIndex("public", "orders", index.name, index.tail, keys, index.include_columns)
        assert state_of(execution.connection, drop) is ChangeState.ABSENT
        execution.carry_out(drop)
        assert len(any_shop.picture()) == len(before) - 1
        back = drop.inverse(any_shop.facts())
        assert back is not None
        execution.carry_out(back)
        assert any_shop.picture() == before
