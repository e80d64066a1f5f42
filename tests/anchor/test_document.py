"""Claims about an anchor's document: it says what the anchor says, and a byte changed anywhere is found and named."""

from __future__ import annotations

import json
from random import Random

import pytest
import rfc8785
from hypothesis import given
from hypothesis import strategies as st

from trimtab.anchor.document import FORMAT, FlawError, read, write
from trimtab.ledger.entry import GENESIS
from trimtab.signing.keys import SigningKey
from trimtab.signing.signature import sign

from .anchors import anchor, counted, level

KEY, OTHER = SigningKey(b"a" * 32, b"b" * 32), SigningKey(b"c" * 32, b"d" * 32)
KNOWN = [KEY.public]
ANCHOR = anchor()
RAW, DIGEST = write(ANCHOR, KEY)


def _flaw(raw: bytes) -> str:
    with pytest.raises(FlawError) as found:
        read(raw, KNOWN)
    return str(found.value)


def _changed(**parts: object) -> bytes:
    document = json.loads(RAW)
    document["anchor"].update(parts)
    return bytes(rfc8785.dumps(document)) + b"\n"


def test_a_document_says_what_the_anchor_says() -> None:
    signed = read(RAW, KNOWN)
    assert (signed.anchor, signed.previous, signed.digest, signed.key_id) == (ANCHOR, GENESIS, DIGEST, KEY.public.id)


def test_the_same_anchor_has_the_same_digest_and_another_one_after_another() -> None:
    raw, digest = write(ANCHOR, KEY)  # whose second signature differs: ML-DSA draws a random number for each
    assert (read(raw, KNOWN), digest) == (read(RAW, KNOWN), DIGEST)
    assert write(ANCHOR, KEY, previous="f" * 64)[1] != DIGEST


def test_a_bit_changed_in_any_byte_is_found() -> None:
    random = Random(7)
    for place in range(len(RAW)):
        changed = bytearray(RAW)
        changed[place] ^= 1 << random.randrange(8)
        _flaw(bytes(changed))


@given(st.data())
def test_bytes_left_out_put_in_or_exchanged_are_found(data: st.DataObject) -> None:
    start = data.draw(st.integers(0, len(RAW)))
    end = data.draw(st.integers(start, min(len(RAW), start + 40)))
    changed = RAW[:start] + data.draw(st.binary(max_size=40)) + RAW[end:]
    if changed != RAW:
        _flaw(changed)


def test_the_first_thing_that_is_wrong_is_named() -> None:
    queries = json.loads(RAW)["anchor"]["queries"]
    assert _flaw(_changed(database="other")) == "database is not as it was signed"
    assert (
        _flaw(_changed(queries={**queries, "q2": {**queries["q2"], "p50_ms": 0.5}})) == 'queries: "q2" is not as signed'
    )
    assert _flaw(_changed(queries={"q1": queries["q1"]})) == 'queries: "q2" is missing'
    assert _flaw(_changed(queries={**queries, "q3": queries["q1"]})) == 'queries: "q3" was added'
    assert _flaw(_changed(more=1)) == "more was added: it has no digest"


def test_whoever_mends_the_digests_as_well_meets_the_signatures() -> None:
    forged = write(anchor(level("q1", count=counted())), OTHER)[0]
    assert _flaw(forged) == f"its signer {OTHER.public.id} is not known here"
    document = json.loads(forged)
    document["signatures"] = json.loads(RAW)["signatures"]
    assert _flaw(bytes(rfc8785.dumps(document)) + b"\n") == "its ed25519 signature does not hold"


def test_a_signature_by_one_kind_of_key_alone_does_not_do() -> None:
    document = json.loads(write(anchor(level("q1", count=counted())), KEY)[0])
    head = {name: document[name] for name in ("digests", "format", "id", "previous")}
    mixed = [sign(rfc8785.dumps(head), KEY, purpose=FORMAT)[0], sign(rfc8785.dumps(head), OTHER, purpose=FORMAT)[1]]
    document["signatures"] = mixed
    assert "is not known here" in _flaw(bytes(rfc8785.dumps(document)) + b"\n")
    document["signatures"] = [mixed[0], {**mixed[1], "key_id": KEY.public.id}]
    assert _flaw(bytes(rfc8785.dumps(document)) + b"\n") == "its ml-dsa-65 signature does not hold"


@given(st.binary(max_size=200))
def test_anything_else_is_refused_in_words(raw: bytes) -> None:
    assert _flaw(raw)
    assert _flaw(b'{"format":"trimtab.anchor/v1"}\n') == "it does not have the fields of an anchor"


def test_nothing_of_the_document_is_in_what_is_told_but_names() -> None:
    secret = "s3cret-row-value"
    raw = RAW.replace(b'"a note"', json.dumps(secret).encode())
    assert secret not in _flaw(raw)
    assert _flaw(raw) == "problems is not as it was signed"
