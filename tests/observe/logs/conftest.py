"""A server that writes its log in every format it knows, with auto_explain, and waits until the log is written."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import psycopg
import pytest

from tests.places import system_bin
from trimtab.embedded.binaries import Binaries
from trimtab.embedded.server import Server
from trimtab.model.execution import Execution, LogTally
from trimtab.observe.logs.reader import LogReader
from trimtab.observe.logs.source import LocalLogs

ENDINGS = {"stderr": ".log", "csvlog": ".csv", "jsonlog": ".json"}
_SETTINGS = {
    "shared_preload_libraries": "pg_stat_statements, auto_explain",
    "pg_stat_statements.track": "top",
    "logging_collector": "on",
    "log_file_mode": "0644",
    "log_min_error_statement": "error",
    "auto_explain.log_nested_statements": "on",
    "auto_explain.log_verbose": "on",
    "log_timezone": "Europe/Berlin",
}
_PATIENCE_SECONDS = 20.0


@dataclass
class Logging:
    """A server, and the setting under which its log is written now."""

    server: Server
    formats: tuple[str, ...]
    started: int = 0
    prefix: str = ""

    def begin(self, **settings: str) -> None:
        """Write from now on with these settings, into files of their own."""
        self.started += 1
        self.prefix = settings.get("log_line_prefix", "%m [%p] %q%u@%d %Q ")
        wanted = {
            "log_min_duration_statement": "0",
            "auto_explain.log_min_duration": "0",
            "auto_explain.log_format": "text",
            "log_statement": "none",
            **settings,
            "log_line_prefix": self.prefix,
            "log_filename": f"log{self.started}.log",
        }
        with psycopg.connect(self.server.dsn(), autocommit=True) as conn:
            conn.execute("ALTER SYSTEM RESET ALL")
            for name, value in wanted.items():
                conn.execute(
                    psycopg.sql.SQL("ALTER SYSTEM SET {} = {}").format(
                        psycopg.sql.SQL(name), psycopg.sql.Literal(value)
                    )
                )
            conn.execute("SET auto_explain.log_min_duration = -1")  # the next plan would be told in the last format
            conn.execute("SELECT pg_reload_conf() /* trimtab: test */")
        self._wait(lambda: all(path.exists() for path in self.files()))

    def files(self) -> list[Path]:
        return [self.server.data_directory / "log" / f"log{self.started}{ENDINGS[form]}" for form in self.formats]

    def settle(self) -> None:
        """Wait until all that was said so far is written: the last message of all, which is no execution."""
        with psycopg.connect(self.server.dsn(), autocommit=True) as conn:
            conn.execute("DO $$ BEGIN RAISE LOG 'all is said'; END $$")
        self._wait(lambda: all(path.read_bytes().count(b"all is said';") for path in self.files()))

    def read(self, form: str, **options: str) -> tuple[list[Execution], LogTally]:
        """Return the executions since `begin`, as this format tells them."""
        [path] = [path for path in self.files() if path.suffix == ENDINGS[form]]
        reader = LogReader(
            LocalLogs([path]),
            log_line_prefix=self.prefix,
            log_timezone="Europe/Berlin",
            log_format=form,
            database=options.get("database"),
        )
        return list(reader.read()), reader.tally

    def _wait(self, is_so: object) -> None:
        assert callable(is_so)
        until = time.monotonic() + _PATIENCE_SECONDS
        while not is_so():
            assert time.monotonic() < until, "the server does not write its log"
            time.sleep(0.02)


def _formats(binaries: Binaries) -> tuple[str, ...]:
    return ("stderr", "csvlog", "jsonlog") if binaries.version >= (15, 0) else ("stderr", "csvlog")


def _started(binaries: Binaries, formats: Sequence[str]) -> Iterator[Logging]:
    settings = {**_SETTINGS, "log_destination": ", ".join(formats)}
    if binaries.version >= (14, 0):
        settings["compute_query_id"] = "on"
    with Server.create(binaries, purpose="log-tests", settings=settings) as server:
        with psycopg.connect(server.dsn(), autocommit=True) as conn:
            conn.execute("CREATE EXTENSION pg_stat_statements")
            conn.execute("CREATE TABLE t (id int PRIMARY KEY, v text)")
            conn.execute("INSERT INTO t SELECT g, 'v' || g FROM generate_series(1, 1000) g")
            conn.execute("ANALYZE t")
            conn.execute(
                "CREATE FUNCTION f() RETURNS bigint LANGUAGE plpgsql AS 'BEGIN RETURN (SELECT count(*) FROM t); END'"
            )
        yield Logging(server, tuple(formats))


@pytest.fixture(scope="module")
def newest(_own_places: None) -> Iterator[Logging]:
    binaries = Binaries.find()
    yield from _started(binaries, _formats(binaries))


@pytest.fixture(scope="module")
def older(_own_places: None) -> Iterator[Logging]:
    directory = system_bin()
    if directory is None:
        pytest.skip("the system has no PostgreSQL binaries")
    binaries = Binaries.find(directory)
    yield from _started(binaries, _formats(binaries))


@pytest.fixture(
    params=[
        pytest.param("newest", marks=pytest.mark.server),
        pytest.param("older", marks=[pytest.mark.server, pytest.mark.system_postgres]),
    ]
)
def logging(request: pytest.FixtureRequest) -> Logging:
    found: Logging = request.getfixturevalue(request.param)
    return found
