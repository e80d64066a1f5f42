"""The history's store: 30 days of 5,000 queries by minutes, all of which run in each. Goal: 3 GB, answers in 300 ms.

Minutes are written as the roll-up writes them; hours and days are made of them by what it uses. Each answer is
what a page asks for, from an opened store, median of five.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import shutil
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import median

import numpy as np

from bench.results_file import write
from trimtab.history import sample, schema, slots, tiers
from trimtab.history.facts import ServerFacts
from trimtab.history.known import KnownStatement
from trimtab.history.reading import History, open_history
from trimtab.history.sample import Name, Sample
from trimtab.history.slots import Slot, groups, joined
from trimtab.history.store import PULSE, HistoryStore
from trimtab.history.tiers import DAY, HOUR, KEPT_STATEMENTS, LENGTH_NS, MINUTE, RAW, SECOND_NS, Retention

DAYS, QUERIES = 30, 5000
GOAL_BYTES, GOAL_MS = 3e9, 300.0
BEGIN_NS = 1_788_220_800 * SECOND_NS
SYSTEM = "7301"
DATA = Path(__file__).parents[1] / "data"
_REPEATS = 5


def measure(days: int = DAYS, queries: int = QUERIES) -> None:
    """Run it, print a table, and write the result."""
    found = filled(days, queries)
    size = sum(file.stat().st_size for file in found.path.parent.glob(f"{found.path.name}*"))
    with History(open_history(found.path, Retention()), clock=lambda: found.end_ns) as history:
        answers = {label: _median_ms(ask) for label, ask in asked(history, days).items()}
    print(f"{days} days x {queries:,} queries by minutes: {size / 1e9:.2f} GB, written in {found.seconds:.0f} s")
    print(f"  goals: {GOAL_BYTES / 1e9:g} GB, {GOAL_MS:g} ms")
    for label, (ms, cpu_ms) in answers.items():
        print(f"  {label:<34} {ms:8.1f} ms, {cpu_ms:8.1f} ms of CPU")
    write(
        "faces_store",
        {
            "days": days, "queries": queries, "bytes": size, "goal_bytes": GOAL_BYTES,
            "bytes_per_query_and_minute": round(size / (days * 1440 * queries), 2),
            "written_seconds": round(found.seconds, 1), "written_cpu_seconds": round(found.cpu_seconds, 1),
            "answers_ms": {label: round(ms, 2) for label, (ms, _) in answers.items()},
            "answers_cpu_ms": {label: round(ms, 2) for label, (_, ms) in answers.items()}, "goal_ms": GOAL_MS,
        },
    )  # fmt: skip


@dataclass(frozen=True)
class Filled:
    """A history that was filled: where it is, when its last minute ends, and what it took to write it."""

    path: Path
    end_ns: int
    seconds: float
    cpu_seconds: float


def filled(days: int, queries: int) -> Filled:
    """Return the history of so many days and queries. It is written once, into `bench/data`, and is read alone.

    It is written anew when what shapes it is changed: this file, or what packs and keeps the rows.
    """
    shaping = (Path(__file__), *(Path(module.__file__ or "") for module in (schema, slots, sample, tiers)))
    digest = hashlib.sha256(b"".join(path.read_bytes() for path in shaping)).hexdigest()[:12]
    end_ns = BEGIN_NS + days * LENGTH_NS[DAY]
    place = DATA / f"history-{days}x{queries}-{digest}"
    told = place / "written.json"
    if not told.exists():
        for old in DATA.glob(f"history-{days}x{queries}-*"):
            shutil.rmtree(old)
        place.mkdir(parents=True)
        began, cpu = time.perf_counter(), time.process_time()
        with open_history(place / "history.db", Retention()) as store:
            fill(store, days, queries)
        took = {"seconds": time.perf_counter() - began, "cpu_seconds": time.process_time() - cpu}
        told.write_text(json.dumps(took), "utf-8")
    return Filled(place / "history.db", end_ns, **json.loads(told.read_text("utf-8")))


def fill(store: HistoryStore, days: int, queries: int) -> None:
    """Write the minutes, hours and days."""
    random = np.random.default_rng(20_260_901)
    numbers = np.arange(1, queries + 1)
    rate = random.pareto(1.1, queries) * 3 + 0.5
    mean = random.lognormal(0.5, 1.5, queries)
    with store.writing() as connection:
        server = store.server_id(connection, ServerFacts("bench"))
        end_ns = BEGIN_NS + days * LENGTH_NS[DAY]
        facts = ServerFacts(
            "bench", system_identifier=SYSTEM, is_up=True, tried_ns=end_ns, last_ns=end_ns, database="shop"
        )
        store.put_facts(connection, server, facts)
        known = [
            KnownStatement(
                0, (10, n, True), f"q{n:010x}", f"SELECT a FROM t{n} WHERE id = $1", True, BEGIN_NS, BEGIN_NS
            )
            for n in range(queries)
        ]
        store.add_statements(connection, server, known)
    for day in range(days):
        minutes = [
            _minute(random, numbers, rate, mean, BEGIN_NS + (day * 1440 + minute) * LENGTH_NS[MINUTE])
            for minute in range(1440)
        ]
        with store.writing() as connection:
            for slot in minutes:
                store.add_slot(connection, server, slot)
                store.add_sample(connection, server, PULSE, MINUTE, _sample(slot))
            hours = [
                joined(HOUR, start, parts, KEPT_STATEMENTS) for start, parts in groups(minutes, LENGTH_NS[HOUR]).items()
            ]
            for slot in hours:
                store.add_slot(connection, server, slot)
                store.add_sample(connection, server, PULSE, HOUR, _sample(slot))
            whole = joined(DAY, hours[0].start_ns, hours, KEPT_STATEMENTS)
            store.add_slot(connection, server, whole)
            store.add_sample(connection, server, PULSE, DAY, _sample(whole))
    last_hour_ns = BEGIN_NS + days * LENGTH_NS[DAY] - LENGTH_NS[HOUR]
    with store.writing() as connection:
        for number in range(360):
            slot = _minute(random, numbers, rate / 6, mean, last_hour_ns + number * 10 * SECOND_NS)
            raw = replace(slot, tier=RAW, seconds=10.0)
            store.add_slot(connection, server, raw)
            store.add_sample(connection, server, PULSE, RAW, _sample(raw))


def asked(history: History, days: int) -> dict[str, Callable[[], object]]:
    """Return what pages ask for."""
    query = f"q{17:010x}"
    return {
        "fleet": history.fleet,
        "server, 15 minutes": lambda: history.server("bench"),
        "server, the last hour": lambda: history.server("bench", history.last(3600)),
        "top queries, 15 minutes": lambda: history.top_queries("bench", history.last(900)),
        "top queries, 1 hour": lambda: history.top_queries("bench", history.last(3600)),
        "top queries, 1 day": lambda: history.top_queries("bench", history.last(86_400)),
        f"top queries, {days} days": lambda: history.top_queries("bench", history.last(days * 86_400)),
        "one query, 1 hour": lambda: history.query("bench", query, history.last(3600)),
        f"one query, {days} days": lambda: history.query("bench", query, history.last(days * 86_400)),
        f"series, {days} days": lambda: history.series(
            "bench", ["calls_per_second", "mean_execution_ms"], history.last(days * 86_400)
        ),
    }


def _minute(
    random: np.random.Generator, numbers: np.ndarray, rate: np.ndarray, mean: np.ndarray, start_ns: int
) -> Slot:
    calls = random.poisson(rate) + 1.0
    total = calls * mean * random.lognormal(0, 0.2, len(calls))
    squares = total**2 / calls * random.uniform(1, 2, len(calls))
    counts = np.column_stack((calls, total, squares, calls * 3, calls * random.integers(2, 40, len(calls)), calls * 0))
    return Slot(MINUTE, start_ns, 60.0, 3.0, numbers, counts)


def _sample(slot: Slot) -> Sample:
    calls, total = (float(value) for value in slot.counts[:, :2].sum(axis=0))
    sums: dict[Name, float] = {
        ("statement", "seconds"): slot.seconds,
        ("statement", "calls"): calls,
        ("statement", "total_ms"): total,
    }
    return Sample(slot.start_ns, slot.seconds, sums, {("sessions",): 10.0}, {("sessions",): 12.0})


def _median_ms(ask: Callable[[], object]) -> tuple[float, float]:
    """Return how long it takes, and how much of a processor, in ms."""
    taken = []
    for _ in range(_REPEATS):
        began, cpu = time.perf_counter(), time.process_time()
        ask()
        taken.append(((time.perf_counter() - began) * 1000, (time.process_time() - cpu) * 1000))
    return median(ms for ms, _ in taken), median(ms for _, ms in taken)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--days", type=int, default=DAYS)
    parser.add_argument("--queries", type=int, default=QUERIES)
    given = parser.parse_args()
    measure(given.days, given.queries)
