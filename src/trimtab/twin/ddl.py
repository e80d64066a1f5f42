"""Turns what a person wrote (CREATE INDEX, CREATE STATISTICS, names, name=value) into hypothetical changes.

The texts are read by PostgreSQL's own grammar and never run as they are: names go through quoting, and of CREATE INDEX
only the part from USING on is taken over, which the twin's server judges.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import psycopg

from trimtab.db import queries
from trimtab.db.connection import Connection
from trimtab.db.failures import source_error
from trimtab.db.parser import UnreadableSqlError, parse, tokens_of
from trimtab.errors import UsageError
from trimtab.model.change import CreateIndex, CreateStatistics, DropIndex, DropStatistics, SetSetting, quote_identifier
from trimtab.model.whatif import CreateExpressionStatistics, DropStatisticsElsewhere, StatisticsTarget

_WRITE = "Write one statement as in: CREATE INDEX ON public.orders (customer_id) INCLUDE (total) WHERE status = 'open'"
_WRITE_STATISTICS = "Write one statement as in: CREATE STATISTICS (ndistinct, mcv) ON city, lower(street) FROM orders"
_WRITE_TARGET = "Write it as in: --target public.orders.city=1000"
_NO_PLANS = ("transaction_timeout", "idle_in_transaction_session_timeout", "idle_session_timeout", "client_encoding")
"""They end sessions, or garble what is said in them."""
# A schema without the right USAGE.
_FORBIDDEN = psycopg.errors.InsufficientPrivilege
_KINDS = ("ndistinct", "dependencies", "mcv")


def create_index(text: str, twin: Connection, number: int) -> CreateIndex:
    """Return the index of a CREATE INDEX statement; one without a name is called `hypothetical_<number>`.

    Raises UsageError `twin.index_statement` or `twin.no_such_table`.
    """
    statement = _index_statement(text)
    schema, table, is_partitioned = _table("the hypothetical index is", _names(statement["relation"]), twin)
    if is_partitioned and not _is_inherited(statement["relation"]):
        raise _refused("ON ONLY a partitioned table indexes none of its partitions", "Leave ONLY out.")
    return CreateIndex(
        schema=schema,
        table=table,
        name=str(statement.get("idxname") or f"hypothetical_{number}"),
        tail=_tail(text),
        key_columns=_columns(statement.get("indexParams")),
        include_columns=_columns(statement.get("indexIncludingParams")),
    )


def create_statistics(text: str, twin: Connection, number: int) -> CreateStatistics:
    """Return the object of a CREATE STATISTICS statement on columns and expressions, in its table's schema.

    One without a name is called `hypothetical_<number>`, one without kinds has all. Raises UsageError
    `twin.statistics_statement` or `twin.no_such_table`.
    """
    statement = _statement(text, "CreateStatsStmt", "CREATE STATISTICS", _refused_statistics)
    relations, columns = statement["relations"], statement["exprs"]
    assert isinstance(relations, list), "CREATE STATISTICS names a relation"
    assert isinstance(columns, list), "CREATE STATISTICS names columns"
    if len(relations) != 1 or "RangeVar" not in relations[0]:
        raise _refused_statistics("it is not on one table")
    schema, table, _ = _table("the hypothetical statistics are", _names(relations[0]["RangeVar"]), twin)
    names = _strings(statement.get("defnames"))
    if len(names) > 1 and names[:-1] != [schema]:
        raise _refused_statistics("it is in another schema than its table")
    elements = [column["StatsElem"] for column in columns]
    name = names[-1] if names else f"hypothetical_{number}"
    plain = tuple(str(element["name"]) for element in elements if "name" in element)
    kinds = tuple(_strings(statement.get("stat_types"))) or (() if len(elements) == 1 else _KINDS)
    if len(plain) == len(elements):
        return CreateStatistics(schema=schema, table=table, name=name, columns=plain, kinds=kinds or _KINDS)
    texts = _statistics_items(text)
    expressions = tuple(item for item, element in zip(texts, elements, strict=True) if "name" not in element)
    found = CreateExpressionStatistics(schema, table, name, plain, kinds, expressions)
    # What is put together anew from its parts is one statement of this kind too.
    _statement(found.sql(), "CreateStatsStmt", "CREATE STATISTICS", _refused_statistics)
    return found


def statistics_target(text: str, twin: Connection) -> StatisticsTarget:
    """Return the target of `table.column=1000`, named as in SQL.

    Raises UsageError `twin.target` or `twin.no_such_table`.
    """
    written, _, number = text.rpartition("=")
    names = _column_names(written)
    try:
        target = int(number)
    except ValueError:
        names = []
    if len(names) not in (2, 3):
        raise UsageError(
            f"--target {text!r} is refused: it is not table.column=number", code="twin.target", next_step=_WRITE_TARGET
        )
    schema, table, _ = _table("the hypothetical target is", names[:-1], twin)
    return StatisticsTarget(schema, table, names[-1], target)


def drop(name: str, twin: Connection) -> DropIndex | DropStatistics:
    """Return what thinks away an existing index, else a statistics object of that name, written as in SQL.

    Raises UsageError `twin.no_such_index`.
    """
    if row := _named("twin_index", name, twin):
        schema, table, index = row
        return DropIndex(schema, table, index, "", ())
    if row := _named("twin_statistics_object", name, twin):
        schema, table_schema, table, statistics, columns, kinds = row
        facts = schema, table, statistics, tuple(columns), tuple(kinds)
        return DropStatistics(*facts) if schema == table_schema else DropStatisticsElsewhere(*facts, table_schema)
    raise UsageError(
        f"--drop is refused: there is no index, and no statistics object, {name!r}",
        code="twin.no_such_index",
        next_step="Write its schema, as in public.orders_status_idx.",
    )


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


def require_settable(setting: SetSetting, session: Connection) -> None:
    """Raise UsageError `twin.setting` when this session, which plans, may not have it; nothing of it stays."""
    if setting.name.lower() in _NO_PLANS:
        raise UsageError(
            f"--set {setting.name} is refused: it decides no plan",
            code="twin.setting",
            next_step="Write it as in: --set work_mem=64MB",
        )
    try:
        with session.transaction(force_rollback=True):
            session.execute("select pg_catalog.set_config($1, $2, true)", (setting.name, setting.value))
    except psycopg.Error as error:
        if session.closed:
            raise source_error(error) from None
        raise UsageError(
            f"--set {setting.name}={setting.value} is refused: {source_error(error)}",
            code="twin.setting",
            next_step="Write it as in: --set work_mem=64MB",
        ) from None


def _named(query: str, name: str, twin: Connection) -> tuple[Any, ...] | None:
    try:
        return twin.execute(queries.load(query, twin.info.server_version), (name,)).fetchone()
    except (psycopg.errors.InvalidName, psycopg.errors.SyntaxError, psycopg.DataError, _FORBIDDEN):
        return None


def _table(what: str, names: Sequence[str], twin: Connection) -> tuple[str, str, bool]:
    """Return the schema and name of a table that is written so, and whether it is partitioned."""
    written = ".".join(map(quote_identifier, names))
    try:
        row = twin.execute(queries.load("twin_relation", twin.info.server_version), (written,)).fetchone()
    except _FORBIDDEN:
        row = None
    if row is None:
        raise UsageError(
            f"{what} refused: {written} is no table or materialized view that this role may use",
            code="twin.no_such_table",
            next_step="Write its schema, and check that this role may read it; catalogs of the system have none.",
        )
    return row[0], row[1], row[2]


def _names(relation: object) -> list[str]:
    assert isinstance(relation, Mapping), "the statement names a relation"
    return [str(relation[part]) for part in ("schemaname", "relname") if part in relation]


def _is_inherited(relation: object) -> bool:
    return isinstance(relation, Mapping) and bool(relation.get("inh"))


def _strings(nodes: object) -> list[str]:
    return [str(node["String"]["sval"]) for node in nodes] if isinstance(nodes, list) else []


def _column_names(written: str) -> list[str]:
    """Return the parts of a column's written name; none when it is something else."""
    try:
        [tree] = parse(f"SELECT {written}")
    except (UnreadableSqlError, ValueError):
        return []
    match tree:
        case {
            "SelectStmt": {"targetList": [{"ResTarget": {"val": {"ColumnRef": {"fields": fields}}, **target}}], **more}
        }:
            is_only_that = not target.keys() - {"location"} and not more.keys() - {"limitOption", "op"}
            if is_only_that and isinstance(fields, list) and all("String" in field for field in fields):
                return _strings(fields)
    return []


def _statement(text: str, kind: str, name: str, refused: Callable[[str], UsageError]) -> Mapping[str, object]:
    try:
        trees = parse(text)
    except UnreadableSqlError as error:
        raise refused(error.found) from None
    if len(trees) != 1 or kind not in trees[0]:
        raise refused(f"it is not one {name} statement")
    statement = trees[0][kind]
    assert isinstance(statement, Mapping)
    return statement


def _index_statement(text: str) -> Mapping[str, object]:
    statement = _statement(text, "IndexStmt", "CREATE INDEX", _refused)
    if statement.get("unique"):
        raise _refused("whether the values are unique, no statistics tell", "Leave UNIQUE out.")
    return statement


def _refused(found: str, next_step: str = _WRITE) -> UsageError:
    return UsageError(f"the hypothetical index is refused: {found}", code="twin.index_statement", next_step=next_step)


def _refused_statistics(found: str) -> UsageError:
    return UsageError(
        f"the hypothetical statistics are refused: {found}",
        code="twin.statistics_statement",
        next_step=_WRITE_STATISTICS,
    )


def _tail(text: str) -> str:
    """Return the definition from USING on, without comments around it."""
    tokens = [token for token in tokens_of(text) if not token.is_comment and token.kind != ";"]
    after_on = next(place for place, token in enumerate(tokens) if token.kind == "ON")
    start = next(token for token in tokens[after_on:] if token.kind in ("USING", "("))
    tail = text.encode()[start.start : tokens[-1].end].decode()
    return tail if start.kind == "USING" else f"USING btree {tail}"


def _statistics_items(text: str) -> list[str]:
    """Return what stands between ON and FROM, by its commas."""
    tokens = [token for token in tokens_of(text) if not token.is_comment]
    start = next(place for place, token in enumerate(tokens) if token.kind == "ON") + 1
    raw, depth, items, begin = text.encode(), 0, [], start
    for place in range(start, len(tokens)):
        depth += {"(": 1, "[": 1, ")": -1, "]": -1}.get(tokens[place].kind, 0)
        if depth == 0 and tokens[place].kind in (",", "FROM"):
            items.append(raw[tokens[begin].start : tokens[place - 1].end].decode())
            begin = place + 1
            if tokens[place].kind == "FROM":
                break
    return items


def _columns(elements: object) -> tuple[str, ...]:
    """Return the names of those that are plain columns."""
    found = elements if isinstance(elements, list) else []
    return tuple(str(e["IndexElem"]["name"]) for e in found if "name" in e["IndexElem"])
