"""T4 over many rows with what belongs around it: since when evidence has risen, how large the change is, and its end.

A row is a statement or a dimension. One alarm is told per change: the row is open then, until the change went away or
a person accepts a new level. Pure; it never acts.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from trimtab.anchor.many import onset_start, onset_step, onset_values

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]
    Flags = NDArray[np.bool_]
    Counts = NDArray[np.int64]

IDLE = 100.0
"""Evidence below this is what chance gives while nothing changes: from then on a rise is counted anew."""
LOOKS_UNTIL_GONE = 20
"""So many more looks within the limit of the median than beyond it end an open alarm. A rule, not a test."""
_LARGEST_FACTOR = 1e9


@dataclass(frozen=True, slots=True)
class Track:
    """A row per statement or dimension.

    `found` and `expected` are what was measured and what was to be expected since `rising_ns`; `looks` counts all.
    """

    evidence: Floats
    looks: Counts
    rising_ns: Counts
    seen_ns: Counts
    found: Floats
    expected: Floats
    quiet: Counts
    is_open: Flags

    @classmethod
    def start(cls, rows: int) -> Track:
        """Return it before the first look."""
        whole = [np.zeros(rows, dtype=np.int64) for _ in range(4)]
        return cls(
            onset_start(rows), whole[0], whole[1], whole[2], np.zeros(rows), np.zeros(rows), whole[3],
            np.zeros(rows, dtype=bool),
        )  # fmt: skip

    @property
    def effect(self) -> Floats:
        """By which factor it is larger since evidence began to rise; 1.0 where nothing was seen."""
        return np.asarray(np.divide(self.found, self.expected, out=np.ones_like(self.found), where=self.expected > 0))

    def kept(self, rows: NDArray[np.int64]) -> Track:
        """Return the track of these rows; -1 is a row that starts anew."""
        fresh = Track.start(len(rows))
        is_kept = rows >= 0
        made = {}
        for name in _NAMES:
            values = getattr(fresh, name)
            values[is_kept] = getattr(self, name)[rows[is_kept]]
            made[name] = values
        return replace(fresh, **made)


_NAMES = ("evidence", "looks", "rising_ns", "seen_ns", "found", "expected", "quiet", "is_open")


@dataclass(frozen=True, slots=True)
class Advanced:
    """A track after one more look: the rows whose evidence suffices and those whose change went away."""

    track: Track
    values: Floats
    shown: NDArray[np.int64]
    gone: NDArray[np.int64]


def advance(
    track: Track,
    factors: Floats,
    *,
    limits: Floats,
    levels: Floats,
    found: Floats,
    expected: Floats,
    margin: float,
    now_ns: int,
) -> Advanced:
    """Return the track after these factors (nan: no look). Rows that are open gather no evidence for a second alarm."""
    seen = ~np.isnan(factors)
    finite = np.where(seen, np.minimum(factors, _LARGEST_FACTOR), np.nan)
    evidence = onset_step(track.evidence, finite, limits)
    evidence[track.is_open] = 0.0
    values = onset_values(evidence, limits)
    is_idle = (values < IDLE) & ~track.is_open
    # While nothing has changed at least half of the looks are within it; while slower, fewer are.
    is_inside = factors <= np.fmax(limits[:, 0], 1.0 + margin)
    steps = np.where(is_inside, 1, -1)
    quiet = np.where(seen & track.is_open, np.maximum(track.quiet + steps, 0), track.quiet)
    gone = track.is_open & (quiet >= LOOKS_UNTIL_GONE)
    after = Track(
        evidence=evidence,
        looks=track.looks + seen,
        rising_ns=np.where(is_idle, now_ns, track.rising_ns),
        seen_ns=np.where(seen, now_ns, track.seen_ns),
        found=np.where(is_idle, 0.0, track.found) + np.where(seen, found, 0.0),
        expected=np.where(is_idle, 0.0, track.expected) + np.where(seen, expected, 0.0),
        quiet=np.where(gone, 0, quiet),
        is_open=track.is_open & ~gone,
    )
    shown = np.flatnonzero((values >= levels) & ~track.is_open)
    return Advanced(after, values, shown, np.flatnonzero(gone))


def opened(track: Track, rows: NDArray[np.int64]) -> Track:
    """Return the track with these rows open, their evidence spent."""
    evidence, is_open, quiet = track.evidence.copy(), track.is_open.copy(), track.quiet.copy()
    evidence[rows], is_open[rows], quiet[rows] = 0.0, True, 0
    return replace(track, evidence=evidence, is_open=is_open, quiet=quiet)
