"""The README's commands work: those that need no server, and the demo. tests/cli runs those for one's own database."""

from __future__ import annotations

import json
import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from trimtab.spec.load import load_spec

REPOSITORY = Path(__file__).parents[1]
README = (REPOSITORY / "README.md").read_text("utf-8")
MAKEFILE = (REPOSITORY / "Makefile").read_text("utf-8")
PROGRAM = Path(sys.executable).with_name("trimtab")
NEED_NO_SERVER = ("--version", "init", "status", "history")
NEED_A_SERVER = ("optimize", "indexes", "demo", "revert", "resume", "twin", "anchor", "watch")


def _commands() -> list[str]:
    """Return the commands of the fenced blocks: lines after `$ ` of a console, all lines of a script but comments."""
    found: list[str] = []
    for language, body in re.findall(r"^```(console|sh)\n(.*?)^```", README, re.MULTILINE | re.DOTALL):
        lines = [line for line in body.splitlines() if line and not line.startswith("#")]
        found += [line.removeprefix("$ ") for line in lines if language == "sh" or line.startswith("$ ")]
    return found


def _of_the_program(*first: str) -> list[str]:
    return [c for c in _commands() if c.startswith("trimtab ") and shlex.split(c)[1] in first]


def _run(arguments: list[str], directory: Path, timeout_seconds: float) -> subprocess.CompletedProcess[str]:
    ours = ("TRIMTAB_CONFIG", "TRIMTAB_ALLOW_OVERPRIVILEGED")
    environment = {name: value for name, value in os.environ.items() if name not in ours}
    environment["TRIMTAB_STATE"] = str(directory / "state")
    return subprocess.run(
        [PROGRAM, *arguments],
        cwd=directory,
        env=environment,
        capture_output=True,
        check=False,
        encoding="utf-8",
        timeout=timeout_seconds,
    )


def test_every_command_is_run_or_read_by_a_test_below() -> None:
    known = {*_of_the_program(*NEED_NO_SERVER, *NEED_A_SERVER), *(c for c in _commands() if c.startswith("make "))}
    assert [command for command in _commands() if command not in known] == []


@pytest.mark.parametrize("command", _of_the_program(*NEED_NO_SERVER))
def test_a_command_that_needs_no_server_ends_well(command: str, tmp_path: Path) -> None:
    done = _run(shlex.split(command)[1:], tmp_path, 60)
    assert done.returncode == 0, done.stderr
    assert done.stdout


def test_the_two_commands_of_a_newcomer_are_targets_of_make() -> None:
    targets = [command.removeprefix("make ") for command in _commands() if command.startswith("make ")]
    assert targets == ["demo", "test"]
    assert [name for name in targets if not re.search(rf"^{name}:", MAKEFILE, re.MULTILINE)] == []


def test_the_specification_that_is_shown_is_one(tmp_path: Path) -> None:
    example = README.split("```yaml\n")[1].split("```")[0]
    (tmp_path / "shop.yaml").write_text(example)
    assert load_spec(tmp_path / "shop.yaml").id == "SHOP"


def test_the_picture_is_small() -> None:
    assert (REPOSITORY / "docs" / "demo.svg").stat().st_size < 150_000


@pytest.mark.server
@pytest.mark.slow
def test_the_demo_runs_through_and_its_document_has_the_documented_keys(tmp_path: Path) -> None:
    done = _run(["demo", "--scale", "0.01", "--quiet", "--json"], tmp_path, 600)
    assert done.returncode == 0, done.stderr
    document = json.loads(done.stdout)
    assert document["schema"] == "trimtab.optimize/v1"
    assert {"source", "workload", "strategies", "total", "ledger"} <= document.keys()
    assert document["ledger"]["verified"]
    assert document["ledger"]["entries"] > 0
    assert document["workload"]["queries"] >= 40
    assert document["total"]["before_ms"] > 0
    assert {"refused", "kept"} <= {strategy["outcome"] for strategy in document["strategies"]}
    assert _undocumented(document) == set()
    assert not (tmp_path / "state").exists()


def _undocumented(document: object) -> set[str]:
    """Return the keys, at any depth, that docs/cli.md does not name; names of stages are keys of `stages`."""
    named = set(re.findall(r"`([a-z0-9_]+)`", (REPOSITORY / "docs" / "cli.md").read_text("utf-8")))
    if isinstance(document, list):
        return set().union(*map(_undocumented, document))
    if isinstance(document, dict):
        return (document.keys() - named).union(*map(_undocumented, document.values()))
    return set()
