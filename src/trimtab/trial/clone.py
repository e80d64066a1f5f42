"""Copies a source database into an embedded server: parallel dump, parallel restore, fresh statistics.

Size and disk are checked before anything is read. The source is only read, in one snapshot; its rows stay in the
embedded server's private directory and go with it.
"""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from trimtab.db.program_words import first_reason, restore_failures
from trimtab.db.relay import for_programs
from trimtab.embedded.account import serving_account
from trimtab.embedded.binaries import Binaries
from trimtab.embedded.contents import chosen_contents
from trimtab.embedded.places import run_root
from trimtab.errors import LabError
from trimtab.model.catalog import Snapshot
from trimtab.model.change import qualified, quote_identifier, quote_literal

if TYPE_CHECKING:
    from trimtab.db.connection import Connection
    from trimtab.embedded.server import Server

Progress = Callable[[int, int, str], None]

DATABASE = "lab"
_JOBS = "--jobs=2"
LAB_STEPS = 4
# The rows twice (as text in the dump, as a table) and room for the indexes that trials build.
_DISK_FACTOR = 2.5
_DISK_RESERVE = 512 * 1024**2
_WITHOUT = (
    "--no-owner",
    "--no-privileges",
    "--no-comments",
    "--no-publications",
    "--no-subscriptions",
    "--no-security-labels",
    "--no-tablespaces",
)
# What would let the lab act by itself, reach another server, or run a program here.
_LEFT_OUT = re.compile(
    r"\d+; \d+ \d+ (?:EVENT TRIGGER|USER MAPPING|EXTENSION - (?:dblink|file_fdw|pg_cron|pg_net|http|plpython3u|plsh)\b)"
)
_LOCALE = """/* trimtab: how does this database sort and encode? */
select pg_catalog.to_jsonb(d) || pg_catalog.jsonb_build_object(
           'encoding_name', pg_catalog.pg_encoding_to_char(d.encoding), 'size', pg_catalog.pg_database_size(d.oid))
  from pg_catalog.pg_database d
 where d.datname = current_database()"""
_INHERITED_STATISTICS = """/* trimtab: partitioned tables that have statistics of their own */
select distinct s.schemaname, s.tablename from pg_catalog.pg_stats s where s.inherited"""
_ENGLISH = {"LC_ALL": "C"}
# What pg_restore says at its end when it has gone through all of the archive.
_WENT_ON = "pg_restore: warning: errors ignored on restore"


def require_room(size_bytes: int, *, max_size_bytes: int, free_bytes: int | None = None) -> None:
    """Refuse a source that is larger than allowed, or than the disk here can take (LabError).

    Codes: `lab.too_large`, `lab.disk_full`. `free_bytes` is looked up where embedded servers live when it is None.
    """
    if size_bytes > max_size_bytes:
        raise LabError(
            f"the source is too large to be cloned: at most {_size(max_size_bytes)}, found {_size(size_bytes)}",
            code="lab.too_large",
            next_step="Name a database for trials with --lab DSN, or raise trial.max_clone_size in the specification.",
        )
    needed = int(size_bytes * _DISK_FACTOR) + _DISK_RESERVE
    free = shutil.disk_usage(run_root(serving_account())).free if free_bytes is None else free_bytes
    if free < needed:
        raise LabError(
            f"not enough disk for a clone of the source: needed {_size(needed)}, found {_size(free)} free",
            code="lab.disk_full",
            next_step="Free some space, set TRIMTAB_RUN_DIR to a larger disk, or use --lab DSN.",
        )


def source_locale(source: Connection) -> dict[str, object]:
    """Return how the source database sorts and encodes, and its `size` in bytes."""
    row = source.execute(_LOCALE).fetchone()
    assert row is not None
    return dict(row[0])


def analyzed_parents(source: Connection) -> tuple[tuple[str, str], ...]:
    """Return (schema, table) of the partitioned tables that the source has analysed as a whole."""
    return tuple((str(schema), str(table)) for schema, table in source.execute(_INHERITED_STATISTICS).fetchall())


def create_database(admin: Connection, locale: dict[str, object]) -> str | None:
    """Create the lab's database with the source's encoding and locale; return a note when the locale is not known here.

    Sort order decides which indexes serve LIKE and how long text sorts take, so a difference is worth telling.
    """
    import psycopg

    encoding = quote_literal(str(locale["encoding_name"]))
    wanted = f"CREATE DATABASE {quote_identifier(DATABASE)} TEMPLATE template0 ENCODING {encoding}"
    try:
        admin.execute((wanted + _locale_clause(locale)).encode())
    except psycopg.Error:
        admin.execute((wanted + " LC_COLLATE 'C' LC_CTYPE 'C'").encode())
        return f"the lab sorts text by byte: this machine does not know the source's locale {locale['datcollate']}"
    return None


def copy_rows(
    server: Server, binaries: Binaries, conninfo: str, snapshot: Snapshot, progress: Progress
) -> tuple[str, ...]:
    """Dump the source and restore it into the lab's database; return notes on what could not be restored.

    Raises LabError: `lab.dump_failed`, `lab.binaries_too_old`, `lab.restore_failed`.
    """
    _require_new_enough(binaries, snapshot)
    dump = server.directory / "dump"
    try:
        progress(1, LAB_STEPS, "lab: reading the source")
        _dump(binaries, conninfo, snapshot, dump)
        progress(2, LAB_STEPS, "lab: restoring")
        return _restore(server, dump)
    finally:
        shutil.rmtree(dump, ignore_errors=True)


def refresh_statistics(server: Server, parents: Sequence[tuple[str, str]], progress: Progress) -> None:
    """Vacuum and analyse: planner statistics, and the visibility maps that index-only scans need."""
    progress(3, LAB_STEPS, "lab: vacuum and analyze")
    done = server.run("vacuumdb", "--analyze", _JOBS, "--no-password", "--quiet", f"--dbname={DATABASE}")
    if done.returncode != 0:
        raise LabError(
            "the lab could not be made: vacuumdb failed on the clone",
            code="lab.restore_failed",
            next_step="Check the free disk space and memory of this machine, then run again.",
        )
    if parents:
        statements = [f"ANALYZE {qualified(schema, table)};" for schema, table in parents]
        server.run("psql", "--no-psqlrc", "--quiet", f"--dbname={DATABASE}", input="\n".join(statements))
    progress(LAB_STEPS, LAB_STEPS, "lab: ready")


def _require_new_enough(binaries: Binaries, snapshot: Snapshot) -> None:
    if binaries.version[0] < snapshot.server.major:
        raise LabError(
            f"the source runs PostgreSQL {snapshot.server.version_text} and cannot be cloned by older programs: "
            f"found {binaries.version[0]}.{binaries.version[1]}",
            code="lab.binaries_too_old",
            next_step="Name an installation of the source's version or newer with --pg-bin DIR, or use --lab DSN.",
        )


def _dump(binaries: Binaries, conninfo: str, snapshot: Snapshot, directory: Path) -> None:
    hidden = [f"--exclude-table={qualified(t.schema, t.name)}" for t in snapshot.tables if not t.is_readable]
    options = ("--format=directory", _JOBS, "--compress=0", "--no-sync", "--lock-wait-timeout=10s", "--no-password")
    # Large objects have rights of their own, which pg_read_all_data does not cover; no plan depends on them.
    without = (*_WITHOUT, "--no-blobs")
    with for_programs(conninfo, directory.parent) as reachable:
        target = (f"--file={directory}", f"--dbname={reachable}")
        done = binaries.run("pg_dump", *options, *without, *hidden, *target, environment=_ENGLISH)
    if done.returncode != 0:
        raise LabError(
            f"the source could not be read for the lab: pg_dump said: {first_reason(done.stderr)}",
            code="lab.dump_failed",
            next_step="The role needs SELECT on all tables and sequences (pg_read_all_data); or use --lab DSN.",
        )


def _restore(server: Server, directory: Path) -> tuple[str, ...]:
    contents, listed = chosen_contents(server, directory, _LEFT_OUT, _ENGLISH)
    # Verbose, so that it tells of which entry an error is.
    options = ("--format=directory", _JOBS, "--verbose", "--no-password", f"--use-list={contents}")
    done = server.run("pg_restore", *options, f"--dbname={DATABASE}", *_WITHOUT, str(directory), environment=_ENGLISH)
    if done.returncode == 0:
        return ()
    failures = restore_failures(done.stderr, listed)
    if not failures or _WENT_ON not in done.stderr or "No space left on device" in done.stderr:
        raise LabError(
            f"the clone could not be restored: pg_restore said: {first_reason(done.stderr)}",
            code="lab.restore_failed",
            next_step="Check the free disk space and memory of this machine, or use --lab DSN.",
        )
    first = f"{failures[0].entry or 'an object'}: {failures[0].reason}"
    return (f"{len(failures)} objects could not be restored in the lab, the first: {first}",)


def _locale_clause(locale: dict[str, object]) -> str:
    clause = f" LC_COLLATE {quote_literal(str(locale['datcollate']))} LC_CTYPE {quote_literal(str(locale['datctype']))}"
    name = locale.get("datlocale") or locale.get("daticulocale")
    match locale.get("datlocprovider"):
        case "i" if name:
            return f"{clause} LOCALE_PROVIDER icu ICU_LOCALE {quote_literal(str(name))}"
        case "b" if name:
            return f"{clause} LOCALE_PROVIDER builtin BUILTIN_LOCALE {quote_literal(str(name))}"
        case _:
            return clause


def _size(size_bytes: int) -> str:
    return f"{size_bytes / 1024**3:.1f} GB" if size_bytes >= 1024**3 else f"{size_bytes / 1024**2:.0f} MB"
