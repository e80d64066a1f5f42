"""Whether a text is one read that may be run on a source: its parts are allowed by name, its functions are known.

The syntax tree holds nothing but kinds of nodes that can only read; every function that it calls is looked up in the
catalog, by whatever way it is called there: as an aggregate, operator, attribute, cast or sort order, in a view or in a
policy. What the server itself refuses (`db.read_only`) is the second line, not this one's excuse.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

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
    {"pg_current_wal_lsn", "pg_last_wal_replay_lsn", "pg_blocking_pids", "pg_is_in_recovery", "timezone"}
    | {"random", "random_normal", "clock_timestamp", "timeofday", "gen_random_uuid", "uuidv4", "uuidv7"}
    | {"array_shuffle", "array_sample", "currval", "lastval", "pg_relation_size", "pg_table_size", "pg_indexes_size"}
    | {"pg_total_relation_size", "pg_database_size", "pg_tablespace_size"}
)
_EXTRACT_SINCE = 140000
_ASSIGNING = frozenset({"txid_current", "pg_current_xact_id"})
_OWN_SCHEMAS = ("pg_catalog", "information_schema")
# They hold password hashes and connection strings, and pg_read_all_data opens them too; or options and settings of
# roles, in which people keep tokens, and which everybody may read.
_SECRET_RELATIONS = frozenset(
    {"pg_authid", "pg_shadow", "pg_user_mapping", "pg_user_mappings", "_pg_user_mappings", "pg_subscription"}
    | {"user_mapping_options", "pg_db_role_setting", "pg_foreign_data_wrapper", "pg_foreign_server", "pg_foreign_table"}
    | {"_pg_foreign_data_wrappers", "_pg_foreign_servers", "_pg_foreign_tables", "_pg_foreign_table_columns"}
    | {"foreign_data_wrapper_options", "foreign_server_options", "foreign_table_options", "column_options"}
)
# Views in which one column tells the settings of roles.
_OF_ROLES, _SETTINGS_OF_ROLES = frozenset({"pg_roles", "pg_user"}), frozenset({"rolconfig", "useconfig"})
# Their values are those of the tables', of those with secrets too.
_STATISTICS = frozenset({"pg_stats", "pg_statistic", "pg_stats_ext", "pg_stats_ext_exprs", "pg_statistic_ext_data"})
_LARGE_OBJECTS = "pg_largeobject"
"""Whoever reads all tables reads in it what only their owners may open."""
# What others run, with what they write into it: passwords too. To trimtab_explain the server shows all of it.
_OTHERS_TEXTS = frozenset(
    {"pg_stat_activity", "pg_stat_get_activity", "pg_stat_get_backend_activity", "pg_stat_statements"}
)
_BARE_TYPE = frozenset({"names", "typemod", "location"})
_ALL_SETTINGS = frozenset({"pg_settings", "pg_show_all_settings", "pg_file_settings", "pg_show_all_file_settings"})
_SECRET_SETTINGS = (
    "primary_conninfo",
    "ssl_passphrase_command",
    "archive_command",
    "restore_command",
    "archive_cleanup_command",
    "recovery_end_command",
)
# They make values of a type that stands in a string or a number, or that no text names.
_BY_TYPE = frozenset(
    {"domain_in", "array_in", "record_in", "range_in", "multirange_in"}
    | {"pg_input_is_valid", "pg_input_error_info", "json_populate_record", "json_populate_recordset"}
    | {"jsonb_populate_record", "jsonb_populate_recordset", "jsonb_populate_record_valid"}
)
# What an older server takes for calls of functions, which anybody may have made.
_NEWER_GRAMMAR = {
    170000: ("JsonFuncExpr", "JsonParseExpr", "JsonScalarExpr", "JsonSerializeExpr", "JsonTable"),
    160000: (
        *("JsonArrayAgg", "JsonArrayConstructor", "JsonArrayQueryConstructor", "JsonIsPredicate"),
        *("JsonObjectAgg", "JsonObjectConstructor"),
    ),
}
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
        danger, more = _why_not(connection, texts.pop())
        if danger is not None:
            return danger
        texts += [each for each in dict.fromkeys(more) if each not in seen]
        seen.update(more)
        if len(seen) > _MOST_TEXTS:
            return Danger("sql.not_a_read", f"it reads by more than {_MOST_TEXTS} views and policies")
    return None


def _why_not(connection: Connection, text: str) -> tuple[Danger | None, Sequence[str]]:
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
        or _why_not_here(connection, text, nodes)
        or _why_not_call(connection, _calls(nodes))
        or _why_not_settings(connection, nodes)
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
    if names & _STATISTICS or any(f.get("schemaname") == "pg_toast" for name, f in nodes if name == "RangeVar"):
        return Danger("sql.not_a_read", "it reads where values of any table may stand")
    if _LARGE_OBJECTS in names:
        return Danger("sql.not_a_read", "it reads large objects, without asking whose they are")
    if _names_settings_of_roles(nodes):
        return Danger("sql.not_a_read", "it reads settings of roles, in which secrets may stand: name other columns")
    if names & _OTHERS_TEXTS:
        return Danger("sql.not_a_read", "it reads the texts of others' statements, in which secrets may stand")
    return None


def _names_settings_of_roles(nodes: Nodes) -> bool:
    """Whether settings of roles are named, or can be by another name: in all columns, a whole row, new column names."""
    views = [fields for kind, fields in nodes if kind == "RangeVar" and fields.get("relname") in _OF_ROLES]
    if not views:
        return False
    columns = {part for kind, fields in nodes for part in _parts(fields.get("fields") if kind == "ColumnRef" else ())}
    columns |= {part for kind, fields in nodes if kind == "A_Indirection" for part in _parts(fields.get("indirection"))}
    rows = {_alias(fields) or _relation(fields)[1] for fields in views}
    is_renamed = any(isinstance(of := fields.get("alias"), dict) and "colnames" in of for fields in views)
    has_all = any(kind == "A_Star" for kind, _ in nodes)
    return is_renamed or has_all or bool(columns & _SETTINGS_OF_ROLES or _whole_rows(nodes) & rows)


def _why_not_here(connection: Connection, text: str, nodes: Nodes) -> Danger | None:
    """Return why this server may read the text in another way than our parser did."""
    kinds, version = {name for name, _ in nodes}, connection.info.server_version
    newer = [kind for since, of in _NEWER_GRAMMAR.items() if version < since for kind in of if kind in kinds]
    if newer:
        return Danger("sql.not_a_read", f"it holds a {newer[0]}, of which the server's version knows nothing")
    # There names are cut elsewhere than here.
    if not text.isascii() and connection.info.parameter_status("server_encoding") != "UTF8":
        return Danger("sql.not_a_read", "it has other letters than ASCII's, and the database's encoding is not UTF8")
    return None


def _why_not_call(connection: Connection, called: Iterable[tuple[str, str]]) -> Danger | None:
    names = sorted(set(called))
    if connection.info.server_version < _EXTRACT_SINCE:
        names = [("pg_catalog", "date_part") if one == ("pg_catalog", "extract") else one for one in names]
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


def _why_not_settings(connection: Connection, nodes: Nodes) -> Danger | None:
    """Return why settings must not be read: where this role is shown one in which a password may stand."""
    asked = [_argument(fields) for kind, fields in nodes if kind == "FuncCall" and _last(fields) == "current_setting"]
    is_harmless = all(name is not None and name.lower() not in _SECRET_SETTINGS for name in asked)
    if is_harmless and not _names_of(nodes) & _ALL_SETTINGS:
        return None
    if _asked(connection, "secret_settings", list(_SECRET_SETTINGS)):
        return Danger("sql.not_a_read", "it reads settings, and in one that this role may see a password may stand")
    return None


def _argument(call: Node) -> str | None:
    """Return the first argument of a call where it is a string."""
    arguments = call.get("args")
    first = arguments[0] if isinstance(arguments, list) and arguments else {}
    if "TypeCast" in first and first["TypeCast"].get("typeName", {}).keys() <= _BARE_TYPE:  # views write 'x'::text
        is_text = _parts(first["TypeCast"]["typeName"].get("names"))[-1:] == ["text"]
        first = first["TypeCast"].get("arg", {}) if is_text else {}
    value = first.get("A_Const", {}).get("sval", {}).get("sval")
    return value if isinstance(value, str) else None


def _last(call: Node) -> str:
    return _qualified(_parts(call.get("funcname")))[1]


_UNSAFE = "and what that calls is volatile, or runs with other rights"
_REACHED = {
    "foreign": ("sql.remote", "it reads {}, which is a foreign table or reads one"),
    "relation": ("sql.volatile", f"it reads {{}}, {_UNSAFE}"),
    "function": ("sql.volatile", f"it calls {{}}, {_UNSAFE}"),
    "operator": ("sql.volatile", f"it uses the operator {{}}, which is not PostgreSQL's, {_UNSAFE}, for all we know"),
    "type": ("sql.volatile", f"it may make values of type {{}}, {_UNSAFE}"),
    "attribute": ("sql.volatile", f"{{}}, as it is written, may be a function, {_UNSAFE}"),
    "cast": ("sql.volatile", f"it may cast to {{}}, {_UNSAFE}"),
    "class": ("sql.volatile", f"it may compare by {{}}, {_UNSAFE}"),
}


def _reached(connection: Connection, nodes: Nodes) -> tuple[Danger | None, Sequence[str]]:
    """Return what is reached by other ways than by a call that must not be, or else the texts of views and policies."""
    relations = {_relation(fields) for name, fields in nodes if name == "RangeVar"}
    operators = {*_operators(nodes), *(("", name) for name in _IMPLIED_OPERATORS)}
    calls = set(_calls(nodes))
    types = {_qualified(_parts(fields.get("names"))) for name, fields in nodes if name in ("typeName", "TypeName")}
    named = _aliases(nodes)
    unknown, of_rows, known = _attributes(nodes, named, {name for _, name in calls})
    types |= {relation for alias in _whole_rows(nodes) for relation in named.get(alias, ())}
    rows = _asked(
        connection,
        "reached_by_read",
        *_columns(2, relations),
        *_columns(2, operators),
        *_columns(2, calls),
        *_columns(2, types),
        sorted(unknown),
        sorted(of_rows),
        *_columns(3, known),
        any(name in _BY_TYPE for _, name in calls),
        sorted(_HARMLESS),
    )
    for what, name, _ in rows:
        if what in _REACHED:
            code, words = _REACHED[what]
            return Danger(code, words.format(name)), ()
    return None, [text for _, _, text in rows]


def _columns(count: int, rows: Iterable[tuple[str, ...]]) -> list[list[str]]:
    """Return the columns of these rows, sorted."""
    ordered = sorted(rows)
    return [[row[place] for row in ordered] for place in range(count)]


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


def _attributes(
    nodes: Nodes, named: Mapping[str, set[tuple[str, str]]], calls: set[str]
) -> tuple[set[str], set[str], set[tuple[str, str, str]]]:
    """Return the names that follow a dot, and so can mean a function: of what is not known, of a row, of a relation."""
    others = {
        _alias(fields, key) for kind, fields in nodes for key in ("alias", "join_using_alias") if kind != "RangeVar"
    }
    others |= {str(fields.get("ctename", "")) for kind, fields in nodes if kind == "CommonTableExpr"} | calls
    renamed = (fields.get("alias") for kind, fields in nodes if kind == "RangeVar")
    others |= {str(alias.get("aliasname")) for alias in renamed if isinstance(alias, dict) and "colnames" in alias}
    unknown, of_rows, known = set[str](), set[str](), set[tuple[str, str, str]]()
    for kind, fields in nodes:
        parts = _parts(fields.get("fields" if kind == "ColumnRef" else "indirection"))
        if kind == "A_Indirection":
            unknown.update(parts)
        elif kind == "ColumnRef" and len(parts) > 1:
            of = named.get(parts[0], set())
            if len(parts) != 2:
                unknown.update(parts[1:])
            elif len(of) == 1 and parts[0] not in others and not {name for _, name in of} & others:
                known.update((*relation, parts[1]) for relation in of)
            else:
                of_rows.add(parts[1])
    return unknown - {""}, of_rows - {""}, known


def _aliases(nodes: Nodes) -> dict[str, set[tuple[str, str]]]:
    """Return the relations by the names that the text has for them."""
    named: dict[str, set[tuple[str, str]]] = {}
    for kind, fields in nodes:
        if kind == "RangeVar":
            named.setdefault(_alias(fields) or _relation(fields)[1], set()).add(_relation(fields))
    return named


def _whole_rows(nodes: Nodes) -> set[str]:
    """Return the names that stand alone, in which a whole row can be meant."""
    found = (_parts(fields.get("fields")) for kind, fields in nodes if kind == "ColumnRef")
    return {parts[0] for parts in found if len(parts) == 1}


def _alias(fields: Node, key: str = "alias") -> str:
    alias = fields.get(key)
    return str(alias.get("aliasname", "")) if isinstance(alias, dict) else ""


def _relation(fields: Node) -> tuple[str, str]:
    return str(fields.get("schemaname", "")), str(fields.get("relname", ""))


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
