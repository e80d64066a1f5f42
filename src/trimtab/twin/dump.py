"""Carries the schema from the source into the twin's database: pg_dump 18, then pg_restore of the same version.

It asks for no row and leaves out what could act by itself or reach another server: triggers, event triggers, and user
mappings, whose options hold passwords and are blanked in the archive itself. It says of each object that could not be
restored which one it was, never a value of it.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from itertools import groupby
from pathlib import Path

from trimtab.db.leakproof import is_likely, without_leakproof
from trimtab.db.program_encoding import program_encoding
from trimtab.db.program_words import (
    Failure,
    entry_names,
    first_reason,
    is_whole,
    restore_failures,
    without_made,
    without_set_up,
)
from trimtab.db.relay import for_programs
from trimtab.embedded.binaries import Binaries
from trimtab.embedded.scratch import scratch_directory
from trimtab.embedded.server import Server
from trimtab.errors import LabError
from trimtab.model.change import qualified
from trimtab.twin.children import are_likely, by_age

PROGRAMS_MAJOR = 18
_OPTIONS = (
    "--format=custom",
    "--schema-only",
    "--no-statistics",
    "--no-owner",
    "--no-privileges",
    "--no-comments",
    "--no-publications",
    "--no-subscriptions",
    "--no-security-labels",
    "--no-sync",
    "--lock-wait-timeout=30s",
)
_ENGLISH = {"LC_ALL": "C"}
_LEFT_OUT = re.compile(r"\d+; \d+ \d+ (?:EVENT TRIGGER|TRIGGER|USER MAPPING) ")
_INDEX = re.compile(r"\d+; \d+ (?P<oid>\d+) (?:INDEX|CONSTRAINT) (?!ATTACH )")
_MAPPING = re.compile(r"\d+; \d+ \d+ USER MAPPING ")
_MAPPING_TEXT = "CREATE USER MAPPING "
_NOT_THERE = "not on the twin: "
_UNLOGGED = b"CREATE UNLOGGED TABLE "
_LOGGED = b"CREATE          TABLE "
"""As long as that, since a text in an archive stands behind its length."""
_LOST = ("closed the connection", "terminating connection", "connection to server")
_REMEDIES = (
    (
        ("No space left on device", "could not write", "could not extend"),
        "Free disk space where twins are built (TRIMTAB_RUN_DIR, else the temporary directory), then run again.",
    ),
    (
        ("input file", "valid archive", "unexpected section", "unsupported version"),
        "The schema's archive is not whole: export it again, or build from the server itself.",
    ),
    (
        (*_LOST, "out of memory"),
        "The twin's server ended meanwhile: check this machine's memory, then run again. If it repeats, a definition "
        "of the schema ends it: a role that may not read that table gets a twin without it.",
    ),
    ((), "Run again; if it repeats, `pg_dump --schema-only` and `pg_restore` by hand show the statement that fails."),
)
"""Words of pg_restore, in English, and what helps; the last for all others."""


def read_schema(conninfo: str, binaries: Binaries, unreadable: Sequence[tuple[str, str]], *, encoding: str) -> bytes:
    """Return an archive of the schema, without the relations that may not be read. Raises LabError.

    `encoding` is the source's, by PostgreSQL's name.
    """
    with scratch_directory() as place, for_programs(conninfo, place) as reachable:
        file, filters = place / "schema.dump", place / "schema.filter"
        filters.write_text(
            "".join(f"exclude table {_in_a_filter(qualified(*relation))}\n" for relation in unreadable),
            encoding="utf-8",
        )
        talk = f"--encoding={program_encoding(encoding)}"
        options = (*_OPTIONS, talk, f"--filter={filters}", f"--file={file}")
        done = _programs(binaries).run("pg_dump", *options, f"--dbname={reachable}", environment=_ENGLISH)
        if done.returncode == 0 and file.exists():
            return _without_mappings(file, _programs(binaries))
    raise LabError(
        f"the twin was not built: pg_dump could not read the source's schema: {first_reason(done.stderr)}",
        code="twin.dump_failed",
        next_step="Check that the source is up, then run again."
        if any(words in done.stderr for words in _LOST)
        else "Run `trimtab init` for the SQL of a role that may read what the workload reads, then run again.",
    )


def _in_a_filter(name: str) -> str:
    """Return a quoted name as a file of pg_dump's filters writes it."""
    return name.replace("\\", "\\\\").replace("\n", "\\n")


def _without_mappings(archive: Path, programs: Binaries) -> bytes:
    """Return the archive with blanks for each definition of a user mapping. Raises LabError when one is not found.

    A text in an archive stands behind its length, so what is as long may take its place.
    """
    data = archive.read_bytes()
    listed = programs.run("pg_restore", "--list", str(archive), environment=_ENGLISH).stdout
    chosen = archive.with_suffix(".mapping")
    for line in listed.splitlines():
        if _MAPPING.match(line) is None:
            continue
        chosen.write_text(line, encoding="utf-8", errors="surrogateescape")
        options = (f"--use-list={chosen}", "--file=-", str(archive))
        told = programs.run("pg_restore", *options, environment=_ENGLISH).stdout
        text = told[told.find(_MAPPING_TEXT) : told.rfind(";") + 1].encode("utf-8", "surrogateescape")
        if _MAPPING_TEXT not in told or data.count(text) == 0:
            raise LabError(
                "the twin was not built: a user mapping could not be taken out of pg_dump's archive",
                code="twin.dump_failed",
                next_step="Use a role that owns no user mapping and is no superuser, then run again.",
            )
        data = data.replace(text, b" " * len(text))
    return data


def restore(
    server: Server,
    conninfo: str,
    schema: bytes,
    done_already: Collection[str] = (),
    between: Callable[[], Iterable[str]] | None = None,
) -> list[str]:
    """Restore the archive and return what could not be restored, and why. Raises LabError when it broke off.

    An archive's statements are whatever its maker wrote: the role of `conninfo` must be one that may do no harm.
    What is UNLOGGED there is not on the twin, whose files are written by hand and would be emptied after an accident.
    `between` is called when all but indexes and the like is there; it returns the entries that it has made, which the
    archive could not.
    """
    programs = _programs(server.binaries)
    file, contents = server.directory / "schema.dump", server.directory / "schema.list"
    try:
        schema = schema.replace(_UNLOGGED, _LOGGED)
        _write_privately(file, schema)
        if is_likely(schema):
            script = programs.run("pg_restore", "--file=-", str(file), environment=_ENGLISH).stdout
            _write_privately(file, without_leakproof(schema, script))
        listed = programs.run("pg_restore", "--list", str(file), environment=_ENGLISH).stdout
        entries = [line for line in listed.splitlines() if _is_wanted(line, done_already)]
        if are_likely(schema):
            told = [
                programs.run("pg_restore", "--verbose", what, str(file), environment=_ENGLISH).stdout
                for what in ("--list", "--file=-")
            ]
            entries = by_age(entries, *told)
        chosen = "\n".join(_as_made(entries))
        _write_privately(contents, chosen.encode("utf-8", "surrogateescape"))
        # Verbose, so that it tells of which entry an error is.
        options = ("--verbose", "--no-owner", "--no-privileges", "--no-tablespaces", f"--use-list={contents}")

        def run(*sections: str) -> list[Failure]:
            target = (f"--dbname={conninfo}", str(file))
            done = programs.run("pg_restore", *options, *sections, *target, environment=_ENGLISH)
            failures = restore_failures(done.stderr, listed)
            if done.returncode != 0 and (not failures or not is_whole(done.stderr)):
                raise LabError(
                    f"the twin was not built: pg_restore failed: {first_reason(done.stderr)}",
                    code="twin.restore_failed",
                    next_step=_what_helps(done.stderr),
                )
            return failures

        if between is None:
            return _problems(run())
        failures = run("--section=pre-data")
        return _problems([*without_made(failures, between()), *run("--section=data", "--section=post-data")])
    finally:
        file.unlink(missing_ok=True)
        contents.unlink(missing_ok=True)


def _what_helps(messages: str) -> str:
    return next(step for marks, step in _REMEDIES if not marks or any(mark in messages for mark in marks))


def _write_privately(path: Path, data: bytes) -> None:
    path.touch(mode=0o600)
    path.write_bytes(data)


def _is_wanted(line: str, done_already: Collection[str]) -> bool:
    return not _LEFT_OUT.match(line) and not any(what in done_already for what in entry_names(line).values())


def _as_made(lines: Iterable[str]) -> Iterator[str]:
    """Yield the entries with indexes that stand together in the order in which the source made them, by their oids.

    Which of two the planner takes that cost the same depends on their ages; pg_dump sorts them by name.
    """
    for is_index, found in groupby(lines, lambda line: _INDEX.match(line) is not None):
        together = list(found)
        yield from sorted(together, key=_oid) if is_index else together


def _oid(line: str) -> int:
    found = _INDEX.match(line)
    return 0 if found is None else int(found["oid"])


def _programs(binaries: Binaries) -> Binaries:
    return binaries if binaries.version[0] >= PROGRAMS_MAJOR else Binaries.find()


def without_policies(problems: Iterable[str], tables: Iterable[tuple[str, str]]) -> frozenset[tuple[str, str]]:
    """Return those of the tables, by (schema, name), of which a policy could not be restored."""
    told = tuple(problems)
    return frozenset(
        (schema, name)
        for schema, name in tables
        if any(problem.startswith(f"{_NOT_THERE}POLICY {schema} {name} ") for problem in told)
    )


def _problems(failures: Iterable[Failure]) -> list[str]:
    """Return what was not restored in words."""
    return [f"{_NOT_THERE}{failure.entry or 'an object'}: {failure.reason}" for failure in without_set_up(failures)]
