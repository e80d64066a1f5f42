"""The ledger as the other rooms see it: append, read, verify. It decides what follows what, never rewrites.

`append` returns when the entry is on disk. `verify` finds every edit, removal and swap inside the chain; that its tail
was cut off, a lone chain cannot show: whoever needs that keeps `head` somewhere else and compares.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from types import TracebackType

from trimtab.errors import LedgerError
from trimtab.ledger.chain import BrokenRowError, Row, Verification, check, read_entry
from trimtab.ledger.entry import GENESIS, Entry, Kind, canonical_body, entry_hash, parse_body
from trimtab.ledger.faults import corrupt
from trimtab.ledger.redaction import refuse_secrets
from trimtab.ledger.store import Store


class Ledger:
    """An open ledger. Close it, or use it as a context manager."""

    def __init__(self, store: Store, clock: Callable[[], int]) -> None:
        self._store = store
        self._clock = clock

    @classmethod
    def open(cls, path: Path, *, clock: Callable[[], int] = time.time_ns) -> Ledger:
        """Open the ledger at `path`, or create it, readable by its owner alone. `clock` gives UTC nanoseconds.

        Raises LedgerError: `ledger.corrupt` when the file is no ledger, `ledger.newer` when a later version wrote it,
        `ledger.unwritable`, `ledger.busy`.
        """
        return cls(Store.open(path), clock)

    def __enter__(self) -> Ledger:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the file."""
        self._store.close()

    @property
    def path(self) -> Path:
        """Where the file is."""
        return self._store.path

    @property
    def head(self) -> str:
        """The hash of the last entry, 64 zeros when there is none: what to keep elsewhere to see a cut-off tail."""
        last = self.last()
        return GENESIS if last is None else last.hash

    def append(self, kind: Kind, body: Mapping[str, object], *, run_id: str | None = None) -> Entry:
        """Write an entry after the last one and return it, durable. Its time is never before the last entry's.

        Raises LedgerError: `ledger.body` when the body is no canonical JSON, `ledger.secret` when it holds what looks
        like a password, `ledger.unwritable`, `ledger.busy`, or `ledger.corrupt` when the last entry is not as written.
        """
        kind = Kind(kind)
        canonical = canonical_body(body)
        written = parse_body(canonical)
        refuse_secrets(written)
        with self._store.writing() as connection:
            last = self._believed(self._store.last_row(connection))
            seq, prev_hash, earliest = (1, GENESIS, 0) if last is None else (last.seq + 1, last.hash, last.at_ns)
            at_ns = max(self._clock(), earliest)
            digest = entry_hash(seq, at_ns, kind.value, run_id, canonical, prev_hash)
            entry = Entry(seq, at_ns, kind, run_id, written, prev_hash, digest)
            self._store.insert(connection, entry, canonical)
        return entry

    def entries(self, kind: Kind | None = None, run_id: str | None = None) -> Iterator[Entry]:
        """Yield the entries in order, all or those of a kind or run. Raises LedgerError `ledger.corrupt` at a bad one.

        Each entry is checked against its own hash; only `verify` checks that none is missing.
        """
        for row in self._store.rows(None if kind is None else kind.value, run_id):
            yield self._believed_row(row)

    def last(self) -> Entry | None:
        """Return the last entry, or None. Raises LedgerError `ledger.corrupt` when it is not as it was written."""
        return self._believed(self._store.last_row())

    def verify(self) -> Verification:
        """Return whether the whole chain is as it was written, and the first entry that is not."""
        seen = 0

        def counted() -> Iterator[Row]:
            nonlocal seen
            for row in self._store.rows():
                seen += 1
                yield row

        try:
            return check(counted())
        except LedgerError as error:
            if error.code != "ledger.corrupt":
                raise
            return Verification(seen, False, seen + 1, "the file is damaged at this entry or soon after", "")

    def _believed(self, row: Row | None) -> Entry | None:
        return None if row is None else self._believed_row(row)

    def _believed_row(self, row: Row) -> Entry:
        try:
            return read_entry(row)
        except BrokenRowError as error:
            raise corrupt(self.path, f"entry {row.seq} is not as it was written ({error})") from None
