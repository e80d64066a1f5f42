"""How many executions it takes until a slow-down that begins with the first watched one is proven: medians.

Synthetic streams are those of the goal: an anchor of 700 lognormal values, sigma 0.6. Recorded streams are multiplied
by the factor, each query in turn while the others of its session stay as they are.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from bench.anchors import rules
from bench.anchors.recording import Recorded
from bench.anchors.rules import ALPHA, LEAST_MS, Firsts
from bench.anchors.say import say
from bench.anchors.streams import ANCHOR, SIGMA, lognormal
from bench.results_file import write
from trimtab.anchor.onset import alarm_level

FACTORS = (10.0, 3.0, 2.0, 1.5, 1.3, 1.2)
GOALS = {10.0: 4, 3.0: 12, 2.0: 30, 1.5: 120}
MARGINS = (0.0, rules.MARGIN, 0.10)
# The levels of one watched query, and of 500 looked at each minute for a false alarm in 30 days.
LEVELS = (1e4, alarm_level(500, 1440, 30))
ONSET = 500
SEED = 6


def measure(recorded: Recorded, *, many: int) -> None:
    """Print the table and write the result."""
    rng = np.random.default_rng(SEED)
    rows: list[dict[str, Any]] = []
    for margin in MARGINS:
        row: dict[str, Any] = {"streams": f"lognormal {SIGMA}", "count": many, "margin": margin}
        for factor in FACTORS:
            streams = lognormal(rng, many)
            streams[:, ANCHOR:] *= factor
            row[f"{factor:g}x"] = _told(rules.exceedance(streams, margin))
        rows.append(row)
    for level in LEVELS:
        row = {"streams": f"T4 at {level:g}, change at look {ONSET}", "count": many, "margin": rules.MARGIN}
        for factor in FACTORS:
            streams = lognormal(rng, many)
            streams[:, ANCHOR + ONSET :] *= factor
            firsts = rules.onset(streams, level)
            row[f"{factor:g}x"] = _told(np.where(firsts > ONSET, firsts - ONSET, 0))
        row["alarms_before"] = int((rules.onset(lognormal(rng, many), level) > 0).sum())
        rows.append(row)
    for margin in MARGINS:
        say(f"recorded streams, margin {margin:.0%}")
        row = {"streams": "recorded, shared load removed", "count": len(recorded.streams), "margin": margin}
        for factor in FACTORS:
            of_sessions = [
                rules.under_shared_load(session, margin, LEAST_MS, slower=factor) for session in recorded.times_ms
            ]
            row[f"{factor:g}x"] = _told(np.concatenate(of_sessions))
        rows.append(row)
    _print(rows)
    default = next(row for row in rows if row["margin"] == rules.MARGIN)
    write(
        "anchors_detection",
        {
            "alpha": ALPHA,
            "anchor_executions": ANCHOR,
            "default_margin": rules.MARGIN,
            "goals_in_executions": {f"{factor:g}x": goal for factor, goal in GOALS.items()},
            "goals_reached": all(default[f"{f:g}x"]["median"] <= goal for f, goal in GOALS.items()),
            "recorded": recorded.about,
            "rows": rows,
        },
    )


def _told(firsts: Firsts) -> dict[str, Any]:
    """The median over all streams, of which those that never alarm are the longest; None when they are the half."""
    ordered = np.sort(np.where(firsts > 0, firsts, np.iinfo(np.int64).max))
    found = float(np.mean(firsts > 0))
    middle = [int(ordered[(len(ordered) - 1) // 2]), int(ordered[len(ordered) // 2])]
    return {
        "median": sum(middle) / 2 if found > 0.5 else None,
        "p90": int(ordered[int(np.ceil(0.9 * len(ordered))) - 1]) if found >= 0.9 else None,
        "found": round(found, 3),
    }


def _print(rows: list[dict[str, Any]]) -> None:
    print(f"Executions until it is proven, median (share of streams in which it was), alpha {ALPHA:.0%}")
    print(f"  {'goal':<40} " + "  ".join(f"{f:g}x <= {goal}" for f, goal in GOALS.items()))
    for row in rows:
        told = [f"{f:g}x {row[f'{f:g}x']['median']} ({row[f'{f:g}x']['found']:.0%})" for f in FACTORS]
        print(f"  {row['streams']:<36} margin {row['margin']:<4.0%} " + "  ".join(told))
        if "alarms_before" in row:
            print(f"  {'':<36} alarmed without a change, within 4,000 looks: {row['alarms_before']} of {row['count']}")
