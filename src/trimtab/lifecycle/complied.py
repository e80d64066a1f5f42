"""The share of applied changes that a second look finds compliant, for faces that ask again and again.

What is judged anew, and by what, is `second_look.py`'s; here are the specifications that it has at hand, how many
changes are looked at, and that nothing is judged again while the ledger has not grown. It changes nothing.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from trimtab.errors import TrimtabError
from trimtab.ledger.entry import Entry, Kind
from trimtab.lifecycle.governing import governing
from trimtab.lifecycle.ledger_view import LedgerView
from trimtab.lifecycle.second_look import second_look
from trimtab.spec.specification import Specification

MOST = 5_000
"""So many applied changes, the newest, are judged again for a face."""


@dataclass(frozen=True, slots=True)
class Complied:
    """Of so many `looked` at, the newest, `compliant` broke no rule; of `whole` the specification was at hand too."""

    looked: int
    compliant: int
    whole: int

    @property
    def share(self) -> float | None:
        """The share of those looked at that are compliant, None where nothing was applied."""
        return self.compliant / self.looked if self.looked else None


@dataclass
class SecondLooks:
    """Judges again what a ledger says was applied. Safe to use from several threads.

    `spec` is the configured specification, which is at hand beside those that the ledger's runs name.
    """

    ledger_path: Path
    spec: str | Path | None = None
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _head: str = ""
    _found: Complied | None = None

    def of(self, view: LedgerView) -> Complied:
        """Return what a second look at the ledger finds. Raises LedgerError `ledger.layout`."""
        with self._lock:
            if self._found is None or self._head != view.head:
                specifications = at_hand(view.entries, self.ledger_path, self.spec)
                looks = second_look(view.entries, specifications, limit=MOST)
                good, whole = sum(look.is_compliant for look in looks), sum(look.is_whole for look in looks)
                self._head, self._found = view.head, Complied(len(looks), good, whole)
            return self._found


def at_hand(entries: Sequence[Entry], ledger_path: Path, spec: str | Path | None) -> dict[str, Specification]:
    """Return the specifications that the ledger's runs name, and the configured one, by their digest.

    One that is not here any more, or not as it was, is left out: what it ruled is then not judged anew.
    """
    named = {str(entry.body.get("spec_id")) for entry in entries if entry.kind is Kind.RUN_STARTED}
    found = {}
    for reference in (spec, *sorted(named)):
        try:
            specification = governing(reference, ledger_path)
        except TrimtabError:
            continue
        found[specification.digest] = specification
    return found
