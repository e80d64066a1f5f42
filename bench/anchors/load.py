"""T3 beside a loaded core: intervals of counters while another process uses it in bursts, and T1 on them without T3.

Queries run on an embedded server, round after round; an interval is what each query was called and took in some rounds,
as a difference of cumulative counters is. The anchor's intervals are taken without the load, as far apart
as the watched ones: after a pause a processor is slower, and the same pauses on both sides leave the load alone.
Nothing else is changed; a slow-down is the recorded time of one query multiplied, so that all that is seen with
it is real.
"""

from __future__ import annotations

import json
import multiprocessing
import os
import random
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from bench.anchors import rules
from bench.anchors.recording import Floats, rounds, shop
from bench.anchors.rules import ALPHA, Firsts
from bench.anchors.say import say
from bench.results_file import write
from trimtab.anchor.binomial import binomial_tail
from trimtab.anchor.common_mode import Pooled, common_mode, excused, log_excess, nearest_companions, pool
from trimtab.anchor.limits import limits_of
from trimtab.anchor.many import limit_rows, log_e_values, passed_rows
from trimtab.db.connection import Connection, connect

SESSIONS = 3
ANCHOR_INTERVALS = 80
WATCHED_INTERVALS = 120
CALLS = 10
INTERVAL_SECONDS = 0.375
BURST_SECONDS = (1.0, 8.0)
SLOWER = 1.3
GOAL_INTERVALS = 40
MARGINS = (0.0, rules.MARGIN, 0.10)
KEPT = Path(__file__).parents[1] / "data" / "anchors_load.npz"
METHODS = ("T1 on means", "T3", "T3 under shared load")


def measure(*, anew: bool) -> None:
    """Print the table and write the result."""
    sessions, about = _recorded(anew=anew)
    rows = [_row(sessions, margin, method) for margin in MARGINS for method in METHODS]
    slowed = [_slowed(totals) for totals in sessions]
    _print(rows, slowed)
    write(
        "anchors_load",
        {
            "alpha": ALPHA,
            "sessions": len(sessions),
            "queries": len(sessions[0]),
            "anchor_intervals": ANCHOR_INTERVALS,
            "watched_intervals": WATCHED_INTERVALS,
            "calls_per_interval": CALLS,
            "quantiles_dropped": [0.99],
            "recorded": about,
            "median_time_against_anchor_by_session": [round(each, 3) for each in slowed],
            "slow_down": SLOWER,
            "goal_in_intervals": GOAL_INTERVALS,
            "rows": rows,
        },
    )


def _recorded(*, anew: bool) -> tuple[list[Floats], dict[str, Any]]:
    """Each session's milliseconds by query and interval: those that were kept, or new ones, which are kept."""
    if not anew and KEPT.exists():
        with np.load(KEPT) as kept:
            return list(kept["totals_ms"]), json.loads(str(kept["about"]))
    sessions, loads, started = [], [], time.time()
    with shop() as (server, queries):
        for number in range(SESSIONS):
            with closing(connect(server.dsn(), read_only=True)) as connection:
                texts = list(queries.values())
                rounds(connection, texts, CALLS)
                totals = [_interval(connection, texts) for _ in range(ANCHOR_INTERVALS)]
                with _hog(number):
                    totals += [_interval(connection, texts) for _ in range(WATCHED_INTERVALS)]
            sessions.append(np.array(totals).T)
            loads.append(round(os.getloadavg()[0], 2))
            say(f"measured session {number + 1} of {SESSIONS}")
    about: dict[str, Any] = {
        "recorded_at": time.strftime("%Y-%m-%dT%H:%MZ", time.gmtime(started)),
        "load_average_by_session": loads,
    }
    KEPT.parent.mkdir(exist_ok=True)
    np.savez_compressed(KEPT, totals_ms=np.array(sessions), about=np.array(json.dumps(about)))
    return sessions, about


def _slowed(totals: Floats) -> float:
    """What the watched intervals took, the anchor's being 1: the median of all queries and intervals."""
    typical = np.median(totals[:, :ANCHOR_INTERVALS], axis=1, keepdims=True)
    return float(np.median(totals[:, ANCHOR_INTERVALS:] / typical))


def _interval(connection: Connection, texts: list[str]) -> Floats:
    began = time.monotonic()
    totals = rounds(connection, texts, CALLS).sum(axis=1)
    time.sleep(max(0.0, began + INTERVAL_SECONDS - time.monotonic()))
    return np.asarray(totals)


@contextmanager
def _hog(seed: int) -> Iterator[None]:
    """Another process that uses one core, the last, in bursts."""
    process = multiprocessing.get_context("spawn").Process(target=_burn, args=(seed,), daemon=True)
    process.start()
    try:
        yield
    finally:
        process.terminate()
        process.join()


def _burn(seed: int) -> None:
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})
    rng = random.Random(seed)
    while True:
        until = time.monotonic() + rng.uniform(*BURST_SECONDS)
        while time.monotonic() < until:
            pass
        time.sleep(rng.uniform(*BURST_SECONDS))


def _factors(totals: Floats, method: str) -> Floats:
    """Each interval's factor per query, against the anchor's mean, with the common mode removed but for plain T1."""
    queries = len(totals)
    calls = np.full(queries, float(CALLS))
    mean = np.exp(np.log(totals[:, :ANCHOR_INTERVALS] / CALLS).mean(axis=1))
    companions = nearest_companions(mean, np.ones(queries, dtype=bool))
    state, rows = Pooled.empty(queries), []
    for total in totals.T:
        excess = log_excess(calls, total, mean)
        common = excused(common_mode(excess, companions)) if method != METHODS[0] else np.zeros(queries)
        state, factors = pool(
            state, calls, total, anchor_mean_ms=mean, common=common, required_calls=np.full(queries, float(CALLS))
        )
        rows.append(factors)
    return np.array(rows).T


def _firsts(totals: Floats, factors: Floats, margin: float, method: str, slower: float) -> Firsts:
    if method == METHODS[2]:
        return rules.under_shared_load(totals, margin, slower=slower, factors=factors, anchor=ANCHOR_INTERVALS)
    rows = limit_rows([limits_of(row[:ANCHOR_INTERVALS].tolist(), error_rate=ALPHA, margin=margin) for row in factors])
    passed, firsts = np.zeros(rows.shape, dtype=np.int64), np.zeros(len(factors), dtype=np.int64)
    for number, values in enumerate(factors[:, ANCHOR_INTERVALS:].T, 1):
        passed += passed_rows(values * slower, rows)
        evidence = log_e_values(passed, np.full(len(factors), number), rows)
        firsts = np.where((firsts == 0) & (evidence >= np.log(2 / ALPHA)), number, firsts)
    return firsts


def _row(sessions: list[Floats], margin: float, method: str) -> dict[str, Any]:
    factors = [(totals, _factors(totals, method)) for totals in sessions]
    unchanged = np.concatenate([_firsts(*each, margin, method, 1.0) for each in factors])
    slowed = np.concatenate([_firsts(*each, margin, method, SLOWER) for each in factors])
    alarms = int((unchanged > 0).sum())
    found = np.where(slowed > 0, slowed, np.inf)
    return {
        "method": method,
        "margin": margin,
        "streams": len(unchanged),
        "alarms": alarms,
        "p": round(binomial_tail(alarms, len(unchanged), ALPHA), 4),
        "median_intervals": float(np.median(found)) if (slowed > 0).mean() > 0.5 else None,
        "found": round(float((slowed > 0).mean()), 3),
    }


def _print(rows: list[dict[str, Any]], slowed: list[float]) -> None:
    print(f"Bursts of load on one core; median time against the anchor's, by session: {[round(s, 2) for s in slowed]}")
    for row in rows:
        print(
            f"  {row['method']:<22} margin {row['margin']:<4.0%} unchanged: {row['alarms']} of {row['streams']} alarmed"
            f" (p {row['p']}); {SLOWER}x: median {row['median_intervals']} intervals, found in {row['found']:.0%}"
        )
