"""The closed union of changes that Trimtab can make: each a value that knows its SQL, its lock and its inverse.

A Change does nothing by itself; only `apply/` carries one out. Its inverse needs the state before; what could not be
put back from that alone is refused by the rules (`validate/drops.py`).
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from dataclasses import MISSING, asdict, dataclass, fields
from functools import lru_cache
from typing import TypeAlias

from trimtab.model.catalog import Column, Snapshot


def quote_identifier(name: str) -> str:
    """Return `name` as a quoted SQL identifier, always quoted. Raises ValueError for a NUL or an empty name."""
    if not name or "\0" in name:
        raise ValueError("an identifier is neither empty nor holds a NUL")
    return '"' + name.replace('"', '""') + '"'


def quote_literal(value: str) -> str:
    """Return `value` as an SQL string literal, safe under every setting of standard_conforming_strings."""
    if "\0" in value:
        raise ValueError("a literal holds no NUL")
    quoted = value.replace("'", "''")
    return "E'" + quoted.replace("\\", "\\\\") + "'" if "\\" in value else "'" + quoted + "'"


def qualified(schema: str, name: str) -> str:
    """Return `"schema"."name"`."""
    return f"{quote_identifier(schema)}.{quote_identifier(name)}"


ERASED = "/* its definition is not here any more */"
"""What stands in the place of an index's `tail` that was kept apart and is gone; no server takes it for one."""


@dataclass(frozen=True, slots=True)
class CreateIndex:
    """Create an index. `tail` is the definition from USING on; the column tuples say the same for readers."""

    schema: str
    table: str
    name: str
    tail: str
    key_columns: tuple[str, ...]
    include_columns: tuple[str, ...] = ()

    kind = "create_index"

    def sql(self, *, concurrently: bool = True) -> str:
        """Return the statement."""
        how = " CONCURRENTLY" if concurrently else ""
        target = qualified(self.schema, self.table)
        return f"CREATE INDEX{how} {quote_identifier(self.name)} ON {target} {self.tail}"

    def inverse(self, before: Snapshot) -> Change:
        """Drop it again."""
        return DropIndex(self.schema, self.table, self.name, self.tail, self.key_columns, self.include_columns)


@dataclass(frozen=True, slots=True)
class DropIndex:
    """Drop an index. Carries its definition, so that it can be put back exactly."""

    schema: str
    table: str
    name: str
    tail: str
    key_columns: tuple[str, ...]
    include_columns: tuple[str, ...] = ()

    kind = "drop_index"

    def sql(self, *, concurrently: bool = True) -> str:
        """Return the statement."""
        how = " CONCURRENTLY" if concurrently else ""
        return f"DROP INDEX{how} {qualified(self.schema, self.name)}"

    def inverse(self, before: Snapshot) -> Change:
        """Create it again."""
        return CreateIndex(self.schema, self.table, self.name, self.tail, self.key_columns, self.include_columns)


@dataclass(frozen=True, slots=True)
class CreateStatistics:
    """Create an extended-statistics object and analyse its table, which fills it."""

    schema: str
    table: str
    name: str
    columns: tuple[str, ...]
    kinds: tuple[str, ...]

    kind = "create_statistics"

    def sql(self, *, concurrently: bool = True) -> str:
        """Return the statement."""
        kinds = ", ".join(self.kinds)
        columns = ", ".join(quote_identifier(column) for column in self.columns)
        target = qualified(self.schema, self.table)
        return f"CREATE STATISTICS {qualified(self.schema, self.name)} ({kinds}) ON {columns} FROM {target}"

    def inverse(self, before: Snapshot) -> Change:
        """Drop it again."""
        return DropStatistics(self.schema, self.table, self.name, self.columns, self.kinds)


@dataclass(frozen=True, slots=True)
class DropStatistics:
    """Drop an extended-statistics object: the inverse of CreateStatistics."""

    schema: str
    table: str
    name: str
    columns: tuple[str, ...]
    kinds: tuple[str, ...]

    kind = "drop_statistics"

    def sql(self, *, concurrently: bool = True) -> str:
        """Return the statement."""
        return f"DROP STATISTICS {qualified(self.schema, self.name)}"

    def inverse(self, before: Snapshot) -> Change:
        """Create it again."""
        return CreateStatistics(self.schema, self.table, self.name, self.columns, self.kinds)


_QUOTED = r'"(?:[^"\0]|"")+"'
_TYPED = rf"{_QUOTED}\.{_QUOTED}"
_SCOPE_NAMES = {
    "role_in_database": re.compile(rf"({_QUOTED}) IN DATABASE ({_QUOTED})"),
    "function": re.compile(rf"{_TYPED}\((?:{_TYPED}(?:, {_TYPED})*)?\)"),
}


def role_in_database(role: str, database: str) -> str:
    """Return the `scope_name` of a setting for a role in one database."""
    return f"{quote_identifier(role)} IN DATABASE {quote_identifier(database)}"


@dataclass(frozen=True, slots=True)
class SetSetting:
    """Set a setting for a database, a role, a role in one database, or while a function runs; `value` None resets it.

    `scope` is "database", "role", "role_in_database" or "function". Of the first two `scope_name` is the name; of the
    others it is SQL, quoted throughout: `"role" IN DATABASE "database"`, `"schema"."function"("schema"."type", ...)`.
    """

    scope: str
    scope_name: str
    name: str
    value: str | None

    kind = "set_setting"

    @property
    def is_named_well(self) -> bool:
        """True when `scope_name` is of the form that its scope wants, so that `sql` can be trusted."""
        form = _SCOPE_NAMES.get(self.scope)
        return form is None or form.fullmatch(self.scope_name) is not None

    @property
    def role_and_database(self) -> tuple[str, str]:
        """The role and the database of the scope "role_in_database". Raises ValueError for another, or a bad name."""
        found = _SCOPE_NAMES["role_in_database"].fullmatch(self.scope_name)
        if self.scope != "role_in_database" or found is None:
            raise ValueError("the setting is not for a role in a database")
        role, database = (name[1:-1].replace('""', '"') for name in found.groups())
        return role, database

    @property
    def scope_key(self) -> str:
        """The scope as a Snapshot's `scoped_settings` and `settable_scopes` name it."""
        if self.scope != "role_in_database":
            return f"{self.scope}:{self.scope_name}"
        role, database = self.role_and_database
        return f"role:{role}@database:{database}"

    def sql(self, *, concurrently: bool = True) -> str:
        """Return the statement. Raises ValueError for a scope name that is not of its scope's form."""
        if not self.is_named_well:
            raise ValueError("the name of the setting's scope is not quoted as it must be")
        is_sql = self.scope in _SCOPE_NAMES
        what = {"role_in_database": "ROLE", "function": "FUNCTION"}.get(self.scope, self.scope.upper())
        where = f"ALTER {what} {self.scope_name if is_sql else quote_identifier(self.scope_name)}"
        if self.value is None:
            return f"{where} RESET {quote_identifier(self.name)}"
        return f"{where} SET {quote_identifier(self.name)} = {quote_literal(self.value)}"

    def inverse(self, before: Snapshot) -> Change:
        """Return to what was held before, or reset. Of functions a Snapshot holds nothing: `apply/` asks the server."""
        held = before.scoped_settings.get((self.scope_key, self.name))
        return SetSetting(self.scope, self.scope_name, self.name, held)


@dataclass(frozen=True, slots=True)
class SetStatisticsTarget:
    """Set how much ANALYZE is to keep of a column, and analyse it; `target` None is default_statistics_target."""

    schema: str
    table: str
    column: str
    target: int | None

    kind = "set_statistics_target"

    def sql(self, *, concurrently: bool = True) -> str:
        """Return the statement; the ANALYZE of `fill` is not in it."""
        what = f"ALTER TABLE {qualified(self.schema, self.table)} ALTER COLUMN {quote_identifier(self.column)}"
        return f"{what} SET STATISTICS {-1 if self.target is None else int(self.target)}"

    def inverse(self, before: Snapshot) -> Change:
        """Return to the target of before."""
        column = _column(before, self.schema, self.table, self.column)
        return SetStatisticsTarget(self.schema, self.table, self.column, column.statistics_target if column else None)


@dataclass(frozen=True, slots=True)
class SetDistinct:
    """Tell ANALYZE how many distinct values a column has, and analyse it; `distinct` None lets it estimate again.

    `distinct` is a count, or below 0 a share of the rows. `is_inherited` says it of the table with its children, which
    is what is planned with for a partitioned table.
    """

    schema: str
    table: str
    column: str
    distinct: float | None
    is_inherited: bool = False

    kind = "set_distinct"

    def sql(self, *, concurrently: bool = True) -> str:
        """Return the statement; the ANALYZE of `fill` is not in it."""
        what = f"ALTER TABLE {qualified(self.schema, self.table)} ALTER COLUMN {quote_identifier(self.column)}"
        option = "n_distinct_inherited" if self.is_inherited else "n_distinct"
        if self.distinct is None:
            return f"{what} RESET ({option})"
        # As people write it, so that what is put back reads as before.
        number = int(self.distinct) if float(self.distinct).is_integer() else float(self.distinct)
        return f"{what} SET ({option} = {number!r})"

    def inverse(self, before: Snapshot) -> Change:
        """Return to the number that was set before, or to none."""
        column = _column(before, self.schema, self.table, self.column)
        held = None
        if column is not None:
            held = column.distinct_set_inherited if self.is_inherited else column.distinct_set
        return SetDistinct(self.schema, self.table, self.column, held, self.is_inherited)


@dataclass(frozen=True, slots=True)
class RestoreStatistics:
    """Store statistics of columns as they were once, in place of those of now (PostgreSQL 18 and later).

    They hold values of rows, and so are in a file that `file_sha256` names; `columns_sha256` tells them from others.
    Both are "" in an inverse that is not at hand yet: it is what the columns have when the change is made.
    """

    schema: str
    table: str
    columns: tuple[str, ...]
    file_sha256: str
    columns_sha256: str

    kind = "restore_statistics"

    def sql(self, *, concurrently: bool = True) -> str:
        """Return what is done, as a comment: the values are in the file, and in no text that is shown."""
        columns = ", ".join(quote_identifier(column) for column in self.columns)
        text = (
            f"pg_restore_relation_stats, pg_restore_attribute_stats: {qualified(self.schema, self.table)} ({columns})"
        )
        source = (
            f"the statistics file {self.file_sha256}" if self.file_sha256 else "a file of what is there just before"
        )
        return f"/* {text.replace('*/', '* /')} from {source} */"

    def inverse(self, before: Snapshot) -> Change:
        """Store what is there just before. A Snapshot holds no value of a row: `apply/` writes that to a file then."""
        return RestoreStatistics(self.schema, self.table, self.columns, "", "")


@dataclass(frozen=True, slots=True)
class RebuildIndex:
    """Build an index anew beside itself, which frees what it holds in vain. It means the same before and after.

    `oid` is that of the index as it was seen: what REINDEX CONCURRENTLY makes has another, and so is known from it.
    """

    schema: str
    table: str
    name: str
    oid: int

    kind = "rebuild_index"

    def sql(self, *, concurrently: bool = True) -> str:
        """Return the statement."""
        how = " CONCURRENTLY" if concurrently else ""
        return f"REINDEX INDEX{how} {qualified(self.schema, self.name)}"

    def inverse(self, before: Snapshot) -> Change:
        """Leave it: nobody can tell a rebuilt index from the old one but by its size."""
        return LeaveIndex(self.schema, self.table, self.name)


@dataclass(frozen=True, slots=True)
class LeaveIndex:
    """Do nothing: the inverse of RebuildIndex. It always stands."""

    schema: str
    table: str
    name: str

    kind = "leave_index"

    def sql(self, *, concurrently: bool = True) -> str:
        """Return a comment, which says why there is no statement."""
        return "-- nothing to undo: a rebuilt index is the same index"

    def inverse(self, before: Snapshot) -> Change:
        """Do nothing either."""
        return self


def _column(before: Snapshot, schema: str, table: str, name: str) -> Column | None:
    found = before.table(schema, table)
    return None if found is None else found.column(name)


Change: TypeAlias = (
    CreateIndex
    | DropIndex
    | CreateStatistics
    | DropStatistics
    | SetSetting
    | SetStatisticsTarget
    | SetDistinct
    | RestoreStatistics
    | RebuildIndex
    | LeaveIndex
)

_KINDS: dict[str, type[Change]] = {
    cls.kind: cls
    for cls in (
        CreateIndex,
        DropIndex,
        CreateStatistics,
        DropStatistics,
        SetSetting,
        SetStatisticsTarget,
        SetDistinct,
        RestoreStatistics,
        RebuildIndex,
        LeaveIndex,
    )
}


def fill(change: Change) -> str | None:
    """Return the ANALYZE that belongs to the change, in its transaction, or None: without it nothing would be seen."""
    if isinstance(change, CreateStatistics):
        return f"ANALYZE {qualified(change.schema, change.table)}"
    if isinstance(change, SetStatisticsTarget | SetDistinct):
        return f"ANALYZE {qualified(change.schema, change.table)} ({quote_identifier(change.column)})"
    return None


def change_to_dict(change: Change) -> dict[str, object]:
    """Return the change as the ledger and the JSON faces write it."""
    return {"kind": change.kind, **{name: list(v) if isinstance(v, tuple) else v for name, v in asdict(change).items()}}


def change_from_dict(raw: Mapping[str, object]) -> Change:
    """Return the change that `change_to_dict` wrote. Raises KeyError or TypeError when it did not."""
    cls = _KINDS[str(raw["kind"])]
    given = {k: tuple(v) if isinstance(v, list) else v for k, v in raw.items() if k != "kind"}
    known = {each.name: each.default is MISSING for each in fields(cls)}
    if others := given.keys() - known.keys():
        raise TypeError(f"a change of the kind {cls.kind} has no field {min(others)!r}")
    if missing := [name for name, is_needed in known.items() if is_needed and name not in given]:
        raise TypeError(f"a change of the kind {cls.kind} needs its field {missing[0]!r}")
    return cls(**given)  # type: ignore[arg-type]


@lru_cache(maxsize=1 << 16)
def change_digest(change: Change) -> str:
    """Return SHA-256, in hexadecimal, of what the change is: the same change has the same digest everywhere."""
    import rfc8785

    return hashlib.sha256(rfc8785.dumps(change_to_dict(change))).hexdigest()  # type: ignore[arg-type]


_INVERSE_KINDS = {
    "create_index": "drop_index",
    "drop_index": "create_index",
    "create_statistics": "drop_statistics",
    "drop_statistics": "create_statistics",
    "rebuild_index": "leave_index",
}
# What an inverse takes from the server of before; all else it has of its change.
_HELD_BEFORE = frozenset({"kind", "value", "target", "distinct", "file_sha256", "columns_sha256"})


def takes_back(inverse: Change, change: Change) -> bool:
    """Return True when `inverse` is of the kind, and of the object, that the inverse of `change` is.

    Which value it puts back cannot be told from the change.
    """
    told, of = change_to_dict(inverse), change_to_dict(change)
    is_its_kind = inverse.kind == _INVERSE_KINDS.get(change.kind, change.kind)
    return is_its_kind and all(of.get(key) == value for key, value in told.items() if key not in _HELD_BEFORE)


def touched_table(change: Change) -> tuple[str, str] | None:
    """Return (schema, table) that the change touches, or None for a setting."""
    return None if isinstance(change, SetSetting) else (change.schema, change.table)
