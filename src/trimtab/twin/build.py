"""Builds a twin from an image: a server, the schema and the statistics in it, and files of the true lengths.

It decides the order, so that a failure leaves nothing. It needs no source; what could not be carried over is told, not
guessed. A twin whose schema still holds can be refreshed: then only relations whose facts changed are loaded again.
"""

from __future__ import annotations

import errno
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass

import psycopg

from trimtab.db import queries
from trimtab.db.casts import create_casts
from trimtab.db.confined import OWNER, create_extensions, let_restore
from trimtab.db.connection import Connection, connect
from trimtab.db.failures import source_error
from trimtab.db.leakproof import mark_leakproof
from trimtab.db.operator_classes import create_operator_families
from trimtab.embedded.binaries import Binaries
from trimtab.embedded.server import Server
from trimtab.errors import LabError, SourceError
from trimtab.model.catalog import names
from trimtab.twin.capture import Image
from trimtab.twin.database import (
    DATABASE,
    create_collations,
    create_database,
    place,
    store_counts,
)
from trimtab.twin.dump import restore
from trimtab.twin.ends import ColumnEnds
from trimtab.twin.extended import ExtendedValues, store_values, storing
from trimtab.twin.files import file_work
from trimtab.twin.privileges import disarm_domains
from trimtab.twin.roles import create_roles, give_to_owners
from trimtab.twin.source import RelationFacts, Source
from trimtab.twin.stand_ins import create_stand_ins
from trimtab.twin.statistics import StoredColumn, store_columns

__all__ = ["DATABASE", "Built", "Refreshed", "build", "lost", "programs_for", "refresh", "restate"]

SETTINGS = {
    # What the source's schemas hold must not stand in for PostgreSQL's own in what is done as a superuser.
    "search_path": "",
    "shared_buffers": "16MB",
    # Beside saving work: with it on, CREATE INDEX would overwrite the statistics of its table.
    "autovacuum": "off",
    # Else the commit of CREATE INDEX reads a small new file into the buffers, to log it, and they hide what is written
    # to the file later.
    "wal_skip_threshold": "0",
    "max_connections": "20",
    # A plan of a table with thousands of partitions locks each of them and each of their indexes.
    "max_locks_per_transaction": "512",
    "max_parallel_workers": "64",
    "max_worker_processes": "64",
}


_PLACE = (
    "version", "encoding", "provider", "collation", "character_type", "locale", "tablespaces", "has_values",
    "acting_roles", "owners", "operator_families",
    "extension_functions",
)  # fmt: skip


_NO_SPACE = (
    "twin.no_space",
    "Free disk space where twins are built (TRIMTAB_RUN_DIR, else the temporary directory), then run again.",
)
_REMEDIES = {
    errno.ENOSPC: _NO_SPACE,
    errno.EDQUOT: _NO_SPACE,
    errno.EFBIG: (
        "twin.file_limit",
        "Its files look as long as the source's, in pieces of 1 GB, though they take no disk: raise `ulimit -f`, or "
        "set TRIMTAB_RUN_DIR to a file system that can hold such files.",
    ),
}
_UNWRITTEN = (
    "twin.unwritable_files",
    "Check that this user may write where twins are built (TRIMTAB_RUN_DIR, else the temporary directory).",
)


@dataclass(frozen=True, slots=True)
class Built:
    """A running twin server, the facts that it was built from, and what could not be carried over."""

    server: Server
    source: Source
    problems: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Refreshed:
    """The twin afterwards, and the (schema, name) of the relations that were loaded again.

    `built` is None when the schema changed: nothing was done then, and a new twin has to be built.
    """

    built: Built | None
    changed: tuple[tuple[str, str], ...]


def build(image: Image, binaries: Binaries, *, progress: Callable[[int, int, str], None]) -> Built:
    """Return a twin of the image, running. Raises LabError; then nothing is left.

    `binaries` older than the source's server give way to those of the wheel.
    """
    usable = programs_for(image, binaries)
    server = Server.create(usable, purpose="twin", settings=SETTINGS)
    try:
        with _failures_told():
            problems = _fill(server, image, progress)
    except BaseException:
        server.destroy()
        raise
    if usable != binaries:
        older, used = binaries.version[0], usable.version[0]
        problems.append(f"programs of PostgreSQL {older} are older than the source: those of {used} are used")
    if usable.version[0] != image.source.major:
        problems.append(
            f"the twin is PostgreSQL {usable.version[0]}, the source {image.source.major}: plans may differ"
        )
    progress(4, 4, "twin: ready")
    return Built(server, image.source, (*image.source.problems, *problems))


def programs_for(image: Image, binaries: Binaries) -> Binaries:
    """Return what a twin of the image runs on: these, or those of the wheel where they are older than the source."""
    return binaries if binaries.version[0] >= image.source.major else Binaries.find()


def refresh(built: Built, old: Image, new: Image) -> Refreshed:
    """Bring a twin that was built from `old`, and is unchanged since, to `new`. No session may be on it.

    Only relations whose facts changed are loaded again. Raises LabError `twin.lost`; the twin is of no use then.
    """
    if old.schema_digest != new.schema_digest or not _is_same_place(old.source, new.source):
        return Refreshed(None, ())
    changed = _changed(old.source, new.source)
    problems: list[str] = []
    if changed:
        with _failures_told():
            problems = _reload(built.server, old.source, new.source, changed)
    kept = [problem for problem in built.problems if problem not in old.source.problems]
    return Refreshed(Built(built.server, new.source, (*new.source.problems, *kept, *problems)), tuple(sorted(changed)))


def restate(server: Server, old: Source, new: Source) -> None:
    """Give a twin that was built from `old` the statistics, counts and lengths of `new`. No session may be on it.

    Both must have the same relations in the same places. Raises LabError `twin.lost`; the twin is of no use then.
    """
    changed = _changed(old, new)
    if changed:
        with _failures_told():
            _reload(server, old, new, changed)


def lost(error: psycopg.Error) -> LabError:
    """Return the error for a twin that ended or cannot be used any more."""
    return LabError(
        f"the statistics twin cannot be used: {source_error(error)}",
        code="twin.lost",
        next_step="Run again; if it repeats, check memory and disk space of this machine.",
    )


@contextmanager
def _failures_told() -> Iterator[None]:
    """Say of every failure that it is the twin's: no source is asked here."""
    try:
        yield
    except psycopg.Error as error:
        raise lost(error) from None
    except SourceError:
        raise lost(psycopg.OperationalError()) from None
    except OSError as error:
        raise _unwritten(error) from None


def _unwritten(error: OSError) -> LabError:
    told, (code, next_step) = f"the twin was not built: {error.strerror}", _REMEDIES.get(error.errno or 0, _UNWRITTEN)
    return LabError(told, code=code, next_step=next_step)


def _fill(server: Server, image: Image, progress: Callable[[int, int, str], None]) -> list[str]:
    source = image.source
    progress(2, 4, "twin: restoring the schema")
    problems = create_database(server, source)
    with closing(connect(server.dsn(DATABASE), read_only=False)) as twin:
        let_restore(twin, DATABASE)
        done = create_extensions(twin, source.extensions)
        done |= create_stand_ins(twin, source.extension_functions, done) | create_casts(twin, source.casts)
        collated, told = create_collations(twin, source)
        problems += [*told, *create_roles(twin, source)]
    problems += _restore(server, image, done | collated)
    progress(3, 4, "twin: loading statistics")
    with closing(connect(server.dsn(DATABASE), read_only=False)) as twin:
        mark_leakproof(twin, source.leakproof)
        disarm_domains(twin)
        problems += [*place(server, twin, source), *give_to_owners(twin, source)]
        problems += _load(twin, source, source.relations, source.columns, source.extended)
        work = file_work(twin, source, server.data_directory)
    server.stop()
    for item in work:
        item.do()
    server.start()
    return problems


def _restore(server: Server, image: Image, done: set[str]) -> list[str]:
    harmless, families = server.dsn(DATABASE, user=OWNER), image.source.operator_families

    def create() -> list[str]:
        with closing(connect(server.dsn(DATABASE), read_only=False)) as twin:
            return create_operator_families(twin, families)

    return restore(server, harmless, image.schema, done, create if families else None)


def _load(
    twin: Connection,
    source: Source,
    relations: Iterable[RelationFacts],
    columns: Iterable[StoredColumn],
    extended: Iterable[ExtendedValues],
) -> list[str]:
    store_counts(twin, source, list(relations))
    problems = store_columns(twin, list(columns))
    with storing(twin):
        absent = [(values.schema, values.name) for values in extended if not store_values(twin, values)]
    return [*problems, f"extended statistics not on the twin: {names(absent)}"] if absent else problems


def _is_same_place(old: Source, new: Source) -> bool:
    """Whether what a refresh leaves alone is the same: version, locale, what is where, who owns what policies guard.

    And whether there are values: deleted ones would stay in the files.
    """
    return all(getattr(old, name) == getattr(new, name) for name in _PLACE) and {
        (r.schema, r.name, r.tablespace) for r in old.relations
    } == {(r.schema, r.name, r.tablespace) for r in new.relations}


def _changed(old: Source, new: Source) -> set[tuple[str, str]]:
    """Return the relations, and the statistics objects, of which any fact is another one."""

    def facts(source: Source) -> set[RelationFacts | StoredColumn | ExtendedValues | ColumnEnds]:
        return {*source.relations, *source.columns, *source.extended, *source.ends}

    return {
        (fact.schema, fact.relation if isinstance(fact, StoredColumn | ColumnEnds) else fact.name)
        for fact in facts(old) ^ facts(new)
    }


def _reload(server: Server, old: Source, new: Source, changed: set[tuple[str, str]]) -> list[str]:
    relations = [r for r in new.relations if (r.schema, r.name) in changed]
    columns = [c for c in new.columns if (c.schema, c.relation) in changed]
    before = {(r.schema, r.name): (r.pages, r.height) for r in old.relations}
    moved = {(r.schema, r.name) for r in relations if before[r.schema, r.name] != (r.pages, r.height)}
    has_other_ends = set(old.ends) != set(new.ends)
    with closing(connect(server.dsn(DATABASE), read_only=False)) as twin, twin.transaction():
        schemas, listed = zip(*changed, strict=True)
        twin.execute(queries.load("twin_statistics_clear", twin.info.server_version), (list(schemas), list(listed)))
        problems = _load(twin, new, relations, columns, [e for e in new.extended if (e.schema, e.name) in changed])
    if moved or has_other_ends:
        with closing(connect(server.dsn(DATABASE), read_only=False)) as twin:
            # B-trees that have, or had, ends are shaped anew.
            work = file_work(twin, new, server.data_directory, None if has_other_ends else moved)
        server.stop()
        for item in work:
            item.do()
        server.start()
    return problems
