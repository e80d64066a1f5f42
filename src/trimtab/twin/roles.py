"""Lets the twin, or the source itself, plan as a role: with the policies that bind it, and with its settings.

Which policies bind a role is left to PostgreSQL: the twin has roles of the same names, attributes and memberships, and
what policies guard belongs to the same owners. The one that plans logs in; nobody else does.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import psycopg

from trimtab.db import queries
from trimtab.db.confined import OWNER
from trimtab.db.connection import Connection
from trimtab.db.failures import source_error
from trimtab.embedded.template import SUPERUSER
from trimtab.errors import SourceError, UsageError
from trimtab.model.catalog import names
from trimtab.model.change import qualified, quote_identifier
from trimtab.twin.database import is_done
from trimtab.twin.privileges import PLANNER, let_plan
from trimtab.twin.settings import PLANNER_SETTINGS
from trimtab.twin.source import Role, Source


def create_roles(twin: Connection, source: Source) -> list[str]:
    """Create the roles that policies name, and the owners of what they guard; return what could not be done."""
    acting = source.acting_roles
    problems = [problem for role in acting for problem in _create(twin, role)]
    return problems + [problem for role in acting for problem in _join(twin, role)]


def give_to_owners(twin: Connection, source: Source) -> list[str]:
    """Give what policies guard, and views of it, to who owns it on the source; return what could not be done."""
    refused = []
    for owner in source.owners:
        role = quote_identifier(name_on_twin(owner.role))
        if not is_done(twin, f"ALTER TABLE IF EXISTS {qualified(owner.schema, owner.name)} OWNER TO {role}"):
            refused.append((owner.schema, owner.name))
    if source.owners:  # Functions with their owner's rights are still the first owner's, and may read these tables.
        for role in sorted({OWNER, *(name_on_twin(owner.role) for owner in source.owners)}):
            let_plan(twin, role)
    return [f"policies may bind the owners of these otherwise than on the source: {names(refused)}"] if refused else []


def planning_role(source: Source, wanted: str | None) -> Role | None:
    """Return the role that a twin of this source plans as: the wanted one, else the session's where policies bind it.

    None is the twin's own role, which no policy binds. Raises UsageError `twin.unknown_role`.
    """
    known = {role.name: role for role in source.roles}
    if wanted is None:
        return known.get(source.role) if source.row_security else None
    if not known:
        raise UsageError(
            f"the role {wanted} cannot be planned as: this twin knows no roles, it is of an older version",
            code="twin.unknown_role",
            next_step="Export or build it again with this version of trimtab.",
        )
    if wanted not in known:
        raise _unknown(wanted)
    return known[wanted]


def admit(twin: Connection, source: Source, role: Role | None) -> list[str]:
    """Let a role of the source log in and plan on the twin; return in words what could not be done, or is missing.

    None is the twin's own, which no policies bind, and which is there in any case.
    """
    is_done(twin, f"CREATE ROLE {PLANNER} LOGIN BYPASSRLS")  # A kept twin may have it.
    let_plan(twin, PLANNER)
    if role is None:
        return []
    problems = [*_create(twin, role), *_join(twin, role)]
    name = quote_identifier(name_on_twin(role.name))
    twin.execute(f"ALTER ROLE {name} LOGIN".encode())
    let_plan(twin, name_on_twin(role.name))
    own = {} if role.name == source.role else source.role_settings.get(role.name, {})
    missing = [name for name, value in source.policy_settings.items() if value is None and name not in own]
    if missing and not role.is_unbound:
        problems.append(
            f"policies read settings that are not known: {', '.join(missing)}. Give them to the session that reads the"
            f" source, as in options='-c {missing[0]}=...' in its DSN"
        )
    return problems


def name_on_twin(role: str) -> str:
    """Return what a role of the source is called on the twin: so too, unless the twin has a role of that name.

    Predefined roles have rights outside of the database: nothing of the source's is given any.
    """
    return f"the source's {role}" if role in (SUPERUSER, OWNER, PLANNER) or role.startswith("pg_") else role


def resolved_search_path(connection: Connection) -> str:
    """Return what the session's search path means to its current role."""
    row = connection.execute(queries.load("twin_search_path", connection.info.server_version)).fetchone()
    assert row is not None, "the query returns one row"
    return str(row[0])


def search_in(connection: Connection, path: str) -> None:
    """Set the session's search path."""
    connection.execute("select pg_catalog.set_config('search_path', $1, false)", (path,))


def bound_role(source: Connection) -> str | None:
    """Return the role of this session of the source when policies bind it on a table that it may read, else None."""
    rights = source.execute(queries.load("twin_rights", source.info.server_version)).fetchall()
    if not any(may_read for _, _, may_read in rights):
        return None
    row = source.execute("select current_user::text").fetchone()
    return None if row is None else str(row[0])


@contextmanager
def asked_as(source: Connection, role: str) -> Iterator[None]:
    """Plan on the source as that role while this lasts, in a transaction that is rolled back.

    Raises UsageError `twin.unknown_role`, SourceError `source.not_a_member`, and what `source_error` makes of others.
    """
    try:
        settings = settings_of(source, role)
        with source.transaction(force_rollback=True):
            _set_role(source, role)
            for name, value in settings:
                source.execute("select pg_catalog.set_config($1, $2, true)", (name, value))
            yield
    except psycopg.Error as error:
        raise source_error(error) from None


def settings_of(source: Connection, role: str) -> list[tuple[str, str]]:
    """Return the settings for planning that a role of the source has; none when it is the session's own."""
    version = source.info.server_version
    if source.execute("select current_user::text").fetchone() == (role,):
        return []
    read = [name for name, _ in source.execute(queries.load("twin_policy_settings", version)).fetchall()]
    wanted = (PLANNER_SETTINGS, ["search_path", *read])
    rows = source.execute(queries.load("twin_role_settings", version), wanted).fetchall()
    return [(name, value) for of, name, value in rows if of == role]


def _set_role(source: Connection, role: str) -> None:
    try:
        source.execute(f"SET LOCAL ROLE {quote_identifier(role)}".encode())
    except psycopg.errors.InsufficientPrivilege:
        raise SourceError(
            f"the source was not asked as {role}: the connecting role is no member of it",
            code="source.not_a_member",
            next_step=f"GRANT {quote_identifier(role)} to the connecting role, or connect as one that is a member; "
            "`trimtab twin explain --as-role` asks the twin alone, and needs no membership.",
        ) from None
    except psycopg.errors.InvalidParameterValue:
        raise _unknown(role) from None


def _unknown(role: str) -> UsageError:
    return UsageError(
        f"the role {role} cannot be planned as: the source has no such role",
        code="twin.unknown_role",
        next_step="Check its name (`\\du` in psql lists roles); a file or a kept twin knows those of its own time.",
    )


def _create(twin: Connection, role: Role) -> list[str]:
    name = name_on_twin(role.name)
    told = [f"the role {role.name} is also the twin's own: policies that name it do not bind it there"]
    problems = told if name != role.name and not role.is_unbound else []
    is_there = twin.execute("select from pg_catalog.pg_roles where rolname = $1", (name,)).fetchone() is not None
    statement = f"CREATE ROLE {quote_identifier(name)} NOLOGIN{' BYPASSRLS' if role.is_unbound else ''}"
    if is_there or is_done(twin, statement):
        return problems
    return [f"the role {role.name} is not on the twin, and neither are the policies for it"]


def _join(twin: Connection, role: Role) -> list[str]:
    name = quote_identifier(name_on_twin(role.name))
    refused = [
        other
        for other in role.acts_as
        if other != role.name and not is_done(twin, f"GRANT {quote_identifier(name_on_twin(other))} TO {name}")
    ]
    return [f"the role {role.name} does not act as {', '.join(refused)} on the twin"] if refused else []
