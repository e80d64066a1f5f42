"""Claims about a signed baseline: it is what was signed, by a signer that is known, or it is refused."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from trimtab.security.document import BaselineFlawError, read_baseline, write_baseline
from trimtab.security.snapshot import SecuritySnapshot
from trimtab.signing.keys import SigningKey

KEY, OTHER = SigningKey(b"1" * 32, b"2" * 32), SigningKey(b"3" * 32, b"4" * 32)
SNAPSHOT = SecuritySnapshot(
    "shop",
    16384,
    "7",
    180006,
    "monitor",
    1,
    {"roles": {'"app"': {"is_superuser": False, "connection_limit": -1, "valid_until": None}}, "grants": {}},
    {"hba": "needs a superuser"},
)
RAW = write_baseline(SNAPSHOT, KEY)


def test_a_baseline_is_read_as_it_was_written() -> None:
    found = read_baseline(RAW, [OTHER.public, KEY.public])
    assert found.snapshot == SNAPSHOT
    assert found.key_id == KEY.public.id


def test_a_signer_that_is_not_known_is_refused() -> None:
    with pytest.raises(BaselineFlawError, match="is not known"):
        read_baseline(RAW, [OTHER.public])


@settings(max_examples=200, deadline=None)
@given(st.integers(0, len(RAW) - 1), st.integers(1, 255))
def test_a_byte_that_is_another_one_is_found(at: int, change: int) -> None:
    changed = bytearray(RAW)
    changed[at] ^= change
    with pytest.raises(BaselineFlawError):
        read_baseline(bytes(changed), [KEY.public])


@pytest.mark.parametrize("cut", [0, 1, len(RAW) // 2, len(RAW) - 2])
def test_a_baseline_that_was_cut_off_is_refused(cut: int) -> None:
    with pytest.raises(BaselineFlawError):
        read_baseline(RAW[:cut], [KEY.public])


def test_a_signature_on_another_kind_of_document_is_none_on_this_one() -> None:
    from trimtab.ledger.entry import canonical_body, parse_body
    from trimtab.signing.signature import sign

    document = parse_body(RAW[:-1])
    head = {name: document[name] for name in ("format", "digest", "snapshot")}
    document["signatures"] = sign(canonical_body(head), KEY, purpose="trimtab.anchor/v1")  # type: ignore[assignment]
    with pytest.raises(BaselineFlawError, match="does not hold"):
        read_baseline(canonical_body(document) + b"\n", [KEY.public])


def test_another_snapshot_is_another_document() -> None:
    assert write_baseline(replace(SNAPSHOT, sections={}), KEY) != RAW
