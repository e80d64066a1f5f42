"""How large a hash index would be: its buckets, and the pages that overflow where equal keys crowd one. Pure.

A build makes as many buckets as its estimate of the table's rows asks for, rounded up to the next split point, whatever
the index's predicate lets through. The rules are those of PostgreSQL's hashpage.c and hashutil.c.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import ceil, erf, exp, sqrt

from trimtab.twin.size import PAGE_BYTES

_ITEM_BYTES = 20
"""A tuple's header, the hash code aligned, the line pointer."""
_PER_PAGE = (PAGE_BYTES - 24 - 16) // _ITEM_BYTES
_FILL_PERCENT = 75
_LEAST_PER_BUCKET = 10
_BITS_PER_BITMAP = 32768
_ONE_PHASE_GROUPS = 10
_MANY = 40.0


def hash_pages(
    table_rows: float,
    rows: float,
    *,
    distinct: float,
    frequencies: Sequence[float] = (),
    fill_percent: int | None = None,
) -> int:
    """Return the pages of an index on `rows` keys that are not NULL, of a table of `table_rows`.

    `distinct` counts the keys; `frequencies` are the shares of the rows that the most common ones have.
    """
    buckets = _buckets(table_rows, fill_percent or _FILL_PERCENT)
    common = [share * rows for share in frequencies]
    rare_rows = max(rows - sum(common), 0.0)
    rare_keys = max(distinct - len(common), 1.0 if rare_rows >= 1 else 0.0)
    # Between two powers of two, what buckets not made yet would hold lies in others, which have twice as much.
    whole = 1 << (buckets - 1).bit_length()
    double = whole - buckets
    mean = rare_rows / buckets
    overflow = sum(_overflow(count + mean) for count in common)
    if rare_rows >= 1:
        per_bucket, repeats = rare_keys / whole, rare_rows / rare_keys
        overflow += double * _expected_overflow(2 * per_bucket, repeats)
        overflow += max(buckets - double - len(common), 1) * _expected_overflow(per_bucket, repeats)
    return 2 + buckets + ceil(overflow) + int(overflow / _BITS_PER_BITMAP)


def _buckets(rows: float, fill_percent: int) -> int:
    per_bucket = max(PAGE_BYTES * fill_percent // 100 // _ITEM_BYTES, _LEAST_PER_BUCKET)
    wanted = int(rows / per_bucket)
    if wanted <= 2:
        return 2
    group = (wanted - 1).bit_length()
    if group < _ONE_PHASE_GROUPS:
        return 1 << group
    half = 1 << (group - 1)  # From here on a doubling is made in four steps.
    step = half // 4
    return half + step * max(ceil((wanted - half) / step), 1)


def _overflow(rows: float) -> float:
    return max(ceil(rows / _PER_PAGE) - 1, 0)


def _expected_overflow(keys: float, repeats: float) -> float:
    """Return the pages beyond the first of a bucket into which `keys` keys fall on average, each `repeats` times."""
    if keys < _MANY:
        total, weight, count = 0.0, exp(-keys), 0
        while count < keys + 8 * sqrt(keys) + 12:
            total += weight * _overflow(count * repeats)
            count += 1
            weight *= keys / count
        return total
    mean, deviation = keys * repeats, sqrt(keys) * repeats
    total, limit = 0.0, _PER_PAGE
    while limit < mean + 6 * deviation:
        total += 0.5 * (1 - erf((limit - mean) / (deviation * sqrt(2))))
        limit += _PER_PAGE
    return total
