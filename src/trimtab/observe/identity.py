"""Gives queries their ids: "q" and the first ten digits of the fingerprint, with a suffix for further literals.

The order of appearance decides about the suffix, and nothing else does: the same workload has the same ids.
"""

from __future__ import annotations

from collections import Counter

_DIGITS = 10


class QueryIds:
    """Hands out ids for one workload."""

    def __init__(self) -> None:
        self._given: Counter[str] = Counter()

    def next_for(self, fingerprint: str) -> str:
        """Return "q0123456789", then "q0123456789-2", "q0123456789-3" for further texts of the same fingerprint."""
        base = f"q{fingerprint[:_DIGITS]}"
        self._given[base] += 1
        number = self._given[base]
        return base if number == 1 else f"{base}-{number}"
