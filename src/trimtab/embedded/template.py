"""Decides which freshly initialised data directory a new server starts from, and makes it once per installation.

initdb takes most of a second; copying its result takes a tenth. Two processes may ask at once: one makes it, the
other waits. It never changes a finished template.
"""

from __future__ import annotations

import hashlib
import os
import secrets
import shutil
from pathlib import Path

from trimtab.embedded.account import Account, run_as
from trimtab.embedded.binaries import Binaries
from trimtab.embedded.failures import failed
from trimtab.embedded.file_lock import exclusive
from trimtab.embedded.places import cache_root
from trimtab.embedded.processes import end_processes

SUPERUSER = "trimtab"
_UNFINISHED = ".new-"


def template_directory(binaries: Binaries, account: Account | None) -> Path:
    """Return the template's data directory, made now if this installation has none yet.

    Raises EmbeddedError `embedded.initdb_failed` or `embedded.disk_full`, and leaves nothing behind then.
    """
    root = cache_root(account) / "templates"
    finished = root / _key(binaries, account)
    if not (finished / "data").is_dir():
        root.mkdir(mode=0o711, exist_ok=True)
        with exclusive(root / "lock"):
            if not (finished / "data").is_dir():
                _make(binaries, account, root, finished)
    return finished / "data"


def initdb_arguments(version: tuple[int, int]) -> tuple[str, ...]:
    """Return the options of initdb for a server of this version: nothing durable, nothing of the locale."""
    arguments = [
        f"--username={SUPERUSER}",
        # No password: the only way in is a socket in a directory that no other user can enter.
        "--auth=trust",
        "--encoding=UTF8",
        "--locale=C",  # There on every system, unlike any other; and the same order everywhere.
        "--no-sync",
    ]
    if version >= (17, 0):  # Knows the letters beyond ASCII, without asking the system.
        arguments += ["--locale-provider=builtin", "--builtin-locale=C.UTF-8"]
    if version >= (18, 0):  # Off by default before, and the option did not exist.
        arguments.append("--no-data-checksums")
    return tuple(arguments)


def copy_strategy(major: int) -> str:
    """Return the option of CREATE DATABASE that copies files as they are: three times faster on a new server.

    The default copies blocks through the log. Before 15 there was no other way and no such option.
    """
    return "STRATEGY file_copy" if major >= 15 else ""


def _key(binaries: Binaries, account: Account | None) -> str:
    status = binaries.program("postgres").stat()
    identity = (
        str(binaries.directory),
        status.st_size,
        status.st_mtime_ns,
        account.uid if account else os.geteuid(),
        initdb_arguments(binaries.version),
    )
    digest = hashlib.sha256(repr(identity).encode()).hexdigest()[:16]
    return f"{binaries.version[0]}.{binaries.version[1]}-{digest}"


def _make(binaries: Binaries, account: Account | None, root: Path, finished: Path) -> None:
    for abandoned in root.glob(f"{_UNFINISHED}*"):  # We hold the lock: whoever was making these is dead.
        end_processes(abandoned)
        shutil.rmtree(abandoned, ignore_errors=True)
    unfinished = root / f"{_UNFINISHED}{secrets.token_hex(4)}"
    unfinished.mkdir(mode=0o711)
    try:
        unfinished.chmod(0o711)  # mkdir's mode is cut by the umask; the account must pass through.
        data = unfinished / "data"
        data.mkdir(mode=0o700)
        if account is not None:
            os.chown(data, account.uid, account.gid)
        command = [str(binaries.program("initdb")), f"--pgdata={data}", *initdb_arguments(binaries.version)]
        done = run_as(account, command, directory=unfinished)
        if done.returncode != 0:
            raise failed(
                f"initdb of {binaries.directory} could not make a new database cluster",
                done.stdout + done.stderr,
                code="embedded.initdb_failed",
                next_step="Read initdb's message above; another installation can be named with --pg-bin DIR.",
            )
        unfinished.rename(finished)
    except BaseException:
        end_processes(unfinished)
        shutil.rmtree(unfinished, ignore_errors=True)
        raise
