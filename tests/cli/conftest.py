"""A server with the market's databases, and programs with places of their own."""

from __future__ import annotations

import itertools
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import psycopg
import pytest

from trimtab.embedded.binaries import Binaries
from trimtab.embedded.server import Server
from trimtab.embedded.template import copy_strategy

from .market import SPECIFICATION, Market, create_template, write_workload
from .program import ENTRY, Program, Zygote, private_directory

SETTINGS = {
    "shared_preload_libraries": "pg_stat_statements",
    "wal_level": "replica",
    "max_wal_senders": "4",
    "max_connections": "40",
}
TEMPLATE = "market_template"
_numbers = itertools.count(1)


@pytest.fixture(scope="session")
def market_server(cache_directory: Path) -> Iterator[Server]:
    places = private_directory("tts-")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TRIMTAB_RUN_DIR", str(places))
        patch.setenv("TRIMTAB_CACHE", str(cache_directory))
        server = Server.create(Binaries.find(), purpose="cli-tests", settings=SETTINGS)
    with server:
        create_template(server, TEMPLATE)
        yield server
    shutil.rmtree(places)


@pytest.fixture(scope="session")
def zygote() -> Iterator[Zygote]:
    with Zygote.started() as started:
        yield started


@pytest.fixture
def new_market(market_server: Server) -> Iterator[Callable[[], Market]]:
    """Makes databases of the market, or of another template, and drops them."""
    made: list[str] = []

    def make(template: str = TEMPLATE) -> Market:
        made.append(f"market_{next(_numbers)}")
        with closing(psycopg.connect(market_server.dsn(), autocommit=True)) as conn:
            creation = f'CREATE DATABASE "{made[-1]}" TEMPLATE {template} OWNER market_owner'
            conn.execute(f"{creation} {copy_strategy(market_server.binaries.version[0])}".encode())
        return Market(market_server, made[-1])

    yield make
    with closing(psycopg.connect(market_server.dsn(), autocommit=True)) as conn:
        for database in made:
            conn.execute(f'DROP DATABASE IF EXISTS "{database}" WITH (FORCE)'.encode())


@pytest.fixture
def market(new_market: Callable[[], Market]) -> Market:
    return new_market()


@pytest.fixture
def program(zygote: Zygote, cache_directory: Path, tmp_path: Path) -> Iterator[Program]:
    with Program.at_home(zygote, cache_directory, tmp_path) as found:
        yield found


@pytest.fixture
def workload(tmp_path: Path) -> Path:
    return write_workload(tmp_path / "workload.sql")


@pytest.fixture
def specification(tmp_path: Path) -> Path:
    path = tmp_path / "market.yaml"
    path.write_text(SPECIFICATION, "utf-8")
    return path


@pytest.fixture
def quick(workload: Path, specification: Path) -> tuple[str, ...]:
    """Options of a whole run that takes a few seconds."""
    return ("--workload", str(workload), "--spec", str(specification))


@pytest.fixture
def brief(tmp_path: Path, specification: Path) -> tuple[str, ...]:
    """Options of a whole run with as little to gain as makes three changes."""
    return ("--workload", str(write_workload(tmp_path / "brief.sql", reads=2)), "--spec", str(specification))


@pytest.fixture(scope="session")
def roles(market_server: Server, tmp_path_factory: pytest.TempPathFactory) -> None:
    """The roles that `trimtab init` prints the SQL for, made by a DBA who runs it in psql and names the owner."""
    directory = tmp_path_factory.mktemp("init")
    done = subprocess.run(
        [sys.executable, "-c", ENTRY, "init"], cwd=directory, capture_output=True, check=True, encoding="utf-8"
    )
    sql = done.stdout.replace("-- GRANT table_owner TO", "GRANT market_owner TO")
    made = market_server.run("psql", "--no-psqlrc", "--set=ON_ERROR_STOP=1", "--quiet", input=sql)
    assert (made.returncode, made.stderr) == (0, "")
