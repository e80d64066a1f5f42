"""Claims about outputs that cannot be written: one code, no traceback, and the work that is told goes on to its end."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from trimtab.ledger.entry import Kind

from .market import Market
from .program import ENTRY, Ended, Program

COMMANDS = [
    ("--help",),
    ("--version",),
    ("twin", "--help"),
    ("history",),
    ("history", "--json"),
    ("init",),
    ("init", "--json", "--force"),
]


def _redirected(program: Program, redirection: str, *arguments: str) -> Ended:
    """Run `trimtab` from a shell that redirects its outputs."""
    command = ["sh", "-c", f'"$@" {redirection}', "sh", sys.executable, "-c", ENTRY, *arguments]
    done = subprocess.run(
        command, capture_output=True, check=False, cwd=program.directory, env=program.environ, encoding="utf-8"
    )
    return Ended(done.returncode, done.stdout, done.stderr)


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="there is no device that is always full")
@pytest.mark.parametrize("arguments", COMMANDS)
def test_an_output_without_room_has_a_code(program: Program, arguments: tuple[str, ...]) -> None:
    ended = _redirected(program, ">/dev/full", *arguments)
    assert (ended.code, ended.reason, ended.stdout) == (2, "usage.output", "")
    assert "trimtab: the output cannot be written: No space left on device\n  next: " in ended.stderr
    assert "Traceback" not in ended.stderr


@pytest.mark.parametrize("arguments", COMMANDS)
def test_a_closed_output_is_refused_before_anything_is_done(program: Program, arguments: tuple[str, ...]) -> None:
    ended = _redirected(program, ">&-", *arguments)
    assert (ended.code, ended.reason) == (2, "usage.output")
    assert ended.stderr.startswith("trimtab: nothing was done: stdout is closed")
    assert list(program.directory.iterdir()) == []


@pytest.mark.parametrize("arguments", COMMANDS)
def test_a_reader_that_has_gone_is_no_error(program: Program, arguments: tuple[str, ...]) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    command = [sys.executable, "-c", ENTRY, *arguments]
    with os.fdopen(writing, "wb") as pipe:
        done = subprocess.run(
            command, stdout=pipe, stderr=subprocess.PIPE, check=False, cwd=program.directory, env=program.environ
        )
    assert done.returncode == 0
    assert done.stderr == b"" or done.stderr.startswith(b"wrote trimtab.toml")


@pytest.mark.parametrize("unbuffered", ["", "1"])
def test_what_is_said_is_written_at_once(program: Program, unbuffered: str) -> None:
    code = (
        "import os, sys; from trimtab.cli.output import take_over; from trimtab.cli.text import say; take_over();"
        " say('it serves'); print('a line'); sys.stdout.flush(); os._exit(0)"
    )
    environ = {**program.environ, "PYTHONUNBUFFERED": unbuffered}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True, env=environ, encoding="utf-8")
    assert (done.stdout, done.stderr) == ("a line\n", "it serves\n")


def test_an_error_keeps_its_code_where_its_document_cannot_be_written(program: Program) -> None:
    for redirection in (">/dev/full", "2>/dev/full", "2>&-"):
        ended = _redirected(program, redirection, "show", "r-nothing", "--json")
        assert ended.code == 2
        assert "show.unknown" in ended.stdout + ended.stderr
        assert "usage.output" not in ended.stderr


@pytest.mark.parametrize("redirection", ["2>/dev/full", "2>&-"])
def test_what_stderr_loses_changes_no_result(program: Program, redirection: str) -> None:
    ended = _redirected(program, redirection, "init", "--json")
    assert (ended.code, ended.document["schema"], ended.stderr) == (0, "trimtab.init/v1", "")


@pytest.mark.server
@pytest.mark.skipif(not Path("/dev/full").exists(), reason="there is no device that is always full")
def test_a_run_that_cannot_tell_its_progress_or_its_report_is_finished(
    program: Program, market: Market, brief: tuple[str, ...]
) -> None:
    ended = program.start("optimize", market.dsn, *brief, "--apply", terminal="/dev/full").wait()
    assert ended.code == 2
    entries = program.entries()
    assert entries[-1].kind is Kind.RUN_FINISHED
    assert any(entry.kind is Kind.APPLY_DONE for entry in entries)
    assert not any(entry.kind is Kind.REVERT_INTENDED for entry in entries)
    status = program.succeed("status", "--json").document
    assert status["applied"]
    assert status["open"] == {"intents": 0, "unsettled": 0, "runs": [], "backends": 0}
    program.assert_nothing_left()
