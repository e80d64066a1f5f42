"""Claims about a ledger that cannot be written, or lost its end, while a change is to be made: what is not recorded is
not done, and what was done and could not be recorded is found by the next start.
"""

from __future__ import annotations

import resource
import sqlite3
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager

import psycopg
import pytest

from tests.places import read_only
from trimtab.apply.enforce import database_body
from trimtab.errors import KeyFileError, LedgerError
from trimtab.ledger.entry import Entry, Kind
from trimtab.ledger.ledger import Ledger
from trimtab.ledger.pending import intents, pending
from trimtab.ledger.place import name_server
from trimtab.ledger.required import Required
from trimtab.lifecycle.recover import resume

from .shop import CREATE_INDEX, Shop, strategy
from .victims import Victims

pytestmark = pytest.mark.server


@contextmanager
def full_disk() -> Iterator[None]:
    """No file of this process can grow: what SQLite writes fails as on a disk without room."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


class OneEntryMore(Ledger):
    """After the first entry that it is given, nothing else finds room."""

    filled: Callable[[], object]

    def append(
        self,
        kind: Kind,
        body: Mapping[str, object],
        *,
        run_id: str | None = None,
        require: Required | None = None,
    ) -> Entry:
        entry = super().append(kind, body, run_id=run_id, require=require)
        type(self).filled()
        return entry


def _require_all_recorded(shop: Shop) -> None:
    with Ledger.open(shop.ledger_path) as ledger:
        assert ledger.verify().verified
        entries = tuple(ledger.entries())
    assert pending(entries).is_empty
    assert all(intent.result is not None for intent in intents(entries))


def test_on_a_full_disk_no_change_is_made(shop: Shop) -> None:
    before, enforcer = shop.picture(), shop.enforcer()
    enforcer.ledger.append(Kind.RUN_STARTED, {})
    with full_disk(), pytest.raises(LedgerError) as refused:
        enforcer.apply(strategy(CREATE_INDEX))
    assert refused.value.code == "ledger.unwritable"
    assert (shop.picture(), shop.kinds()) == (before, ["run_started"])


def test_on_a_disk_that_can_only_be_read_no_change_is_made(shop: Shop) -> None:
    before = shop.picture()
    with Ledger.open(shop.ledger_path) as ledger:
        ledger.append(Kind.RUN_STARTED, {})
    with read_only(shop.ledger_path.parent), closing(Ledger.open(shop.ledger_path)) as ledger:
        with pytest.raises(LedgerError) as refused:
            shop.enforcer(ledger=ledger).apply(strategy(CREATE_INDEX))
        assert refused.value.code == "ledger.unwritable"
    assert (shop.picture(), shop.kinds()) == (before, ["run_started"])


def test_a_change_whose_result_found_no_room_is_taken_back_by_the_next_start(shop: Shop) -> None:
    before = shop.picture()
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    OneEntryMore.filled = lambda *_: resource.setrlimit(resource.RLIMIT_FSIZE, (1, hard))
    try:
        with OneEntryMore.open(shop.ledger_path) as ledger, pytest.raises(LedgerError) as refused:
            shop.enforcer(ledger=ledger).apply(strategy(CREATE_INDEX))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert refused.value.code == "ledger.unwritable"
    assert shop.picture() != before
    assert shop.open_intents() == 1
    assert [each.is_done for each in resume(shop.dsn, shop.ledger_path, None).reconciled] == [True]
    assert (shop.picture(), shop.standing()) == (before, [])
    _require_all_recorded(shop)


def test_a_change_whose_ledger_went_away_meanwhile_is_told_and_taken_back_once_it_is_there_again(shop: Shop) -> None:
    before, aside = shop.picture(), shop.ledger_path.with_name("aside")
    OneEntryMore.filled = lambda *_: shop.ledger_path.rename(aside)
    with OneEntryMore.open(shop.ledger_path) as ledger, pytest.raises(LedgerError) as refused:
        shop.enforcer(ledger=ledger).apply(strategy(CREATE_INDEX))
    assert (refused.value.code, "resume" in refused.value.next_step) == ("ledger.unwritable", True)
    assert shop.picture() != before
    aside.rename(shop.ledger_path)
    assert [each.is_done for each in resume(shop.dsn, shop.ledger_path, None).reconciled] == [True]
    assert (shop.picture(), shop.standing()) == (before, [])
    _require_all_recorded(shop)


def test_a_run_that_broke_off_before_its_first_change_is_closed_and_that_is_told(shop: Shop) -> None:
    with Ledger.open(shop.ledger_path) as ledger:
        body = database_body(shop.enforcer(ledger=ledger).look().server)
        ledger.append(Kind.RUN_STARTED, {"database": body}, run_id="r-broken")
    assert resume(shop.dsn, shop.ledger_path, None).notes == ("run r-broken had broken off, and is closed",)
    assert resume(shop.dsn, shop.ledger_path, None).notes == ()


@pytest.mark.parametrize("flaw", ["key.readable", "key.damaged"])
def test_with_a_key_that_cannot_be_used_no_change_is_made(shop: Shop, flaw: str) -> None:
    before, enforcer = shop.picture(), shop.enforcer()
    enforcer.ledger.set_key()
    key = shop.ledger_path.with_suffix(".key")
    if flaw == "key.readable":
        key.chmod(0o644)
    else:
        key.write_text("{}")
    with pytest.raises(KeyFileError) as refused:
        enforcer.apply(strategy(CREATE_INDEX))
    assert refused.value.code == flaw
    assert (shop.picture(), [entry.kind for entry in enforcer.ledger.entries()]) == (before, [Kind.LEDGER_KEY_SET])


def test_a_change_whose_key_fails_meanwhile_is_recorded_unsigned_and_taken_back_when_it_is_mended(shop: Shop) -> None:
    before = shop.picture()
    key = shop.ledger_path.with_suffix(".key")
    with Ledger.open(shop.ledger_path) as ledger:
        ledger.set_key()
    OneEntryMore.filled = lambda *_: key.chmod(0o644)
    with OneEntryMore.open(shop.ledger_path) as ledger:
        enforcer = shop.enforcer(ledger=ledger)
        [applied] = enforcer.apply(strategy(CREATE_INDEX))
        assert [entry.body["unsigned"] for entry in ledger.entries(Kind.APPLY_DONE)] == ["key.readable"]
        with pytest.raises(KeyFileError):
            enforcer.revert(applied)
        assert not list(ledger.entries(Kind.REVERT_INTENDED))
        assert not list(ledger.entries(Kind.REVERT_FAILED))
    key.chmod(0o600)
    with Ledger.open(shop.ledger_path) as ledger:
        shop.enforcer(ledger=ledger).revert(applied)
    assert shop.picture() == before
    _require_all_recorded(shop)


def test_a_ledger_that_lost_its_last_entry_makes_no_change(shop: Shop) -> None:
    with Ledger.open(shop.ledger_path) as ledger:
        for _ in range(3):
            ledger.append(Kind.RUN_STARTED, {})
    with closing(sqlite3.connect(shop.ledger_path, isolation_level=None)) as raw:
        for table in ("entries", "tree"):
            raw.execute(f"DROP TRIGGER {table}_stay")
            raw.execute(f"DELETE FROM {table} WHERE seq = 3")
    before = shop.picture()
    with pytest.raises(LedgerError) as refused:
        shop.enforcer().apply(strategy(CREATE_INDEX))
    assert refused.value.code == "ledger.truncated"
    assert shop.picture() == before


@pytest.mark.parametrize("is_signed", [False, True])
def test_killed_with_a_ledger_that_another_database_keeps(shop: Shop, victims: Victims, is_signed: bool) -> None:
    name = f"{shop.database} ledger"
    with closing(psycopg.connect(shop.server.dsn(), autocommit=True)) as admin:
        admin.execute(f'CREATE DATABASE "{name}"'.encode())
        try:
            name_server(shop.ledger_path, shop.server.dsn(name))
            if is_signed:
                with Ledger.open(shop.ledger_path) as ledger:
                    ledger.set_key()
            before = shop.picture()
            for moment in ("after apply_intended", "at statement 2", "before apply_done", "after apply_done"):
                victims.run_until_killed(shop, CREATE_INDEX, killed_at=moment)
                resume(shop.dsn, shop.ledger_path, None)
                assert (shop.picture(), shop.standing()) == (before, []), moment
                _require_all_recorded(shop)
            assert not shop.ledger_path.exists()
        finally:
            admin.execute(f'DROP DATABASE "{name}" WITH (FORCE)'.encode())
