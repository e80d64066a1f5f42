"""From an agent's proposal to a change that is kept: it proposes, a person signs and applies, it sees how it went."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from mcp.client import Client

from tests.tls_proxy import tls_proxy
from trimtab.ledger.entry import Kind

from .conftest import ANN, Place, over_http, told

pytestmark = [pytest.mark.server, pytest.mark.slow, pytest.mark.anyio]

INDEX = {"kind": "create_index", "table": "orders", "keys": [{"column": "customer_id"}]}
PROPOSAL = {"database": "shop", "workload": "current", "changes": [INDEX]}


@asynccontextmanager
async def _planner(place: Place, way: str, mode: str) -> AsyncIterator[Client]:
    """The agent called planner: the only one of a server over stdio, or by its token one of a server over HTTP.

    https is a proxy that speaks TLS before it.
    """
    if way == "stdio":
        async with place.connected("--agent", "planner", mode=mode) as client:
            yield client
        return
    tokens = place.tokens("planner", "other")
    with place.http("--token-file", str(place.token_file)) as address:
        if way == "http":
            async with over_http(address, tokens["planner"], mode) as client:
                yield client
            return
        with tls_proxy(int(address.split(":")[2].split("/")[0]), place.config.parent) as proxy:
            async with over_http(
                f"https://localhost:{proxy.port}/mcp", tokens["planner"], mode, proxy.trusting
            ) as client:
                yield client


@pytest.mark.parametrize(
    ("way", "mode", "version"),
    [("stdio", "auto", "2026-07-28"), ("http", "legacy", "2025-11-25"), ("https", "auto", "2026-07-28")],
)
async def test_what_an_agent_proposes_is_applied_by_people_alone(
    place: Place, way: str, mode: str, version: str
) -> None:
    market, program, before = place.market, place.program, place.market.definitions()
    heard: list[str] = []

    async def hear(progress: float, total: float | None, message: str | None) -> None:
        heard.append(message or "")

    async with _planner(place, way, mode) as client:
        assert client.protocol_version == version
        proposed = told(await client.call_tool("change_propose", PROPOSAL, progress_callback=hear))
        name = proposed["strategy"]["strategy_id"]
        assert (proposed["strategy"]["outcome"], proposed["is_waiting"], proposed["needed"]) == ("proven", True, 1)
        assert proposed["strategy"]["trial"]["after_ms"] < proposed["strategy"]["trial"]["before_ms"]
        assert len(heard) >= 5
        assert market.definitions() == before

        [waiting] = told(await client.call_tool("change_status"))["changes"]
        assert (waiting["strategy_id"], waiting["state"], waiting["proposed_by"]) == (name, "waiting", "agent:planner")
        run = (market.dsn, "--config", place.config)
        assert program.run("apply", name, *run).reason == "approval.needed"
        program.succeed("approve", name, "--as", "ann", "--config", place.config, environ=ANN)
        assert told(await client.call_tool("change_status", {"change_id": name}))["changes"][0]["state"] == "approved"
        assert market.definitions() == before

        workload = place.config.parent / "current.sql"
        applied = program.succeed("apply", name, *run, "--workload", workload, "--json").document
        assert applied["outcome"] == "kept"
        assert market.definitions() != before
        status = told(await client.call_tool("change_status", {"change_id": name}))
        assert (status["changes"][0]["state"], status["outcome"], status["standing"]) == ("applied", "kept", 1)
        assert [event["kind"] for event in status["life"]][-1] == "strategy_settled"
        [content] = (await client.read_resource(f"evidence://{name}")).contents
        evidence = json.loads(getattr(content, "text", ""))
        assert {"trial_finished", "apply_done"} <= {entry["kind"] for entry in evidence["entries"]}
        assert told(await client.call_tool("ledger_verify"))["verified"]

    tools = program.succeed("mcp", "--tools", "--json", "--config", place.config).document
    asked = next(entry for entry in program.entries() if entry.kind is Kind.APPROVAL_REQUESTED)
    agent = {"kind": "agent", "name": "planner", "tools_digest": tools["tools_digest"]}
    assert asked.body["agent"] == agent
    started = next(entry for entry in program.entries() if entry.kind is Kind.RUN_STARTED)
    assert started.body["agent"] == agent


async def test_a_whole_workload_is_searched_and_what_is_proven_waits(place: Place) -> None:
    before = place.market.definitions()
    async with place.client() as client:
        found = told(await client.call_tool("optimize_queries", {"database": "shop", "workload": "current"}))
        assert found["waiting"] >= 1
        assert found["after_ms"] < found["before_ms"]
        waiting = told(await client.call_tool("change_status"))["changes"]
        assert len(waiting) == found["waiting"]
        advised = told(await client.call_tool("index_advise", {"database": "shop", "workload": "current"}))
        assert advised["indexes"]
        assert advised["cost_after"] < advised["cost_before"]
        assert [point["cost"] for point in advised["frontier"]][-1] == pytest.approx(advised["cost_after"], rel=0.01)
        kept = told(await client.call_tool("index_advise", {"database": "shop", "kept": True}))
        assert kept["run_id"] == advised["run_id"]
        costs, expected = ([point["cost"] for point in each["frontier"]] for each in (kept, advised))
        assert costs == pytest.approx(expected, abs=1e-3)
        assert [each["statement"] for each in kept["indexes"]] == [each["statement"] for each in advised["indexes"]]
        assert kept["computed_at"] <= advised["computed_at"]
    assert place.market.definitions() == before


async def test_what_the_rules_forbid_is_refused_at_once_and_does_not_wait(place: Place) -> None:
    drop = {"kind": "drop_index", "index": "orders_pkey"}
    async with place.client() as client:
        refused = told(await client.call_tool("change_propose", {**PROPOSAL, "changes": [drop]}))
        assert (refused["strategy"]["outcome"], refused["is_waiting"]) == ("refused", False)
        assert {each["rule"] for each in refused["strategy"]["violations"]} >= {"drops.protects_constraint"}
        assert told(await client.call_tool("change_status"))["changes"] == []
    assert place.program.entries() == ()
