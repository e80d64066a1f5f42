"""An agent has no hands: read from the program's own text, and tried in a process as agents are served from."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import trimtab
from trimtab.mcp.bounds import Bounds
from trimtab.mcp.desk import Desk
from trimtab.mcp.server import agents_server

PACKAGE = Path(trimtab.__file__).parent / "mcp"
# What changes a source, or decides in a person's place, wherever it lives.
HANDS = {
    *("apply", "apply_approved", "apply_waiting", "revert", "resume", "recover", "lock_plan", "unlock_plan"),
    *("review_locks", "approve", "reject", "signed", "sign", "record", "freeze", "thaw", "accept_anchor"),
    *("release_anchor", "security_baseline", "take_baseline", "install", "Enforcer", "watch", "connect"),
    *("end_backend", "BackendEnforcer", "carry_out", "operating"),
    *("optimize_with_security_preservation", "unlocked_key", "make_locked_key", "migrate", "checkpoint"),
}
MAY_IMPORT_OF_APPLY = {"trimtab.apply.shut", "trimtab.apply.switch"}


def _modules() -> Iterator[tuple[str, ast.Module]]:
    for path in [*PACKAGE.rglob("*.py"), PACKAGE.parent / "cli" / "agents.py", PACKAGE.parent / "api_agents.py"]:
        yield path.name, ast.parse(path.read_text("utf-8"))


def _called(tree: ast.Module) -> Iterator[tuple[str, ast.Call]]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            yield ast.unparse(node.func).rpartition(".")[2], node


def test_nothing_that_serves_agents_calls_what_changes_a_source_or_decides_for_people() -> None:
    found = {(name, called) for name, tree in _modules() for called, _ in _called(tree) if called in HANDS}
    assert found == set()
    written = [
        name for name, tree in _modules() for _, call in _called(tree) if ast.unparse(call).startswith("ledger.app")
    ]
    assert written == []


def test_no_call_of_it_asks_for_applying() -> None:
    for name, tree in _modules():
        asked = [k.arg for _, call in _called(tree) for k in call.keywords if k.arg in ("apply", "acts", "act")]
        assert asked == [], name


def test_of_the_enforcement_points_room_it_imports_nothing_that_acts() -> None:
    imported = {
        node.module
        for _, tree in _modules()
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("trimtab.apply")
    }
    assert imported <= MAY_IMPORT_OF_APPLY


def test_both_kinds_of_process_shut_their_enforcement_point_before_they_read_what_is_asked() -> None:
    for path, function, later in (
        (PACKAGE / "job_process.py", "main", "json.loads"),
        (PACKAGE.parent / "cli" / "agents.py", "serve", "Desk.open"),
    ):
        tree = ast.parse(path.read_text("utf-8"))
        (found,) = (n for n in ast.walk(tree) if isinstance(n, ast.FunctionDef) and n.name == function)
        calls = [ast.unparse(n.func) for n in ast.walk(found) if isinstance(n, ast.Call)]
        lines = {ast.unparse(n.func): n.lineno for n in ast.walk(found) if isinstance(n, ast.Call)}
        assert "shut" in calls
        assert lines["shut"] < lines[later]


def test_no_tool_is_named_as_one_that_acts(tmp_path: Path) -> None:
    config = tmp_path / "trimtab.toml"
    config.write_text(f'[databases.shop]\ndsn = "host=/nowhere dbname=shop"\n[defaults]\nstate = "{tmp_path}"\n')
    desk = Desk.open(config, "mcp", allows_sql=True)
    digest = agents_server(desk).tools_digest
    assert digest == agents_server(desk).tools_digest != agents_server(Desk.open(config, "mcp")).tools_digest
    assert Desk.open(config, "other").bounds == Bounds()
    listed = subprocess.run(
        [sys.executable, "-c", "from trimtab.cli.main import main; main()", "mcp", "--tools", "--config", str(config)],
        capture_output=True,
        check=True,
        text=True,
    ).stdout
    names = [line.split()[0] for line in listed.splitlines()[:-1]]
    assert len(names) >= 21
    assert [name for name in names if any(word in name for word in ("apply", "approve", "revert", "sign"))] == []
