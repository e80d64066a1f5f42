"""Writes and reads the first and the last entry of a B-tree: where a condition reaches beyond a histogram, the planner
looks them up. Pure file work, as in `pages.py`; layouts are those of `itup.h`, `nbtree.h` and `visibilitymap.h`.

The planner takes a key from the index alone when the row's page is known to be visible to all: so the table's first
page is marked so, and no row is needed.
"""

from __future__ import annotations

import os
import struct
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from trimtab.twin.pages import HEADER, HEADER_BYTES, LAYOUT_VERSION, LEAF, OPAQUE, PAGE_BYTES, btree_level

_ITEM = struct.Struct("<I")
_TUPLE = struct.Struct("<HHHH")  # block (high, low), line pointer, size and flags
_NORMAL_ITEM = 1
_SIZE, _HAS_VARIABLE, _HAS_NULLS = 0x1FFF, 0x4000, 0x8000
_NULL_BITMAP_BYTES = 8  # four bytes, for 32 columns, and the alignment of what follows
_FIRST_IS_KNOWN = 1
_ALL_VISIBLE = 1


@dataclass(frozen=True, slots=True)
class Key:
    """The value of a B-tree's first column, as it lies in the file."""

    data: bytes
    has_variable: bool


def keys_of(path: Path) -> list[Key]:
    """Return the first columns of the entries in the first leaf of a B-tree of at most one leaf, or of a chain."""
    level = btree_level(path)
    if level is None:
        return []
    with path.open("rb") as file:
        file.seek((1 + level) * PAGE_BYTES)
        page = file.read(PAGE_BYTES)
    if len(page) < PAGE_BYTES:
        return []
    _, _, _, lower, *_ = HEADER.unpack_from(page)
    return [_key(page, place) for place in range(HEADER_BYTES, lower, _ITEM.size)]


def entries_by_row(path: Path) -> dict[str, Key]:
    """Return the first columns of all entries of a B-tree that CREATE INDEX wrote, by the row's place: "(0,1)".

    It must have no posting lists.
    """
    found = {}
    data = path.read_bytes()
    for begin in range(PAGE_BYTES, len(data), PAGE_BYTES):
        page = data[begin : begin + PAGE_BYTES]
        _, _, _, lower, _, special, *_ = HEADER.unpack_from(page)
        _, following, _, flags, _ = OPAQUE.unpack_from(page, special)
        first = HEADER_BYTES + (_ITEM.size if following else 0)  # All but the rightmost page begin with a high key.
        for place in range(first, lower, _ITEM.size) if flags & LEAF else ():
            [item] = _ITEM.unpack_from(page, place)
            high, low, line, _ = _TUPLE.unpack_from(page, item & 0x7FFF)
            found[f"({high << 16 | low},{line})"] = _key(page, place)
    return found


def set_ends(path: Path, keys: Sequence[Key], *, attributes: int, is_descending: bool) -> None:
    """Put the keys, lowest first, into the leaf of a chain that `set_btree_height` wrote. Other columns are NULL."""
    level = btree_level(path)
    if level is None:
        return
    with path.open("r+b") as file:
        file.seek((1 + level) * PAGE_BYTES)
        page = bytearray(file.read(PAGE_BYTES))
        if len(page) < PAGE_BYTES:
            return
        _, _, flags, _, _, special, *_ = HEADER.unpack_from(page)
        lower, upper = HEADER_BYTES, special
        for number, key in enumerate(reversed(keys) if is_descending else keys, 1):
            entry = _entry(key, attributes, number)
            upper -= len(entry)
            page[upper : upper + len(entry)] = entry
            _ITEM.pack_into(page, lower, upper | (_NORMAL_ITEM << 15) | (_size(entry) << 17))
            lower += _ITEM.size
        HEADER.pack_into(page, 0, 0, 0, flags, lower, upper, special, LAYOUT_VERSION, 0)
        file.seek((1 + level) * PAGE_BYTES)
        file.write(page)


def mark_visible(table: Path) -> None:
    """Say in a table's visibility map that its first page is visible to all, and nothing else."""
    page = bytearray(PAGE_BYTES)
    HEADER.pack_into(page, 0, 0, 0, 0, HEADER_BYTES, PAGE_BYTES, PAGE_BYTES, LAYOUT_VERSION, 0)
    page[HEADER_BYTES] = _ALL_VISIBLE
    path = table.with_name(f"{table.name}_vm")
    path.touch(mode=0o600)
    path.write_bytes(page)
    if os.geteuid() == 0:
        owner = table.stat()
        os.chown(path, owner.st_uid, owner.st_gid)


def _key(page: bytes, place: int) -> Key:
    [item] = _ITEM.unpack_from(page, place)
    start = item & 0x7FFF
    *_, info = _TUPLE.unpack_from(page, start)
    begin = _TUPLE.size + (_NULL_BITMAP_BYTES if info & _HAS_NULLS else 0)
    return Key(bytes(page[start + begin : start + (info & _SIZE)]), bool(info & _HAS_VARIABLE))


def _entry(key: Key, attributes: int, number: int) -> bytes:
    bitmap = struct.pack("<Q", _FIRST_IS_KNOWN) if attributes > 1 else b""
    body = bitmap + key.data
    body += b"\0" * (-len(body) % 8)
    flags = (_HAS_NULLS if bitmap else 0) | (_HAS_VARIABLE if key.has_variable else 0)
    return _TUPLE.pack(0, 0, number, _TUPLE.size + len(body) | flags) + body


def _size(entry: bytes) -> int:
    *_, info = _TUPLE.unpack_from(entry)
    return int(info & _SIZE)
