"""Claims about what verification finds, by every kind of edit behind the triggers' back."""

from __future__ import annotations

import shutil
import sqlite3
import tempfile
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from trimtab.ledger.chain import Row
from trimtab.ledger.entry import Kind
from trimtab.ledger.ledger import Ledger
from trimtab.ledger.verification import Evidence, Verification, check

from .conftest import Clock

ENTRIES = 6
numbers = st.integers(1, ENTRIES)
columns = st.sampled_from(["body", "kind", "at_ns", "run_id", "prev_hash", "hash"])


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    path = tmp_path_factory.mktemp("written") / "ledger.db"
    kinds = list(Kind)
    with Ledger.open(path, clock=Clock(step_ns=1000)) as ledger:
        for number in range(ENTRIES):
            body = {"title": f"é {number}", "size": 1.5 * number, "nested": {"list": [number, None, True]}}
            ledger.append(kinds[number], body, run_id=f"r-{number}")
    yield path
    with Ledger.open(path) as ledger:
        assert ledger.verify().verified, "a test changed the original"


TRIGGERS = [f"{table}_{what}" for table in ("entries", "tree", "checkpoints") for what in ("keep", "stay", "follow")]


def edited(written: Path, directory: str, edit: Callable[[sqlite3.Connection], object], is_seen: bool) -> Path:
    copy = Path(directory) / "ledger.db"
    shutil.copy(written, copy)
    if is_seen:
        shutil.copy(written.with_name("ledger.db.seen"), directory)
    with closing(sqlite3.connect(copy, isolation_level=None)) as raw:
        for trigger in TRIGGERS:
            raw.execute(f"DROP TRIGGER {trigger}")
        edit(raw)
    return copy


def after(written: Path, edit: Callable[[sqlite3.Connection], object], *, is_seen: bool = False) -> Verification:
    with (
        tempfile.TemporaryDirectory() as directory,
        Ledger.open(edited(written, directory, edit, is_seen)) as ledger,
    ):
        return ledger.verify()


def rows_after(written: Path, edit: Callable[[sqlite3.Connection], object]) -> list[Row]:
    with (
        tempfile.TemporaryDirectory() as directory,
        Ledger.open(edited(written, directory, edit, False)) as ledger,
    ):
        return list(ledger.rows())


def field(written: Path, number: int, column: str) -> bytes:
    with closing(sqlite3.connect(written)) as raw:
        (value,) = raw.execute(f"SELECT CAST({column} AS BLOB) FROM entries WHERE seq = ?", (number,)).fetchone()
        return bytes(value)


def put(number: int, column: str, value: object) -> Callable[[sqlite3.Connection], object]:
    how = "CAST(? AS TEXT)" if isinstance(value, bytes) else "?"
    return lambda raw: raw.execute(f"UPDATE entries SET {column} = {how} WHERE seq = ?", (value, number))


@settings(max_examples=150, deadline=None)
@given(number=numbers, column=columns, position=st.integers(0, 10_000), byte=st.integers(0, 255))
def test_any_changed_byte_of_any_field_is_found(
    written: Path, number: int, column: str, position: int, byte: int
) -> None:
    value = bytearray(field(written, number, column))
    position %= len(value)
    assume(value[position] != byte)
    value[position] = byte
    verification = after(written, put(number, column, bytes(value)))
    assert (verification.verified, verification.first_bad, verification.entries) == (False, number, ENTRIES)
    assert verification.reason


@settings(max_examples=40, deadline=None)
@given(
    number=numbers,
    column=columns,
    # SQLite stores NaN as NULL.
    value=st.none() | st.binary() | st.integers(-(2**63), 2**63 - 1) | st.floats(allow_nan=False),
)
def test_any_other_value_of_any_type_is_found(written: Path, number: int, column: str, value: object) -> None:
    assume(not (value is None and column != "run_id"))
    original = field(written, number, column)
    assume(not isinstance(value, bytes) or value != original)
    assume(not isinstance(value, int) or str(value).encode() != original)
    verification = after(written, put(number, column, value))
    assert (verification.verified, verification.first_bad) == (False, number)


@given(number=st.integers(1, ENTRIES - 1))
@settings(max_examples=ENTRIES, deadline=None)
def test_a_missing_entry_is_named(written: Path, number: int) -> None:
    verification = after(written, lambda raw: raw.execute("DELETE FROM entries WHERE seq = ?", (number,)))
    assert (verification.first_bad, verification.entries) == (number, ENTRIES - 1)
    assert "missing" in verification.reason


def test_a_missing_entry_is_found_though_the_rest_is_numbered_anew(written: Path) -> None:
    def close_the_gap(raw: sqlite3.Connection) -> None:
        raw.execute("DELETE FROM entries WHERE seq = 3")
        for number in range(4, ENTRIES + 1):
            raw.execute("UPDATE entries SET seq = ? WHERE seq = ?", (number - 1, number))

    assert after(written, close_the_gap).first_bad == 3


@given(pair=st.tuples(numbers, numbers))
@settings(max_examples=20, deadline=None)
def test_a_swapped_pair_is_named_by_its_first(written: Path, pair: tuple[int, int]) -> None:
    first, second = sorted(pair)
    assume(first != second)

    def swap(raw: sqlite3.Connection) -> None:
        for old, new in ((first, 99), (second, first), (99, second)):
            raw.execute("UPDATE entries SET seq = ? WHERE seq = ?", (new, old))

    assert after(written, swap).first_bad == first


def test_an_entry_before_the_first_or_after_a_gap_is_named(written: Path) -> None:
    def put_in(number: int) -> Callable[[sqlite3.Connection], object]:
        return lambda raw: raw.execute(
            "INSERT INTO entries SELECT ?, at_ns, kind, run_id, body, prev_hash, hash FROM entries WHERE seq = 1",
            (number,),
        )

    assert after(written, put_in(0)).first_bad == 0
    assert after(written, put_in(ENTRIES + 1)).first_bad == ENTRIES + 1
    assert after(written, put_in(ENTRIES + 5)).first_bad == ENTRIES + 1


def test_an_entry_that_was_hashed_anew_is_not_the_one_in_the_tree_and_breaks_the_chain_at_the_next(
    written: Path,
) -> None:
    from trimtab.ledger.entry import canonical_entry, entry_hash

    def forge(raw: sqlite3.Connection) -> None:
        (at_ns, kind, run_id, prev_hash) = raw.execute(
            "SELECT at_ns, kind, run_id, prev_hash FROM entries WHERE seq = 2"
        ).fetchone()
        forged = entry_hash(canonical_entry(2, at_ns, kind, run_id, b"{}", prev_hash))
        raw.execute("UPDATE entries SET body = '{}', hash = ? WHERE seq = 2", (forged,))

    verification = after(written, forge)
    assert verification.first_bad == 2
    assert "Merkle" in verification.reason
    alone = check(rows_after(written, forge), Evidence())
    assert alone.first_bad == 3
    assert "follow" in alone.reason


def test_a_cut_off_tail_is_missed_in_the_tree_and_where_that_is_cut_too_by_what_was_seen(written: Path) -> None:
    def cut(raw: sqlite3.Connection) -> None:
        raw.execute("DELETE FROM entries WHERE seq = ?", (ENTRIES,))

    def cut_both(raw: sqlite3.Connection) -> None:
        cut(raw)
        raw.execute("DELETE FROM tree WHERE seq = ?", (ENTRIES,))

    assert after(written, cut).first_bad == ENTRIES
    assert after(written, cut_both).verified
    seen = after(written, cut_both, is_seen=True)
    assert (seen.first_bad, seen.verified) == (ENTRIES, False)
    assert "missing at the end" in seen.reason
