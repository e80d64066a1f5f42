"""Decides which operating-system account PostgreSQL runs under, and what that account can reach.

PostgreSQL refuses to run as root, so root hands its servers to an unprivileged account; everybody else runs them
as themselves. It never creates an account and never changes the permissions of anything.
"""

from __future__ import annotations

import os
import pwd
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from trimtab.embedded.interrupts import interrupts_deferred
from trimtab.errors import EmbeddedError

_INHERITED = ("PATH", "TZ", "LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH")
_ACCOUNTS = ("postgres", "nobody")


@dataclass(frozen=True, slots=True)
class Account:
    """An unprivileged account that root runs PostgreSQL under."""

    name: str
    uid: int
    gid: int

    def may(self, path: Path, bits: int) -> bool:
        """Tell whether the mode of `path` grants all of `bits` (4 read, 2 write, 1 execute) to the account."""
        try:
            status = path.stat()
        except OSError:
            return False
        shift = 6 if status.st_uid == self.uid else 3 if status.st_gid == self.gid else 0
        return (status.st_mode >> shift) & bits == bits

    def reaches(self, path: Path) -> bool:
        """Tell whether the account may traverse every directory above `path`."""
        return all(self.may(directory, 1) for directory in path.resolve().parents)


def serving_account(environ: Mapping[str, str] = os.environ, *, is_root: bool | None = None) -> Account | None:
    """Return the account that servers run under, or None to run them as the current user.

    As root it is TRIMTAB_RUN_AS, else `postgres`, else `nobody`; initdb needs an entry in the password database.
    Raises EmbeddedError `embedded.no_account` when there is none or it is root itself.
    """
    if not (os.geteuid() == 0 if is_root is None else is_root):
        return None
    asked = environ.get("TRIMTAB_RUN_AS", "")
    for name in (asked,) if asked else _ACCOUNTS:
        try:
            entry = pwd.getpwnam(name)
        except KeyError:
            continue
        if entry.pw_uid != 0:
            return Account(entry.pw_name, entry.pw_uid, entry.pw_gid)
    found = f"TRIMTAB_RUN_AS={asked}" if asked else f"none of {', '.join(_ACCOUNTS)}"
    raise EmbeddedError(
        f"PostgreSQL refuses to run as root and there is no other account for it: found {found}",
        code="embedded.no_account",
        next_step="Set TRIMTAB_RUN_AS to an existing account that is not root, or run as an ordinary user.",
    )


def server_environment(environ: Mapping[str, str] = os.environ) -> dict[str, str]:
    """Return the environment of a server: no PG* variable redirects it, no secret of the owner's reaches it."""
    return {name: environ[name] for name in _INHERITED if name in environ} | {"LC_ALL": "C"}


def run_as(account: Account | None, command: Sequence[str], *, directory: Path) -> subprocess.CompletedProcess[str]:
    """Run a short program to its end as the account, in `directory`, and return its status and texts.

    It has its own session: a Ctrl-C in the terminal reaches the owner only, which then ends the program.
    """
    try:
        with interrupts_deferred():
            process = subprocess.Popen(
                command,
                cwd=directory,
                env=server_environment(),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                encoding="utf-8",
                errors="replace",
                start_new_session=True,
                umask=0o077,
                user=account.uid if account else None,
                group=account.gid if account else None,
                extra_groups=[] if account else None,
            )
    except (OSError, subprocess.SubprocessError) as error:
        raise cannot_run(command[0], account, error) from error
    with process:
        try:
            output, messages = process.communicate()
        except BaseException:
            process.kill()
            raise
    return subprocess.CompletedProcess(command, process.returncode, output, messages)


def cannot_run(program: str, account: Account | None, error: Exception) -> EmbeddedError:
    """Return the error that says that a program could not even be started."""
    who = f"account {account.name}" if account else "this user"
    return EmbeddedError(
        f"{program} could not be started by {who}: {error}",
        code="embedded.cannot_run",
        next_step="Check that the program is executable there and that this process may change its user.",
    )
