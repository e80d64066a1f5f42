"""The kill switch stops what it says, and whatever cannot be understood stops everything."""

from __future__ import annotations

from pathlib import Path

import pytest

from trimtab.apply.switch import DIRECTORY, Freeze, KillSwitch
from trimtab.errors import ConfigError, HeldError

EVERYTHING = Freeze(None, "incident", "ann", 1)
SHOP = Freeze("shop", "", "bob", 2, allows_reverts=True)


def stopped(switch: KillSwitch, database: str) -> tuple[bool, bool]:
    """Whether changes, and reverts, are stopped."""
    found = (switch.stopping(database, is_revert=is_revert) for is_revert in (False, True))
    changes, reverts = (freeze is not None for freeze in found)
    return changes, reverts


def test_without_a_freeze_nothing_is_stopped(tmp_path: Path) -> None:
    assert stopped(KillSwitch(tmp_path), "shop") == (False, False)


def test_a_freeze_of_everything_stops_every_database_and_its_reverts(tmp_path: Path) -> None:
    KillSwitch(tmp_path).freeze(EVERYTHING)
    assert stopped(KillSwitch(tmp_path), "shop") == stopped(KillSwitch(tmp_path), "other") == (True, True)
    with pytest.raises(HeldError, match="everything is frozen, by ann: incident") as refused:
        KillSwitch(tmp_path).refuse("shop", is_revert=True)
    assert refused.value.code == "apply.frozen"


def test_a_freeze_of_one_database_stops_no_other_and_may_let_reverts_pass(tmp_path: Path) -> None:
    switch = KillSwitch(tmp_path)
    switch.freeze(SHOP)
    assert (stopped(switch, "shop"), stopped(switch, "other")) == ((True, False), (False, False))
    switch.freeze(EVERYTHING)
    assert stopped(switch, "shop") == (True, True)


def test_each_freeze_is_ended_alone_and_all_of_them_at_once(tmp_path: Path) -> None:
    switch = KillSwitch(tmp_path)
    for freeze in (SHOP, EVERYTHING):
        switch.freeze(freeze)
    assert switch.frozen() == (EVERYTHING, SHOP)
    assert switch.thaw("shop") == (SHOP,)
    assert switch.frozen() == (EVERYTHING,)
    assert switch.thaw("shop") == ()
    switch.freeze(SHOP)
    assert set(switch.thaw(None, all_of_them=True)) == {SHOP, EVERYTHING}
    assert switch.frozen() == ()


@pytest.mark.parametrize(
    "text",
    [b"", b"{", b"[]", b'{"format": "trimtab.freeze/v2"}', b"\xff", b"x" * 100_000, b'{"format": "trimtab.freeze/v1"}'],
)
def test_a_file_that_cannot_be_understood_freezes_everything(tmp_path: Path, text: bytes) -> None:
    (tmp_path / DIRECTORY).mkdir()
    (tmp_path / DIRECTORY / "everything.json").write_bytes(text)
    assert stopped(KillSwitch(tmp_path), "shop") == (True, True)


def test_a_freeze_that_was_given_the_name_of_another_database_freezes_everything(tmp_path: Path) -> None:
    switch = KillSwitch(tmp_path)
    switch.freeze(SHOP)
    (path,) = (tmp_path / DIRECTORY).iterdir()
    path.rename(path.with_name("database-0.json"))
    assert stopped(switch, "other") == (True, True)


def test_a_directory_that_is_none_freezes_everything_and_a_freeze_that_cannot_be_written_says_so(
    tmp_path: Path,
) -> None:
    (tmp_path / DIRECTORY).write_text("")
    assert stopped(KillSwitch(tmp_path), "shop") == (True, True)
    with pytest.raises(ConfigError) as refused:
        KillSwitch(tmp_path).freeze(SHOP)
    assert refused.value.code == "state.unusable"
