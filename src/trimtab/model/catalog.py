"""What the source is: server, tables, columns, indexes, statistics objects, settings, seen at one moment.

A Snapshot is all that a proposer knows of the source. It holds no row, and of the statistics no value of a row.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from trimtab.model.usage import Usage
from trimtab.model.workload import Workload

_MANY = 5


def names(relations: Sequence[Sequence[str]]) -> str:
    """Return these (schema, name) in words, after their number where they are many: who shows it may cut it."""
    listed = ", ".join(f"{schema}.{name}" for schema, name in relations)
    return listed if len(relations) <= _MANY else f"{len(relations)} in all: {listed}"


def version_text(version: int) -> str:
    """Return server_version_num as people write it: "18.6"."""
    return f"{version // 10000}.{version % 10000}"


@dataclass(frozen=True, slots=True)
class ServerIdentity:
    """Which server and database this is. `version` is server_version_num (180006), `started_at` ISO 8601.

    `forbidden_tablespace` is the session's default_tablespace where the role may not create in it, else None.
    """

    version: int
    database: str
    database_oid: int
    user: str
    system_identifier: str | None
    started_at: str
    is_standby: bool
    is_superuser: bool
    forbidden_tablespace: str | None = None

    @property
    def of_database(self) -> tuple[str, str, int]:
        """What tells one database from another: system identifier ("" where it is not told), name, oid."""
        return self.system_identifier or "", self.database, self.database_oid

    @property
    def major(self) -> int:
        """The major version: 15, 18."""
        return self.version // 10000

    @property
    def version_text(self) -> str:
        """The version as people write it: "18.6"."""
        return version_text(self.version)

    def is_same_as(self, other: ServerIdentity) -> bool:
        """True when both are one database of one running server. An identifier that one may not read says nothing."""
        identifiers = {self.system_identifier or "", other.system_identifier or ""} - {""}
        return len(identifiers) < 2 and (self.database_oid, self.started_at) == (other.database_oid, other.started_at)


@dataclass(frozen=True, slots=True)
class Column:
    """A column: its position, its type name as format_type gives it, and what statistics know: None where they do not.

    `average_width` is in bytes; `correlation`, from -1 to 1, that of the rows' order on disk with the column's own;
    `distinct_values` an estimate of how many there are. What was set with ALTER TABLE: `statistics_target`, and
    `distinct_set` (a count, or below 0 a share of the rows), for the table with its children `distinct_set_inherited`.
    """

    name: str
    number: int
    type_name: str
    is_not_null: bool
    has_btree_order: bool
    average_width: int | None = None
    correlation: float | None = None
    distinct_values: float | None = None
    statistics_target: int | None = None
    distinct_set: float | None = None
    distinct_set_inherited: float | None = None


@dataclass(frozen=True, slots=True)
class Index:
    """An index. `key_columns` has None for an expression; `tail` re-creates it: its definition from USING on.

    `constraint` names the constraint that it backs. `has_more` is true when it holds what its definition does not tell,
    which creating it again would lose: a comment, statistics targets of its own, a dependence on an extension. `scans`
    counts uses since the statistics were reset; `unused_days` is for how long no scan is known to have used it, on any
    server that was asked, None where that is not known. `is_exclusion`: it backs an exclusion constraint.
    """

    schema: str
    name: str
    table: str
    method: str
    key_columns: tuple[str | None, ...]
    include_columns: tuple[str, ...]
    key_options: tuple[int, ...]
    operator_classes: tuple[int, ...]
    collations: tuple[int, ...]
    definition: str
    tail: str | None
    is_unique: bool
    is_primary: bool
    is_valid: bool
    is_replica_identity: bool
    is_clustered: bool
    is_partial: bool
    has_expressions: bool
    has_more: bool
    constraint: str | None
    size_bytes: int
    scans: int
    oid: int = 0
    unused_days: float | None = None
    is_exclusion: bool = False

    @property
    def is_for_reads_alone(self) -> bool:
        """True when nothing but reads needs it: no uniqueness, constraint, replica identity or order of CLUSTER."""
        return not (
            self.is_unique
            or self.is_primary
            or self.constraint is not None
            or self.is_replica_identity
            or self.is_clustered
        )


@dataclass(frozen=True, slots=True)
class ForeignKey:
    """A foreign key of a table: the referencing columns, in order. `cascades`: a row goes with the one it refers to."""

    name: str
    columns: tuple[str, ...]
    referenced_schema: str
    referenced_table: str
    cascades: bool = False


@dataclass(frozen=True, slots=True)
class StatisticsObject:
    """An extended-statistics object. `definition_sha256` is of all that it is: owner, target and expressions too."""

    schema: str
    name: str
    columns: tuple[str, ...]
    kinds: tuple[str, ...]
    definition_sha256: str = ""


@dataclass(frozen=True, slots=True)
class Table:
    """An ordinary table, a partition or a materialized view that user queries can read.

    `is_readable` is true when the role that looked may read all of its rows and their statistics. `has_row_security` is
    true when row-level security binds that role there, so that rows may be hidden from it.
    `is_owned`: the session's role is its owner or a member of it. `may_create`: the role has CREATE on its schema.
    `is_empty`: there is no page for rows. `rows_are_known`: the server has counted, or estimated, those of every page.
    `bound` are digests, by kind ("owner", "constraints"...), of what else an approval is bound to; read for that alone.
    """

    schema: str
    name: str
    oid: int
    kind: str
    rows: float
    pages: int
    size_bytes: int
    columns: tuple[Column, ...]
    indexes: tuple[Index, ...] = ()
    foreign_keys: tuple[ForeignKey, ...] = ()
    statistics: tuple[StatisticsObject, ...] = ()
    inserts: int = 0
    updates: int = 0
    hot_updates: int = 0
    deletes: int = 0
    is_readable: bool = True
    is_owned: bool = True
    has_row_security: bool = False
    may_create: bool = True
    bound: tuple[tuple[str, str], ...] = ()
    is_empty: bool = False
    rows_are_known: bool = True

    def column(self, name: str) -> Column | None:
        """Return the column of that name, or None."""
        return next((column for column in self.columns if column.name == name), None)


@dataclass(frozen=True, slots=True)
class Setting:
    """A server setting as pg_settings shows it. `unit` is "kB", "8kB", "ms"... or None."""

    name: str
    value: str
    unit: str | None
    context: str
    source: str
    is_default: bool


@dataclass(frozen=True, slots=True)
class Snapshot:
    """The source at one moment: identity, catalog, settings, workload. `taken_at` is UTC, ISO 8601.

    `scoped_settings` maps (database or role name, setting name) to what ALTER DATABASE/ROLE SET holds; the key's first
    part is "database:NAME", "role:NAME" or "role:NAME@database:NAME". `settable_scopes` are those, of this form or
    "function:SIGNATURE", for which the session's role may set settings. `extensions` maps the installed ones to their
    schemas. `usage` is what `Index.unused_days` rests on, None where it was not read.
    """

    server: ServerIdentity
    tables: tuple[Table, ...]
    settings: Mapping[str, Setting]
    workload: Workload
    taken_at: str
    scoped_settings: Mapping[tuple[str, str], str] = field(default_factory=dict)
    settable_scopes: frozenset[str] = frozenset()
    extensions: Mapping[str, str] = field(default_factory=dict)
    usage: Usage | None = None

    def table(self, schema: str, name: str) -> Table | None:
        """Return the table of that name, or None."""
        return next((t for t in self.tables if t.schema == schema and t.name == name), None)
