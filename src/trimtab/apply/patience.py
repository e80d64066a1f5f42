"""How long a change may wait and how often it is tried. Pure numbers, taken from the specification's `locks`."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from trimtab.spec.limits import Locks


@dataclass(frozen=True, slots=True)
class Patience:
    """Timeouts are milliseconds; the pause before the second try is doubled each time."""

    lock_timeout_ms: int
    build_timeout_ms: int
    attempts: int
    pause_seconds: float

    @classmethod
    def of(cls, limits: Locks) -> Patience:
        """Return the patience that the specification allows."""
        return cls(limits.lock_timeout_ms, limits.build_timeout_ms, limits.attempts, limits.pause_seconds)

    def pauses(self, tries: int | None = None) -> Iterator[float | None]:
        """Yield, for each try, the seconds to pause after it; None after the last. `tries` replaces `attempts`."""
        for number in range((tries or self.attempts) - 1):
            yield self.pause_seconds * 2**number
        yield None
