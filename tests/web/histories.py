"""A history of two servers, as the collector writes one: one answers, one went down; hostile names in both."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from tests.lifecycle.lives import HOSTILE
from trimtab.history.facts import ServerFacts
from trimtab.history.known import KnownStatement
from trimtab.history.reading import open_history
from trimtab.history.sample import Name, Sample
from trimtab.history.slots import Slot
from trimtab.history.store import PULSE, RELATIONS
from trimtab.history.tiers import RAW, SECOND_NS

UP, DOWN = "shop", f"billing/{HOSTILE}"
QUERY = "q1"
_STEP = 10
_STEPS = 60


def write_history(path: Path, now_ns: int) -> None:
    """Write ten minutes up to now; the second server went down five minutes ago."""
    begin = now_ns - _STEPS * _STEP * SECOND_NS
    with open_history(path) as store, store.writing() as connection:
        for name, is_up, steps in ((UP, True, _STEPS), (DOWN, False, _STEPS // 2)):
            last_ns = begin + steps * _STEP * SECOND_NS
            facts = ServerFacts(
                name, where="db:5432", system_identifier="7", database="shop", version=180001, is_up=is_up,
                code="" if is_up else "source.unreachable", state_since_ns=begin if is_up else last_ns, first_ns=begin,
                last_ns=last_ns, tried_ns=now_ns, interval_seconds=10.0, max_connections=100,
                missing={"host": "it is on another machine"}, settings={"work_mem": "4MB", "search_path": HOSTILE},
            )  # fmt: skip
            server = store.server_id(connection, facts)
            store.put_facts(connection, server, facts)
            known = [
                KnownStatement(
                    0, (10, number, True), f"q{number}", f"SELECT * FROM t{number} WHERE a = $1", True, begin, now_ns
                )
                for number in (1, 2)
            ]
            known.append(KnownStatement(0, (10, 3, True), "q3", f'SELECT "{HOSTILE}"', True, begin, now_ns))
            numbers = sorted(store.add_statements(connection, server, known).values())
            for step in range(steps):
                at_ns = begin + step * _STEP * SECOND_NS
                counts = np.full((len(numbers), 6), 5.0 + step % 7)
                store.add_slot(
                    connection, server, Slot(RAW, at_ns, 10.0, 2.0, np.array(numbers, dtype=np.int64), counts)
                )
                sums: dict[Name, float] = {
                    ("round", "seconds"): 10.0, ("statement", "seconds"): 10.0, ("statement", "calls"): 100.0 + step,
                    ("statement", "total_ms"): 250.0, ("wal", "bytes"): 4096.0 * step,
                    ("database", HOSTILE, "commits"): 90.0, ("database", HOSTILE, "rollbacks"): 1.0,
                    ("database", HOSTILE, "blocks_hit"): 99.0, ("database", HOSTILE, "blocks_read"): 1.0,
                }  # fmt: skip
                means: dict[Name, float] = {
                    ("sessions",): 9.0,
                    ("active_sessions",): 2.0,
                    ("wait", "Lock", HOSTILE): 0.5,
                }
                means |= {("replica", HOSTILE, "lag_seconds"): 0.2, ("replica", HOSTILE, "lag_bytes"): 1000.0}
                store.add_sample(connection, server, PULSE, RAW, Sample(at_ns, 10.0, sums, means, means))
            use: dict[Name, float] = {
                ("index", "public", "orders", HOSTILE, "scans"): 12.0,
                ("index", "public", "orders", HOSTILE, "rows_read"): 5.0,
            }
            use |= {("table", "public", HOSTILE, "scans"): 3.0, ("table", "public", HOSTILE, "rows_read"): 30.0}
            sizes: dict[Name, float] = {
                ("index", "public", "orders", HOSTILE, "bytes"): 8192.0,
                ("table", "public", HOSTILE, "bytes"): 65536.0,
            }
            store.add_sample(connection, server, RELATIONS, RAW, Sample(begin, 300.0, use, sizes, sizes))
            store.add_event(connection, server, begin, "setting_changed", {"setting": HOSTILE, "from": "1", "to": "2"})
            if not is_up:
                store.add_event(connection, server, last_ns, "unreachable", {"code": "source.unreachable"})
