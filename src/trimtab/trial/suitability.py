"""Whether a database that somebody names may serve as a lab for this source.

It only looks. Above all it refuses the source itself, by system identifier, database and start time.
"""

from __future__ import annotations

from contextlib import suppress
from datetime import datetime
from typing import TYPE_CHECKING

from trimtab.errors import LabError, TrimtabError
from trimtab.model.catalog import ServerIdentity, Snapshot

if TYPE_CHECKING:
    from trimtab.db.connection import Connection

_IDENTITY = """/* trimtab: which database is this, and may it be changed? */
select d.oid, pg_catalog.pg_postmaster_start_time(), pg_catalog.pg_is_in_recovery(),
       -- Our own session is made writable; what its owner set for the database or the role still counts.
       (select s.reset_val from pg_catalog.pg_settings s where s.name = 'default_transaction_read_only') = 'on',
       pg_catalog.pg_database_size(d.oid)
  from pg_catalog.pg_database d
 where d.datname = current_database()"""
_SYSTEM = "select system_identifier::text from pg_catalog.pg_control_system()"
_NOT_OWNED = """/* trimtab: tables of the source that are here and not this role's to change */
select n.nspname, c.relname
  from rows from (pg_catalog.unnest($1::text[]), pg_catalog.unnest($2::text[])) as w(nspname, relname)
  join pg_catalog.pg_namespace n on n.nspname = w.nspname
  join pg_catalog.pg_class c on c.relnamespace = n.oid and c.relname = w.relname
 where not pg_catalog.pg_has_role(c.relowner, 'USAGE')
 order by 1, 2"""
# Undefined table, column, function, type or object, schema: what the workload names is not there.
_ABSENT = ("42P01", "42703", "42883", "42704", "3F000")
_SAME_SECOND = 1.0


def require_suitable(connection: Connection, snapshot: Snapshot) -> int:
    """Return the database's size in bytes, or raise LabError saying why it cannot be the lab."""
    row = connection.execute(_IDENTITY).fetchone()
    assert row is not None
    oid, started_at, is_standby, is_read_only, size_bytes = row
    if is_source(snapshot.server, _system_identifier(connection), int(oid), started_at):
        raise _refused("it is the source itself", "lab.is_source", "Name a copy of the database, or use --lab clone.")
    if is_standby:
        raise _refused("it is a standby", "lab.standby", "Name a database that can be written to.")
    if is_read_only:
        raise _refused("it is read-only", "lab.read_only", "Name a database that can be written to.")
    _require_schema(connection, snapshot)
    _require_ownership(connection, snapshot)
    return int(size_bytes)


def is_source(source: ServerIdentity, system_identifier: str | None, database_oid: int, started_at: datetime) -> bool:
    """Return whether this is the source's own database. A byte copy of it was started at another time.

    What cannot be told counts as equal: the doubt is for the source.
    """
    if database_oid != source.database_oid:
        return False
    known = (source.system_identifier, system_identifier)
    if None not in known and known[0] != known[1]:
        return False
    try:
        began = datetime.fromisoformat(source.started_at)
    except ValueError:
        return True
    if began.tzinfo is None:
        began = began.replace(tzinfo=started_at.tzinfo)
    return abs((began - started_at).total_seconds()) < _SAME_SECOND


def _system_identifier(connection: Connection) -> str | None:
    import psycopg

    with suppress(psycopg.Error):  # Some managed services keep it to themselves.
        row = connection.execute(_SYSTEM).fetchone()
        return None if row is None else str(row[0])
    return None


def _require_schema(connection: Connection, snapshot: Snapshot) -> None:
    from trimtab.db.explain import ServerError, explain

    absent: list[str] = []
    for query in snapshot.workload.queries:
        try:
            explain(connection, query)
        except ServerError as error:
            if error.sqlstate in _ABSENT:
                absent.append(str(error))
        except TrimtabError:
            continue
    if absent:
        raise _refused(
            f"{len(absent)} of {len(snapshot.workload.queries)} queries cannot be planned there: {absent[0]}",
            "lab.schema_differs",
            "Restore the source's current schema and rows into it, or use --lab clone.",
        )


def _require_ownership(connection: Connection, snapshot: Snapshot) -> None:
    schemas, names = [t.schema for t in snapshot.tables], [t.name for t in snapshot.tables]
    foreign = connection.execute(_NOT_OWNED, (schemas, names)).fetchall()
    if foreign:
        raise _refused(
            f"{len(foreign)} tables belong to another role, the first: {foreign[0][0]}.{foreign[0][1]}",
            "lab.permission",
            "Connect to the lab as the owner of its tables, or as a member of that role.",
        )


def _refused(found: str, code: str, next_step: str) -> LabError:
    return LabError(f"this database cannot be the lab: {found}", code=code, next_step=next_step)
