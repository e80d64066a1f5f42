"""`freeze` and `thaw` as commands: what they tell, and that a run stops at once while frozen."""

from __future__ import annotations

import json

import pytest

from .market import Market
from .program import Program

pytestmark = pytest.mark.server


def test_a_freeze_is_told_stops_a_run_before_its_work_and_ends(program: Program, market: Market) -> None:
    told = program.run("freeze", "--reason", "incident 4711", "--json").document
    assert [(each["scope"], each["reason"]) for each in told["frozen"]] == [("everything", "incident 4711")]
    refused = program.run("optimize", market.dsn, "--apply", "--json")
    assert (refused.code, refused.document["error"]["code"]) == (5, "apply.frozen")
    assert "incident 4711" in program.run("status").stdout
    assert program.run("thaw").stdout == "thawed: everything\nnothing is frozen\n"
    assert program.run("thaw").stdout == "nothing is frozen\n"
    kinds = [each["kind"] for each in program.run("status", "--json").document["frozen"]]
    assert kinds == []


def test_of_a_freeze_that_nobody_can_read_no_moment_is_told(program: Program) -> None:
    program.run("freeze")
    (program.ledger_path.parent / "freezes" / "junk").touch()
    told = program.run("status").stdout
    assert (told.count("FROZEN"), told.count(", since "), "1970" in told) == (2, 1, False)


def test_a_freeze_is_told_while_the_ledger_cannot_be_reached(program: Program) -> None:
    program.run("freeze", "--reason", "incident 4712")
    named = {"format": "trimtab.ledger.store/v1", "conninfo": "host=127.0.0.1 port=1 dbname=fleet"}
    program.ledger_path.with_suffix(".store").write_text(json.dumps(named))
    told = program.run("status")
    assert (told.code, "FROZEN" in told.stdout, "incident 4712" in told.stdout) == (7, True, True)
    assert "cannot be reached" in told.stderr
    asked = program.run("status", "--json")
    assert (asked.reason, "incident 4712" in asked.stderr) == ("ledger.unwritable", True)


@pytest.mark.parametrize("given", ["", "host=here user=me", "postgresql://me@here/", "x" * 64])
def test_what_names_no_database_freezes_nothing_and_says_so(program: Program, given: str) -> None:
    refused = program.run("freeze", "--database", given)
    assert (refused.code, refused.reason) == (2, "freeze.database")
    assert program.run("status", "--json").document["frozen"] == []


@pytest.mark.parametrize("given", ["mk", "host=here port=1 user=me dbname=mk", "postgresql://me:hunter22@here/mk"])
def test_a_database_is_named_as_everywhere_by_its_name_or_a_dsn(program: Program, given: str) -> None:
    told = program.run("freeze", "--database", given)
    assert (told.code, "hunter22" in told.stdout + told.stderr) == (0, False)
    assert [each["frozen_database"] for each in program.run("status", "--json").document["frozen"]] == ["mk"]
    assert program.run("thaw", "--database", given).stdout == "thawed: mk\nnothing is frozen\n"


def test_a_reason_that_holds_a_password_is_refused_and_printed_nowhere(program: Program) -> None:
    refused = program.run("freeze", "--reason", "see host=db password=hunter22")
    assert (refused.code, "hunter22" in refused.stdout + refused.stderr) == (2, False)
    assert program.run("status", "--json").document["frozen"] == []


def test_a_reason_cannot_move_the_terminal(program: Program) -> None:
    shown = program.run("freeze", "--reason", "a\x1b[2Jb\u202ec").stdout
    assert r"a\x1b[2Jb\u202ec" in shown


def test_the_windows_of_the_configured_specification_are_shown(program: Program) -> None:
    assert "change windows: always" in program.run("status").stdout
