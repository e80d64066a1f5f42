"""Claims about the Merkle tree: it is RFC 6962's, as an implementation of somebody else's has it; only what is true has
a proof.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache

import pymerkle
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from trimtab.ledger.merkle import (
    EMPTY_ROOT,
    NodeAt,
    consistency_proof,
    grown,
    holds_consistency,
    holds_inclusion,
    inclusion_proof,
    leaf_hash,
    nodes_of,
    root,
    tree_of,
)

LARGEST = 70


def entry(number: int) -> bytes:
    return b"entry %d" % number


@cache
def nodes() -> dict[tuple[int, int], bytes]:
    found: dict[tuple[int, int], bytes] = {}
    for size in range(LARGEST):
        for level, position, digest in grown(size, leaf_hash(entry(size)), lambda *at: found[at]):
            found[level, position] = digest
    return found


def node(level: int, position: int) -> bytes:
    return nodes()[level, position]


@cache
def oracle() -> pymerkle.InmemoryTree:
    tree = pymerkle.InmemoryTree(algorithm="sha256")
    for number in range(LARGEST):
        tree.append_entry(entry(number))
    return tree


sizes = st.integers(1, LARGEST)


def test_an_empty_tree_has_the_root_that_the_rfc_gives_it() -> None:
    assert root(0, node) == EMPTY_ROOT == tree_of([]).root
    assert EMPTY_ROOT.hex() == "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"


@pytest.mark.parametrize("size", range(1, LARGEST + 1))
def test_every_root_is_that_of_another_implementation(size: int) -> None:
    expected = oracle().get_root(size)
    assert root(size, node) == expected
    assert tree_of(leaf_hash(entry(number)) for number in range(size)).root == expected


@given(st.data())
def test_an_inclusion_proof_holds_for_its_entry_and_no_other(data: st.DataObject) -> None:
    size = data.draw(sizes)
    index, other = data.draw(st.integers(0, size - 1)), data.draw(st.integers(0, size - 1))
    proof, whole = inclusion_proof(index, size, node), root(size, node)
    assert holds_inclusion(leaf_hash(entry(index)), index, size, proof, whole)
    assert holds_inclusion(leaf_hash(entry(other)), index, size, proof, whole) is (index == other)
    assert holds_inclusion(leaf_hash(entry(index)), other, size, proof, whole) is (index == other)
    expected = oracle().prove_inclusion(index + 1, size)
    assert proof == list(expected.path[1:]), "the oracle's path begins with the leaf"


@given(st.data())
def test_a_consistency_proof_holds_for_its_two_sizes_and_no_others(data: st.DataObject) -> None:
    later = data.draw(sizes)
    earlier, other = data.draw(st.integers(1, later)), data.draw(st.integers(1, later))
    proof = consistency_proof(earlier, later, node)
    assert holds_consistency(earlier, later, root(earlier, node), root(later, node), proof)
    assert holds_consistency(earlier, later, root(other, node), root(later, node), proof) is (earlier == other)
    assert holds_consistency(0, later, EMPTY_ROOT, root(later, node), [])


@settings(max_examples=300)
@given(st.data())
def test_a_changed_proof_holds_for_nothing(data: st.DataObject) -> None:
    size = data.draw(st.integers(2, LARGEST))
    index, earlier = data.draw(st.integers(0, size - 1)), data.draw(st.integers(1, size - 1))
    whole = root(size, node)
    included = changed(inclusion_proof(index, size, node), data)
    assert not holds_inclusion(leaf_hash(entry(index)), index, size, included, whole)
    grew = changed(consistency_proof(earlier, size, node), data)
    assert not holds_consistency(earlier, size, root(earlier, node), whole, grew)


def changed(proof: Sequence[bytes], data: st.DataObject) -> list[bytes]:
    how = data.draw(st.sampled_from(["flip", "drop", "add"]))
    at = data.draw(st.integers(0, len(proof) - 1))
    if how == "drop":
        return [*proof[:at], *proof[at + 1 :]]
    if how == "add":
        return [*proof[:at], b"\0" * 32, *proof[at:]]
    flipped = bytes([proof[at][0] ^ (1 << data.draw(st.integers(0, 7)))]) + proof[at][1:]
    return [*proof[:at], flipped, *proof[at + 1 :]]


@given(sizes)
def test_a_root_and_a_proof_ask_for_few_nodes(size: int) -> None:
    def all_of(compute_node: NodeAt) -> object:
        return [root(size, compute_node), inclusion_proof(size // 2, size, compute_node)]

    assert len(nodes_of(all_of)) <= 3 * size.bit_length() + 1
    assert len(grown(size - 1, b"", lambda *_: b"")) <= size.bit_length()


@pytest.mark.parametrize(("index", "size"), [(0, 0), (5, 5), (-1, 3), (7, 3)])
def test_an_entry_outside_of_the_tree_is_in_none(index: int, size: int) -> None:
    assert not holds_inclusion(leaf_hash(b""), index, size, [], leaf_hash(b""))
    assert not holds_consistency(size + 1, size, b"", b"", [])
