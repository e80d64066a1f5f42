"""Decides what happens to servers that are still alive when the process ends: they are destroyed.

A safety net below the context managers, for a process that ends in order. It never acts in a forked child: the
servers are its parent's.
"""

from __future__ import annotations

import atexit
import os
import signal
import threading
from contextlib import suppress
from typing import Protocol

from trimtab.embedded.interrupts import disregard
from trimtab.errors import EmbeddedError


class Destroyable(Protocol):
    """Something that must not outlive the process."""

    def destroy(self) -> None:
        """Remove it; doing so again does nothing."""


_living: dict[int, tuple[int, Destroyable]] = {}


def remember(item: Destroyable) -> None:
    """Have `item` destroyed at the end of this process, unless it is forgotten before."""
    _living[id(item)] = (os.getpid(), item)


def forget(item: Destroyable) -> None:
    """Leave `item` alone at the end: it is gone."""
    _living.pop(id(item), None)


def destroy_all() -> None:
    """Destroy everything that this process still has; one failure does not spare the others."""
    for pid, item in list(_living.values()):
        if pid == os.getpid():
            # What fails here is left to the next start's sweep; the process is ending and nobody can act on it.
            with suppress(EmbeddedError, OSError):
                item.destroy()


def _at_exit() -> None:
    if not any(pid == os.getpid() for pid, _ in _living.values()):
        return
    if threading.current_thread() is threading.main_thread():
        # An impatient second Ctrl-C must not cut short what removes the servers.
        disregard((signal.SIGINT, signal.SIGTERM))
    destroy_all()


atexit.register(_at_exit)
