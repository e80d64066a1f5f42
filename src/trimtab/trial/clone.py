"""Copies a source database into an embedded server: parallel dump, parallel restore, fresh statistics.

Size and disk are checked before anything is read. The source is only read, in one snapshot; its rows stay in the
embedded server's private directory and go with it. Nothing of the source's runs there as a superuser.
"""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from trimtab.db.casts import Cast, create_casts, read_casts
from trimtab.db.confined import OWNER, create_extensions, create_owner, let_restore
from trimtab.db.leakproof import is_likely, mark_leakproof, read_leakproof, without_leakproof
from trimtab.db.operator_classes import OperatorFamily, create_operator_families, read_operator_families
from trimtab.db.program_encoding import program_encoding
from trimtab.db.program_words import Failure, first_reason, is_whole, restore_failures, without_made, without_set_up
from trimtab.db.relay import for_programs
from trimtab.embedded.account import serving_account
from trimtab.embedded.binaries import Binaries
from trimtab.embedded.contents import chosen_contents
from trimtab.embedded.places import run_root
from trimtab.embedded.template import copy_strategy
from trimtab.errors import LabError
from trimtab.model.catalog import Snapshot, names
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
# No large objects: before version 18 pg_read_all_data does not let a role read them. The option's long name is another
# one since version 16.
_NO_LARGE_OBJECTS = "-B"
# What would let the lab act by itself, reach another server, or run a program here.
_BARRED = ("dblink", "file_fdw", "pg_cron", "pg_net", "http", "plpython3u", "plsh")
_LEFT_OUT = rf"\d+; \d+ \d+ (?:EVENT TRIGGER|USER MAPPING|EXTENSION - (?:{'|'.join(_BARRED)})\b"
_DATABASE = """/* trimtab: how does this database sort and encode, how large is it, does it hold large objects? */
select pg_catalog.to_jsonb(d)
           || pg_catalog.jsonb_build_object('encoding_name', pg_catalog.pg_encoding_to_char(d.encoding)),
       pg_catalog.pg_database_size(d.oid),
       exists (select from pg_catalog.pg_largeobject_metadata)
  from pg_catalog.pg_database d
 where d.datname = current_database()"""
_INHERITED_STATISTICS = """/* trimtab: partitioned tables that have statistics of their own */
select distinct s.schemaname, s.tablename from pg_catalog.pg_stats s where s.inherited"""
_UNREADABLE_SEQUENCES = """/* trimtab: sequences that this role may not read, and the table that owns each, if any */
select n.nspname, c.relname, d.refobjid
  from pg_catalog.pg_class c
  join pg_catalog.pg_namespace n on n.oid = c.relnamespace
  left join pg_catalog.pg_depend d
    on d.classid = 'pg_catalog.pg_class'::regclass and d.objid = c.oid and d.objsubid = 0
   and d.refclassid = 'pg_catalog.pg_class'::regclass and d.deptype in ('a', 'i')
 where c.relkind = 'S' and c.relpersistence <> 't' and n.nspname !~ '^pg_'
   and not (pg_catalog.has_schema_privilege(n.oid, 'usage') and pg_catalog.has_sequence_privilege(c.oid, 'select'))
   and not exists (select from pg_catalog.pg_depend e
                    where e.classid = 'pg_catalog.pg_class'::regclass and e.objid = c.oid and e.deptype = 'e')
 order by 1, 2"""
_ENGLISH = {"LC_ALL": "C"}
_UTF8 = {"PGCLIENTENCODING": "UTF8"}
_SELDOM_MISSED = ("EXTENSION", "COMMENT", "PROCEDURAL LANGUAGE", "ACL")
_NAMED = 3


@dataclass(frozen=True, slots=True)
class SourceFacts:
    """What making a clone needs to know of the source beside its snapshot.

    `database` is its row of pg_database with `encoding_name`. `analyzed_parents` are the (schema, table) of the
    partitioned tables that were analysed as a whole, `unreadable_sequences` (schema, name, oid of the owning table);
    `leakproof` are functions, as `read_leakproof` tells them, `casts` those of `read_casts`, and `operator_families`
    those of `read_operator_families`.
    """

    database: Mapping[str, object]
    size_bytes: int
    has_large_objects: bool
    analyzed_parents: tuple[tuple[str, str], ...]
    unreadable_sequences: tuple[tuple[str, str, int | None], ...]
    leakproof: tuple[tuple[str, str, str], ...]
    casts: tuple[Cast, ...]
    operator_families: tuple[OperatorFamily, ...]


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


def read_facts(source: Connection) -> SourceFacts:
    """Return what the catalog says of the source's database, as this session's role sees it."""
    row = source.execute(_DATABASE).fetchone()
    assert row is not None
    parents = source.execute(_INHERITED_STATISTICS).fetchall()
    sequences = source.execute(_UNREADABLE_SEQUENCES).fetchall()
    return SourceFacts(
        database=row[0],
        size_bytes=row[1],
        has_large_objects=row[2],
        analyzed_parents=tuple((schema, table) for schema, table in parents),
        unreadable_sequences=tuple((schema, name, table) for schema, name, table in sequences),
        leakproof=tuple(read_leakproof(source)),
        casts=tuple(read_casts(source)),
        operator_families=tuple(read_operator_families(source)),
    )


def left_out(snapshot: Snapshot, facts: SourceFacts) -> tuple[str, ...]:
    """Return notes on what of the source is not copied, why, and what would let it be."""
    hidden = [table for table in snapshot.tables if not table.is_readable]
    guarded = [(table.schema, table.name) for table in hidden if table.has_row_security]
    forbidden = [(table.schema, table.name) for table in hidden if not table.has_row_security]
    notes = []
    if guarded:
        notes.append(
            "row-level security hides rows from this role, and the lab is without these tables: use a role with "
            f"BYPASSRLS, or their owner, or --lab DSN: {names(guarded)}"
        )
    if forbidden:
        notes.append(
            "this role may not read these tables, and the lab is without them: grant it SELECT on them, or "
            f"pg_read_all_data, or use --lab DSN: {names(forbidden)}"
        )
    absent = {table.oid for table in hidden}
    anew = [(schema, name) for schema, name, table in facts.unreadable_sequences if table not in absent]
    if anew:
        notes.append(
            "this role may not read these sequences, and they start anew in the lab: grant it SELECT on them, or "
            f"pg_read_all_data, or use --lab DSN: {names(anew)}"
        )
    if facts.has_large_objects:
        notes.append("the lab is without the source's large objects: queries that read them fail there")
    return tuple(notes)


def create_database(admin: Connection, database: Mapping[str, object]) -> str | None:
    """Create the lab's database with the source's encoding and locale; return a note when the locale is not known here.

    All that will be in it belongs to a role that may do no harm.

    Sort order decides which indexes serve LIKE and how long text sorts take, so a difference is worth telling. Raises
    LabError `lab.restore_failed`.
    """
    import psycopg

    from trimtab.db.failures import source_error

    encoding = quote_literal(str(database["encoding_name"]))
    major = admin.info.server_version // 10000
    create_owner(admin, is_unbound=True)  # Queries see all rows, and the rows of any table can be restored.
    wanted = f"CREATE DATABASE {quote_identifier(DATABASE)} TEMPLATE template0 {copy_strategy(major)}"
    wanted += f" ENCODING {encoding}"
    # Without a provider, template0's is taken, and its locale: the same names would sort in another way.
    libc = " LOCALE_PROVIDER libc" if major >= 15 else ""
    try:
        admin.execute((wanted + _locale_clause(database, libc)).encode())
    except psycopg.Error:
        try:
            admin.execute(f"{wanted}{libc} LC_COLLATE 'C' LC_CTYPE 'C'".encode())
        except psycopg.Error as error:
            raise LabError(
                f"the lab's database could not be created: {source_error(error)}",
                code="lab.restore_failed",
                next_step="Check the free disk space and memory of this machine, or use --lab DSN.",
            ) from None
        name = _provider_locale(database) or database["datcollate"]
        return f"the lab sorts text by byte: this machine does not know the source's locale {name}"
    return None


def confined_dsn(server: Server) -> str:
    """Return the DSN of the clone for the role that owns it, which is no superuser."""
    return server.dsn(DATABASE, user=OWNER)


def copy_rows(
    server: Server, binaries: Binaries, conninfo: str, snapshot: Snapshot, facts: SourceFacts, progress: Progress
) -> tuple[str, ...]:
    """Dump the source and restore it into the lab's database; return notes on what could not be restored.

    Raises LabError: `lab.dump_failed`, `lab.binaries_too_old`, `lab.restore_failed`.
    """
    _require_new_enough(binaries, snapshot)
    dump = server.directory / "dump"
    try:
        progress(1, LAB_STEPS, "lab: reading the source")
        _dump(binaries, conninfo, snapshot, facts, dump)
        progress(2, LAB_STEPS, "lab: restoring")
        return _restore(server, dump, snapshot, facts)
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
        script = "\n".join(statements)
        server.run("psql", "--no-psqlrc", "--quiet", f"--dbname={DATABASE}", input=script, environment=_UTF8)
    progress(LAB_STEPS, LAB_STEPS, "lab: ready")


def _require_new_enough(binaries: Binaries, snapshot: Snapshot) -> None:
    if binaries.version[0] < snapshot.server.major:
        raise LabError(
            f"the source runs PostgreSQL {snapshot.server.version_text} and cannot be cloned by older programs: "
            f"found {binaries.version[0]}.{binaries.version[1]}",
            code="lab.binaries_too_old",
            next_step="Name an installation of the source's version or newer with --pg-bin DIR, or use --lab DSN.",
        )


def _dump(binaries: Binaries, conninfo: str, snapshot: Snapshot, facts: SourceFacts, directory: Path) -> None:
    hidden = [f"--exclude-table={qualified(t.schema, t.name)}" for t in snapshot.tables if not t.is_readable]
    hidden += [f"--exclude-table-data={qualified(schema, name)}" for schema, name, _ in facts.unreadable_sequences]
    encoding = program_encoding(str(facts.database["encoding_name"]))
    options = ("--format=directory", _JOBS, "--compress=0", "--no-sync", "--lock-wait-timeout=10s", "--no-password")
    without = (*_WITHOUT, *hidden, _NO_LARGE_OBJECTS, f"--encoding={encoding}")
    with for_programs(conninfo, directory.parent) as reachable:
        target = (f"--file={directory}", f"--dbname={reachable}")
        done = binaries.run("pg_dump", *options, *without, *target, environment=_ENGLISH)
    if done.returncode != 0:
        raise LabError(
            f"the source could not be read for the lab: pg_dump said: {first_reason(done.stderr)}",
            code="lab.dump_failed",
            next_step="The role needs SELECT on the tables (pg_read_all_data), and BYPASSRLS for tables "
            "with row-level security; or use --lab DSN.",
        )


def _restore(server: Server, directory: Path, snapshot: Snapshot, facts: SourceFacts) -> tuple[str, ...]:
    from trimtab.db.connection import connect

    with closing(connect(server.dsn(DATABASE), read_only=False)) as admin:
        wanted = ((name, schema) for name, schema in snapshot.extensions.items() if name not in _BARRED)
        let_restore(admin, DATABASE)
        done_already = create_extensions(admin, wanted) | create_casts(admin, facts.casts)
        _blank_leakproof(server, directory)
        families = facts.operator_families
        between = partial(create_operator_families, admin, families) if families else None
        notes = _restored(server, directory, done_already, between)
        mark_leakproof(admin, facts.leakproof)
    return notes


def _blank_leakproof(server: Server, directory: Path) -> None:
    contents = directory / "toc.dat"
    data = contents.read_bytes()
    if is_likely(data):
        script = server.run("pg_restore", "--schema-only", "--file=-", str(directory), environment=_ENGLISH).stdout
        contents.write_bytes(without_leakproof(data, script))


def _restored(
    server: Server, directory: Path, done_already: Collection[str], between: Callable[[], Sequence[str]] | None
) -> tuple[str, ...]:
    """Restore all of the dump. `between` is called before its rows; it returns the entries that it has made since."""
    contents, listed = chosen_contents(server, directory, _left_out_and(done_already), _ENGLISH)
    # Verbose, so that it tells of which entry an error is.
    options = ("--format=directory", _JOBS, "--verbose", "--no-password", f"--use-list={contents}")
    target = (f"--username={OWNER}", f"--dbname={DATABASE}", *_WITHOUT, str(directory))

    def run(*sections: str) -> list[Failure]:
        done = server.run("pg_restore", *options, *sections, *target, environment=_ENGLISH)
        if done.returncode == 0:
            return []
        failures = restore_failures(done.stderr, listed)
        if not failures or not is_whole(done.stderr):
            raise LabError(
                f"the clone could not be restored: pg_restore said: {first_reason(done.stderr)}",
                code="lab.restore_failed",
                next_step="Check the free disk space and memory of this machine, or use --lab DSN.",
            )
        return without_set_up(failures)

    if between is None:
        failures = run()
    else:
        failures = run("--section=pre-data")
        failures = [*without_made(failures, between()), *run("--section=data", "--section=post-data")]
    return (_not_restored(failures),) if failures else ()


def _left_out_and(done_already: Collection[str]) -> re.Pattern[str]:
    """Match the entries that are left out, and those that are there already."""
    return re.compile("|".join([_LEFT_OUT, *(f"{re.escape(entry)} " for entry in sorted(done_already))]) + ")")


def _not_restored(failures: Sequence[Failure]) -> str:
    """Name the first few, those that trials may miss before what most databases can do without."""
    ranked = sorted(failures, key=lambda one: one.entry.startswith(_SELDOM_MISSED))
    first = "; ".join(f"{one.entry or 'an object'}: {one.reason}" for one in ranked[:_NAMED])
    return f"not restored in the lab: {first}" + (f"; {len(ranked) - _NAMED} more" if len(ranked) > _NAMED else "")


def _locale_clause(database: Mapping[str, object], libc: str) -> str:
    sorts, ctype = quote_literal(str(database["datcollate"])), quote_literal(str(database["datctype"]))
    clause = f" LC_COLLATE {sorts} LC_CTYPE {ctype}"
    name = _provider_locale(database)
    match database.get("datlocprovider"):
        case "i" if name:
            return f"{clause} LOCALE_PROVIDER icu ICU_LOCALE {quote_literal(str(name))}"
        case "b" if name:
            return f"{clause} LOCALE_PROVIDER builtin BUILTIN_LOCALE {quote_literal(str(name))}"
        case _:
            return libc + clause


def _provider_locale(database: Mapping[str, object]) -> object:
    """Return the locale of ICU or of PostgreSQL's own provider, None for libc."""
    return database.get("datlocale") or database.get("daticulocale")


def _size(size_bytes: int) -> str:
    return f"{size_bytes / 1024**3:.1f} GB" if size_bytes >= 1024**3 else f"{size_bytes / 1024**2:.0f} MB"
