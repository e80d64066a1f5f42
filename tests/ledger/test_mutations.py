"""The claim that every mutation of a ledger is found: more than a thousand random ones, by who holds what it may hold.

The attacker may write the ledger as a whole, its tree and its checkpoints; what they cannot do is sign with the key, or
change the checkpoint that the client kept.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TypeVar

import pytest

from trimtab.ledger.chain import Row, row_bytes
from trimtab.ledger.checkpoint import Checkpoint, origin_of, read_checkpoint, signed_checkpoint
from trimtab.ledger.entry import canonical_body, entry_hash
from trimtab.ledger.ledger import Ledger
from trimtab.ledger.merkle import GrowingTree, leaf_hash
from trimtab.ledger.offline import verified_file
from trimtab.ledger.signer import key_body
from trimtab.ledger.verification import Evidence, Node, check
from trimtab.signing.keys import PublicKey, SigningKey

from .written import Written, written

THIEF = SigningKey(b"t" * 32, b"u" * 32)
EACH = 200
Value = TypeVar("Value")


@dataclass(frozen=True)
class Held:
    """What lies in the store."""

    rows: tuple[Row, ...]
    nodes: tuple[Node, ...]
    notes: tuple[tuple[int, str], ...]


@dataclass(frozen=True)
class World:
    """A ledger and what its verifier has: a public key and the last checkpoint."""

    held: Held
    key: PublicKey
    kept: Checkpoint

    def finds(self, held: Held) -> bool:
        evidence = Evidence(held.nodes, held.notes, (self.kept,), None, (self.key,), needs_signature=True)
        found = check(held.rows, evidence)
        assert found.verified or (found.first_bad is not None and found.reason)
        return not found.verified


@pytest.fixture(scope="module")
def ledger(tmp_path_factory: pytest.TempPathFactory) -> Written:
    return written(tmp_path_factory.mktemp("mutated") / "ledger.db", changes=5)


@pytest.fixture(scope="module")
def world(ledger: Written) -> World:
    with Ledger.open(ledger.path) as opened:
        store = opened._store
        held = Held(tuple(store.rows()), tuple(store.nodes()), tuple(store.checkpoints()))
    return World(held, ledger.key, read_checkpoint(held.notes[-1][1]))


def flip(held: Held, coin: random.Random) -> Held:
    where = coin.choice(["row", "row", "row", "node", "note"])
    if where == "note":
        at = coin.randrange(len(held.notes))
        size, note = held.notes[at]
        return replace(held, notes=put(held.notes, at, (size, flipped(note.encode(), coin).decode("latin-1"))))
    if where == "node":
        at = coin.randrange(len(held.nodes))
        seq, level, digest = held.nodes[at]
        assert digest is not None
        return replace(held, nodes=put(held.nodes, at, (seq, level, flipped(digest, coin))))
    at = coin.randrange(len(held.rows))
    row, name = held.rows[at], coin.choice(["at_ns", "kind", "run_id", "body", "prev_hash", "hash"])
    value = getattr(row, name)
    changed = flipped(value, coin) if value else b"x"
    return replace(held, rows=put(held.rows, at, replace(row, **{name: changed})))  # type: ignore[arg-type]


def flipped(value: bytes, coin: random.Random) -> bytes:
    at = coin.randrange(len(value))
    return value[:at] + bytes([value[at] ^ (1 << coin.randrange(8))]) + value[at + 1 :]


def drop(held: Held, coin: random.Random) -> Held:
    """One entry is taken out, the rest numbered and chained anew, with or without a tree that fits."""
    at = coin.randrange(len(held.rows))
    kept = held.rows[:at] + held.rows[at + 1 :]
    return rebuilt(held, kept) if coin.random() < 0.5 else replace(held, rows=kept)


def reorder(held: Held, coin: random.Random) -> Held:
    one, other = sorted(coin.sample(range(len(held.rows)), 2))
    rows = list(held.rows)
    rows[one], rows[other] = rows[other], rows[one]
    return rebuilt(held, rows) if coin.random() < 0.5 else replace(held, rows=tuple(rows))


def truncate(held: Held, coin: random.Random) -> Held:
    """The end is cut off everything that is in the store, as if it had never been."""
    size = coin.randrange(len(held.rows))
    return Held(
        held.rows[:size],
        tuple(node for node in held.nodes if node[0] <= size),
        tuple(note for note in held.notes if note[0] <= size),
    )


def fork(held: Held, coin: random.Random) -> Held:
    """History is another one from some entry on: hashes, chain and tree fit; notes that do not are taken out."""
    at = coin.randrange(len(held.rows))
    body = canonical_body({"forged": coin.random()})
    forged = rebuilt(held, put(held.rows, at, replace(held.rows[at], body=body)))
    return replace(forged, notes=tuple(note for note in held.notes if note[0] <= at))


def resign(held: Held, coin: random.Random) -> Held:
    """A fork whose every checkpoint is signed by the thief, whose key the ledger now names."""
    forged = fork(held, coin)
    named = canonical_body(key_body(THIEF, None))
    at = next(n for n, row in enumerate(held.rows) if row.kind == b"ledger_key_set")
    forged = rebuilt(forged, put(forged.rows, at, replace(forged.rows[at], kind=b"ledger_key_set", body=named)))
    tree, notes = GrowingTree(), []
    sizes = {size for size, _ in held.notes}
    assert forged.rows[0].hash is not None
    origin = origin_of(forged.rows[0].hash.decode())
    for row in forged.rows:
        tree.append(leaf_hash(row_bytes(row)))
        if row.seq in sizes:
            notes.append((row.seq, signed_checkpoint(origin, row.seq, tree.root, THIEF).note))
    return replace(forged, notes=tuple(notes))


def rebuilt(held: Held, rows: Sequence[Row]) -> Held:
    """Number, time, chain and hash the rows anew, and make the tree that fits them."""
    made: list[Row] = []
    tree, nodes = GrowingTree(), []
    prev_hash, at_ns = b"0" * 64, 0
    for seq, row in enumerate(rows, start=1):
        assert row.at_ns is not None
        at_ns = max(at_ns, int(row.at_ns))
        chained = replace(row, seq=seq, at_ns=b"%d" % at_ns, prev_hash=prev_hash)
        prev_hash = entry_hash(row_bytes(chained)).encode()
        made.append(replace(chained, hash=prev_hash))
        nodes += [
            ((position + 1) << level, level, digest)
            for level, position, digest in tree.append(leaf_hash(row_bytes(made[-1])))
        ]
    return Held(tuple(made), tuple(nodes), held.notes)


def put(values: tuple[Value, ...], at: int, value: Value) -> tuple[Value, ...]:
    return (*values[:at], value, *values[at + 1 :])


MUTATIONS: tuple[Callable[[Held, random.Random], Held], ...] = (flip, drop, reorder, truncate, fork, resign)


def test_the_ledger_itself_is_found_whole(world: World) -> None:
    assert not world.finds(world.held)


@pytest.mark.parametrize("mutate", MUTATIONS, ids=lambda mutate: mutate.__name__)
def test_every_mutation_is_found(world: World, mutate: Callable[[Held, random.Random], Held]) -> None:
    coin = random.Random(mutate.__name__)
    missed = 0
    for _ in range(EACH):
        mutated = mutate(world.held, coin)
        assert mutated != world.held
        missed += not world.finds(mutated)
    assert missed == 0


def test_every_flipped_byte_and_every_cut_of_an_export_is_found(ledger: Written, world: World, tmp_path: Path) -> None:
    from trimtab.ledger.export import export_lines

    with Ledger.open(ledger.path) as opened:
        found = opened.verify()
        whole = b"".join(export_lines(found.origin, found.head, opened.rows(), opened.notes()))
    path = tmp_path / "export.jsonl"
    path.write_bytes(whole)
    assert verified_file(path, [ledger.key], [], None).verified
    coin = random.Random(7)
    for number in range(300):
        path.write_bytes(flipped(whole, coin) if number % 2 else whole[: coin.randrange(len(whole))])
        verdict = verified_file(path, [ledger.key], [world.kept], None)
        assert not verdict.verified, number
