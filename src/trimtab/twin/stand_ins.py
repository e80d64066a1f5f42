"""Makes functions that stand in for those of extensions which this installation lacks: tables name them.

A DEFAULT of `uuid_generate_v4()`, a CHECK, a policy or an index's expression is a part of a table: without the function
there would be no table, and no query on it would be planned. A stand-in is planned as the function is. Where planning
calls it, it fails: what its value would be, nobody here knows.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass

import psycopg

from trimtab.db import queries
from trimtab.db.confined import OWNER, create_schema
from trimtab.db.connection import Connection
from trimtab.model.change import qualified

_VOLATILITY = {"i": "IMMUTABLE", "s": "STABLE", "v": "VOLATILE"}
_BODY = "BEGIN RAISE undefined_function USING MESSAGE = 'this function of an extension is not on the twin'; END"


@dataclass(frozen=True, slots=True)
class ExtensionFunction:
    """A function of an extension, whose arguments and result are of types of pg_catalog, by their names there."""

    extension: str
    schema: str
    name: str
    arguments: tuple[str, ...]
    result: str
    volatility: str
    is_strict: bool
    cost: float


def read_extension_functions(source: Connection) -> list[ExtensionFunction]:
    """Return those that a table, view, policy or function of the database rests on. Raises psycopg.Error."""
    rows = source.execute(queries.load("twin_extension_functions", source.info.server_version)).fetchall()
    return [
        ExtensionFunction(extension, schema, name, tuple(arguments), result, volatility, is_strict, cost)
        for extension, schema, name, arguments, result, volatility, is_strict, cost in rows
    ]


def create_stand_ins(twin: Connection, functions: Iterable[ExtensionFunction], done: Collection[str]) -> set[str]:
    """Create those whose extension is not among the entries that are done; return the entries done with this."""
    made = set[str]()
    for function in functions:
        if f"EXTENSION - {function.extension}" in done or function.volatility not in _VOLATILITY:
            continue
        if create_schema(twin, function.schema):
            made.add(f"SCHEMA - {function.schema}")
        name = qualified(function.schema, function.name)
        arguments = ", ".join(qualified("pg_catalog", argument) for argument in function.arguments)
        strict = "STRICT" if function.is_strict else "CALLED ON NULL INPUT"
        statement = (
            f"CREATE FUNCTION {name}({arguments}) RETURNS {qualified('pg_catalog', function.result)} LANGUAGE plpgsql"
            f" {_VOLATILITY[function.volatility]} {strict} PARALLEL SAFE COST {max(function.cost, 1e-4):f}"
            f" AS $${_BODY}$$"
        )
        try:
            with twin.transaction():
                twin.execute(statement.encode())
                twin.execute(f"ALTER FUNCTION {name}({arguments}) OWNER TO {OWNER}".encode())
        except psycopg.Error:  # The archive names what it misses then.
            if twin.closed:
                raise
    return made
