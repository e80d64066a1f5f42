"""Decides when a PostgreSQL server counts as up and as down, and what is done about one that is neither.

The server is a direct child with its own session: a Ctrl-C in the terminal reaches its owner first, which then stops
it in order. It never makes or removes files, except through the server it runs.
"""

from __future__ import annotations

import os
import signal
import subprocess
import time
from contextlib import suppress
from pathlib import Path

from trimtab.embedded.account import Account, cannot_run, server_environment
from trimtab.embedded.binaries import Binaries
from trimtab.embedded.failures import failed, text_since
from trimtab.embedded.residence import Residence

_START_SECONDS = 120.0
_POLL_SECONDS = 0.005
_FAST = ((signal.SIGINT, 60.0), (signal.SIGQUIT, 15.0), (signal.SIGKILL, 15.0))
_IMMEDIATE = _FAST[1:]
_STATUS_LINE = 7


def launch(binaries: Binaries, residence: Residence, account: Account | None) -> subprocess.Popen[bytes]:
    """Start the server of `residence` as a child, without waiting. Raises EmbeddedError `embedded.cannot_run`."""
    program = str(binaries.program("postgres"))
    command = [program, "-D", str(residence.data_directory), "-c", f"config_file={residence.configuration_file}"]
    try:
        with open(residence.log_file, "ab", opener=_privately) as log:
            return subprocess.Popen(
                command,
                # From its first moment the sweep can tell by this whose process it is.
                cwd=residence.data_directory,
                env=server_environment(),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                umask=0o077,
                user=account.uid if account else None,
                group=account.gid if account else None,
                extra_groups=[] if account else None,
            )
    except (OSError, subprocess.SubprocessError) as error:
        raise cannot_run(program, account, error) from error


def wait_ready(process: subprocess.Popen[bytes], residence: Residence, log_offset: int) -> None:
    """Wait until the server takes connections.

    Raises EmbeddedError `embedded.start_failed` (or `embedded.disk_full`) with the last lines that it logged since
    `log_offset` when it ended instead, or is still not up after two minutes.
    """
    deadline = time.monotonic() + _START_SECONDS
    while not _is_ready(residence.data_directory, process.pid):
        if process.poll() is not None:
            what = f"the embedded server ended with status {process.returncode} while starting"
        elif time.monotonic() > deadline:
            what = f"the embedded server did not take connections within {_START_SECONDS:.0f} seconds"
        else:
            time.sleep(_POLL_SECONDS)
            continue
        raise failed(
            what,
            text_since(residence.log_file, log_offset),
            code="embedded.start_failed",
            next_step="Correct what the server's log says above, most often a setting, memory or permissions.",
        )


def shut_down(process: subprocess.Popen[bytes], *, immediately: bool) -> None:
    """End the server and wait for it: in order (a checkpoint, data kept), or at once when it is thrown away anyway."""
    for number, patience_seconds in _IMMEDIATE if immediately else _FAST:
        if process.poll() is not None:
            return
        process.send_signal(number)
        with suppress(subprocess.TimeoutExpired):
            process.wait(patience_seconds)


def _privately(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)


def _is_ready(data_directory: Path, pid: int) -> bool:
    try:
        lines = (data_directory / "postmaster.pid").read_text().splitlines()
    except OSError:
        return False
    return len(lines) > _STATUS_LINE and lines[0] == str(pid) and lines[_STATUS_LINE].strip() == "ready"
