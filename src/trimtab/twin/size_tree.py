"""How large a GiST or SP-GiST index would be, from the size of its keys and how full their pages end up. Pure.

Neither has a rule for its fullness: where a page is split depends on the data. The shares here are what PostgreSQL's
builds left on generated data (tests/twin/test_size_methods.py compares them again).

Trigrams are of two kinds. A page of a GiST index is known above by a signature, in which each trigram sets a bit. While
some bits stay unset, a row goes where it fits best, and pages end up two thirds full. Once all bits of a page are set,
every row costs it less than any other page; so rows fill that page alone, whose halves then stay as they are when the
next one is complete: pages end up half of the fill factor full. Long texts tip over, short ones do not, and those in
between do in some builds and not in others; for these the share is between the two.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import ceil

from trimtab.twin.size import PAGE_BYTES, IndexedColumn, aligned
from trimtab.twin.size_gin import value_groups

_GIST_ROOM, _SPGIST_ROOM = PAGE_BYTES - 24 - 16, PAGE_BYTES - 24 - 8
_LINE_POINTER, _TUPLE_HEADER = 4, 8
_GIST_FULL = {"box_ops": 0.6, "range_ops": 0.8, "tsvector_ops": 0.75}
_UNSORTED_RANGES_FULL, _RANGES_SORTED_SINCE = 0.58, 180000
"""Since this version ranges are sorted before a GiST index is built on them."""
_GIST_OTHERS_FULL = 0.68
_SPGIST_HEADER = 16
_SPGIST_FULL = {"range_ops": 0.6, "text_ops": 0.8, "inet_ops": 0.8}
_SPGIST_OTHERS_FULL = 0.78
_TEXT_SHARE = 0.75
"""What is left of a text in an SP-GiST leaf after the letters that the nodes above spell."""
_TRIGRAM_BYTES, _LEXEME_BYTES = 3, 4
_SIGNATURE_BYTES = 12
_TRIGRAMS_FULL, _TRIGRAMS_TIPPED_FULL = 0.67, 0.45
_TIPPING_TRIGRAMS, _TIPPING_STEEPNESS = 80, 7
"""So many in a text tip every other build over with signatures of 12 bytes; with longer ones by their square."""
_TIPPING_PAGES = 5
"""Equal keys fit anywhere among themselves: from so many pages of one key on, these fill one by one too."""


def gist_pages(
    rows: float, keys: Sequence[IndexedColumn], included: Sequence[IndexedColumn] = (), *, version: int
) -> int:
    """Return the pages of a GiST index on `rows`, built by a server of that version."""
    leaf = inner = float(_TUPLE_HEADER)
    for key in keys:
        at_leaf, above = _gist_key(key)
        step = 8 if key.alignment == 8 else 4
        leaf = aligned(leaf, step) + at_leaf * (1 - key.null_share)
        inner = aligned(inner, step) + above
    leaf += sum(aligned(column.width, column.alignment) * (1 - column.null_share) for column in included)
    full = _gist_full(rows, keys, aligned(leaf) + _LINE_POINTER, version)
    pages = total = max(ceil(rows * (aligned(leaf) + _LINE_POINTER) / (_GIST_ROOM * full)), 1)
    fanout = max(_GIST_ROOM * full / (aligned(inner) + _LINE_POINTER), 2.0)
    while pages > 1:
        pages = ceil(pages / fanout)
        total += pages
    return total


def _gist_full(rows: float, keys: Sequence[IndexedColumn], item: float, version: int) -> float:
    """Return how full the pages of leaves end up, whose items have so many bytes."""
    if len(keys) > 1:
        return _GIST_OTHERS_FULL
    [key] = keys
    if key.operator_class == "range_ops" and version < _RANGES_SORTED_SINCE:
        return _UNSORTED_RANGES_FULL
    if key.operator_class != "gist_trgm_ops":
        return _GIST_FULL.get(key.operator_class, _GIST_OTHERS_FULL)
    tipping = _TIPPING_TRIGRAMS * (_signature_bytes(key) / _SIGNATURE_BYTES) ** 2
    stays = 1 / (1 + (_trigrams(key) / tipping) ** _TIPPING_STEEPNESS)
    many = _TIPPING_PAGES * _GIST_ROOM / item
    stays *= sum(n * times / (1 + times / many) for n, times in value_groups(key, rows)) / max(rows, 1.0)
    return _TRIGRAMS_TIPPED_FULL + (_TRIGRAMS_FULL - _TRIGRAMS_TIPPED_FULL) * stays


def _trigrams(key: IndexedColumn) -> float:
    """Return those of a text that is not NULL: about as many as its letters, if none occurs twice."""
    return key.element_count or max(key.stored_width, 1.0)


def _signature_bytes(key: IndexedColumn) -> float:
    return float(key.options.get("siglen", _SIGNATURE_BYTES))


def _gist_key(key: IndexedColumn) -> tuple[float, float]:
    """Return the bytes of a key in a leaf and above."""
    name = key.operator_class
    if name in ("point_ops", "box_ops"):
        return 32.0, 32.0
    if name in ("poly_ops", "circle_ops"):
        return 32.0, 32.0
    if name == "inet_ops":
        return key.stored_width + 1, key.stored_width + 1
    if name == "gist_trgm_ops":
        return 5 + _TRIGRAM_BYTES * _trigrams(key), 5 + _signature_bytes(key)
    if name == "tsvector_ops":
        signature = 8 + float(key.options.get("siglen", 124))
        exact = 8 + _LEXEME_BYTES * _lexemes(key)
        return min(exact, signature) if exact > 508 else exact, signature
    if name.startswith("gist_"):  # btree_gist: the least and the greatest value, in leaves as well
        return (8 + key.stored_width, 8 + 2 * key.stored_width) if key.is_variable else (key.width, key.width)
    return max(key.stored_width, key.width), max(key.stored_width, key.width)


def _lexemes(key: IndexedColumn) -> float:
    if key.element_count:
        return key.element_count
    return max((key.stored_width - 8) / 14, 1.0)


def spgist_pages(rows: float, keys: Sequence[IndexedColumn]) -> int:
    """Return the pages of an SP-GiST index on `rows`."""
    key = keys[0]
    width = 1 + key.stored_width * _TEXT_SHARE if key.operator_class == "text_ops" else key.width
    full = _SPGIST_FULL.get(key.operator_class, _SPGIST_OTHERS_FULL)
    item = _SPGIST_HEADER + aligned(width * (1 - key.null_share)) + _LINE_POINTER
    leaves = ceil(rows * item / (_SPGIST_ROOM * full))
    return 3 + leaves + ceil(leaves / 60)
