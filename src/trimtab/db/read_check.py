"""Whether a text is one read that may be run on a source: its parts are allowed by name, its functions are known.

The syntax tree holds nothing but kinds of nodes that can only read; every function that it calls is looked up in the
catalog, by whatever way it is called there: as an aggregate, operator, attribute, cast or sort order, in a view or in a
policy. What the server itself refuses (`db.read_only`) is the second line, not this one's excuse.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import psycopg
from psycopg.rows import TupleRow

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
_ASSIGNING = frozenset({"txid_current", "pg_current_xact_id"})
_OWN_SCHEMAS = ("pg_catalog", "information_schema")
# They hold password hashes and connection strings, and pg_read_all_data opens them too.
_SECRET_RELATIONS = frozenset(
    {"pg_authid", "pg_shadow", "pg_user_mapping", "pg_user_mappings", "_pg_user_mappings", "pg_subscription"}
    | {"user_mapping_options"}
)
# What others run, with what they write into it: passwords too. To trimtab_explain the server shows all of it.
_OTHERS_TEXTS = frozenset({"pg_stat_activity", "pg_stat_get_activity", "pg_stat_statements"})
_SETTINGS = frozenset({"pg_settings", "pg_show_all_settings", "current_setting", "pg_file_settings"})
# By these it compares, sorts and groups, whatever the text says.
_IMPLIED_OPERATORS = ("=", "<>", "<", "<=", ">", ">=")
_MOST_TEXTS = 200
"""Views within views, and policies of their tables."""


def why_not_read(connection: Connection, text: str) -> Danger | None:
    """Return why the text is not run as a read, None when it is one statement that can only read.

    What it names is resolved on the connection, by its search path. Raises SourceError when it cannot be asked.
    """
    seen, texts = {text}, [text]
    while texts:
        danger, more = _why_not(connection, one := texts.pop(), is_asked=one == text)
        if danger is not None:
            return danger
        texts += [each for each in dict.fromkeys(more) if each not in seen]
        seen.update(more)
        if len(seen) > _MOST_TEXTS:
            return Danger("sql.not_a_read", f"it reads by more than {_MOST_TEXTS} views and policies")
    return None


def _why_not(connection: Connection, text: str, *, is_asked: bool) -> tuple[Danger | None, Sequence[str]]:
    """Return why this text is not run, or else the texts that it would run besides: of views, and of policies."""
    try:
        trees = parse(text)
    except UnreadableSqlError as error:
        return Danger(error.code, error.found), ()
    if len(trees) != 1:
        return Danger("sql.several_statements", "its text is not one statement"), ()
    nodes = tuple(walk(trees[0]))
    danger = (
        why_not_read_by_form(nodes)
        or (_why_not_operator(nodes) if is_asked else None)
        or _why_not_call(connection, _calls(nodes))
        or (_why_not_settings(connection) if _names_of(nodes) & _SETTINGS else None)
    )
    return (danger, ()) if danger else _reached(connection, nodes)


def why_not_read_by_form(nodes: Nodes) -> Danger | None:
    """Return what in the tree itself keeps it from being run as a read; functions are judged by their names alone."""
    kind = kind_of(nodes)
    danger = danger_of(nodes, kind)
    if danger is not None:
        return danger
    if kind is not QueryKind.READ:
        return Danger("sql.not_a_read", "it writes, or locks rows")
    unknown = next((name for name, _ in nodes if name[0].isupper() and name not in _READING), None)
    if unknown is not None:
        return Danger("sql.not_a_read", f"it holds a {unknown}, which is not known to be a read alone")
    names = _names_of(nodes)
    if names & _SECRET_RELATIONS:
        return Danger("sql.not_a_read", "it reads where the server keeps secrets")
    if names & _OTHERS_TEXTS:
        return Danger("sql.not_a_read", "it reads the texts of others' statements, in which secrets may stand")
    return None


def _why_not_operator(nodes: Nodes) -> Danger | None:
    if any(schema and schema not in _OWN_SCHEMAS for schema, _ in _operators(nodes)):
        return Danger("sql.not_a_read", "it uses an operator that is not PostgreSQL's")
    return None


def _why_not_call(connection: Connection, called: Iterable[tuple[str, str]]) -> Danger | None:
    names = sorted(set(called))
    if not names:
        return None
    rows = _asked(connection, "resolved_functions", [schema for schema, _ in names], [name for _, name in names])
    found = {(schema, name): facts for schema, name, *facts in rows}
    for schema, name in names:
        if (schema, name) not in found:
            return Danger("sql.unknown_function", f"it calls {name}, which is not there, or not for this role")
        if name in _ASSIGNING:
            return Danger("sql.not_a_read", f"it calls {name}, which takes a transaction's number as a write does")
        is_builtin, is_volatile, runs_as_owner = found[schema, name]
        if is_volatile and not (is_builtin and name in _HARMLESS):
            return Danger("sql.volatile", f"it calls {name}, which is volatile: what it does is not known")
        if runs_as_owner:
            return Danger("sql.volatile", f"it calls {name}, which runs with the rights of its owner")
    return None


def _why_not_settings(connection: Connection) -> Danger | None:
    """Return why settings must not be read: where this role is shown one that holds a password."""
    if _asked(connection, "secret_settings"):
        return Danger("sql.not_a_read", "it reads settings, and one that this role may see holds a password")
    return None


_REACHED = {
    "foreign": ("sql.remote", "it reads {}, a foreign table"),
    "operator": ("sql.volatile", "it uses the operator {}, and what that calls is volatile, or runs as its owner"),
    "type": ("sql.volatile", "it makes values of type {}, and what checks them is volatile, or runs as its owner"),
    "attribute": ("sql.volatile", "{}, as it is written, may call a function that is volatile, or runs as its owner"),
    "cast": ("sql.volatile", "a cast to {} calls what is volatile, or runs as its owner"),
    "class": ("sql.volatile", "comparisons by {} call what is volatile, or runs as its owner"),
}


def _reached(connection: Connection, nodes: Nodes) -> tuple[Danger | None, Sequence[str]]:
    """Return what is reached by other ways than by a call that must not be, or else the texts of views and policies."""
    relations = {
        (str(f.get("schemaname", "")), str(f["relname"])) for name, f in nodes if name == "RangeVar" and "relname" in f
    }
    operators = {*_operators(nodes), *(("", name) for name in _IMPLIED_OPERATORS)}
    types = {_qualified(_parts(fields.get("names"))) for name, fields in nodes if name in ("typeName", "TypeName")}
    attributes = {part for name, fields in nodes for part in _attributes(name, fields)}
    lists = [[part[place] for part in sorted(found)] for found in (relations, operators, types) for place in (0, 1)]
    rows = _asked(connection, "reached_by_read", *lists, sorted(attributes))
    for what, name, _ in rows:
        if what in _REACHED:
            code, words = _REACHED[what]
            return Danger(code, words.format(name)), ()
    return None, [text for _, _, text in rows]


def _asked(connection: Connection, name: str, *values: object) -> list[TupleRow]:
    try:
        return connection.execute(queries.load(name, connection.info.server_version), values).fetchall()
    except psycopg.Error as error:
        raise source_error(error) from None


def _calls(nodes: Nodes) -> Iterable[tuple[str, str]]:
    return (_qualified(_parts(fields.get("funcname"))) for name, fields in nodes if name == "FuncCall")


def _operators(nodes: Nodes) -> set[tuple[str, str]]:
    """Return schema and name of each operator that is written, "" for no schema."""
    fields = {"A_Expr": "name", "SubLink": "operName", "SortBy": "useOp"}
    found = (_parts(of.get(fields[name])) for name, of in nodes if name in fields)
    return {_qualified(parts) for parts in found if parts}


def _attributes(name: str, fields: Node) -> list[str]:
    """Return the names in which a function can be meant: what follows a dot."""
    if name == "ColumnRef":
        return _parts(fields.get("fields"))[1:]
    return _parts(fields.get("indirection")) if name == "A_Indirection" else []


def _names_of(nodes: Nodes) -> set[str]:
    """Return the names of the relations and of the functions that are written."""
    relations = {str(fields.get("relname", "")) for name, fields in nodes if name == "RangeVar"}
    return relations | {function for _, function in _calls(nodes)}


def _qualified(parts: Sequence[str]) -> tuple[str, str]:
    """Return (schema, name) of a name's parts, "" for no schema."""
    return (parts[-2] if len(parts) > 1 else "", parts[-1] if parts else "")


def _parts(names: object) -> list[str]:
    """Return the parts of a qualified name, as the server compares them."""
    items: list[Node] = names if isinstance(names, list) else []
    found = [item.get("String") for item in items]
    return [str(part.get("sval", "")) if isinstance(part, dict) else "" for part in found]
