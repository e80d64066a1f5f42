"""How a run tells its progress: a protocol that faces implement, and one that keeps silent."""

from __future__ import annotations

from typing import Protocol

from trimtab.model.report import Life


class Watcher(Protocol):
    """Is told what happens, as it happens. Must not raise."""

    def stage(self, name: str, note: str) -> None:
        """A stage has begun (empty note) or ended (what it found, with its counts)."""
        ...

    def progress(self, what: str, done: int, total: int) -> None:
        """A long piece of work is at `done` of `total`; total 0 means that the end is not known."""
        ...

    def strategy(self, life: Life) -> None:
        """A strategy has come further, or to its end."""
        ...


class Silent:
    """A Watcher that says nothing."""

    def stage(self, name: str, note: str) -> None:
        """Say nothing."""

    def progress(self, what: str, done: int, total: int) -> None:
        """Say nothing."""

    def strategy(self, life: Life) -> None:
        """Say nothing."""
