"""Claims about `trimtab report` as its users run it: the original's line, its files, and what it refuses."""

from __future__ import annotations

import json
import os
import shlex
import shutil
from hashlib import sha256
from pathlib import Path

import pytest

from tests.lifecycle.lives import Lives, write_lives
from trimtab.errors import UsageError
from trimtab.report.chromium import PROGRAMS, pdf_of

from .program import Program

AS_WRITTEN = "generate_optimization_report --timeframe=30d --format=comprehensive"
FULL = Path("/dev/full")
BROWSER = next((name for name in PROGRAMS if shutil.which(name)), None)


@pytest.fixture
def lives(program: Program) -> Lives:
    return write_lives(program.ledger_path)


def test_the_originals_line_runs_as_written(program: Program, lives: Lives) -> None:
    told = program.succeed(*shlex.split(AS_WRITTEN))
    [written] = program.directory.glob("trimtab-report-*.html")
    assert written.name in told.stderr
    assert written.stat().st_mode & 0o777 == 0o600
    text = written.read_text("utf-8")
    assert text.startswith("<!DOCTYPE html>")
    assert lives.kept in text


def test_what_was_written_is_told_as_json(program: Program, lives: Lives) -> None:
    document = program.succeed("report", "--format", "md", "--out", "shop.md", "--json").document
    content = (program.directory / "shop.md").read_bytes()
    assert document["schema"] == "trimtab.report.written/v1"
    assert (document["size_bytes"], document["sha256"]) == (len(content), sha256(content).hexdigest())
    assert lives.kept.encode() in content


def test_json_yaml_and_markdown_go_to_a_pipe(program: Program, lives: Lives) -> None:
    document = program.succeed("report", "shop", "--format", "json").document
    assert document["schema"] == "trimtab.report/v1"
    assert lives.kept in {each["strategy_id"] for each in document["changes"]}
    assert program.succeed("report", "--format", "yaml").stdout.startswith("optimization_analytics:\n")
    assert program.succeed("report", "--format", "html", "--out", "-").stdout.startswith("<!DOCTYPE html>")
    assert program.succeed("report", "--format", "md").stdout.startswith("# Trimtab optimization report\n")
    assert list(program.directory.iterdir()) == []


def test_a_file_that_is_there_is_left_unless_it_may_be_replaced(program: Program, lives: Lives) -> None:
    kept = program.directory / "mine.html"
    kept.write_text("mine")
    refused = program.run("report", "--out", "mine.html")
    assert (refused.code, refused.reason) == (2, "report.exists")
    assert kept.read_text() == "mine"
    program.succeed("report", "--out", "mine.html", "--force")
    assert lives.kept in kept.read_text()


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (("--timeframe", "0d"), "report.timeframe"),
        (("--timeframe=-3h",), "report.timeframe"),
        (("--timeframe", "30x"), "report.timeframe"),
        (("--format", "docx"), "report.format"),
        (("nobody",), "report.unknown"),
        (("--out", "nowhere/report.html"), "report.unwritable"),
        (("--out", "."), "report.unwritable"),
    ],
)
def test_what_cannot_be_is_refused_with_its_reason_and_nothing_is_written(
    program: Program, lives: Lives, arguments: tuple[str, ...], code: str
) -> None:
    ended = program.run("report", *arguments)
    assert (ended.code, ended.reason) == (2, code)
    assert "Traceback" not in ended.stderr
    assert list(program.directory.iterdir()) == []


@pytest.mark.skipif(not FULL.exists(), reason="there is no /dev/full")
def test_a_full_disk_behind_stdout_is_told(program: Program, lives: Lives) -> None:
    ended = program.start("report", "--format", "json", terminal=str(FULL)).wait()
    assert ended.code == 2


def test_a_report_without_anything_is_one_too(program: Program) -> None:
    document = program.succeed("report", "--format", "json").document
    assert (document["changes"], document["runs"], document["compliance"]["applied"]) == ([], [], 0)
    assert not program.ledger_path.exists()


def test_without_a_browser_no_pdf_is_made_and_the_next_step_is_told() -> None:
    with pytest.raises(UsageError) as refused:
        pdf_of("<!DOCTYPE html>", which=lambda name: None)
    assert refused.value.code == "report.no_browser"
    assert "--format html" in refused.value.next_step


def test_a_browser_that_hangs_or_fails_is_ended_and_told(tmp_path: Path) -> None:
    program = tmp_path / "chromium"
    for script, told in (("sleep 600", "did not end within"), ("exit 7", "ended with 7"), ("exit 0", "ended with 0")):
        program.write_text(f"#!/bin/sh\n{script}\n")
        program.chmod(0o755)
        with pytest.raises(UsageError) as refused:
            pdf_of("<!DOCTYPE html>", which=lambda name: str(program), timeout_seconds=0.5)
        assert refused.value.code == "report.pdf"
        assert told in str(refused.value)


@pytest.mark.skipif(BROWSER is None, reason="there is no Chrome or Chromium")
def test_a_pdf_is_printed_by_the_browser_of_the_machine(program: Program, lives: Lives) -> None:
    program.succeed("report", "--format", "pdf", "--out", "shop.pdf")
    content = (program.directory / "shop.pdf").read_bytes()
    assert content.startswith(b"%PDF-")
    assert content.rstrip().endswith(b"%%EOF")
    assert [name for name in os.listdir(program.environ["TMPDIR"]) if "pdf" in name] == []


def test_the_document_is_one_object_without_control_characters(program: Program, lives: Lives) -> None:
    text = program.succeed("report", "--format", "json").stdout
    assert json.loads(text)["schema"] == "trimtab.report/v1"
    assert [character for character in text if ord(character) < 32 and character != "\n"] == []
