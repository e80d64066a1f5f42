"""Carries the user's own B-tree and hash operator classes to a throw-away server: only a superuser may define these.

Those are carried whose functions are in SQL or plpgsql and take exactly the types that they are given. A class runs
nothing by itself, who plans is no superuser, and indexes are built as their tables' owner; what would compare values in
a superuser's session, range types and keys of partitions with such a class, is refused as long as the server lives.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import psycopg

from trimtab.db import queries
from trimtab.db.connection import Connection
from trimtab.model.change import qualified, quote_identifier, quote_literal

TypeName: TypeAlias = tuple[str, str]
"""Schema and name, as pg_type has them."""

# A name of an operator cannot be quoted, and may be anybody's words.
_OPERATOR = re.compile(r"(?!.*(?:--|/\*))[-+*/<>=~!@#%^&|`?]{1,63}")
_METHODS = ("btree", "hash")
_INT8 = ("pg_catalog", "int8")
_GUARD = "pg_catalog.trimtab_guard"
_REFUSAL = "a range type or a partition key cannot have an operator class of the database's own here"


@dataclass(frozen=True, slots=True)
class OperatorClass:
    """A class and the type that it is for."""

    schema: str
    name: str
    type: TypeName


@dataclass(frozen=True, slots=True)
class Member:
    """An operator by its strategy number, or a support function by its own, for operands of these types."""

    number: int
    schema: str
    name: str
    left: TypeName
    right: TypeName


@dataclass(frozen=True, slots=True)
class OperatorFamily:
    """A family of classes of the access method, and all that is in it."""

    schema: str
    name: str
    method: str
    classes: tuple[OperatorClass, ...]
    operators: tuple[Member, ...]
    functions: tuple[Member, ...]

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> OperatorFamily:
        """Return what `dataclasses.asdict` made a dictionary of, where tuples may have become lists."""
        return cls(
            schema=data["schema"],
            name=data["name"],
            method=data["method"],
            classes=tuple(OperatorClass(**{**item, "type": tuple(item["type"])}) for item in data["classes"]),
            operators=tuple(_member(item) for item in data["operators"]),
            functions=tuple(_member(item) for item in data["functions"]),
        )


def read_operator_families(source: Connection) -> list[OperatorFamily]:
    """Return the user's own families that another server may have."""
    rows = source.execute(queries.load("operator_families", source.info.server_version)).fetchall()
    return [
        OperatorFamily(
            schema,
            name,
            method,
            tuple(OperatorClass(of, called, (ts, t)) for of, called, ts, t in classes),
            tuple(Member(number, of, called, (ls, lt), (rs, rt)) for number, of, called, ls, lt, rs, rt in operators),
            tuple(Member(number, of, called, (ls, lt), (rs, rt)) for number, of, called, ls, lt, rs, rt in functions),
        )
        for schema, name, method, classes, operators, functions in rows
    ]


def create_operator_families(admin: Connection, families: Iterable[OperatorFamily]) -> list[str]:
    """Create them as a superuser, where their operators and functions are; nobody else may be at work there.

    `families` may be anybody's words, and so may be what their names stand for here: one that the server does not show
    as it was told, and as one that may be there, is not made. Return the archive's entries that are done with this, one
    for each object: `OPERATOR CLASS schema name`, `OPERATOR FAMILY schema name`.
    """
    done: list[str] = []
    is_guarded = False
    for family in families:
        if not _is_writable(family):
            continue
        try:
            with admin.transaction():
                # Nothing of the database's own may stand in for PostgreSQL's.
                admin.execute("select pg_catalog.set_config('search_path', '', true)")
                if not is_guarded:
                    _create_guard(admin)
                for statement in _statements(family):
                    admin.execute(statement.encode())
                if family not in read_operator_families(admin):
                    raise _UnlikeToldError
        except (psycopg.Error, ValueError, _UnlikeToldError):
            if admin.closed:
                raise
            continue
        is_guarded = True
        done.append(f"OPERATOR FAMILY {family.schema} {family.name}")
        done += [f"OPERATOR CLASS {one.schema} {one.name}" for one in family.classes]
    return done


class _UnlikeToldError(Exception):
    """The server has another family than the one that was told, or one that may not be there."""


def _create_guard(admin: Connection) -> None:
    """Refuse what would call the classes' functions when a superuser reads a value, or opens a table."""
    check = queries.load("operator_class_guard", admin.info.server_version)
    body = f"BEGIN IF ({check}) THEN RAISE feature_not_supported USING MESSAGE = {quote_literal(_REFUSAL)}; END IF; END"
    head = f"CREATE FUNCTION {_GUARD}() RETURNS event_trigger LANGUAGE plpgsql SECURITY DEFINER"
    admin.execute(f"{head} SET search_path = pg_catalog, pg_temp AS {quote_literal(body)}".encode())
    admin.execute(f"CREATE EVENT TRIGGER trimtab_guard ON ddl_command_end EXECUTE FUNCTION {_GUARD}()".encode())


def _is_writable(family: OperatorFamily) -> bool:
    """Whether the statements for it can hold nothing but its names."""
    return family.method in _METHODS and all(_OPERATOR.fullmatch(operator.name) for operator in family.operators)


def _statements(family: OperatorFamily) -> list[str]:
    name = f"{qualified(family.schema, family.name)} USING {family.method}"
    items = {(m.left, m.right): list[str]() for m in (*family.operators, *family.functions)}
    for operator in family.operators:
        called = f"{quote_identifier(operator.schema)}.{operator.name}"
        items[operator.left, operator.right].append(
            f"OPERATOR {int(operator.number)} {called} ({_types(operator.left, operator.right)})"
        )
    for function in family.functions:
        of, taken = _types(function.left, function.right), _types(*_arguments(family.method, function))
        items[function.left, function.right].append(
            f"FUNCTION {int(function.number)} ({of}) {qualified(function.schema, function.name)} ({taken})"
        )
    statements = [f"CREATE OPERATOR FAMILY {name}"]
    for one in family.classes:
        made = f"CREATE OPERATOR CLASS {qualified(one.schema, one.name)} FOR TYPE {qualified(*one.type)}"
        within = f"USING {family.method} FAMILY {qualified(family.schema, family.name)}"
        statements.append(f"{made} {within} AS {', '.join(items.pop((one.type, one.type), []))}")
    loose = [item for some in items.values() for item in some]
    if loose:
        statements.append(f"ALTER OPERATOR FAMILY {name} ADD {', '.join(loose)}")
    return statements


def _arguments(method: str, function: Member) -> Sequence[TypeName]:
    if method == "btree":
        return function.left, function.right
    return (function.left,) if function.number == 1 else (function.left, _INT8)


def _types(*types: TypeName) -> str:
    return ", ".join(qualified(*one) for one in types)


def _member(item: Mapping[str, Any]) -> Member:
    return Member(**{**item, "left": tuple(item["left"]), "right": tuple(item["right"])})
