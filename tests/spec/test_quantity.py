"""Quantities mean what PostgreSQL means by them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trimtab.spec.quantity import LARGEST, Quantity, parse_quantity, parse_size_bytes, size_text


@pytest.mark.parametrize(
    ("text", "unit", "value", "dimension"),
    [
        ("256MB", None, 256 * 2**20, "memory"),
        ("64 MB", "kB", 64 * 2**20, "memory"),
        ("65536", "kB", 64 * 2**20, "memory"),
        ("524288", "8kB", 4 * 2**30, "memory"),
        ("1.5GB", None, 3 * 2**29, "memory"),
        ("5s", None, 5000, "time"),
        ("250", "ms", 250, "time"),
        ("500us", None, 0.5, "time"),
        ("1.1", None, 1.1, "number"),
        ("-1", None, -1, "number"),
    ],
)
def test_a_quantity_is_read_as_the_server_reads_it(text: str, unit: str | None, value: float, dimension: str) -> None:
    found = parse_quantity(text, unit)
    assert (found.value, found.dimension) == (value, dimension)


@pytest.mark.parametrize(
    "text", ["", "MB", "64mb", "64Mb", "0x10", "010MB", "nan", "inf", "1e99", "9" * 30, "1 2", "٣MB"]
)
def test_what_is_not_a_quantity_is_refused_without_repeating_it(text: str) -> None:
    with pytest.raises(ValueError, match=r"number|unit") as caught:
        parse_quantity(text)
    assert len(text) < 5 or text not in str(caught.value)


@pytest.mark.parametrize("text", ["5", "5s", "-1MB", "0.3B"])
def test_a_size_needs_a_unit_of_memory_and_whole_bytes(text: str) -> None:
    with pytest.raises(ValueError, match="size"):
        parse_size_bytes(text)


@given(st.integers(0, LARGEST))
def test_a_size_is_written_exactly(size_bytes: int) -> None:
    assert parse_size_bytes(size_text(size_bytes)) == size_bytes


@given(st.integers(0, 10**12))
def test_a_time_is_written_exactly(milliseconds: int) -> None:
    assert parse_quantity(Quantity(milliseconds, "time").text()) == Quantity(milliseconds, "time")
