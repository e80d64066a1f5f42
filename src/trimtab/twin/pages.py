"""Gives a relation's files the length, and an index's first pages the facts, that the source's have. Pure file work.

The planner asks the file system for a relation's length, and the metapage for a B-tree's height, for the pages and
entries of a GIN index, and for the map of a BRIN index. Files are extended with `truncate`, so they are sparse and take
no disk. Nothing here may be in a server's buffers while it is changed. The layouts are those of PostgreSQL's
`bufpage.h`, `itup.h`, `nbtree.h` (B-tree version 4), `ginblock.h` (version 2) and `brin_page.h`.
"""

from __future__ import annotations

import os
import struct
from dataclasses import dataclass
from pathlib import Path

PAGE_BYTES = 8192
SEGMENT_PAGES = 131072
MAX_LEVEL = 8

HEADER = struct.Struct("<QHHHHHHI")  # pd_lsn, checksum, flags, lower, upper, special, pagesize_version, prune_xid
_META = struct.Struct("<IIIIII")  # magic, version, root, level, fastroot, fastlevel
OPAQUE = struct.Struct("<IIIHH")  # previous, next, level, flags, cycle id
_ITEM = struct.Struct("<I")
_TUPLE = struct.Struct("<HHHH")  # block (high, low), attributes, size and flags
HEADER_BYTES = 24
_SPECIAL = PAGE_BYTES - OPAQUE.size
LAYOUT_VERSION = PAGE_BYTES | 4
_BTREE_MAGIC = 0x053162
LEAF, _ROOT = 1, 2
_PIVOT_FLAG = 0x2000
_NORMAL_ITEM = 1
_GIN_STATISTICS = struct.Struct("<IIIIqi")  # total, entry and data pages, padding, entries, version
_GIN_STATISTICS_AT = HEADER_BYTES + 24
_GIN_VERSION = 2
_BRIN_META = struct.Struct("<IIII")  # magic, version, pages per range, last page of the map
_BRIN_MAGIC = 0xA8109CFA


@dataclass(frozen=True, slots=True)
class GinPages:
    """What a GIN index holds: pages of its tree of keys, pages of posting trees, distinct keys."""

    entry_pages: int
    data_pages: int
    entries: int

    @property
    def pages(self) -> int:
        """All pages, with the metapage."""
        return 1 + self.entry_pages + self.data_pages


def set_length(path: Path, pages: int) -> None:
    """Make the relation's files `pages` long, sparse. Segments keep their inodes: a server may hold them open."""
    whole, rest = divmod(max(pages, 0), SEGMENT_PAGES)
    segment = 0
    while True:
        file = _segment(path, segment)
        length = SEGMENT_PAGES if segment < whole else rest if segment == whole else 0
        if segment > whole and not file.exists():
            return
        if length or segment == 0 or file.exists():
            _truncate(file, length * PAGE_BYTES, like=path)
        segment += 1


def length_of(path: Path) -> int:
    """Return the relation's length in pages, over all segments."""
    pages = segment = 0
    while pages == segment * SEGMENT_PAGES and (file := _segment(path, segment)).exists():
        pages += file.stat().st_size // PAGE_BYTES
        segment += 1
    return pages


def set_btree_height(path: Path, level: int) -> None:
    """Write a chain of empty pages from a root at `level` down to a leaf, and name it in the metapage."""
    level = min(level, MAX_LEVEL)
    with path.open("r+b") as file:
        file.seek(HEADER_BYTES)
        magic, version, *_ = _META.unpack(file.read(_META.size))
        if magic != _BTREE_MAGIC:
            return
        file.seek(HEADER_BYTES)
        file.write(_META.pack(magic, version, 1, level, 1, level))
        for depth in range(level + 1):
            file.seek((1 + depth) * PAGE_BYTES)
            file.write(_chain_page(level - depth, is_root=depth == 0, child=depth + 2))


def btree_level(path: Path) -> int | None:
    """Return the level of the root that a B-tree's metapage names; None for what is no B-tree, or has no root."""
    with path.open("rb") as file:
        file.seek(HEADER_BYTES)
        raw = file.read(_META.size)
    if len(raw) < _META.size:
        return None
    magic, _, root, level, *_ = _META.unpack(raw)
    return int(level) if magic == _BTREE_MAGIC and root else None


def is_deduplicated(path: Path) -> bool:
    """Return the metapage's btm_allequalimage: whether this B-tree may hold posting lists."""
    with path.open("rb") as file:
        file.seek(HEADER_BYTES + 40)
        return file.read(1) == b"\x01"


def set_gin_pages(path: Path, total: int, found: GinPages) -> None:
    """Write into a GIN index's metapage what VACUUM would: of `total` pages, how many are of which kind."""
    with path.open("r+b") as file:
        file.seek(_GIN_STATISTICS_AT)
        *_, version = _GIN_STATISTICS.unpack(file.read(_GIN_STATISTICS.size))
        if version != _GIN_VERSION:
            return
        file.seek(_GIN_STATISTICS_AT)
        values = total, found.entry_pages, found.data_pages, 0, found.entries, version
        file.write(_GIN_STATISTICS.pack(*values))


def pages_per_range(path: Path) -> int | None:
    """Return how many pages of the table one entry of this BRIN index is for; None for what is no BRIN index."""
    with path.open("rb") as file:
        file.seek(HEADER_BYTES)
        magic, _, per_range, _ = _BRIN_META.unpack(file.read(_BRIN_META.size))
    return per_range if magic == _BRIN_MAGIC else None


def set_brin_map(path: Path, map_pages: int) -> None:
    """Write into a BRIN index's metapage how long its map from ranges to entries is."""
    with path.open("r+b") as file:
        file.seek(HEADER_BYTES)
        magic, version, per_range, _ = _BRIN_META.unpack(file.read(_BRIN_META.size))
        if magic == _BRIN_MAGIC:
            file.seek(HEADER_BYTES)
            file.write(_BRIN_META.pack(magic, version, per_range, map_pages))


def _chain_page(level: int, *, is_root: bool, child: int) -> bytes:
    flags = (_ROOT if is_root else 0) | (LEAF if level == 0 else 0)
    page = bytearray(PAGE_BYTES)
    lower, upper = HEADER_BYTES, _SPECIAL
    if level > 0:  # one downlink: a pivot tuple without attributes, which stands for minus infinity
        lower, upper = HEADER_BYTES + _ITEM.size, _SPECIAL - _TUPLE.size
        _ITEM.pack_into(page, HEADER_BYTES, upper | (_NORMAL_ITEM << 15) | (_TUPLE.size << 17))
        _TUPLE.pack_into(page, upper, child >> 16, child & 0xFFFF, 0, _TUPLE.size | _PIVOT_FLAG)
    HEADER.pack_into(page, 0, 0, 0, 0, lower, upper, _SPECIAL, LAYOUT_VERSION, 0)
    OPAQUE.pack_into(page, _SPECIAL, 0, 0, level, flags, 0)
    return bytes(page)


def _segment(path: Path, number: int) -> Path:
    return path if number == 0 else path.with_name(f"{path.name}.{number}")


def _truncate(file: Path, length: int, *, like: Path) -> None:
    if not file.exists():
        owner = like.stat()
        file.touch(mode=0o600)
        if os.geteuid() == 0:
            os.chown(file, owner.st_uid, owner.st_gid)
    os.truncate(file, length)
