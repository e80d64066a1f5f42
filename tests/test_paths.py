"""Claims about where the state lives."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from trimtab.errors import ConfigError
from trimtab.paths import ledger_path, state_directory


def test_the_environment_wins_over_the_configuration_over_xdg_over_home(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    xdg = {"XDG_STATE_HOME": str(tmp_path / "xdg")}
    named = xdg | {"TRIMTAB_STATE": str(tmp_path / "named")}
    configured = tmp_path / "configured"
    assert state_directory(configured, named) == tmp_path / "named"
    assert state_directory(configured, xdg) == configured
    assert state_directory(None, xdg) == tmp_path / "xdg" / "trimtab"
    assert state_directory(None, {}) == tmp_path / "home" / ".local" / "state" / "trimtab"
    assert state_directory(None, {"XDG_STATE_HOME": "relative"}) == tmp_path / "home/.local/state/trimtab"
    assert state_directory(Path("~/mine"), {}) == tmp_path / "home" / "mine"


def test_the_directory_is_made_for_its_owner_alone_and_kept_as_it_is_afterwards(tmp_path: Path) -> None:
    path = tmp_path / "a" / "b"
    environ = {"TRIMTAB_STATE": str(path)}
    assert ledger_path(environ=environ) == path / "ledger.db"
    assert stat.S_IMODE(path.stat().st_mode) == 0o700
    path.chmod(0o750)
    assert state_directory(environ=environ) == path
    assert stat.S_IMODE(path.stat().st_mode) == 0o750


def test_a_place_that_cannot_be_used_is_named(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_text("")
    for place in (file, file / "below"):
        with pytest.raises(ConfigError) as refused:
            state_directory(place, {})
        assert refused.value.code == "state.unusable"
        assert str(place) in str(refused.value)
        assert refused.value.next_step


def test_a_directory_that_every_user_may_write_is_refused(tmp_path: Path) -> None:
    shared = tmp_path / "shared"
    shared.mkdir()
    shared.chmod(0o1777)
    with pytest.raises(ConfigError) as refused:
        state_directory(shared, {})
    assert refused.value.code == "state.shared"


def test_a_directory_of_another_user_is_refused(tmp_path: Path) -> None:
    if os.geteuid() != 0:
        pytest.skip("only root can become another user")
    theirs = tmp_path / "theirs"
    theirs.mkdir(0o755)
    os.seteuid(65534)
    try:
        with pytest.raises(ConfigError) as refused:
            state_directory(theirs, {})
    finally:
        os.seteuid(0)
    assert refused.value.code == "state.unusable"


def test_a_user_without_a_home_is_told_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Path, "expanduser", _homeless)
    with pytest.raises(ConfigError) as refused:
        state_directory(None, {})
    assert refused.value.code == "state.no_home"


def _homeless(self: Path) -> Path:
    raise RuntimeError("Could not determine home directory.")
