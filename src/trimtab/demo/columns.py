"""Decides how generated columns become the text that COPY reads. It never draws a value and never talks to a server."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

NULL = "\\N"
ROWS_PER_BLOCK = 20_000

Texts: TypeAlias = list[str]
Mask: TypeAlias = NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class TableRows:
    """The rows of one table, by column, each value in COPY's text form. All columns are of the same length."""

    table: str
    columns: dict[str, Texts]

    @property
    def row_count(self) -> int:
        """How many rows there are."""
        return len(next(iter(self.columns.values())))

    def blocks(self) -> Iterator[tuple[int, bytes]]:
        """Yield (rows in this block, the block in COPY's text format)."""
        rows = zip(*self.columns.values(), strict=True)
        while lines := list(map("\t".join, islice(rows, ROWS_PER_BLOCK))):
            yield len(lines), ("\n".join(lines) + "\n").encode()


def numbers(values: NDArray[np.int64]) -> Texts:
    """Return integers as texts."""
    low, high = int(values.min()), int(values.max())
    if high - low < len(values):
        # A look-up in the texts of the whole range costs a tenth of making each text.
        return words(list(map(str, range(low, high + 1))), values - low)
    return list(map(str, values.tolist()))


def booleans(values: Mask) -> Texts:
    """Return booleans as texts."""
    return words(("f", "t"), values.astype(np.int64))


def words(vocabulary: Sequence[str], positions: NDArray[np.int64]) -> Texts:
    """Return the word at each position."""
    picked: Texts = np.array(vocabulary, dtype=object)[positions].tolist()
    return picked


def moments(seconds: NDArray[np.int64]) -> Texts:
    """Return seconds since 1970 as timestamps in UTC."""
    texts: Texts = np.datetime_as_string(seconds.astype("datetime64[s]"), timezone="UTC").tolist()
    return texts


def days(seconds: NDArray[np.int64]) -> Texts:
    """Return seconds since 1970 as dates."""
    texts: Texts = np.datetime_as_string(seconds.astype("datetime64[s]"), unit="D").tolist()
    return texts


def nulled(texts: Texts, is_null: Mask) -> Texts:
    """Return the texts with NULL where the mask says so."""
    column = np.array(texts, dtype=object)
    column[is_null] = NULL
    kept: Texts = column.tolist()
    return kept
