"""Says of each `$n` of a statement what it is for: which column it is compared with and how, or what else it decides.

Reads syntax only; which values are fit is decided elsewhere. The first use of a `$n` that tells something wins.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from trimtab.db.parser import Node, UnreadableSqlError, parse
from trimtab.observe.names import ColumnName, TableName, alias_of, inner, items, opened, parts_of, table_name
from trimtab.observe.scopes import Known, Outputs, Scope

_QUERIES = ("SelectStmt", "InsertStmt", "UpdateStmt", "DeleteStmt", "MergeStmt")


class Role(StrEnum):
    """What a parameter does: LOW is a lower bound, ASSIGNED a new value of a column, PART a unit as of date_trunc."""

    EQUAL = "equal"
    LOW = "low"
    HIGH = "high"
    PATTERN = "pattern"
    REGEX = "regex"
    INSERTED = "inserted"
    ASSIGNED = "assigned"
    LIMIT = "limit"
    OFFSET = "offset"
    PART = "part"


_OPERATORS = {
    "=": Role.EQUAL,
    "<>": Role.EQUAL,
    "!=": Role.EQUAL,
    ">": Role.LOW,
    ">=": Role.LOW,
    "<": Role.HIGH,
    "<=": Role.HIGH,
    "~~": Role.PATTERN,
    "~~*": Role.PATTERN,
    "!~~": Role.PATTERN,
    "!~~*": Role.PATTERN,
    "~": Role.REGEX,
    "~*": Role.REGEX,
    "!~": Role.REGEX,
    "!~*": Role.REGEX,
    "@>": Role.EQUAL,
    "<@": Role.EQUAL,
    "&&": Role.EQUAL,
}
_MIRRORED = {Role.LOW: Role.HIGH, Role.HIGH: Role.LOW}
_PART_FUNCTIONS = frozenset({"date_trunc", "date_part", "extract"})


@dataclass(frozen=True, slots=True)
class Binding:
    """What `$number` is for. `level` tells query levels apart: two bounds of a column in one of them are a range."""

    number: int
    role: Role
    column: ColumnName | None = None
    level: int = 0


def bindings(text: str, known: Known) -> Mapping[int, Binding]:
    """Return what is known of the parameters of one statement; `known` are the columns of the tables that it names."""
    reader = _Reader(known)
    try:
        for tree in parse(text):
            reader.visit(tree, Scope(known))
    except (UnreadableSqlError, RecursionError):
        return {}
    return reader.found


class _Reader:
    """Walks one statement, level by level."""

    def __init__(self, known: Known) -> None:
        self.found: dict[int, Binding] = {}
        self._known = known
        self._levels = 0

    def visit(self, node: object, scope: Scope) -> None:
        """Look at a node and all below it."""
        if isinstance(node, list):
            for item in node:
                self.visit(item, scope)
        elif isinstance(node, Mapping):
            for key, value in node.items():
                if isinstance(value, Mapping) and key in _QUERIES:
                    self._query(key, value, scope)
                    continue
                if isinstance(value, Mapping):
                    self._expression(key, value, scope)
                self.visit(value, scope)

    def _query(self, kind: str, fields: Node, parent: Scope) -> Outputs:
        self._levels += 1
        scope = Scope(self._known, parent, self._levels)
        for item in items(inner(fields, "withClause").get("ctes")):
            common = inner(item, "CommonTableExpr")
            outputs = self._query(*opened(common.get("ctequery")), scope)
            scope.add_common(str(common.get("ctename")), _renamed(outputs, common.get("aliascolnames")))
        if kind == "SelectStmt":
            return self._select(fields, scope)
        self._write(kind, fields, scope)
        return _outputs(fields.get("returningList") or inner(fields, "returningClause").get("exprs"), scope)

    def _select(self, fields: Node, scope: Scope) -> Outputs:
        self._note(fields.get("limitCount"), Role.LIMIT, None, scope)
        self._note(fields.get("limitOffset"), Role.OFFSET, None, scope)
        left, right = inner(fields, "larg"), inner(fields, "rarg")
        if left and right:
            outputs = self._query("SelectStmt", left, scope)
            self._query("SelectStmt", right, scope)
            return outputs
        self._from(items(fields.get("fromClause")), scope)
        self._rest(fields, ("fromClause", "withClause"), scope)
        return _outputs(fields.get("targetList"), scope)

    def _rest(self, fields: Node, done: tuple[str, ...], scope: Scope) -> None:
        self.visit({key: value for key, value in fields.items() if key not in done}, scope)

    def _from(self, clause: list[Node], scope: Scope) -> None:
        """Conditions of joins are looked at when all items are known."""
        self.visit([self._item(item, scope) for item in clause], scope)

    def _item(self, item: object, scope: Scope) -> list[object]:
        """Add an item of FROM; return what is left to look at."""
        kind, fields = opened(item)
        if kind == "RangeVar":
            scope.add_table(table_name(fields), alias_of(fields))
            return []
        if kind == "JoinExpr":
            return [*self._item(fields.get("larg"), scope), *self._item(fields.get("rarg"), scope), fields.get("quals")]
        if kind == "RangeSubselect":
            outputs = self._query(*opened(fields.get("subquery")), scope)
            scope.add(alias_of(fields) or "", _renamed(outputs, inner(fields, "alias").get("colnames")))
            return []
        return [fields]

    def _write(self, kind: str, fields: Node, scope: Scope) -> None:
        relation = inner(fields, "relation")
        target = table_name(relation)
        scope.add_table(target, alias_of(relation))
        if kind == "InsertStmt":
            scope.add("excluded", {column: (*target, column) for column in self._known.get(target, ())})
            self._inserted(fields, target, scope)
        sources = [item for item in [inner(fields, "sourceRelation")] if item]
        self._from([*items(fields.get("fromClause")), *items(fields.get("usingClause")), *sources], scope)
        if kind == "UpdateStmt":
            self._assigned(fields.get("targetList"), target, scope)
        self._assigned(inner(fields, "onConflictClause").get("targetList"), target, scope)
        for clause in items(fields.get("mergeWhenClauses")):
            self._merged(inner(clause, "MergeWhenClause"), target, scope)
        self._rest(fields, ("relation", "fromClause", "usingClause", "sourceRelation", "withClause", "cols"), scope)

    def _inserted(self, fields: Node, target: TableName, scope: Scope) -> None:
        names = [str(inner(item, "ResTarget").get("name")) for item in items(fields.get("cols"))]
        names = names or list(self._known.get(target, ()))
        select = inner(fields, "selectStmt", "SelectStmt")
        rows = [items(inner(row, "List").get("items")) for row in items(select.get("valuesLists"))]
        rows.append([inner(item, "ResTarget", "val") for item in items(select.get("targetList"))])
        for row in rows:
            for name, value in zip(names, row, strict=False):
                self._note(value, Role.INSERTED, (*target, name), scope)

    def _merged(self, clause: Node, target: TableName, scope: Scope) -> None:
        self._assigned(clause.get("targetList"), target, scope)
        for item, value in zip(items(clause.get("targetList")), items(clause.get("values")), strict=False):
            self._note(value, Role.INSERTED, (*target, str(inner(item, "ResTarget").get("name"))), scope)

    def _assigned(self, targets: object, target: TableName, scope: Scope) -> None:
        for item in items(targets):
            result = inner(item, "ResTarget")
            value = inner(result, "val")
            several = inner(value, "MultiAssignRef")
            if several:
                row = items(inner(several, "source", "RowExpr").get("args"))
                position = several.get("colno")
                value = row[position - 1] if isinstance(position, int) and 0 < position <= len(row) else {}
            self._note(value, Role.ASSIGNED, (*target, str(result.get("name"))), scope)

    def _expression(self, kind: str, fields: Node, scope: Scope) -> None:
        arguments = items(fields.get("args"))
        if kind == "A_Expr":
            self._comparison(fields, scope)
        elif kind == "CoalesceExpr":
            column = next((found for argument in arguments if (found := _column(argument, scope)) is not None), None)
            for argument in arguments:
                self._note(argument, Role.EQUAL, column, scope)
        elif kind == "FuncCall" and arguments and parts_of(fields.get("funcname"))[-1] in _PART_FUNCTIONS:
            self._note(arguments[0], Role.PART, None, scope)

    def _comparison(self, fields: Node, scope: Scope) -> None:
        form = str(fields.get("kind"))
        left, right = fields.get("lexpr"), fields.get("rexpr")
        several = items(inner(right, "List").get("items"))
        if "BETWEEN" in form:
            for bound, role in zip(several, (Role.LOW, Role.HIGH), strict=False):
                self._note(bound, role, _column(left, scope), scope)
            return
        found = Role.EQUAL if "DISTINCT" in form else _OPERATORS.get(parts_of(fields.get("name"))[-1])
        if found is not None:
            values: list[object] = [*several] or [right]
            for value in values:
                self._compared(left, value, found, scope)

    def _compared(self, left: object, right: object, role: Role, scope: Scope) -> None:
        rows = items(inner(left, "RowExpr").get("args")), items(inner(right, "RowExpr").get("args"))
        if all(rows):
            for one, other in zip(*rows, strict=False):
                self._compared(one, other, role, scope)
            return
        self._note(right, role, _column(left, scope), scope)
        self._note(left, _MIRRORED.get(role, role), _column(right, scope), scope)

    def _note(self, node: object, role: Role, column: ColumnName | None, scope: Scope) -> None:
        number = _parameter(node)
        needs_column = role not in (Role.LIMIT, Role.OFFSET, Role.PART)
        if number is None or number in self.found or (needs_column and column is None):
            return
        self.found[number] = Binding(number, role, column, scope.level)


def _outputs(targets: object, scope: Scope) -> Outputs:
    outputs: dict[str, ColumnName | None] = {}
    for position, item in enumerate(items(targets)):
        result = inner(item, "ResTarget")
        parts = parts_of(inner(result, "val", "ColumnRef").get("fields"))
        if parts[-1:] == ("*",):
            outputs.update(scope.all_columns(parts[-2] if len(parts) > 1 else None))
            continue
        name = str(result.get("name") or (parts[-1] if parts else f"?column? {position}"))
        outputs[name] = scope.column(parts) if parts else None
    return outputs


def _parameter(node: object) -> int | None:
    """Return n of `$n`, of a cast of it, and of `lower($n)`: the function's value is of the same sort."""
    kind, fields = opened(node)
    if kind == "ParamRef":
        number = fields.get("number")
        return number if isinstance(number, int) else None
    if kind in ("TypeCast", "CollateClause"):
        return _parameter(fields.get("arg"))
    arguments = items(fields.get("args")) if kind == "FuncCall" else []
    return _parameter(arguments[0]) if len(arguments) == 1 else None


def _column(node: object, scope: Scope) -> ColumnName | None:
    """Return the column of a reference, of a cast of it, and of a call that has no other column."""
    kind, fields = opened(node)
    if kind == "ColumnRef":
        return scope.column(parts_of(fields.get("fields")))
    if kind in ("TypeCast", "CollateClause"):
        return _column(fields.get("arg"), scope)
    if kind in ("FuncCall", "CoalesceExpr"):
        columns = {found for item in items(fields.get("args")) if (found := _column(item, scope)) is not None}
        return columns.pop() if len(columns) == 1 else None
    return None


def _renamed(outputs: Outputs, names: object) -> Outputs:
    given = parts_of(names)
    renamed = dict(zip(given, outputs.values(), strict=False))
    return {**renamed, **dict(list(outputs.items())[len(given) :])}
