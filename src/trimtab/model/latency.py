"""How long executions took, in a small value: exact counts, a quantile sketch, and a sample of the very times.

The sketch is DDSketch (Masson, Rim and Lee, VLDB 2019): any quantile is within 1 % of a time that was seen, and two
sketches add up to that of both. The sample is a reservoir (Vitter's algorithm R, 1985), for tests that want the times.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from random import Random

RELATIVE_ERROR = 0.01
MOST_SAMPLED = 1000
_GAMMA = (1 + RELATIVE_ERROR) / (1 - RELATIVE_ERROR)
_LOG_GAMMA = math.log(_GAMMA)
_LEAST_MS = 1e-6


@dataclass(frozen=True, slots=True)
class Latency:
    """Of one query: executions that ended, those that failed or reached a time limit, and how long they took in ms.

    A failed one counts in `count` too, with the time that it had taken: to leave it out would make the rest look fast.
    `bins` counts by the whole number i with gamma^(i-1) < ms <= gamma^i, in order; `sample` are at most 1,000 times.
    """

    count: int = 0
    errors: int = 0
    sum_ms: float = 0.0
    max_ms: float = 0.0
    bins: Mapping[str, int] = field(default_factory=dict[str, int])
    sample: tuple[float, ...] = ()

    @classmethod
    def of(cls, times_ms: Iterable[float], *, errors: int = 0, random: Random) -> Latency:
        """Return the value of these times. `random` decides which are in the sample when they are many."""
        bins: Counter[int] = Counter()
        sample: list[float] = []
        count, total, longest = 0, 0.0, 0.0
        for ms in times_ms:
            bins[math.ceil(math.log(max(ms, _LEAST_MS)) / _LOG_GAMMA)] += 1
            count, total, longest = count + 1, total + ms, max(longest, ms)
            if len(sample) < MOST_SAMPLED:
                sample.append(ms)
            elif (place := random.randrange(count)) < MOST_SAMPLED:
                sample[place] = ms
        return cls(count, errors, total, longest, {str(i): bins[i] for i in sorted(bins)}, tuple(sample))

    @property
    def mean_ms(self) -> float:
        """The mean, 0 where nothing ran."""
        return self.sum_ms / self.count if self.count else 0.0

    def quantile(self, share: float) -> float | None:
        """Return the time that this share of the executions did not exceed, None where nothing ran."""
        if not self.count:
            return None
        rank = max(1, math.ceil(share * self.count))
        seen = 0
        for index, many in self.bins.items():
            seen += many
            if seen >= rank:
                return min(2 * _GAMMA ** int(index) / (_GAMMA + 1), self.max_ms)
        return self.max_ms

    def beyond(self, level_ms: float) -> int:
        """Return how many executions took longer, within the sketch's 1 %: what may have is counted as if it had."""
        if self.max_ms <= level_ms:
            return 0
        return sum(many for index, many in self.bins.items() if _GAMMA ** int(index) > level_ms)
