from __future__ import annotations

import os
import stat
import tempfile
from pathlib import Path

import pytest

from trimtab.embedded.account import Account
from trimtab.embedded.places import SOCKET_NAME, cache_root, run_root
from trimtab.errors import EmbeddedError


def _temporary(monkeypatch: pytest.MonkeyPatch, path: Path) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(path))


def test_the_run_directory_is_this_users_alone(run_directory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _temporary(monkeypatch, run_directory)
    root = run_root(None, {})
    assert root == run_directory / f"trimtab-{os.geteuid()}"
    assert stat.S_IMODE(root.stat().st_mode) == 0o700
    assert run_root(None, {}) == root


def test_the_serving_account_may_pass_through_but_not_list(
    run_directory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _temporary(monkeypatch, run_directory)
    stranger = Account("stranger", os.geteuid() + 4711, os.getegid() + 4711)
    assert stat.S_IMODE(run_root(stranger, {}).stat().st_mode) == 0o711


def test_a_planted_link_is_refused(run_directory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _temporary(monkeypatch, run_directory)
    (run_directory / "elsewhere").mkdir()
    (run_directory / f"trimtab-{os.geteuid()}").symlink_to(run_directory / "elsewhere")
    with pytest.raises(EmbeddedError) as refused:
        run_root(None, {})
    assert refused.value.code == "embedded.unsafe_directory"
    assert list((run_directory / "elsewhere").iterdir()) == []


def test_a_home_that_is_not_known_is_refused() -> None:
    for place, variable in ((run_root, "TRIMTAB_RUN_DIR"), (cache_root, "TRIMTAB_CACHE")):
        with pytest.raises(EmbeddedError) as refused:
            place(None, {variable: "~nobody_at_all/x"})
        assert refused.value.code == "embedded.unsafe_directory"


def test_a_directory_that_others_can_write_is_refused(run_directory: Path) -> None:
    (run_directory / "open").mkdir()
    (run_directory / "open").chmod(0o777)
    with pytest.raises(EmbeddedError) as refused:
        run_root(None, {"TRIMTAB_RUN_DIR": str(run_directory / "open")})
    assert refused.value.code == "embedded.unsafe_directory"


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a directory away")
def test_a_directory_of_somebody_else_is_refused(run_directory: Path) -> None:
    (run_directory / "theirs").mkdir()
    os.chown(run_directory / "theirs", 4711, 4711)
    with pytest.raises(EmbeddedError) as refused:
        run_root(None, {"TRIMTAB_RUN_DIR": str(run_directory / "theirs")})
    assert refused.value.code == "embedded.unsafe_directory"
    assert "4711" in str(refused.value)


def test_a_path_too_long_for_a_socket_is_refused_by_name(run_directory: Path) -> None:
    with pytest.raises(EmbeddedError) as refused:
        run_root(None, {"TRIMTAB_RUN_DIR": str(run_directory / ("x" * 90))})
    assert refused.value.code == "embedded.path_too_long"


def test_a_long_temporary_directory_gives_way_to_a_short_one(
    run_directory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    long = run_directory / ("x" * 90)
    long.mkdir()
    _temporary(monkeypatch, long)
    root = run_root(None, {})
    assert long not in root.parents
    assert len(os.fsencode(root / "01234567" / "s" / SOCKET_NAME)) <= 103


def test_a_place_that_the_account_cannot_reach_is_refused(run_directory: Path) -> None:
    stranger = Account("stranger", os.geteuid() + 4711, os.getegid() + 4711)
    (run_directory / "closed").mkdir(mode=0o700)
    with pytest.raises(EmbeddedError) as refused:
        run_root(stranger, {"TRIMTAB_RUN_DIR": str(run_directory / "closed" / "run")})
    assert refused.value.code == "embedded.directory_unreachable"


def test_the_cache_is_where_the_environment_says(run_directory: Path) -> None:
    named = {"TRIMTAB_CACHE": str(run_directory / "named"), "XDG_CACHE_HOME": str(run_directory / "xdg")}
    assert cache_root(None, named) == run_directory / "named"
    del named["TRIMTAB_CACHE"]
    assert cache_root(None, named) == run_directory / "xdg" / "trimtab"
    assert cache_root(None, {"HOME": str(run_directory)}) == run_directory / ".cache" / "trimtab"


def test_a_home_that_cannot_hold_a_cache_is_passed_over(run_directory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _temporary(monkeypatch, run_directory)
    assert cache_root(None, {"HOME": "/nonexistent"}) == run_directory / f"trimtab-cache-{os.geteuid()}"


def test_a_home_closed_to_the_account_is_passed_over(run_directory: Path) -> None:
    stranger = Account("stranger", os.geteuid() + 4711, os.getegid() + 4711)
    home = run_directory / "home"
    home.mkdir(mode=0o700)
    open_place = run_directory / "xdg"
    assert cache_root(stranger, {"HOME": str(home), "XDG_CACHE_HOME": str(open_place)}) == open_place / "trimtab"
    assert list(home.iterdir()) == []
