from __future__ import annotations

from datetime import datetime
from pathlib import Path

import pytest

from trimtab.db.connection import Connection
from trimtab.errors import UsageError
from trimtab.observe.snapshot import take_snapshot
from trimtab.twin.ddl import create_index, drop


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


def test_a_schema_that_the_role_may_not_use_takes_only_its_own_queries_out(
    reader: Connection, owner: Connection
) -> None:
    owner.execute("CREATE SCHEMA closed")
    owner.execute("CREATE TABLE closed.t (id int, v int)")
    try:
        texts = (
            "SELECT * FROM closed.t WHERE v = $1",
            "INSERT INTO closed.t VALUES (1, 2)",
            "UPDATE closed.t SET v = $1",
            "SELECT count(*) FROM sale",
        )
        found = take_snapshot(reader, texts, seed=1, progress=nothing)
        assert [query.text for query in found.workload.queries] == [texts[3]]
        assert len(found.workload.skipped) == 3
        for refused in ("CREATE INDEX ON closed.t (v)", "CREATE INDEX ON closed.u (v)"):
            with pytest.raises(UsageError) as caught:
                create_index(refused, reader, 1)
            assert caught.value.code == "twin.no_such_table"
        with pytest.raises(UsageError) as unknown:
            drop("closed.t_idx", reader)
        assert unknown.value.code == "twin.no_such_index"
    finally:
        owner.execute("DROP SCHEMA closed CASCADE")
