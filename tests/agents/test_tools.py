"""What the tools answer, to a real client of either era of the protocol, from a real server."""

from __future__ import annotations

import json
import subprocess
import sys

import anyio
import pytest
from mcp.client import Client

from .conftest import ERAS, Place, refused, told

pytestmark = [pytest.mark.server, pytest.mark.anyio]

INDEX = {"kind": "create_index", "table": "orders", "keys": [{"column": "customer_id"}]}
# The contract's commands, and what agents are given besides.
NAMES = {
    *("init_db_optimization", "optimize_queries", "anchor_performance", "optimize_indexes", "monitor_optimization"),
    *("monitor_db_optimization", "fleet_list", "health", "top_queries", "query_detail", "plan_compare"),
    *("index_advise", "change_propose", "change_status", "anchors_check", "security_diff", "ledger_verify", "get_spec"),
    *("generate_optimization_report", "report_build"),
    *("validate_optimization_strategy", "validate_query_plan_compliance", "validate_index_strategy_compliance"),
}


_CALLS = """
import json, sys
from pathlib import Path
import anyio
from mcp.client import Client
from trimtab.mcp.desk import Desk
from trimtab.mcp.server import agents_server

async def main():
    server = agents_server(Desk.open(Path(sys.argv[1]), "mcp")).server
    async with Client(server) as client:
        before = set(sys.modules)
        for name, arguments in json.loads(sys.argv[2]):
            result = await client.call_tool(name, arguments)
            assert not result.is_error, (name, result.content)
        print(json.dumps(sorted(name for name in set(sys.modules) - before if name.startswith("trimtab."))))

anyio.run(main)
"""


def test_no_reading_tool_waits_for_a_module_of_ours_when_it_is_called(place: Place) -> None:
    place.program.succeed("security", "baseline", place.market.dsn_of("trimtab_explain"))
    place.program.succeed("collect", "--config", place.config, "--for", "0", "-q")
    shop = {"database": "shop"}
    changes = [{"kind": "set_setting", "name": "work_mem", "value": "64MB"}]
    calls = [
        *((name, {}) for name in ("fleet_list", "monitor_optimization", "init_db_optimization", "get_spec")),
        *((name, {}) for name in ("ledger_verify", "change_status")),
        *((name, shop) for name in ("health", "top_queries", "security_diff", "anchors_check")),
        ("validate_optimization_strategy", {**shop, "changes": changes}),
    ]
    done = subprocess.run(
        [sys.executable, "-c", _CALLS, str(place.config), json.dumps(calls)],
        env=place.environ(), capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == []


@pytest.mark.parametrize("mode", ERAS)
async def test_the_reading_tools_answer_and_leave_everything_as_it_was(place: Place, mode: str) -> None:
    before = place.market.everything()
    async with place.client(mode=mode) as client:
        assert (client.protocol_version >= "2026-07-28") == (mode != "legacy")
        await _fleet(client)
        await _queries(client)
        await _rules(client)
        await _records(client)
    assert place.market.everything() == before
    assert place.program.entries() == ()


async def _fleet(client: Client) -> None:
    tools = (await client.list_tools()).tools
    assert {tool.name for tool in tools} >= NAMES
    fleet = told(await client.call_tool("fleet_list", {"limit": 1}))
    assert [each["database"] for each in fleet["databases"]] == ["gone"]
    following = told(await client.call_tool("fleet_list", {"limit": 1, "cursor": fleet["next_cursor"]}))
    assert [each["database"] for each in following["databases"]] == ["shop"]
    assert (following["next_cursor"], following["workloads"]) == (None, ["current"])
    health = told(await client.call_tool("health", {"database": "shop"}))
    assert health["reachable"]
    assert health["size_bytes"] > 0
    for name in ("monitor_optimization", "monitor_db_optimization"):
        monitored = told(await client.call_tool(name))
        found = {each["now"]["database"]: each["now"]["why_not"] for each in monitored["databases"]}
        assert found == {"shop": "", "gone": "source.unreachable"}
        assert {each["collected"]["state"] for each in monitored["databases"]} == {"not collected"}
        assert (monitored["applied_changes"], monitored["compliant_share"]) == (0, None)
    assert refused(await client.call_tool("health", {"database": "gone"})) == "source.unreachable"


async def _queries(client: Client) -> None:
    top = told(await client.call_tool("top_queries", {"database": "shop", "order_by": "calls", "limit": 100}))
    ours = next(each for each in top["queries"] if "customer_id = $1" in each["text"])
    assert ours["calls"] == 3
    detail = told(await client.call_tool("query_detail", {"database": "shop", "query_id": ours["query_id"]}))
    assert any("orders" in line for line in detail["plan"]["lines"])
    assert (detail["level"], detail["is_anchored_plan"]) == (None, None)
    asked = {"database": "shop", "query_id": ours["query_id"]}
    assert refused(await client.call_tool("plan_compare", asked)) == "mcp.anchor"
    assert refused(await client.call_tool("query_detail", {**asked, "query_id": "q0123456789"})) == "query.unknown"


async def _rules(client: Client) -> None:
    spec = told(await client.call_tool("get_spec"))
    assert (spec["spec_id"], spec["chain"][0]) == ("MARKET", "DATABASE_OPTIMIZATION_SPEC_V4@1")
    [content] = (await client.read_resource("spec://DATABASE_OPTIMIZATION_SPEC_V4")).contents
    assert json.loads(getattr(content, "text", ""))["spec_id"] == "DATABASE_OPTIMIZATION_SPEC_V4"
    asked = {"database": "shop", "changes": [INDEX]}
    for name in ("validate_optimization_strategy", "validate_index_strategy_compliance"):
        judged = told(await client.call_tool(name, asked))
        assert judged["compliant"], judged
        assert judged["statements"][0].endswith('ON "public"."orders" USING btree ("customer_id")')
    assert refused(await client.call_tool("validate_query_plan_compliance", asked)) == "usage.strategy_kind"
    setting = {"database": "shop", "changes": [{"kind": "set_setting", "name": "fsync", "value": "off"}]}
    # A setting that nobody may change is not among those that are looked at, or is refused by its rule.
    answer = await client.call_tool("validate_query_plan_compliance", setting)
    assert answer.is_error or not told(answer)["compliant"]
    assert "trimtab_explain" in told(await client.call_tool("init_db_optimization"))["role_sql"]


async def _records(client: Client) -> None:
    assert told(await client.call_tool("ledger_verify"))["verified"]
    assert told(await client.call_tool("change_status"))["changes"] == []
    assert refused(await client.call_tool("index_advise", {"database": "shop", "kept": True})) == "mcp.not_advised"
    assert told(await client.call_tool("anchors_check", {"database": "shop"}))["anchors"] == []
    assert refused(await client.call_tool("security_diff", {"database": "shop"})) == "security.no_baseline"
    assert refused(await client.call_tool("change_status", {"change_id": "s-0123456789"})) == "approval.unknown"


async def test_tools_are_told_with_their_effects_in_one_order_and_closed_schemas(place: Place) -> None:
    async with place.client() as client:
        tools = (await client.list_tools()).tools
    async with place.client(mode="legacy") as client:
        again = (await client.list_tools()).tools
    assert [tool.model_dump() for tool in again] == [tool.model_dump() for tool in tools]
    records = {"optimize_queries", "optimize_indexes", "index_advise", "anchor_performance", "change_propose"}
    for tool in tools:
        assert tool.description, tool.name
        assert tool.input_schema["additionalProperties"] is False
        assert tool.output_schema is not None
        hints = tool.annotations
        assert hints is not None
        assert hints.destructive_hint is False
        assert hints.read_only_hint == hints.idempotent_hint == (tool.name not in records)
    document = place.program.succeed("mcp", "--tools", "--json", "--config", place.config).document
    assert [tool["name"] for tool in document["tools"]] == [tool.name for tool in tools]


async def test_an_anchor_is_taken_checked_and_compared_with_the_plans_of_now(place: Place) -> None:
    async with place.client() as client:
        taken = told(await client.call_tool("anchor_performance", {"database": "shop", "anchor_permanence": "cosmic"}))
        assert taken["permanence"] == "cosmic"
        checked = told(await client.call_tool("anchors_check", {"database": "shop"}))
        assert (checked["chain_is_verified"], checked["reference"]) == (True, taken["anchor_id"])
        top = told(await client.call_tool("top_queries", {"database": "shop", "limit": 100}))
        ours = next(each["query_id"] for each in top["queries"] if "customer_id = $1" in each["text"])
        compared = told(await client.call_tool("plan_compare", {"database": "shop", "query_id": ours}))
        assert compared["is_same"] is True, compared
        assert compared["earlier"]["lines"] == compared["later"]["lines"] != []
        place.market.execute("CREATE INDEX by_customer ON orders (customer_id)", "ANALYZE orders")
        compared = told(await client.call_tool("plan_compare", {"database": "shop", "query_id": ours}))
        assert compared["is_same"] is False
        assert any("by_customer" in line for line in compared["only_later"])
        detail = told(await client.call_tool("query_detail", {"database": "shop", "query_id": ours}))
        assert (detail["is_anchored_plan"], detail["level"]["anchor_id"]) == (False, taken["anchor_id"])


async def test_what_was_collected_is_told_and_what_was_not_is_told_as_that(place: Place) -> None:
    async with place.client() as client:
        asked = {"database": "shop", "window_seconds": 3600}
        assert refused(await client.call_tool("top_queries", asked)) == "mcp.not_collected"
        collecting = place.program.start(
            "collect", "--databases", "shop", "--interval", "1s", "--for", "4", "--config", place.config
        )
        while collecting.is_running():
            place.market.play()
            await anyio.sleep(0.2)
        assert collecting.wait().code == 0
        top = told(await client.call_tool("top_queries", asked))
        assert top["measured_seconds"] > 1
        ours = next(each for each in top["queries"] if "customer_id" in each["text"])
        detail = told(await client.call_tool("query_detail", {"database": "shop", "query_id": ours["query_id"]}))
        assert detail["last_day"]["calls"] > 0
        assert detail["last_day"]["points"]
        [monitored] = told(await client.call_tool("monitor_optimization", {"databases": ["shop"]}))["databases"]
        assert monitored["collected"]["metrics"]["transactions_per_second"] > 0
        fleet = told(await client.call_tool("fleet_list"))
        assert {each["database"]: each["collected_state"] for each in fleet["databases"]}["gone"] == "not collected"


async def test_a_report_is_built_and_what_was_not_measured_is_said_not_to_be(place: Place) -> None:
    async with place.client() as client:
        figures = told(await client.call_tool("generate_optimization_report", {"timeframe": "7d"}))
        assert len(figures["groups"]) == 4
        every = [figure for group in figures["groups"].values() for figure in group.values()]
        assert any(figure["value"] is None and figure["why"] for figure in every)
        built = told(await client.call_tool("report_build", {"database": "shop", "timeframe": "7d"}))
        assert built["markdown"].startswith("# ")
        assert not built["is_cut"]
        asked = {"database": "nowhere", "timeframe": "7d"}
        assert refused(await client.call_tool("report_build", asked)) == "mcp.database"
        assert (await client.call_tool("report_build", {"timeframe": "for ever"})).is_error
