"""The ledger: what a durable append takes, beside a bare durable write in the same run; what verifying takes.

Appends are measured on the disk under bench/data (a file system in memory would make fsync free), in turn with a bare
commit of SQLite in the same mode, and a bare write and fsync. In PostgreSQL, on an embedded server with fsync on.
"""

from __future__ import annotations

import os
import random
import sqlite3
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from statistics import median
from typing import TypeVar

import psycopg

from bench.results_file import write
from trimtab.embedded.binaries import Binaries
from trimtab.embedded.server import Server
from trimtab.ledger.chain import Row, row_bytes
from trimtab.ledger.checkpoint import EVERY_ENTRIES, origin_of, signed_checkpoint
from trimtab.ledger.entry import Kind, canonical_body, canonical_entry, entry_hash
from trimtab.ledger.export import export_lines
from trimtab.ledger.ledger import Ledger
from trimtab.ledger.merkle import leaf_hash, tree_of
from trimtab.ledger.offline import verified_file
from trimtab.ledger.place import name_server
from trimtab.ledger.sqlite import open_sqlite
from trimtab.signing.keys import PublicKey, signing_key

T = TypeVar("T")
APPENDS = 400
ENTRIES = 100_000
PROOFS = 200
LIMIT_MS, LIMIT_SECONDS = 5.0, 15.0
DATA = Path(__file__).parents[1] / "data"
CHANGE = {
    "kind": "create_index",
    "schema": "public",
    "table": "orders",
    "name": "trimtab_orders_day_1a2b",
    "tail": "USING btree (day, city DESC) INCLUDE (zip)",
    "key_columns": ["day", "city"],
    "include_columns": ["zip"],
}


def body(number: int) -> dict[str, object]:
    """Return the body of an intent, as the enforcement point writes it: 800 bytes."""
    return {
        "intent_id": f"{number:032x}",
        "strategy_id": f"s-{number:010x}",
        "database": {"system_identifier": "7421337421337421337", "database": "shop", "database_oid": 16384},
        "session": {"pid": 4711, "started_at": "2026-01-01T00:00:00.000000Z"},
        "change": CHANGE,
        "inverse": {**CHANGE, "kind": "drop_index"},
        "change_digest": "1f" * 32,
        "spec_digest": "2e" * 32,
        "table_oid": 16421,
    }


def measure() -> None:
    """Measure, print a table, write the result."""
    DATA.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(dir=DATA, prefix="ledger-") as name:
        directory = Path(name)
        result = {"appends": _appends(directory), **_long_ledger(directory)}
    print(f"written to {write('governance_ledger', result).relative_to(Path.cwd())}")


def _appends(directory: Path) -> dict[str, object]:
    with _server() as server:
        writers = {
            "a bare write and fsync": _bare_fsync(directory / "bare"),
            "a bare commit of SQLite": _bare_commit(directory / "bare.db"),
            "SQLite, unsigned": _ledger(directory / "unsigned" / "ledger.db"),
            "SQLite, a result, signed": _ledger(directory / "signed" / "ledger.db", is_signed=True),
            "PostgreSQL, unsigned": _ledger(directory / "pg" / "ledger.db", conninfo=server.dsn("one")),
            "PostgreSQL, a result, signed": _ledger(
                directory / "pgs" / "ledger.db", is_signed=True, conninfo=server.dsn("other")
            ),
        }
        times: dict[str, list[float]] = {name: [] for name in writers}
        cpu: dict[str, list[float]] = {name: [] for name in writers}
        order, coin = list(writers), random.Random(1)
        for number in range(APPENDS + 10):
            coin.shuffle(order)
            for name in order:
                started, used = time.perf_counter(), time.process_time()
                writers[name](number)
                if number >= 10:  # the first open files, connections and statements
                    times[name].append(1000 * (time.perf_counter() - started))
                    cpu[name].append(1000 * (time.process_time() - used))
    told: dict[str, object] = {}
    print(f"{'durable append of 800 bytes, ms':<34} {'median':>8} {'p95':>8} {'p99':>8} {'cpu':>8}   of a bare commit")
    base = median(times["a bare commit of SQLite"])
    for name, found in times.items():
        ordered = sorted(found)
        middle, p95, p99 = median(ordered), ordered[int(0.95 * APPENDS)], ordered[int(0.99 * APPENDS)]
        used = median(cpu[name])
        told[name] = {
            "median_ms": round(middle, 3),
            "p95_ms": round(p95, 3),
            "p99_ms": round(p99, 3),
            "cpu_ms": round(used, 3),
        }
        over = "" if middle <= LIMIT_MS and p95 <= LIMIT_MS else f"  over {LIMIT_MS:.0f} ms"
        print(f"  {name:<32} {middle:8.2f} {p95:8.2f} {p99:8.2f} {used:8.2f}   {middle / base:5.1f}x{over}")
    return {"limit_ms": LIMIT_MS, "appends_each": APPENDS, **told}


def _bare_fsync(path: Path) -> Callable[[int], object]:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)

    def write(number: int) -> None:
        os.write(descriptor, canonical_body(body(number)))
        os.fsync(descriptor)

    return write


def _bare_commit(path: Path) -> Callable[[int], object]:
    raw = sqlite3.connect(path, isolation_level=None)
    for pragma in ("journal_mode = WAL", "synchronous = FULL", "fullfsync = ON"):
        raw.execute(f"PRAGMA {pragma}")
    raw.execute("CREATE TABLE entries (seq INTEGER PRIMARY KEY, body TEXT)")
    return lambda number: raw.execute("INSERT INTO entries (body) VALUES (?)", (canonical_body(body(number)).decode(),))


def _ledger(path: Path, *, is_signed: bool = False, conninfo: str | None = None) -> Callable[[int], object]:
    path.parent.mkdir()
    if conninfo is not None:
        name_server(path, conninfo)
    ledger = Ledger.open(path)
    if is_signed:
        ledger.set_key()
    kind = Kind.APPLY_DONE if is_signed else Kind.APPLY_INTENDED
    return lambda number: ledger.append(kind, body(number), run_id="r-bench")


@contextmanager
def _server() -> Iterator[Server]:
    settings = {"fsync": "on", "synchronous_commit": "on", "full_page_writes": "on"}
    with Server.create(Binaries.find(), purpose="bench-ledger", settings=settings) as server:
        with closing(psycopg.connect(server.dsn(), autocommit=True)) as admin:
            admin.execute("CREATE DATABASE one")
            admin.execute("CREATE DATABASE other")
        yield server


def _long_ledger(directory: Path) -> dict[str, object]:
    path = directory / "long.db"
    key = _written(path, ENTRIES)
    with Ledger.open(path) as ledger:
        seconds, found = _timed(lambda: ledger.verify([key]))
        assert found.verified, found
        assert found.entries == ENTRIES
        coin = random.Random(2)
        prove, _ = _timed(lambda: [ledger.inclusion(coin.randrange(1, ENTRIES + 1), ENTRIES) for _ in range(PROOFS)])
        export = directory / "export.jsonl"
        export_seconds, _ = _timed(
            lambda: export.write_bytes(b"".join(export_lines(found.origin, found.head, ledger.rows(), ledger.notes())))
        )
    offline, verdict = _timed(lambda: verified_file(export, [key], [], None))
    assert verdict.verified, verdict
    sizes = {"store_mb": round(path.stat().st_size / 1e6), "export_mb": round(export.stat().st_size / 1e6)}
    is_within = "" if seconds.clock <= LIMIT_SECONDS else f"  OVER {LIMIT_SECONDS} s"
    print(f"{ENTRIES} entries, {found.checkpoints} checkpoints of two signatures each, {sizes['store_mb']} MB")
    print(f"  verify, all of it                {seconds}{is_within}")
    print(f"  export                           {export_seconds}, {sizes['export_mb']} MB")
    print(f"  verify the export, offline       {offline}")
    print(f"  prove one entry                  {1000 * prove.clock / PROOFS:8.2f} ms")
    return {
        "entries": ENTRIES,
        "checkpoints": found.checkpoints,
        **sizes,
        "limit_seconds": LIMIT_SECONDS,
        "verify_seconds": round(seconds.clock, 2),
        "verify_cpu_seconds": round(seconds.cpu, 2),
        "export_seconds": round(export_seconds.clock, 2),
        "verify_export_seconds": round(offline.clock, 2),
        "verify_export_cpu_seconds": round(offline.cpu, 2),
        "prove_ms": round(1000 * prove.clock / PROOFS, 3),
    }


def _written(path: Path, entries: int) -> PublicKey:
    """Write a ledger of so many entries as `append` would have, in one transaction; its first says which key signs."""
    with Ledger.open(path) as ledger:
        key, _ = ledger.set_key()
    signer = signing_key(path.with_suffix(".key"))
    with closing(open_sqlite(path)) as store:
        first = next(iter(store.rows()))
        assert first.hash is not None
        assert first.at_ns is not None
        origin, tree = origin_of(first.hash.decode()), tree_of([leaf_hash(row_bytes(first))])
        rows = _rows(first, entries)
        with store.writing() as (connection, _):
            while page := list(islice(rows, EVERY_ENTRIES - tree.size % EVERY_ENTRIES)):
                store.insert_copied(connection, page, tree)
                store.insert_checkpoint(
                    connection, tree.size, signed_checkpoint(origin, tree.size, tree.root, signer).note
                )
    return key


def _rows(first: Row, entries: int) -> Iterator[Row]:
    prev_hash, at_ns = (first.hash or b"").decode(), int(first.at_ns or b"0")
    for seq in range(2, entries + 1):
        canonical = canonical_body(body(seq))
        digest = entry_hash(canonical_entry(seq, at_ns, "apply_intended", "r-bench", canonical, prev_hash))
        yield Row(seq, b"%d" % at_ns, b"apply_intended", b"r-bench", canonical, prev_hash.encode(), digest.encode())
        prev_hash = digest


@dataclass(frozen=True)
class Seconds:
    """By the clock, and of the processor: the latter does not depend on what else the machine does."""

    clock: float
    cpu: float

    def __str__(self) -> str:
        return f"{self.clock:8.1f} s, {self.cpu:.1f} of them of the processor"


def _timed(act: Callable[[], T]) -> tuple[Seconds, T]:
    started, cpu = time.perf_counter(), time.process_time()
    found = act()
    return Seconds(time.perf_counter() - started, time.process_time() - cpu), found
