"""What the readers of the three formats have in common: lines of one file go in, whole entries come out.

What is no entry is counted by its reason, never raised.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import Protocol

from trimtab.observe.logs.entry import Entry
from trimtab.observe.logs.lines import Line


class Decoder(Protocol):
    """Reads one file. `complete` is the place up to which its entries were told."""

    left_out: Counter[str]
    complete: int

    def feed(self, line: Line) -> Iterator[Entry]:
        """Yield the entries that this line completes."""
        ...

    def end(self, tail: bytes = b"") -> Iterator[Entry]:
        """Yield what is whole, now that nothing follows but `tail`, a piece of a line."""
        ...
