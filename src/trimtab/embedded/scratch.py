"""A directory for what must not outlive the work that it is for: this user's alone, gone at the end of it.

It lies where servers do and has an owner file as theirs have, so that the next start finds what a killed owner left.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from trimtab.embedded.account import serving_account
from trimtab.embedded.interrupts import interrupts_deferred
from trimtab.embedded.places import run_root
from trimtab.embedded.residence import Residence
from trimtab.embedded.sweep import sweep


@contextmanager
def scratch_directory() -> Iterator[Path]:
    """Yield an empty directory that nobody else may enter; leftovers of dead owners are removed first.

    Raises EmbeddedError as `run_root` does, and `embedded.not_removed` when something stays at the end.
    """
    root = run_root(serving_account())
    sweep(root)
    residence: Residence | None = None
    try:
        with interrupts_deferred():
            residence = Residence.claim(root)
        residence.directory.mkdir(mode=0o700)
        yield residence.directory
    finally:
        if residence is not None:
            with interrupts_deferred():
                residence.remove()
