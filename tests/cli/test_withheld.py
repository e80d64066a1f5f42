"""Claims about constants of indexes through a whole life: told to people, in no byte of the ledger, and erased."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from trimtab.ledger.entry import Kind

from .market import SPECIFICATION, Market, write_workload
from .program import Program

pytestmark = [pytest.mark.server, pytest.mark.slow]

SECRET = "Canary-6174-Predicate"
TWICE = tuple(f"CREATE INDEX orders_canary{n} ON orders (placed) WHERE note <> '{SECRET}'" for n in ("", "_again"))
ODD = f"SELECT id FROM orders WHERE note || '{SECRET}' = 'nothing'"


@pytest.fixture
def run(program: Program, market: Market, tmp_path: Path) -> tuple[str, ...]:
    """Options of a run with an index of an expression to make, and a partial one to drop, each with a secret in it."""
    market.execute(*TWICE)
    workload = write_workload(tmp_path / "current.sql", reads=1)
    workload.write_text(f"{workload.read_text('utf-8')}\n-- weight: 200\n{ODD};\n", "utf-8")
    specification = tmp_path / "market.yaml"
    specification.write_text(SPECIFICATION, "utf-8")
    return (market.dsn, "--workload", str(workload), "--spec", str(specification))


def _assert_in_no_byte_of_the_ledger(program: Program) -> None:
    for path in program.ledger_path.parent.rglob("*"):
        is_ours = path.is_file() and path.parent.name != "ledger.db.withheld"
        assert not is_ours or path.suffix == ".sql" or SECRET.encode() not in path.read_bytes(), path


def test_they_are_made_shown_proven_taken_back_and_erased(
    program: Program, market: Market, run: tuple[str, ...]
) -> None:
    before = market.definitions()
    program.succeed("ledger", "key", "--out", "ledger.pub")
    document = program.succeed("optimize", *run, "--apply", "--json").document
    kept = {each["id"]: each["changes"] for each in document["strategies"] if each["outcome"] == "kept"}
    held = {name: change for name, [change, *_] in kept.items() if SECRET in json.dumps(change)}
    assert {change["kind"] for change in held.values()} == {"create_index", "drop_index"}
    _assert_in_no_byte_of_the_ledger(program)

    for name in held:
        life = program.succeed("show", name, "--json").document
        assert SECRET in json.dumps([entry for entry in life["entries"] if entry["kind"] == "apply_intended"])
        program.succeed("ledger", "export", "--change", name, "--out", f"{name}.json")
        assert program.succeed("ledger", "verify", f"{name}.json", "--key", "ledger.pub", "--json").document["verified"]
    intent = next(entry.seq for entry in program.entries() if entry.kind is Kind.APPLY_INTENDED)
    program.succeed("ledger", "prove", str(intent), "--out", "proof.json")
    program.succeed("ledger", "export", "--out", "whole.jsonl")
    assert program.succeed("ledger", "verify", "whole.jsonl", "--key", "ledger.pub", "--json").document["verified"]
    for path in program.directory.glob("*.json*"):
        assert SECRET not in path.read_text("utf-8"), path

    name = next(iter(held))
    refused = program.run("ledger", "erase", name)
    assert (refused.code, refused.reason) == (7, "ledger.stands")
    program.succeed("revert", "--all", run[0])
    assert market.definitions() == before
    entries = program.succeed("ledger", "verify", "--json").document["entries"]
    erased = [program.succeed("ledger", "erase", each, "--json").document["erased"] for each in held]
    assert all(count >= 3 for count in erased)
    for each in held:
        assert SECRET not in program.succeed("show", each).stdout
    verified = program.succeed("ledger", "verify", "--key", "ledger.pub", "--json").document
    assert (verified["verified"], verified["lost"], verified["entries"]) == (True, 0, entries + len(held))
    told = [entry.body for entry in program.entries() if entry.kind is Kind.DEFINITIONS_ERASED]
    assert {each["strategy_id"] for each in told} == held.keys()
    assert program.run("ledger", "erase", "s-0000000000").reason == "ledger.unknown"


def test_people_see_them_when_they_approve_and_what_they_signed_is_applied(
    program: Program, market: Market, run: tuple[str, ...], tmp_path: Path
) -> None:
    ann = {"TRIMTAB_PASSPHRASE_COMMAND": "echo 'anns long passphrase'", "TRIMTAB_ACTOR": "somebody"}
    pin = program.succeed("approver-key", "ann", "--json", environ=ann).document["pin"]
    needs = {"low": "one", "medium": "one", "high": "one", "approvers": [pin]}
    specification = tmp_path / "market.yaml"
    specification.write_text(f"{SPECIFICATION}  approvals: {json.dumps(needs)}\n", "utf-8")
    agent = {"TRIMTAB_ACTOR": "agent"}
    program.succeed("optimize", *run, "--propose", environ=agent)
    waiting = program.succeed("approvals", "--json").document["waiting"]
    names = [each["strategy_id"] for each in waiting if SECRET in json.dumps(each)]
    assert names
    before = market.definitions()
    for name in names:
        assert SECRET in program.succeed("approve", name, "--as", "ann", environ=ann).stderr
        program.succeed("apply", name, *run, environ=agent)
    assert market.definitions() != before
    _assert_in_no_byte_of_the_ledger(program)
    program.succeed("revert", "--all", run[0], "--spec", str(specification))
    assert market.definitions() == before
