"""An unused index goes only when nobody used it, anywhere, as long as the specification asks: on fresh facts."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from contextlib import ExitStack, closing
from dataclasses import replace
from pathlib import Path

import pytest

from trimtab.api import optimize
from trimtab.apply.enforce import Enforcer
from trimtab.db.connection import Connection, connect
from trimtab.embedded.server import Server
from trimtab.errors import RefusedError, UsageError
from trimtab.ledger.entry import Kind
from trimtab.ledger.ledger import Ledger
from trimtab.lifecycle.journal import Journal, opening
from trimtab.lifecycle.request import Request
from trimtab.lifecycle.usage import open_standbys, unseen, with_usage
from trimtab.model.catalog import Snapshot
from trimtab.model.change import DropIndex
from trimtab.model.usage import NS_PER_DAY
from trimtab.model.workload import Workload
from trimtab.observe.snapshot import read_facts
from trimtab.observe.usage import read_usage
from trimtab.spec.specification import Specification

from .shop import Shop, quick_specification, strategy, wait_until

pytestmark = pytest.mark.server

NOTE = DropIndex("public", "orders", "orders_note", "USING btree (note)", ("note",))


def accepting(days: int) -> Specification:
    quick = quick_specification()
    drops = quick.limits.drops.model_copy(update={"reasons": ("unused",), "min_unused_days": days})
    return replace(quick, limits=quick.limits.model_copy(update={"drops": drops}))


def looking(shop: Shop, ledger: Ledger, standbys: Mapping[str, Connection]) -> Callable[[], Snapshot]:
    reader = shop.connect()
    return lambda: with_usage(read_facts(reader, Workload((), "none")), ledger, reader, standbys)


def note_days_ago(shop: Shop, days: float, standbys: Mapping[str, Connection]) -> None:
    """Write what a run of that time would have written of what is counted now."""
    request = Request(shop.dsn, shop.ledger_path)
    with Ledger.open(shop.ledger_path, clock=lambda: time.time_ns() - int(days * NS_PER_DAY)) as ledger:
        facts = looking(shop, ledger, standbys)()
        Journal(ledger, "r-earlier").started(opening(quick_specification(), request, facts))


def drop(shop: Shop, days: int, standbys: Mapping[str, Connection]) -> None:
    ledger = shop.ledger()
    look = looking(shop, ledger, standbys)
    Enforcer(shop.connect(), ledger, accepting(days), look, "r-test").apply(strategy(NOTE))


def is_there(shop: Shop) -> bool:
    return any("orders_note" in line for line in shop.picture())


def use(dsn: str) -> None:
    with closing(connect(dsn, read_only=True)) as connection:
        connection.execute("set enable_seqscan = off")
        connection.execute("select count(*) from orders where note = 'x'")
        if connection.info.server_version >= 150000:
            connection.execute("select pg_stat_force_next_flush()")


def test_it_goes_when_the_counts_agree_for_long_enough_and_comes_back_as_it_was(any_shop: Shop) -> None:
    any_shop.run("CREATE INDEX orders_note ON orders (note)")
    before = any_shop.picture()
    with pytest.raises(RefusedError, match=r"drops\.reasons"):
        drop(any_shop, 30, {})
    note_days_ago(any_shop, 40, {})
    with pytest.raises(RefusedError, match=r"drops\.min_unused_days"):
        drop(any_shop, 50, {})
    assert is_there(any_shop)
    ledger = any_shop.ledger()
    enforcer = Enforcer(any_shop.connect(), ledger, accepting(30), looking(any_shop, ledger, {}), "r-test")
    [applied] = enforcer.apply(strategy(NOTE))
    assert not is_there(any_shop)
    enforcer.revert(applied)
    assert any_shop.picture() == before


def test_a_run_proposes_it_with_its_days(shop: Shop) -> None:
    shop.run("CREATE INDEX orders_note ON orders (note)")
    note_days_ago(shop, 101, {})
    report = optimize(
        shop.dsn, workload=["select * from orders where id = 7"], lab="none", ledger_path=shop.ledger_path
    )
    lives = [life for life in report.lives if life.strategy.changes == (NOTE,)]
    assert [life.strategy.evidence["case"] for life in lives] == ["unused"]
    assert "for 101 days" in lives[0].strategy.reason
    assert lives[0].verdict is not None
    assert lives[0].verdict.compliant
    with Ledger.open(shop.ledger_path) as ledger:
        started = [entry.body["index_usage"] for entry in ledger.entries(Kind.RUN_STARTED)]
    assert len(started) == 2
    assert started[0] == started[1]


@pytest.mark.parametrize("event", ["used", "reset", "made again"])
def test_it_stays_after_what_makes_the_counts_say_nothing(any_shop: Shop, event: str) -> None:
    any_shop.run("CREATE INDEX orders_note ON orders (note)")
    note_days_ago(any_shop, 40, {})
    if event == "used":
        use(any_shop.dsn)
        wait_until(any_shop, "(select idx_scan from pg_stat_user_indexes where indexrelname = 'orders_note') > 0")
    elif event == "reset":
        any_shop.run("select pg_stat_reset()")
        # Before version 15 a process of its own counts, and is told.
        database = "datname = current_database()"
        wait_until(any_shop, f"(select stats_reset > now() - interval '9 s' from pg_stat_database where {database})")
    else:
        any_shop.run("DROP INDEX orders_note", "CREATE INDEX orders_note ON orders (note)")
    with pytest.raises(RefusedError, match=r"drops\.reasons"):
        drop(any_shop, 30, {})
    assert is_there(any_shop)


def test_what_a_replica_uses_is_used(replicated: tuple[Shop, Server]) -> None:
    shop, replica = replicated
    shop.run("CREATE INDEX orders_note ON orders (note)")
    wait_until(shop, "(select max(pg_wal_lsn_diff(pg_current_wal_lsn(), replay_lsn)) from pg_stat_replication) = 0")
    with ExitStack() as stack:
        reader = shop.connect()
        request = Request(shop.dsn, Path("unused"), standbys=(replica.dsn(),))
        standbys = open_standbys(request, reader, stack)
        note_days_ago(shop, 50, {})  # That run did not ask the replica: of its time nothing is known.
        ledger = shop.ledger()
        [told] = unseen(looking(shop, ledger, {})())
        assert "a replica has not been asked" in told
        with pytest.raises(RefusedError, match=r"drops\.reasons"):
            drop(shop, 30, {})
        with pytest.raises(RefusedError, match=r"drops\.reasons"):
            drop(shop, 30, standbys)
        note_days_ago(shop, 40, standbys)
        facts = looking(shop, ledger, standbys)()
        assert unseen(facts) == ()
        [index] = [i for t in facts.tables for i in t.indexes if i.name == "orders_note"]
        assert index.unused_days == pytest.approx(40, abs=0.1)
        use(replica.dsn())
        with closing(connect(replica.dsn(), read_only=True, statement_timeout_ms=30_000)) as connection:
            scans = "select coalesce(sum(idx_scan), 0) from pg_stat_user_indexes where indexrelname = 'orders_note'"
            while connection.execute(scans.encode()).fetchone() == (0,):
                connection.execute("select pg_sleep(0.01)")
        with pytest.raises(RefusedError, match=r"drops\.reasons"):
            drop(shop, 30, standbys)
        assert is_there(shop)
        for others in ((shop.dsn,), (replica.dsn(), f"{replica.dsn()} application_name=again")):
            with pytest.raises(UsageError) as refused:
                open_standbys(replace(request, standbys=others), reader, stack)
            assert refused.value.code == "usage.standby"
        with closing(connect(replica.dsn(), read_only=True)) as standby:  # Its primary is not asked.
            facts = read_facts(standby, Workload((), "none"))
            assert read_usage(standby, {}, facts.tables).unseen_replicas == 1
