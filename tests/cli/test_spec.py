"""`trimtab spec`, as its users run it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from tests.validate.catalogue import create, facts, setting, strategy
from trimtab.ledger.entry import Kind
from trimtab.ledger.ledger import Ledger
from trimtab.spec.load import get_spec, load_spec
from trimtab.spec.moments import text_of
from trimtab.validate.decision import Decision, record, strategy_to_dict

from .program import ENTRY

DOCUMENT = Path(__file__).parents[2] / "docs" / "specification.md"


def run(*arguments: str | Path, cwd: Path) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "TRIMTAB_STATE": str(cwd), "NO_COLOR": "1"}
    command = [sys.executable, "-c", ENTRY, "spec", *map(str, arguments)]
    return subprocess.run(command, cwd=cwd, env=environment, capture_output=True, text=True, check=False)


def told(*arguments: str | Path, cwd: Path, code: int = 0) -> dict[str, Any]:
    ended = run(*arguments, "--json", cwd=cwd)
    assert ended.returncode == code, ended.stderr
    found = json.loads(ended.stdout)
    assert isinstance(found, dict)
    return found


@pytest.fixture
def shop(tmp_path: Path) -> Path:
    """The specification of the documents, with its rules, and the test of it."""
    blocks = [block.split("```")[0] for block in DOCUMENT.read_text().split("```yaml\n")[1:]]
    (tmp_path / "shop.yaml").write_text(blocks[0] + blocks[1])
    (tmp_path / "shop.test.yaml").write_text(next(block for block in blocks if "kind: SpecTest" in block))
    return tmp_path / "shop.yaml"


def test_a_new_one_can_be_used_at_once(tmp_path: Path) -> None:
    ended = run("new", "MINE_ALONE", "--extends", "DB_GOVERNANCE_SPEC_V2", "--out", "mine.yaml", cwd=tmp_path)
    assert ended.returncode == 0, ended.stderr
    assert load_spec(tmp_path / "mine.yaml").id == "MINE_ALONE"
    assert run("lint", "mine.yaml", "--strict", cwd=tmp_path).returncode == 0
    again = run("new", "MINE_ALONE", "--out", "mine.yaml", cwd=tmp_path)
    assert (again.returncode, "[usage.out]" in again.stderr) == (2, True)


def test_what_lint_finds_is_an_exit_code_when_asked_for(shop: Path, tmp_path: Path) -> None:
    found = told("lint", shop, cwd=tmp_path)
    assert [finding["code"] for finding in found["findings"]] == ["unpinned_parent"]
    assert run("lint", shop, "--strict", cwd=tmp_path).returncode == 5
    shop.write_text(shop.read_text().replace("5GB", "500GB"))
    refused = run("lint", shop, cwd=tmp_path)
    assert (refused.returncode, "[spec.widens]" in refused.stderr) == (2, True)


def test_what_effective_prints_means_the_same(shop: Path, tmp_path: Path) -> None:
    printed = run("effective", shop, cwd=tmp_path).stdout
    (tmp_path / "flat.yaml").write_text(printed)
    assert load_spec(tmp_path / "flat.yaml").digest == load_spec(shop).digest
    assert load_spec(shop).digest in printed
    assert told("effective", shop, cwd=tmp_path)["digest"] == load_spec(shop).digest


def test_explain_names_the_document(shop: Path, tmp_path: Path) -> None:
    [field] = told("explain", shop, "indexes.max_total_size", cwd=tmp_path)["fields"]
    assert [one["id"] for one in field["stated_by"]] == ["DATABASE_OPTIMIZATION_SPEC_V4", "SHOP_PRODUCTION"]


def test_a_diff_that_loosens_is_an_exit_code_when_asked_for(shop: Path, tmp_path: Path) -> None:
    base = "DATABASE_OPTIMIZATION_SPEC_V4"
    tightened = told("diff", base, shop, "--strict", cwd=tmp_path)
    assert {one["direction"] for one in tightened["differences"]} == {"tightened"}
    loosened = told("diff", shop, base, "--strict", cwd=tmp_path, code=5)
    assert {one["direction"] for one in loosened["differences"]} == {"loosened"}


def test_a_table_test_passes_and_a_specification_that_forgot_a_rule_does_not(shop: Path, tmp_path: Path) -> None:
    test = tmp_path / "shop.test.yaml"
    assert told("test", test, cwd=tmp_path)["failed"] == 0
    failed = told("test", test, "--spec", "DATABASE_OPTIMIZATION_SPEC_V4", cwd=tmp_path, code=5)
    [case] = [case for case in failed["cases"] if not case["as_expected"]]
    assert (case["expected"], case["found"]) == (["shop.no_personal_columns"], [])
    test.write_text(test.read_text().replace("stage: enforce", "stage: never"))
    refused = run("test", test, cwd=tmp_path)
    assert (refused.returncode, "[spec.test]" in refused.stderr) == (2, True)


def test_a_recorded_decision_is_decided_again(tmp_path: Path) -> None:
    spec = get_spec("DB_GOVERNANCE_SPEC_V2")
    for name, proposed, code in (("fine", create("status", "total"), 0), ("bad", setting("fsync", "off"), 5)):
        path = tmp_path / f"{name}.json"
        path.write_text(json.dumps(record(Decision(strategy(proposed), spec, facts()))))
        found = told("validate", path, cwd=tmp_path, code=code)
        assert (found["replayed"], found["compliant"]) == (True, code == 0)
        assert found["facts_digest"] == json.loads(path.read_text())["facts_digest"]
        whole = path.read_text()
        for old, new, told_so in (
            ('"score"', '"scores"', "it was altered"),
            ('"engine_version": "', '"engine_version": "0', "rules of the version 02"),
        ):
            path.write_text(whole.replace(old, new))
            altered = run("validate", path, cwd=tmp_path)
            assert (altered.returncode, "[spec.replay]" in altered.stderr) == (2, True)
            assert told_so in altered.stderr.lower()


def test_the_schema_is_printed(tmp_path: Path) -> None:
    assert json.loads(run("schema", cwd=tmp_path).stdout)["$schema"].endswith("2020-12/schema")


@pytest.mark.server
def test_a_strategy_is_judged_on_the_facts_of_a_database(tmp_path: Path) -> None:
    import psycopg

    from trimtab.embedded.binaries import Binaries
    from trimtab.embedded.server import Server

    (tmp_path / "strategy.json").write_text(json.dumps(strategy_to_dict(strategy(create("status", "total")))))
    with Server.create(Binaries.find(), purpose="test-cli-spec") as server:
        dsn = server.dsn("postgres")
        refused = told("validate", "strategy.json", dsn, cwd=tmp_path, code=5)
        assert "objects.unknown_table" in {violation["rule"] for violation in refused["violations"]}
        with psycopg.connect(dsn, autocommit=True) as connection:
            connection.execute("CREATE TABLE orders (id bigint, status text, total numeric)")
        allowed = told("validate", "strategy.json", dsn, "--record", "why.json", cwd=tmp_path)
        assert allowed["compliant"]
        assert not (tmp_path / "ledger.db").exists(), "who asks for a verdict makes no ledger"
        ahead = int(time.time()) + 90 * 86_400
        with Ledger.open(tmp_path / "ledger.db", clock=lambda: ahead * 10**9) as ledger:
            ledger.append(Kind.RUN_STARTED, {})
        told("validate", "strategy.json", dsn, "--record", "later.json", cwd=tmp_path)
    latest = [json.loads((tmp_path / name).read_text())["facts"]["latest_unix"] for name in ("why.json", "later.json")]
    assert latest == [None, ahead], "by the ledger's last entry, too, waivers and bundles end"
    again = told("validate", "why.json", cwd=tmp_path)
    assert again["replayed"]
    assert again["spec_digest"] == allowed["spec_digest"]


def test_a_waiver_is_signed_by_two_and_taken_into_force(shop: Path, tmp_path: Path) -> None:
    blocks = [block.split("```")[0] for block in DOCUMENT.read_text().split("```yaml\n")[1:]]
    now = int(time.time())
    text = next(block for block in blocks if "kind: Waiver" in block)
    text = text.replace("2026-12-01T00:00:00Z", text_of(now)).replace("2027-01-15T00:00:00Z", text_of(now + 86_400))
    (tmp_path / "waiver.yaml").write_text(text)
    for name, person in (("dba.ann", "ann"), ("owner.bob", "bob")):
        told("key", "--key", f"{person}.key", "--out", f"{person}.pub", cwd=tmp_path)
        told("trust", name, f"{person}.pub", cwd=tmp_path)
    assert len(told("trust", cwd=tmp_path)["keys"]) == 2
    told("sign", "waiver.yaml", "--key", "ann.key", "--out", "by-ann.signed", cwd=tmp_path)
    half = run("waive", "by-ann.signed", cwd=tmp_path)
    assert (half.returncode, "[spec.signature]" in half.stderr) == (2, True)
    told("sign", "by-ann.signed", "--key", "bob.key", "--out", "waiver.signed", cwd=tmp_path)
    [waiver] = told("waive", "waiver.signed", cwd=tmp_path)["waivers"]
    assert (waiver["id"], waiver["holds"]) == ("W_WIDE_ORDERS_INDEX", True)
    assert "indexes.max_key_columns" in run("waive", cwd=tmp_path).stdout
    assert told("waive", "--remove", "W_WIDE_ORDERS_INDEX", cwd=tmp_path)["waivers"] == []


def test_a_bundle_is_made_signed_and_taken_into_force(shop: Path, tmp_path: Path) -> None:
    rules = tmp_path / "rules"
    rules.mkdir()
    shop.rename(rules / "shop.yaml")
    made = told("bundle", rules, "--id", "SHOP_RULES", "--revision", "7", cwd=tmp_path)
    assert made["files"] == ["shop.yaml"]
    told("key", "--key", "org.key", "--out", "org.pub", cwd=tmp_path)
    told("sign", "rules/bundle.yaml", "--key", "org.key", "--out", "rules/bundle.signed", cwd=tmp_path)
    refused = run("install", "rules/bundle.signed", cwd=tmp_path)
    assert (refused.returncode, "[spec.signature]" in refused.stderr) == (2, True)
    told("trust", "org", "org.pub", "--for", "bundles", cwd=tmp_path)
    [bundle] = told("install", "rules/bundle.signed", cwd=tmp_path)["bundles"]
    assert (bundle["revision"], bundle["expired"]) == (7, False)
    assert "--spec bundle:SHOP_RULES/shop.yaml" in run("install", cwd=tmp_path).stdout
    found = told("effective", "bundle:SHOP_RULES/shop.yaml", cwd=tmp_path)
    assert found["metadata"]["id"] == "SHOP_PRODUCTION"
