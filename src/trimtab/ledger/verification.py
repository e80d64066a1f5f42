"""Says whether a ledger is what was written, and names the first thing that is not. Pure: rows in, a verdict out.

It computes everything anew: each entry's hash, the chain, the Merkle tree. Then it holds them against what others
kept: stored nodes, signed checkpoints, what was seen of it before. A lone ledger shows no tail that was cut off and no
history that was written anew as a whole; one signed checkpoint that its writer could not change shows both.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import takewhile

from trimtab.errors import LedgerError
from trimtab.ledger.chain import Row, follows
from trimtab.ledger.checkpoint import Checkpoint, checkpoint_signer, origin_of, read_checkpoint
from trimtab.ledger.entry import GENESIS, Entry, Kind
from trimtab.ledger.merkle import GrowingTree, leaf_hash
from trimtab.ledger.moment import seconds_ahead, span_told
from trimtab.ledger.seen import Seen
from trimtab.ledger.signer import KeySet, key_set, trusted_keys
from trimtab.signing.keys import PublicKey
from trimtab.signing.note import NoteFlawError

_MOST_OF_A_SIZE = 64
"""One is kept in the store, one on this machine, others are given by hand."""

Node = tuple[int, int, "bytes | None"]
"""A stored node: the last entry that it is over, its level, its hash (None where it is no hash)."""


@dataclass(frozen=True, slots=True)
class Evidence:
    """What a ledger is held against. All of it may be missing; the verdict says what was there.

    `notes` are the checkpoints that came with it, with the sizes that they are kept under. `pinned` are checkpoints
    that were kept elsewhere. `keys` are the signers that are believed; without any, checkpoints must be of those that
    the ledger itself names. With `needs_signature` a ledger without a checkpoint of a believed one is refused.
    `now_ns` is the clock, UTC nanoseconds: entries that are ahead of it are told, and are no flaw.
    """

    nodes: Iterable[Node] | None = None
    notes: Sequence[tuple[int, str]] = ()
    pinned: Sequence[Checkpoint] = ()
    seen: Seen | None = None
    keys: Sequence[PublicKey] = ()
    needs_signature: bool = False
    now_ns: int | None = None


@dataclass(frozen=True, slots=True)
class Verification:
    """What was found: how many entries there are, whether all is as written, the head's hash and the root when it is.

    `first_bad` is the number of the first entry that is changed, missing, out of place or not what was signed, and
    `reason` says what is wrong. `signed_entries` is the size of the last checkpoint whose signatures were verified,
    `signer` its key's id; what comes after it is chained and not signed yet. `checkpoints` counts all that there are.
    `witnesses` counts what was kept apart from it and agrees: what was seen here before, and the checkpoints given.
    `first_ahead` is the number of the first entry that bears a later time than this machine's clock, None when there is
    none, and `ahead_seconds` by how much the last one does. `lost` counts what entries withhold and is not beside the
    ledger, or not as it was, though nobody erased it: the entries themselves lack nothing.
    """

    entries: int
    verified: bool
    first_bad: int | None
    reason: str
    head: str
    origin: str = ""
    root: str = ""
    checkpoints: int = 0
    signed_entries: int = 0
    signer: str = ""
    witnesses: int = 0
    first_ahead: int | None = None
    ahead_seconds: float = 0.0
    lost: int = 0

    @property
    def lost_told(self) -> str:
        """Return in words that something is lost, "" when nothing is."""
        if not self.lost:
            return ""
        told = "are not beside the ledger any more, cannot be read, or are not as they were"
        return f"{self.lost} definitions of indexes {told}"

    @property
    def ahead_told(self) -> str:
        """Return in words that entries are ahead of the clock, "" when none is."""
        if self.first_ahead is None:
            return ""
        span = span_told(self.ahead_seconds)
        return f"entries from {self.first_ahead} on bear times ahead of this machine's clock, the last by {span}"


class _Flaw(Exception):  # noqa: N818  # a finding, not a fault
    """The first thing that is wrong: with which entry, and what."""

    def __init__(self, first_bad: int, reason: str) -> None:
        super().__init__(reason)
        self.first_bad = first_bad
        self.reason = reason


def check(rows: Iterable[Row], evidence: Evidence) -> Verification:
    """Return whether the rows, in order of `seq`, are the ledger that was written, and where not. Reads all of them."""
    reading = _Reading(evidence)
    count = 0
    flaw = reading.begin()
    for row in rows:
        count += 1
        flaw = flaw or reading.take(row)
    flaw = flaw or reading.finish()
    if flaw is not None:
        return Verification(count, False, flaw.first_bad, flaw.reason, "", reading.origin)
    return Verification(
        entries=count,
        verified=True,
        first_bad=None,
        reason="",
        head=reading.head,
        origin=reading.origin,
        root=reading.tree.root.hex(),
        checkpoints=len(evidence.notes),
        signed_entries=reading.signed_entries if evidence.keys else 0,
        signer=reading.signer if evidence.keys else "",
        witnesses=len(evidence.pinned) + (evidence.seen is not None),
        first_ahead=reading.first_ahead,
        ahead_seconds=0.0 if evidence.now_ns is None else seconds_ahead(reading.at_ns, evidence.now_ns),
    )


@dataclass(slots=True)
class _Reading:
    """What is known of the entries that were read so far."""

    evidence: Evidence
    tree: GrowingTree = field(default_factory=GrowingTree)
    head: str = GENESIS
    at_ns: int = 0
    origin: str = ""
    signed_entries: int = 0
    signer: str = ""
    first_ahead: int | None = None
    _nodes: Iterator[Node] | None = None
    _key_sets: list[KeySet] = field(default_factory=list)
    _checkpoints: list[Checkpoint] = field(default_factory=list)
    _agreed: int = 0

    def begin(self) -> _Flaw | None:
        """Read the checkpoints. Return what is wrong with them, before any entry is looked at."""
        self._nodes = None if self.evidence.nodes is None else iter(self.evidence.nodes)
        for size, note in self.evidence.notes:
            try:
                checkpoint = read_checkpoint(note)
            except NoteFlawError as error:
                return _Flaw(1, f"the checkpoint kept for {size} entries cannot be read: {error}")
            if checkpoint.size != size:
                return _Flaw(1, f"the checkpoint kept for {size} entries is of another size")
            self._checkpoints.append(checkpoint)
        self._checkpoints = sorted((*self._checkpoints, *self.evidence.pinned), key=lambda each: each.size)
        return None

    def take(self, row: Row) -> _Flaw | None:
        """Read one row. Return what is wrong with it, None when it is what belongs there."""
        expected = self.tree.size + 1
        found = follows(row, expected, self.head, self.at_ns)
        if isinstance(found, str):
            return _Flaw(min(row.seq, expected), found)
        entry, canonical = found
        made = self.tree.append(leaf_hash(canonical))
        self.head, self.at_ns = entry.hash, entry.at_ns
        now_ns = self.evidence.now_ns
        if self.first_ahead is None and now_ns is not None and seconds_ahead(entry.at_ns, now_ns):
            self.first_ahead = entry.seq
        self.origin = self.origin or origin_of(entry.hash)
        if self._nodes is not None:
            for level, _, digest in made:
                if next(self._nodes, None) != (expected, level, digest):
                    return _Flaw(expected, "the stored Merkle tree is not that of the entries")
        return self._differs_from_kept(expected) or (
            self._take_key(entry) if entry.kind is Kind.LEDGER_KEY_SET else None
        )

    def finish(self) -> _Flaw | None:
        """Return what should have come and did not, or is not signed as it should, when all rows were read."""
        size, seen = self.tree.size, self.evidence.seen
        missing = (
            max(self._checkpoints[-1].size if self._checkpoints else 0, seen.entries if seen is not None else 0) - size
        )
        if missing > 0:
            return _Flaw(size + 1, f"{missing} entries are missing at the end that were seen or signed before")
        if self._nodes is not None and next(self._nodes, None) is not None:
            return _Flaw(size + 1, "the stored Merkle tree has nodes of entries that are missing")
        if any(checkpoint.origin != self.origin for checkpoint in self._checkpoints):
            return _Flaw(1, "a checkpoint is of another ledger")
        return self._is_signed_wrongly()

    def _differs_from_kept(self, size: int) -> _Flaw | None:
        """Hold the entries so far against the checkpoints of this size, and against what was seen."""
        first, seen = self._agreed + 1, self.evidence.seen
        position = bisect_left(self._checkpoints, size, key=lambda each: each.size)
        of_size = takewhile(lambda each: each.size == size, self._checkpoints[position : position + _MOST_OF_A_SIZE])
        for checkpoint in of_size:
            if checkpoint.root != self.tree.root:
                return _Flaw(first, f"among entries {first} to {size} one is not what a checkpoint was signed for")
            self._agreed = size
        if seen is not None and seen.entries == size:
            if seen.head != self.head:
                return _Flaw(first, f"among entries {first} to {size} one is not what was seen here before")
            self._agreed = size
        return None

    def _take_key(self, entry: Entry) -> _Flaw | None:
        in_force = self._key_sets[-1].public.id if self._key_sets else None
        try:
            found = key_set(entry)
        except LedgerError:
            return _Flaw(entry.seq, "it names a key that cannot be read")
        if not found.is_signed:
            return _Flaw(entry.seq, "it names a key that did not sign it")
        if found.previous != in_force:
            return _Flaw(entry.seq, "it does not name the key before")
        if in_force is not None and not found.vouches_with(each.public for each in self._key_sets):
            return _Flaw(entry.seq, "the key before did not sign it")
        self._key_sets.append(found)
        return None

    def _is_signed_wrongly(self) -> _Flaw | None:
        """Every checkpoint is of the key in force; without keys to believe, of what the ledger itself names."""
        keys = trusted_keys(self._key_sets, self.evidence.keys) or [each.public for each in self._key_sets]
        for checkpoint in self._checkpoints:
            first, told = self.signed_entries + 1, f"the checkpoint of {checkpoint.size} entries"
            try:
                key = checkpoint_signer(checkpoint, keys)
            except NoteFlawError as error:
                return _Flaw(first, f"{told} is not what was signed: {error}")
            in_force = [each.public.id for each in self._key_sets if each.seq <= checkpoint.size]
            if in_force[-1:] != [key.id]:
                return _Flaw(first, f"{told} is not signed by the key in force")
            self.signed_entries, self.signer = checkpoint.size, key.id
        if self.evidence.needs_signature and not self.signed_entries:
            return _Flaw(1, "no checkpoint of a known key is there")
        return None
