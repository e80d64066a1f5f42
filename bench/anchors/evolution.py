"""How often steps are found where nothing changed, and how many of 63 planted steps are found, placed and named.

Series are drawn, not recorded: hourly means with noise of several kinds. Two usual rules see the same series, and
Apache Otava where it is named.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from math import comb, exp, log, sqrt
from statistics import NormalDist, median

import numpy as np
from numpy.typing import NDArray

from bench.results_file import write
from trimtab.anchor.autocorrelation import variance_inflation
from trimtab.anchor.change_points import splits
from trimtab.anchor.evolution import describe
from trimtab.anchor.wording import is_close
from trimtab.model.evolution import Event, EventKind, Evolution, Point, Rules, Series

Numbers = NDArray[np.float64]

_HOUR_NS = 3_600_000_000_000
_RULES = Rules()
_WINDOW = 30
_STEPS = 63
_PEER_SERIES = 25
_OTAVA = """
import json, sys
from otava.analysis import compute_change_points
def points(series):
    try:
        return [int(point.index) for point in compute_change_points(series)[0]]
    except ValueError:
        return None
print(json.dumps([points(series) for series in json.load(sys.stdin)]))
"""
_NEAR = 5


@dataclass(frozen=True, slots=True)
class _Life:
    """A series with a step before the point `at` to `shift` times the level, described."""

    evolution: Evolution
    at: int
    shift: float


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--series", type=int, default=400, help="unchanged series of each kind and length")
    parser.add_argument("--otava", help="the Python of a virtual environment that has apache-otava")
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    unchanged = [
        _unchanged(kind, length, arguments.series, arguments.seed, arguments.otava)
        for kind in _NOISES
        for length in (60, 250, 1000)
    ]
    _table("Unchanged series: share with a change point (error rate 1 %)", unchanged)
    planted = _planted(arguments.seed, arguments.otava)
    _table(f"{_STEPS} planted steps, error rate 1 %", planted)
    print(f"written to bench/results/{write('anchors_evolution', {'unchanged': unchanged, 'planted': planted}).name}")


def _autocorrelated(correlation: float) -> Callable[[int, np.random.Generator], Numbers]:
    def drawn(count: int, rng: np.random.Generator) -> Numbers:
        found = rng.normal(size=count + 200)
        for number in range(1, len(found)):
            found[number] += correlation * found[number - 1]
        return found[200:] * sqrt(1 - correlation**2)

    return drawn


def _wandering(count: int, rng: np.random.Generator) -> Numbers:
    return rng.normal(size=count) + 0.5 * _autocorrelated(0.95)(count, rng)


def _spiked(count: int, rng: np.random.Generator) -> Numbers:
    return rng.normal(size=count) + np.where(rng.random(count) < 0.01, 20.0, 0.0)


_NOISES: dict[str, Callable[[int, np.random.Generator], Numbers]] = {
    "normal": lambda count, rng: rng.normal(size=count),
    "t, 3 degrees": lambda count, rng: rng.standard_t(3, count),
    "1 % spikes": _spiked,
    "AR 0.3": _autocorrelated(0.3),
    "AR 0.6": _autocorrelated(0.6),
    "AR 0.9": _autocorrelated(0.9),
    "white and AR 0.95": _wandering,
}


def _unchanged(kind: str, length: int, count: int, seed: int, otava: str | None) -> dict[str, object]:
    alarms = {"trimtab": 0, "as if independent": 0, "Welch, windows": 0, "3 sigma of 8": 0}
    spent = 0.0
    for number in range(count):
        values = _NOISES[kind](length, np.random.default_rng([seed, number, length]))
        started = time.process_time()
        inflation = variance_inflation(values)
        alarms["trimtab"] += bool(
            splits(values, error_rate=_RULES.error_rate, min_points=_RULES.min_points, inflation=inflation)
        )
        spent += time.process_time() - started
        alarms["as if independent"] += bool(splits(values, error_rate=_RULES.error_rate, min_points=_RULES.min_points))
        alarms["Welch, windows"] += _welch(values)
        alarms["3 sigma of 8"] += _three_sigma(values)
    if otava:
        first = [_NOISES[kind](length, np.random.default_rng([seed, n, length])).tolist() for n in range(_PEER_SERIES)]
        answers = _otava(otava, first)
    shares: dict[str, object] = {name: round(found / count, 4) for name, found in alarms.items()}
    if otava:
        shares |= {"otava": round(sum(map(bool, answers)) / _PEER_SERIES, 4), "otava broke off": answers.count(None)}
    upper = _upper(alarms["trimtab"], count)
    return {
        "noise": kind,
        "points": length,
        **shares,
        "upper_99": round(upper, 4),
        "ms": round(1000 * spent / count, 1),
    }


def _welch(values: Numbers) -> bool:
    """Neighbouring windows of 30 points compared at every point, at 1 % each (normal quantile)."""
    windows = np.lib.stride_tricks.sliding_window_view(values, _WINDOW)
    means, variances = windows.mean(axis=1), windows.var(axis=1, ddof=1)
    apart = np.abs(means[_WINDOW:] - means[:-_WINDOW])
    errors = np.sqrt((variances[_WINDOW:] + variances[:-_WINDOW]) / _WINDOW)
    return bool((apart > NormalDist().inv_cdf(0.995) * errors).any())


def _three_sigma(values: Numbers) -> bool:
    """The mean of eight points lies beyond three of its standard deviations, by the first half of the series."""
    first = values[: len(values) // 2]
    means = np.convolve(values[len(first) :], np.full(8, 1 / 8), "valid")
    return bool((np.abs(means - first.mean()) > 3 * first.std(ddof=1) / sqrt(8)).any())


def _upper(count: int, trials: int, confidence: float = 0.99) -> float:
    """Clopper and Pearson's upper bound, by halving."""
    low, high = 0.0, 1.0
    for _ in range(50):
        rate = (low + high) / 2
        below = sum(comb(trials, k) * rate**k * (1 - rate) ** (trials - k) for k in range(count + 1))
        low, high = (rate, high) if below > 1 - confidence else (low, rate)
    return high


def _planted(seed: int, otava: str | None) -> list[dict[str, object]]:
    sizes = ("1.15 to 1.3", "1.3 to 1.6", "1.6 to 3")
    kinds = [kind for kind in _NOISES if kind != "white and AR 0.95"]
    found: dict[str, list[_Life]] = {name: [] for name in (*sizes, *kinds, "all")}
    lives: list[_Life] = []
    for number in range(_STEPS):
        rng = np.random.default_rng([seed, 1_000_000 + number])
        name, kind = sizes[number % 3], kinds[number // 3 % len(kinds)]
        low, high = map(float, name.split(" to "))
        shift = exp(rng.uniform(log(low), log(high))) ** rng.choice([-1.0, 1.0])
        length = int(rng.integers(300, 1000))
        at = int(rng.uniform(0.1, 0.9) * length)
        spread = rng.uniform(0.1, 0.3)
        values = 10 * np.exp(spread * np.clip(_NOISES[kind](length, rng), -12, 12))
        if rng.random() < 0.5:
            values *= np.exp(0.4 * np.sin(2 * np.pi * np.arange(length) / 24))
        values[at:] *= shift
        points = tuple(Point(n * _HOUR_NS, float(value), 100) for n, value in enumerate(values))
        described = describe(Series("q", "response_latency", "ms", points), _events(at, length, rng))
        lives.append(_Life(described, at, shift))
        for row in (name, kind, "all"):
            found[row].append(lives[-1])
    answers = _otava(otava, [[log(point.value) for point in life.evolution.kept] for life in lives])
    theirs = {id(life): answer for life, answer in zip(lives, answers, strict=True)} if otava else {}
    return [_row(name, of_name, theirs) for name, of_name in found.items()]


def _events(at: int, length: int, rng: np.random.Generator) -> list[Event]:
    """The change that made the step came up to an hour before it; ANALYZE and new plans come at random."""
    events = [Event(int((at - rng.uniform(0, 1)) * _HOUR_NS), EventKind.CHANGE_APPLIED, "planted")]
    others = ((EventKind.ANALYZED, 40), (EventKind.PLAN_CHANGED, 3), (EventKind.CHANGE_APPLIED, 2))
    for kind, count in others:
        events += [Event(int(hour * _HOUR_NS), kind, "other") for hour in rng.uniform(0, length, count)]
    return events


def _row(name: str, lives: Sequence[_Life], theirs: Mapping[int, list[int] | None]) -> dict[str, object]:
    found = near = held = named = others = false = 0
    errors, places = [], []
    for each in lives:
        life, at, shift = each.evolution, each.at, each.shift
        # What lies further off than that is another step, not this one badly placed.
        own = [step for step in life.change_points if abs(step.index - at) <= 3 * _RULES.min_points]
        false += len(life.change_points) - min(1, len(own))
        close = [association for association in life.associations if is_close(life, association)]
        named += any(association.event.id == "planted" for association in close)
        others += sum(association.event.id != "planted" for association in close)
        if own:
            step = min(own, key=lambda step: abs(step.index - at))
            found += 1
            near += abs(step.index - at) <= _NEAR
            held += step.earliest_ns < at * _HOUR_NS <= step.latest_ns
            places.append(abs(step.index - at))
            errors.append(abs(step.shift / shift - 1))
    return {
        "of": name,
        "steps": len(lives),
        "found": found,
        f"within {_NEAR} points": near,
        "place held": held,
        "median error, points": median(places) if places else None,
        "median error of size": round(median(errors), 3) if errors else None,
        "false steps": false,
        "change named": named,
        "other event named": others,
        **({} if not theirs else _peer([theirs[id(each)] for each in lives], [each.at for each in lives])),
    }


def _peer(answers: Sequence[list[int] | None], places: Sequence[int]) -> dict[str, object]:
    near = [[abs(index - at) <= _NEAR for index in answer or ()] for answer, at in zip(answers, places, strict=True)]
    found = sum(map(any, near))
    return {f"otava within {_NEAR}": found, "otava false": sum(map(len, near)) - found}


def _otava(python: str | None, series: Sequence[Sequence[float]]) -> list[list[int] | None]:
    """Return Apache Otava's change points of each series, with its defaults; None where it broke off, or is absent."""
    if python is None:
        return [None] * len(series)
    text = json.dumps([list(one) for one in series])
    answer = subprocess.run([python, "-c", _OTAVA], input=text, capture_output=True, text=True, check=True)
    found: list[list[int] | None] = json.loads(answer.stdout)
    return found


def _table(title: str, rows: Sequence[dict[str, object]]) -> None:
    print(f"\n{title}")
    widths = [max(len(name), *(len(str(row[name])) for row in rows)) for name in rows[0]]
    print("  ".join(f"{name:>{width}}" for name, width in zip(rows[0], widths, strict=True)))
    for row in rows:
        print("  ".join(f"{row[name]!s:>{width}}" for name, width in zip(rows[0], widths, strict=True)))


if __name__ == "__main__":
    main()
