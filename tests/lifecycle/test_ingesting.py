"""Logs of all three formats become single executions in the history, once, with their latencies and plans."""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trimtab.errors import UsageError
from trimtab.history.executions import executions_of, pack_executions, unpack_executions
from trimtab.history.reading import History, open_history
from trimtab.history.store import HistoryStore
from trimtab.history.values import Window
from trimtab.lifecycle.ingesting import LogRequest, ingest
from trimtab.model.execution import Execution
from trimtab.observe.logs.source import LocalLogs
from trimtab.observe.text_identity import identity_of

SECOND = 10**9
BEGIN = 1_790_000_000 * SECOND
ALL = Window(BEGIN - 86_400 * SECOND, BEGIN + 86_400 * SECOND)
SQL = "SELECT name FROM agent WHERE id = {}"
QUERY = identity_of(SQL.format(1)).query_id or ""
Line = Callable[[int, float], str]


@pytest.fixture
def store(tmp_path: Path) -> Iterator[HistoryStore]:
    with open_history(tmp_path / "history.db") as opened:
        yield opened


def at(second: int) -> str:
    from datetime import UTC, datetime

    return datetime.fromtimestamp(BEGIN / SECOND + second, UTC).strftime("%Y-%m-%d %H:%M:%S.000 UTC")


def json_line(second: int, ms: float) -> str:
    return json.dumps(
        {
            "timestamp": at(second), "user": "app", "dbname": "shop", "session_id": f"6a.{second % 3}",
            "error_severity": "LOG", "backend_type": "client backend",
            "message": f"duration: {ms:.3f} ms  statement: {SQL.format(second)}",
        }
    )  # fmt: skip


def csv_line(second: int, ms: float) -> str:
    message = f"duration: {ms:.3f} ms  statement: {SQL.format(second)}"
    return (
        f'{at(second)},"app","shop",77,"[local]",6a.{second % 3},{second},"SELECT",{at(0)},3/4,0,LOG,00000,"{message}"'
        ',,,,,,,,,"psql","client backend",,0'
    )


def plain_line(second: int, ms: float) -> str:
    return f"{at(second)} [77] LOG:  duration: {ms:.3f} ms  statement: {SQL.format(second)}"


def write(path: Path, line: Line, seconds: range) -> Path:
    with path.open("a") as file:
        file.writelines(line(second, float(second + 1)) + "\n" for second in seconds)
    return path


@pytest.mark.parametrize("line", [json_line, csv_line, plain_line], ids=["jsonlog", "csvlog", "stderr"])
def test_a_log_becomes_latencies_of_its_query(tmp_path: Path, store: HistoryStore, line: Line) -> None:
    log = write(tmp_path / "a.log", line, range(100))
    found = ingest(store, LogRequest("shop", LocalLogs([log])))
    assert (found.tally.executions, found.queries) == (100, 1)
    assert (found.first_ns, found.last_ns) == (BEGIN, BEGIN + 99 * SECOND)
    latency = History(store).query("shop", QUERY, ALL).latency
    assert (latency.executions, latency.errors) == (100, 0)
    assert (latency.p50_ms, latency.p95_ms, latency.p99_ms, latency.max_ms) == (50.0, 95.0, 99.0, 100.0)
    half = History(store).query("shop", QUERY, Window(BEGIN, BEGIN + 50 * SECOND)).latency
    assert (half.executions, half.max_ms) == (50, 50.0)


def test_only_what_is_new_is_taken_though_a_file_is_renamed_and_compressed(tmp_path: Path, store: HistoryStore) -> None:
    log = write(tmp_path / "a.log", json_line, range(10))
    request = LogRequest("shop", LocalLogs([tmp_path]))
    counts = [ingest(store, request).tally.executions, ingest(store, request).tally.executions]
    write(log, json_line, range(10, 13))
    counts.append(ingest(store, request).tally.executions)
    (tmp_path / "a.log.1.gz").write_bytes(gzip.compress(log.read_bytes()))
    log.unlink()
    counts.append(ingest(store, request).tally.executions)
    assert counts == [10, 0, 3, 0]
    assert History(store).query("shop", QUERY, ALL).latency.executions == 13


def test_a_write_that_fails_is_taken_again_whole(
    tmp_path: Path, store: HistoryStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    log = write(tmp_path / "a.log", json_line, range(10))
    request = LogRequest("shop", LocalLogs([log]))

    def fail(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as killed:
        killed.setattr(HistoryStore, "put_log_offsets", fail)
        with pytest.raises(KeyboardInterrupt):
            ingest(store, request)
    assert ingest(store, request).tally.executions == 10
    assert History(store).query("shop", QUERY, ALL).latency.executions == 10


def test_no_text_of_a_log_is_kept(tmp_path: Path, store: HistoryStore) -> None:
    log = tmp_path / "a.log"
    log.write_text(json_line(1, 2.0).replace("id = 1", "name = 'canary-77'") + "\n")
    ingest(store, LogRequest("shop", LocalLogs([log])))
    assert b"canary-77" not in Path(store.name).read_bytes()


def test_a_log_that_is_not_there_is_refused(tmp_path: Path, store: HistoryStore) -> None:
    with pytest.raises(UsageError) as refused:
        ingest(store, LogRequest("shop", LocalLogs([tmp_path / "nothing.log"])))
    assert refused.value.code == "logs.unreadable"
    assert store.servers() == [], "and no server is made of its name"


def test_a_log_by_another_prefix_is_refused_and_read_whole_by_the_right_one(
    tmp_path: Path, store: HistoryStore
) -> None:
    def line(second: int, ms: float) -> str:
        return plain_line(second, ms).replace(" LOG:", " app@shop LOG:")

    log = write(tmp_path / "a.log", line, range(10))
    with pytest.raises(UsageError) as refused:
        ingest(store, LogRequest("shop", LocalLogs([log])))
    assert refused.value.code == "logs.prefix"
    assert "10 of its messages" in str(refused.value)
    right = LogRequest("shop", LocalLogs([log]), log_line_prefix="%m [%p] %q%u@%d ")
    assert ingest(store, right).tally.executions == 10
    assert ingest(store, right).tally.executions == 0


# What archive_command, a shell and a library write into the server's log, without its prefix.
RAW = (
    "P00   INFO: archive-push command end: completed successfully (9ms)\n"
    "cp: cannot stat 'pg_wal/000000010000000000000001': No such file or directory\n"
    "ERROR: [082]: unable to push WAL file '000000010000000000000001' to the archive\n"
    "INFO:     pushed in 9 ms\nTotal:  16 MiB\n"
)


@pytest.mark.parametrize("written", [RAW * 5, f"{at(0)} [5] LOG:  checkpoint starting: time\n" + RAW * 5])
def test_lines_of_other_programs_say_nothing_against_the_prefix(
    tmp_path: Path, store: HistoryStore, written: str
) -> None:
    log = tmp_path / "a.log"
    log.write_text(written)
    request = LogRequest("shop", LocalLogs([log]))
    tallies = [ingest(store, request).tally]
    write(log, plain_line, range(3))
    tallies.append(ingest(store, request).tally)
    with log.open("a") as file:
        file.write(RAW)
    tallies.append(ingest(store, request).tally)
    assert [tally.executions for tally in tallies] == [0, 3, 0]
    assert [tally.left_out.get("unprefixed", 0) for tally in tallies] == [25, 0, 5]
    assert not any("other_prefix" in tally.left_out for tally in tallies)


def test_another_prefix_is_seen_between_lines_of_other_programs(tmp_path: Path, store: HistoryStore) -> None:
    log = tmp_path / "a.log"
    log.write_text(RAW * 5)
    assert ingest(store, LogRequest("shop", LocalLogs([log]))).tally.left_out == {"unprefixed": 25}
    with log.open("a") as file:
        for second in range(4):
            file.write(plain_line(second, 1.0).replace(" LOG:", " app@shop LOG:") + "\n" + RAW)
            file.write(f"{at(second)} [77] app@shop STATEMENT:  SELECT 'canary-77'\n\tFROM agent\n")
    with pytest.raises(UsageError) as refused:
        ingest(store, LogRequest("shop", LocalLogs([log])))
    assert refused.value.code == "logs.prefix"
    assert "8 of its messages" in str(refused.value)
    assert "canary" not in str(refused.value)
    right = LogRequest("shop", LocalLogs([log]), log_line_prefix="%m [%p] %q%u@%d ")
    assert ingest(store, right).tally.executions == 4
    assert ingest(store, right).tally.executions == 0


def test_plans_are_told_in_the_order_in_which_they_came(store: HistoryStore) -> None:
    rows = [
        Execution(BEGIN + n * SECOND, QUERY, None, "shop", "app", float(n), "old" if n < 5 else "new", is_error=n == 9)
        for n in range(10)
    ]
    with store.writing() as connection:
        from trimtab.history.facts import ServerFacts

        server = store.server_id(connection, ServerFacts("shop"))
        found = executions_of(rows)
        store.add_executions(connection, server, [(BEGIN, BEGIN + 9 * SECOND, 10, pack_executions(found))])
    life = History(store).query("shop", QUERY, ALL)
    assert [(plan.shape, plan.executions, plan.mean_ms) for plan in life.plans] == [("old", 5, 2.0), ("new", 5, 7.0)]
    assert life.plans[1].first_ns == BEGIN + 5 * SECOND
    assert life.latency.errors == 1


executions = st.builds(
    Execution, st.integers(0, 2**62), st.sampled_from(["a", "b", "c"]), st.none(), st.none(), st.none(),
    st.none() | st.floats(0, 1e6, width=32), st.none() | st.sampled_from(["x", "y"]), st.booleans(),
)  # fmt: skip


@given(st.lists(executions, min_size=1, max_size=30))
def test_executions_come_back_as_they_were(rows: list[Execution]) -> None:
    found = unpack_executions(pack_executions(executions_of(rows)))
    back = [
        (int(t), found.names[n], found.shapes[s] or None, float(d) if d >= 0 else None, bool(e))
        for t, n, s, d, e in zip(
            found.time_ns, found.name, found.shape, found.duration_ms, found.is_error, strict=True
        )
    ]  # fmt: skip
    wanted = sorted(rows, key=lambda row: row.time_ns)
    assert back == [(r.time_ns, r.query_id, r.plan_shape, r.duration_ms, r.is_error) for r in wanted]
