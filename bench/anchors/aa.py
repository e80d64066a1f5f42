"""Unchanged streams, looked at after every execution: how many of them alarm, by T1 and by the usual rules.

200 streams are the goal's: the recorded ones, and as many of each synthetic family as make up for the rest. Because
so few show little of a rate of 1 %, each family is drawn again in larger number; those rows stand for themselves.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from bench.anchors import rules
from bench.anchors.recording import Recorded
from bench.anchors.rules import ALPHA, LEAST_MS, Firsts, Floats
from bench.anchors.say import say
from bench.anchors.streams import ANCHOR, FAMILIES
from bench.results_file import write
from trimtab.anchor.binomial import binomial_tail

STREAMS = 200
MARGINS = (0.0, rules.MARGIN, 0.10)
SEED = 5


def measure(recorded: Recorded, *, many: int) -> None:
    """Print the table and write the result. `many` is the number of streams of the larger draws."""
    rng = np.random.default_rng(SEED)
    real = recorded.streams
    synthetic = STREAMS - len(real)
    counts = [synthetic // len(FAMILIES) + (n < synthetic % len(FAMILIES)) for n in range(len(FAMILIES))]
    rows: list[dict[str, Any]] = []
    goal: dict[str, dict[str, int]] = {"T1": {}, "T1 under shared load": {}, "Welch": {}, "3 sigma": {}}
    for (name, family), each in zip(FAMILIES.items(), counts, strict=True):
        say(f"{name}: {each} and {many} streams")
        few = _row(f"{name}", family(rng, each))
        _add(goal, few, each)
        rows.append(_row(f"{name}, {many} streams", family(rng, many)))
    of_real = _row("recorded", real, least_ms=LEAST_MS)
    of_real |= _shared(recorded)
    rows.append(of_real)
    _add(goal, of_real, len(real))
    for method, total in goal.items():
        check = round(binomial_tail(total["alarms"], total["count"], ALPHA), 4)
        rows.append({"streams": "goal", "method": method, **total, "p": check})
    _print(rows)
    write(
        "anchors_aa",
        {
            "alpha": ALPHA,
            "margins": MARGINS,
            "least_difference_ms_of_recorded": LEAST_MS,
            "anchor_executions": ANCHOR,
            "watched_executions": real.shape[1] - ANCHOR,
            "recorded": recorded.about,
            "rows": rows,
        },
    )


def _row(name: str, streams: Floats, least_ms: float = 0.0) -> dict[str, Any]:
    row: dict[str, Any] = {"streams": name, "count": len(streams)}
    for margin in MARGINS:
        row |= _told(f"T1 {margin:.0%}", rules.exceedance(streams, margin, least_ms))
    row |= _told("Welch", rules.welch(streams))
    return row | _told("3 sigma", rules.three_sigma(streams))


def _shared(recorded: Recorded) -> dict[str, Any]:
    row: dict[str, Any] = {}
    for margin in MARGINS:
        firsts = np.concatenate([rules.under_shared_load(session, margin, LEAST_MS) for session in recorded.times_ms])
        row |= _told(f"T1 under shared load {margin:.0%}", firsts)
    return row


def _told(method: str, firsts: Firsts) -> dict[str, Any]:
    alarms = int((firsts > 0).sum())
    return {method: alarms, f"{method}, p": round(binomial_tail(alarms, len(firsts), ALPHA), 4)}


def _add(goal: dict[str, dict[str, int]], row: dict[str, Any], streams: int) -> None:
    """Add a family's alarms at the default margin; streams without companions have T1 alone."""
    plain = row[f"T1 {rules.MARGIN:.0%}"]
    found = {
        "T1": plain,
        "T1 under shared load": row.get(f"T1 under shared load {rules.MARGIN:.0%}", plain),
        "Welch": row["Welch"],
        "3 sigma": row["3 sigma"],
    }
    for method, alarms in found.items():
        goal[method]["count"] = goal[method].get("count", 0) + streams
        goal[method]["alarms"] = goal[method].get("alarms", 0) + alarms


def _print(rows: list[dict[str, Any]]) -> None:
    print(f"Unchanged streams that alarmed, alpha {ALPHA:.0%}; p: so many or more, were the rate alpha")
    for row in rows:
        if "method" in row:
            print(f"  {row['method']:<36} of {row['count']}: {row['alarms']} (p {row['p']})")
            continue
        told = [f"{key} {row[key]} (p {row[key + ', p']})" for key in row if f"{key}, p" in row]
        print(f"  {row['streams']:<36} of {row['count']}: " + ", ".join(told))
