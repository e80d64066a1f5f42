"""Carries schema and planner statistics from the source into the twin's database: pg_dump 18, then pg_restore.

It asks for no row, leaves out what could act by itself or reach another server (triggers, event triggers, user
mappings), and says of each object that could not be restored which one it was, never a value of it.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

from trimtab.db.relay import for_programs
from trimtab.embedded.binaries import Binaries
from trimtab.embedded.contents import chosen_contents
from trimtab.embedded.server import Server
from trimtab.errors import LabError
from trimtab.model.change import qualified

_OPTIONS = (
    "--format=custom",
    "--no-data",
    "--statistics",
    "--no-owner",
    "--no-privileges",
    "--no-policies",
    "--no-comments",
    "--no-publications",
    "--no-subscriptions",
    "--no-security-labels",
    "--no-tablespaces",
    "--no-sync",
    "--lock-wait-timeout=30s",
)
_ENGLISH = {"LC_ALL": "C"}
_LEFT_OUT = re.compile(r"\d+; \d+ \d+ (?:EVENT TRIGGER|TRIGGER|USER MAPPING) ")
_ENTRY = re.compile(r"(?P<id>\d+); \d+ \d+ (?P<what>.*) \S*")
_FROM_ENTRY = re.compile(r"pg_restore: from TOC entry (?P<id>\d+);")
_FAILED = re.compile(r"pg_restore: error: .*?(?:ERROR|FATAL):\s+(?P<reason>.*)")
_SHOWN = 20


def dump(conninfo: str, binaries: Binaries, directory: Path, unreadable: Sequence[tuple[str, str]]) -> Path:
    """Return the file of schema and statistics, without the relations that may not be read. Raises LabError."""
    file, filters = directory / "twin.dump", directory / "twin.filter"
    filters.write_text("".join(f"exclude table {qualified(*relation)}\n" for relation in unreadable), encoding="utf-8")
    options = (*_OPTIONS, f"--filter={filters}", f"--file={file}")
    with for_programs(conninfo) as reachable:
        done = binaries.run("pg_dump", *options, f"--dbname={reachable}", environment=_ENGLISH)
    if done.returncode != 0:
        raise LabError(
            f"the twin was not built: pg_dump could not read the source's schema: {_reason(done.stderr)}",
            code="twin.dump_failed",
            next_step="Run `trimtab init` for the SQL of a role that may read what the workload reads, then run again.",
        )
    return file


def restore(server: Server, database: str, file: Path) -> list[str]:
    """Restore the file and return what could not be restored, and why. Raises LabError when nothing could be."""
    contents, listed = chosen_contents(server, file, _LEFT_OUT, _ENGLISH)
    # Verbose, so that it tells of which entry an error is.
    options = (
        "--verbose",
        "--no-owner",
        "--no-privileges",
        f"--use-list={contents}",
        f"--dbname={server.dsn(database)}",
    )
    done = server.run("pg_restore", *options, str(file), environment=_ENGLISH)
    problems = _problems(done.stderr, listed)
    if done.returncode != 0 and not problems:
        raise LabError(
            f"the twin was not built: pg_restore failed: {_reason(done.stderr)}",
            code="twin.restore_failed",
            next_step="Check the disk space of the temporary directory, then run again.",
        )
    return problems


def _problems(messages: str, contents: str) -> list[str]:
    names = {match["id"]: match["what"] for line in contents.splitlines() if (match := _ENTRY.fullmatch(line))}
    found: list[str] = []
    entry = "an object"
    for line in messages.splitlines():
        if match := _FROM_ENTRY.match(line):
            entry = names.get(match["id"], "an object")
        elif match := _FAILED.match(line):
            # What the server says of statistics may hold their values.
            reason = "not stored" if entry.startswith("STATISTICS DATA") else _without_literals(match["reason"])
            found.append(f"not on the twin: {entry}: {reason}")
    more = len(found) - _SHOWN
    return found if more <= 0 else [*found[:_SHOWN], f"not on the twin: {more} more objects, which depend on others"]


def _reason(text: str) -> str:
    found = re.search(r"(?:ERROR|FATAL|error):\s+(.*)", text)
    if found is None:
        return "it gave no reason"
    # A refused connection is told with the connection's words, which name host and user only.
    return _without_literals(re.sub(r"^.*(?:ERROR|FATAL):\s+", "", found.group(1)))


def _without_literals(text: str) -> str:
    return re.sub(r"'[^']*'", "'…'", text)[:300]
