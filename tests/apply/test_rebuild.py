"""Claims about rebuilding an index: it is smaller and the same, and no end of the program leaves half a rebuild."""

from __future__ import annotations

from dataclasses import replace

import pytest

from trimtab.apply.state import ChangeState, rebuild_leftovers, state_of
from trimtab.cli.commands import _tell_recovery
from trimtab.errors import RefusedError, TrimtabError
from trimtab.ledger.entry import Kind
from trimtab.ledger.ledger import Ledger
from trimtab.ledger.pending import pending
from trimtab.lifecycle.recover import resume
from trimtab.model.catalog import Index
from trimtab.model.change import RebuildIndex, quote_identifier
from trimtab.model.strategy import Outcome

from .shop import Shop, open_transaction, quick_specification, strategy
from .victims import Victims

pytestmark = pytest.mark.server

BLOATED = (
    "CREATE TABLE pile (id int, code int)",
    "INSERT INTO pile SELECT n, n FROM generate_series(1, 10000) n",
    "CREATE INDEX pile_id ON pile (id)",
    "ALTER TABLE pile ADD CONSTRAINT pile_code UNIQUE (code)",
    "DELETE FROM pile WHERE id % 10 <> 0",
    "VACUUM ANALYZE pile",
)
# What a rebuild waits for, in its order: before it begins, for writers, for old snapshots, and for readers at its end.
LOCK = ("LOCK TABLE pile IN SHARE UPDATE EXCLUSIVE MODE",)
WRITER = ("UPDATE pile SET code = code WHERE id = 10",)
SNAPSHOT = ("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ", "SELECT count(*) FROM customer")
READER = ("LOCK TABLE pile IN ACCESS SHARE MODE",)
ODD = 'Ünï "quoted" ' + "é" * 24


def index(shop: Shop, name: str = "pile_id") -> Index:
    table = shop.facts().table("public", "pile")
    assert table is not None
    return next(each for each in table.indexes if each.name == name)


def rebuild(shop: Shop, name: str = "pile_id") -> RebuildIndex:
    return RebuildIndex("public", "pile", name, index(shop, name).oid)


def assert_nothing_is_open(shop: Shop) -> None:
    shop.kinds()
    with Ledger.open(shop.ledger_path) as ledger:
        assert pending(ledger.entries()).is_empty


@pytest.mark.parametrize("name", ["pile_id", "pile_code"])
def test_a_rebuilt_index_is_the_same_and_smaller_and_nothing_is_to_be_undone(any_shop: Shop, name: str) -> None:
    any_shop.run(*BLOATED)
    before, picture = index(any_shop, name), any_shop.picture()
    enforcer, change = any_shop.enforcer(), rebuild(any_shop, name)
    (applied,) = enforcer.apply(strategy(change))
    after = index(any_shop, name)
    assert after.size_bytes < before.size_bytes / 2
    assert (after.definition, after.constraint, after.is_valid) == (before.definition, before.constraint, True)
    assert after.oid != before.oid
    assert any_shop.picture() == picture
    assert any_shop.standing() == [change]
    enforcer.revert(applied)
    assert index(any_shop, name).oid == after.oid
    assert any_shop.kinds() == ["apply_intended", "apply_done", "revert_intended", "revert_done"]
    assert any_shop.standing() == []
    with Ledger.open(any_shop.ledger_path) as ledger:
        (done,) = ledger.entries(Kind.REVERT_DONE)
        assert done.body["nothing_to_undo"] is True


def test_killed_around_each_entry(shop: Shop, victims: Victims, capsys: pytest.CaptureFixture[str]) -> None:
    shop.run(*BLOATED)
    picture = shop.picture()
    for moment in ("before apply_intended", "after apply_intended", "before apply_done", "after apply_done"):
        change = rebuild(shop)
        victims.run_until_killed(shop, change, killed_at=moment)
        is_made = moment in ("before apply_done", "after apply_done")
        assert (index(shop).oid != change.oid) is is_made
        recovery = resume(shop.dsn, shop.ledger_path, None)
        assert list(recovery.left_alone.values()) == (["nothing_to_undo"] if is_made else [])
        assert (shop.picture(), shop.standing()) == (picture, []), moment
        assert_nothing_is_open(shop)
        if is_made:
            _tell_recovery(recovery, "trimtab.resume/v1", "interrupted or unsettled", as_json=False)
            assert "nothing to undo, since a rebuilt index is the same index" in capsys.readouterr().out
            shop.run("DROP INDEX pile_id", "CREATE INDEX pile_id ON pile (id)")


@pytest.mark.parametrize(
    ("name", "blocked_by", "is_made"),
    [
        pytest.param("pile_id", LOCK, False, id="before it began"),
        pytest.param("pile_id", SNAPSHOT, False, id="built, before it takes the place"),
        # What is left behind has a name made of the index's: as it was begun, and as the old one.
        *(
            pytest.param(name, blocked_by, is_made, id=f"{what}, {called}")
            for called, name in (("plain", "pile_id"), ("a constraint's", "pile_code"), ("cut", ODD))
            for blocked_by, is_made, what in (
                (WRITER, False, "waiting for a writer"),
                (READER, True, "in its place, the old one still there"),
            )
        ),
    ],
)
def test_killed_in_its_middle(
    any_shop: Shop, victims: Victims, name: str, blocked_by: tuple[str, ...], is_made: bool
) -> None:
    any_shop.run(*BLOATED)
    if not name.startswith("pile"):
        any_shop.run(f"CREATE INDEX {quote_identifier(name)} ON pile (code, id)")
    picture, change = any_shop.picture(), rebuild(any_shop, name)
    victims.kill_in_the_act(any_shop, change, blocked_by=blocked_by, until_gone=True)
    (reconciled,) = resume(any_shop.dsn, any_shop.ledger_path, None).reconciled
    assert reconciled.is_done is is_made
    assert (index(any_shop, name).oid != change.oid) is is_made
    assert (any_shop.picture(), any_shop.standing()) == (picture, [])
    assert_nothing_is_open(any_shop)


@pytest.mark.parametrize("blocked_by", [LOCK, WRITER, SNAPSHOT, READER])
def test_killed_while_the_server_works_on(any_shop: Shop, victims: Victims, blocked_by: tuple[str, ...]) -> None:
    """What held it up goes at once: it may come to its end before the server notices that nobody waits for it."""
    any_shop.run(*BLOATED)
    picture, change = any_shop.picture(), rebuild(any_shop)
    victims.kill_in_the_act(any_shop, change, blocked_by=blocked_by)
    (reconciled,) = resume(any_shop.dsn, any_shop.ledger_path, None).reconciled
    assert reconciled.is_done is (index(any_shop).oid != change.oid)
    assert (any_shop.picture(), any_shop.standing()) == (picture, [])
    assert_nothing_is_open(any_shop)


def test_what_a_killed_rebuild_left_is_seen_and_the_next_one_cleans_up(shop: Shop, victims: Victims) -> None:
    shop.run(*BLOATED)
    change = rebuild(shop)
    victims.kill_in_the_act(shop, change, blocked_by=WRITER, until_gone=True)
    connection = shop.connect()
    assert rebuild_leftovers(connection, change) == ["pile_id_ccnew"]
    assert state_of(connection, change) is ChangeState.HALF
    resume(shop.dsn, shop.ledger_path, None)
    assert rebuild_leftovers(connection, change) == []
    shop.enforcer().apply(strategy(change))
    assert state_of(connection, change) is ChangeState.DONE


def test_what_somebody_elses_rebuild_left_is_neither_ours_to_clear_nor_built_upon(shop: Shop) -> None:
    shop.run(*BLOATED)
    change = rebuild(shop)
    with open_transaction(shop, *WRITER):
        other = shop.connect()
        other.execute("SET statement_timeout = 300")
        with pytest.raises(Exception, match="statement timeout"):
            other.execute(change.sql().encode())
    picture = shop.picture()
    assert any("pile_id_ccnew" in line for line in picture)
    with pytest.raises(RefusedError) as refused:
        shop.enforcer().apply(strategy(change))
    assert refused.value.code == "apply.precondition"
    assert (shop.picture(), shop.kinds()) == (picture, [])


def test_an_invalid_index_of_another_name_is_not_taken_for_a_leftover(shop: Shop) -> None:
    shop.run(*BLOATED, "CREATE INDEX pile_id_extra_ccnew ON pile (id)", "CREATE INDEX pile_id_ccnew ON pile (id)")
    shop.run("UPDATE pg_index SET indisvalid = false WHERE indexrelid = 'pile_id_extra_ccnew'::regclass")
    connection, change = shop.connect(), rebuild(shop)
    assert rebuild_leftovers(connection, change) == []
    shop.run("UPDATE pg_index SET indisvalid = false WHERE indexrelid = 'pile_id_ccnew'::regclass")
    assert rebuild_leftovers(connection, change) == ["pile_id_ccnew"]


def test_who_is_waited_for_in_vain_at_the_end_leaves_it_to_resume(shop: Shop) -> None:
    """The new index is in its place; the old one cannot be dropped while a reader that was there before goes on."""
    shop.run(*BLOATED)
    picture, change = shop.picture(), rebuild(shop)
    enforcer = shop.enforcer(specification=quick_specification(lock_timeout_ms=3000, attempts=1))
    with open_transaction(shop, *READER), pytest.raises(TrimtabError) as left:
        enforcer.apply(strategy(change))
    assert left.value.code == "apply.unfinished"
    assert shop.open_intents() == 1
    assert rebuild_leftovers(shop.connect(), change) == ["pile_id_ccold"]
    (reconciled,) = resume(shop.dsn, shop.ledger_path, None).reconciled
    assert reconciled.is_done
    assert shop.picture() == picture
    assert_nothing_is_open(shop)


@pytest.mark.parametrize("blocked_by", [WRITER, READER])
def test_who_is_in_the_way_is_seen_before_it_begins(shop: Shop, blocked_by: tuple[str, ...]) -> None:
    shop.run(*BLOATED)
    before, change = shop.picture(), rebuild(shop)
    with open_transaction(shop, *blocked_by, old_ms=400), pytest.raises(TrimtabError) as refused:
        shop.enforcer().apply(strategy(change))
    assert refused.value.code == "apply.lock_timeout"
    assert (shop.picture(), index(shop).oid) == (before, change.oid)


def test_a_disk_without_room_for_a_second_copy_is_left_alone(shop: Shop) -> None:
    shop.run(*BLOATED)
    change, specification = rebuild(shop), quick_specification()
    limits = specification.limits
    servers = limits.servers.model_copy(update={"max_total_size_bytes": 1_000_000})
    specification = replace(specification, limits=limits.model_copy(update={"servers": servers}))
    with pytest.raises(TrimtabError) as refused:
        shop.enforcer(specification=specification).apply(strategy(change))
    assert refused.value.code == "apply.disk"
    assert index(shop).oid == change.oid


@pytest.mark.parametrize(
    ("made", "name", "rule"),
    [
        ("ALTER TABLE pile ADD CONSTRAINT pile_apart EXCLUDE USING btree (id WITH =)", "pile_apart",
         "rebuilds.not_concurrently"),
        ("UPDATE pg_index SET indisvalid = false WHERE indexrelid = 'pile_id'::regclass", "pile_id", "rebuilds.index"),
        ("ALTER TABLE pile SET SCHEMA pg_catalog", "pile_id", "objects.system_schema"),
    ],
)  # fmt: skip
def test_what_reindex_concurrently_cannot_or_must_not_do_is_refused(
    shop: Shop, made: str, name: str, rule: str
) -> None:
    shop.run(*BLOATED, *([] if "pg_catalog" in made else [made]))
    change = rebuild(shop, name)
    if "pg_catalog" in made:
        change = replace(change, schema="pg_catalog")
    with pytest.raises(RefusedError, match=rule) as refused:
        shop.enforcer().apply(strategy(change))
    assert refused.value.code == "apply.specification"
    assert shop.kinds() == []


def test_an_index_that_was_replaced_since_it_was_measured_is_left_alone(shop: Shop) -> None:
    shop.run(*BLOATED)
    change = rebuild(shop)
    shop.run("DROP INDEX pile_id", "CREATE INDEX pile_id ON pile (id)")
    with pytest.raises(RefusedError, match=r"rebuilds\.index"):
        shop.enforcer().apply(strategy(change))
    assert shop.kinds() == []


def test_who_owns_the_table_needs_no_right_on_the_schema(shop: Shop) -> None:
    shop.run(*BLOATED, "ALTER TABLE pile OWNER TO keeper", "REVOKE CREATE ON SCHEMA public FROM PUBLIC, keeper")
    change = rebuild(shop)
    with pytest.raises(RefusedError, match=r"objects\.not_owner"):
        shop.enforcer(user="stranger").apply(strategy(change))
    shop.enforcer(user="keeper").apply(strategy(change))
    assert index(shop).oid != change.oid


def test_a_rebuild_that_was_kept_can_be_let_go_of(shop: Shop) -> None:
    shop.run(*BLOATED)
    enforcer, change = shop.enforcer(), rebuild(shop)
    (applied,) = enforcer.apply(strategy(change))
    kept = {"strategy_id": strategy(change).id, "outcome": Outcome.KEPT.value, "note": ""}
    enforcer.ledger.append(Kind.STRATEGY_SETTLED, kept, run_id=enforcer.run_id)
    shop.run("DROP TABLE pile")
    assert enforcer.revert(applied).left_alone is not None
    assert shop.standing() == []
