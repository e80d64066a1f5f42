"""Decides how a data directory is copied: sharing blocks where the file system can (reflink), in full elsewhere.

The copy is made by `cp` under the account that owns both sides, so that root never writes through a path which
that account controls. It never copies a running server: the caller has stopped it.
"""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

from trimtab.embedded.account import Account, run_as
from trimtab.embedded.failures import failed

_SHARING = ("-a", "--reflink=auto") if sys.platform == "linux" else ("-Rpc",)
_PLAIN = ("-Rp",)


def copy_contents(source: Path, target: Path, account: Account | None) -> None:
    """Copy everything in `source` into the existing, empty directory `target`, with owners, modes and times.

    Raises EmbeddedError `embedded.copy_failed` or `embedded.disk_full`; `target` may then hold a part.
    """
    cp = shutil.which("cp") or "/bin/cp"
    for options in (_SHARING, _PLAIN):
        # A second, plain attempt: not every `cp` knows the option, not every file system has the call.
        done = run_as(account, [cp, *options, f"{source}/.", f"{target}/"], directory=target.parent)
        if done.returncode == 0:
            return
        if "No space left" in done.stderr:
            break
    raise failed(
        f"the data directory {source} could not be copied",
        _first(done.stderr),
        code="embedded.copy_failed",
        next_step="Read the message of cp above; check permissions and free space.",
    )


def _first(messages: str) -> str:
    """Return the first message, of a full disk if any, and how many others there are."""
    lines = [line for line in messages.splitlines() if line.strip()]
    told = [line for line in lines if "No space left" in line][:1] or lines[:1]
    return "\n".join([*told, *([f"(and {len(lines) - 1} more messages)"] if len(lines) > 1 else [])])
