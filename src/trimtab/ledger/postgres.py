"""A ledger in a schema of a PostgreSQL database, for many machines: the same tables, and the same bytes in them.

One writer at a time: a write takes an advisory lock at its start, and holds it to its commit. Triggers refuse edits and
forks. Every commit is as durable as that server makes commits: what is synchronous_commit = off for others is on here.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager
from functools import lru_cache, partial
from typing import TYPE_CHECKING, Any

from sqlalchemy import Connection, Engine, Select
from sqlalchemy import Dialect as SqlDialect
from sqlalchemy.exc import DBAPIError

from trimtab.db.schema_engine import BUSY, driven, has_table, made_fit, schema_engine, sqlstate_of, take_turn, turn
from trimtab.errors import LedgerError, SourceError
from trimtab.ledger.chain import Row
from trimtab.ledger.faults import corrupt, moved, newer, unreachable, unwritable
from trimtab.ledger.schema import ENTRIES, METADATA, SCHEMA_VERSION, WITHOUT_WITHHELD
from trimtab.ledger.store import MOVED, Dialect, Store, Values

if TYPE_CHECKING:
    import psycopg

SCHEMA = "trimtab_ledger"
WITHHELD = "trimtab_withheld"
"""The schema, beside that of the ledger, of what entries withhold."""
LOCK_CLASS = 0x54724C64  # "TrLd" in ASCII: the first key of the writer's lock
_LOCK_TIMEOUT_MS = 30_000
_DURABLE = (
    "select pg_catalog.set_config('synchronous_commit', 'on', false)"
    " where pg_catalog.current_setting('synchronous_commit') = 'off'"
)
_CORRUPT = frozenset({"23", "P0", "22", "XX"})
"""Classes of SQLSTATE that say that what is there, or was to be, is not what belongs there."""
_GONE, _DENIED = frozenset({"42P01", "3F000"}), frozenset({"42501"})
"""What SQLSTATEs say of a table that is gone with its schema or without, and of one that the role may not read."""
_OTHERWISE = _GONE | {"42703", "42883", "42804"}
"""What they say where a table, a column or its type is another one than was made."""

_COLUMNS = (
    "select n.nspname, c.relname, a.attname, pg_catalog.format_type(a.atttypid, a.atttypmod)"
    " from pg_catalog.pg_attribute a join pg_catalog.pg_class c on c.oid = a.attrelid"
    " join pg_catalog.pg_namespace n on n.oid = c.relnamespace"
    " where n.nspname = any(%s) and c.relkind = 'r' and a.attnum > 0 and not a.attisdropped"
)
_WITHHELD_DDL = (
    f"CREATE SCHEMA IF NOT EXISTS {WITHHELD}",
    f"CREATE TABLE IF NOT EXISTS {WITHHELD}.openings (sha256 text PRIMARY KEY, opening bytea NOT NULL)",
)
_DDL = (
    *_WITHHELD_DDL,
    f"CREATE TABLE {SCHEMA}.version (version integer NOT NULL)",
    f"INSERT INTO {SCHEMA}.version VALUES ({SCHEMA_VERSION})",  # noqa: S608  # both are constants
    f"CREATE FUNCTION {SCHEMA}.keep() RETURNS trigger LANGUAGE plpgsql SET search_path = pg_catalog AS"
    " $$ BEGIN RAISE EXCEPTION 'the ledger is append-only'; END $$",
    f"CREATE FUNCTION {SCHEMA}.follow() RETURNS trigger LANGUAGE plpgsql SET search_path = pg_catalog AS $$ BEGIN"  # noqa: S608
    f" IF NEW.seq IS DISTINCT FROM (SELECT coalesce(max(seq), 0) + 1 FROM {SCHEMA}.entries)"
    " OR NEW.prev_hash IS DISTINCT FROM"
    f" coalesce((SELECT hash FROM {SCHEMA}.entries ORDER BY seq DESC LIMIT 1), repeat('0', 64))"
    " THEN RAISE EXCEPTION 'an entry follows the last one'; END IF; RETURN NEW; END $$",
    *(
        f"CREATE TRIGGER keep BEFORE UPDATE OR DELETE OR TRUNCATE ON {SCHEMA}.{table}"
        f" FOR EACH STATEMENT EXECUTE FUNCTION {SCHEMA}.keep()"
        for table in ("entries", "tree", "checkpoints")
    ),
    f"CREATE TRIGGER follow BEFORE INSERT ON {SCHEMA}.entries FOR EACH ROW EXECUTE FUNCTION {SCHEMA}.follow()",
)
# A statement sees what was there before it: each part of this one is written, and the entry's trigger asked, by that.
_ENTRY = (  # the schema's name, in all three, is a constant
    f"WITH entry AS (INSERT INTO {SCHEMA}.entries (seq, at_ns, kind, run_id, body, prev_hash, hash)"  # noqa: S608
    " VALUES (%(seq)s, %(at_ns)s, %(kind)s, %(run_id)s, %(body)s, %(prev_hash)s, %(hash)s))"
)
_NODES = (
    f"INSERT INTO {SCHEMA}.tree (seq, level, hash)"  # noqa: S608
    " SELECT * FROM unnest(%(ends)s::bigint[], %(levels)s::integer[], %(hashes)s::bytea[])"
)
_CHECKPOINT = f"INSERT INTO {SCHEMA}.checkpoints (size, note) VALUES (%(size)s, %(note)s)"  # noqa: S608
_HASH = f"SELECT hash FROM {SCHEMA}.entries WHERE seq = %s"  # noqa: S608
_UNSIGNED, _SIGNED = f"{_ENTRY} {_NODES}", f"{_ENTRY}, nodes AS ({_NODES}) {_CHECKPOINT}"

_FENCED = ("entries", "checkpoints")
_UNFENCE = tuple(f"DROP TRIGGER IF EXISTS gone ON {SCHEMA}.{table}" for table in _FENCED)
FENCE = (
    f"CREATE OR REPLACE FUNCTION {SCHEMA}.gone() RETURNS trigger LANGUAGE plpgsql SET search_path = pg_catalog AS"
    f" $$ BEGIN RAISE EXCEPTION '{MOVED}'; END $$",
    *_UNFENCE,
    *(
        f"CREATE TRIGGER gone BEFORE INSERT ON {SCHEMA}.{table} FOR EACH STATEMENT EXECUTE FUNCTION {SCHEMA}.gone()"
        for table in _FENCED
    ),
)


def open_postgres(conninfo: str) -> Store:
    """Open the ledger of a database, or create its schema. Raises LedgerError corrupt, newer, unwritable or busy."""
    from trimtab.db.dsn import describe

    name = f"in {describe(conninfo)}"
    dialect = Dialect(
        name=name,
        faults=partial(_faults, name),
        begin=_begin,
        entries=ENTRIES.select(),
        row=_row,
        corrupt=partial(corrupt, name),
        fence=FENCE,
        unfence=_UNFENCE,
        insert=_insert,
    )
    with _faults(name):
        engine = schema_engine(partial(_connect, conninfo), SCHEMA)
        try:
            with engine.connect() as connection:
                _prepare(connection, name)
        except BaseException:
            engine.dispose()
            raise
    return Store(engine, dialect, _OpeningTable(engine, name))


def _connect(conninfo: str) -> psycopg.Connection[Any]:
    from trimtab.db.connection import connect

    return made_fit(connect(conninfo, read_only=False, lock_timeout_ms=_LOCK_TIMEOUT_MS), _DURABLE)


def _begin(connection: Connection, query: Select[Any]) -> Sequence[Any] | None:
    """Take the writer's place and read the head by one message: what waits for the server is most of an append."""
    connection.begin()
    with driven(connection) as session:
        cursor = session.execute(_beginning(query, connection.dialect))
        while cursor.nextset():
            pass
        return cursor.fetchone()


@lru_cache(maxsize=8)
def _beginning(query: Select[Any], dialect: SqlDialect) -> bytes:
    """Return what takes the writer's place and then asks `query`, which has no value of anybody's in it.

    Each statement of a message has a snapshot of its own: the last one sees what was there once the lock was had.
    """
    head = query.compile(
        dialect=dialect,
        schema_translate_map={None: SCHEMA},
        render_schema_translate=True,
        compile_kwargs={"literal_binds": True},
    )
    return f"{turn(LOCK_CLASS)}; {head}".encode()


def _insert(
    connection: Connection, entry: Values, nodes: Sequence[Values], checkpoint: tuple[int, str] | None
) -> Sequence[Any]:
    """Write all of it by one statement, see what is there, and commit, each sent before the other has answered."""
    columns = {"ends": "seq", "levels": "level", "hashes": "hash"}
    values = {**entry, **{name: [node[column] for node in nodes] for name, column in columns.items()}}
    statement = _UNSIGNED
    if checkpoint is not None:
        statement, values = _SIGNED, {**values, "size": checkpoint[0], "note": checkpoint[1]}
    with driven(connection) as session, session.pipeline():
        session.execute(statement.encode(), values)
        found = session.execute(_HASH.encode(), (entry["seq"],))
        session.execute(b"COMMIT")
        return [row[0] for row in found.fetchall()]


def _row(found: Sequence[Any]) -> Row:
    seq, at_ns, *texts = found
    kind, run_id, body, prev_hash, digest = (None if text is None else str(text).encode() for text in texts)
    return Row(seq, str(at_ns).encode(), kind, run_id, body, prev_hash, digest)


def _prepare(connection: Connection, name: str) -> None:
    if connection.exec_driver_sql("show server_encoding").scalar_one() != "UTF8":
        raise unwritable(name, "its database's encoding is not UTF8")
    if not has_table(connection, SCHEMA, "version"):
        take_turn(connection, LOCK_CLASS)
        if not has_table(connection, SCHEMA, "version"):
            if has_table(connection, SCHEMA, ENTRIES.name):
                raise corrupt(name, "its table of the version is not there")
            connection.exec_driver_sql(f"CREATE SCHEMA IF NOT EXISTS {SCHEMA}")
            METADATA.create_all(connection, checkfirst=False)
            for statement in _DDL:
                connection.exec_driver_sql(statement)
    _require_columns(connection, name)
    version = _version(connection)
    if version is None:
        raise corrupt(name, "its version is no number")
    if version not in (WITHOUT_WITHHELD, SCHEMA_VERSION):
        raise newer(name, version, SCHEMA_VERSION)
    connection.commit()


def _require_columns(connection: Connection, name: str) -> None:
    """Refuse tables whose columns are of other types than they were made with: what is read of them is no entry."""
    made = {
        (SCHEMA, table.name, column.name): column.type.compile(connection.dialect).lower()
        for table in METADATA.tables.values()
        for column in table.columns
    }
    made |= {(SCHEMA, "version", "version"): "integer"}
    beside = {(WITHHELD, "openings", "sha256"): "text", (WITHHELD, "openings", "opening"): "bytea"}
    found = {tuple(row[:3]): row[3] for row in connection.exec_driver_sql(_COLUMNS, ([SCHEMA, WITHHELD],))}
    if any(key[:2] == (WITHHELD, "openings") for key in found):
        made |= beside
    for (schema, table, column), kind in made.items():
        is_there = found.get((schema, table, column))
        if is_there != kind:
            raise corrupt(
                name, f"the column {column} of its table {table} is {is_there or 'not there'}, and was {kind}"
            )


def _version(connection: Connection) -> int | None:
    """Return the version of the schema, None where that is not one number."""
    found = connection.exec_driver_sql(f"SELECT version FROM {SCHEMA}.version").scalars().all()  # noqa: S608
    return found[0] if len(found) == 1 and type(found[0]) is int else None


class _OpeningTable:
    """What entries withhold, in a table beside those of the ledger, of which rows may be changed."""

    removes_at_once = False

    def __init__(self, engine: Engine, name: str) -> None:
        self._engine = engine
        self._name = name

    def begin(self, connection: Connection) -> None:
        if not has_table(connection, WITHHELD, "openings"):
            for statement in _WITHHELD_DDL:
                connection.exec_driver_sql(statement)
        if _version(connection) != SCHEMA_VERSION:
            connection.exec_driver_sql(f"UPDATE {SCHEMA}.version SET version = {SCHEMA_VERSION}")  # noqa: S608

    def put(self, connection: Connection, digest: str, opening: bytes) -> None:
        statement = f"INSERT INTO {WITHHELD}.openings VALUES (%s, %s) ON CONFLICT DO NOTHING"  # noqa: S608
        connection.exec_driver_sql(statement, (digest, opening))
        if self._count(connection, [digest]) != 1:  # a rule or a trigger of somebody's
            raise corrupt(self._name, "what it withholds is not kept by its server")

    def written(self, digests: Collection[str]) -> None:
        pass  # both are there by one commit

    def settle(self, withheld: Callable[[], Collection[str]]) -> None:
        pass

    def get(self, digest: str) -> bytes | None:
        found = self._run(f"SELECT opening FROM {WITHHELD}.openings WHERE sha256 = %s", digest)  # noqa: S608
        return found[0][0] if found and isinstance(found[0][0], bytes) else None

    def digests(self) -> list[str]:
        return [str(row[0]) for row in self._run(f"SELECT sha256 FROM {WITHHELD}.openings ORDER BY sha256")]  # noqa: S608

    def remove(self, connection: Connection, digests: Collection[str]) -> int:
        if not digests or not has_table(connection, WITHHELD, "openings"):
            return 0
        removed = self._count(connection, digests)
        statement = f"DELETE FROM {WITHHELD}.openings WHERE sha256 = ANY(%s)"  # noqa: S608
        connection.exec_driver_sql(statement, (list(digests),))
        if left := self._count(connection, digests):
            raise corrupt(self._name, f"{left} definitions that were removed are still there")
        return removed

    def _count(self, connection: Connection, digests: Collection[str]) -> int:
        query = f"SELECT count(*) FROM {WITHHELD}.openings WHERE sha256 = ANY(%s)"  # noqa: S608
        return int(connection.exec_driver_sql(query, (list(digests),)).scalar_one())

    def _run(self, statement: str, *values: object) -> Sequence[Any]:
        """Return what a query says, which is a transaction of its own; nothing where its table is not there."""
        try:
            with self._engine.connect() as connection:
                return connection.exec_driver_sql(statement, values).all()
        except DBAPIError as error:
            sqlstate = sqlstate_of(error.orig)
            if sqlstate in _DENIED:
                raise PermissionError(errno.EACCES, os.strerror(errno.EACCES)) from None
            if sqlstate not in _GONE:
                raise
            return ()


@contextmanager
def _faults(name: str) -> Iterator[None]:
    """Raise LedgerError `ledger.busy`, `ledger.unwritable`, `ledger.moved` or `ledger.corrupt` for the block's faults.

    The server's words are not repeated: they can hold values.
    """
    import psycopg

    try:
        yield
    except SourceError as error:
        raise unreachable(name, str(error)) from None
    except (DBAPIError, psycopg.Error) as error:
        fault = error.orig if isinstance(error, DBAPIError) else error
        sqlstate = sqlstate_of(fault)
        if sqlstate in BUSY:
            raise LedgerError(
                f"the ledger {name} is held by another writer",
                code="ledger.busy",
                next_step="Wait for the other run to end, then try again.",
            ) from None
        if sqlstate == "P0001" and MOVED in str(fault):
            raise moved(name) from None
        if sqlstate[:2] in _CORRUPT:
            raise corrupt(name, f"its server refused what was to be written ({sqlstate})") from None
        if sqlstate in _OTHERWISE:
            raise corrupt(name, f"a table of it is not as it was made ({sqlstate})") from None
        if not sqlstate:
            raise unreachable(name, "the connection was lost") from None
        raise unwritable(name, f"its server says {sqlstate}") from None
