"""How long an agent waits for a reading tool: every one of them, by a real client over stdio, both eras in turn.

The shop of the demo, 600 statements in pg_stat_statements, 3,000 entries in the ledger, an anchor and a security
baseline. What is long by nature (it builds and measures) is named, and not called. A call that is not answered within
half a minute ends the measurement with its tool's name. Beside what was waited stands what was worked: the processor's
time of Trimtab and of the database's server, which others on the machine change little. The goal: a 95 % quantile of
250 ms.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import closing
from pathlib import Path
from typing import Any, TextIO

import anyio
from mcp import StdioServerParameters
from mcp.client import Client
from mcp.client.stdio import stdio_client

from bench import results_file
from trimtab import api
from trimtab.db.connection import connect
from trimtab.demo.shop import DATABASE, open_shop
from trimtab.embedded.binaries import Binaries
from trimtab.ledger.entry import Kind
from trimtab.ledger.ledger import Ledger
from trimtab.model.watch import Silent

STATEMENTS, ENTRIES, CALLS, GOAL_MS, SCALE = 600, 3_000, 30, 250.0, 0.05
ERAS = ("legacy", "auto")
LONG = (
    "optimize_queries",
    "optimize_indexes",
    "index_advise",
    "anchor_performance",
    "change_propose",
    "generate_optimization_report",
    "report_build",
)
_WAITED = ("", "")
"""Under which name the slow-down by others is kept: time over processor time of a fixed piece of work, in between."""
_LONGEST_SECONDS, _PACE_SECONDS, _LEAST_PAUSE_SECONDS = 30.0, 0.05, 0.01
"""How long an answer is waited for; how far apart calls begin, within what a server answers a second; and after an
answer, until the session that it asked has ended.
"""
_ENTRY = "from trimtab.cli.main import main; main()"


def measure(calls: int = CALLS) -> None:
    """Make the shop, call each tool so often in each era, print and write what they took."""
    with (
        tempfile.TemporaryDirectory(prefix="bench-agents-") as place,
        open_shop(Binaries.find(), seed=1, scale=SCALE, watcher=Silent()) as server,
    ):
        dsn = server.dsn(DATABASE)
        table, column = _fill(dsn, Path(place))
        config = Path(place) / "trimtab.toml"
        reader = server.dsn(DATABASE, user="trimtab_explain")
        config.write_text(f'[databases.shop]\ndsn = "{reader}"\n[defaults]\nstate = "{place}"\n')
        change = {"kind": "create_index", "table": table, "keys": [{"column": column}]}
        with open(os.devnull, "w", encoding="utf-8") as silence:
            took, worked = anyio.run(_call_all, config, change, calls, _postmaster(dsn), silence)
    slowed = statistics.median(took.pop(_WAITED))
    rows = [
        {**_row(name, era, times), "worked_ms": round(1000 * worked[name, era] / len(times), 1)}
        for (name, era), times in sorted(took.items())
    ]
    everything = [ms for times in took.values() for ms in times]
    p95 = _quantile(everything, 0.95)
    for row in rows:
        print(
            f"{row['tool']:<36} {row['era']:<7} p50 {row['p50_ms']:>6.1f}  p95 {row['p95_ms']:>6.1f} ms,"
            f" worked {row['worked_ms']:>5.1f} ms"
        )
    worst = max(float(str(row["p95_ms"])) for row in rows)
    print(f"all reading tools: p95 {p95:.1f} ms, the slowest tool's p95 {worst:.1f} ms; goal {GOAL_MS:.0f} ms")
    print(f"what else ran here made a fixed piece of work take {slowed:.2f} times as long")
    print(f"long by nature, not called: {', '.join(LONG)}")
    path = results_file.write(
        "faces_mcp",
        {
            "statements": STATEMENTS,
            "entries": ENTRIES,
            "calls": calls,
            "goal_ms": GOAL_MS,
            "slowed_by_others": round(slowed, 2),
            "p95_ms": round(p95, 1),
            "slowest_tool_p95_ms": worst,
            "reached": worst <= GOAL_MS,
            "tools": rows,
            "long": list(LONG),
        },
    )
    print(f"wrote {path.name}")


def _fill(dsn: str, place: Path) -> tuple[str, str]:
    """Make statements, entries, a baseline and an anchor; return a table and a column of it."""
    ledger_path = place / "ledger.db"
    with closing(connect(dsn, read_only=False)) as owner:
        rows = owner.execute(
            "select c.relname, a.attname from pg_catalog.pg_class c"
            " join pg_catalog.pg_attribute a on a.attrelid = c.oid"
            " where c.relkind = 'r' and c.relnamespace = 'public'::regnamespace and a.attnum = 2"
            " and a.atttypid = 23 order by c.relpages desc limit 1"
        ).fetchall()
        table, column = (str(each) for each in rows[0])
        for number in range(STATEMENTS):
            owner.execute(f'SELECT count(*) AS c{number} FROM public."{table}" WHERE "{column}" = {number}'.encode())
    with Ledger.open(ledger_path) as ledger:
        for number in range(ENTRIES):
            strategy_id = f"s-{number:010x}"
            ledger.append(
                Kind.STRATEGY_SETTLED,
                {"strategy_id": strategy_id, "outcome": "rejected", "note": "no gain"},
                run_id="r-0",
            )
    api.security_baseline(dsn, ledger_path=ledger_path)
    api.create_anchor(dsn, keeps_statistics=False, ledger_path=ledger_path)
    return table, column


async def _call_all(
    config: Path, change: Mapping[str, object], calls: int, postmaster: int, silence: TextIO
) -> tuple[dict[tuple[str, str], list[float]], dict[tuple[str, str], float]]:
    """Return how long each call took, in ms, and how many seconds of the processor all calls of a tool, by era."""
    took: dict[tuple[str, str], list[float]] = {_WAITED: []}
    worked: dict[tuple[str, str], float] = {}
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    for number in range(2):
        for era in ERAS if number == 0 else ERAS[::-1]:
            parameters = StdioServerParameters(
                command=sys.executable, args=["-c", _ENTRY, "mcp", "--config", str(config)], env=environment
            )
            began = time.monotonic()
            async with Client(stdio_client(parameters, errlog=silence), mode=era) as client:
                await client.list_tools()
                top = await client.call_tool("top_queries", {"database": "shop"})
                query_id = _structured(top)["queries"][0]["query_id"]
                pids = (_server_of_agents(), postmaster)
                for _ in range(-(-calls // 2)):
                    wall_ms, cpu_ms = _own_work()
                    took[_WAITED].append(wall_ms / cpu_ms)
                    for name, arguments in _calls(query_id, change):
                        before, key = sum(map(_worked, pids)), (name, era)
                        seconds = await _called(client, name, arguments)
                        took.setdefault(key, []).append(seconds * 1000)
                        await anyio.sleep(max(_LEAST_PAUSE_SECONDS, _PACE_SECONDS - seconds))
                        worked[key] = worked.get(key, 0.0) + sum(map(_worked, pids)) - before
            print(f"half of the calls of {era}: {time.monotonic() - began:.0f} s", flush=True)
    return took, worked


async def _called(client: Client, name: str, arguments: dict[str, Any]) -> float:
    """Call a tool; return how many seconds its answer took."""
    started = time.monotonic()
    with anyio.move_on_after(_LONGEST_SECONDS) as waiting:
        result = await client.call_tool(name, arguments)
    if waiting.cancelled_caught:
        raise SystemExit(f"{name} did not answer within {_LONGEST_SECONDS:.0f} s")
    if result.is_error:
        raise SystemExit(f"{name} was refused: {result.content}")
    return time.monotonic() - started


def _calls(query_id: str, change: Mapping[str, object]) -> Iterator[tuple[str, dict[str, Any]]]:
    shop = {"database": "shop"}
    for name in ("fleet_list", "monitor_optimization", "monitor_db_optimization", "init_db_optimization", "get_spec"):
        yield name, {}
    for name in ("health", "top_queries", "security_diff", "anchors_check"):
        yield name, dict(shop)
    for name in ("query_detail", "plan_compare"):
        yield name, {**shop, "query_id": query_id}
    for name in ("validate_optimization_strategy", "validate_index_strategy_compliance"):
        yield name, {**shop, "changes": [change]}
    setting = {"kind": "set_setting", "name": "work_mem", "value": "64MB"}
    yield "validate_query_plan_compliance", {**shop, "changes": [setting]}
    yield "ledger_verify", {}
    yield "change_status", {}


def _row(name: str, era: str, times: list[float]) -> dict[str, object]:
    return {
        "tool": name,
        "era": era,
        "calls": len(times),
        "p50_ms": round(statistics.median(times), 1),
        "p95_ms": round(_quantile(times, 0.95), 1),
        "max_ms": round(max(times), 1),
    }


def _postmaster(dsn: str) -> int:
    with closing(connect(dsn, read_only=True)) as session:
        return _stat(session.info.backend_pid)[0]


def _server_of_agents() -> int:
    """Return the process that the client has started."""
    [found] = [
        int(path.name)
        for path in Path("/proc").glob("[0-9]*")
        if b"\0mcp\0" in _command(path) and _stat(int(path.name))[0] == os.getpid()
    ]
    return found


def _command(path: Path) -> bytes:
    try:
        return (path / "cmdline").read_bytes()
    except OSError:  # it has ended
        return b""


def _stat(pid: int) -> tuple[int, float]:
    """Return a process's parent, and the seconds that it and its children that have ended had of the processor."""
    fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return int(fields[1]), sum(map(int, fields[11:15])) / os.sysconf("SC_CLK_TCK")


def _worked(pid: int) -> float:
    return _stat(pid)[1]


def _own_work() -> tuple[float, float]:
    """Do a fixed piece of work; return how long it took, and how much of a processor, in ms."""
    wall, cpu = time.monotonic(), time.process_time()
    for _ in range(20):
        hashlib.sha256(bytes(1_000_000)).digest()
    return (time.monotonic() - wall) * 1000, (time.process_time() - cpu) * 1000


def _quantile(values: list[float], share: float) -> float:
    return sorted(values)[min(len(values) - 1, int(share * len(values)))]


def _structured(result: Any) -> dict[str, Any]:
    found = result.structured_content
    assert isinstance(found, dict), json.dumps(str(result))
    return found


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--calls", type=int, default=CALLS, help="of each tool in each era")
    measure(parser.parse_args().calls)
