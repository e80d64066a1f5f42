"""Claims about an entry's canonical bytes and hash."""

from __future__ import annotations

import contextlib
import hashlib
import json
import math

import pytest
import rfc8785
from hypothesis import given, settings
from hypothesis import strategies as st

from trimtab.errors import LedgerError
from trimtab.ledger.entry import GENESIS, LARGEST_INT, Kind, canonical_body, canonical_entry, entry_hash, parse_body

texts = st.text(st.characters(exclude_categories=["Cs"]))
scalars = (
    st.none()
    | st.booleans()
    | st.integers(-LARGEST_INT, LARGEST_INT)
    | st.floats(allow_nan=False, allow_infinity=False)
) | texts
bodies = st.dictionaries(
    texts, st.recursive(scalars, lambda inner: st.lists(inner) | st.dictionaries(texts, inner), max_leaves=4)
)


@settings(max_examples=50, deadline=None)
@given(bodies)
def test_what_is_read_is_what_was_written(body: dict[str, object]) -> None:
    canonical = canonical_body(body)
    assert parse_body(canonical) == body
    assert canonical_body(parse_body(canonical)) == canonical


@settings(max_examples=50, deadline=None)
@given(bodies, st.integers(1, 2**40), st.integers(0, 2**63 - 1), st.none() | texts)
def test_the_hash_is_that_of_the_canonical_json_of_all_other_fields(
    body: dict[str, object], seq: int, at_ns: int, run_id: str | None
) -> None:
    document = {"seq": seq, "at_ns": str(at_ns), "kind": "k", "run_id": run_id, "body": body, "prev_hash": GENESIS}
    expected = hashlib.sha256(rfc8785.dumps(document)).hexdigest()  # type: ignore[arg-type]
    assert entry_hash(canonical_entry(seq, at_ns, "k", run_id, canonical_body(body), GENESIS)) == expected


numbers = st.integers(-LARGEST_INT, LARGEST_INT) | st.integers(-(10**23), 10**23).map(float) | st.floats(-1e-3, 1e-3)
odd_texts = st.sampled_from(
    ["NaN", "-Infinity", ":1.0", "[1e5", "\x7f\u2028", "\uffff", "\U00010000", '"\\\x1f', *Kind]
)
odd_bodies = st.dictionaries(odd_texts, odd_texts | numbers | st.lists(numbers | odd_texts, max_size=3), max_size=3)


@settings(max_examples=400, deadline=None)
@given(bodies | odd_bodies)
def test_what_is_written_is_what_rfc_8785_writes(body: dict[str, object]) -> None:
    assert canonical_body(body) == rfc8785.dumps(body)  # type: ignore[arg-type]


def test_a_time_of_day_is_no_number_that_is_written_the_slow_way(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(rfc8785, "dumps")
    assert canonical_body({"at": "2026-01-01T00:00:00.000000Z", "n": [1, 0.5]})
    with pytest.raises(AttributeError):
        canonical_body({"at": 1.0})


def test_tuples_and_any_mapping_are_taken() -> None:
    from types import MappingProxyType

    assert parse_body(canonical_body({"a": (1, MappingProxyType({"b": 2.0}))})) == {"a": [1, {"b": 2}]}


@pytest.mark.parametrize(
    "value",
    [math.nan, math.inf, 2**53, -(2**53), b"bytes", "\ud800", {1: "key"}, {"\ud800": 1}, {1, 2}],
    ids=ascii,
)
def test_what_rfc_8785_cannot_write_is_refused(value: object) -> None:
    with pytest.raises(LedgerError) as refused:
        canonical_body({"value": value})
    assert refused.value.code == "ledger.body"


def test_a_body_without_a_bottom_is_refused() -> None:
    body: dict[str, object] = {}
    body["self"] = body
    with pytest.raises(LedgerError) as refused:
        canonical_body(body)
    assert refused.value.code == "ledger.body"


@pytest.mark.parametrize(
    "text", [b"", b"[]", b"1", b'{"a": 1}', b'{"b":1,"a":1}', b'{"a":1,"a":1}', b'{"a":1.0}', b'{"a":NaN}', b"\xff"]
)
def test_bytes_that_are_not_canonical_are_not_read(text: bytes) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 - its subclasses are json's and Unicode's
        parse_body(text)


def test_nesting_without_end_is_not_read() -> None:
    with pytest.raises(ValueError):  # noqa: PT011
        parse_body(b'{"a":' + b"[" * 100_000 + b"]" * 100_000 + b"}")


@settings(max_examples=300, deadline=None)
@given(bodies, st.data())
def test_what_is_read_is_exactly_what_rfc_8785_would_write(body: dict[str, object], data: st.DataObject) -> None:
    """Also of texts that are nearly canonical: keys in another order, numbers and characters written otherwise."""
    how = data.draw(st.sampled_from(["python", "spaces", "ascii", "unsorted"]))
    separators = (", ", ": ") if how == "spaces" else (",", ":")
    text = json.dumps(body, ensure_ascii=how == "ascii", separators=separators, sort_keys=how != "unsorted")
    is_canonical = text.encode() == rfc8785.dumps(body)  # type: ignore[arg-type]
    try:
        assert parse_body(text.encode()) == body
        assert is_canonical
    except ValueError:
        assert not is_canonical


@pytest.mark.parametrize(
    "text",
    ['{"a":NaN}', '{"a":-Infinity}', '{"a":1.0}', '{"a":1E2}', '{"a":-0}', '{"a":1,"a":1}', '{"a":[2.5,1.0]}',
     '{"a":1e-05}', '{"a":1.50}', '{"a":1.5E+300}', '{"a":-0.0}', '{"a":0.10000000000000001}', '{"a":1e22}',
     '{"\U00010000":1,"\uffff":2}', '{"a":"\\ud800"}', '{"a":"\\u0041"}', '{"a":9007199254740993}'],
)  # fmt: skip
def test_json_that_is_not_canonical_is_no_body(text: str) -> None:
    is_canonical = False
    with contextlib.suppress(Exception):
        is_canonical = rfc8785.dumps(json.loads(text)) == text.encode()
    assert is_canonical is (text.startswith('{"\U00010000'))
    if is_canonical:
        assert parse_body(text.encode())
    else:
        with pytest.raises(ValueError, match=r"canonical|deeply"):
            parse_body(text.encode())


@given(st.lists(st.floats(allow_nan=False, allow_infinity=False) | st.floats(-1e4, 1e4), max_size=8))
def test_numbers_are_read_as_rfc_8785_writes_them_and_not_as_python_does(numbers: list[float]) -> None:
    canonical = rfc8785.dumps({"a": numbers})
    assert parse_body(canonical) == {"a": numbers}
    python = json.dumps({"a": numbers}, separators=(",", ":")).encode()
    if python != canonical:
        with pytest.raises(ValueError):  # noqa: PT011 - its subclasses are json's and Unicode's
            parse_body(python)
