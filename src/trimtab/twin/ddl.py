"""Turns what a person wrote (CREATE INDEX, the name of an index, name=value) into hypothetical changes.

The texts are read by PostgreSQL's own grammar and never run as they are: names go through quoting, and of CREATE INDEX
only the part from USING on is taken over, which the twin's server judges.
"""

from __future__ import annotations

from collections.abc import Mapping

import psycopg

from trimtab.db import queries
from trimtab.db.connection import Connection
from trimtab.db.parser import UnreadableSqlError, parse, tokens_of
from trimtab.errors import UsageError
from trimtab.model.change import CreateIndex, DropIndex, SetSetting, quote_identifier

_WRITE = "Write one statement as in: CREATE INDEX ON public.orders (customer_id) INCLUDE (total) WHERE status = 'open'"


def create_index(text: str, twin: Connection, number: int) -> CreateIndex:
    """Return the index of a CREATE INDEX statement; one without a name is called `hypothetical_<number>`.

    Raises UsageError `twin.index_statement` or `twin.no_such_table`.
    """
    statement = _index_statement(text)
    relation = statement["relation"]
    assert isinstance(relation, Mapping), "CREATE INDEX names a relation"
    written = ".".join(quote_identifier(str(relation[part])) for part in ("schemaname", "relname") if part in relation)
    row = twin.execute(queries.load("twin_relation", twin.info.server_version), (written,)).fetchone()
    if row is None:
        raise UsageError(
            f"the hypothetical index is refused: its table {written} is not on the twin",
            code="twin.no_such_table",
            next_step="Write its schema, and check that this role may read it.",
        )
    return CreateIndex(
        schema=row[0],
        table=row[1],
        name=str(statement.get("idxname") or f"hypothetical_{number}"),
        tail=_tail(text),
        key_columns=_columns(statement.get("indexParams")),
        include_columns=_columns(statement.get("indexIncludingParams")),
    )


def drop_index(name: str, twin: Connection) -> DropIndex:
    """Return what hides an existing index, named as in DROP INDEX. Raises UsageError `twin.no_such_index`."""
    try:
        row = twin.execute(queries.load("twin_index", twin.info.server_version), (name,)).fetchone()
    except (psycopg.errors.InvalidName, psycopg.errors.SyntaxError, psycopg.DataError):
        row = None
    if row is None:
        raise UsageError(
            f"--drop is refused: there is no index {name!r} on the twin",
            code="twin.no_such_index",
            next_step="Write its schema, as in public.orders_status_idx.",
        )
    schema, table, index = row
    return DropIndex(schema, table, index, "", ())


def set_setting(text: str) -> SetSetting:
    """Return the setting of `name=value`. Raises UsageError `twin.setting`."""
    name, equals, value = text.partition("=")
    if not equals or not name.strip():
        raise UsageError(
            f"--set {text!r} is refused: it is not name=value",
            code="twin.setting",
            next_step="Write it as in: --set work_mem=64MB",
        )
    return SetSetting("database", "twin", name.strip(), value.strip())


def _index_statement(text: str) -> Mapping[str, object]:
    try:
        trees = parse(text)
    except UnreadableSqlError as error:
        raise _refused(error.found) from None
    if len(trees) != 1 or "IndexStmt" not in trees[0]:
        raise _refused("it is not one CREATE INDEX statement")
    statement = trees[0]["IndexStmt"]
    assert isinstance(statement, Mapping)
    if statement.get("unique"):
        raise _refused("whether the values are unique, no statistics tell", "Leave UNIQUE out.")
    return statement


def _refused(found: str, next_step: str = _WRITE) -> UsageError:
    return UsageError(f"the hypothetical index is refused: {found}", code="twin.index_statement", next_step=next_step)


def _tail(text: str) -> str:
    """Return the definition from USING on, without comments around it."""
    tokens = [token for token in tokens_of(text) if not token.is_comment and token.kind != ";"]
    after_on = next(place for place, token in enumerate(tokens) if token.kind == "ON")
    start = next(token for token in tokens[after_on:] if token.kind in ("USING", "("))
    tail = text.encode()[start.start : tokens[-1].end].decode()
    return tail if start.kind == "USING" else f"USING btree {tail}"


def _columns(elements: object) -> tuple[str, ...]:
    """Return the names of those that are plain columns."""
    found = elements if isinstance(elements, list) else []
    return tuple(str(e["IndexElem"]["name"]) for e in found if "name" in e["IndexElem"])
