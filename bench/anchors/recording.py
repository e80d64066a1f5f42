"""Records real execution times: queries of the demo's shop on an embedded server, round after round, a stream each.

A session is one connection. Its first rounds are the anchor, and the watched ones follow. All are equally far apart:
after a pause a processor is slower, and the same pauses on both sides leave nothing of that to be found. Nothing is
changed in between.
"""

from __future__ import annotations

import json
import os
import re
import time
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import dataclass
from importlib import resources
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from bench.anchors.say import say
from trimtab.db.connection import Connection, connect
from trimtab.demo import data as shop_data
from trimtab.embedded.binaries import Binaries
from trimtab.embedded.server import Server

Floats = NDArray[np.float64]

SCALE = 0.05
SESSIONS = 6
ANCHOR_ROUNDS = 700
WATCHED_ROUNDS = 4000
ROUND_SECONDS = 0.03
"""The anchor takes 21 s and the watched rounds two minutes; a round of all queries is done in less."""
WARM_ROUNDS = 20
QUERIES = (
    "customer_by_id", "product_by_sku", "product_page", "products_of_brand", "product_reviews_latest",
    "product_rating", "customer_recent_orders", "order_with_lines", "shipments_of_order", "customer_last_seen_products",
)  # fmt: skip
KEPT = Path(__file__).parents[1] / "data" / "anchors_recorded.npz"
_TIME = re.compile(r"^(?:Planning|Execution) Time: ([0-9.]+) ms$", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Recorded:
    """Milliseconds by session, query and round; the anchor's rounds come first. `about` says how it was recorded."""

    times_ms: Floats
    about: dict[str, object]

    @property
    def streams(self) -> Floats:
        """All streams, one a row."""
        return self.times_ms.reshape(-1, self.times_ms.shape[-1])


def recorded(*, anew: bool) -> Recorded:
    """Return the streams that were kept, or record them and keep them."""
    if not anew and KEPT.exists():
        with np.load(KEPT) as kept:
            return Recorded(kept["times_ms"], json.loads(str(kept["about"])))
    with shop() as (server, queries):
        found = _record(server, queries)
    KEPT.parent.mkdir(exist_ok=True)
    np.savez_compressed(KEPT, times_ms=found.times_ms, about=np.array(json.dumps(found.about)))
    return found


class shop:  # noqa: N801 - used as a function is
    """A server with the demo's shop at a small scale, and the texts of the recorded queries."""

    def __enter__(self) -> tuple[Server, dict[str, str]]:
        self._server = Server.create(Binaries.find(), purpose="bench-anchors", settings={"shared_buffers": "256MB"})
        try:
            shop_data.load(self._server.dsn(), seed=42, scale=SCALE, progress=lambda _what, _done: None)
        except BaseException:
            self._server.destroy()
            raise
        return self._server, texts()

    def __exit__(self, *_: object) -> None:
        self._server.destroy()


def texts() -> dict[str, str]:
    """Return the recorded queries of the demo's workload file, by name."""
    workload = (resources.files("trimtab.demo") / "workload.sql").read_text()
    blocks = re.split(r"^-- name: ", workload, flags=re.MULTILINE)[1:]
    found = {}
    for block in blocks:
        name, _, body = block.partition("\n")
        lines = [line for line in body.splitlines() if not line.startswith("--")]
        found[name] = "\n".join(lines).strip().split(";")[0]
    return {name: found[name] for name in QUERIES}


def execution_ms(connection: Connection, query: str) -> float:
    """Run a query once and return the milliseconds that the server took to plan and run it."""
    rows = connection.execute(f"EXPLAIN (ANALYZE, TIMING OFF, SUMMARY ON) {query}".encode()).fetchall()
    return sum(float(value) for value in _TIME.findall("\n".join(str(row[0]) for row in rows)))


def rounds(
    connection: Connection, queries: Sequence[str], count: int, pause: Callable[[int], None] = lambda _round: None
) -> Floats:
    """Run all queries, round after round; milliseconds by query and round."""
    times = np.empty((len(queries), count))
    for number in range(count):
        for row, query in enumerate(queries):
            times[row, number] = execution_ms(connection, query)
        pause(number)
    return times


def _record(server: Server, queries: dict[str, str]) -> Recorded:
    sessions, loads, started = [], [], time.time()
    for number in range(SESSIONS):
        with closing(connect(server.dsn(), read_only=True)) as connection:
            rounds(connection, list(queries.values()), WARM_ROUNDS)
            begin = time.monotonic()

            def pause(done: int, begin: float = begin) -> None:
                time.sleep(max(0.0, begin + ROUND_SECONDS * (done + 1) - time.monotonic()))

            sessions.append(rounds(connection, list(queries.values()), ANCHOR_ROUNDS + WATCHED_ROUNDS, pause))
        loads.append(round(os.getloadavg()[0], 2))
        say(f"recorded session {number + 1} of {SESSIONS} in {time.monotonic() - begin:.0f} s")
    return Recorded(
        np.stack(sessions),
        {
            "recorded_at": time.strftime("%Y-%m-%dT%H:%MZ", time.gmtime(started)),
            "queries": list(queries),
            "sessions": SESSIONS,
            "anchor_rounds": ANCHOR_ROUNDS,
            "round_seconds": ROUND_SECONDS,
            "watched_rounds": WATCHED_ROUNDS,
            "load_average_by_session": loads,
        },
    )
