"""Rules on what a change touches or makes: schemas, tables, columns and names. Most are facts of the catalog, which no
specification can switch off.
"""

from __future__ import annotations

from collections.abc import Callable

from trimtab.model.change import CreateIndex, CreateStatistics, RestoreStatistics, SetDistinct, SetStatisticsTarget
from trimtab.model.strategy import Violation
from trimtab.spec.patterns import first_match, matches
from trimtab.validate.case import Case, Findings, TableChange, broken, label
from trimtab.validate.definition import shape_of_tail

MAX_NAME_BYTES = 63


def allowed_schemas(case: Case) -> Findings:
    """The schema is among the allowed ones."""
    allowed = case.spec.objects.allowed_schemas
    return _on_tables(
        case,
        lambda path, change: (
            None
            if first_match(allowed, change.schema) is not None
            else broken(
                "objects.allowed_schemas",
                "the schema is not among those that may be changed",
                f"{path}.schema",
                expected=", ".join(allowed) or "none",
                actual=label(change.schema),
            )
        ),
    )


def denied_schemas(case: Case) -> Findings:
    """The schema is not denied."""
    return _on_tables(case, lambda path, change: _denied_schema(case, path, change))


def _denied_schema(case: Case, path: str, change: TableChange) -> Violation | None:
    pattern = first_match(case.spec.objects.denied_schemas, change.schema)
    if pattern is None:
        return None
    what, name = "the schema may not be changed", label(change.schema)
    return broken("objects.denied_schemas", what, f"{path}.schema", expected=f"any but {pattern}", actual=name)


def denied_tables(case: Case) -> Findings:
    """The table is not denied."""
    return _on_tables(case, lambda path, change: _denied_table(case, path, change))


def _denied_table(case: Case, path: str, change: TableChange) -> Violation | None:
    pattern = first_match(case.spec.objects.denied_tables, f"{change.schema}.{change.table}")
    if pattern is None:
        return None
    what, name = "the table may not be changed", label(change.schema, change.table)
    return broken("objects.denied_tables", what, f"{path}.table", expected=f"any but {pattern}", actual=name)


def system_schema(case: Case) -> Findings:
    """The server's own schemas are never touched."""
    return _on_tables(
        case,
        lambda path, change: (
            broken(
                "objects.system_schema",
                "the server's own schemas are never changed",
                f"{path}.schema",
                expected="a user's schema",
                actual=label(change.schema),
            )
            if matches("pg_*", change.schema) or change.schema == "information_schema"
            else None
        ),
    )


def unknown_table(case: Case) -> Findings:
    """The table is there, as far as the snapshot sees."""
    return _on_tables(
        case,
        lambda path, change: (
            broken(
                "objects.unknown_table",
                f"{label(change.schema, change.table)} cannot be changed",
                f"{path}.table",
                expected="a table that is there",
                actual="none of that name",
            )
            if case.facts.table(change.schema, change.table) is None
            else None
        ),
    )


def unknown_column(case: Case) -> Findings:
    """Every column that a change names is there."""
    named = [(p, t, _columns(c)) for p, c, t in case.pending_with_tables(CreateIndex)]
    named += [(path, table, (change.column,)) for path, change, table in case.pending_with_tables(SetStatisticsTarget)]
    named += [(path, table, (change.column,)) for path, change, table in case.pending_with_tables(SetDistinct)]
    named += [(path, table, change.columns) for path, change, table in case.pending_with_tables(CreateStatistics)]
    named += [(path, table, change.columns) for path, change, table in case.pending_with_tables(RestoreStatistics)]
    if not named:
        return None
    return [
        broken(
            "objects.unknown_column",
            f"{label(table.schema, table.name)} has no such column",
            path,
            expected="columns of the table",
            actual=label(column),
        )
        for path, table, columns in named
        for column in columns
        if table.column(column) is None
    ]


def _columns(change: CreateIndex) -> tuple[str, ...]:
    """Return every column that an index reads; where a key is an expression, those in it."""
    shape = shape_of_tail(change.tail)
    if shape is None:
        return change.key_columns + change.include_columns
    held = [column for column, key in zip(change.key_columns, shape.keys, strict=False) if not key.expression]
    return (*held, *change.include_columns, *sorted(shape.read_columns))


def name(case: Case) -> Findings:
    """The name of a new object is one that the server keeps as it is: it cuts off longer ones silently."""
    made: list[tuple[str, CreateIndex | CreateStatistics]] = []
    made += case.pending(CreateIndex)
    made += case.pending(CreateStatistics)
    if not made:
        return None
    return [
        broken(
            "objects.name",
            "the name of the new object cannot be used",
            f"{path}.name",
            expected=f"1 to {MAX_NAME_BYTES} bytes of printable text",
            actual=f"{_bytes_of(change.name)} bytes",
        )
        for path, change in made
        if not 0 < _bytes_of(change.name) <= MAX_NAME_BYTES or not change.name.isprintable()
    ]


def _bytes_of(name: str) -> int:
    """Return how long it is in UTF-8, also with half a surrogate in it, which JSON can write and no server has."""
    return len(name.encode(errors="surrogatepass"))


def name_taken(case: Case) -> Findings:
    """No relation of the name of a new index is there, and no other change of the run makes one."""
    made = case.pending(CreateIndex)
    if not made:
        return None
    return [
        broken(
            "objects.name_taken",
            f"index {label(change.schema, change.name)} cannot be created",
            f"{path}.name",
            expected="a name that is free",
            actual="a relation of that name",
        )
        for path, change in made
        if (change.schema, change.name) in case.facts.relation_names or _is_made_elsewhere(case, path, change)
    ]


def _is_made_elsewhere(case: Case, path: str, change: CreateIndex) -> bool:
    return any(
        isinstance(other, CreateIndex) and (other.schema, other.name) == (change.schema, change.name)
        for other in case.others(path)
    )


def _on_tables(case: Case, check: Callable[[str, TableChange], Violation | None]) -> Findings:
    touched = case.pending_on_tables()
    if not touched:
        return None
    return [found for path, change in touched if (found := check(path, change)) is not None]
