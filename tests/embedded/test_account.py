from __future__ import annotations

import os
import pwd
from pathlib import Path

import pytest

from trimtab.embedded.account import Account, run_as, server_environment, serving_account
from trimtab.errors import EmbeddedError


def test_an_ordinary_user_runs_servers_as_itself() -> None:
    assert serving_account({"TRIMTAB_RUN_AS": "nobody"}, is_root=False) is None


def test_root_uses_the_account_that_is_named() -> None:
    name = next(entry.pw_name for entry in pwd.getpwall() if entry.pw_uid != 0)
    account = serving_account({"TRIMTAB_RUN_AS": name}, is_root=True)
    assert account is not None
    assert account.name == name


@pytest.mark.parametrize("name", ["root", "no-such-account"])
def test_root_refuses_root_and_unknown_accounts(name: str) -> None:
    with pytest.raises(EmbeddedError) as refused:
        serving_account({"TRIMTAB_RUN_AS": name}, is_root=True)
    assert refused.value.code == "embedded.no_account"
    assert name in str(refused.value)


def test_an_account_without_special_names_reaches_only_what_others_may(tmp_path: Path) -> None:
    stranger = Account("stranger", uid=os.geteuid() + 4711, gid=os.getegid() + 4711)
    closed = tmp_path / "closed"
    closed.mkdir(mode=0o700)
    (closed / "file").touch(mode=0o644)
    assert not stranger.reaches(closed / "file")
    assert not stranger.may(closed, 1)
    assert not stranger.may(closed / "absent", 4)
    assert Account("me", os.geteuid(), os.getegid()).may(closed, 7)


def test_a_servers_environment_holds_nothing_of_the_owners_but_what_it_needs() -> None:
    given = {"PATH": "/bin", "PGPASSWORD": "secret", "PGDATA": "/x", "AWS_SECRET": "y", "TZ": "UTC"}
    assert server_environment(given) == {"PATH": "/bin", "TZ": "UTC", "LC_ALL": "C"}


def test_a_program_that_does_not_exist_is_told(tmp_path: Path) -> None:
    with pytest.raises(EmbeddedError) as refused:
        run_as(None, [str(tmp_path / "absent")], directory=tmp_path)
    assert refused.value.code == "embedded.cannot_run"
