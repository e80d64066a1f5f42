"""The command of trimtab.toml gives the password to libpq, and to nobody else."""

from __future__ import annotations

import json
import os
import signal
import threading
import time
from contextlib import suppress
from pathlib import Path

import pytest
from psycopg.conninfo import conninfo_to_dict

from trimtab.cli.passwords import conninfo_of
from trimtab.cli.secret_command import NoSecretError, printed_secret
from trimtab.config import Database, load_config
from trimtab.errors import ConfigError

from .program import Program

SECRET = "Sesame-4242-Secret; echo $HOME"


def _database(*command: str) -> Database:
    return Database("shop", "host=db user=ann", password_command=command)


def test_what_the_command_prints_is_the_password_and_no_shell_reads_it() -> None:
    found = conninfo_to_dict(conninfo_of(_database("printf", "%s\n", SECRET)))
    assert (found["password"], found["host"], found["user"]) == (SECRET, "db", "ann")


def test_without_a_command_the_dsn_is_left_as_it_is() -> None:
    assert conninfo_of(_database()) == "host=db user=ann"


@pytest.mark.parametrize(
    "command", [("false",), ("true",), ("/nowhere/at-all",), ("sh", "-c", f"echo '{SECRET}'; exit 3")]
)
def test_a_command_that_gives_none_is_refused_and_what_it_printed_is_not_told(command: tuple[str, ...]) -> None:
    with pytest.raises(ConfigError) as refused:
        conninfo_of(_database(*command))
    assert refused.value.code == "config.password_command"
    assert SECRET not in str(refused.value)


LONG = "x" * 1024


@pytest.mark.parametrize("end", ["", "\\n", "\\r\\n"])
def test_one_line_of_a_kilobyte_is_taken(end: str) -> None:
    assert conninfo_to_dict(conninfo_of(_database("printf", f"{LONG}{end}")))["password"] == LONG


@pytest.mark.parametrize(
    "printed",
    [f"{LONG}y", f"{SECRET}\\n{SECRET}\\n", f"{SECRET}\\n\\n", f"{SECRET}\\0", f"{SECRET}\\r", f"{SECRET}\\377", "\\n"],
)
def test_more_than_a_line_of_text_is_refused_and_not_told(printed: str) -> None:
    with pytest.raises(ConfigError) as refused:
        conninfo_of(_database("printf", printed))
    assert refused.value.code == "config.password_command"
    assert SECRET not in str(refused.value)
    assert LONG not in str(refused.value)


def test_what_goes_on_printing_is_ended() -> None:
    with pytest.raises(ConfigError):
        conninfo_of(_database("yes", SECRET))


def _left(marker: Path) -> list[int]:
    """The processes that the command began, by the numbers that it wrote, and that do not end within ten seconds."""
    pids = [int(line) for line in marker.read_text().split()]
    assert len(pids) == 2
    deadline = time.monotonic() + 10
    while True:
        left = [pid for pid in pids if _state(pid) != "Z"]
        if not left or time.monotonic() > deadline:
            return left
        time.sleep(0.01)


def _state(pid: int) -> str:
    with suppress(OSError):
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    return "Z"


def _slow(marker: Path, *, deaf: bool = True) -> tuple[str, ...]:
    """A shell and its child, neither of which minds a polite word."""
    trap = "trap '' TERM INT HUP; " if deaf else ""
    return (
        "sh",
        "-c",
        f"{trap}echo {SECRET[:10]}; sleep 600 & echo $$ $! > '{marker}.new'; mv '{marker}.new' '{marker}'; wait",
    )


def test_at_its_time_limit_it_is_ended_with_all_that_it_began(tmp_path: Path) -> None:
    marker = tmp_path / "pids"
    with pytest.raises(NoSecretError, match="longer than 2 s"):
        printed_secret(_slow(marker), 2.0)
    assert _left(marker) == []


def test_at_an_interrupt_too_and_the_terminal_of_ours_is_none_of_its(tmp_path: Path) -> None:
    marker = tmp_path / "pids"

    def interrupt() -> None:
        while not marker.exists():
            time.sleep(0.01)
        leader = int(marker.read_text().split()[0])
        assert os.getsid(leader) == os.getpgid(leader) == leader != os.getsid(0)
        os.kill(os.getpid(), signal.SIGINT)

    thread = threading.Thread(target=interrupt)
    thread.start()
    with pytest.raises(KeyboardInterrupt):
        printed_secret(_slow(marker), 60.0)
    thread.join()
    assert _left(marker) == []


def test_what_it_leaves_running_when_it_ended_well_is_its_own_affair(tmp_path: Path) -> None:
    """An agent that keeps a key open holds our pipe too: nobody waits for it."""
    marker = tmp_path / "pid"
    assert printed_secret(("sh", "-c", f"echo {LONG}; sleep 600 & echo $! > '{marker}'"), 60.0) == LONG
    os.kill(int(marker.read_text()), signal.SIGKILL)


@pytest.mark.parametrize("value", ['"pass show shop"', "[]", "[1]", '[""]', "true"])
def test_it_is_a_list_of_texts(tmp_path: Path, value: str) -> None:
    path = tmp_path / "trimtab.toml"
    path.write_text(f'[databases.shop]\ndsn = "host=db"\npassword_command = {value}\n')
    with pytest.raises(ConfigError) as refused:
        load_config(path)
    assert refused.value.code == "config.value"


def test_a_command_line_uses_it_and_tells_nothing_of_it(program: Program, tmp_path: Path) -> None:
    marker = tmp_path / "given" / "asked"
    marker.parent.mkdir()
    command = ["sh", "-c", f"touch '{marker}'; echo '{SECRET}'"]
    dsn = "host=/nowhere user=ann dbname=shop"
    text = f"[databases.shop]\ndsn = {json.dumps(dsn)}\npassword_command = {json.dumps(command)}\n"
    (program.directory / "trimtab.toml").write_text(text)
    ended = program.run("optimize", "--database", "shop", "--json")
    assert (ended.code, marker.exists()) == (3, True)
    assert SECRET not in ended.stdout + ended.stderr
