"""Planted secrets come out nowhere: not in a log, the ledger, a report, a JSON document, a page or a message.

One database holds canaries in literals, comments, error texts and settings, and is reached by a DSN with one; the main
commands run, in words and as JSON, every page and operation of the web is asked for and every tool of agents called,
and everything that they wrote is searched.
"""

from __future__ import annotations

import html
import logging
import re
import time
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import anyio
import psycopg
import pytest
from mcp.client import Client
from starlette.testclient import TestClient

from trimtab.api_history import open_history
from trimtab.cli.backends import operators_of
from trimtab.cli.collecting import history_of
from trimtab.config import load_config
from trimtab.mcp.desk import Desk
from trimtab.mcp.server import agents_server
from trimtab.web.api_v1 import BASE, OPERATIONS
from trimtab.web.app import web_app
from trimtab.web.rendering import link
from trimtab.web.site import SiteOptions

from .market import SPECIFICATION, Market
from .program import Program

pytestmark = [pytest.mark.server, pytest.mark.slow]

# What may come out nowhere at all.
SECRETS = {
    "literal": "Canary-literal-4b1f",
    "number": "918273645546372",
    "comment in a statement": "Canary-comment-9c2e",
    "comment on a table": "Canary-remark-77aa",
    "password": "Canary-password-5d0c",
    "error": "Canary-error-e81b",
    "default": "Canary-default-31f7",
    "setting": "Canary-setting-60d4",
}
# A name is part of the statements of a change, so it is told: shown, and never obeyed by a terminal.
NAME = 'wäre"or\x1b[2J\x07ders\u202e\n'
QUOTED = '"' + NAME.replace('"', '""') + '"'
_MOST_PAGES = 80
_LINK = re.compile(r"""(?:href|src|action)="(/[^"]*)\"""")
OBEYED = ("\x1b", "\x07", "\u202e", "\u2066", "\x9b")


@dataclass
class Heard:
    """All that programs wrote on stdout and stderr."""

    program: Program
    texts: dict[str, str] = field(default_factory=dict)

    def run(self, *arguments: str | Path, code: int = 0, environ: dict[str, str] | None = None) -> None:
        """Run it in words and as JSON; it must end so."""
        for more in ((), ("--json",)):
            ended = self.program.run(*arguments, *more, environ=environ)
            told = " ".join(str(each) for each in arguments[:3]) + " ".join(more)
            assert "Traceback" not in ended.stderr, told
            assert ended.code == code, (told, ended.stderr)
            self.texts[f"{len(self.texts)} {told}"] = ended.stdout + ended.stderr


@pytest.fixture
def planted(market: Market) -> Market:
    secrets = SECRETS
    market.execute(
        f"COMMENT ON TABLE orders IS '{secrets['comment on a table']}'",
        f"ALTER TABLE orders ADD COLUMN secret text DEFAULT '{secrets['default']}'",
        "ALTER TABLE orders ALTER COLUMN secret SET STATISTICS 0",
        "CREATE FUNCTION boom(int) RETURNS int LANGUAGE plpgsql STABLE AS $$ BEGIN"
        f" RAISE EXCEPTION '{secrets['error']}' USING DETAIL = '{secrets['error']}', HINT = 'see {secrets['error']}';"
        " END $$",
        f"ALTER DATABASE \"{market.database}\" SET app.token = '{secrets['setting']}'",
        f"CREATE TABLE {QUOTED} (id int PRIMARY KEY, customer_id int, city text)",
        f"INSERT INTO {QUOTED} SELECT n, n % 500, 'c' || n % 9 FROM generate_series(1, 20000) n",
        f"COMMENT ON TABLE {QUOTED} IS '{secrets['comment on a table']} \x1b[31m'",
        f"ANALYZE {QUOTED}",
    )
    return market


@pytest.fixture
def workload(tmp_path: Path) -> Path:
    comment = SECRETS["comment in a statement"]
    texts = (
        f"SELECT id /* {comment} */ FROM orders WHERE customer_id = 1234 AND note <> '{SECRETS['literal']}'",
        f"SELECT id FROM customer WHERE email = '{SECRETS['literal']}' -- {comment}",
        f"SELECT id FROM orders WHERE id = {SECRETS['number']} + 0 * customer_id",
        f"SELECT city FROM {QUOTED} WHERE customer_id = 17",
        f"SELECT boom(1), '{SECRETS['literal']}'",
        f"SELECT nothing_there FROM orders WHERE note = '{SECRETS['literal']}'",
        f"SELEKT '{SECRETS['literal']}'",
        f"UPDATE stock SET amount = amount - 1 WHERE sku = 77 AND '{SECRETS['literal']}' <> ''",
        f"SELECT 1 / (id - id) FROM orders WHERE note = E'{SECRETS['literal']}'",
        f"SELECT '{SECRETS['literal']}'::int FROM orders LIMIT 1",
    )
    path = tmp_path / "given" / "current.sql"
    path.parent.mkdir()
    path.write_text(";\n".join(texts) + ";\n", "utf-8")
    return path


def _written(program: Program, tmp_path: Path) -> Iterator[tuple[str, bytes]]:
    """Everything that lies on the disk now, but for what the test gave."""
    for root in (tmp_path, program.run_directory):
        for path in root.rglob("*"):
            if path.is_file() and path.parent.name != "given":
                yield str(path.relative_to(root)), path.read_bytes()


def test_a_planted_secret_comes_out_nowhere_and_no_name_moves_a_terminal(
    program: Program, planted: Market, workload: Path, tmp_path: Path
) -> None:
    specification = tmp_path / "given" / "quick.yaml"
    specification.write_text(SPECIFICATION, "utf-8")
    dsn = f"{planted.dsn} password={SECRETS['password']}"
    given = ("--workload", workload, "--spec", specification)
    heard = Heard(program)

    heard.run("optimize", dsn, *given, "--propose")
    heard.run("optimize", dsn, *given, "--apply")
    heard.run("indexes", dsn, *given, "--no-trial", "--seconds", "0")
    heard.run("status")
    heard.run("history")
    heard.run("approvals")
    for kind in ("run_started", "strategy_proposed"):
        subject = next(e for e in program.entries() if e.kind.value == kind)
        heard.run("show", str(subject.body.get("strategy_id") or subject.run_id))
    waiting = next(e for e in program.entries() if e.kind.value == "approval_requested")
    heard.run("approvals", waiting.text("strategy_id"))
    heard.run("reject", waiting.text("strategy_id"), "--reason", "not now")
    heard.run("anchor", "create", dsn, "--workload", workload, "--runs", "1")
    heard.run("anchor", "list")
    heard.run("anchor", "show", "latest")
    heard.run("anchor", "explain", "latest", dsn)
    heard.run("watch", dsn, "--once")
    heard.run("watch", "--status", code=9)
    heard.run("security", "baseline", dsn)
    heard.run("security", "check", dsn)
    heard.run("twin", "check", dsn, "--workload", workload)
    heard.run("ledger", "verify")
    heard.run("report", "--out", "report.html", "--force")
    for form in ("md", "yaml", "json"):
        heard.run("report", "--format", form, "--out", f"report.{form}", "--force")
    program.succeed("ledger", "export", "--out", tmp_path / "exported.json")
    heard.run("freeze", "--reason", f"see postgresql://ann:{SECRETS['password']}@db/shop", code=2)
    heard.run("revert", "--all", dsn)
    heard.run("resume", dsn)
    # What cannot be used is told without the secret, too.
    heard.run("optimize", f"postgresql://ann:{SECRETS['password']}@nowhere.invalid:1/shop", code=3)
    heard.run("optimize", f"postgresql://ann:{SECRETS['password']}@@host/shop", code=2)
    heard.run("optimize", f"host=/nowhere password='{SECRETS['password']}' bogus=1", code=2)
    heard.run("optimize", planted.dsn, environ={"PGPASSWORD": SECRETS["password"], "PGOPTIONS": "-c nothing=1"})

    assert any("orders" in text for text in heard.texts.values())
    _assert_nowhere(heard, tmp_path)
    moved = {told for told, text in heard.texts.items() if any(character in text for character in OBEYED)}
    assert moved == set()
    assert any(r"\x1b[2J" in text for text in heard.texts.values()), "the name itself is told"


def _assert_nowhere(heard: Heard, tmp_path: Path) -> None:
    for what, secret in SECRETS.items():
        assert [told for told, text in heard.texts.items() if secret in text] == [], what
        found = [name for name, held in _written(heard.program, tmp_path) if secret.encode() in held]
        assert found == [], what


def test_what_collects_and_what_watches_sessions_tells_no_secret(
    program: Program, planted: Market, tmp_path: Path
) -> None:
    """Statements, and a session that is open on one, hold canaries: the history, the screens and their JSON do not."""
    configuration = program.directory / "trimtab.toml"
    configuration.write_text(f'[databases.market]\ndsn = "{planted.dsn}"\n', "utf-8")
    told = f"SELECT email /* {SECRETS['comment in a statement']} */ FROM customer WHERE email = '{SECRETS['literal']}'"
    heard = Heard(program)
    with closing(psycopg.connect(planted.dsn)) as session:
        running = program.start("collect", "--for", "3", "--interval", "500ms", "--pulse", "200ms", "--json")
        while running.is_running():
            session.execute(f"{told} OR id = {SECRETS['number']}".encode())
            time.sleep(0.02)
        ended = running.wait()
        assert ended.code == 0, ended.stderr
        heard.texts["collect"] = ended.stdout + ended.stderr
        heard.run("monitor", "--databases", "market", "--once")
    with open_history(program.ledger_path) as history:
        [query] = history.top_queries("market", history.last(60), search="from customer where email").queries
    assert query.calls > 0
    heard.texts["query"] = query.text
    assert program.ledger_path.with_name("history.db").exists()
    _assert_nowhere(heard, tmp_path)


def test_neither_pages_nor_their_json_nor_the_tools_of_agents_tell_a_secret(
    program: Program,
    planted: Market,
    roles: None,
    workload: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
    caplog: pytest.LogCaptureFixture,
) -> None:
    for name in ("TRIMTAB_CACHE", "TRIMTAB_RUN_DIR", "TRIMTAB_STATE", "TMPDIR", "HOME"):
        monkeypatch.setenv(name, program.environ[name])
    for logger in ("trimtab", "mcp", "uvicorn", "asyncio"):
        caplog.set_level(logging.DEBUG, logger)
    (tmp_path / "given" / "quick.yaml").write_text(SPECIFICATION, "utf-8")
    config = tmp_path / "given" / "trimtab.toml"
    config.write_text(
        f'[databases.market]\ndsn = "{planted.dsn_of("trimtab_explain")}"\n'
        f'password_command = ["echo", "{SECRETS["password"]}"]\n'
        f'[databases.gone]\ndsn = "host=/nowhere dbname=gone"\npassword_command = ["echo", "{SECRETS["password"]}"]\n'
        f'[workloads]\ncurrent = "{workload}"\n[defaults]\nspec = "{tmp_path / "given" / "quick.yaml"}"\n',
        "utf-8",
    )
    heard = Heard(program)
    told = f"SELECT email /* {SECRETS['comment in a statement']} */ FROM customer WHERE email = '{SECRETS['literal']}'"
    with closing(psycopg.connect(planted.dsn)) as session:
        running = program.start("collect", "--config", config, "--for", "2", "--interval", "500ms", "--pulse", "200ms")
        while running.is_running():
            session.execute(f"{told} OR id = {SECRETS['number']}".encode())
            time.sleep(0.02)
        assert running.wait().code == 0
        program.succeed("security", "baseline", "--database", "market", "--config", config)
        anyio.run(_call_every_tool, config, heard)
        _look_at_every_page(config, heard)
    heard.texts["output"], heard.texts["log"] = "".join(capfd.readouterr()), caplog.text
    _assert_nowhere(heard, tmp_path)


async def _call_every_tool(config: Path, heard: Heard) -> None:
    async def call(tool: str, **arguments: object) -> dict[str, Any]:
        answer = await client.call_tool(tool, arguments)
        heard.texts[f"{tool} {arguments}"] = answer.model_dump_json()
        called.add(tool)
        return answer.structured_content or {}

    market: dict[str, Any] = {"database": "market"}
    index = {"kind": "create_index", "table": "orders", "keys": [{"column": "customer_id"}]}
    named = {"kind": "create_index", "table": NAME, "keys": [{"column": "customer_id"}]}
    setting = {"kind": "set_setting", "name": "app.token", "value": "1"}
    called: set[str] = set()
    async with Client(agents_server(Desk.open(config, "mcp", allows_sql=True)).server) as client:
        await call("anchor_performance", **market)
        assert (await call("change_propose", **market, workload="current", changes=[index]))["is_waiting"]
        await call("optimize_queries", database="gone", workload="current")
        await call("index_advise", **market, workload="current")
        await call("index_advise", **market, kept=True)
        await call("optimize_indexes", **market, workload="none")
        for tool in ("fleet_list", "monitor_optimization", "monitor_db_optimization", "get_spec", "ledger_verify"):
            await call(tool)
        for tool in ("init_db_optimization", "generate_optimization_report", "report_build", "change_status"):
            await call(tool)
        for tool in ("health", "anchors_check", "security_diff"):
            await call(tool, **market)
            await call(tool, database="gone")
        for tool in ("validate_optimization_strategy", "validate_index_strategy_compliance"):
            await call(tool, **market, changes=[named])
        await call("validate_query_plan_compliance", **market, changes=[setting])
        waiting = (await call("change_status"))["changes"]
        await call("change_status", change_id=waiting[0]["strategy_id"])
        for more in ({}, {"window_seconds": 3600}):
            found = await call("top_queries", **market, limit=100, **more)
            assert any("customer" in each["text"] for each in found["queries"])
            for each in found["queries"]:
                await call("query_detail", **market, query_id=each["query_id"])
                await call("plan_compare", **market, query_id=each["query_id"])
        assert (await call("run_read", **market, sql="SELECT customer_id FROM public.orders LIMIT 1"))["rows"]
        for sql in ("SELECT public.boom(1)", "SELECT 1 + email FROM public.customer", f"SELEKT '{SECRETS['error']}'"):
            assert not await call("run_read", **market, sql=sql)
        tools = await client.list_tools()
        assert {tool.name for tool in tools.tools} == called
        for each in (tools, await client.list_resources(), await client.list_resource_templates()):
            heard.texts[type(each).__name__] = each.model_dump_json()
        for kind in ("change", "evidence"):
            held = await client.read_resource(f"{kind}://{waiting[0]['strategy_id']}")
            heard.texts[f"{kind} {waiting[0]['strategy_id']}"] = held.model_dump_json()


def _look_at_every_page(config: Path, heard: Heard) -> None:
    """Follow every link from the first page on, and ask for every operation of the JSON API."""
    loaded = load_config(config)
    options = SiteOptions(
        ledger_path=heard.program.ledger_path,
        open_history=lambda: history_of(loaded),
        hosts=frozenset({"127.0.0.1"}),
        key_path=lambda name: config.with_name(f"{name}.pem"),
        specification=loaded.defaults.spec,
        operators=operators_of(loaded),
    )
    with TestClient(web_app(options), base_url="http://127.0.0.1:8321", follow_redirects=True) as client:

        def look(address: str) -> str:
            answer = client.get(address)
            assert answer.status_code != 500, (address, answer.text)
            heard.texts[address] = answer.text
            return answer.text

        waiting, seen = ["/", "/activity?server=market", "/activity?server=gone", "/metrics", "/healthz"], set[str]()
        while waiting and len(seen) < _MOST_PAGES:
            address = waiting.pop(0)
            if address not in seen:
                seen.add(address)
                links = map(html.unescape, _LINK.findall(look(address)))
                waiting += [each.partition("#")[0] for each in links if not each.startswith("/static/")]
        assert {"/changes", "/anchors", "/ledger"} <= {each.partition("?")[0] for each in seen}
        known = seen.union(waiting)
        given: dict[str, list[str]] = {
            "server": ["market", "gone"], "metric": ["calls_per_second"], "name": ["MARKET"], "seq": ["1", "2", "3"],
            "before": ["DATABASE_OPTIMIZATION_SPEC_V4"], "after": ["DB_GOVERNANCE_SPEC_V2"],
        }  # fmt: skip
        for name, pattern in (("query", r"query=(q[0-9a-f]{10})"), ("strategy_id", r"/changes/(s-[0-9a-f]{10})")):
            given[name] = sorted({found for each in known for found in re.findall(pattern, each)})
        given["anchor_id"] = sorted({found for each in known for found in re.findall(r"/anchors/([^/?]+)", each)})
        for operation in OPERATIONS:
            needed = [parameter for parameter in operation.parameters if parameter.is_needed]
            for number in range(max([1, *(len(given[parameter.name]) for parameter in needed)])):
                path, query = operation.path, {}
                for parameter in needed:
                    value = given[parameter.name][number % len(given[parameter.name])]
                    if parameter.is_in_path:
                        path = path.replace(f"{{{parameter.name}}}", value)
                    else:
                        query[parameter.name] = value
                look(link(BASE + path, **query))
