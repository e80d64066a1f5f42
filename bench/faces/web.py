"""The web pages' first byte over a history of 30 days and 5,000 queries by minutes, and a ledger of 2,000 strategies.

Every page is asked for over HTTP, from a server as `trimtab serve` starts it; the first time and the median of five.
Goal: 300 ms.
"""

from __future__ import annotations

import argparse
import http.client
import socket
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from statistics import median

from bench.faces.history import BEGIN_NS, DAYS, QUERIES, fill
from bench.results_file import write
from trimtab.history.reading import History, open_history
from trimtab.history.tiers import DAY, LENGTH_NS, Retention
from trimtab.ledger.ledger import Ledger
from trimtab.lifecycle.journal import Journal
from trimtab.model.change import CreateIndex
from trimtab.model.report import Life
from trimtab.model.strategy import Outcome, Prediction, Strategy, Verdict

GOAL_MS = 300.0
STRATEGIES = 2000
_REPEATS = 5


def measure(days: int = DAYS, queries: int = QUERIES, directory: Path | None = None) -> None:
    """Run it, print a table, and write the result."""
    with tempfile.TemporaryDirectory(prefix="faces-web-", dir=directory) as name:
        place = Path(name)
        end_ns = BEGIN_NS + days * LENGTH_NS[DAY]
        with open_history(place / "history.db", Retention()) as store:
            fill(store, days, queries)
        newest = _write_ledger(place / "ledger.db", end_ns)
        with _served(place, end_ns) as port:
            found = {path: _first_bytes(port, path) for path in _addresses(days, newest)}
    print(f"first byte, {days} days x {queries:,} queries, {STRATEGIES:,} strategies; goal {GOAL_MS:g} ms")
    for path, (first, usual) in found.items():
        print(f"  {path:<58} {first:8.1f} ms first, {usual:8.1f} ms")
    write(
        "faces_web",
        {
            "days": days, "queries": queries, "strategies": STRATEGIES, "goal_ms": GOAL_MS,
            "first_byte_ms": {path: {"first": round(f, 1), "median": round(m, 1)} for path, (f, m) in found.items()},
            "worst_ms": round(max(max(pair) for pair in found.values()), 1),
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


@contextmanager
def _served(place: Path, end_ns: int) -> Iterator[int]:
    import uvicorn

    from trimtab.web.app import web_app
    from trimtab.web.site import SiteOptions

    options = SiteOptions(
        place / "ledger.db",
        lambda: History(open_history(place / "history.db", Retention()), clock=lambda: end_ns),
        frozenset({"127.0.0.1"}),
        lambda name: place / name,
        clock_ns=lambda: end_ns,
    )
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        server = uvicorn.Server(uvicorn.Config(web_app(options), log_level="warning", timeout_graceful_shutdown=1))
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, daemon=True)
        thread.start()
        yield int(listener.getsockname()[1])
        server.should_exit = True
        thread.join()


def _first_bytes(port: int, path: str) -> tuple[float, float]:
    taken = []
    for _ in range(_REPEATS + 1):
        connection = http.client.HTTPConnection("127.0.0.1", port)
        began = time.perf_counter()
        connection.request("GET", path)
        answer = connection.getresponse()
        taken.append((time.perf_counter() - began) * 1000)
        body = answer.read()
        connection.close()
        if answer.status != 200:
            raise SystemExit(f"{path} answered {answer.status}: {body[:300]!r}")
    return taken[0], median(taken[1:])


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--days", type=int, default=DAYS)
    parser.add_argument("--queries", type=int, default=QUERIES)
    parser.add_argument("--directory", type=Path)
    given = parser.parse_args()
    measure(given.days, given.queries, given.directory)
