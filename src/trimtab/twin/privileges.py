"""What the planning session may do on the twin: plan, and nothing else that a superuser may.

Planning calls functions, and whoever could create one on the source has written it; so who plans logs in as a role
without any special right. What a question is set up with is done by functions of the superuser's: one shows and hides
indexes; one lends the session a superuser's rights, to who knows a secret that the server does not hold, and one ends
that, before anything is planned.
"""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Iterator
from contextlib import contextmanager

from trimtab.db import queries
from trimtab.db.connection import Connection
from trimtab.model.change import qualified, quote_identifier, quote_literal
from trimtab.twin.database import is_done

PLANNER = "trimtab_planner"
"""Who plans when no role of the source does: it reads everything, and no policies bind it."""
SWITCHING = "select pg_catalog.trimtab_switch($1, $2)"
"""Shows ($2 true) or hides the indexes with these oids, an array's text, until the open transaction ends."""
SEARCHING = "select pg_catalog.set_config('search_path', $1, true)"
"""Sets the search path until the open transaction ends."""

# Operators of the source's schemas must not stand in for PostgreSQL's own.
_AS_OWNER = "LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp"


def create_functions(twin: Connection) -> str:
    """Create them on the twin, or anew, and return the secret that lending asks for."""
    secret = secrets.token_hex(32)
    switch = queries.load("twin_switch", twin.info.server_version)
    digest = hashlib.sha256(secret.encode()).hexdigest()
    known = f"pg_catalog.encode(pg_catalog.sha256(pg_catalog.convert_to($1, 'UTF8')), 'hex') = '{digest}'"
    lend = "EXECUTE pg_catalog.format('ALTER ROLE %I SUPERUSER', session_user)"
    end = "EXECUTE pg_catalog.format('ALTER ROLE %I NOSUPERUSER', session_user)"
    bodies = {
        "trimtab_switch(text, text)": f"BEGIN {switch}; END",
        # What is not known to be right, as null is, is wrong.
        "trimtab_lend(text)": f"BEGIN IF {known} THEN {lend}; ELSE RAISE insufficient_privilege; END IF; END",
        "trimtab_end()": f"BEGIN {end}; END",
    }
    for signature, body in bodies.items():
        statement = f"CREATE OR REPLACE FUNCTION pg_catalog.{signature} RETURNS void {_AS_OWNER}"
        twin.execute(f"{statement} AS {quote_literal(body)}".encode())
    return secret


def let_plan(twin: Connection, role: str) -> None:
    """Give it the rights that EXPLAIN asks for: what a role may not do on the source is not in its workload.

    A role that is not there gets none.
    """
    if twin.info.server_version >= 140000:
        is_done(twin, f"GRANT pg_read_all_data, pg_write_all_data TO {quote_identifier(role)}")
        return
    row = twin.execute(queries.load("twin_schemas", twin.info.server_version)).fetchone()
    schemas = ", ".join(map(quote_identifier, row[0])) if row else ""
    if schemas:
        is_done(twin, f"GRANT USAGE ON SCHEMA {schemas} TO {quote_identifier(role)}")
        for rights in ("SELECT, INSERT, UPDATE, DELETE ON ALL TABLES", "SELECT, UPDATE ON ALL SEQUENCES"):
            is_done(twin, f"GRANT {rights} IN SCHEMA {schemas} TO {quote_identifier(role)}")


def disarm_domains(twin: Connection) -> None:
    """Let all checks of domains pass: values that a superuser stores, or writes as constants, would run them.

    PostgreSQL's own functions too can call others. That there is a check can decide how a query is planned, what it
    checks cannot.
    """
    rows = twin.execute(queries.load("twin_domain_checks", twin.info.server_version)).fetchall()
    for schema, name, check in rows:
        domain, constraint = f"ALTER DOMAIN {qualified(schema, name)}", quote_identifier(check)
        twin.execute(f"{domain} DROP CONSTRAINT {constraint}".encode())
        twin.execute(f"{domain} ADD CONSTRAINT {constraint} CHECK (true) NOT VALID".encode())


@contextmanager
def lent(session: Connection, secret: str) -> Iterator[None]:
    """Let the session do what a superuser may, in its open transaction, while this lasts. Nothing may be planned then.

    Names are those of PostgreSQL itself then. After an error the transaction has to be rolled back.
    """
    path = session.execute("select pg_catalog.current_setting('search_path')").fetchone()
    assert path is not None, "the query returns one row"
    session.execute(SEARCHING, ("",))
    # Never a statement that the server remembers by a name: another one could be given that name, and see the secret.
    session.execute("select pg_catalog.trimtab_lend($1)", (secret,), prepare=False)
    yield
    session.execute("select pg_catalog.trimtab_end()", prepare=False)
    session.execute(SEARCHING, path)
