"""A log is read over SQL as its files are, by a role that may do that and nothing more; what it may not is said."""

from __future__ import annotations

import psycopg
import pytest

from tests.observe.logs.conftest import Logging
from trimtab.db.connection import connect
from trimtab.errors import SourceError
from trimtab.model.execution import Execution
from trimtab.observe.logs import compressed
from trimtab.observe.logs.reader import LogReader
from trimtab.observe.logs.server_source import ServerLogs, read_log_settings

_READ = "FUNCTION pg_read_binary_file(text, bigint, bigint, boolean)"


def _as_owner(logging: Logging, *texts: str) -> None:
    with psycopg.connect(logging.server.dsn(), autocommit=True) as conn:
        for text in texts:
            conn.execute(text.encode())


def _executions(logging: Logging, reader: LogReader) -> list[Execution]:
    logging.settle()
    return [e for e in reader.read() if e.role == "trimtab"]


def test_the_log_is_read_over_sql_piece_by_piece(logging: Logging, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(compressed, "PIECE_BYTES", 997)
    logging.begin()
    _as_owner(
        logging,
        "DROP ROLE IF EXISTS watcher",
        "CREATE ROLE watcher LOGIN IN ROLE pg_monitor",
        f"GRANT EXECUTE ON {_READ} TO watcher",
        *(f"SELECT v FROM t WHERE id = {number}" for number in range(30)),
    )
    with connect(logging.server.dsn(user="watcher"), read_only=True) as conn:
        settings = read_log_settings(conn)
        assert settings["log_line_prefix"] == logging.prefix
        assert settings["auto_explain.log_format"] == "text"
        reader = LogReader(
            ServerLogs(conn), log_line_prefix=settings["log_line_prefix"], log_timezone=settings["log_timezone"]
        )
        first = _executions(logging, reader)
        _as_owner(logging, *(f"SELECT v FROM t WHERE id = {number}" for number in range(5)))
        second = _executions(logging, reader)
    assert sum(e.query_id == first[-1].query_id for e in first) >= 30
    assert [e.query_id for e in second] == [first[-1].query_id] * 5
    told, _ = logging.read("csvlog")
    assert set(second) <= {e for e in told if e.role == "trimtab"}
    assert reader.tally.left_out["own"] > 0


def test_what_a_role_may_not_is_said(logging: Logging) -> None:
    _as_owner(
        logging, "DROP ROLE IF EXISTS stranger", "CREATE ROLE stranger LOGIN", f"REVOKE ALL ON {_READ} FROM PUBLIC"
    )
    with connect(logging.server.dsn(user="stranger"), read_only=True) as conn:
        for grant, missing in (
            ("SELECT 1", "list"),
            ("GRANT pg_monitor TO stranger", "read"),
        ):
            _as_owner(logging, grant)
            with pytest.raises(SourceError) as refused:
                ServerLogs(conn)
            assert refused.value.code == "source.permission"
            assert f"may not {missing} its files" in str(refused.value)
            assert "pg_read_binary_file" in refused.value.next_step
        _as_owner(logging, f"GRANT EXECUTE ON {_READ} TO stranger")
        assert ServerLogs(conn).files()
        assert ServerLogs(conn).read("gone.log", 0, 10) is None
    _as_owner(logging, f"REVOKE EXECUTE ON {_READ} FROM stranger", "REVOKE pg_monitor FROM stranger")


@pytest.mark.server
def test_a_server_that_collects_no_log_has_no_files(server: object) -> None:
    from trimtab.embedded.server import Server

    assert isinstance(server, Server)
    with connect(server.dsn(), read_only=True) as conn, pytest.raises(SourceError) as refused:
        ServerLogs(conn)
    assert refused.value.code == "source.no_log_files"
