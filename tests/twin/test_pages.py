"""Files of relations: lengths over segments, and the first pages of a B-tree. No server is needed."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from trimtab.twin.pages import (
    PAGE_BYTES,
    SEGMENT_PAGES,
    GinPages,
    length_of,
    pages_per_range,
    set_brin_map,
    set_btree_height,
    set_gin_pages,
    set_length,
)


def test_a_table_over_one_gigabyte_has_segments_and_takes_no_disk(tmp_path: Path) -> None:
    file = tmp_path / "16384"
    file.touch()
    set_length(file, 2 * SEGMENT_PAGES + 17)
    sizes = [path.stat().st_size for path in sorted(tmp_path.iterdir())]
    assert sizes == [SEGMENT_PAGES * PAGE_BYTES, SEGMENT_PAGES * PAGE_BYTES, 17 * PAGE_BYTES]
    assert sum(path.stat().st_blocks for path in tmp_path.iterdir()) == 0


def test_segments_keep_their_inodes_when_a_file_is_cut_and_given_back(tmp_path: Path) -> None:
    file = tmp_path / "16384"
    file.touch()
    set_length(file, SEGMENT_PAGES + 5)
    before = {path.name: path.stat().st_ino for path in tmp_path.iterdir()}
    set_length(file, 0)
    assert length_of(file) == 0
    set_length(file, SEGMENT_PAGES + 5)
    assert {path.name: path.stat().st_ino for path in tmp_path.iterdir()} == before
    assert length_of(file) == SEGMENT_PAGES + 5


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.integers(0, 4 * SEGMENT_PAGES), min_size=1, max_size=6))
def test_the_last_length_that_was_set_is_the_length(tmp_path: Path, lengths: list[int]) -> None:
    file = tmp_path / "16384"
    file.touch()
    for pages in lengths:
        set_length(file, pages)
        assert length_of(file) == pages


@pytest.mark.parametrize("pages", [SEGMENT_PAGES - 1, SEGMENT_PAGES, SEGMENT_PAGES + 1])
def test_the_end_of_a_segment_is_no_special_case(tmp_path: Path, pages: int) -> None:
    file = tmp_path / "1"
    file.touch()
    set_length(file, pages)
    assert length_of(file) == pages


def test_what_is_no_b_tree_is_left_alone(tmp_path: Path) -> None:
    file = tmp_path / "1"
    content = bytes(range(256)) * 64
    file.write_bytes(content)
    set_btree_height(file, 3)
    assert file.read_bytes() == content


def test_the_metapage_of_a_gin_index_tells_its_contents(tmp_path: Path) -> None:
    file = tmp_path / "1"
    page = bytearray(2 * PAGE_BYTES)
    page[24 + 48 : 24 + 52] = (2).to_bytes(4, "little")
    file.write_bytes(page)
    set_gin_pages(file, 900, GinPages(entry_pages=600, data_pages=299, entries=12345))
    content = file.read_bytes()
    assert [int.from_bytes(content[at : at + 4], "little") for at in (48, 52, 56)] == [900, 600, 299]
    assert int.from_bytes(content[64:72], "little") == 12345


def test_the_metapage_of_a_brin_index_tells_its_map_and_keeps_its_range(tmp_path: Path) -> None:
    file = tmp_path / "1"
    page = bytearray(PAGE_BYTES)
    page[24:40] = b"".join(n.to_bytes(4, "little") for n in (0xA8109CFA, 1, 16, 1))
    file.write_bytes(page)
    set_brin_map(file, 7)
    assert pages_per_range(file) == 16
    assert int.from_bytes(file.read_bytes()[36:40], "little") == 7


def test_what_is_neither_gin_nor_brin_is_left_alone(tmp_path: Path) -> None:
    file = tmp_path / "1"
    content = bytes(range(256)) * 64
    file.write_bytes(content)
    set_gin_pages(file, 5, GinPages(1, 2, 3))
    set_brin_map(file, 3)
    assert pages_per_range(file) is None
    assert file.read_bytes() == content
