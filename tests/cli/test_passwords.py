"""The command of trimtab.toml gives the password to libpq, and to nobody else."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from psycopg.conninfo import conninfo_to_dict

from trimtab.cli.passwords import conninfo_of
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
