"""Whether a text is one read that may be run on a source: its parts are allowed by name, its functions are known.

The syntax tree holds nothing but kinds of nodes that can only read; every function that it calls is looked up in the
catalog. What the server itself refuses (`db.read_only`) is the second line, not this one's excuse.
"""

from __future__ import annotations

from collections.abc import Iterable

import psycopg

from trimtab.db import queries
from trimtab.db.connection import Connection
from trimtab.db.danger import Danger, danger_of, kind_of
from trimtab.db.failures import source_error
from trimtab.db.parser import Node, Nodes, UnreadableSqlError, parse, walk
from trimtab.model.workload import QueryKind

# All kinds of nodes that a SELECT may be made of. What is not here is refused, also what later versions bring.
_READING_WORDS = (
    "A_ArrayExpr A_Const A_Expr A_Indices A_Indirection A_Star Alias BitString BoolExpr Boolean BooleanTest "
    "CTECycleClause CTESearchClause CaseExpr CaseWhen CoalesceExpr CollateClause ColumnDef ColumnRef CommonTableExpr "
    "Float FuncCall GroupingFunc GroupingSet Integer JoinExpr JsonAggConstructor JsonArgument JsonArrayAgg "
    "JsonArrayConstructor JsonArrayQueryConstructor JsonBehavior JsonExpr JsonFormat JsonFuncExpr "
    "JsonIsPredicate JsonKeyValue JsonObjectAgg JsonObjectConstructor JsonOutput JsonParseExpr JsonReturning "
    "JsonScalarExpr JsonSerializeExpr JsonTable JsonTableColumn JsonTablePathSpec JsonValueExpr List "
    "MinMaxExpr NamedArgExpr NullTest ParamRef RangeFunction RangeSubselect RangeTableFunc RangeTableFuncCol "
    "RangeTableSample RangeVar ResTarget RowExpr SQLValueFunction SelectStmt SortBy String SubLink TypeCast "
    "TypeName WindowDef WithClause XmlExpr XmlSerialize"
)
_READING = frozenset(_READING_WORDS.split())
# Volatile for what they return alone.
_HARMLESS = frozenset(
    {"random", "random_normal", "clock_timestamp", "timeofday", "gen_random_uuid", "uuidv4", "uuidv7"}
    | {"array_shuffle", "array_sample", "currval", "lastval", "pg_relation_size", "pg_table_size", "pg_indexes_size"}
    | {"pg_total_relation_size", "pg_database_size", "pg_tablespace_size"}
)
_OWN_SCHEMAS = ("pg_catalog", "information_schema")
# They hold password hashes and connection strings, and pg_read_all_data opens them too.
_SECRET_RELATIONS = frozenset(
    {"pg_authid", "pg_shadow", "pg_user_mapping", "pg_user_mappings", "pg_subscription", "user_mapping_options"}
)


def why_not_read(connection: Connection, text: str) -> Danger | None:
    """Return why the text is not run as a read, None when it is one statement that can only read.

    Functions are resolved on the connection, by its search path. Raises SourceError when it cannot be asked.
    """
    try:
        trees = parse(text)
    except UnreadableSqlError as error:
        return Danger(error.code, error.found)
    if len(trees) != 1:
        return Danger("sql.several_statements", "its text is not one statement")
    nodes = tuple(walk(trees[0]))
    return why_not_read_by_form(nodes) or _why_not_call(connection, _calls(nodes))


def why_not_read_by_form(nodes: Nodes) -> Danger | None:
    """Return what in the tree itself keeps it from being run as a read; functions are judged by their names alone."""
    kind = kind_of(nodes)
    danger = danger_of(nodes, kind)
    if danger is not None:
        return danger
    if kind is not QueryKind.READ:
        return Danger("sql.not_a_read", "it writes, or locks rows")
    for name, fields in nodes:
        if name[0].isupper() and name not in _READING:
            return Danger("sql.not_a_read", f"it holds a {name}, which is not known to be a read alone")
        if name == "RangeVar" and fields.get("relname") in _SECRET_RELATIONS:
            return Danger("sql.not_a_read", "it reads where the server keeps secrets")
        if name == "A_Expr" and len(operator := _parts(fields.get("name"))) > 1 and operator[0] not in _OWN_SCHEMAS:
            return Danger("sql.not_a_read", "it uses an operator that is not PostgreSQL's")
    return None


def _why_not_call(connection: Connection, called: Iterable[tuple[str, str]]) -> Danger | None:
    names = sorted(set(called))
    if not names:
        return None
    try:
        text = queries.load("resolved_functions", connection.info.server_version)
        rows = connection.execute(text, ([schema for schema, _ in names], [name for _, name in names])).fetchall()
    except psycopg.Error as error:
        raise source_error(error) from None
    found = {(schema, name): facts for schema, name, *facts in rows}
    for schema, name in names:
        if (schema, name) not in found:
            return Danger("sql.unknown_function", f"it calls {name}, which is not there, or not for this role")
        is_builtin, is_volatile, runs_as_owner = found[schema, name]
        if is_volatile and not (is_builtin and name in _HARMLESS):
            return Danger("sql.volatile", f"it calls {name}, which is volatile: what it does is not known")
        if runs_as_owner:
            return Danger("sql.volatile", f"it calls {name}, which runs with the rights of its owner")
    return None


def _calls(nodes: Nodes) -> Iterable[tuple[str, str]]:
    for kind, fields in nodes:
        if kind == "FuncCall":
            parts = _parts(fields.get("funcname"))
            yield ("", *parts)[-2:] if len(parts) < 2 else (parts[-2], parts[-1])  # type: ignore[misc]


def _parts(names: object) -> list[str]:
    """Return the parts of a qualified name, as the server compares them."""
    items: list[Node] = names if isinstance(names, list) else []
    found = [item.get("String") for item in items]
    return [str(part.get("sval", "")) if isinstance(part, dict) else "" for part in found]
