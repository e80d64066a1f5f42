"""The sequential paired test: evidence, looked at after every pair, that one arm is faster than the other.

Within a pair the order of the arms is a fair coin. Under the sharp null (the change does nothing) that makes the score
symmetric whatever the noise does, so the evidence exceeds 1/alpha with probability at most alpha, at any stopping time.
It never measures and never decides about a strategy; it only weighs numbers.

Source: betting test martingales, Waudby-Smith & Ramdas (2024) and Shekhar & Ramdas (2024); Ville's inequality (1939).
The coin inside the pair gives a design-based guarantee as in Lindon & Kallus (2026): no moments, no stationarity.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from math import log, log1p, sqrt
from statistics import median

BETS = (0.1, 0.2, 0.4, 0.6, 0.8)
CLIP_SCALES = 3.0
# EXPLAIN tells time in steps of 0.001 ms.
RESOLUTION_MS = 0.001
# Quantised or noiseless runs give a scale near 0, where any difference would look like proof; a hopelessly noisy
# baseline gives one so large that nothing could ever be shown.
SCALE_FLOOR = 0.01
SCALE_CEILING = 0.5
SCALE_UNKNOWN = 0.05
_MAD_TO_SIGMA = 1.4826
_LARGEST_WEALTH = 1e300
_LEAST_PAIRS_TO_FORESEE = 5


def log_gain(before_ms: float, after_ms: float) -> float:
    """Return log(before / after): positive when after is faster. Times are floored at the clock's resolution."""
    return log(max(before_ms, RESOLUTION_MS) / max(after_ms, RESOLUTION_MS))


def noise_scale(same_arm_log_ratios: Sequence[float]) -> float:
    """Return a robust scale of log ratios between runs of the same arm (A/A pairs), kept between floor and ceiling.

    It affects power only, never the error rate, as long as it is fixed before the trial.
    """
    if not same_arm_log_ratios:
        return SCALE_UNKNOWN
    sizes = [abs(ratio) for ratio in same_arm_log_ratios]
    # Of very few pairs the median can be luckily small: the largest is the safer guess.
    typical = _MAD_TO_SIGMA * median(sizes) if len(sizes) >= _LEAST_PAIRS_TO_FORESEE else max(sizes)
    return min(max(typical, SCALE_FLOOR), SCALE_CEILING)


@dataclass(frozen=True, slots=True)
class PairedTest:
    """Evidence for log gains above log(1 + margin). A value: `observe` returns the next one.

    `error_rate` is alpha; `scale` comes from `noise_scale`; a negative `margin` makes it a test of "not slower than".
    With a margin the guarantee holds for no effect and for a constant effect up to the margin.
    """

    error_rate: float
    scale: float
    margin: float = 0.0
    pairs: int = 0
    wealth: tuple[float, ...] = (1.0,) * len(BETS)
    peak: float = 1.0
    score_sum: float = 0.0
    score_square_sum: float = 0.0

    def observe(self, gain: float, scale: float | None = None) -> PairedTest:
        """Return the test after one more pair with this log gain; `scale` where the pair's noise is not the test's."""
        score = self.score(gain, scale)
        wealth = tuple(_grown(self.wealth, score))
        return replace(
            self,
            pairs=self.pairs + 1,
            wealth=wealth,
            peak=max(self.peak, _mean(wealth)),
            score_sum=self.score_sum + score,
            score_square_sum=self.score_square_sum + score * score,
        )

    def is_proven_by(self, gains: Sequence[float]) -> bool:
        """Return whether it would be proven once these gains were observed, one after the other.

        It keeps nothing but the evidence: for who asks of many margins.
        """
        enough, peak = 1.0 / self.error_rate, self.peak
        wealth: Sequence[float] = self.wealth
        for gain in gains:
            if peak >= enough:
                break
            wealth = _grown(wealth, self.score(gain))
            peak = max(peak, _mean(wealth))
        return peak >= enough

    def score(self, gain: float, scale: float | None = None) -> float:
        """Return what a log gain is worth: -1 to 1."""
        return min(max((gain - log1p(self.margin)) / (CLIP_SCALES * (scale or self.scale)), -1.0), 1.0)

    @property
    def e_value(self) -> float:
        """The evidence now: the mean over the bets of what each has made of 1."""
        return _mean(self.wealth)

    @property
    def is_proven(self) -> bool:
        """True once the evidence has reached 1/alpha; Ville's inequality covers its highest point."""
        return self.peak >= 1.0 / self.error_rate

    def is_futile(self, remaining_pairs: int) -> bool:
        """Return whether even `remaining_pairs` at an optimistic score would not prove it.

        Optimistic is the mean score plus two standard errors, or the best score while there are few pairs. Stopping for
        futility can only lower the chance of a false acceptance.
        """
        if self.is_proven:
            return False
        optimistic = self._optimistic_score()
        projected = [
            held * (1.0 + bet * optimistic) ** min(remaining_pairs, 1000)
            for held, bet in zip(self.wealth, BETS, strict=True)
        ]
        return _mean(projected) < 1.0 / self.error_rate

    def _optimistic_score(self) -> float:
        if self.pairs < _LEAST_PAIRS_TO_FORESEE:
            return 1.0
        mean = self.score_sum / self.pairs
        variance = max(self.score_square_sum / self.pairs - mean * mean, 0.0)
        return min(mean + 2.0 * sqrt(variance / self.pairs), 1.0)


def _grown(wealth: Sequence[float], score: float) -> list[float]:
    return [min(held * (1.0 + bet * score), _LARGEST_WEALTH) for held, bet in zip(wealth, BETS, strict=True)]


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values)
