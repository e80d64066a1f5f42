"""Who is calling: whose share of the limits a call takes, and what the ledger calls it. Over stdio there is one."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Caller:
    """A client: `key` tells it from others; `agent` is the name that its token gives it, "" where it gives none."""

    key: str = ""
    agent: str = ""


_NOBODY = Caller()
_CALLER: ContextVar[Caller] = ContextVar("caller", default=_NOBODY)


def caller() -> Caller:
    """Return who is calling."""
    return _CALLER.get()


@contextmanager
def calling(who: Caller) -> Iterator[None]:
    """Have it be `who`, in what is done meanwhile."""
    before = _CALLER.set(who)
    try:
        yield
    finally:
        _CALLER.reset(before)
