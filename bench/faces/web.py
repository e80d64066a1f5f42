"""The web pages' first byte over a history of 30 days and 5,000 queries by minutes, and a ledger of 2,000 strategies.

Every page is asked for over HTTP, from a server as `trimtab serve` starts it; the first time and the median of five,
beside a request for which nothing is read. Goal: 300 ms.
"""

from __future__ import annotations

import argparse
import http.client
import tempfile
import time
from pathlib import Path
from statistics import median

from bench.faces.history import DAYS, QUERIES, filled
from bench.results_file import write
from bench.served_site import served
from trimtab.history.reading import History, open_history
from trimtab.history.tiers import Retention
from trimtab.ledger.ledger import Ledger
from trimtab.lifecycle.journal import Journal
from trimtab.model.change import CreateIndex
from trimtab.model.report import Life
from trimtab.model.strategy import Outcome, Prediction, Strategy, Verdict
from trimtab.web.site import SiteOptions

GOAL_MS = 300.0
STRATEGIES = 2000
TRIVIAL = "/static/site.css"
"""What a request takes by itself: nothing is read for it."""
_REPEATS = 5


def measure(days: int = DAYS, queries: int = QUERIES) -> None:
    """Run it, print a table, and write the result."""
    found = filled(days, queries)
    with tempfile.TemporaryDirectory(prefix="faces-web-") as name:
        place = Path(name)
        newest = _write_ledger(place / "ledger.db", found.end_ns)
        options = SiteOptions(
            place / "ledger.db",
            lambda: History(open_history(found.path, Retention()), clock=lambda: found.end_ns),
            frozenset({"127.0.0.1"}),
            lambda name: place / name,
            clock_ns=lambda: found.end_ns,
        )
        with served(options) as port:
            pages = {path: _first_bytes(port, path) for path in (TRIVIAL, *_addresses(days, newest))}
    print(f"first byte, {days} days x {queries:,} queries, {STRATEGIES:,} strategies; goal {GOAL_MS:g} ms")
    for path, (first, usual, cpu) in pages.items():
        print(f"  {path:<66} {first:8.1f} ms first, {usual:8.1f} ms, {cpu:8.1f} ms of CPU")
    write(
        "faces_web",
        {
            "days": days, "queries": queries, "strategies": STRATEGIES, "goal_ms": GOAL_MS,
            "first_byte_ms": {
                path: {"first": round(first, 1), "median": round(usual, 1), "cpu": round(cpu, 1)}
                for path, (first, usual, cpu) in pages.items()
            },
            "worst_ms": round(max(max(first, usual) for first, usual, _ in pages.values()), 1),
            "worst_median_ms": round(max(usual for _, usual, _ in pages.values()), 1),
        },
    )  # fmt: skip


def _write_ledger(path: Path, end_ns: int) -> str:
    verdict = Verdict(True, (), "BENCH", "5" * 64, 100.0)
    prediction = Prediction(1.0, 2.0, 4.0, "ms", 9.5, 0.9, "calibrated")
    strategy_id = ""
    with Ledger.open(path, clock=lambda: end_ns) as ledger:
        for number in range(STRATEGIES):
            run = Journal(ledger, f"r-{number // 20}")
            change = CreateIndex("public", "orders", f"i{number}", f"USING btree (c{number})", (f"c{number}",))
            strategy = Strategy((change,), "index", "An index", "the plan reads all rows", (f"q{number:010x}",))
            run.proposed(strategy)
            run.validated(strategy, verdict)
            run.predicted(strategy, prediction)
            run.settled(Life(strategy, outcome=Outcome.NOT_PREDICTED))
            strategy_id = strategy.id
    return strategy_id


def _addresses(days: int, strategy: str) -> list[str]:
    windows = (900, 3600, 86_400, days * 86_400)
    query = f"q{17:010x}"
    return [
        "/",
        *(f"/server?server=bench&seconds={seconds}" for seconds in windows),
        *(f"/server/plot.svg?server=bench&metric=calls_per_second&seconds={seconds}" for seconds in windows),
        *(f"/workload?server=bench&seconds={seconds}" for seconds in windows),
        *(f"/query?server=bench&query={query}&seconds={seconds}" for seconds in windows),
        "/indexes?server=bench",
        "/changes",
        "/changes/all?offset=1000",
        f"/changes/{strategy}",
        "/anchors",
        "/specifications",
        "/specifications/one?name=DATABASE_OPTIMIZATION_SPEC_V4",
        "/ledger",
        "/ledger/100",
    ]


def _first_bytes(port: int, path: str) -> tuple[float, float, float]:
    """Return the first byte's time, its median of five more, and the median of this process's CPU time, in ms."""
    taken, busy = [], []
    for _ in range(_REPEATS + 1):
        connection = http.client.HTTPConnection("127.0.0.1", port)
        began, cpu = time.perf_counter(), time.process_time()
        connection.request("GET", path)
        answer = connection.getresponse()
        taken.append((time.perf_counter() - began) * 1000)
        body = answer.read()
        busy.append((time.process_time() - cpu) * 1000)
        connection.close()
        if answer.status != 200:
            raise SystemExit(f"{path} answered {answer.status}: {body[:300]!r}")
    return taken[0], median(taken[1:]), median(busy[1:])


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--days", type=int, default=DAYS)
    parser.add_argument("--queries", type=int, default=QUERIES)
    given = parser.parse_args()
    measure(given.days, given.queries)
