"""The Merkle tree of RFC 6962 over the entries: its root, proofs that an entry is in it, proofs that it only grew.

Pure: hashes in, hashes out. A tree is known by the hashes of its complete subtrees, its nodes; whoever calls brings
them. `(level, position)` names the node over the 2**level leaves from position * 2**level on, counted from 0.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import TypeAlias

NodeAt: TypeAlias = Callable[[int, int], bytes]
"""Returns the node of a level and a position."""

EMPTY_ROOT = hashlib.sha256(b"").digest()


def leaf_hash(entry: bytes) -> bytes:
    """Return the hash of a leaf (RFC 6962, section 2.1)."""
    return hashlib.sha256(b"\0" + entry).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    """Return the hash of what stands above two nodes."""
    return hashlib.sha256(b"\1" + left + right).digest()


def grown(size: int, leaf: bytes, node: NodeAt) -> list[tuple[int, int, bytes]]:
    """Return the nodes (level, position, hash) that a leaf completes in a tree of `size` leaves, its own first."""
    made = [(0, size, leaf)]
    level, position, digest = 0, size, leaf
    while position % 2:
        digest = node_hash(node(level, position - 1), digest)
        level, position = level + 1, position // 2
        made.append((level, position, digest))
    return made


def root(size: int, node: NodeAt) -> bytes:
    """Return the root of the tree of the first `size` leaves."""
    return EMPTY_ROOT if size == 0 else _range_root(0, size, node)


def peaks(size: int, node: NodeAt) -> dict[int, bytes]:
    """Return the nodes, by level, that are all that is needed to go on from a tree of `size` leaves."""
    found: dict[int, bytes] = {}
    begin = 0
    for level in reversed(range(size.bit_length())):
        if size >> level & 1:
            found[level] = node(level, begin >> level)
            begin += 1 << level
    return found


def inclusion_proof(index: int, size: int, node: NodeAt) -> list[bytes]:
    """Return the proof that the leaf of that index, counted from 0, is in the tree of `size` leaves (PATH)."""
    return _path(index, 0, size, node)


def consistency_proof(earlier: int, later: int, node: NodeAt) -> list[bytes]:
    """Return the proof that the tree of `later` leaves begins with that of `earlier`, which is not empty (PROOF)."""
    return _subproof(earlier, 0, later, node, is_whole=True)


def holds_inclusion(leaf: bytes, index: int, size: int, proof: Sequence[bytes], expected_root: bytes) -> bool:
    """Return True when the proof shows the leaf at the index of the tree of that root (RFC 9162, section 2.1.3.2)."""
    if not 0 <= index < size:
        return False
    number, last, digest = index, size - 1, leaf
    for sibling in proof:
        if last == 0:
            return False
        if number % 2 or number == last:
            digest = node_hash(sibling, digest)
            while number % 2 == 0 and number:
                number, last = number // 2, last // 2
        else:
            digest = node_hash(digest, sibling)
        number, last = number // 2, last // 2
    return last == 0 and digest == expected_root


def holds_consistency(earlier: int, later: int, earlier_root: bytes, later_root: bytes, proof: Sequence[bytes]) -> bool:
    """Return True when the proof shows that the later tree begins with the earlier (RFC 9162, section 2.1.4.2)."""
    if not 0 <= earlier <= later:
        return False
    if earlier == later:
        return not proof and earlier_root == later_root
    if earlier == 0:
        return not proof and earlier_root == EMPTY_ROOT
    path = list(proof) if earlier & (earlier - 1) else [earlier_root, *proof]
    if not path:
        return False
    number, last = earlier - 1, later - 1
    while number % 2:
        number, last = number // 2, last // 2
    old = new = path[0]
    for sibling in path[1:]:
        if last == 0:
            return False
        if number % 2 or number == last:
            old, new = node_hash(sibling, old), node_hash(sibling, new)
            while number % 2 == 0 and number:
                number, last = number // 2, last // 2
        else:
            new = node_hash(new, sibling)
        number, last = number // 2, last // 2
    return last == 0 and old == earlier_root and new == later_root


def nodes_of(compute: Callable[[NodeAt], object]) -> list[tuple[int, int]]:
    """Return the nodes that a computation asks for, so that they can be fetched together before it is done."""
    asked: list[tuple[int, int]] = []

    def note(level: int, position: int) -> bytes:
        asked.append((level, position))
        return b""

    compute(note)
    return asked


@dataclass(slots=True)
class GrowingTree:
    """A tree that is read from its first leaf to its last; it keeps no more than one node a level."""

    size: int = 0
    _peaks: dict[int, bytes] = field(default_factory=dict)

    @classmethod
    def of(cls, size: int, node: NodeAt) -> GrowingTree:
        """Return the tree of so many leaves, to go on from there."""
        return cls(size, peaks(size, node))

    def copy(self) -> GrowingTree:
        """Return one that grows by itself."""
        return GrowingTree(self.size, dict(self._peaks))

    def append(self, leaf: bytes) -> list[tuple[int, int, bytes]]:
        """Add a leaf and return the nodes that it completes."""
        made = grown(self.size, leaf, lambda level, _: self._peaks[level])
        for level, _, _ in made[:-1]:
            self._peaks.pop(level, None)
        self._peaks[made[-1][0]] = made[-1][2]
        self.size += 1
        return made

    @property
    def root(self) -> bytes:
        """The root of what was read so far."""
        return root(self.size, lambda level, _: self._peaks[level])


def tree_of(leaves: Iterable[bytes]) -> GrowingTree:
    """Return the tree of these leaves' hashes."""
    tree = GrowingTree()
    for leaf in leaves:
        tree.append(leaf)
    return tree


def _range_root(begin: int, end: int, node: NodeAt) -> bytes:
    count = end - begin
    if count & (count - 1) == 0:  # `begin` is a multiple of it wherever RFC 6962 divides
        return node(count.bit_length() - 1, begin // count)
    middle = begin + _split(count)
    return node_hash(_range_root(begin, middle, node), _range_root(middle, end, node))


def _path(index: int, begin: int, end: int, node: NodeAt) -> list[bytes]:
    if end - begin == 1:
        return []
    middle = begin + _split(end - begin)
    if index < middle:
        return [*_path(index, begin, middle, node), _range_root(middle, end, node)]
    return [*_path(index, middle, end, node), _range_root(begin, middle, node)]


def _subproof(earlier: int, begin: int, end: int, node: NodeAt, *, is_whole: bool) -> list[bytes]:
    if earlier == end:
        return [] if is_whole else [_range_root(begin, end, node)]
    middle = begin + _split(end - begin)
    if earlier <= middle:
        return [*_subproof(earlier, begin, middle, node, is_whole=is_whole), _range_root(middle, end, node)]
    return [*_subproof(earlier, middle, end, node, is_whole=False), _range_root(begin, middle, node)]


def _split(count: int) -> int:
    """Return the largest power of two below the count."""
    return 1 << ((count - 1).bit_length() - 1)
