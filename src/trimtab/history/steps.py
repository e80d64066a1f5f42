"""Decides what was counted between two looks at a server. Pure.

Whether the two may be compared at all is decided before (`anchor/intervals.py`): here a counter that began anew, or
that only one of them has, is left out by itself.
"""

from __future__ import annotations

from trimtab.history.sample import Name, Sample
from trimtab.model.pulse import Pulse


def sample_between(before: Pulse, after: Pulse, seconds: float) -> Sample:
    """Return what ran between two looks, `seconds` apart.

    Sessions are told in session-seconds, as if what the later look found had been so all the time: a sample of a
    sampled number.
    """
    sums: dict[Name, float] = {}
    for name, now in after.counters.items():
        was = before.counters.get(name)
        if was is not None and was.reset == now.reset and now.value >= was.value:
            sums[name] = now.value - was.value
    for name, count in after.sessions.items():
        sums[name] = count * seconds
    return Sample(before.moment.wall_ns, seconds, sums, dict(after.gauges), dict(after.gauges))


def begun_anew(before: Pulse, after: Pulse) -> int:
    """Return how many counters that both know cannot be compared."""
    pairs = ((before.counters[name], now) for name, now in after.counters.items() if name in before.counters)
    return sum(was.reset != now.reset or now.value < was.value for was, now in pairs)
