"""All pairs of one trial, and the ruling on its strategy: accept, reject, or measure on.

It decides from numbers alone. One query that became worse rejects the strategy; the total is accepted only when the
sequential test has proven the required gain and no query is in doubt.

The gain is looked at in two ways: on the weighted total of each round, and on each query's pairs one after the other,
which finds a gain that many queries share in fewer rounds. Both are evidence against the same null, that the change
does nothing; the mean of two such e-processes is one again, so the error rate stays what it is.

Queries that are only watched may not become worse, like all others, but are no part of the gain: what the change does
not touch would water it down.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from trimtab.model.paired import PairedTest, log_gain
from trimtab.model.strategy import Decision
from trimtab.trial.limits import TrialLimits
from trimtab.trial.measurement import Measurement, QuerySeries, Standing

# Before so many pairs the medians are too rough to say that a proven gain is too small.
LEAST_PAIRS_FOR_LEVEL = 8


@dataclass(frozen=True, slots=True)
class Ruling:
    """How a trial ended, and why, in one sentence without literals."""

    decision: Decision
    reason: str


@dataclass(frozen=True, slots=True)
class Tally:
    """The evidence of a trial so far: on the weighted total for a gain, for a loss, for "not slower", and per query."""

    gain: PairedTest
    pooled: PairedTest
    loss: PairedTest
    not_slower: PairedTest
    series: tuple[QuerySeries, ...]
    peak: float = 1.0
    rounds: tuple[tuple[float, float], ...] = ()

    @classmethod
    def start(cls, series: Sequence[QuerySeries], limits: TrialLimits, scale: float) -> Tally:
        """Return an empty tally. `scale` is the noise of the weighted total, from A/A pairs."""
        allowed = limits.slowdown_margin
        return cls(
            gain=PairedTest(limits.error_rate, scale, limits.margin),
            pooled=PairedTest(limits.error_rate, scale, limits.margin),
            loss=PairedTest(limits.error_rate, scale),
            not_slower=PairedTest(limits.error_rate, scale, 1.0 / (1.0 + allowed) - 1.0),
            series=tuple(series),
        )

    def observe(self, pairs: Mapping[str, tuple[Measurement, Measurement]]) -> Tally:
        """Return the tally with one more round: (before, after) of every series, or of those that are `due`.

        A round that leaves out a counted series says nothing of the total.
        """
        series = tuple(one.observe(*pairs[one.query_id]) if one.query_id in pairs else one for one in self.series)
        if any(one.query_id not in pairs for one in self.counted):
            return replace(self, series=series)
        before_ms = sum(one.weight * pairs[one.query_id][0].ms for one in self.counted)
        after_ms = sum(one.weight * pairs[one.query_id][1].ms for one in self.counted)
        gain = log_gain(before_ms, after_ms)
        total, pooled = self.gain.observe(gain), self.pooled
        for one in self.counted:
            before, after = pairs[one.query_id]
            pooled = pooled.observe(log_gain(before.ms, after.ms), one.slower.scale)
        return replace(
            self,
            gain=total,
            pooled=pooled,
            peak=max(self.peak, (total.e_value + pooled.e_value) / 2),
            loss=self.loss.observe(-gain),
            not_slower=self.not_slower.observe(gain),
            series=series,
            rounds=(*self.rounds, (before_ms, after_ms)),
        )

    def check(self, pairs: Mapping[str, tuple[Measurement, Measurement]]) -> Tally:
        """Return the tally after the discarded first round: only failures of the after arm are noted."""
        return replace(self, series=tuple(one.check(*pairs[one.query_id]) for one in self.series))

    @property
    def counted(self) -> tuple[QuerySeries, ...]:
        """The series of which the total is made."""
        return tuple(one for one in self.series if not one.is_watched)

    @property
    def gain_is_proven(self) -> bool:
        """True once the evidence for the required gain has reached 1/alpha."""
        return self.peak >= 1.0 / self.gain.error_rate

    @property
    def before_ms(self) -> float:
        """The weighted sum of the medians of the before arm."""
        return sum(one.weight * one.before_ms for one in self.counted)

    @property
    def after_ms(self) -> float:
        """The weighted sum of the medians of the after arm."""
        return sum(one.weight * one.after_ms for one in self.counted)

    @property
    def due(self) -> frozenset[str]:
        """The queries to measure next: all, or, of those watched and once the gain has been shown, those in doubt."""
        doubtful = frozenset(one.query_id for one in self.series if one.standing(is_final=False) is Standing.UNDECIDED)
        is_shown = self.gain_is_proven and self._saves_enough and len(doubtful) > 0
        return doubtful if is_shown else doubtful | {one.query_id for one in self.counted}

    def ruling(self, remaining_pairs: int, *, accept_neutral: bool) -> Ruling | None:
        """Return the ruling, or None to measure on. `remaining_pairs` 0 ends the trial: there is always a ruling then.

        `accept_neutral` accepts what is shown to be not slower, within the slowdown that a query is allowed: for
        changes whose gain is not time.
        """
        worse = self._worse(is_final=remaining_pairs == 0)
        if worse:
            return Ruling(Decision.SLOWER_QUERY, _worse_text(worse))
        if self.loss.is_proven and not (accept_neutral and self.not_slower.is_proven):
            return self._slower()
        in_doubt = any(one.standing(is_final=False) is Standing.UNDECIDED for one in self.series)
        if not in_doubt and self.gain_is_proven and self._saves_enough:
            return Ruling(Decision.ACCEPTED, f"proven faster in {self.gain.pairs} pairs")
        if not in_doubt and accept_neutral and self.not_slower.is_proven and self._no_gain_to_come(remaining_pairs):
            return Ruling(Decision.ACCEPTED, f"proven not slower in {self.gain.pairs} pairs")
        return self._rejection(remaining_pairs, in_doubt=in_doubt, accept_neutral=accept_neutral)

    @property
    def _saves_enough(self) -> bool:
        """Many small queries can prove a gain that the total does not show: the medians must show the required one."""
        return self.after_ms * (1.0 + self.gain.margin) <= self.before_ms and self.after_ms < self.before_ms

    def _is_futile(self, remaining_pairs: int) -> bool:
        """Many small gains may be proven yet; where the total saves too little that would not help."""
        if not self.gain.is_futile(remaining_pairs):
            return False
        return not self._saves_enough or self.pooled.is_futile(remaining_pairs * len(self.counted))

    def _no_gain_to_come(self, remaining_pairs: int) -> bool:
        return self.gain.pairs >= 2 * len(self.gain.wealth) or self._is_futile(remaining_pairs)

    def _rejection(self, remaining_pairs: int, *, in_doubt: bool, accept_neutral: bool) -> Ruling | None:
        is_proven = self.not_slower.is_proven if accept_neutral else self.gain_is_proven
        wanted = "that nothing is slower" if accept_neutral else "the required gain"
        if remaining_pairs == 0:
            found = "a query is left in doubt" if in_doubt and is_proven else f"{wanted} was not proven"
            return Ruling(Decision.NO_GAIN, f"inconclusive after {self.gain.pairs} pairs: {found}")
        if accept_neutral and not self.not_slower.is_futile(remaining_pairs):
            return None
        if not accept_neutral and not self.gain_is_proven and not self._is_futile(remaining_pairs):
            return None
        if not accept_neutral and self.gain_is_proven:
            if in_doubt or self.gain.pairs < LEAST_PAIRS_FOR_LEVEL:
                return None
            return Ruling(Decision.NO_GAIN, f"faster, but by less than required, after {self.gain.pairs} pairs")
        worse = self._worse(is_final=True)
        if worse:
            return Ruling(Decision.SLOWER_QUERY, _worse_text(worse))
        if self.after_ms > self.before_ms * (1.0 + self.gain.margin):
            return self._slower()
        return Ruling(Decision.NO_GAIN, f"no realistic chance to prove {wanted} after {self.gain.pairs} pairs")

    def _slower(self) -> Ruling:
        text = (
            f"the measured queries are slower: {self.before_ms:.2f} ms before, {self.after_ms:.2f} ms after, weighted"
        )
        return Ruling(Decision.SLOWER, text)

    def _worse(self, *, is_final: bool) -> list[QuerySeries]:
        return [one for one in self.series if one.standing(is_final=is_final) is Standing.WORSE]


def _worse_text(worse: Sequence[QuerySeries]) -> str:
    failing = [one for one in worse if one.fails_only_after]
    if failing:
        return f"query {failing[0].query_id} reaches its time limit or fails with the change and not without it"
    most = max(worse, key=lambda one: one.after_ms / max(one.before_ms, 1e-3))
    others = f", and {len(worse) - 1} more" if len(worse) > 1 else ""
    return f"query {most.query_id} is slower: {most.before_ms:.2f} ms before, {most.after_ms:.2f} ms after{others}"
