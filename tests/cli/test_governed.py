"""A whole run under the strictest shipped specification: who may, and what then stands."""

from __future__ import annotations

from pathlib import Path

import pytest

from .market import Market
from .program import Program

pytestmark = [pytest.mark.server, pytest.mark.slow]

STRICT = """\
apiVersion: trimtab.dev/v1
kind: OptimizationSpec
metadata: {id: MARKET_GOVERNED, revision: 1, description: As strict as it is shipped.}
extends: [DB_GOVERNANCE_SPEC_V2]
spec:
  trial: {max_pairs: 20, max_seconds: 20.0}
  objects: {denied_tables: [public.customer]}
rules:
  - id: market.warehouse_alone_is_not_indexed
    when: change.kind == 'create_index'
    assert: change.key_columns != ['warehouse']
    message: an index on the warehouse alone was tried before
"""


@pytest.mark.usefixtures("roles")
def test_the_strictest_specification_lets_a_role_of_few_rights_apply_what_was_measured(
    market: Market, program: Program, workload: Path, tmp_path: Path
) -> None:
    path = tmp_path / "governed.yaml"
    path.write_text(STRICT)
    options = ("--workload", str(workload), "--spec", str(path), "--apply", "--json")
    ended = program.spawn("optimize", market.dsn_of("trimtab_apply"), *options)
    assert ended.code == 0, ended.stderr
    strategies = ended.document["strategies"]
    refused = {v["rule_id"] for s in strategies for v in s["verdict"]["violations"]}
    kept = [strategy for strategy in strategies if strategy["outcome"] == "kept"]
    assert "objects.denied_tables" in refused
    assert kept
    # A drop is risky, and nobody is named who could approve one.
    kinds = {change["kind"] for strategy in strategies for change in strategy["changes"]}
    assert "drop_index" in kinds
    assert all(change["kind"] != "drop_index" for strategy in kept for change in strategy["changes"])
    made = [change["sql"] for strategy in kept for change in strategy["changes"]]
    assert not any('"customer"' in statement for statement in made)
    program.succeed("status", "--json")
