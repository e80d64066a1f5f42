"""Reads the security snapshot of a server, in one read-only transaction. It decides nothing of what it sees.

What the role may not read is recorded as unreadable, section by section; everything else that fails is an error.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache

import psycopg
from psycopg import errors, pq

from trimtab.db import queries
from trimtab.db.connection import Connection, source_error
from trimtab.db.definitions import read_plain_definition
from trimtab.security.sections import SECTIONS, Section
from trimtab.security.snapshot import Attribute, Row, SecuritySnapshot

# Texts of expressions read the same for every role and every database: nothing of the session's own is in them.
_READING = {
    "search_path": "pg_catalog",
    "datestyle": "ISO, YMD",
    "intervalstyle": "postgres",
    "timezone": "UTC",
    "extra_float_digits": "1",
    "bytea_output": "hex",
    "quote_all_identifiers": "off",
    # Views and expressions are printed under a lock on their tables: a migration that holds one is not waited for long.
    "lock_timeout": "5000",
}
_SET = (
    "select pg_catalog.set_config(w.name, w.value, true)"
    " from rows from (pg_catalog.unnest($1::text[]), pg_catalog.unnest($2::text[])) as w(name, value)"
)
_DENIED = (errors.InsufficientPrivilege, errors.ObjectNotInPrerequisiteState)


def read_security(connection: Connection, *, now_ns: Callable[[], int]) -> SecuritySnapshot:
    """Return what the connection's role may see of the server's security now. Raises SourceError.

    The connection is in no transaction, or in one of its own that only reads. Its settings are as before afterwards.
    """
    try:
        is_idle = connection.info.transaction_status == pq.TransactionStatus.IDLE
        with connection.transaction():
            if is_idle:
                connection.execute("set transaction isolation level repeatable read, read only")
            connection.execute(_SET, (list(_READING), list(_READING.values())))
            return _read(connection, now_ns())
    except psycopg.Error as error:
        raise source_error(error) from None


def _read(connection: Connection, now_ns: int) -> SecuritySnapshot:
    version = connection.info.server_version
    sections: dict[str, dict[str, Row]] = {}
    unreadable: dict[str, str] = {}
    connection.execute("savepoint before_sections")  # what is denied does not end the rest
    for section in SECTIONS:
        try:
            text = queries.load(section.query, version)
        except KeyError:  # this version has no such thing
            continue
        try:
            rows = _rows(connection, section, text)
            if section.most is not None and len(rows) > section.most:
                unreadable[section.name] = f"in part: there are more than {section.most}"
                rows = dict(list(rows.items())[: section.most])
            sections[section.name] = rows
        except _DENIED:
            connection.execute("rollback to savepoint before_sections")
            unreadable[section.name] = f"needs {section.needs or 'a right that this role does not have'}"
    ((reads_settings, _),) = connection.execute(queries.load("security_rights", version).encode()).fetchall()
    if not reads_settings:
        unreadable["settings"] = "in part: the settings that only pg_read_all_settings shows are missing"
    server = connection.execute(queries.load("server", version).encode()).fetchone()
    if server is None:
        raise errors.InternalError("the current database is not in pg_database")
    identifier = None
    if server[8]:
        found = connection.execute(queries.load("server_identifier", version).encode()).fetchone()
        identifier = None if found is None else str(found[0])
    return SecuritySnapshot(
        database=str(server[1]),
        database_oid=int(server[2]),
        system_identifier=identifier,
        version=version,
        role=str(server[3]),
        taken_at_ns=now_ns,
        sections={name: dict(sorted(rows.items())) for name, rows in sections.items()},
        unreadable=unreadable,
    )


def _rows(connection: Connection, section: Section, text: str) -> dict[str, Row]:
    cursor = connection.execute(text.encode(), section.parameters)
    names = [column.name for column in cursor.description or ()]
    rows: dict[str, Row] = {}
    for values in cursor:
        fields = dict(zip(names, values, strict=True))
        key = _key(section, fields.pop("key"))
        rows[key] = {name: _attribute(name, value) for name, value in fields.items()}
        if section.name == "indexes":
            rows[key] = {**rows[key], "definition": definition_digest(str(fields["definition"]))}
    return _in_order(rows) if section.name == "hba" else rows


def _in_order(rows: Mapping[str, Row]) -> dict[str, Row]:
    """Name each rule by what it says and tell which one it follows: one that is put in changes two rows, not all."""
    named: dict[str, Row] = {}
    previous = ""
    for _, row in sorted(rows.items(), key=lambda item: int(item[0])):
        said = " ".join(_said(row[name]) for name in ("type", "databases", "users", "address", "netmask", "method"))
        key, times = said, 1
        while key in named:
            times += 1
            key = f"{said} ({times})"
        named[key] = {**row, "follows": previous}
        previous = key
    return named


def _said(value: Attribute) -> str:
    return ",".join(value) if isinstance(value, tuple) else str(value or "-")


def _key(section: Section, parts: Sequence[str]) -> str:
    return " ".join(parts) if section.is_plain else quoted(parts)


def quoted(parts: Sequence[str]) -> str:
    """Return the parts of a name as one text, each in quotes."""
    return ".".join('"' + part.replace('"', '""') + '"' for part in parts)


def _attribute(name: str, value: object) -> Attribute:
    if isinstance(value, list):
        texts = tuple(str(item) for item in value)
        return quoted(texts) if name in ("table", "object") else texts
    if value is None or isinstance(value, str | int | bool):
        return value
    return str(value)


@lru_cache(maxsize=1 << 15)
def definition_digest(tail: str) -> str:
    """Return the digest of an index's definition from USING on.

    One over columns alone has the same however it is written. One with an expression or a predicate, or that the
    parser cannot read, has that of its text.
    """
    found = read_plain_definition(tail)
    if found is None:
        said = tail
    else:
        said = repr((found.method, found.keys, found.include_columns, found.predicate, sorted(found.options)))
    return hashlib.sha256(said.encode()).hexdigest()
