"""What a server of agents refuses, and how: nothing is done, and the refusal has a code."""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from contextlib import suppress

import anyio
import pytest
from mcp.shared.exceptions import MCPError

from trimtab.db.role import ALLOWED
from trimtab.mcp.bounds import Bounds

from .conftest import ERAS, Place, refused, told

pytestmark = [pytest.mark.server, pytest.mark.anyio]

CHANGE = {"kind": "create_index", "table": "orders", "keys": [{"column": "customer_id"}]}
REFUSED: tuple[tuple[str, Mapping[str, object], str], ...] = (
    ("health", {"database": "nowhere"}, "mcp.database"),
    ("health", {"database": "postgresql://localhost/postgres"}, "mcp.database"),
    ("health", {"database": "shop", "dsn": "dbname=postgres"}, "mcp.argument"),
    ("optimize_queries", {"database": "shop", "workload": "/etc/passwd"}, "mcp.workload"),
    ("optimize_queries", {"database": "shop", "apply": True}, "mcp.argument"),
    ("change_propose", {"database": "nowhere", "changes": [CHANGE]}, "mcp.database"),
    ("get_spec", {"spec_id": "NO_SUCH_SPEC"}, "mcp.spec"),
    ("top_queries", {"database": "shop", "cursor": "AAAA"}, "mcp.cursor"),
    ("top_queries", {"database": "shop", "cursor": base64.b64encode(b'["fleet_list", 1]').decode()}, "mcp.cursor"),
    ("fleet_list", {"cursor": base64.b64encode(b'["fleet_list", -1]').decode()}, "mcp.cursor"),
    (
        "validate_optimization_strategy",
        {"database": "shop", "changes": [{**CHANGE, "table": 'orders"; DROP TABLE orders; --'}]},
        "asked.unknown",
    ),
    ("health", {"database": "shop", "x": "y" * 70_000}, "mcp.question_size"),
)
# What no schema takes: the SDK refuses it before the tool is called.
MISFITS: tuple[tuple[str, Mapping[str, object]], ...] = (
    ("health", {"database": "y" * 101}),
    ("get_spec", {"spec_id": "../../etc/passwd"}),
    ("change_status", {"change_id": "'; DROP TABLE x"}),
    ("change_propose", {"database": "shop", "changes": []}),
    ("change_propose", {"database": "shop", "changes": [{"kind": "run_sql", "sql": "DROP TABLE orders"}]}),
    ("change_propose", {"database": "shop", "changes": [{**CHANGE, "predicate": "total > 1"}]}),
    ("anchor_performance", {"database": "shop", "anchor_permanence": "eternal"}),
    ("run_read", {"database": "shop", "sql": "SELECT 1"}),
    ("apply", {"id": "s-0123456789"}),
)


@pytest.mark.parametrize("mode", ERAS)
async def test_bad_input_is_refused_with_its_code_and_nothing_is_done(place: Place, mode: str) -> None:
    before = place.market.everything()
    async with place.client(mode=mode) as client:
        for name, arguments, code in REFUSED:
            assert refused(await client.call_tool(name, dict(arguments))) == code, name
        for name, arguments in MISFITS:
            with suppress(MCPError):
                assert (await client.call_tool(name, dict(arguments))).is_error, name
        for uri in ("spec://NO_SUCH", "change://s-0123456789", "evidence://nothing", "spec://..%2F..%2Fetc%2Fpasswd"):
            with pytest.raises(MCPError):
                await client.read_resource(uri)
    assert place.market.everything() == before
    assert place.program.entries() == ()


async def test_a_flood_is_refused_and_passes(place: Place) -> None:
    async with place.client(bounds=Bounds(calls_per_second=5.0, burst=10)) as client:
        codes: list[str] = []
        await client.list_tools()

        async def call() -> None:
            result = await client.call_tool("fleet_list")
            codes.append(refused(result) if result.is_error else "answered")

        async with anyio.create_task_group() as tasks:
            for _ in range(60):
                tasks.start_soon(call)
        assert codes.count("answered") <= 15
        assert {"answered"} < set(codes) <= {"answered", "mcp.rate", "mcp.busy"}
        await anyio.sleep(1.0)
        assert told(await client.call_tool("fleet_list"))


async def test_too_many_calls_at_a_time_and_too_many_long_runs_are_refused(place: Place) -> None:
    async with place.client(bounds=Bounds(jobs=0)) as client:
        asked = {"database": "shop", "workload": "current"}
        assert refused(await client.call_tool("optimize_queries", asked)) == "mcp.busy"
    async with place.client(bounds=Bounds(answer_bytes=200)) as client:
        assert refused(await client.call_tool("get_spec")) == "mcp.answer_size"


async def test_a_read_is_run_where_it_was_switched_on_and_only_a_read(place: Place) -> None:
    before = place.market.everything()
    async with place.client(allows_sql=True) as client:
        rows = told(await client.call_tool("run_read", {"database": "shop", "limit": 2, "sql": _READ}))
        assert rows["columns"] == ["sku", "twice"]
        assert rows["rows"] == [["1", "2"], ["2", "4"]]
        assert rows["is_cut"]
        for sql, expected in _ODD_READS.items():
            rows = told(await client.call_tool("run_read", {"database": "shop", "sql": sql}))
            assert rows["rows"] == expected, sql
        for sql in _NO_READS:
            result = await client.call_tool("run_read", {"database": "shop", "sql": sql})
            assert refused(result) in {"read.refused", "source.permission", "query.failed", "source.read_only"}, sql
        long = "SELECT " + ", ".join(["1"] * 3000)
        assert (await client.call_tool("run_read", {"database": "shop", "sql": long})).is_error
    assert place.market.everything() == before


_READ = "SELECT sku, sku * 2 AS twice FROM public.stock ORDER BY sku"
_ODD_READS: dict[str, list[list[str | None]]] = {
    "SELECT repeat('x', 50000000) AS a": [["x" * 2000 + "…"]],
    'SELECT true AS "a;", true AS "a;", NULL, ROW(NULL, 1), \';\' ;; -- the end': [["t", "t", None, "(,1)", ";"]],
    "SELECT ROW(NULL, NULL) /* ; */": [["(,)"]],
    "SELECT FROM public.stock WHERE sku < 2": [[]],
    "VALUES (1, '{a}'::text[]), (2, NULL)": [["1", "{a}"], ["2", None]],
    "WITH a AS (SELECT 1 AS b) TABLE a": [["1"]],
}
_NO_READS = (
    "DROP TABLE public.orders",
    "SELECT 1; DROP TABLE public.orders",
    "COMMIT; DROP TABLE public.orders",
    "DELETE FROM public.orders RETURNING *",
    "WITH gone AS (DELETE FROM public.orders RETURNING *) SELECT * FROM gone",
    "SELECT * INTO public.copy FROM public.orders",
    "SELECT pg_catalog.pg_read_file('/etc/passwd')",
    "SELECT pg_catalog.pg_sleep(60)",
    "SELECT pg_catalog.set_config('transaction_read_only', 'off', false)",
    "SELECT * FROM pg_catalog.pg_authid",
    "SELECT * FROM public.orders FOR UPDATE",
    "COPY public.orders TO '/tmp/orders'",
    "SET default_transaction_read_only = off",
    "EXPLAIN ANALYZE DELETE FROM public.orders",
    "not sql at all",
)


async def test_a_role_that_may_do_more_than_read_is_not_used_for_a_read_and_unless_told_for_nothing(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    place.config.write_text(f'[databases.shop]\ndsn = "{place.market.dsn}"\n')
    async with place.client(allows_sql=True) as client:
        result = await client.call_tool("run_read", {"database": "shop", "sql": "SELECT 1"})
        assert refused(result) == "read.overprivileged"
        assert not (await client.call_tool("health", {"database": "shop"})).is_error
        monkeypatch.delenv(ALLOWED)
        for tool in ("health", "top_queries"):
            assert refused(await client.call_tool(tool, {"database": "shop"})) == "read.overprivileged", tool


async def test_a_refusal_tells_no_secret(place: Place) -> None:
    """A password that a command gives reaches no answer and no log."""
    secret = "canary-4711-secret"
    config = place.config.read_text() + '\n[databases.secret]\ndsn = "host=127.0.0.1 port=1 dbname=x"\n'
    config += f'password_command = ["echo", "{secret}"]\n'
    place.config.write_text(config)
    async with place.client() as client:
        result = await client.call_tool("health", {"database": "secret"})
        assert refused(result) == "source.unreachable"
        listed = await client.call_tool("fleet_list")
    assert secret not in json.dumps([result.model_dump(mode="json"), listed.model_dump(mode="json")])
