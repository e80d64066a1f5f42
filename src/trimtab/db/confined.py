"""Confines what is restored, and run, on a throw-away server: it is other people's code, and is nobody's superuser.

A function of the source's, called by a query, a check or an index, may have been written by anyone who could create one
there. Here its caller would be whoever runs the server, so what a superuser may do, as running programs, is kept from
it: the database belongs to a role without any such right, and so does the session that restores it and works on it.
"""

from __future__ import annotations

from collections.abc import Iterable

import psycopg

from trimtab.db import queries
from trimtab.db.connection import Connection
from trimtab.model.change import qualified, quote_identifier

OWNER = "trimtab_owner"


def create_owner(admin: Connection, *, is_unbound: bool = False) -> None:
    """Create the role that owns what is restored. Policies of row-level security bind it unless it `is_unbound`.

    The database is not its own: it could give settings to everybody's sessions then.
    """
    admin.execute(f"CREATE ROLE {OWNER} LOGIN{' BYPASSRLS' if is_unbound else ''}".encode())
    if admin.info.server_version >= 140000:  # Views may look at tables of extensions, and dumps fill such tables.
        admin.execute(f"GRANT pg_read_all_data, pg_write_all_data TO {OWNER}".encode())


def let_restore(admin: Connection, database: str) -> None:
    """Let the owner make what a dump holds. `admin` is a session in that database."""
    admin.execute(f"GRANT CREATE ON DATABASE {quote_identifier(database)} TO {OWNER}".encode())
    admin.execute(f"ALTER SCHEMA public OWNER TO {OWNER}".encode())


def create_extensions(connection: Connection, extensions: Iterable[tuple[str, str]]) -> set[str]:
    """Create the extensions, (name, schema), that this installation has, as a superuser; nothing else needs to be one.

    Return the entries of an archive that are done with this: `EXTENSION - name`, `SCHEMA - name`.
    """
    done = set()
    for name, schema in extensions:
        try:
            with connection.transaction():
                is_new = create_schema(connection, schema)
                connection.execute(
                    f"CREATE EXTENSION {quote_identifier(name)} SCHEMA {quote_identifier(schema)} CASCADE".encode()
                )
        except psycopg.Error:
            if connection.closed:
                raise
            continue  # The archive asks for it again, and what the server says then is told.
        done.add(f"EXTENSION - {name}")
        if is_new:
            done.add(f"SCHEMA - {schema}")
    for (wrapper,) in connection.execute("select fdwname from pg_catalog.pg_foreign_data_wrapper").fetchall():
        connection.execute(f"GRANT USAGE ON FOREIGN DATA WRAPPER {quote_identifier(wrapper)} TO {OWNER}".encode())
    # Whoever works on a table works as its owner: functions in an index that is made on it, say.
    owned = connection.execute(queries.load("extension_tables", connection.info.server_version)).fetchall()
    for schema, name in owned:
        connection.execute(f"ALTER TABLE {qualified(schema, name)} OWNER TO {OWNER}".encode())
    return done


def create_schema(connection: Connection, schema: str) -> bool:
    """Create the schema, the owner's, where it is not there; return whether it was made."""
    text = "select pg_catalog.to_regnamespace(pg_catalog.quote_ident($1)) is null"
    is_new = connection.execute(text, (schema,)).fetchone() == (True,)
    if is_new:
        connection.execute(f"CREATE SCHEMA {quote_identifier(schema)} AUTHORIZATION {OWNER}".encode())
    return is_new
