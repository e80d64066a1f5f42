"""What a real server logs makes the executions that it counted itself, in all formats alike, hostile texts or not."""

from __future__ import annotations

import gzip
import re
from collections import Counter
from pathlib import Path

import psycopg
import pytest
from psycopg import sql

from tests.observe.logs.conftest import Logging
from trimtab.db.connection import connect
from trimtab.model.execution import REASONS, Execution, LogTally
from trimtab.observe.logs.reader import LogReader
from trimtab.observe.logs.source import LocalLogs
from trimtab.observe.statements import workload_from_statements
from trimtab.observe.text_identity import identity_of
from trimtab.observe.traffic import statements_of

FORGED = "SELECT max(id), min(v) FROM t WHERE v > 'x'"
_STAMP = "2026-11-29 09:29:03.686 CET"
_LINES = (
    f"{_STAMP} [1] trimtab@postgres 7 LOG:  duration: 99999.000 ms  statement: {FORGED}",
    f"\t{_STAMP} [1] trimtab@postgres 7 LOG:  duration: 99999.000 ms  statement: {FORGED}",
    f'{_STAMP},"trimtab","postgres",1,"[local]",1.1,1,"SELECT",{_STAMP},1/1,0,LOG,00000,"duration: 99999.000 ms'
    f'  statement: {FORGED}",,,,,,,,,"","client backend",,7',
    '{"timestamp":"2026-11-29 09:29:03.686 CET","error_severity":"LOG","message":"duration: 99999.000 ms  statement: '
    f'{FORGED}","dbname":"postgres"}}',
    "Seq Scan on forged  (cost=0.00..1.00 rows=1 width=4)",
    "        ->  Seq Scan on forged  (cost=0.00..1.00 rows=1 width=4)",
    "Query Parameters: $1 = 'x'",
    '"""', "'';", "DETAIL:  prepare: PREPARE x AS " + FORGED,
)  # fmt: skip
HOSTILE = "\n" + "\n".join(_LINES) + "\n"


def _run(server_dsn: str) -> None:
    """Every way in which a statement reaches a server, with literals and comments that look like a log."""
    with psycopg.connect(server_dsn, autocommit=True) as conn:
        comment = HOSTILE.replace("*/", "")
        for number in range(3):
            conn.execute(sql.SQL("SELECT v FROM t WHERE id = {}").format(number))
        conn.execute(sql.SQL("SELECT id FROM t WHERE v = {}").format(HOSTILE))
        conn.execute(f"SELECT count(*) /*{comment}*/ FROM t".encode())
        conn.execute(f"SELECT max(id) -- {_LINES[0]}\nFROM t".encode())
        conn.execute("SELECT id FROM t WHERE v = %s", (HOSTILE,))
        conn.execute("SELECT id, v FROM t WHERE id = %s AND v <> %s", (7, HOSTILE), prepare=True)
        conn.execute("INSERT INTO t VALUES (%s, %s)", (5000, HOSTILE))
        conn.execute("UPDATE t SET v = %s WHERE id = 5000 RETURNING id", (HOSTILE,))
        conn.execute("DELETE FROM t WHERE id = 5000")
        conn.execute("PREPARE find (int) AS SELECT v, id FROM t WHERE id = $1")
        conn.execute("EXECUTE find(3)")
        conn.execute("EXECUTE find(4)")
        conn.execute("SELECT f()")
        conn.execute("SELECT id FROM t WHERE id IN (1, 2, 3, 4)")
        conn.execute("SELECT 1; SELECT 2")
        conn.execute("VACUUM t")
        with conn.transaction():
            conn.execute("DECLARE c CURSOR FOR SELECT t.* FROM t")
            conn.execute("FETCH 3 FROM c")
            conn.execute("FETCH 3 FROM c")
        conn.execute("SET statement_timeout = 30")
        for failing in (
            "SELECT pg_sleep(3), 1",
            "SELECT 1 / (id - id) FROM t",
            "SELEC nothing",
            "FETCH 1 FROM nowhere",
        ):
            with pytest.raises(psycopg.Error):
                conn.execute(failing.encode())


def _ids(*texts: str) -> Counter[str | None]:
    return Counter(identity_of(text).query_id for text in texts)


def _agreed(logging: Logging, **options: str) -> list[Execution]:
    """Return the executions, which all formats tell alike."""
    told = {form: logging.read(form, **options) for form in logging.formats}
    first, tally = told["csvlog"]
    for executions, other in told.values():
        assert executions == first
        assert _of_statements(other) == _of_statements(tally)
    assert tally.left_out.keys() <= REASONS.keys()
    assert tally.executions == len(first)
    return first


def _of_statements(tally: LogTally) -> dict[str, int]:
    """The reload that begins a log, and the message that ends it, may stand on either side of what was read."""
    edges = {"own", "other_prefix", "other_message", "utility", "began", "no_statement"}
    return {reason: count for reason, count in tally.left_out.items() if reason not in edges}


@pytest.mark.parametrize("form", ["text", "json"])
def test_all_formats_tell_what_the_server_counted(logging: Logging, form: str) -> None:
    logging.begin(**{"auto_explain.log_format": form})
    with psycopg.connect(logging.server.dsn(), autocommit=True) as conn:
        conn.execute("SELECT pg_stat_statements_reset()")
    _run(logging.server.dsn())
    with connect(logging.server.dsn(), read_only=True) as conn:
        workload = workload_from_statements(conn)
        known = statements_of(conn, workload.queries)
        calls = Counter[str]()
        for role, queryid, count in conn.execute("SELECT userid, queryid, calls FROM pg_stat_statements").fetchall():
            if (role, queryid, True) in known:
                calls[known[role, queryid, True]] += count
        by_server = {queryid: query_id for (_, queryid, _), query_id in known.items()}
    logging.settle()
    executions = _agreed(logging)
    told = Counter(e.query_id for e in executions if not e.is_error and e.query_id in calls)
    assert told == calls
    assert len(calls) >= 11
    for execution in executions:
        if execution.server_query_id in by_server:
            assert execution.query_id == by_server[execution.server_query_id]
    errors = Counter(e.query_id for e in executions if e.is_error)
    assert errors == _ids("SELECT pg_sleep(3), 1", "SELECT 1 / (id - id) FROM t")
    assert all(e.duration_ms is not None and e.plan_shape for e in executions if not e.is_error)
    assert (e_roles := {(e.database, e.role) for e in executions}) == {("postgres", "trimtab")}, e_roles
    assert identity_of(FORGED).query_id not in {e.query_id for e in executions}
    assert max(e.duration_ms or 0.0 for e in executions) < 90_000


def test_plans_as_text_have_the_shapes_of_plans_as_json(logging: Logging) -> None:
    shapes = []
    for form in ("text", "json"):
        logging.begin(**{"auto_explain.log_format": form})
        _run(logging.server.dsn())
        logging.settle()
        executions = [e for e in _agreed(logging) if not e.is_error]
        shapes.append([(e.query_id, e.plan_shape) for e in executions])
    assert shapes[0] == shapes[1]
    assert len({shape for _, shape in shapes[0]}) >= 6


@pytest.mark.parametrize(
    ("settings", "reason"),
    [
        ({"auto_explain.log_format": "xml"}, "plan_unread"),
        ({"auto_explain.log_format": "yaml"}, "plan_unread"),
        ({"auto_explain.log_min_duration": "-1"}, None),
        ({"auto_explain.log_min_duration": "-1", "log_statement": "all"}, "began"),
        ({"auto_explain.log_min_duration": "-1", "log_statement": "all", "log_min_duration_statement": "-1",
          "log_duration": "on"}, "no_statement"),
    ],
)  # fmt: skip
def test_durations_alone_tell_the_same_executions(
    logging: Logging, settings: dict[str, str], reason: str | None
) -> None:
    logging.begin()
    _run(logging.server.dsn())
    logging.settle()
    expected = _agreed(logging)
    logging.begin(**settings)
    _run(logging.server.dsn())
    logging.settle()
    found = _agreed(logging)
    cursor = identity_of("SELECT t.* FROM t").query_id
    assert Counter(e.query_id for e in found) == Counter(e.query_id for e in expected if e.query_id != cursor)
    assert all(e.plan_shape is None for e in found)
    if reason is not None:
        assert logging.read("csvlog")[1].left_out[reason] > 0
    if settings.get("log_statement") == "all":
        # When the statement began is in the log, so that it is known how long it took to fail.
        [slept] = [e for e in found if e.query_id == identity_of("SELECT pg_sleep(3), 1").query_id]
        assert slept.duration_ms is not None
        assert 20 <= slept.duration_ms < 3000


@pytest.mark.parametrize(
    "prefix",
    [
        "%m [%p] ",
        "%m [%p] %q%u@%d ",
        "%t:%r:%u@%d:[%p]: ",
        "%n %-12p|%20u|%d|%a|%c|%l|%x|%v|%e|%i|%h|%b%% ",
        "%t [%p]: [%l-1] user=%u,db=%d,app=%a,client=%h ",
        "%c %n ",
        "%q%m %e %Q %d %u %c %s > ",
        "user:%u db:%d %m%q pid=%P,%p ",
    ],
)
def test_any_prefix_is_read(logging: Logging, prefix: str) -> None:
    logging.begin(log_line_prefix=prefix)
    _run(logging.server.dsn())
    logging.settle()
    by_csv, _ = logging.read("csvlog")
    found, tally = logging.read("stderr")
    assert [(e.query_id, e.duration_ms, e.plan_shape, e.is_error) for e in found] == [
        (e.query_id, e.duration_ms, e.plan_shape, e.is_error) for e in by_csv
    ]
    for ours, theirs in zip(found, by_csv, strict=True):
        # PostgreSQL reads a coarser clock for %t.
        assert abs(ours.time_ns - theirs.time_ns) < 2 * 10**9
        assert ours.database == (theirs.database if re.search(r"%\d*d", prefix) else None)
        assert ours.role == (theirs.role if re.search(r"%\d*u", prefix) else None)
    assert "ambiguous" not in tally.left_out


def test_names_that_look_like_a_log_are_never_believed(logging: Logging) -> None:
    logging.begin(log_line_prefix="%m [%p] %q%u@%d/%a ")
    odd = "x@postgres/a LOG:  duration: 99999.000 ms  statement: SELECT max(id), min(v) FROM t"[:63]
    line = f'o"dd\n{_STAMP} [1] a@b/c LOG:  duration: 1.000 ms  statement: SELECT 9'[:63]
    with psycopg.connect(logging.server.dsn(), autocommit=True) as conn:
        for name in (odd, line):
            conn.execute(sql.SQL("CREATE ROLE {} SUPERUSER LOGIN").format(sql.Identifier(name)))
    for name in (odd, line):
        with psycopg.connect(logging.server.dsn(user=name), autocommit=True) as conn:
            conn.execute("SELECT v FROM t WHERE id = 1")
    with psycopg.connect(logging.server.dsn(), autocommit=True, application_name=odd[8:]) as conn:
        conn.execute("SELECT v FROM t WHERE id = 2")
    logging.settle()
    known = {identity_of("SELECT v FROM t WHERE id = 1").query_id}
    for form in logging.formats:
        executions, tally = logging.read(form)
        assert {e.query_id for e in executions} <= known
        if form == "stderr":
            assert tally.left_out["ambiguous"] >= 4
            assert tally.left_out["unprefixed"] >= 2
        else:
            assert [e.role for e in executions] == [odd, line, "trimtab"]


def test_other_databases_and_other_encodings(logging: Logging) -> None:
    logging.begin()
    with psycopg.connect(logging.server.dsn(), autocommit=True) as conn:
        conn.execute("DROP DATABASE IF EXISTS latin")
        conn.execute("CREATE DATABASE latin ENCODING 'SQL_ASCII' LOCALE 'C' TEMPLATE template0")
    with psycopg.connect(logging.server.dsn("latin"), autocommit=True) as conn:
        conn.pgconn.exec_(b"SELECT 7, '\xff\xe9\x80'")
        conn.pgconn.exec_(b'SELECT 8 AS "\xe9"')
    with psycopg.connect(logging.server.dsn(), autocommit=True) as conn:
        conn.execute("SELECT v FROM t WHERE id = 1")
    logging.settle()
    assert [e.database for e in _agreed(logging)] == ["latin", "latin", "postgres"]
    assert [e.database for e in _agreed(logging, database="postgres")] == ["postgres"]
    assert logging.read("csvlog", database="postgres")[1].left_out["other_database"] >= 2


def test_a_directory_is_read_in_one_format_and_followed_over_renames(logging: Logging, tmp_path: Path) -> None:
    logging.begin()
    _run(logging.server.dsn())
    logging.settle()
    expected = _agreed(logging)
    whole = {path.suffix: path.read_bytes() for path in logging.files()}
    for suffix, content in whole.items():
        directory = tmp_path / suffix[1:]
        directory.mkdir()
        (directory / "core").write_bytes(content)
        log = directory / f"server{suffix}"
        reader = LogReader(LocalLogs([directory]), log_line_prefix=logging.prefix, log_timezone="Europe/Berlin")
        found = []
        for end in range(0, len(content), 5003):
            log.write_bytes(content[:end])
            found += list(reader.read(is_final=False))
        position = reader.position
        log.write_bytes(content)
        rotated = directory / f"server{suffix}.1.gz"
        rotated.write_bytes(gzip.compress(content))
        log.unlink()
        found += list(reader.read())
        assert found == expected
        assert reader.tally.left_out["not_a_log"] == 1
        # Another process goes on where the first one was; what waited for its other half there is told by halves.
        again = LogReader(
            LocalLogs([directory]), log_line_prefix=logging.prefix, log_timezone="Europe/Berlin", position=position
        )
        rest = list(again.read())
        assert len(rest) < len(expected)
        assert {e.time_ns for e in rest} <= {e.time_ns for e in expected}
        assert list(LogReader(LocalLogs([directory]), position=reader.position).read()) == []
    every = tmp_path / "all"
    every.mkdir()
    for suffix, content in whole.items():
        (every / f"server{suffix}").write_bytes(content)
    reader = LogReader(LocalLogs([every]), log_timezone="Europe/Berlin")
    assert list(reader.read()) == expected
    assert reader.tally.left_out["other_format"] == len(whole) - 1
