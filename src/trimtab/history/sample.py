"""What was counted and seen of a server in one stretch of time: sums, means and peaks by name, and how they are joined.

Pure: it reads no server and writes no file. What a name means is decided in `metrics.py`.
"""

from __future__ import annotations

import json
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypeAlias

Name: TypeAlias = tuple[str, ...]
"""The path of a number: ("wait", "IO", "DataFileRead"). Its first part is ours, later ones may be the server's."""

MOST_NAMES = 3000
"""Beyond so many names of one kind the smallest are dropped: a server with ten thousand tables has mostly idle ones."""
LONGEST_PART = 200


@dataclass(frozen=True, slots=True)
class Sample:
    """Of one stretch: `sums` are what was counted in it, `means` and `peaks` of what was looked at, by the same names.

    A name that is missing was not measured: that is not zero.
    """

    start_ns: int
    seconds: float
    sums: Mapping[Name, float] = field(default_factory=dict[Name, float])
    means: Mapping[Name, float] = field(default_factory=dict[Name, float])
    peaks: Mapping[Name, float] = field(default_factory=dict[Name, float])


def pack_sample(sample: Sample) -> bytes:
    """Return the sample's numbers as bytes."""
    body = [_rows(sample.sums), _rows(sample.means), _rows(sample.peaks)]
    return zlib.compress(json.dumps(body, separators=(",", ":")).encode("utf-8", "surrogatepass"), 6)


def unpack_sample(start_ns: int, seconds: float, raw: bytes) -> Sample:
    """Return what `pack_sample` was given. Raises ValueError."""
    try:
        sums, means, peaks = json.loads(zlib.decompress(raw))
    except zlib.error as error:
        raise ValueError("these bytes were not written here") from error
    return Sample(start_ns, seconds, _names(sums), _names(means), _names(peaks))


def joined_samples(start_ns: int, parts: Sequence[Sample]) -> Sample:
    """Return one sample of several: sums are added, means weighed by time, of peaks the highest is kept.

    A mean's weight is the time of those parts alone that have it.
    """
    sums: dict[Name, float] = {}
    weighed: dict[Name, float] = {}
    weights: dict[Name, float] = {}
    peaks: dict[Name, float] = {}
    for part in parts:
        for name, value in part.sums.items():
            sums[name] = sums.get(name, 0.0) + value
        for name, value in part.means.items():
            weighed[name] = weighed.get(name, 0.0) + value * part.seconds
            weights[name] = weights.get(name, 0.0) + part.seconds
        for name, value in part.peaks.items():
            peaks[name] = max(peaks.get(name, value), value)
    means = {name: value / weights[name] for name, value in weighed.items() if weights[name] > 0}
    return Sample(start_ns, sum(part.seconds for part in parts), _fewer(sums), _fewer(means), _fewer(peaks))


def sample_groups(samples: Sequence[Sample], length_ns: int) -> dict[int, list[Sample]]:
    """Return the samples by the beginning of the stretch of that length in which each began."""
    by_start: dict[int, list[Sample]] = {}
    for sample in samples:
        by_start.setdefault(sample.start_ns - sample.start_ns % length_ns, []).append(sample)
    return dict(sorted(by_start.items()))


def _fewer(values: dict[Name, float]) -> dict[Name, float]:
    if len(values) <= MOST_NAMES:
        return values
    kept = sorted(values, key=lambda name: (len(name) > 1, -abs(values[name])))[:MOST_NAMES]
    return {name: values[name] for name in kept}


def _rows(values: Mapping[Name, float]) -> list[list[object]]:
    return [[*(part[:LONGEST_PART] for part in name), _short(value)] for name, value in values.items()]


def _names(rows: list[list[object]]) -> dict[Name, float]:
    return {tuple(str(part) for part in row[:-1]): float(str(row[-1])) for row in rows}


def _short(value: float) -> float:
    """Whole numbers exactly, others to ten digits: the rest is noise that takes room."""
    return int(value) if float(value).is_integer() and abs(value) < 1 << 53 else float(f"{value:.10g}")
