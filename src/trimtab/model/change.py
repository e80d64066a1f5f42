"""The closed union of changes that Trimtab can make: each a value that knows its SQL, its lock and its inverse.

A Change does nothing by itself; only `apply/` carries one out. Its inverse needs the state before; what could not be
put back from that alone is refused by the rules (`validate/drops.py`).
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from functools import lru_cache
from typing import TypeAlias

from trimtab.model.catalog import Snapshot


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


@dataclass(frozen=True, slots=True)
class SetSetting:
    """Set a setting for a database or a role; `value` None resets it. `scope` is "database" or "role"."""

    scope: str
    scope_name: str
    name: str
    value: str | None

    kind = "set_setting"

    def sql(self, *, concurrently: bool = True) -> str:
        """Return the statement."""
        what = f"ALTER {self.scope.upper()} {quote_identifier(self.scope_name)}"
        if self.value is None:
            return f"{what} RESET {quote_identifier(self.name)}"
        return f"{what} SET {quote_identifier(self.name)} = {quote_literal(self.value)}"

    def inverse(self, before: Snapshot) -> Change:
        """Return to what ALTER DATABASE/ROLE SET held before, or reset."""
        held = before.scoped_settings.get((f"{self.scope}:{self.scope_name}", self.name))
        return SetSetting(self.scope, self.scope_name, self.name, held)


Change: TypeAlias = CreateIndex | DropIndex | CreateStatistics | DropStatistics | SetSetting

_KINDS: dict[str, type[CreateIndex | DropIndex | CreateStatistics | DropStatistics | SetSetting]] = {
    cls.kind: cls for cls in (CreateIndex, DropIndex, CreateStatistics, DropStatistics, SetSetting)
}


def change_to_dict(change: Change) -> dict[str, object]:
    """Return the change as the ledger and the JSON faces write it."""
    fields = {name: list(v) if isinstance(v, tuple) else v for name, v in asdict(change).items()}
    return {"kind": change.kind, **fields}


def change_from_dict(raw: Mapping[str, object]) -> Change:
    """Return the change that `change_to_dict` wrote. Raises KeyError or TypeError when it did not."""
    cls = _KINDS[str(raw["kind"])]
    fields = {k: tuple(v) if isinstance(v, list) else v for k, v in raw.items() if k != "kind"}
    return cls(**fields)  # type: ignore[arg-type]


@lru_cache(maxsize=1 << 16)
def change_digest(change: Change) -> str:
    """Return SHA-256, in hexadecimal, of what the change is: the same change has the same digest everywhere."""
    import rfc8785

    return hashlib.sha256(rfc8785.dumps(change_to_dict(change))).hexdigest()  # type: ignore[arg-type]


def touched_table(change: Change) -> tuple[str, str] | None:
    """Return (schema, table) that the change touches, or None for a setting."""
    return None if isinstance(change, SetSetting) else (change.schema, change.table)
