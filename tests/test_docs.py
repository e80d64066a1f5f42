"""The documents are complete and true: what exists is documented, what is documented exists, links lead somewhere."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import get_args

import pytest
import typer.main

import trimtab
from trimtab import errors
from trimtab.cli.app import app
from trimtab.cli.main import INTERNAL
from trimtab.config import Config, Defaults, HistoryKept
from trimtab.ledger.entry import Kind
from trimtab.lifecycle.stages import ENDINGS
from trimtab.model.change import Change
from trimtab.model.index_wishes import WISHES
from trimtab.model.strategy import Decision, Outcome

REPOSITORY = Path(__file__).parents[1]
SOURCE = Path(trimtab.__file__).parent
DOCUMENTS = sorted([*REPOSITORY.glob("*.md"), *REPOSITORY.glob("docs/*.md")])
CLI = (REPOSITORY / "docs" / "cli.md").read_text("utf-8")
LIFECYCLE = (REPOSITORY / "docs" / "lifecycle.md").read_text("utf-8")

# Modules whose dictionaries are printed or written: each of their keys is part of a documented schema.
SCHEMA_MODULES = (
    "anchor/record.py",
    "apply/enforce.py",
    "apply/backend_answers.py",
    "apply/backends.py",
    "cli/agents.py",
    "cli/backends.py",
    "cli/commands.py",
    "cli/ledgers.py",
    "cli/records.py",
    "lifecycle/securing.py",
    "apply/preserve.py",
    "cli/spec_signing.py",
    "cli/specs.py",
    "validate/decision.py",
    "errors.py",
    "ledger/export.py",
    "ledger/offline.py",
    "ledger/place.py",
    "ledger/proof.py",
    "ledger/seen.py",
    "ledger/signer.py",
    "lifecycle/journal.py",
    "report/anchor_life.py",
    "report/anchor_locks.py",
    "report/anchors.py",
    "report/analytics.py",
    "report/document.py",
    "report/handover.py",
    "report/indexes.py",
    "report/security.py",
    "report/twins.py",
    "report/watching.py",
    "cli/ingesting.py",
    "cli/reporting.py",
    "cli/monitor/plain.py",
    "lifecycle/attribution_document.py",
    "lifecycle/watch_alarms.py",
    "lifecycle/watch_proofs.py",
    "lifecycle/watch_why.py",
    "anchor/guard.py",
    "lifecycle/guarding.py",
)
# Names of settings, which those modules hand to a server.
NO_KEYS = frozenset({"statement_timeout", "transaction_read_only"})
# Endings of file names, which look like codes: "workload.sql".
FILE_ENDINGS = frozenset(
    {"conf", "db", "dump", "filter", "html", "list", "log", "pid", "signed", "sql", "sqlite", "toml", "yaml"}
)
HIDDEN = (
    "init_db_optimization",
    "optimize_queries",
    "optimize_indexes",
    "anchor_performance",
    "monitor_optimization",
    "monitor_db_optimization",
    "generate_optimization_report",
)


def _commands() -> dict[str, set[str]]:
    """Return the options of each command, by its name, as they are written on the command line."""
    root = typer.main.get_command(app)
    return {"": _options(root), **dict(_below(root, ""))}


def _below(group: object, prefix: str) -> Iterator[tuple[str, set[str]]]:
    for name, command in getattr(group, "commands", {}).items():
        if hasattr(command, "commands"):
            yield from _below(command, f"{prefix}{name} ")
        else:
            yield prefix + name, _options(command)


def _options(command: object) -> set[str]:
    return {
        text
        for p in getattr(command, "params", ())
        for text in (*p.opts, *getattr(p, "secondary_opts", ()))
        if text.startswith("-")
    }


def _section(text: str, heading: str) -> str:
    """Return what stands under a heading, up to the next one of its level or above."""
    level = len(heading) - len(heading.lstrip("#"))
    start = text.index(f"\n{heading}\n") + len(heading) + 2
    end = re.search(rf"^#{{1,{level}}} ", text[start:], re.MULTILINE)
    return text[start : start + end.start()] if end else text[start:]


@cache
def _modules() -> dict[str, ast.Module]:
    return {path.relative_to(SOURCE).as_posix(): ast.parse(path.read_text("utf-8")) for path in SOURCE.rglob("*.py")}


def _nodes() -> Iterator[ast.AST]:
    for tree in _modules().values():
        yield from ast.walk(tree)


@cache
def _codes() -> tuple[frozenset[str], frozenset[str]]:
    """Return the reason codes that stand in the program's text, and beginnings of those that it puts together."""
    given = [n.value for n in _nodes() if isinstance(n, ast.keyword) and n.arg == "code"]
    constants = [n.value for expression in given for n in ast.walk(expression) if isinstance(n, ast.Constant)]
    families = {str(value).split(".")[0] for value in constants if isinstance(value, str) and "." in value}
    form = re.compile(rf"({'|'.join(sorted(families))})\.[a-z_]+")
    texts = {n.value for n in _nodes() if isinstance(n, ast.Constant) and isinstance(n.value, str)}
    whole = {text for text in texts if form.fullmatch(text) and text.split(".")[1] not in FILE_ENDINGS}
    begun = {text for text in whole if text.endswith("_")}
    return frozenset(whole - begun), frozenset(begun)


def _documented_codes() -> dict[str, str]:
    """Return the exit code that the document gives for each reason code."""
    rows = re.findall(r"^\| `([a-z_.]+)` \| ?(\d*) ?\|", _section(CLI, "## Reason codes"), re.MULTILINE)
    return dict(rows)


def test_every_command_has_its_section() -> None:
    sections = {line.removeprefix("## trimtab ") for line in CLI.splitlines() if line.startswith("## trimtab ")}
    assert sections == {name for name in _commands() if name and name not in HIDDEN}


@pytest.mark.parametrize("name", [name for name in _commands() if name and name not in HIDDEN])
def test_every_option_of_a_command_is_documented_and_no_other(name: str) -> None:
    rows = [line for line in _section(CLI, f"## trimtab {name}").splitlines() if line.startswith("| `-")]
    documented = {text for row in rows for text in re.findall(r"(?<![\w-])--?[a-z][a-z-]*", row.split("|")[1])}
    assert documented == _commands()[name] - {"-h", "--help"}


@pytest.mark.parametrize("name", HIDDEN)
def test_every_option_of_the_originals_commands_is_documented(name: str) -> None:
    text = _section(CLI, "## The original's lines")
    assert f"`{name}`" in text
    missing = [o for o in sorted(_commands()[name]) if o.startswith("--") and o != "--help" and f"`{o}`" not in text]
    assert missing == []


def test_every_option_of_the_program_itself_is_documented() -> None:
    assert [option for option in sorted(_commands()[""]) if option not in CLI] == []


def test_every_exit_code_is_documented() -> None:
    classes = [value for value in vars(errors).values() if isinstance(value, type)]
    codes = {c.exit_code for c in classes if issubclass(c, errors.TrimtabError)} | {0, INTERNAL, 129, 130, 143}
    rows = re.findall(r"^\| (\d+) \|", _section(CLI, "## Exit codes"), re.MULTILINE)
    assert sorted(map(int, rows)) == sorted(codes)


def test_every_reason_code_is_documented() -> None:
    whole, begun = _codes()
    documented = _documented_codes()
    assert sorted(whole - documented.keys()) == []
    assert [text for text in begun if not any(code.startswith(text) for code in documented)] == []


def test_no_reason_code_is_documented_that_does_not_exist() -> None:
    whole, begun = _codes()
    known = {*whole, "internal"}
    assert [c for c in _documented_codes() if c not in known and not c.startswith(tuple(begun))] == []


def test_every_reason_code_has_the_exit_code_of_its_error() -> None:
    documented = _documented_codes()
    wrong = []
    for node in _nodes():
        if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Name):
            continue
        kind = getattr(errors, node.func.id, None)
        if not (isinstance(kind, type) and issubclass(kind, errors.TrimtabError)):
            continue
        for keyword in node.keywords:
            code = str(keyword.value.value) if isinstance(keyword.value, ast.Constant) else ""
            if keyword.arg == "code" and documented.get(code, str(kind.exit_code)) != str(kind.exit_code):
                wrong.append((code, kind.__name__))
    assert wrong == []


def test_every_key_of_a_document_or_an_entry_is_documented() -> None:
    text = _section(CLI, "## JSON documents")
    known = set(re.findall(r"`([a-z0-9_]+)`", text))
    keys = {
        str(key.value)
        for name in SCHEMA_MODULES
        for node in ast.walk(_modules()[name])
        if isinstance(node, ast.Dict)
        for key in node.keys
        if isinstance(key, ast.Constant)
    }
    assert sorted(keys - known - NO_KEYS) == []


def test_every_schema_has_its_section() -> None:
    texts = [n.value for n in _nodes() if isinstance(n, ast.Constant) and isinstance(n.value, str)]
    schemas = {text for text in texts if re.fullmatch(r"trimtab\.[a-z.]+/v\d+", text)} - {"trimtab.dev/v1"}
    assert {line[4:] for line in CLI.splitlines() if line.startswith("### trimtab.")} == schemas


def test_every_kind_of_entry_is_documented() -> None:
    text = _section(CLI, "### trimtab.show/v1")
    assert [kind.value for kind in Kind if f"`{kind.value}`" not in text] == []


def test_every_outcome_and_decision_is_documented() -> None:
    words = [*(o.value for o in Outcome), *(d.value for d in Decision)]
    assert [word for word in words if f"`{word}`" not in _section(CLI, "### trimtab.optimize/v1")] == []


def test_every_environment_variable_is_documented_and_no_other() -> None:
    texts = [n.value for n in _nodes() if isinstance(n, ast.Constant) and isinstance(n.value, str)]
    used = {text for text in texts if re.fullmatch(r"TRIMTAB_[A-Z_]+", text)}
    section = _section(CLI, "## Environment variables")
    assert set(re.findall(r"^\| `(TRIMTAB_[A-Z_]+)`", section, re.MULTILINE)) == used


def test_every_key_of_the_configuration_is_documented() -> None:
    text = _section(CLI, "## trimtab.toml")
    known = {"path", "databases", "defaults", "indexes", "ledger_store", "workloads", "history"}
    assert set(Config.__dataclass_fields__) == known
    assert [name for name in HistoryKept.__dataclass_fields__ if f"`history.{name}`" not in text] == []
    assert "`ledger.store`" in text
    assert [name for name in Defaults.__dataclass_fields__ if f"`defaults.{name}`" not in text] == []
    assert [name for name in WISHES if f"`indexes.{name}`" not in text] == []


def test_every_kind_of_change_is_documented() -> None:
    text = _section(LIFECYCLE, "### Kinds of change")
    assert sorted(re.findall(r"^\| `([a-z_]+)` \|", text, re.MULTILINE)) == sorted(c.kind for c in get_args(Change))


def test_the_table_of_endings_is_that_of_the_program() -> None:
    rows = re.findall(r"^\| ([a-z]+) \|(.*)\|$", _section(LIFECYCLE, "## Where a strategy may end"), re.MULTILINE)
    documented = {stage: set(re.findall(r"`([a-z_]+)`", cell)) for stage, cell in rows if stage != "stage"}
    assert documented == {stage.value: {o.value for o in outcomes} for stage, outcomes in ENDINGS.items()}


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_every_link_leads_somewhere(document: Path) -> None:
    text = re.sub(r"```.*?```", "", document.read_text("utf-8"), flags=re.DOTALL)
    broken = []
    for target in re.findall(r"\]\(([^)\s]+)\)", text):
        if re.match(r"[a-z]+:", target):
            continue
        name, _, anchor = target.partition("#")
        path = (document.parent / name).resolve() if name else document
        if not path.exists() or (anchor and anchor not in _anchors(path)):
            broken.append(target)
    assert broken == []


def _anchors(path: Path) -> set[str]:
    """Return the names that GitHub gives to the headings of a document."""
    headings = re.findall(r"^#+ (.+)$", path.read_text("utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("document", [*DOCUMENTS, REPOSITORY / "docs" / "demo.svg"], ids=lambda path: path.name)
def test_no_document_names_a_path_of_somebodys_machine(document: Path) -> None:
    assert re.findall(r"(?<![\w.~])/(?:home|root|tmp|Users|work|private)/[^\s`<]*", document.read_text("utf-8")) == []


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_the_source_tree_that_a_document_names_is_there(document: Path) -> None:
    named = re.findall(r"`((?:[a-z_]+/)+[a-z_0-9]+\.py)`", document.read_text("utf-8"))
    assert [name for name in named if not any((base / name).exists() for base in (SOURCE, REPOSITORY))] == []
