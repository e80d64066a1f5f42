"""What a sample says of how often keys occur in all rows: how many are distinct, and how many rows each has. Pure.

The number of distinct keys is the estimate that ANALYZE uses: Haas and Stokes, "Estimating the number of classes in a
finite population" (1998), estimator Duj1.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import exp, expm1, lgamma, log, log1p

_SURE = 10
"""A key that occurs so often in a sample occurs in all rows as often as its share says."""
_OPEN = 0.1
"""As large a share of all rows has keys that a sample does not show as rows of the sample have keys that it shows once.

That is the estimate of Good, "The population frequencies of species" (1953). Where it is small, enough is known.
"""
_SINGLE = 0.1
"""Keys of at most so many places beside one are taken for keys of one place."""
_SURELY = 3
"""So many standard deviations above what was counted, by Poisson's law, is as much as there can be."""
_CLASSES, _ROUNDS, _HIGHEST, _FAR_LIKELIER = 20, 100, 1.5 * _SURE, 40.0


@dataclass(frozen=True, slots=True)
class PickedKeys:
    """How often some keys, a `key_share` of all that a hash picks, occur in a `part` of all places.

    `occurrences` are as in KeyCounts, of the picked keys alone. What is picked are keys and not rows, so that the part
    may be large, which tells keys of one row from those of a few; but frequent keys are picked or not by chance. The
    idea is that of Gibbons, "Distinct sampling for highly-accurate answers to distinct values queries" (2001).
    """

    key_share: float
    part: float
    occurrences: tuple[tuple[int, int, int], ...]


@dataclass(frozen=True, slots=True)
class KeyCounts:
    """Of `rows` sampled rows, how often keys occur: (times, keys that occur so often, rows that these have together).

    What is counted is where a key occurs: in rows, or in blocks when whole blocks were sampled. Rows of one key often
    lie together, so that a sample of blocks has all of them or none: counted one by one they would tell of far too few
    keys. `width` is a key's mean bytes, `row_width` a row's. `picked` tells more of the keys that are seldom seen.
    """

    rows: float
    occurrences: tuple[tuple[int, int, int], ...]
    width: float = 0.0
    row_width: float = 0.0
    picked: PickedKeys | None = None

    def is_open(self, share: float) -> bool:
        """Whether it matters how often keys occur that were seen at most once in a sample of this share of all places.

        So it does where they have many of the rows, and so many keys were seen again that most may occur in several
        places: if each occurred in `m`, `(m - 1) share` of the places would show a key that was seen before.
        """
        places = sum(times * keys for times, keys, _ in self.occurrences)
        again = places - sum(keys for _, keys, _ in self.occurrences)
        at_most = again + _SURELY * (again**0.5 + 1)
        once = sum(found for times, _, found in self.occurrences if times == 1)
        return once > _OPEN * self.rows and at_most > _SINGLE * share * places


def estimated_distinct(occurrences: Sequence[tuple[float, int]], scale: float) -> float:
    """Return how many keys there are where the sample is one of `scale` equal parts of all.

    `occurrences` are (times, keys that occur so often); of those that occur more than once a mean does as well.
    """
    items = sum(times * keys for times, keys in occurrences)
    seen = float(sum(keys for _, keys in occurrences))
    once = sum(keys for times, keys in occurrences if times == 1)
    if not items or not once or scale <= 1:
        return seen
    return min(max(items * seen / (items - once + once / scale), seen), items * scale)


def is_uneven(picked: PickedKeys) -> bool:
    """Whether a part of the places shows that the keys which were seldom seen differ in how often they occur."""
    if picked.part >= 1:
        return False
    seldom = {times: keys for times, keys, _ in picked.occurrences if times < _SURE}
    return bool(seldom) and len(_seldom_seen(seldom, 1 / picked.part, 1.0)) > 1


def key_groups(counts: KeyCounts, rows: float) -> list[tuple[float, float]]:
    """Return (distinct keys, rows of each) for all `rows` from which the sample was taken, or for a part of them."""
    scale = rows / counts.rows if counts.rows else 1.0
    if scale < 1:
        return [_in_part(float(keys), found / keys, scale) for _, keys, found in counts.occurrences]
    if counts.picked is None or scale * counts.picked.part <= 1:
        return _of_all(counts.occurrences, scale, scale)
    groups = _of_all([one for one in counts.occurrences if one[0] >= _SURE], scale, scale)
    left = rows - sum(keys * times for keys, times in groups)
    picked = _seldom_picked(counts.picked, _SURE * scale * counts.picked.part, left)
    return [*groups, *picked] if picked else _of_all(counts.occurrences, scale, scale)


def _seldom_picked(picked: PickedKeys, limit: float, rows: float) -> list[tuple[float, float]]:
    """Return the groups of the keys that occur less often than `limit` in the part; together they have so many rows."""
    seldom = [one for one in picked.occurrences if one[0] < limit]
    found = sum(of for _, _, of in seldom)
    if not found or rows <= 0:
        return []
    groups = _of_all(seldom, 1 / picked.part, rows / found)
    return [(keys / picked.key_share, times * picked.key_share) for keys, times in groups]


def _of_all(occurrences: Sequence[tuple[int, int, int]], scale: float, each: float) -> list[tuple[float, float]]:
    """Return the groups where the sample is one of `scale` equal parts, and a row of it stands for `each` rows."""
    groups: list[tuple[float, float]] = []
    seldom: dict[int, int] = {}
    left = 0.0
    for times, keys, found in occurrences:
        if times >= _SURE or scale == 1:
            groups.append((float(keys), found * each / keys))
        else:
            seldom[times] = seldom.get(times, 0) + keys
            left += found * each
    return [*groups, *_seldom_seen(seldom, scale, left)] if seldom else groups


def _seldom_seen(occurrences: Mapping[int, int], scale: float, rows: float) -> list[tuple[float, float]]:
    """Return the groups of the keys of which a sample shows few occurrences; together they have so many rows.

    All keys are taken to be of one frequency, unless what was seen is far likelier with several.
    """
    distinct = estimated_distinct(tuple(occurrences.items()), scale)
    if distinct < 1:
        return []
    places, seen = sum(times * keys for times, keys in occurrences.items()), sum(occurrences.values())
    wanted = _log_likelihood_of_one(occurrences, places / distinct) + _FAR_LIKELIER
    # No law makes what was seen likelier than its own shares do: mostly that is enough to know.
    most = sum(keys * log(keys / seen) for keys in occurrences.values())
    classes, log_likelihood = _fitted(occurrences, scale) if most >= wanted else ([], most)
    if log_likelihood < wanted:
        return [(distinct, rows / distinct)]
    total = sum(keys * times for keys, times in classes)
    return [(keys, times / total * rows) for keys, times in classes]


def _log_likelihood_of_one(occurrences: Mapping[int, int], rate: float) -> float:
    """Return it for keys that all have this rate in the sample, by Poisson's law without its zero."""
    unseen = log(-expm1(-rate))
    return sum(keys * (times * log(rate) - rate - lgamma(times + 1) - unseen) for times, keys in occurrences.items())


def _fitted(occurrences: Mapping[int, int], scale: float) -> tuple[list[tuple[float, float]], float]:
    """Return (keys, places where each of them occurs) of all rows, by maximum likelihood, and the log of that.

    A key in `n` places occurs in the sample by the binomial law of `n` draws, without its zero. A mixture of such laws
    is fitted by expectation-maximization, as in Norris and Pollock, "Non-parametric MLE for Poisson species abundance
    models" (1998), from even shares of the classes. It is stopped early: the end would be the spikiest mixture of all.
    """
    share = 1.0 / scale
    steps = range(_CLASSES)
    classes = sorted({round((_HIGHEST * scale) ** (step / (_CLASSES - 1))) for step in steps})
    seen = [-expm1(places * log1p(-share)) for places in classes]
    likely = {
        times: [_binomial(times, places, share) / chance for places, chance in zip(classes, seen, strict=True)]
        for times in occurrences
    }
    total = sum(occurrences.values())
    shares = [1.0 / len(classes)] * len(classes)
    log_likelihood = 0.0
    for _ in range(_ROUNDS):
        parts, log_likelihood = [0.0] * len(classes), 0.0
        for times, keys in occurrences.items():
            joint = [one * chance for one, chance in zip(shares, likely[times], strict=True)]
            weight = keys / (total * sum(joint))
            log_likelihood += keys * log(sum(joint))
            parts = [part + weight * one for part, one in zip(parts, joint, strict=True)]
        shares = parts
    found = [(one * total / chance, float(n)) for one, chance, n in zip(shares, seen, classes, strict=True)]
    return found, log_likelihood


def _binomial(times: int, draws: int, chance: float) -> float:
    if times > draws:
        return 0.0
    ways = lgamma(draws + 1) - lgamma(times + 1) - lgamma(draws - times + 1)
    return exp(ways + times * log(chance) + (draws - times) * log1p(-chance))


def _in_part(keys: float, times: float, share: float) -> tuple[float, float]:
    """Return the keys that still occur, and how often, when each row stays with the chance `share`."""
    present = max(keys * (1 - (1 - share) ** times), keys * 1e-9)
    return present, keys * times * share / present
