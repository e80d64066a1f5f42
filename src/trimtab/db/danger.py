"""Whether a statement reads or writes, and why one must not be planned or run by us.

Judges by the syntax tree: every node is visited, so that nothing hides in a subquery, a CTE or a FROM clause. It cannot
see what a function of the user's does inside, nor what stands in a view: `observe.functions` asks the catalog for them.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from trimtab.db.parser import Node, Nodes
from trimtab.model.workload import QueryKind

_WRITES = frozenset({"InsertStmt", "UpdateStmt", "DeleteStmt", "MergeStmt"})
_QUERIES = _WRITES | {"SelectStmt"}


@dataclass(frozen=True, slots=True)
class Danger:
    """A refusal: a stable code and words for people, without literals."""

    code: str
    reason: str


_SEQUENCE = Danger("sql.sequence", "it moves a sequence, which no rollback takes back")

# The last part of a function's name, whole; the first rule that fits wins.
_FUNCTIONS: tuple[tuple[re.Pattern[str], Danger], ...] = tuple(
    (re.compile(pattern), Danger(code, reason))
    for pattern, code, reason in (
        (
            r"pg_(read|ls|file|logdir|logfile)_\w+|pg_stat_file|lo_(import|export)(_with_oid)?",
            "sql.file_access",
            "it reads or writes files of the server",
        ),
        (r"dblink\w*|postgres_fdw_disconnect\w*", "sql.remote", "it reaches another server"),
        (
            r"pg_(terminate|cancel)_backend|pg_log_backend_memory_contexts",
            "sql.session_control",
            "it acts on other sessions",
        ),
        (r"pg_sleep\w*", "sql.sleep", "it sleeps"),
        (r"set_config", "sql.settings", "it changes settings"),
        (r"pg_(try_)?advisory\w+", "sql.advisory_lock", "it takes advisory locks, which no rollback takes back"),
        (
            r"pg_(reload_conf|rotate_logfile\w*|switch_(wal|xlog)|create_restore_point|promote|nextoid)"
            r"|pg_(wal|xlog)_replay_\w+|pg_(start|stop)_backup|pg_backup_(start|stop)|pg_logical_\w+"
            r"|pg_(create|drop|copy|alter)_\w*slot|pg_replication_\w+|pg_sync_replication_slots"
            r"|pg_stat_(reset|force)\w*|pg_stat_statements_reset|pg_(restore|clear)_\w+_stats"
            r"|pg_import_system_collations|pg_truncate_\w+|pg_extension_config_dump|pg_export_snapshot"
            r"|brin_(de)?summarize_\w+|gin_clean_pending_list|pg_terminate_\w+|heap_force_\w+|pg_hibernate\w*",
            "sql.server_control",
            "it changes the state of the server",
        ),
        (
            r"(query|cursor|table|schema|database)_to_xml\w*|ts_stat|crosstab\w*|connectby\w*|xpath_table",
            "sql.dynamic",
            "it runs SQL that stands in a string",
        ),
        (r"setval", _SEQUENCE.code, _SEQUENCE.reason),
    )
)


def kind_of(nodes: Nodes) -> QueryKind | None:
    """Return READ or WRITE for a query, None for a utility statement; `nodes` is what `walk` yields of its tree.

    Row locks count as writes.
    """
    if not nodes or nodes[0][0] not in _QUERIES:
        return None
    is_write = any(name in _WRITES or "lockingClause" in fields for name, fields in nodes)
    return QueryKind.WRITE if is_write else QueryKind.READ


def danger_of(nodes: Nodes, kind: QueryKind | None) -> Danger | None:
    """Return why the statement must not be planned or run, or None; `kind` is what `kind_of` said."""
    if kind is None:
        return Danger("sql.utility", f"{_words(nodes[0][0] if nodes else '')} is not a query")
    for name, fields in nodes:
        refusal = _danger_of_node(name, fields, kind)
        if refusal is not None:
            return refusal
    return None


def danger_of_calls(nodes: Nodes, kind: QueryKind) -> Danger | None:
    """Return why what these nodes call must not be run in a statement of that kind, or None."""
    found = (_danger_of_function(_last_name(f.get("funcname")), kind) for name, f in nodes if name == "FuncCall")
    return next((danger for danger in found if danger is not None), None)


def _danger_of_node(name: str, fields: Node, kind: QueryKind) -> Danger | None:
    if "intoClause" in fields:
        return Danger("sql.utility", "SELECT INTO makes a table")
    if name == "FuncCall":
        return _danger_of_function(_last_name(fields.get("funcname")), kind)
    if name in _WRITES and _is_system_table(fields.get("relation")):
        return Danger("sql.system_catalog", "it writes to the system catalog")
    return None


def _danger_of_function(function: str, kind: QueryKind) -> Danger | None:
    if function == "nextval" and kind is QueryKind.READ:
        return _SEQUENCE
    return next((danger for pattern, danger in _FUNCTIONS if pattern.fullmatch(function)), None)


def _is_system_table(relation: object) -> bool:
    if not isinstance(relation, dict):
        return False
    schema, table = relation.get("schemaname"), str(relation.get("relname", ""))
    return schema in ("pg_catalog", "pg_toast", "information_schema") or (schema is None and table.startswith("pg_"))


def _last_name(names: object) -> str:
    """Return the last part of a qualified name, as the server compares it."""
    if not isinstance(names, list) or not names:
        return ""
    return str(names[-1].get("String", {}).get("sval", "")).lower()


def _words(node_type: str) -> str:
    """Return "CREATE TABLE AS" for CreateTableAsStmt: near enough to SQL to be understood."""
    return re.sub(r"(?<=[a-z])(?=[A-Z])", " ", node_type.removesuffix("Stmt")).upper() or "this"
