"""From a proposal to an applied change, as people and an agent do it: two accounts of work, one key each."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from trimtab.apply.asking import request_from
from trimtab.ledger.entry import Kind
from trimtab.ledger.ledger import Ledger

from .market import SPECIFICATION, Market
from .program import Program

pytestmark = [pytest.mark.server, pytest.mark.slow]

AGENT = {"TRIMTAB_ACTOR": "agent"}


def _person(passphrase: str) -> dict[str, str]:
    return {"TRIMTAB_PASSPHRASE_COMMAND": f"echo '{passphrase}'", "TRIMTAB_ACTOR": "somebody"}


ANN, BOB = _person("anns long passphrase"), _person("bobs long passphrase")


@pytest.fixture
def workload(tmp_path: Path) -> Path:
    from .market import write_workload

    return write_workload(tmp_path / "current.sql", reads=2)


def _specification(program: Program, tmp_path: Path) -> Path:
    pins = []
    for name, person in (("ann", ANN), ("bob", BOB)):
        made = program.succeed("approver-key", name, "--json", environ=person).document
        assert Path(made["path"]).stat().st_mode & 0o077 == 0
        pins.append(made["pin"])
    path = tmp_path / "approved.yaml"
    needs = {"low": "one", "medium": "one", "high": "two", "approvers": pins}
    path.write_text(f"{SPECIFICATION}  approvals: {json.dumps(needs)}\n", "utf-8")
    return path


def test_what_an_agent_proposes_is_applied_when_people_have_signed_it(
    program: Program, market: Market, workload: Path, tmp_path: Path
) -> None:
    specification, before = _specification(program, tmp_path), market.definitions()
    run = (market.dsn, "--workload", workload, "--spec", specification)
    proposed = program.succeed("optimize", *run, "--propose", "--json", environ=AGENT).document
    proven = [each["id"] for each in proposed["strategies"] if each["outcome"] == "proven"]
    waiting = program.succeed("approvals", "--json").document["waiting"]
    assert [each["strategy_id"] for each in waiting] == proven
    assert {(each["state"], each["proposed_by"]) for each in waiting} == {("waiting", "agent")}
    for each in waiting:
        predicted = next(s["prediction"] for s in proposed["strategies"] if s["id"] == each["strategy_id"])
        assert {key: each["prediction"][key] for key in ("low", "high", "confidence")} == {
            key: predicted[key] for key in ("low", "high", "confidence")
        }
        assert each["trial"]["error_rate"] > 0
    assert market.definitions() == before

    name = next(each["strategy_id"] for each in waiting if each["needed"] == 1)
    refused = program.run("apply", name, *run, environ=AGENT)
    assert (refused.code, refused.reason) == (5, "approval.needed")
    lax = program.run("apply", name, market.dsn, "--workload", workload, environ=AGENT)
    assert (lax.code, lax.reason) == (5, "approval.drifted")
    # The agent has the key's file, and neither its passphrase nor a terminal.
    assert program.run("approve", name, "--as", "ann", environ=AGENT).reason == "approval.no_terminal"
    guessed = program.run("approve", name, "--as", "ann", environ=_person("a guess of an agent"))
    assert (guessed.reason, "guess" in guessed.stderr) == ("key.passphrase", False)
    assert program.run("approve", name, "--as", "agent", environ=ANN).reason == "approval.own"

    signed = program.succeed("approve", name, "--as", "ann", "--hours", "2", environ=ANN)
    assert "CREATE INDEX CONCURRENTLY" in signed.stderr
    assert "DROP INDEX CONCURRENTLY" in signed.stderr
    assert " interval by " in signed.stderr
    assert "whose keys count was not looked at" in program.succeed("approvals").stderr  # no trimtab.toml is here
    applied = program.succeed("apply", name, *run, "--json", environ=AGENT).document
    assert applied["outcome"] == "kept"
    assert market.definitions() != before
    states = {each["strategy_id"]: each["state"] for each in program.succeed("approvals", "--json").document["waiting"]}
    assert states[name] == "applied"
    program.succeed("revert", name, market.dsn, "--spec", specification)
    assert market.definitions() == before

    # What is proposed again waits again: the approval of then has been used.
    program.succeed("optimize", *run, "--propose", environ=AGENT)
    states = {each["strategy_id"]: each["state"] for each in program.succeed("approvals", "--json").document["waiting"]}
    assert states[name] == "waiting"
    assert program.run("apply", name, *run, environ=AGENT).reason in ("approval.needed", "approval.used")
    program.succeed("approve", name, "--as", "ann", environ=ANN)
    assert program.succeed("apply", name, *run, "--json", environ=AGENT).document["outcome"] == "kept"


def test_a_request_is_approved_where_the_key_is_and_the_approval_is_brought_back(
    program: Program, market: Market, workload: Path, tmp_path: Path
) -> None:
    specification = _specification(program, tmp_path)
    run = (market.dsn, "--workload", workload, "--spec", specification)
    # With --apply, too, what people have to approve waits, and is no failure.
    first = program.succeed("optimize", *run, "--apply", "--json", environ=AGENT).document
    assert {each["outcome"] for each in first["strategies"] if each["trial"]} <= {"proven", "rejected"}
    name = program.succeed("approvals", "--json").document["waiting"][0]["strategy_id"]
    request, approval = tmp_path / "request.json", tmp_path / "approval.json"
    request.write_text(program.succeed("approvals", name, "--json").stdout, "utf-8")
    elsewhere = {**ANN, "TRIMTAB_STATE": str(tmp_path / "elsewhere")}
    program.succeed("approve", "--from", request, "--as", "ann", "--out", approval, environ=elsewhere)
    program.succeed("approve", "--add", approval)
    assert program.succeed("approvals", "--json").document["waiting"][0]["approved_by"] == ["ann"]
    # Altered on its way it counts for nothing.
    held = json.loads(approval.read_text("utf-8"))
    held["statement"]["expires_ns"] = str(int(held["statement"]["expires_ns"]) + 1)
    other = tmp_path / "altered.json"
    other.write_text(json.dumps(held), "utf-8")
    program.succeed("reject", name, "--reason", "once more")
    refused = program.run("approve", "--add", other)
    assert (refused.code, refused.reason) == (5, "approval.invalid")
    with Ledger.open(program.ledger_path) as ledger:
        ledger.append(Kind.APPROVAL_GIVEN, {"strategy_id": name, **held})
    assert program.succeed("approvals", "--json").document["waiting"][0]["approved_by"] == []
    assert program.run("apply", name, *run, environ=AGENT).reason == "approval.invalid"
    # What is no approval at all counts for nothing, and hides nothing.
    with Ledger.open(program.ledger_path) as ledger:
        ledger.append(Kind.APPROVAL_GIVEN, {"strategy_id": name})
        ledger.append(Kind.APPROVAL_GIVEN, {"strategy_id": name, "statement": {}, "public_key": {}, "signatures": []})
    assert program.succeed("approvals", "--json").document["waiting"][0]["approved_by"] == []
    ended = program.run("apply", name, *run, environ=AGENT)
    assert ended.reason == "approval.invalid"
    assert "somebody without a name" in ended.stderr
    # Who signs in another's name with a key of their own is told that it counts for nothing.
    config = tmp_path / "trimtab.toml"
    config.write_text(f"[defaults]\nspec = '{specification}'\n", "utf-8")
    program.succeed("approver-key", "eve", environ=BOB)
    eve = Path(program.succeed("approver-key", "eve2", "--json", environ=BOB).document["path"])
    program.succeed("approve", "--from", request, "--as", "bob", "--key", eve, "--out", "bob.json", environ=BOB)
    added = program.succeed("approve", "--add", "bob.json", "--config", config)
    assert "it does not count" in added.stderr
    signing = ("approve", "--from", request, "--as", "bob", "--key", eve, "--config", config, "--out", "again.json")
    assert "it does not count" in program.succeed(*signing, environ=BOB).stderr
    # A request that tells of a trial which was never measured is applied by nobody's signature.
    with Ledger.open(program.ledger_path) as ledger:
        body = next(e.body for e in ledger.entries(Kind.APPROVAL_REQUESTED) if e.body["strategy_id"] == name)
        made_up = {**(request_from(body).trial or {}), "after_ms": 0.0001}
        ledger.append(Kind.APPROVAL_REQUESTED, {**body, "request_id": "q-madeup", "trial": made_up})
    program.succeed("approve", "q-madeup", "--as", "ann", environ=ANN)
    assert program.run("apply", "q-madeup", *run, environ=AGENT).reason == "approval.unmeasured"
    again = program.run("approve", "--from", tmp_path / "nothing.json", "--out", other, environ=ANN)
    assert again.reason == "approval.unreadable"
