"""On every version: the twin plans as its source does, is built of what the catalog there tells, and can be mailed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.cli.market import Market
from tests.cli.program import Program
from trimtab.embedded.binaries import Binaries

pytestmark = [pytest.mark.server, pytest.mark.versions]

INDEX = "CREATE INDEX wish ON orders (customer_id, placed DESC) INCLUDE (total)"


def _summary(program: Program, market: Market, workload: Path, *others: str | Path, **environ: str) -> dict[str, Any]:
    arguments = ("twin", "check", market.dsn, "--workload", workload, "--json", *others)
    document = program.succeed(*arguments, environ=environ).document
    return {**document["summary"], "problems": document["problems"]}


def test_a_twin_of_the_sources_own_version_has_its_plans_and_costs_also_where_it_was_mailed(
    market: Market, program: Program, workload: Path, local: dict[str, str], major: int, tmp_path: Path
) -> None:
    file = tmp_path / "market.twin"
    program.succeed("twin", "export", market.dsn, "--out", file)
    found = _summary(program, market, workload, "--from", file, **local)
    assert (found["within_1_percent"], found["same_shape"], found["problems"]) == (1.0, 1.0, [])
    assert {found["source_version"].split(".")[0], found["twin_version"].split(".")[0]} == {str(major)}


def test_a_twin_of_the_bundled_version_says_that_it_is_another(
    market: Market, program: Program, workload: Path
) -> None:
    found = _summary(program, market, workload, "--pg-bin", Binaries.find().directory)
    assert found["twin_version"].split(".")[0] == "18"
    assert [problem for problem in found["problems"] if "plans may differ" in problem]
    # The plans of this workload have not changed since 13: what differs on others is what the command is for.
    assert (found["within_1_percent"], found["same_shape"]) == (1.0, 1.0)


def test_what_is_hypothetical_has_the_size_and_the_plans_of_what_is_real(
    market: Market, program: Program, workload: Path, local: dict[str, str]
) -> None:
    before = market.everything()
    statistics = "CREATE STATISTICS (ndistinct, mcv) ON status, total FROM orders"
    document = program.succeed(
        *("twin", "explain", market.dsn, "--workload", workload, "--index", INDEX, "--drop", "orders_status"),
        *("--statistics", statistics, "--target", "orders.customer_id=1000", "--set", "work_mem=64MB", "--json"),
        environ=local,
    ).document
    helped = next(query for query in document["queries"] if query["name"] == "orders of a customer")
    assert helped["uses"] == ["wish"]
    assert helped["cost_after"] < helped["cost_before"] / 10
    [index] = document["indexes"]
    assert 0.9 <= index["size_bytes"] / market.size_of(INDEX) <= 1.15
    assert [told["refusal"] for told in (*document["statistics"], *document["targets"])] == ["", ""]
    assert market.everything() == before
