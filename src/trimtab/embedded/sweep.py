"""Decides which servers and scratch files have lost their owner, and removes them: processes, then the directory.

An owner holds a lock on its owner file as long as it lives; the kernel releases it however the owner ends. So what
can be locked here belongs to a dead owner, and nothing that a living one holds is ever touched.
"""

from __future__ import annotations

import os
import shutil
from contextlib import suppress
from pathlib import Path

from trimtab.embedded.account import serving_account
from trimtab.embedded.file_lock import is_still_at, try_lock
from trimtab.embedded.places import run_root
from trimtab.embedded.processes import end_processes

OWNER_SUFFIX = ".owner"


def sweep(root: Path | None = None) -> tuple[Path, ...]:
    """Remove what dead owners left under `root` (by default: where this user's servers live); return what it was.

    Directories without an owner file are not ours and stay. One that cannot be removed is left for the next sweep.
    """
    if root is None:
        root = run_root(serving_account())
    swept = []
    for owner in sorted(root.glob(f"*{OWNER_SUFFIX}")):
        with suppress(OSError):
            if _sweep_one(owner):
                swept.append(owner.with_suffix(""))
    return tuple(swept)


def remove_directory(directory: Path, owner: Path) -> None:
    """End the processes of a directory of ours, remove it, and its owner file last.

    The order matters: whatever is cut short here still has an owner file, by which the next sweep finds it.
    Raises OSError when something cannot be removed.
    """
    end_processes(directory)
    with suppress(FileNotFoundError):
        shutil.rmtree(directory)
    owner.unlink(missing_ok=True)


def _sweep_one(owner: Path) -> bool:
    try:
        descriptor = os.open(owner, os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW)
    except FileNotFoundError:  # Its owner has just finished.
        return False
    try:
        if not try_lock(descriptor) or not is_still_at(descriptor, owner):
            return False
        remove_directory(owner.with_suffix(""), owner)
        return True
    finally:
        os.close(descriptor)
