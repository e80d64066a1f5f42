"""`trimtab spec`, as its users run it."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import pytest

from tests.lifecycle.signed import ANN, NOW, believe, waiver
from tests.validate.catalogue import create, facts, setting, strategy
from trimtab.ledger.entry import Kind
from trimtab.ledger.ledger import Ledger
from trimtab.lifecycle import waivers
from trimtab.lifecycle.governing import governing
from trimtab.spec.load import get_spec, load_spec
from trimtab.spec.moments import text_of
from trimtab.validate.decision import Decision, record, strategy_to_dict

from .program import Program

DOCUMENT = Path(__file__).parents[2] / "docs" / "specification.md"


def told(program: Program, *arguments: str | Path, code: int = 0) -> dict[str, Any]:
    ended = program.run("spec", *arguments, "--json")
    assert ended.code == code, ended.stderr
    return ended.document


@pytest.fixture
def shop(program: Program) -> Path:
    """The specification of the documents, with its rules, and the test of it."""
    blocks = [block.split("```")[0] for block in DOCUMENT.read_text().split("```yaml\n")[1:]]
    (program.directory / "shop.yaml").write_text(blocks[0] + blocks[1])
    (program.directory / "shop.test.yaml").write_text(next(block for block in blocks if "kind: SpecTest" in block))
    return program.directory / "shop.yaml"


def test_a_new_one_can_be_used_at_once(program: Program) -> None:
    ended = program.run("spec", "new", "MINE_ALONE", "--extends", "DB_GOVERNANCE_SPEC_V2", "--out", "mine.yaml")
    assert ended.code == 0, ended.stderr
    assert load_spec(program.directory / "mine.yaml").id == "MINE_ALONE"
    assert program.run("spec", "lint", "mine.yaml", "--strict").code == 0
    again = program.run("spec", "new", "MINE_ALONE", "--out", "mine.yaml")
    assert (again.code, "[usage.out]" in again.stderr) == (2, True)


def test_what_lint_finds_is_an_exit_code_when_asked_for(shop: Path, program: Program) -> None:
    found = told(program, "lint", shop)
    assert [finding["code"] for finding in found["findings"]] == ["unpinned_parent"]
    assert program.run("spec", "lint", shop, "--strict").code == 5
    shop.write_text(shop.read_text().replace("5GB", "500GB"))
    refused = program.run("spec", "lint", shop)
    assert (refused.code, "[spec.widens]" in refused.stderr) == (2, True)


@pytest.mark.parametrize("rows", ["1e400", "-1.0", "null", "often"])
def test_a_table_of_a_test_has_a_number_of_rows_or_an_unknown_one(shop: Path, program: Program, rows: str) -> None:
    path = program.directory / "shop.test.yaml"
    path.write_text(path.read_text().replace("rows: 1000000.0", f"rows: {rows}"))
    refused = program.run("spec", "test", path)
    assert (refused.code, "[spec.test]" in refused.stderr) == (2, True)
    path.write_text(path.read_text().replace(f"rows: {rows}", "rows: unknown"))
    assert program.run("spec", "test", path).code in (0, 5)


@pytest.mark.parametrize("name", ['""', '"a\\0b"'])
def test_a_name_in_a_test_is_one(shop: Path, program: Program, name: str) -> None:
    path = program.directory / "shop.test.yaml"
    path.write_text(path.read_text().replace("columns: [", f"columns: [{name}, "))
    refused = program.run("spec", "test", path)
    assert (refused.code, "[spec.test]" in refused.stderr) == (2, True), refused.stderr


def test_what_effective_prints_means_the_same(shop: Path, program: Program) -> None:
    printed = program.run("spec", "effective", shop).stdout
    (program.directory / "flat.yaml").write_text(printed)
    assert load_spec(program.directory / "flat.yaml").digest == load_spec(shop).digest
    assert load_spec(shop).digest in printed
    assert told(program, "effective", shop)["digest"] == load_spec(shop).digest


def test_explain_names_the_document(shop: Path, program: Program) -> None:
    [field] = told(program, "explain", shop, "indexes.max_total_size")["fields"]
    assert [one["id"] for one in field["stated_by"]] == ["DATABASE_OPTIMIZATION_SPEC_V4", "SHOP_PRODUCTION"]


def test_a_diff_that_loosens_is_an_exit_code_when_asked_for(shop: Path, program: Program) -> None:
    base = "DATABASE_OPTIMIZATION_SPEC_V4"
    tightened = told(program, "diff", base, shop, "--strict")
    assert {one["direction"] for one in tightened["differences"]} == {"tightened"}
    loosened = told(program, "diff", shop, base, "--strict", code=5)
    assert {one["direction"] for one in loosened["differences"]} == {"loosened"}


def test_a_table_test_passes_and_a_specification_that_forgot_a_rule_does_not(shop: Path, program: Program) -> None:
    test = program.directory / "shop.test.yaml"
    assert told(program, "test", test)["failed"] == 0
    failed = told(program, "test", test, "--spec", "DATABASE_OPTIMIZATION_SPEC_V4", code=5)
    [case] = [case for case in failed["cases"] if not case["as_expected"]]
    assert (case["expected"], case["found"]) == (["shop.no_personal_columns"], [])
    test.write_text(test.read_text().replace("stage: enforce", "stage: never"))
    refused = program.run("spec", "test", test)
    assert (refused.code, "[spec.test]" in refused.stderr) == (2, True)


def test_a_recorded_decision_is_decided_again(program: Program) -> None:
    spec = get_spec("DB_GOVERNANCE_SPEC_V2")
    for name, proposed, code in (("fine", create("status", "total"), 0), ("bad", setting("fsync", "off"), 5)):
        path = program.directory / f"{name}.json"
        path.write_text(json.dumps(record(Decision(strategy(proposed), spec, facts()))))
        found = told(program, "validate", path, code=code)
        assert (found["replayed"], found["compliant"]) == (True, code == 0)
        assert found["facts_digest"] == json.loads(path.read_text())["facts_digest"]
        whole = path.read_text()
        for old, new, told_so in (
            ('"score"', '"scores"', "it was altered"),
            ('"engine_version": "', '"engine_version": "0', "rules of the version 02"),
        ):
            path.write_text(whole.replace(old, new))
            altered = program.run("spec", "validate", path)
            assert (altered.code, "[spec.replay]" in altered.stderr) == (2, True)
            assert told_so in altered.stderr.lower()


def test_what_is_waived_is_told_with_its_waiver(program: Program, tmp_path: Path) -> None:
    state = Path(program.environ["TRIMTAB_STATE"])
    believe(state)
    waivers.install(state, waiver(tmp_path / "w", ANN), load_spec(), NOW)
    wide = strategy(create("id", "customer_id", "status", "created_at", "total", "note"))
    path = program.directory / "wide.json"
    path.write_text(json.dumps(record(Decision(wide, governing(None, program.ledger_path), facts()))))
    shown = program.succeed("spec", "validate", path).stdout
    assert "waived by W_WIDE: indexes.max_key_columns at changes[0].key_columns: the index has too many" in shown


def test_the_schema_is_printed(program: Program) -> None:
    assert json.loads(program.run("spec", "schema").stdout)["$schema"].endswith("2020-12/schema")


@pytest.mark.server
def test_a_strategy_is_judged_on_the_facts_of_a_database(program: Program) -> None:
    import psycopg

    from trimtab.embedded.binaries import Binaries
    from trimtab.embedded.server import Server

    (program.directory / "strategy.json").write_text(json.dumps(strategy_to_dict(strategy(create("status", "total")))))
    with Server.create(Binaries.find(), purpose="test-cli-spec") as server:
        dsn = server.dsn("postgres")
        refused = told(program, "validate", "strategy.json", dsn, code=5)
        assert "objects.unknown_table" in {violation["rule"] for violation in refused["violations"]}
        with psycopg.connect(dsn, autocommit=True) as connection:
            connection.execute("CREATE TABLE orders (id bigint, status text, total numeric)")
        allowed = told(program, "validate", "strategy.json", dsn, "--record", "why.json")
        assert allowed["compliant"]
        assert not program.ledger_path.exists(), "who asks for a verdict makes no ledger"
        ahead = int(time.time()) + 90 * 86_400
        with Ledger.open(program.ledger_path, clock=lambda: ahead * 10**9) as ledger:
            ledger.append(Kind.RUN_STARTED, {})
        told(program, "validate", "strategy.json", dsn, "--record", "later.json")
    records = [json.loads((program.directory / name).read_text()) for name in ("why.json", "later.json")]
    latest = [found["facts"]["latest_unix"] for found in records]
    assert latest == [None, ahead], "by the ledger's last entry, too, waivers and bundles end"
    again = told(program, "validate", "why.json")
    assert again["replayed"]
    assert again["spec_digest"] == allowed["spec_digest"]


def test_a_waiver_is_signed_by_two_and_taken_into_force(shop: Path, program: Program) -> None:
    blocks = [block.split("```")[0] for block in DOCUMENT.read_text().split("```yaml\n")[1:]]
    now = int(time.time())
    text = next(block for block in blocks if "kind: Waiver" in block)
    text = text.replace("2026-12-01T00:00:00Z", text_of(now)).replace("2027-01-15T00:00:00Z", text_of(now + 86_400))
    (program.directory / "waiver.yaml").write_text(text)
    for name, person in (("dba.ann", "ann"), ("owner.bob", "bob")):
        told(program, "key", "--key", f"{person}.key", "--out", f"{person}.pub")
        told(program, "trust", name, f"{person}.pub")
    assert len(told(program, "trust")["keys"]) == 2
    told(program, "sign", "waiver.yaml", "--key", "ann.key", "--out", "by-ann.signed")
    half = program.run("spec", "waive", "by-ann.signed")
    assert (half.code, "[spec.signature]" in half.stderr) == (2, True)
    told(program, "sign", "by-ann.signed", "--key", "bob.key", "--out", "waiver.signed")
    [waiver] = told(program, "waive", "waiver.signed")["waivers"]
    assert (waiver["id"], waiver["holds"]) == ("W_WIDE_ORDERS_INDEX", True)
    assert "indexes.max_key_columns" in program.run("spec", "waive").stdout
    assert told(program, "waive", "--remove", "W_WIDE_ORDERS_INDEX")["waivers"] == []


def test_a_bundle_is_made_signed_and_taken_into_force(shop: Path, program: Program) -> None:
    rules = program.directory / "rules"
    rules.mkdir()
    shop.rename(rules / "shop.yaml")
    made = told(program, "bundle", rules, "--id", "SHOP_RULES", "--revision", "7")
    assert made["files"] == ["shop.yaml"]
    told(program, "key", "--key", "org.key", "--out", "org.pub")
    told(program, "sign", "rules/bundle.yaml", "--key", "org.key", "--out", "rules/bundle.signed")
    refused = program.run("spec", "install", "rules/bundle.signed")
    assert (refused.code, "[spec.signature]" in refused.stderr) == (2, True)
    told(program, "trust", "org", "org.pub", "--for", "bundles")
    [bundle] = told(program, "install", "rules/bundle.signed")["bundles"]
    assert (bundle["revision"], bundle["expired"]) == (7, False)
    assert "--spec bundle:SHOP_RULES/shop.yaml" in program.run("spec", "install").stdout
    found = told(program, "effective", "bundle:SHOP_RULES/shop.yaml")
    assert found["metadata"]["id"] == "SHOP_PRODUCTION"
