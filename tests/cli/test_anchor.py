"""Claims about `trimtab anchor`: what a level says, that it can be verified anywhere, and that nothing bad passes."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from .market import CANARY, Market
from .program import Ended, Program

pytestmark = pytest.mark.server

NAMES = [
    "query_throughput",
    "response_latency",
    "resource_efficiency",
    "concurrency_performance",
    "quantum_coherence",
]


def _refused(ended: Ended, exit_code: int, reason: str) -> None:
    assert (ended.code, ended.reason) == (exit_code, reason), ended.stderr
    assert "\n  next: " in ended.stderr
    assert "Traceback" not in ended.stderr


def _created(program: Program, market: Market, workload: Path, *others: str) -> dict[str, object]:
    arguments: tuple[str | Path, ...] = ("anchor", "create", market.dsn, "--workload", workload, *others, "--json")
    document = program.succeed(*arguments).document
    assert document["schema"] == "trimtab.anchor.show/v1"
    return document


def test_an_anchor_is_taken_shown_listed_and_verified_and_changes_nothing(
    market: Market, program: Program, workload: Path
) -> None:
    before = market.everything()
    document = _created(program, market, workload, "--runs", "3", "--permanence", "cosmic")
    anchor = document["anchor"]
    assert isinstance(anchor, dict)
    assert {level["runs"] for level in anchor["queries"]} == {0, 3}  # the write is planned alone
    assert [dimension["name"] for dimension in anchor["dimensions"]] == NAMES
    shown = program.succeed("anchor", "show", anchor["id"][:10], "--json")
    assert shown.document == document
    [listed] = program.succeed("anchor", "list", "--json").document["anchors"]
    assert (listed["id"], listed["permanence"], listed["state"]) == (anchor["id"], "cosmic", "in_force")
    assert program.succeed("anchor", "verify", "--json").document["anchors"] == [anchor["id"]]
    stable = program.succeed("anchor", "show", "--service-level", "0.000001", "--json").document["stability"]
    assert (stable["observed"], stable["breaches"]) == (9, 9)
    assert "of 9 executions" in program.succeed("anchor", "show", "--service-level", "60000").stdout
    for command in (("show",), ("list",), ("verify",)):
        ended = program.succeed("anchor", *command)
        assert CANARY not in ended.stdout + ended.stderr
        assert "anchor" in ended.stdout
    assert CANARY not in shown.stdout
    assert market.everything() == before
    program.assert_nothing_left()


def test_a_copy_is_verified_elsewhere_by_the_public_key_and_a_changed_one_never(
    market: Market, program: Program, workload: Path, tmp_path: Path
) -> None:
    document = _created(program, market, workload)
    path, copy = Path(str(document["path"])), tmp_path / "copy.json"
    program.succeed("anchor", "key", "--out", "shop.pub")
    copy.write_bytes(path.read_bytes())
    elsewhere = {"TRIMTAB_STATE": str(tmp_path / "elsewhere")}
    with_key = ("anchor", "verify", copy, "--key", "shop.pub")
    _refused(program.run("anchor", "verify", copy, environ=elsewhere), 2, "anchor.flawed")
    verified = program.succeed(*with_key, "--json", environ=elsewhere).document
    assert (verified["verified"], verified["digest"]) == (True, document["digest"])
    (tmp_path / "file").touch()  # nothing can be kept there: the key alone decides
    nowhere = {"TRIMTAB_STATE": str(tmp_path / "file")}
    assert program.succeed(*with_key, "--json", environ=nowhere).document["digest"] == document["digest"]
    _refused(program.run("anchor", "verify", copy, environ=nowhere), 2, "state.unusable")
    text = copy.read_text("utf-8")
    changed = text.replace('"database":"market', '"database":"narket', 1)
    assert changed != text
    copy.write_text(changed, "utf-8")
    ended = program.run(*with_key, environ=elsewhere)
    _refused(ended, 2, "anchor.flawed")
    assert "database is not as it was signed" in ended.stderr
    path.unlink()
    _refused(program.run("anchor", "verify"), 2, "anchor.flawed")


def test_two_anchors_are_compared_and_a_lost_index_is_an_exit_code(
    market: Market, program: Program, workload: Path
) -> None:
    reads = program.directory / "reads.sql"
    reads.write_text("SELECT total FROM orders WHERE id = 777;\nSELECT amount FROM stock WHERE sku = 777;\n", "utf-8")
    first = _created(program, market, reads, "--runs", "60")["anchor"]
    market.execute("ALTER TABLE stock DROP CONSTRAINT stock_pkey")
    market.execute("ALTER TABLE orders DROP CONSTRAINT orders_pkey")
    _created(program, market, reads, "--runs", "60")
    assert isinstance(first, dict)
    compared = program.run("anchor", "compare", first["id"], "--margin", "1", "--json")
    assert compared.code == 0
    assert compared.document["finding"] == "worse"
    assert {query["same_plan"] for query in compared.document["queries"]} == {False}
    ended = program.run("anchor", "compare", first["id"], "latest", "--margin", "1", "--check")
    _refused(ended, 9, "anchor.regression")
    assert "slower" in ended.stdout
    assert "stability: " in ended.stdout
    assert "were run: a load that all share was not taken out" in ended.stdout
    assert "differs: table public.stock is defined otherwise" in ended.stdout


def test_what_nobody_could_judge_never_passes_a_check(market: Market, program: Program, workload: Path) -> None:
    _created(program, market, workload)
    _created(program, market, workload)
    first = program.succeed("anchor", "list", "--json").document["anchors"][0]["id"]
    _refused(program.run("anchor", "compare", first, "latest", "--check"), 9, "anchor.unjudged")


def test_accepting_and_releasing_are_in_the_ledger(market: Market, program: Program, workload: Path) -> None:
    for _ in range(2):
        _created(program, market, workload)
    for verb in ("accept", "release"):
        assert program.run("anchor", verb, "latest", "--reason", " ").reason == "usage.reason"
    program.succeed("anchor", "accept", "latest", "--reason", "new hardware")
    states = [a["state"] for a in program.succeed("anchor", "list", "--json").document["anchors"]]
    assert states == ["superseded", "in_force"]
    program.succeed("anchor", "release", "latest", "--reason", "gone", "--json")
    kinds = [entry.kind.value for entry in program.entries()]
    assert kinds == ["anchor_recorded", "anchor_recorded", "anchor_accepted", "anchor_released"]
    assert "accepted" in program.succeed("anchor", "list").stdout
    assert program.succeed("status", "--json").document["ledger"]["verified"]


def test_the_originals_line_runs_as_written(market: Market, program: Program, workload: Path) -> None:
    (program.directory / "trimtab.toml").write_text(
        f"[databases.production_db]\ndsn = {json.dumps(market.dsn)}\n", "utf-8"
    )
    market.play()
    line = ("anchor_performance", "--database=production_db", "--anchor_permanence=cosmic", "--json")
    anchor = program.succeed(*line).document["anchor"]
    assert anchor["permanence"] == "cosmic"
    assert anchor["origin"] == "pg_stat_statements"
    assert all(level["counted"]["calls"] > 0 for level in anchor["queries"])
    assert all(dimension["level"] is not None for dimension in anchor["dimensions"])
    heaviest = max(level["counted"]["share"] for level in anchor["queries"])
    assert f"│ {100 * heaviest:.1f} % " in program.succeed("anchor", "show").stdout
    assert "margin 10.0 %" in program.succeed("anchor", "compare", "latest").stdout


@pytest.mark.parametrize(
    ("arguments", "exit_code", "reason"),
    [
        (("create", "DSN", "--permanence", "eternal"), 2, "usage.permanence"),
        (("create", "host=127.0.0.1 port=1 dbname=none"), 3, "source.unreachable"),
        (("create", "DSN", "--workload", "missing.sql"), 2, "workload.unreadable"),
        (("show", "a-1234"), 2, "anchor.unknown"),
        (("show",), 2, "anchor.unknown"),
        (("compare", "a-1", "a-2"), 2, "anchor.unknown"),
        (("compare", "missing.json"), 2, "anchor.unreadable"),
        (("verify", "missing.json"), 2, "anchor.unreadable"),
        (("verify", "trimtab.toml", "--key", "missing.pub"), 2, "key.unusable"),
        (("accept", "a-1", "--reason", "why"), 2, "anchor.unknown"),
        (("accept", "a-1"), 2, "usage.arguments"),
        (("create", "DSN", "--seconds", "nan"), 2, "usage.arguments"),
    ],
)
def test_bad_input_is_refused_in_words(
    market: Market, program: Program, arguments: tuple[str, ...], exit_code: int, reason: str
) -> None:
    given = tuple(market.dsn if argument == "DSN" else argument for argument in arguments)
    _refused(program.run("anchor", *given), exit_code, reason)


def test_a_key_that_others_can_read_is_not_used(market: Market, program: Program, workload: Path) -> None:
    _created(program, market, workload)
    (program.ledger_path.parent / "anchors" / "signing.key").chmod(0o644)
    _refused(program.run("anchor", "create", market.dsn, "--workload", workload), 2, "key.readable")
