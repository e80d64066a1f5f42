from __future__ import annotations

from datetime import datetime
from pathlib import Path

from trimtab.db.connection import Connection
from trimtab.observe.snapshot import take_snapshot


def nothing(done: int, total: int, what: str) -> None:
    return None


def catalog(conn: Connection) -> list[tuple[object, ...]]:
    return conn.execute("SELECT c.oid, c.relname, c.relfilenode, c.reltuples FROM pg_class c ORDER BY 1").fetchall()


def test_a_snapshot_of_a_file_changes_nothing_and_is_complete(
    reader: Connection, conn: Connection, tmp_path: Path
) -> None:
    path = tmp_path / "workload.sql"
    path.write_text("-- weight: 4\nSELECT * FROM sale WHERE city = $1;\nSELECT * FROM gone;\nSELECT * FROM summary;")
    before = catalog(conn)
    told: list[str] = []
    found = take_snapshot(reader, path, seed=1, progress=lambda done, total, what: told.append(what))
    assert catalog(conn) == before
    (query,) = found.workload.queries
    assert (query.weight, query.is_synthetic, query.is_runnable) == (4, True, True)
    assert [skipped.code for skipped in found.workload.skipped] == ["query.unplannable"] * 2
    assert found.table("public", "sale") is not None
    assert found.settings["work_mem"].unit == "kB"
    assert datetime.fromisoformat(found.taken_at) > datetime.fromisoformat(found.server.started_at)
    assert told[0] == "reading the workload"
    assert told[-1] == "planning the workload"


def test_a_snapshot_of_the_statements_is_runnable_and_repeatable(owner: Connection, conn: Connection) -> None:
    for number in range(3):
        owner.execute(f"SELECT count(*) FROM sale WHERE city = {number}".encode())
        owner.execute(f"UPDATE sale SET note = 'x{number}' WHERE id = {number}".encode())
    first = take_snapshot(conn, None, seed=7, progress=nothing).workload
    second = take_snapshot(conn, None, seed=7, progress=nothing).workload
    assert {q.id: q for q in first.queries} == {q.id: q for q in second.queries}
    assert len(first.queries) == 2
    assert all(query.is_runnable and query.weight == 3 for query in first.queries)


def test_another_seed_draws_other_values(owner: Connection, conn: Connection) -> None:
    owner.execute("SELECT * FROM sale WHERE id = 3")
    drawn = {take_snapshot(conn, None, seed=seed, progress=nothing).workload.queries[0].parameters for seed in range(4)}
    assert len(drawn) > 1
