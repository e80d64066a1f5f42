"""The five dimensions as a watcher sees them now: each with its level, its band, and whether it is inside.

Pure. Inside is a level that is no worse than its band while no alarm of its test is open. A dimension of which nothing
can be said is never inside: it says why.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from trimtab.anchor.dimensions import COHERENCE, CONCURRENCY, EFFICIENCY, LATENCY, THROUGHPUT
from trimtab.anchor.learning import Baseline
from trimtab.anchor.vigil import Seen
from trimtab.model.watched import Watched

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

UNITS = {
    THROUGHPUT: "calls/s",
    LATENCY: "times the baseline's",
    EFFICIENCY: "blocks, times the baseline's",
    CONCURRENCY: "times the baseline's at so many active sessions",
    COHERENCE: "share of time",
}
TESTS = {
    THROUGHPUT: "T4 on the time between calls: has it become longer?",
    LATENCY: "T3 and T4 for each statement, weighted by its share of the time; T4 on all together",
    EFFICIENCY: "T4 on blocks per call, for the calls as they are mixed now",
    CONCURRENCY: "T4 on latency over what so many active sessions gave before",
    COHERENCE: "T4 on the share of the time of statements whose plan is the baseline's and that have no open alarm",
}
ROWS = (THROUGHPUT, LATENCY, EFFICIENCY, CONCURRENCY, COHERENCE)
"""In the order of the baseline's rows."""
_IDLE = "nothing ran in the last round"
_NO_LIMITS = "the baseline is too short for a limit"


def unknown_dimensions(why: str) -> tuple[Watched, ...]:
    """Return the five, of which nothing can be said yet."""
    return tuple(Watched(name, UNITS[name], None, None, None, TESTS[name], None, why) for name in UNITS)


def watched_dimensions(seen: Seen, margin: float) -> tuple[Watched, ...]:
    """Return the five after an interval."""
    base, now = seen.vigil.baseline, seen.now
    levels = (now.rate, now.latency, now.work, now.concurrency)
    bands = [_band(base.rate, margin), *(_band(row, margin) for row in base.dimension_values[1:4])]
    found = []
    for row, (name, level, (low, high)) in enumerate(zip(ROWS[:4], levels, bands, strict=True)):
        has_limits = not np.isnan(base.dimension_limits[row]).all()
        is_worse = level is not None and (level < low if name == THROUGHPUT else level > high)
        is_inside = not is_worse and not seen.vigil.dimensions.is_open[row]
        if name == LATENCY:
            is_inside = is_inside and not seen.vigil.statements.is_open.any()
        note = _IDLE if level is None else "" if has_limits else _NO_LIMITS
        found.append(Watched(name, UNITS[name], level, low, high, TESTS[name], None if note else is_inside, note))
    return (*found, _coherence(seen, base, margin))


def _coherence(seen: Seen, base: Baseline, margin: float) -> Watched:
    level = seen.now.matching
    low = base.usual_share / (1 + margin)
    note = f"{seen.now.changed:.1%} changed, {seen.now.unknown:.1%} not known" if level is not None else _IDLE
    is_inside = None if level is None else level >= low and not seen.vigil.dimensions.is_open[-1]
    return Watched(COHERENCE, UNITS[COHERENCE], level, low, 1.0, TESTS[COHERENCE], is_inside, note)


def _band(values: Floats, margin: float) -> tuple[float, float]:
    usable = values[np.isfinite(values)]
    if not len(usable):
        return 0.0, 0.0
    low, high = np.quantile(usable, [0.01, 0.99])
    return float(low) / (1 + margin), float(high) * (1 + margin)
