"""The ledger as the other rooms see it: append, read, verify. It decides what follows what, never rewrites.

`append` returns when the entry is on disk, in the chain and in the Merkle tree; where this machine has the signing key,
a checkpoint is signed at the result of every change, every 64 entries, and when the ledger is closed. An append to what
is shorter than, or not the same as, what was seen here before is refused, and so is the intent of a change while the
key cannot be used.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from types import MappingProxyType, TracebackType
from typing import TYPE_CHECKING

from trimtab.errors import KeyFileError, LedgerError
from trimtab.ledger.chain import BrokenRowError, Row, read_entry, row_bytes
from trimtab.ledger.checkpoint import EVERY_ENTRIES, Checkpoint, origin_of, read_checkpoint, signed_checkpoint
from trimtab.ledger.entry import GENESIS, Entry, Json, Kind, canonical_body, canonical_entry, entry_hash, parse_body
from trimtab.ledger.faults import forked, truncated
from trimtab.ledger.merkle import GrowingTree, consistency_proof, inclusion_proof, leaf_hash
from trimtab.ledger.place import server_of
from trimtab.ledger.redaction import refuse_secrets
from trimtab.ledger.required import Required
from trimtab.ledger.seen import Seen, SeenFiles
from trimtab.ledger.signer import KeyFiles, key_body, key_set
from trimtab.ledger.sqlite import open_sqlite
from trimtab.ledger.verification import Evidence, Verification, check
from trimtab.ledger.withheld import MARK, Told, digests_in, is_lost, opened, withheld
from trimtab.signing.note import NoteFlawError

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from trimtab.ledger.store import Head, Store
    from trimtab.signing.keys import PublicKey, SigningKey

_INTENTS = frozenset({Kind.APPLY_INTENDED, Kind.REVERT_INTENDED, Kind.BACKEND_INTENDED})
_OUTCOMES = frozenset(
    {Kind.APPLY_DONE, Kind.APPLY_FAILED, Kind.REVERT_DONE, Kind.REVERT_FAILED, Kind.BACKEND_DONE, Kind.BACKEND_FAILED}
)
_RESULTS = _OUTCOMES | {Kind.LEDGER_KEY_SET}


@dataclass(frozen=True, slots=True)
class _Tip:
    """The last entry, its canonical JSON, and the tree up to it."""

    entry: Entry
    whole: bytes
    tree: GrowingTree


@dataclass(frozen=True, slots=True)
class _Added:
    """What a ledger ends with since an entry was written, and whether a checkpoint was signed with it."""

    tip: _Tip
    is_signed: bool


class Ledger:
    """An open ledger. Close it, or use it as a context manager."""

    def __init__(self, store: Store, path: Path, clock: Callable[[], int]) -> None:
        self._store = store
        self._path = path
        self._clock = clock
        self._seen = SeenFiles(path)
        self._keys = KeyFiles(path)
        self._is_as_seen = False
        self._is_appended = False
        self._is_signed = False
        self._tip: _Tip | None = None
        self._origin = ""
        self._key_in_force: tuple[int, str] | None = None
        self._openings: dict[str, bytes] = {}

    @classmethod
    def open(cls, path: Path, *, clock: Callable[[], int] = time.time_ns) -> Ledger:
        """Open the ledger at `path`, or create it, readable by its owner alone. `clock` gives UTC nanoseconds.

        Where `place.py` has been told of a server, that keeps it, and `path` is where its key and what was seen are.

        Raises LedgerError: `ledger.corrupt` when the file is no ledger, `ledger.newer` when a later version wrote it,
        `ledger.unwritable`, `ledger.busy`.
        """
        conninfo = server_of(path)
        if conninfo is None:
            return cls(open_sqlite(path), path, clock)
        from trimtab.ledger.postgres import open_postgres

        return cls(open_postgres(conninfo), path, clock)

    def __enter__(self) -> Ledger:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Sign what this ledger was given to append, where there is a key, and close the store."""
        try:
            if self._is_signed or (self._is_appended and self._keys.has_key()):
                with suppress(LedgerError, KeyFileError):
                    self.checkpoint()
        finally:
            self._store.close()

    @property
    def path(self) -> Path:
        """Where this machine keeps what belongs to the ledger; of a SQLite ledger the file."""
        return self._path

    @property
    def name(self) -> str:
        """What keeps the ledger, in words; never a password."""
        return self._store.name

    @property
    def head(self) -> str:
        """The hash of the last entry, 64 zeros when there is none."""
        last = self.last()
        return GENESIS if last is None else last.hash

    def append(
        self,
        kind: Kind,
        body: Mapping[str, object],
        *,
        run_id: str | None = None,
        require: Required | None = None,
    ) -> Entry:
        """Write an entry after the last one and return it, durable. Its time is never before the last entry's.

        What an index is defined by where that holds constants is kept beside the entry, which has a digest of it; here,
        and wherever entries are read, it is in its place (`withheld.py`).

        `require` is judged in the same transaction: what it raises is raised, and then nothing is written.

        An intent is refused while the key in force is here and cannot be used. A key that fails only then, between the
        intent and its result, leaves the result unsigned, and `unsigned` in its body says why: it is recorded first.

        Raises LedgerError: `ledger.body` when the body is no canonical JSON, `ledger.secret` when it holds what looks
        like a password, `ledger.unwritable`, `ledger.busy`, `ledger.corrupt` when the last entry is not as written,
        `ledger.truncated` and `ledger.forked` when the ledger is not the one that was seen here before; KeyFileError.
        """
        kind = Kind(kind)
        canonical = canonical_body(body)
        written = parse_body(canonical)
        refuse_secrets(written)
        openings: Mapping[str, bytes] = {}
        if b'"tail":' in canonical:
            written, openings = withheld(written)
        with self._store.writing() as (connection, head):
            added = self._added(connection, head, kind, written, run_id, require, openings)
        self._store.written(openings)
        return self._opened(self._noted(added), added.tip.whole)

    def _added(
        self,
        connection: Connection,
        head: Head,
        kind: Kind,
        written: dict[str, Json],
        run_id: str | None = None,
        require: Required | None = None,
        openings: Mapping[str, bytes] = MappingProxyType({}),
    ) -> _Added:
        """Write an entry as the last of `writing`."""
        key, flaw = self._key_for(connection, head, kind)
        if flaw is not None:
            written = {**written, "unsigned": flaw}
        canonical = canonical_body(written)
        tip, made = self._next(connection, head, kind, canonical, parse_body(canonical), run_id, require)
        is_due = kind in _RESULTS or tip.entry.seq % EVERY_ENTRIES == 0
        if is_due and key is None and flaw is None:
            with suppress(KeyFileError):  # the entry stands without; a later checkpoint covers it
                key = self._key_here(connection, head)
        checkpoint = self._signed(connection, tip, key) if is_due and key is not None else None
        if openings:
            self._store.keep(connection, openings)
        self._insert(connection, tip, canonical, made, checkpoint)
        return _Added(tip, checkpoint is not None)

    def _noted(self, added: _Added) -> Entry:
        """Take note of an entry that is there now, and return it."""
        self._tip = added.tip
        self._remember(added.tip.entry)
        self._is_appended, self._is_signed = not added.is_signed, self._is_signed or added.is_signed
        return added.tip.entry

    def checkpoint(self) -> Checkpoint | None:
        """Sign the ledger as it is now, unless that is done; return the last checkpoint, None without any.

        Raises LedgerError, KeyFileError.
        """
        with self._store.writing() as (connection, head):
            tip = self._last_tip(connection, head)
            known = self._store.last_checkpoint(connection)
            signed = None
            if tip is not None and (known is None or known[0] < tip.entry.seq):
                self._require_as_seen(connection, tip.entry)
                key = self._key_here(connection, head)
                if key is not None:
                    signed = self._signed(connection, tip, key)
                    self._store.insert_checkpoint(connection, signed.size, signed.note)
        self._is_appended = self._is_signed = False
        last = signed or (None if known is None else self._read_note(known[1]))
        self._remember(None if tip is None else tip.entry, last)
        return last

    def set_key(self, *, rotates: bool = False) -> tuple[PublicKey, bool]:
        """Put the signing key of this machine in force, made where there is none, and return it and whether it is new.

        With `rotates` a new key takes the place of the one in force, which signs for it.
        Raises LedgerError `ledger.key` when the key in force is not here, KeyFileError.
        """
        with self._store.writing() as (connection, head):
            in_force = self._key_id(connection, head)
            current = None if in_force is None else self._own_key(in_force)
            if current is not None and not rotates:
                return current.public, False
            coming = self._keys.coming(is_first=current is None)
            body = canonical_body(key_body(coming, current))
            tip, made = self._next(connection, head, Kind.LEDGER_KEY_SET, body, parse_body(body), None)
            checkpoint = self._signed(connection, tip, coming)
            self._insert(connection, tip, body, made, checkpoint)
        self._keys.key_in_force(coming.public.id)  # moves it to its place
        self._remember(tip.entry, checkpoint)
        return coming.public, True

    def entries(
        self, kind: Kind | None = None, run_id: str | None = None, *, after: int | None = None
    ) -> Iterator[Entry]:
        """Yield the entries in order, all or those of a kind or run. Raises LedgerError `ledger.corrupt` at a bad one.

        With `after` they begin with what follows the entry of that number. Each entry is checked against its own hash;
        only `verify` checks that none is missing.
        """
        for row in self._store.rows(None if kind is None else kind.value, run_id, after=after):
            yield self._believed_row(row)

    def rows(self) -> Iterator[Row]:
        """Yield the rows in order as they are kept, before anything is believed."""
        return self._store.rows()

    def notes(self) -> list[tuple[int, str]]:
        """Return the signed checkpoints with the sizes that they are kept under, before anything is believed."""
        return self._store.checkpoints()

    def last_checkpoint(self) -> Checkpoint | None:
        """Return the last checkpoint that was signed, None without any; nothing is signed for it.

        Raises LedgerError `ledger.corrupt` when it cannot be read.
        """
        with self._store.reading() as connection:
            known = self._store.last_checkpoint(connection)
        return None if known is None else self._read_note(known[1])

    def root(self, size: int) -> bytes:
        """Return the Merkle root of the first `size` entries, of the stored tree. Raises LedgerError."""
        with self._store.reading() as connection:
            return self._store.root(connection, size)

    def row(self, seq: int) -> Row | None:
        """Return the row of that number, or None."""
        with self._store.reading() as connection:
            return self._store.row(connection, seq)

    def signing_key(self) -> SigningKey:
        """Return the key in force. Raises LedgerError `ledger.key` when there is none, or none here; KeyFileError."""
        with self._store.reading() as connection:
            return self._own_key(self._key_id(connection, self._store.head(connection)))

    def last(self) -> Entry | None:
        """Return the last entry, or None. Raises LedgerError `ledger.corrupt` when it is not as it was written."""
        with self._store.reading() as connection:
            return self._believed(self._store.head(connection).row)

    def inclusion(self, seq: int, size: int) -> list[bytes]:
        """Return the proof that entry `seq` is among the first `size`. Raises LedgerError `ledger.corrupt`."""
        with self._store.reading() as connection:
            return list(self._store.computed(connection, lambda node: inclusion_proof(seq - 1, size, node)))

    def consistency(self, earlier: int, later: int) -> list[bytes]:
        """Return the proof that the ledger of `later` entries begins with that of `earlier`."""
        with self._store.reading() as connection:
            return list(self._store.computed(connection, lambda node: consistency_proof(earlier, later, node)))

    def signers(self) -> tuple[PublicKey, ...]:
        """Return the public half of this machine's signing key, which it believes; empty where there is none.

        Whatever the ledger says: one that was written anew names the key of who did that. Raises KeyFileError.
        """
        key = self._keys.own()
        return () if key is None else (key.public,)

    def erase(self, seqs: Iterable[int], about: Mapping[str, Json]) -> int:
        """Erase what these entries withhold, and return how much there was; `ERASED` is read in its place from then on.

        They stay as they are, and verify as before; one more tells, with `about`, what was erased, also of what was
        lost before. What an earlier one has erased, and somebody has brought back, goes too, and openings that no entry
        has, since a writer died before its entry. Raises LedgerError.
        """
        digests = {digest for body in self._as_kept(seqs) for digest in digests_in(body)}
        added: _Added | None = None
        with self._store.writing() as (connection, head):
            tip = self._last_tip(connection, head)
            self._require_as_seen(connection, None if tip is None else tip.entry)
            told = self._store.told(connection)

            def removed() -> int:
                self._store.settle(connection)
                self._store.remove(connection, told.erased - digests)
                return self._store.remove(connection, digests)

            # What is gone at once goes when it is known that the entry can be written; else both are there together.
            erased = 0 if self._store.removes_at_once else removed()
            if new := digests - told.erased:
                body: dict[str, Json] = {**about, MARK: list[Json](sorted(new))}
                refuse_secrets(body)
                added = self._added(connection, head, Kind.DEFINITIONS_ERASED, body)
            if self._store.removes_at_once:
                erased = removed()
        if added is not None:
            self._noted(added)
        self._openings.clear()
        return erased

    def told_openly(self, seqs: Iterable[int]) -> int:
        """Return how many of these entries hold themselves what is withheld since, being of an earlier version."""
        return sum(bool(withheld(body)[1]) for body in self._as_kept(seqs))

    def _as_kept(self, seqs: Iterable[int]) -> list[Mapping[str, Json]]:
        """Return the bodies of these entries without what they withhold."""
        with self._store.reading() as connection:
            found = [row for seq in seqs if (row := self._store.row(connection, seq)) is not None]
        try:
            return [read_entry(row).body for row in found]
        except BrokenRowError as error:
            raise self._store.corrupt(f"an entry is not as it was written ({error})") from None

    def verify(self, keys: Sequence[PublicKey] = (), pinned: Sequence[Checkpoint] = ()) -> Verification:
        """Return whether all is as it was written, signed and seen here before, and the first thing that is not.

        `keys` are believed beside this machine's own; with any, a ledger without a checkpoint of theirs does not
        verify. `pinned` are checkpoints that were kept elsewhere. What is found whole is seen from now on.
        """
        seen, kept = self._seen.head(), self._seen.checkpoint()
        own, count = self.signers(), 0
        told = Told(set(), set())

        def counted(until: int) -> Iterator[Row]:
            nonlocal count
            for row in self._store.rows(until=until):
                count += 1
                told.take(row)
                yield row

        try:
            notes = self.notes()
            entries, nodes = self._store.ends()  # what others append from here on is not looked at
            evidence = Evidence(
                nodes=self._store.nodes(nodes),
                notes=notes,
                pinned=(*pinned, *([kept] if kept is not None else [])),
                seen=seen,
                keys=(*keys, *own),
                needs_signature=bool(keys),
                now_ns=self._clock(),
            )
            found = check(counted(entries), evidence)
        except LedgerError as error:
            if error.code != "ledger.corrupt":
                raise
            return Verification(count, False, count + 1, "the file is damaged at this entry or soon after", "")
        if found.verified and kept is not None and all(size != kept.size for size, _ in notes):
            reason = f"the checkpoint of {kept.size} entries, which was seen here before, is missing"
            return Verification(count, False, kept.size, reason, "", found.origin)
        if found.verified and found.entries:
            with suppress(OSError, LedgerError):
                self._seen.note(Seen(found.entries, found.head))
        lost = sum(is_lost(digest, self._store.opening(digest)) for digest in told.withheld - told.erased)
        return replace(found, lost=lost) if lost else found

    def _next(
        self,
        connection: Connection,
        head: Head,
        kind: Kind,
        canonical: bytes,
        body: Mapping[str, Json],
        run_id: str | None,
        require: Required | None = None,
    ) -> tuple[_Tip, list[tuple[int, int, bytes]]]:
        """Return what the ledger ends with when this is written, and the nodes of the tree that it completes."""
        tip = self._last_tip(connection, head)
        last = None if tip is None else tip.entry
        self._require_as_seen(connection, last)
        if require is not None:
            rows = self._store.rows(after=require.after, within=connection)
            require.judge(self._believed_row(row) for row in rows)
        seq, prev_hash, earliest = (1, GENESIS, 0) if last is None else (last.seq + 1, last.hash, last.at_ns)
        at_ns = max(self._clock(), earliest)
        whole = canonical_entry(seq, at_ns, kind.value, run_id, canonical, prev_hash)
        entry = Entry(seq, at_ns, kind, run_id, body, prev_hash, entry_hash(whole))
        tree = GrowingTree() if tip is None else tip.tree.copy()
        made = tree.append(leaf_hash(whole))
        return _Tip(entry, whole, tree), made

    def _insert(
        self,
        connection: Connection,
        tip: _Tip,
        canonical: bytes,
        made: Sequence[tuple[int, int, bytes]],
        checkpoint: Checkpoint | None,
    ) -> None:
        signed = None if checkpoint is None else (checkpoint.size, checkpoint.note)
        self._store.insert(connection, tip.entry, canonical, made, signed)

    def _last_tip(self, connection: Connection, head: Head) -> _Tip | None:
        """Return the last entry and the tree up to it: those of this ledger's own last append, while they are it."""
        row = head.row
        if row is None:
            return None
        tip = self._tip
        with suppress(ValueError):
            is_known = tip is not None and row.hash == tip.entry.hash.encode() and row_bytes(row) == tip.whole
            if is_known:
                return tip
        return _Tip(self._believed_row(row), row_bytes(row), self._store.tree(connection, row.seq))

    def _require_as_seen(self, connection: Connection, last: Entry | None) -> None:
        """Nothing is added to, and nothing signed of, a ledger that lost what was seen here before."""
        if self._is_as_seen:
            return
        seen, kept = self._seen.head(), self._seen.checkpoint()
        here = 0 if last is None else last.seq
        most = max(seen.entries if seen is not None else 0, kept.size if kept is not None else 0)
        if here < most:
            raise truncated(self.name, here, most, self._seen.head_file)
        if seen is not None:
            row = self._store.row(connection, seen.entries)
            if row is None or row.hash != seen.head.encode():
                raise forked(self.name, seen.entries, self._seen.head_file)
        if kept is not None and self._store.root(connection, kept.size) != kept.root:
            raise forked(self.name, kept.size, self._seen.checkpoint_file)
        self._is_as_seen = True

    def _key_for(self, connection: Connection, head: Head, kind: Kind) -> tuple[SigningKey | None, str | None]:
        """Return the key that a change's entry is to be signed with, or the code of why a result cannot be.

        Raises KeyFileError for an intent: with such a key no change is begun.
        """
        if kind not in _INTENTS | _OUTCOMES:
            return None, None
        try:
            return self._key_here(connection, head), None
        except KeyFileError as error:
            if kind in _INTENTS:
                raise
            return None, error.code

    def _key_here(self, connection: Connection, head: Head) -> SigningKey | None:
        """Return the key in force where this machine has it. Raises KeyFileError."""
        return self._keys.key_in_force(self._key_id(connection, head)) if self._keys.has_key() else None

    def _signed(self, connection: Connection, tip: _Tip, key: SigningKey) -> Checkpoint:
        origin = origin_of(tip.entry.hash) if tip.entry.seq == 1 else self._origin
        if not origin:
            first = self._believed(self._store.row(connection, 1))
            if first is None:
                raise self._store.corrupt("its first entry is missing")
            origin = self._origin = origin_of(first.hash)
        return signed_checkpoint(origin, tip.entry.seq, tip.tree.root, key)

    def _own_key(self, key_id: str | None) -> SigningKey:
        key = self._keys.key_in_force(key_id)
        if key is None:
            found = "no signing key" if key_id is None else f"the signing key {key_id}, which is not on this machine"
            raise LedgerError(
                f"the ledger {self.name} has {found}",
                code="ledger.key",
                next_step="Run `trimtab ledger key`."
                if key_id is None
                else f"Bring that key to {self._keys.current}; only it signs, and puts another in its place.",
            )
        return key

    def _key_id(self, connection: Connection, head: Head) -> str | None:
        """Return the id of the key in force. Another program may have put another there since it was asked last."""
        seq = head.key_seq
        if seq is None:
            return None
        if self._key_in_force is None or self._key_in_force[0] != seq:
            entry = self._believed(self._store.row(connection, seq))
            assert entry is not None
            self._key_in_force = (seq, key_set(entry).public.id)
        return self._key_in_force[1]

    def _read_note(self, note: str) -> Checkpoint:
        try:
            return read_checkpoint(note)
        except NoteFlawError:
            raise self._store.corrupt("its last checkpoint cannot be read") from None

    def _remember(self, last: Entry | None, checkpoint: Checkpoint | None = None) -> None:
        """The entry is in the ledger already: what cannot be noted leaves an older, lower bound."""
        with suppress(OSError, LedgerError):
            if last is not None:
                self._seen.note(Seen(last.seq, last.hash))
            if checkpoint is not None:
                self._seen.keep(checkpoint)

    def _believed(self, row: Row | None) -> Entry | None:
        return None if row is None else self._believed_row(row)

    def _believed_row(self, row: Row) -> Entry:
        try:
            entry = read_entry(row)
        except BrokenRowError as error:
            raise self._store.corrupt(f"entry {row.seq} is not as it was written ({error})") from None
        return self._opened(entry, row.body or b"")

    def _opened(self, entry: Entry, canonical: bytes) -> Entry:
        """Return the entry with what it withholds in its place."""
        return replace(entry, body=opened(entry.body, self._opening)) if MARK.encode() in canonical else entry

    def _opening(self, digest: str) -> bytes | None:
        """What was read once is not asked for again: the same entries are read many times."""
        if digest not in self._openings and (found := self._store.opening(digest)):
            self._openings[digest] = found
        return self._openings.get(digest)
