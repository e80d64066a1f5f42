"""Shuts the enforcement point of this process for good: whatever else runs in it, it applies and reverts nothing.

A process that serves agents does so before it answers the first of them. There is no way to open it again, and other
processes are not concerned.
"""

from __future__ import annotations

from trimtab.errors import RefusedError

_shut_for: list[str] = []


def shut(why: str) -> None:
    """Shut it. `why` is for whoever is refused by it."""
    _shut_for.append(why)


def refuse_when_shut() -> None:
    """Raise RefusedError `apply.shut` in a process that may not change a source."""
    if _shut_for:
        raise RefusedError(
            f"nothing was changed: {_shut_for[0]}",
            code="apply.shut",
            next_step="A person applies what is approved: `trimtab apply`, on the command line.",
        )
