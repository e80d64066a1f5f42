"""Holds a server's name against a second collector of this machine, which would count all of it twice.

By a lock that the kernel releases when its holder dies.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from trimtab.embedded.file_lock import try_lock
from trimtab.errors import BusyError

DIRECTORY = "collect"


@contextmanager
def held_for(ledger_path: Path, name: str) -> Iterator[None]:
    """Hold a server's name while the block runs. Raises BusyError `collect.busy`."""
    directory = ledger_path.parent / DIRECTORY
    directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    path = directory / f"{hashlib.sha256(name.encode('utf-8', 'surrogatepass')).hexdigest()[:16]}.lock"
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    try:
        if not try_lock(descriptor):
            raise BusyError(
                f"collecting was refused: another process collects from {name} already",
                code="collect.busy",
                next_step="End it first, or name other databases with --databases.",
            )
        yield
    finally:
        os.close(descriptor)
