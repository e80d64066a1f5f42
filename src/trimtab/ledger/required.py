"""What must still be so of the ledger when an entry is written to it: judged where no other writer can come between."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from trimtab.ledger.entry import Entry


@dataclass(frozen=True, slots=True)
class Required:
    """A condition on an append. `judge` is given the entries after number `after`, in order, and raises to refuse.

    It is called within the writing transaction, under the writer's lock: between its judgement and the entry nothing is
    written, by no other program and on no other machine. It must ask nothing but what it is given, and be quick.
    """

    judge: Callable[[Iterator[Entry]], None]
    after: int = 0
