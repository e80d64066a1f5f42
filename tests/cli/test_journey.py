"""Claims about a whole run with --apply: its document, what stands then in the catalog, and the way back."""

from __future__ import annotations

import json
from typing import Any

import pytest

from .market import CANARY, Market
from .program import Ended, Program

pytestmark = [pytest.mark.server, pytest.mark.slow]

# docs/cli.md, trimtab.optimize/v1: what scripts rely on.
TOP = {"schema", "source", "workload", "strategies", "total", "ledger"}
STRATEGY = {"id", "changes", "verdict", "prediction", "trial", "outcome"}


def _assert_is_what_scripts_rely_on(document: dict[str, Any], market: Market) -> None:
    assert set(document) >= TOP
    assert document["schema"] == "trimtab.optimize/v1"
    assert document["source"]["database"] == market.database
    assert document["source"]["version"][0].isdecimal()
    assert document["workload"]["queries"] == 4
    assert document["workload"]["executions"] == 102
    assert document["workload"]["skipped"] == []
    assert document["ledger"]["verified"] is True
    assert document["total"]["before_ms"] > document["total"]["after_ms"] > 0
    for strategy in document["strategies"]:
        assert set(strategy) >= STRATEGY
        for change in strategy["changes"]:
            assert set(change) >= {"kind", "sql", "inverse_sql"}
            assert all(change.values())
        assert strategy["verdict"]["compliant"] is True
        assert strategy["verdict"]["violations"] == []
        prediction = strategy["prediction"]
        assert prediction["low"] <= prediction["mid"] <= prediction["high"]
        assert prediction["unit"] == "ms"
        if strategy["trial"] is not None:
            assert set(strategy["trial"]) >= {"before_ms", "after_ms", "pairs", "error_rate", "decision"}


def _document(ended: Ended, schema: str) -> dict[str, Any]:
    assert ended.document["schema"] == schema
    return ended.document


@pytest.mark.usefixtures("roles")
def test_a_run_with_apply_can_be_told_shown_and_taken_back(
    market: Market, program: Program, quick: tuple[str, ...]
) -> None:
    before = market.definitions()
    source = market.dsn_of("trimtab_apply")
    ended = program.spawn("optimize", source, *quick, "--apply", "--json")
    assert ended.code == 0, ended.stderr
    document = ended.document
    _assert_is_what_scripts_rely_on(document, market)
    assert "observe" in ended.stderr
    assert "settle" in ended.stderr
    assert CANARY not in ended.stdout + ended.stderr
    assert CANARY.encode() not in program.ledger_path.read_bytes()
    program.assert_nothing_left()

    kept = [strategy for strategy in document["strategies"] if strategy["outcome"] == "kept"]
    assert {change["kind"] for strategy in kept for change in strategy["changes"]} >= {"create_index", "drop_index"}
    applied = market.definitions()
    assert applied != before

    status = _document(program.succeed("status", "--json"), "trimtab.status/v1")
    assert {each["strategy_id"] for each in status["applied"]} == {strategy["id"] for strategy in kept}
    assert status["open"] == {"intents": 0, "unsettled": 0, "runs": [], "backends": 0}
    assert status["ledger"]["head"] == document["ledger"]["head"]

    runs = _document(program.succeed("history", "--json"), "trimtab.history/v1")["runs"]
    assert [(run["run_id"], run["state"], run["applied"]) for run in runs] == [
        (document["run_id"], "finished", sum(len(strategy["changes"]) for strategy in kept))
    ]
    one = next(strategy["id"] for strategy in kept if strategy["changes"][0]["kind"] == "create_index")
    life = _document(program.succeed("show", one, "--json"), "trimtab.show/v1")
    assert life["outcome"] == "kept"
    assert [entry["kind"] for entry in life["entries"]] == [
        "strategy_proposed",
        "strategy_validated",
        "strategy_predicted",
        "trial_finished",
        "apply_intended",
        "apply_done",
        "security_compared",
        "anchor_recorded",
        "strategy_settled",
    ]
    run = _document(program.succeed("show", document["run_id"], "--json"), "trimtab.show/v1")
    assert [run["entries"][number]["kind"] for number in (0, -1)] == ["run_started", "run_finished"]

    for words, arguments in (
        ("applied", ("status",)),
        ("finished", ("history",)),
        ("apply_done", ("show", one)),
        (one, ("show", document["run_id"])),
    ):
        assert words in program.succeed(*arguments).stdout

    taken = _document(program.succeed("revert", one, source, "--json"), "trimtab.revert/v1")
    assert [each["strategy_id"] for each in taken["reverted"]] == [one]
    again = program.run("revert", one, source)
    assert (again.code, again.reason) == (2, "revert.not_applied")
    assert one not in program.succeed("status").stdout

    # One whose name was taken meanwhile does not keep the rest from being taken back, and that is told.
    [dropped, *_] = [c["sql"].split(".")[-1] for s in kept for c in s["changes"] if c["kind"] == "drop_index"]
    market.execute("CREATE TABLE taken (a integer)", f"CREATE INDEX {dropped} ON taken (a)")
    halted = program.run("revert", "--all", source)
    assert (halted.code, halted.reason) == (6, "apply.replaced")
    assert halted.stdout.count("taken back") == len(kept) - 2
    market.execute("DROP TABLE taken")
    assert "taken back" in program.succeed("revert", "--all", source).stdout
    assert market.definitions() == before
    status = _document(program.succeed("status", "--json"), "trimtab.status/v1")
    assert (status["applied"], status["open"]) == ([], {"intents": 0, "unsettled": 0, "runs": [], "backends": 0})
    assert _document(program.succeed("show", one, "--json"), "trimtab.show/v1")["outcome"] == "reverted"
    _assert_is_reported(program, market, {strategy["id"] for strategy in kept})
    nothing = _document(program.succeed("revert", "--all", "--database", source, "--json"), "trimtab.revert/v1")
    assert (nothing["reconciled"], nothing["reverted"]) == ([], [])
    assert "nothing to do: no change is interrupted or unsettled\n" in program.succeed("resume", source).stdout


def _assert_is_reported(program: Program, market: Market, taken_back: set[str]) -> None:
    report = _document(program.succeed("report", market.database, "--format", "json"), "trimtab.report/v1")
    assert {each["strategy_id"] for each in report["changes"] if each["outcome"] == "reverted"} == taken_back
    assert report["compliance"]["applied"] == report["compliance"]["compliant"] >= len(taken_back)
    assert report["security"]["comparisons"] > 0
    assert report["security"]["undeclared_count"] == 0
    success = report["optimization_analytics"]["query_performance_improvements"]["optimization_success_rate"]
    assert success["value"] == 0.0
    costs = {each["name"]: each["value"] for each in report["costs"]}
    assert costs["build_seconds"] > 0
    assert CANARY not in json.dumps(report)
    page = program.succeed("report", "--out", "-").stdout
    assert all(each in page for each in taken_back)
    assert CANARY not in page


def test_what_the_specification_forbids_is_named_and_never_tried(
    market: Market, program: Program, workload: Any, tmp_path: Any
) -> None:
    narrow = tmp_path / "narrow.yaml"
    narrow.write_text(
        "apiVersion: trimtab.dev/v1\nkind: OptimizationSpec\n"
        "metadata: {id: NARROW, revision: 1, description: Hands off orders.}\n"
        "extends: [DATABASE_OPTIMIZATION_SPEC_V4]\n"
        "spec: {objects: {denied_tables: [public.orders, public.customer, public.stock]}}\n",
        "utf-8",
    )
    before = market.everything()
    ended = program.succeed("optimize", market.dsn, "--workload", workload, "--spec", narrow, "--apply", "--json")
    refused = [strategy for strategy in ended.document["strategies"] if strategy["outcome"] == "refused"]
    assert {v["rule_id"] for s in refused for v in s["verdict"]["violations"]} == {"objects.denied_tables"}
    assert all(violation["message"] for s in refused for violation in s["verdict"]["violations"])
    assert all(strategy["trial"] is None and strategy["prediction"] is None for strategy in refused)
    indexes = [s for s in ended.document["strategies"] if s["changes"][0]["kind"] in ("create_index", "drop_index")]
    assert indexes
    assert {strategy["outcome"] for strategy in indexes} == {"refused"}
    assert [row for row in market.everything() if row[0] != "set"] == [row for row in before if row[0] != "set"]
