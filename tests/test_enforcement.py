"""The promise "nothing changes a source but apply/", read from the program's own text: who can write, and who does."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import typer.main

import trimtab
from trimtab.cli.app import app

ROOT = Path(trimtab.__file__).parent

# Where a session is opened that may write to a source: handed to the enforcement point, in a run with --apply, and for
# `resume` and `revert`. And where one is opened on what is nobody's source: a lab, the demo's, or where we keep things.
SOURCE_SESSIONS = {("lifecycle/loop.py", "_enforcer"), ("lifecycle/recover.py", "recovering")}
OTHER_SESSIONS = {"trial/lab.py", "demo/shop.py", "ledger/postgres.py", "history/postgres.py"}
_GUARDED = ("psycopg", "trimtab.db.connection")
_DRIVERS = ("psycopg2", "psycopg_", "asyncpg", "pg8000", "pgdb", "sqlalchemy.create_", "sqlalchemy.engine")
# What else there is: an engine for files of SQLite, one that is handed connections of `db/connection.py`, and
# two that say of what class such a connection is.
KNOWN_DOORS = {
    "sqlite_file.py": {"sqlalchemy.create_engine"},
    "db/schema_engine.py": {"sqlalchemy.create_engine", "psycopg.Connection"},
    "history/postgres.py": {"psycopg.Connection"},
    "ledger/postgres.py": {"psycopg.Connection"},
}
# Of the driver: what connects, and the classes that do. Of ours: the class's own way past `connect`.
_OPENS = re.compile(
    r"^psycopg\.(?!pq\.abc\.)(.*\.)?(connect|connect_\w+|\*|Connection|AsyncConnection|BaseConnection|PGconn)(\.|$)"
    r"|^trimtab\.db\.connection\.\w+\.connect$"
)
# Rooms that start servers of their own and write to those.
OWN_SERVERS = ("demo/", "trial/", "twin/")


@cache
def _modules() -> dict[str, ast.Module]:
    return {path.relative_to(ROOT).as_posix(): ast.parse(path.read_text("utf-8")) for path in ROOT.rglob("*.py")}


@cache
def _calls(tree: ast.AST) -> tuple[tuple[str, ast.Call], ...]:
    """Return every call with the name of the function that it stands in."""
    return tuple(_calls_in(tree, ""))


def _calls_in(tree: ast.AST, function: str) -> Iterator[tuple[str, ast.Call]]:
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.Call):
            yield function, node
        inside = node.name if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) else function
        yield from _calls_in(node, inside)


@cache
def _name(call: ast.Call) -> str:
    return ast.unparse(call.func)


def _imported(tree: ast.AST) -> dict[str, str]:
    """Return what each imported name means, as its whole name: whatever it is called in this module."""
    found: dict[str, str] = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom):
            assert node.level == 0, "what is imported is named in full"
            found |= {alias.asname or alias.name: f"{node.module}.{alias.name}" for alias in node.names}
        elif isinstance(node, ast.Import):
            found |= {
                alias.asname or (root := alias.name.split(".")[0]): alias.name if alias.asname else root
                for alias in node.names
            }
    return found


def _meant(node: ast.AST, imported: dict[str, str]) -> str:
    """Return the whole name of what a name or an attribute of one stands for, "" for what is neither."""
    if isinstance(node, ast.Name):
        return imported.get(node.id, node.id)
    of = _meant(node.value, imported) if isinstance(node, ast.Attribute) else ""
    return f"{of}.{node.attr}" if isinstance(node, ast.Attribute) and of else ""


def _doors(tree: ast.AST) -> set[str]:
    """Return what could open a connection of all that the module imports or speaks of, called there or not."""
    imported = _imported(tree)
    named = [_meant(node, imported) for node in ast.walk(tree) if isinstance(node, (ast.Attribute, ast.Name))]
    # Under a computed name a module or class could give any of its doors.
    asked = [call.args[0] for _, call in _calls(tree) if _meant(call.func, imported) == "getattr" and call.args]
    computed = [f"{name}.*" for name in (_meant(node, imported) for node in asked) if name.startswith(_GUARDED)]
    return {
        name
        for name in (*imported.values(), *named, *computed)
        if name in computed
        or name.startswith(_DRIVERS)
        or (name.split(".")[0] in ("psycopg", "trimtab") and _OPENS.search(name))
    }


def _may_write(call: ast.Call) -> bool:
    """A session may write unless `read_only=True` stands there in so many words."""
    given = {keyword.arg: keyword.value for keyword in call.keywords}.get("read_only")
    return not (isinstance(given, ast.Constant) and given.value is True)


def _is_own_server(call: ast.Call) -> bool:
    first = call.args[0] if call.args else None
    return isinstance(first, ast.Call) and _name(first).endswith("server.dsn")


def test_only_the_enforcement_point_is_given_a_session_that_may_write_to_a_source() -> None:
    found = set()
    for path, tree in _modules().items():
        imported = _imported(tree)
        for function, call in _calls(tree):
            if _meant(call.func, imported) != "trimtab.db.connection.connect" or not _may_write(call):
                continue
            if not (path.startswith(OWN_SERVERS) and _is_own_server(call)):
                found.add((path, function))
    assert {each for each in found if each[0] not in OTHER_SESSIONS} == SOURCE_SESSIONS


def _passed_on(tree: ast.Module) -> list[int]:
    """Return the lines where our own `connect` is not called but given another name, or handed to somebody."""
    imported, called = _imported(tree), {id(call.func) for _, call in _calls(tree)}
    names = (node for node in ast.walk(tree) if isinstance(node, ast.Name | ast.Attribute) and id(node) not in called)
    return [node.lineno for node in names if _meant(node, imported) == "trimtab.db.connection.connect"]


@pytest.mark.parametrize(
    "text",
    [
        "from trimtab.db.connection import connect as c\nopens = c",
        "from functools import partial\nfrom trimtab.db.connection import connect\no = partial(connect, read_only=0)",
        "import trimtab.db.connection\nopens = [trimtab.db.connection.connect]",
    ],
)
def test_another_name_for_our_own_door_is_found(text: str) -> None:
    assert _passed_on(ast.parse(text))


def test_our_own_door_is_called_and_never_passed_on() -> None:
    assert {path: lines for path, tree in _modules().items() if (lines := _passed_on(tree))} == {}


# Our servers' programs, a browser, a command for a secret, and our own program again.
STARTERS = {"report/chromium.py", "cli/secret_command.py", "lifecycle/watch_proofs.py", "mcp/job.py"}
_STARTS = ("subprocess", "pty", "os.system", "os.popen", "os.exec", "os.spawn", "os.posix_spawn", "asyncio.create_sub")


def test_only_what_is_known_starts_other_programs() -> None:
    found = set()
    for path, tree in _modules().items():
        imported = _imported(tree)
        named = {_meant(node, imported) for node in ast.walk(tree) if isinstance(node, ast.Name | ast.Attribute)}
        found |= {path for name in (*imported.values(), *named) if name.startswith(_STARTS)}
    assert {path for path in found if not path.startswith("embedded/")} == STARTERS


# What writes by a text of its own: the enforcement point, stores of our own, and what prepares servers of our own.
WRITERS = {"apply/execute.py", "ledger/postgres.py", "lifecycle/watch_file.py", "lifecycle/watch_store.py"} | {
    "db/casts.py",
    "db/confined.py",
    "db/operator_classes.py",
}
_WRITES = re.compile(
    r"\s*(/\*.*?\*/\s*)?(insert|update|delete|merge|drop|alter|create|truncate|grant|revoke|copy|vacuum|analyze|reindex"
    r"|cluster|refresh|do|call|reassign|comment|security|import|lock|begin|start|commit|reset)\b",
    re.IGNORECASE | re.DOTALL,
)
_UNLOCKS = re.compile(r"transaction_read_only|read\s+write", re.IGNORECASE)
# What sets it on, or reads how it is; the lab's is of our own server.
UNLOCKERS = {"db/connection.py", "db/read_only.py", "trial/lab.py", "trial/suitability.py", "twin/twin.py"} | {
    "anchor/state.py",
    "security/sections.py",
    "security/setting_rules.py",
    "security/catalogue.py",
    "setup_sql.py",
}


def _texts(tree: ast.AST) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str | bytes):
            yield node.value if isinstance(node.value, str) else node.value.decode("utf-8", "replace")


def test_what_writes_is_written_in_known_places_alone_and_so_is_what_would_let_a_session_write() -> None:
    writers, unlockers = set(), set()
    for path, tree in _modules().items():
        sent = [call.args[0] for _, call in _calls(tree) if _name(call).endswith((".execute", ".executemany"))]
        writers |= {path for argument in sent for text in _texts(argument) if _WRITES.match(text)}
        unlockers |= {path for text in _texts(tree) if _UNLOCKS.search(text)}
    assert {path for path in writers if not path.startswith(OWN_SERVERS)} == WRITERS
    assert unlockers == UNLOCKERS


def test_nobody_opens_a_connection_past_the_door() -> None:
    found = {path: doors for path, tree in _modules().items() if (doors := _doors(tree))}
    assert found.pop("db/connection.py")
    assert {path: doors for path, doors in found.items() if not path.startswith("demo/")} == KNOWN_DOORS


@pytest.mark.parametrize(
    "text",
    [
        "import psycopg\npsycopg.connect()",
        "import psycopg as p\np.connect()",
        "from psycopg import connect as c\nc()",
        "import psycopg\nopens = psycopg.connect",
        "from psycopg import Connection as C\nC.connect()",
        "import psycopg\nclass Mine(psycopg.Connection): ...",
        "from psycopg.connection_async import AsyncConnection",
        "def late():\n    from psycopg import generators as g\n    g.connect('')",
        "from psycopg.pq import PGconn as Raw",
        "from psycopg import pq\npq.PGconn.connect_start(b'')",
        "from psycopg import *",
        "import psycopg\no = getattr(psycopg, 'con' + 'nect')",
        "from trimtab.db import connection as m\no = getattr(m, 'connect')",
        "import psycopg2",
        "from psycopg_pool import ConnectionPool",
        "import asyncpg as a",
        "from trimtab.db.connection import Connection as C\nC.connect()",
    ],
)
def test_a_door_is_known_by_what_it_is_and_not_by_its_name(text: str) -> None:
    assert _doors(ast.parse(text))


def test_what_opens_nothing_is_no_door() -> None:
    text = "import psycopg\nfrom psycopg import pq\nfrom trimtab.db.connection import Connection, connect\nconnect('')"
    assert _doors(ast.parse(text)) == set()


def test_modules_are_imported_by_a_computed_name_in_two_places_alone() -> None:
    computed = {"importlib.import_module", "__import__", "builtins.__import__", "eval", "exec"}
    found = set()
    for path, tree in _modules().items():
        imported = _imported(tree)
        found |= {path for node in ast.walk(tree) if _meant(node, imported) in computed}
    assert found == {"propose/anneal.py", "mcp/server.py"}


def test_the_sql_of_a_change_is_executed_on_a_source_in_one_module() -> None:
    found = set()
    for path, tree in _modules().items():
        for _, call in _calls(tree):
            if not _name(call).endswith((".execute", ".executemany")):
                continue
            arguments = [node for argument in call.args for node in ast.walk(argument)]
            if any(isinstance(node, ast.Attribute) and node.attr == "sql" for node in arguments):
                found.add(path)
    assert {path for path in found if not path.startswith(("trial/", "twin/"))} == {"apply/execute.py"}


def test_only_the_lifecycle_makes_an_enforcer_and_only_apply_executes() -> None:
    makers: dict[str, set[str]] = {"Enforcer": set(), "Execution": set()}
    for path, tree in _modules().items():
        of_apply = {
            alias.name
            for node in ast.walk(tree)
            if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("trimtab.apply")
            for alias in node.names
        }
        for _, call in _calls(tree):
            if _name(call) in of_apply & makers.keys():
                makers[_name(call)].add(path)
    assert makers["Enforcer"] == {"lifecycle/loop.py", "lifecycle/recover.py"}
    assert makers["Execution"] == {"apply/enforce.py", "apply/reconcile.py"}


def test_whoever_opens_the_enforcement_point_refuses_an_overprivileged_role() -> None:
    for path, opens in SOURCE_SESSIONS:
        (function,) = (n for n in ast.walk(_modules()[path]) if isinstance(n, ast.FunctionDef) and n.name == opens)
        called = [_name(call) for _, call in _calls(function)]
        assert called.index("refuse_overprivileged") < called.index("Enforcer"), path


def test_whoever_reads_a_source_does_it_in_a_session_that_an_overprivileged_role_does_not_get() -> None:
    found = {
        (path, function)
        for path, tree in _modules().items()
        for function, call in _calls(tree)
        if _meant(call.func, _imported(tree)) == "trimtab.db.connection.connect"
        and not _may_write(call)
        and not (path.startswith(OWN_SERVERS) and _is_own_server(call))
    }
    assert found == {
        ("db/role.py", "reading"),
        ("lifecycle/one_read.py", "run_read"),  # refuses it too, whatever the user said
    }


def test_every_command_that_opens_a_source_can_be_told_to_go_on_with_an_overprivileged_role() -> None:
    def below(group: Any) -> Iterator[Any]:
        for command in group.commands.values():
            yield from below(command) if hasattr(command, "commands") else [command]

    names, by_configuration = {"dsn", "databases"}, {"mcp", "serve"}  # which open what trimtab.toml names
    opening = [
        each
        for each in below(typer.main.get_command(app))
        if each.name in by_configuration or names & {param.name for param in each.params}
    ]
    lacking = {
        each.name for each in opening if "--allow-overprivileged" not in {o for p in each.params for o in p.opts}
    }
    assert len(opening) >= 25
    assert by_configuration <= {each.name for each in opening}
    assert lacking == {"init"}  # which writes the DSN down and opens nothing


def test_backends_are_signalled_by_one_statement_which_one_module_sends() -> None:
    signals = ("pg_cancel_backend(", "pg_terminate_backend(")
    files = {
        path.name
        for path in (ROOT / "db" / "queries").glob("*.sql")
        if any(signal in path.read_text("utf-8") for signal in signals)
    }
    assert files == {"signal_backend.sql"}
    texts = [
        (path, node.value)
        for path, tree in _modules().items()
        for node in ast.walk(tree)
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
    ]
    assert {path for path, text in texts if text == "signal_backend"} == {"apply/backends.py"}
    # What else names them tells people what they may do themselves.
    named = {path for path, text in texts if any(signal in text for signal in signals)}
    assert named == {"apply/reconcile.py"}


def test_backends_are_ended_by_the_lifecycle_alone_and_never_by_an_overprivileged_role() -> None:
    makers = {
        (path, function)
        for path, tree in _modules().items()
        for function, call in _calls(tree)
        if _name(call) == "BackendEnforcer"
    }
    assert makers == {("lifecycle/backends.py", "operating")}
    tree = _modules()["lifecycle/backends.py"]
    (function,) = (n for n in ast.walk(tree) if isinstance(n, ast.FunctionDef) and n.name == "operating")
    called = [_name(call) for _, call in _calls(function)]
    assert called.index("_connect") < called.index("BackendEnforcer")
    (opened,) = (call for within, call in _calls(tree) if within == "_connect")
    assert (_name(opened), {k.arg: ast.unparse(k.value) for k in opened.keywords}["work"]) == ("reading", "SIGNALLING")


def test_a_backend_is_signalled_after_its_intent_and_after_the_switch_was_read_again() -> None:
    tree = _modules()["apply/backends.py"]
    (function,) = (n for n in ast.walk(tree) if isinstance(n, ast.FunctionDef) and n.name == "carry_out")
    called = [_name(call) for _, call in _calls(function)]
    first, sent = called.index("self.ledger.append"), called.index("self._signal")
    assert called.count("self._signal") == 1
    assert first < sent
    assert "self._refuse_frozen" in called[first:sent]


def test_no_statement_of_a_change_is_sent_without_the_gate() -> None:
    """In `execute.py` the gate is called before the first, and between, of those that write."""
    tree = _modules()["apply/execute.py"]
    for name in ("_act", "_drop"):
        (function,) = (n for n in ast.walk(tree) if isinstance(n, ast.FunctionDef) and n.name == name)
        called = [_name(call) for _, call in _calls(function)]
        sent = [place for place, each in enumerate(called) if each in ("self.connection.execute", "store_statistics")]
        assert "self.gate" in called[: sent[0]]


def test_every_enforcer_compares_security_around_what_it_changes() -> None:
    made = [call for tree in _modules().values() for _, call in _calls(tree) if _name(call) == "Enforcer"]
    assert made
    for call in made:
        given = {keyword.arg: keyword.value for keyword in call.keywords}.get("preservation")
        assert isinstance(given, ast.Call)
        assert _name(given) == "preservation"


def test_security_is_compared_after_each_of_the_two_ways_of_the_enforcement_point() -> None:
    tree = _modules()["apply/enforce.py"]
    for way, looks in (("_apply_one", "self.preservation.made"), ("revert", "self.preservation.taken_back")):
        (function,) = (n for n in ast.walk(tree) if isinstance(n, ast.FunctionDef) and n.name == way)
        called = [_name(call) for _, call in _calls(function)]
        assert called.index("self._carry_out") < called.index(looks)


def test_the_enforcement_point_appends_its_intent_before_it_acts() -> None:
    """In the text of each of its two ways; what the server sees is tested in tests/apply."""
    tree = _modules()["apply/enforce.py"]
    for way in ("_apply_one", "revert"):
        (function,) = (n for n in ast.walk(tree) if isinstance(n, ast.FunctionDef) and n.name == way)
        called = [_name(call) for _, call in _calls(function)]
        assert called.count("self._carry_out") == called.count("self._intended") == 1
        assert called.index("self._intended") < called.index("self._carry_out")
