"""Work on the source waits while the server has other worries: a replica that is behind, sessions at work."""

from __future__ import annotations

import threading
from contextlib import closing
from dataclasses import replace

import pytest

from trimtab.db.connection import connect
from trimtab.embedded.server import Server
from trimtab.errors import ApplyError
from trimtab.spec.specification import Specification

from .shop import CREATE_INDEX, CREATE_STATISTICS, DROP_INDEX, Shop, quick_specification, strategy, wait_until

pytestmark = pytest.mark.server

MEBIBYTE = 1024**2


def specification(**servers: int) -> Specification:
    quick = quick_specification()
    limits = quick.limits
    changed = limits.model_copy(update={"servers": limits.servers.model_copy(update=servers)})
    return replace(quick, limits=changed)


@pytest.mark.parametrize("change", [CREATE_INDEX, CREATE_STATISTICS], ids=lambda c: str(c.kind))
def test_no_work_is_added_to_more_sessions_than_allowed(any_shop: Shop, change: object) -> None:
    before = any_shop.picture()
    held = "(select count(*) from pg_stat_activity where query like 'select pg_sleep%' and state = 'active') = 2"
    sleepers = [threading.Thread(target=any_shop.run, args=("select pg_sleep(60)",)) for _ in range(2)]
    end = "select pg_cancel_backend(pid) from pg_stat_activity where query like 'select pg_sleep%' and state = 'active'"
    waits: list[float] = []

    def wait(seconds: float) -> None:
        waits.append(seconds)
        if len(waits) == 2:
            any_shop.run(end)
            wait_until(any_shop, f"not {held}")

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(threading, "excepthook", lambda _args: None)  # They are cancelled.
        for sleeper in sleepers:
            sleeper.start()
        wait_until(any_shop, held)
        few = specification(max_active_sessions=1)
        with pytest.raises(ApplyError, match="2 sessions are at work, the limit is 1") as refused:
            any_shop.enforcer(specification=few, sleep=lambda _s: None).apply(strategy(change))  # type: ignore[arg-type]
        assert refused.value.code == "apply.busy"
        assert any_shop.picture() == before
        # A drop is no work; and a build goes on as soon as there is room.
        any_shop.enforcer(specification=few).apply(strategy(DROP_INDEX))
        waits.append(0.0)
        any_shop.enforcer(specification=few, sleep=wait).apply(strategy(change))  # type: ignore[arg-type]
        for sleeper in sleepers:
            sleeper.join()
    assert any_shop.picture() != before
    assert any_shop.kinds()[:2] == ["apply_intended", "apply_failed"]


def test_nothing_is_built_while_a_replica_is_behind(replicated: tuple[Shop, Server]) -> None:
    shop, standby = replicated
    little = specification(max_replica_lag_bytes=MEBIBYTE)
    with closing(connect(standby.dsn(), read_only=True)) as replica:
        replica.execute("select pg_wal_replay_pause()")
        shop.run("create table filler as select repeat('x', 500) as t from generate_series(1, 20000)")
        with pytest.raises(ApplyError, match="bytes of the log to replay, the limit is 1,048,576") as refused:
            shop.enforcer(specification=little).apply(strategy(CREATE_INDEX))
        assert refused.value.code == "apply.busy"

        def catch_up(_seconds: float) -> None:
            replica.execute("select pg_wal_replay_resume()")
            behind = "pg_wal_lsn_diff(pg_current_wal_lsn(), replay_lsn)"
            wait_until(shop, f"(select max({behind}) from pg_stat_replication) < {MEBIBYTE}")

        shop.enforcer(specification=little, sleep=catch_up).apply(strategy(CREATE_INDEX))
    assert any(CREATE_INDEX.name in line for line in shop.picture())
