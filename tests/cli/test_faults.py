"""Claims about errors as scripts see them: one JSON document each, a reason code, and no password in either."""

from __future__ import annotations

import json
import signal
import sqlite3
from contextlib import closing

import pytest

from trimtab.ledger.entry import Kind
from trimtab.ledger.ledger import Ledger

from .market import READS, Market, write_workload
from .program import Program, Strike

SECRET = "Sesame-8151-Secret"
DSN = f"postgresql://someone:{SECRET}@/shop?host=/nowhere"


@pytest.mark.parametrize(
    "arguments",
    [
        ("optimize", "--bogus"),
        ("optimize", "--seed", "abc"),
        ("bogus",),
        ("show",),
        ("status", DSN),
        ("optimize", DSN, DSN),
    ],
)
def test_a_command_line_that_cannot_be_read_is_refused_like_all_else(
    program: Program, arguments: tuple[str, ...]
) -> None:
    ended = program.run(*arguments)
    assert (ended.code, ended.reason, ended.stdout) == (2, "usage.arguments", "")
    assert "--help` tells how" in ended.stderr
    told = program.run(*arguments, "--json")
    assert told.code == 2
    assert told.document["schema"] == "trimtab.error/v1"
    assert told.document["error"]["code"] == "usage.arguments"
    assert SECRET not in ended.stderr + told.stdout + told.stderr


@pytest.mark.parametrize("arguments", [("show", DSN), ("revert", DSN), ("resume", DSN)])
def test_a_password_where_none_belongs_is_not_repeated(program: Program, arguments: tuple[str, ...]) -> None:
    ended = program.run(*arguments, "--json", environ={"PGHOST": "/nowhere"})
    assert ended.code != 0
    assert ended.document["schema"] == "trimtab.error/v1"
    assert SECRET not in ended.stdout + ended.stderr


def test_without_a_command_there_is_help(program: Program) -> None:
    ended = program.run()
    assert (ended.code, ended.stdout) == (2, "")
    assert "Usage: trimtab" in ended.stderr


def test_a_broken_ledger_is_one_document_and_an_exit_code(program: Program) -> None:
    program.ledger_path.parent.mkdir(exist_ok=True)
    with Ledger.open(program.ledger_path) as ledger:
        for number in range(3):
            ledger.append(Kind.RUN_STARTED, {"number": number}, run_id=f"r-{number}")
    with closing(sqlite3.connect(program.ledger_path, isolation_level=None)) as raw:
        for (trigger,) in raw.execute("SELECT name FROM sqlite_master WHERE type = 'trigger'").fetchall():
            raw.execute(f'DROP TRIGGER "{trigger}"')
        raw.execute("UPDATE entries SET body = '{}' WHERE seq = 2")
    ended = program.run("status", "--json")
    assert (ended.code, ended.reason) == (7, "ledger.corrupt")
    assert ended.document["schema"] == "trimtab.status/v1"
    assert ended.document["ledger"]["verified"] is False
    assert ended.document["ledger"]["first_bad"] == 2


def test_a_strategy_is_shown_as_one_run_had_it_and_the_others_are_named(program: Program) -> None:
    with Ledger.open(program.ledger_path) as ledger:
        for run, database, outcome in (("r-1", "shop", "kept"), ("r-2", "other", "refused"), ("r-3", "shop", "proven")):
            ledger.append(Kind.RUN_STARTED, {"database": {"database": database}}, run_id=run)
            body = {"strategy_id": "s-1", "title": "index p (v)", "proposer": "indexes"}
            ledger.append(Kind.STRATEGY_PROPOSED, body, run_id=run)
            settled = {"strategy_id": "s-1", "outcome": outcome, "note": ""}
            ledger.append(Kind.STRATEGY_SETTLED, settled, run_id=run)
    newest = program.succeed("show", "s-1", "--json").document
    assert (newest["run_id"], newest["database"], newest["outcome"]) == ("r-3", "shop", "proven")
    assert {entry["run_id"] for entry in newest["entries"]} == {"r-3"}
    assert [(other["run_id"], other["database"], other["outcome"]) for other in newest["others"]] == [
        ("r-2", "other", "refused"),
        ("r-1", "shop", "reverted"),
    ]
    told = program.succeed("show", "s-1").stdout
    assert "in r-3 on shop\nalso in r-2 on other, r-1 on shop. next: trimtab show s-1 --run r-2\n" in told
    older = program.succeed("show", "s-1", "--run", "r-2").stdout
    assert older.startswith("s-1  refused  index p (v)\nin r-2 on other\n")
    assert program.run("show", "s-1", "--run", "r-4").reason == "show.unknown"
    whole = program.succeed("show", "r-2", "--json").document
    assert (whole["run_id"], whole["database"], whole["outcome"], whole["others"]) == ("r-2", "other", None, [])


def test_the_originals_first_line_may_be_run_again(program: Program) -> None:
    line = ("init_db_optimization", "--spec_id=DATABASE_OPTIMIZATION_SPEC_V4", "--quantum_enhanced=true")
    assert "trimtab indexes --solver anneal" in program.succeed(*line).stderr
    written = (program.directory / "trimtab.toml").read_text()
    ended = program.succeed(*line)
    assert "left as it is" in ended.stderr
    assert (program.directory / "trimtab.toml").read_text() == written
    assert "CREATE ROLE" in ended.stdout


def test_the_originals_first_line_does_not_touch_a_file_without_its_database(program: Program) -> None:
    (program.directory / "trimtab.toml").write_text('[databases.other]\ndsn = "service=other"\n')
    ended = program.run("init_db_optimization", "--json")
    assert (ended.code, json.loads(ended.stdout)["error"]["code"]) == (2, "init.exists")


def test_the_shell_completes_commands_and_options(program: Program) -> None:
    for words, expected in (("trimtab opt", "optimize"), ("trimtab optimize --wor", "--workload")):
        environ = {"_TRIMTAB_COMPLETE": "complete_bash", "COMP_WORDS": words, "COMP_CWORD": str(words.count(" "))}
        assert expected in program.spawn(environ=environ).stdout.split()


@pytest.mark.server
def test_what_the_lab_cannot_run_is_listed_and_counts_in_no_total(program: Program, market: Market) -> None:
    workload = program.directory / "workload.sql"
    broken = "SELECT sum(1 / (customer_id - customer_id)) FROM orders WHERE id > 5"
    workload.write_text(f"-- weight: 20\n{READS[0][2]};\n-- name: broken\n-- weight: 100\n{broken};\n")
    document = program.succeed("optimize", market.dsn, "--workload", workload, "--json").document
    [skipped] = document["workload"]["skipped"]
    assert (skipped["name"], skipped["code"]) == ("broken", "query.not_run")
    assert "22012" in skipped["reason"]
    assert len(document["queries"]) == 1
    assert document["strategies"][0]["outcome"] == "proven"
    told = program.succeed("optimize", market.dsn, "--workload", workload, "--quiet")
    assert "broken (query.not_run)" in told.stdout


@pytest.mark.server
def test_a_ledger_without_room_says_what_it_leaves_open(program: Program, market: Market) -> None:
    """The disk fills up between the intent and its result: the change stands, and the message says how to go on."""
    strike = Strike(signal.SIGSTOP, "before", "apply_done")
    options = ("optimize", market.dsn, "--workload", write_workload(program.directory / "w.sql"), "--apply")
    running = program.start(*options, strike=strike)
    running.wait_until_stopped()
    with closing(sqlite3.connect(program.ledger_path, isolation_level=None)) as raw:
        raw.execute("CREATE TRIGGER full BEFORE INSERT ON entries BEGIN SELECT RAISE(ABORT, 'disk full'); END")
    running.send(signal.SIGCONT)
    ended = running.wait()
    assert ended.code == 7
    assert "run `trimtab resume`" in ended.stderr
    with closing(sqlite3.connect(program.ledger_path, isolation_level=None)) as raw:
        raw.execute("DROP TRIGGER full")
    program.succeed("resume", market.dsn)
    assert program.succeed("status", "--json").document["open"] == {
        "intents": 0,
        "unsettled": 0,
        "runs": [],
        "backends": 0,
    }
