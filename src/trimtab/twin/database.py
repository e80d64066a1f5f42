"""Makes the twin's database as near to the source's as this machine allows: its locale, and tablespaces with costs.

What it could not make it tells; it never decides what is in the database.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path

import psycopg

from trimtab.db import queries
from trimtab.db.confined import create_owner, create_schema
from trimtab.db.connection import Connection, connect
from trimtab.db.failures import source_error
from trimtab.embedded.server import Server
from trimtab.embedded.template import copy_strategy
from trimtab.errors import LabError
from trimtab.model.catalog import names
from trimtab.model.change import qualified, quote_identifier, quote_literal
from trimtab.twin.source import Collation, RelationFacts, Source

DATABASE = "twin"
_ALTERED = {"i": "INDEX", "m": "MATERIALIZED VIEW"}


def create_database(server: Server, source: Source) -> list[str]:
    """Create it with the source's locale, or the nearest that this machine has. Raises LabError."""
    problem: list[str] = []
    with closing(connect(server.dsn(), read_only=False)) as connection:
        create_owner(connection)
        major = server.binaries.version[0]
        creation = f"CREATE DATABASE {quote_identifier(DATABASE)} TEMPLATE template0"
        for options in _locales(source, major):
            try:
                connection.execute(f"{creation} {copy_strategy(major)} {options}".encode())
            except psycopg.Error:
                if connection.closed:
                    raise
                told = source.locale or source.collation
                problem = [f"the locale {told} is not on this machine: estimates of text ranges may differ"]
            else:
                return problem
    raise LabError(
        "the twin was not built: its database could not be created",
        code="twin.no_database",
        next_step="Check the disk space of the temporary directory, then run again.",
    )


def _locales(source: Source, major: int) -> list[str]:
    """Return options of CREATE DATABASE, the best first. Whether order is plain decides which indexes LIKE can use."""
    libc = "LOCALE_PROVIDER libc " if major >= 15 else ""
    names = f"{libc}LC_COLLATE {quote_literal(source.collation)} LC_CTYPE {quote_literal(source.character_type)}"
    own = {"c": names}
    if major >= 15:
        own["i"] = f"LOCALE_PROVIDER icu ICU_LOCALE {quote_literal(source.locale)} LOCALE 'C'"
    if major >= 17:
        own["b"] = f"LOCALE_PROVIDER builtin BUILTIN_LOCALE {quote_literal(source.locale)} LOCALE 'C'"
    choices = [f"ENCODING {quote_literal(source.encoding)} {own[source.provider]}"] if source.provider in own else []
    # Any text can be in UTF-8, but for that of a database which does not say what its bytes mean.
    any_text = "ENCODING 'SQL_ASCII'" if source.encoding == "SQL_ASCII" else "ENCODING 'UTF8'"
    if not source.has_plain_order:
        choices += [f"{any_text} {libc}LOCALE '{name}'" for name in ("C.UTF-8", "en_US.UTF-8")]
    is_builtin = major >= 17 and source.encoding != "SQL_ASCII"
    plain = "LOCALE_PROVIDER builtin BUILTIN_LOCALE 'C.UTF-8' LOCALE 'C'" if is_builtin else f"{libc}LOCALE 'C'"
    return [*choices, f"{any_text} {plain}"]


def create_collations(twin: Connection, source: Source) -> tuple[set[str], list[str]]:
    """Create the collations that the schema needs, or stand-ins for those that this installation does not know.

    Return the entries of the archive that are done with this, as `create_extensions` does, and what could not be done.
    """
    done, replaced = set[str](), list[tuple[str, str]]()
    for collation in source.collations:
        name = qualified(collation.schema, collation.name)
        if twin.execute("select pg_catalog.to_regcollation($1)", (name,)).fetchone() != (None,):
            continue
        if create_schema(twin, collation.schema):
            done.add(f"SCHEMA - {collation.schema}")
        own, *others = _definitions(collation, twin.info.server_version // 10000)
        statements = {options: f"CREATE COLLATION {name} ({options})" for options in (own, *others)}
        made = next((options for options, statement in statements.items() if is_done(twin, statement)), "")
        if made:
            done.add(f"COLLATION {collation.schema} {collation.name}")
        if made != own:
            replaced.append((collation.schema, collation.name))
    told = f"collations that are not on this machine, estimates of text ranges may differ: {names(replaced)}"
    return done, [told] if replaced else []


def _definitions(collation: Collation, major: int) -> list[str]:
    """Return the collation's own definition and what may stand in for it: not by bytes, or LIKE would gain indexes."""
    provider = {"c": "libc", "i": "icu", "b": "builtin"}[collation.provider]
    if collation.provider == "c":
        sorts, ctype = quote_literal(collation.locale), quote_literal(collation.character_type)
        own = f"PROVIDER = libc, LC_COLLATE = {sorts}, LC_CTYPE = {ctype}"
    else:
        own = f"PROVIDER = {provider}, LOCALE = {quote_literal(collation.locale)}"
        own += "" if collation.is_deterministic else ", DETERMINISTIC = false"
    stand_ins = [f"PROVIDER = libc, LOCALE = {quote_literal(locale)}" for locale in ("C.UTF-8", "en_US.UTF-8")]
    plain = "PROVIDER = builtin, LOCALE = 'C.UTF-8'" if major >= 17 else "PROVIDER = libc, LOCALE = 'C'"
    return [own, *stand_ins, plain]


def is_done(twin: Connection, statement: str) -> bool:
    """Run the statement on the twin; return False where the server refuses it. Raises psycopg.Error when it is lost."""
    try:
        with twin.transaction():
            twin.execute(statement.encode())
    except psycopg.Error:
        if twin.closed:
            raise
        return False
    return True


def place(server: Server, twin: Connection, source: Source) -> list[str]:
    """Move relations to tablespaces with the source's costs; return what could not be done. They have no rows yet."""
    told = []
    for name, options in source.tablespaces.items():
        try:
            if name:
                _create_tablespace(server, twin, name)
            listed = ", ".join(f"{quote_identifier(o)} = {quote_literal(value)}" for o, value in options.items())
            twin.execute(f"ALTER TABLESPACE {quote_identifier(name or 'pg_default')} SET ({listed})".encode())
            for statement in _moves([r for r in source.relations if r.tablespace == name]):
                twin.execute(statement)
        except (psycopg.Error, OSError) as error:
            if twin.closed:
                raise
            why = source_error(error) if isinstance(error, psycopg.Error) else error.strerror
            told.append(f"costs of tablespace {name or 'pg_default'} are not on the twin: {why}")
    return told


def _create_tablespace(server: Server, twin: Connection, name: str) -> None:
    location = ""
    in_place = "select from pg_catalog.pg_settings where name = 'allow_in_place_tablespaces'"
    if twin.execute(in_place).fetchone() is not None:  # a row without columns is an empty tuple
        twin.execute(b"SET allow_in_place_tablespaces = on")
    else:
        # Within the data directory, so that it goes with it and the server's account may write there.
        directory = Path(tempfile.mkdtemp(prefix="trimtab_", dir=server.data_directory))
        if os.geteuid() == 0:
            owner = server.data_directory.stat()
            os.chown(directory, owner.st_uid, owner.st_gid)
        location = str(directory)
    twin.execute(f"CREATE TABLESPACE {quote_identifier(name)} LOCATION {quote_literal(location)}".encode())


def _moves(relations: Sequence[RelationFacts]) -> list[bytes]:
    return [
        f"ALTER {_ALTERED.get(r.kind, 'TABLE')} IF EXISTS {qualified(r.schema, r.name)}"
        f" SET TABLESPACE {quote_identifier(name)}".encode()
        for r in relations
        if (name := r.tablespace) is not None and r.kind in ("r", "m", "i")
    ]


def store_counts(twin: Connection, source: Source, relations: Sequence[RelationFacts]) -> None:
    """Tell the twin's catalog the rows and pages that VACUUM and ANALYZE counted on the source."""
    if relations:
        rows = [_rows(relation, source.version, twin.info.server_version) for relation in relations]
        columns = (
            [relation.schema for relation in relations],
            [relation.name for relation in relations],
            [relation.counted_pages for relation in relations],
            rows,
            [relation.visible_pages for relation in relations],
        )
        twin.execute(queries.load("twin_relations_store", twin.info.server_version), columns)


def _rows(relation: RelationFacts, source: int, twin: int) -> float:
    """Before version 14 a table that was never analysed has 0 rows, since then -1: the planner tells it from empty."""
    if twin < 140000:
        return max(relation.rows, 0.0)
    is_unknown = source < 140000 and relation.counted_pages == 0 and relation.rows == 0 and relation.kind not in "iI"
    return -1.0 if is_unknown else relation.rows
