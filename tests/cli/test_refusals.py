"""Claims about bad input: an exit code, a stable reason code, a message, a next step, and nothing left behind."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from trimtab.embedded.server import Server

from .conftest import TEMPLATE
from .market import CANARY, READS, Market
from .program import Ended, Program

pytestmark = pytest.mark.server

SECRET = "Sesame-8151-Secret"


def _assert_refused(ended: Ended, exit_code: int, reason: str, *, found: str = "") -> None:
    assert (ended.code, ended.reason) == (exit_code, reason), ended.stderr
    message, _, rest = ended.stderr.rpartition("trimtab: ")[2].rpartition("\n  next: ")
    assert message
    assert found in message
    assert rest.endswith(f".\n  [{reason}]\n")
    assert "Traceback" not in ended.stderr
    assert SECRET not in ended.stdout + ended.stderr
    assert CANARY not in ended.stdout + ended.stderr


@pytest.fixture
def refused(program: Program) -> Callable[..., Ended]:
    """Runs a command that is to be refused, and asserts that nothing is left of it."""

    def run(
        exit_code: int, reason: str, *arguments: str | Path, found: str = "", environ: dict[str, str] | None = None
    ) -> Ended:
        ended = program.run(*arguments, environ=environ)
        _assert_refused(ended, exit_code, reason, found=found)
        assert ended.stdout == ""
        program.assert_nothing_left()
        if program.ledger_path.exists():
            assert SECRET.encode() not in program.ledger_path.read_bytes()
            assert CANARY.encode() not in program.ledger_path.read_bytes()
        return ended

    return run


def test_options_that_mean_nothing_are_refused_before_any_server_is_asked(
    refused: Callable[..., Ended], tmp_path: Path
) -> None:
    """The DSN leads nowhere: that it is not tried shows in the code."""
    nowhere = "host=/nowhere dbname=shop"
    refused(2, "usage.two_sources", "optimize", nowhere, "--database", "shop")
    refused(2, "size.invalid", "optimize", nowhere, "--budget", "plenty", found="'plenty'")
    refused(2, "usage.objectives", "optimize", nowhere, "--objectives", "speed,fame", found="fame")
    refused(2, "dsn.invalid", "optimize", f"postgresql://me:{SECRET}@host:port/shop")
    refused(2, "spec.unknown_id", "optimize", nowhere, "--spec", "NO_SUCH_SPEC")
    refused(2, "spec.unknown_id", "optimize", nowhere, "--spec", 300 * "S")
    refused(2, "usage.arguments", "indexes", nowhere, "--seconds", "inf", found="--seconds")
    refused(2, "usage.arguments", "demo", "--scale", "nan", found="--scale")
    refused(2, "usage.arguments", "demo", "--seed", "-1", found="--seed")
    refused(2, "usage.arguments", "twin", "build", nowhere, "--name", "shop", "--keep", "nan", found="--keep")
    refused(4, "embedded.binaries_missing", "demo", "--pg-bin", "~nobody_at_all/bin")
    refused(5, "trial.required", "optimize", nowhere, "--lab", "none", "--apply")
    refused(2, "usage.revert", "revert")
    refused(2, "usage.revert", "revert", "s-1", nowhere, "--all")
    for given, told in (
        (nowhere, "a database was given, and no strategy"),
        (f"postgresql://me:{SECRET}@host/shop", "a database was given, and no strategy"),
        ("shop", "'shop' is not the id of a strategy"),
        ("r-0123456789", "is not the id of a strategy"),
    ):
        ended = refused(2, "usage.revert", "revert", given, found=told)
        assert "trimtab revert --all" in ended.stderr
    refused(2, "show.unknown", "show", "s-1")
    refused(2, "config.unreadable", "status", "--config", tmp_path / "none.toml")
    refused(2, "config.unreadable", "status", "--config", "/dev/zero", found="no plain file")


def test_a_file_that_is_broken_is_refused_with_the_line(refused: Callable[..., Ended], program: Program) -> None:
    broken = program.directory / "trimtab.toml"
    for text, reason, found in (
        ("[databases\n", "config.syntax", "line 1"),
        ("[default]\n", "config.unknown_key", "default"),
        ("[defaults]\nbudget = 2\n", "config.value", "defaults.budget"),
        (f'[databases.shop]\ndsn = "host=h password={SECRET}"\n', "config.password", "databases.shop.dsn"),
    ):
        broken.write_text(text, "utf-8")
        refused(2, reason, "optimize", "--database", "shop", found=found)
    broken.unlink()
    spec = program.directory / "mine.yaml"
    for text, reason, found in (
        ("apiVersion: [\n", "spec.syntax", "line"),
        ("apiVersion: trimtab.dev/v1\nkind: OptimizationSpec\nspec: {}\n", "spec.invalid", "metadata"),
    ):
        spec.write_text(text, "utf-8")
        refused(2, reason, "optimize", "host=/nowhere", "--spec", spec, found=found)


def test_a_workload_file_that_is_broken_is_refused(
    refused: Callable[..., Ended], market: Market, tmp_path: Path
) -> None:
    file = tmp_path / "bad.sql"
    for content, reason in (
        (b"", "workload.empty"),
        (f"SELEC '{CANARY}' FROM;".encode(), "workload.empty"),
        (b"DROP TABLE orders;", "workload.empty"),
        (b"-- weight: heavy\nSELECT 1 FROM orders;", "workload.bad_weight"),
        (b"SELECT '\xff' FROM orders;", "workload.not_utf8"),
    ):
        file.write_bytes(content)
        refused(2, reason, "optimize", market.dsn, "--workload", file)
    refused(2, "workload.unreadable", "optimize", market.dsn, "--workload", tmp_path / "none.sql")
    refused(2, "workload.too_large", "optimize", market.dsn, "--workload", "/dev/zero")


def test_a_server_that_cannot_be_used_is_refused(
    refused: Callable[..., Ended], market: Market, workload: Path, guarded: str
) -> None:
    file = ("--workload", str(workload))
    refused(3, "source.unreachable", "optimize", "host=/nowhere dbname=shop", *file, found="/nowhere")
    refused(3, "source.no_database", "optimize", market.server.dsn("absent"), *file)
    refused(3, "source.authentication", "optimize", market.dsn_of(guarded, SECRET), *file)
    refused(3, "source.authentication", "optimize", market.dsn_of("nobody_at_all"), *file)
    refused(3, "source.unreachable", "resume", "host=/nowhere dbname=shop")
    refused(3, "source.unreachable", "revert", "--all", "host=/nowhere dbname=shop")


@pytest.fixture(scope="session")
def guarded(market_server: Server) -> str:
    """A role that has to give a password."""
    hba = market_server.data_directory / "pg_hba.conf"
    hba.write_text("local all guarded scram-sha-256\n" + hba.read_text("utf-8"), "utf-8")
    Market(market_server, "postgres").execute(
        f"CREATE ROLE guarded LOGIN PASSWORD 'right {SECRET}'", "SELECT pg_reload_conf()"
    )
    return "guarded"


@pytest.fixture(scope="session")
def stranger(market_server: Server) -> str:
    """A role with no rights."""
    Market(market_server, "postgres").execute("CREATE ROLE stranger LOGIN")
    return "stranger"


def test_a_right_password_appears_nowhere(
    market: Market, guarded: str, workload: Path, program: Program, tmp_path: Path
) -> None:
    """Not in an output, not in the ledger, not in the arguments of a program that it starts."""
    market.execute("GRANT pg_read_all_data TO guarded")
    secret = f"right {SECRET}"
    running = program.start("optimize", market.dsn_of(guarded, secret), "--workload", workload)
    seen: set[str] = set()
    while running.is_running():
        seen |= _arguments_of_descendants(running.pid)
    ended = running.wait()
    assert ended.code == 0, ended.stderr
    assert any("pg_dump" in arguments for arguments in seen)
    assert not any(SECRET in arguments for arguments in seen)
    for text in (ended.stdout, ended.stderr, program.succeed("history").stdout, program.succeed("status").stdout):
        assert SECRET not in text
        assert CANARY not in text
    for path in filter(Path.is_file, program.ledger_path.parent.rglob("*")):
        assert SECRET.encode() not in path.read_bytes()
        assert CANARY.encode() not in path.read_bytes()
    program.assert_nothing_left()


def _arguments_of_descendants(pid: int) -> set[str]:
    listing = subprocess.run(["ps", "-eo", "pid=,ppid=,args=", "-ww"], capture_output=True, check=True, text=True)
    rows = [line.split(None, 2) for line in listing.stdout.splitlines()]
    family, found = {pid}, set()
    for _ in range(3):
        family |= {int(row[0]) for row in rows if int(row[1]) in family}
    for row in rows:
        if int(row[0]) in family - {pid} and len(row) == 3:
            found.add(row[2])
    return found


def test_a_missing_right_is_named_and_the_rest_goes_on(
    refused: Callable[..., Ended], program: Program, market: Market, stranger: str, workload: Path
) -> None:
    run = ("optimize", market.dsn_of(stranger), "--workload", workload, "--lab", "none")
    refused(2, "workload.empty", *run, found="permission denied for table")
    market.execute("GRANT SELECT, UPDATE ON stock TO stranger")
    ended = program.succeed(*run, "--json")
    assert {skipped["name"] for skipped in ended.document["workload"]["skipped"]} == {READS[0][0], READS[2][0]}
    assert all("permission denied" in skipped["reason"] for skipped in ended.document["workload"]["skipped"])
    program.assert_nothing_left()


def test_a_missing_or_empty_pg_stat_statements_is_named(refused: Callable[..., Ended], market: Market) -> None:
    refused(2, "workload.empty", "optimize", market.dsn)
    market.execute("DROP EXTENSION pg_stat_statements")
    refused(3, "source.no_pg_stat_statements", "optimize", market.dsn)


def test_a_lab_that_cannot_be_used_is_refused(
    refused: Callable[..., Ended], market: Market, new_market: Callable[[], Market], workload: Path, tmp_path: Path
) -> None:
    small = tmp_path / "small.yaml"
    small.write_text(
        "apiVersion: trimtab.dev/v1\nkind: OptimizationSpec\n"
        "metadata: {id: SMALL, revision: 1, description: No room.}\n"
        "extends: [DATABASE_OPTIMIZATION_SPEC_V4]\nspec: {trial: {max_clone_size: 1MB}}\n",
        "utf-8",
    )
    run = ("optimize", market.dsn, "--workload", workload)
    before = market.everything()
    refused(4, "lab.too_large", *run, "--spec", small, "--apply", found="1 MB")
    refused(4, "lab.unreachable", *run, "--lab", f"host=/nowhere dbname=lab password={SECRET}")
    refused(4, "lab.no_database", *run, "--lab", market.server.dsn("absent"))
    refused(4, "lab.is_source", *run, "--lab", market.dsn, "--apply")
    refused(4, "lab.schema_differs", *run, "--lab", market.server.dsn("postgres"))
    assert market.everything() == before


def test_a_word_that_is_no_lab_is_taken_for_a_database(
    refused: Callable[..., Ended], market: Market, workload: Path
) -> None:
    """As psql would: so it is looked for on libpq's default server."""
    ended = refused(
        4,
        "lab.unreachable",
        *("optimize", market.dsn, "--workload", workload, "--lab", "Clone"),
        environ={"PGHOST": "/nowhere"},
    )
    assert "Clone@/nowhere" in ended.stderr


def test_a_standby_takes_no_changes_and_can_be_observed(
    refused: Callable[..., Ended], program: Program, market: Market, standby: Market, quick: tuple[str, ...]
) -> None:
    refused(5, "apply.standby", "optimize", standby.dsn, *quick, "--apply")
    refused(5, "apply.standby", "optimize", standby.dsn, "--apply")  # before anything else is looked at
    assert program.entries() == ()
    found = program.succeed("optimize", standby.dsn, *quick, "--lab", "none", "--json").document
    assert found["strategies"]
    refused(4, "lab.standby", "optimize", market.dsn, *quick[:2], "--lab", standby.dsn)


@pytest.fixture(scope="session")
def standby(market_server: Server) -> Iterator[Market]:
    """A byte copy of the stopped server that follows it: what pg_basebackup makes, in a second."""
    with market_server.clone("cli-tests-standby") as server:
        server.stop()
        (server.data_directory / "standby.signal").touch()
        with (server.data_directory / "postgresql.auto.conf").open("a", encoding="utf-8") as file:
            followed = market_server.dsn().replace("'", "''")
            file.write(f"primary_conninfo = '{followed}'\n")
        server.start()
        yield Market(server, TEMPLATE)


def test_a_full_disk_is_told_before_the_clone_is_begun(
    refused: Callable[..., Ended], market: Market, workload: Path, tmp_path: Path
) -> None:
    run = ("optimize", market.dsn, "--workload", workload)
    with _small_disk(tmp_path, "400m") as disk:
        refused(4, "lab.disk_full", *run, environ={"TRIMTAB_RUN_DIR": str(disk)}, found="free")
        assert list(disk.iterdir()) == []


def test_a_disk_that_is_full_at_once_leaves_nothing(
    refused: Callable[..., Ended], market: Market, workload: Path, tmp_path: Path
) -> None:
    run = ("optimize", market.dsn, "--workload", workload)
    with _small_disk(tmp_path, "12m") as disk:
        refused(4, "embedded.disk_full", *run, environ={"TRIMTAB_RUN_DIR": str(disk)})
        assert list(disk.iterdir()) == []


@contextmanager
def _small_disk(tmp_path: Path, size: str) -> Iterator[Path]:
    """A file system of that size, where this user may mount one."""
    path = Path("/tmp").resolve() / f"ttd-{os.getpid()}-{size}"
    path.mkdir(mode=0o711)
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", f"size={size},mode=0711", "tmpfs", str(path)], capture_output=True, check=False
    )
    try:
        if mounted.returncode != 0:
            pytest.skip("this user may not mount a file system")
        yield path
    finally:
        if mounted.returncode == 0:
            subprocess.run(["umount", str(path)], check=True)
        path.rmdir()


def test_two_runs_at_once_on_one_database_the_second_is_refused(
    market: Market, program: Program, workload: Path
) -> None:
    with market.session() as conn:
        conn.execute("BEGIN; LOCK TABLE customer IN ACCESS EXCLUSIVE MODE")  # the first will wait for it
        first = program.start("optimize", market.dsn, "--workload", workload)
        while not conn.execute("SELECT FROM pg_locks WHERE locktype = 'advisory'").fetchall():
            assert first.is_running()
        for arguments in (("optimize", market.dsn, "--workload", workload), ("resume", market.dsn)):
            _assert_refused(program.run(*arguments), 8, "run.busy", found=market.database)
        conn.execute("ROLLBACK")
        assert first.wait().code == 0
    program.assert_nothing_left()


def test_an_error_is_json_too_when_json_is_asked_for(program: Program) -> None:
    ended = program.run("optimize", f"host=/nowhere dbname=shop password={SECRET}", "--json")
    assert ended.code == 3
    error = ended.document["error"]
    assert ended.document["schema"] == "trimtab.error/v1"
    assert (error["code"], error["exit_code"]) == ("source.unreachable", 3)
    assert error["message"]
    assert error["next_step"]
    assert SECRET not in json.dumps(ended.document)
