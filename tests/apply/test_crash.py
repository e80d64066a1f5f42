"""Claims about `kill -9` at any instant of apply and revert: after resume all is finished or undone, and recorded."""

from __future__ import annotations

import json
import os
import signal
from contextlib import closing
from pathlib import Path

import pytest

from trimtab.apply.patience import Patience
from trimtab.apply.reconcile import reconcile
from trimtab.apply.state import ChangeState, state_of
from trimtab.cli.commands import _tell_recovery
from trimtab.db.connection import connect
from trimtab.db.locks import hold_database
from trimtab.errors import BusyError, TrimtabError, UsageError
from trimtab.ledger.entry import Kind
from trimtab.ledger.ledger import Ledger
from trimtab.ledger.pending import pending
from trimtab.lifecycle.recover import resume, revert
from trimtab.model.change import Change, change_to_dict
from trimtab.model.strategy import Outcome

from .shop import (
    CREATE_INDEX,
    CREATE_STATISTICS,
    DROP_INDEX,
    SET_DISTINCT,
    SET_TARGET,
    WAITING,
    Shop,
    open_transaction,
    strategy,
    wait_until,
)
from .victims import Victims

pytestmark = pytest.mark.server

KINDS = (
    "create_index",
    "create_partial_index",
    "drop_index",
    "create_statistics",
    "set_setting",
    "for_a_function",
    "for_a_role_here",
    "set_statistics_target",
    "set_distinct",
)


def _assert_nothing_is_open(shop: Shop) -> None:
    shop.kinds()
    with Ledger.open(shop.ledger_path) as ledger:
        assert pending(ledger.entries()).is_empty


def _moments(kind: str, way: str) -> tuple[str, ...]:
    """Around the intent and the result. Before the intent nothing is known of the kind yet: one kind is enough."""
    moments = (f"before {way}_intended", f"after {way}_intended", f"before {way}_done", f"after {way}_done")
    return moments if kind == KINDS[0] else moments[1:]


@pytest.mark.parametrize("kind", KINDS)
def test_killed_around_each_entry_of_an_apply(shop: Shop, victims: Victims, kind: str) -> None:
    change = shop.every_kind()[kind]
    before = shop.picture()
    for moment in _moments(kind, "apply"):
        victims.run_until_killed(shop, change, killed_at=moment)
        is_made = moment in ("before apply_done", "after apply_done")
        assert (shop.picture() != before) is is_made
        recovery = resume(shop.dsn, shop.ledger_path, None)
        assert [applied.change for applied in recovery.reverted] == ([change] if is_made else [])
        assert (shop.picture(), shop.standing()) == (before, []), moment
        _assert_nothing_is_open(shop)


@pytest.mark.parametrize("kind", KINDS)
def test_killed_around_each_entry_of_a_revert(shop: Shop, victims: Victims, kind: str) -> None:
    """The strategy was kept: an interrupted revert is finished or it has not happened; the ledger says which."""
    change = shop.every_kind()[kind]
    before = shop.picture()
    for moment in _moments(kind, "revert"):
        if shop.picture() == before:
            _apply_and_keep(shop, change)
        after = shop.picture()
        victims.run_until_killed(shop, killed_at=moment, reverts=True)
        resume(shop.dsn, shop.ledger_path, None)
        is_taken_back = moment in ("before revert_done", "after revert_done")
        assert shop.picture() == (before if is_taken_back else after), moment
        assert shop.standing() == ([] if is_taken_back else [change])
        _assert_nothing_is_open(shop)


def _apply_and_keep(shop: Shop, change: Change) -> None:
    enforcer = shop.enforcer()
    enforcer.apply(strategy(change))
    kept = {"strategy_id": strategy(change).id, "outcome": Outcome.KEPT.value, "note": ""}
    enforcer.ledger.append(Kind.STRATEGY_SETTLED, kept, run_id=enforcer.run_id)


SNAPSHOT = ("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ", "SELECT count(*) FROM customer")
WRITER = ("UPDATE orders SET note = 'y' WHERE id = 1",)
LOCK = ("LOCK TABLE orders IN SHARE UPDATE EXCLUSIVE MODE",)


@pytest.mark.parametrize(
    ("change", "blocked_by"),
    [
        pytest.param(CREATE_INDEX, LOCK, id="a build before it began"),
        pytest.param(CREATE_INDEX, WRITER, id="a build that waits for a writer"),
        pytest.param(CREATE_INDEX, SNAPSHOT, id="a build at its end"),
        pytest.param(DROP_INDEX, LOCK, id="a drop before it began"),
        pytest.param(DROP_INDEX, WRITER, id="a drop in its middle"),
        pytest.param(CREATE_STATISTICS, LOCK, id="statistics"),
        pytest.param(SET_TARGET, LOCK, id="a target before it was set"),
        pytest.param(SET_DISTINCT, LOCK, id="a number of distinct values before it was set"),
    ],
)
def test_killed_in_the_middle_of_an_apply(
    any_shop: Shop, victims: Victims, change: Change, blocked_by: tuple[str, ...]
) -> None:
    before = any_shop.picture()
    victims.kill_in_the_act(any_shop, change, blocked_by=blocked_by)
    resume(any_shop.dsn, any_shop.ledger_path, None)
    assert (any_shop.picture(), any_shop.standing()) == (before, [])
    _assert_nothing_is_open(any_shop)


@pytest.mark.parametrize("change", [CREATE_INDEX, DROP_INDEX])
def test_a_half_that_a_killed_program_and_its_server_left_is_cleared(
    any_shop: Shop, victims: Victims, change: Change
) -> None:
    before = any_shop.picture()
    victims.kill_in_the_act(any_shop, change, blocked_by=WRITER, until_gone=True)
    with closing(any_shop.connect()) as connection:
        assert state_of(connection, change) is ChangeState.HALF
    resume(any_shop.dsn, any_shop.ledger_path, None)
    assert (any_shop.picture(), any_shop.standing()) == (before, [])
    _assert_nothing_is_open(any_shop)


@pytest.mark.parametrize(
    ("change", "blocked_by"), [(CREATE_INDEX, WRITER), (DROP_INDEX, WRITER), (DROP_INDEX, SNAPSHOT)]
)
def test_killed_in_the_middle_of_a_revert(
    any_shop: Shop, victims: Victims, change: Change, blocked_by: tuple[str, ...]
) -> None:
    before = any_shop.picture()
    _apply_and_keep(any_shop, change)
    after = any_shop.picture()
    victims.kill_in_the_act(any_shop, blocked_by=blocked_by, reverts=True)
    resume(any_shop.dsn, any_shop.ledger_path, None)
    assert any_shop.picture() in (before, after)
    assert any_shop.standing() == ([change] if any_shop.picture() == after else [])
    _assert_nothing_is_open(any_shop)


def test_killed_between_two_changes_of_a_strategy(shop: Shop, victims: Victims) -> None:
    before = shop.picture()
    victims.kill_in_the_act(shop, CREATE_STATISTICS, CREATE_INDEX, blocked_by=SNAPSHOT)
    resume(shop.dsn, shop.ledger_path, None)
    assert (shop.picture(), shop.standing()) == (before, [])
    _assert_nothing_is_open(shop)


def test_the_server_gives_up_soon_after_its_client_was_killed(any_shop: Shop, victims: Victims) -> None:
    """Nobody resumes, and what it waits for stays: without that, only a resume would end it."""
    with open_transaction(any_shop, *SNAPSHOT):
        pid = victims.start(any_shop, CREATE_INDEX)
        wait_until(any_shop, WAITING)
        os.kill(pid, signal.SIGKILL)
        assert victims.exit_code() == -signal.SIGKILL
        wait_until(any_shop, "not exists (select from pg_stat_activity where query like 'CREATE INDEX CONC%')")
        assert any("valid=false" in line for line in any_shop.picture())


def test_resume_does_not_answer_while_the_server_still_works_for_the_dead_program(shop: Shop) -> None:
    """As on a server before 14, which does not notice: another session stands in for that one."""
    with open_transaction(shop, "SELECT 1") as orphan:
        row = orphan.execute(
            "select pid, to_char(backend_start at time zone 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS.US\"Z\"')"
            " from pg_stat_activity where pid = pg_backend_pid()"
        ).fetchone()
        assert row is not None
        enforcer = shop.enforcer()
        session = {"pid": row[0], "started_at": row[1]}
        body = {"intent_id": "i", "session": session, "change": change_to_dict(CREATE_INDEX)}
        intent = enforcer.ledger.append(Kind.APPLY_INTENDED, body, run_id="r")
        slept: list[float] = []
        facts = shop.facts()
        patience = Patience(100, 1000, 1, 0.0)
        with pytest.raises(BusyError) as busy:
            reconcile(
                enforcer.connection,
                enforcer.ledger,
                intent,
                patience,
                facts,
                gate=lambda: None,
                wait_seconds=2.0,
                sleep=slept.append,
            )
        assert busy.value.code == "resume.still_running"
        assert sum(slept) == 2.0
    assert reconcile(enforcer.connection, enforcer.ledger, intent, patience, facts, gate=lambda: None).is_done is False


def test_resume_leaves_other_databases_of_the_same_ledger_alone(shop: Shop, victims: Victims) -> None:
    victims.run_until_killed(shop, CREATE_INDEX, killed_at="before apply_done")
    made, entries = shop.picture(), shop.kinds()
    recovery = resume(shop.server.dsn("postgres"), shop.ledger_path, None)
    assert (recovery.reconciled, recovery.reverted) == ((), ())
    assert (shop.picture(), shop.kinds()) == (made, entries)
    resume(shop.dsn, shop.ledger_path, None)
    _assert_nothing_is_open(shop)


def test_resume_leaves_another_server_of_the_same_ledger_alone(shop: Shop, victims: Victims, tmp_path: Path) -> None:
    """The same database by name and oid, on another server."""
    victims.run_until_killed(shop, CREATE_INDEX, killed_at="after apply_done")
    copy = tmp_path / "copy.db"
    with Ledger.open(shop.ledger_path) as ledger, Ledger.open(copy) as other:
        for entry in ledger.entries():
            body = json.loads(json.dumps(dict(entry.body)))
            if "database" in body:
                body["database"]["system_identifier"] = "7000000000000000000"
            other.append(entry.kind, body, run_id=entry.run_id)
    made = shop.picture()
    recovery = resume(shop.dsn, copy, None)
    assert (recovery.reconciled, recovery.reverted, shop.picture()) == ((), (), made)


def test_resume_on_a_clean_ledger_does_nothing(shop: Shop) -> None:
    before = shop.picture()
    assert resume(shop.dsn, shop.ledger_path, None).reconciled == ()
    assert (shop.picture(), shop.kinds()) == (before, [])


def test_what_cannot_be_put_back_does_not_keep_the_rest_from_being_taken_back(shop: Shop, victims: Victims) -> None:
    victims.run_until_killed(shop, DROP_INDEX, killed_at="after apply_done")
    victims.run_until_killed(shop, CREATE_STATISTICS, killed_at="after apply_done")
    shop.run(f"CREATE INDEX {DROP_INDEX.name} ON orders (note)")
    with pytest.raises(TrimtabError) as problem:
        resume(shop.dsn, shop.ledger_path, None)
    assert problem.value.code == "apply.replaced"
    assert shop.standing() == [DROP_INDEX]
    shop.run(f"ALTER INDEX {DROP_INDEX.name} RENAME TO another")
    resume(shop.dsn, shop.ledger_path, None)
    _assert_nothing_is_open(shop)


@pytest.mark.parametrize(
    "going",
    [
        "ALTER TABLE orders RENAME COLUMN city TO town",
        "ALTER TABLE orders DROP COLUMN city",
        "DROP TABLE orders",
        "DROP TABLE orders; CREATE VIEW orders AS SELECT 1 AS city",
    ],
)
def test_a_dropped_index_whose_table_or_column_is_gone_does_not_stay_open(
    shop: Shop, going: str, capsys: pytest.CaptureFixture[str]
) -> None:
    shop.enforcer().apply(strategy(DROP_INDEX))
    shop.run(*going.split("; "))
    after = shop.picture()
    recovery = resume(shop.dsn, shop.ledger_path, None)
    assert list(recovery.left_alone.values()) == ["subject_gone"]
    _tell_recovery(recovery, "trimtab.resume/v1", "interrupted or unsettled", as_json=False)
    assert (
        f"not put back, since its table or a column of it is gone or has another name: {strategy(DROP_INDEX).id}"
        in (capsys.readouterr().out)
    )
    with Ledger.open(shop.ledger_path) as ledger:
        (done,) = ledger.entries(Kind.REVERT_DONE)
        assert done.body["subject_gone"] is True
    assert (shop.picture(), shop.standing()) == (after, [])
    _assert_nothing_is_open(shop)


def test_a_resumed_strategy_comes_to_an_end_in_the_history(shop: Shop, victims: Victims) -> None:
    victims.run_until_killed(shop, CREATE_INDEX, killed_at="after apply_intended")
    resume(shop.dsn, shop.ledger_path, None)
    victims.run_until_killed(shop, CREATE_INDEX, killed_at="before apply_done")
    resume(shop.dsn, shop.ledger_path, None)
    with Ledger.open(shop.ledger_path) as ledger:
        ends = [entry.text("outcome") for entry in ledger.entries(Kind.STRATEGY_SETTLED)]
    assert ends == ["failed", "reverted"]


def test_while_another_run_holds_the_database_neither_resume_nor_revert_does_anything(
    shop: Shop, victims: Victims
) -> None:
    victims.run_until_killed(shop, CREATE_INDEX, killed_at="after apply_done")
    made, entries = shop.picture(), shop.kinds()
    with connect(shop.dsn, read_only=True) as holder, hold_database(holder):
        with pytest.raises(BusyError):
            resume(shop.dsn, shop.ledger_path, None)
        with pytest.raises(BusyError):
            revert(shop.dsn, shop.ledger_path, None, None)
    assert (shop.picture(), shop.kinds()) == (made, entries)


def test_revert_takes_back_what_was_kept_and_only_what_was_named(shop: Shop) -> None:
    before = shop.picture()
    _apply_and_keep(shop, CREATE_INDEX)
    with_index = shop.picture()
    _apply_and_keep(shop, CREATE_STATISTICS)
    taken = revert(shop.dsn, shop.ledger_path, None, strategy(CREATE_STATISTICS).id)
    assert [applied.change for applied in taken.reverted] == [CREATE_STATISTICS]
    assert shop.picture() == with_index
    with pytest.raises(UsageError) as refused:
        revert(shop.dsn, shop.ledger_path, None, strategy(CREATE_STATISTICS).id)
    assert refused.value.code == "revert.not_applied"
    revert(shop.dsn, shop.ledger_path, None, None)
    assert (shop.picture(), shop.standing()) == (before, [])
    _assert_nothing_is_open(shop)


def test_what_was_killed_before_its_answer_is_found_though_its_table_was_renamed(shop: Shop, victims: Victims) -> None:
    before = shop.picture()
    victims.run_until_killed(shop, CREATE_INDEX, killed_at="before apply_done")
    shop.run("ALTER TABLE orders RENAME TO orders_old")
    recovery = resume(shop.dsn, shop.ledger_path, None)
    assert [applied.change.kind for applied in recovery.reverted] == ["create_index"]
    shop.run("ALTER TABLE orders_old RENAME TO orders")
    assert shop.picture() == before
    _assert_nothing_is_open(shop)


def test_a_killed_revert_of_an_index_that_was_renamed_is_not_taken_for_done(shop: Shop, victims: Victims) -> None:
    before = shop.picture()
    _apply_and_keep(shop, CREATE_INDEX)
    victims.run_until_killed(shop, killed_at="after revert_intended", reverts=True)
    shop.run(f"ALTER INDEX {CREATE_INDEX.name} RENAME TO another")
    assert [each.is_done for each in resume(shop.dsn, shop.ledger_path, None).reconciled] == [False]
    assert shop.standing() == [CREATE_INDEX]
    revert(shop.dsn, shop.ledger_path, None, strategy(CREATE_INDEX).id)
    assert (shop.picture(), shop.standing()) == (before, [])
