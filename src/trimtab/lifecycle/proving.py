"""Proofs that an entry is in the ledger, for who only looks: nothing is signed for them, and nothing is appended.

What covers the entry is the last checkpoint that was signed; where none does, the proof is against the tree as it is
now, and says that nobody has signed it.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

from trimtab.ledger.export import entry_document
from trimtab.ledger.faults import unknown_entry
from trimtab.ledger.ledger import Ledger
from trimtab.ledger.proof import proof_document


@dataclass(frozen=True, slots=True)
class Inclusion:
    """That entry `seq` is among the first `size`, whose Merkle root is `root`; `hashes` lead there from the entry.

    `document` is the proof as `trimtab ledger verify` takes it, None where no signed checkpoint covers the entry.
    """

    seq: int
    size: int
    root: str
    hashes: tuple[str, ...]
    document: str | None

    @property
    def is_signed(self) -> bool:
        """True where a signed checkpoint covers it."""
        return self.document is not None


def inclusion(ledger_path: Path, seq: int) -> Inclusion:
    """Return the proof of an entry. Raises UsageError `ledger.unknown`, LedgerError."""
    with Ledger.open(ledger_path) as ledger:
        last, row = ledger.last(), ledger.row(seq)
        if last is None or row is None:
            raise unknown_entry(seq, 0 if last is None else last.seq)
        signed = ledger.last_checkpoint()
        if signed is None or signed.size < seq:
            hashes = ledger.inclusion(seq, last.seq)
            return Inclusion(seq, last.seq, ledger.root(last.seq).hex(), tuple(h.hex() for h in hashes), None)
        hashes = ledger.inclusion(seq, signed.size)
        document = json.dumps(proof_document(signed, inclusion=(entry_document(row), hashes)), indent=2)
        return Inclusion(seq, signed.size, signed.root.hex(), tuple(h.hex() for h in hashes), document)
