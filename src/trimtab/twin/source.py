"""Reads what the planner reads of the source beside its schema: lengths, statistics, settings, locale. Never a row.

Read-only queries of the catalog. SELECT rights suffice; what they do not show becomes a problem in words.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from trimtab.db import queries
from trimtab.db.casts import Cast, read_casts
from trimtab.db.connection import Connection
from trimtab.db.leakproof import read_leakproof
from trimtab.db.operator_classes import OperatorFamily, read_operator_families
from trimtab.model.catalog import names
from trimtab.twin.definitions import Definitions, read_definitions
from trimtab.twin.ends import ColumnEnds, read_ends
from trimtab.twin.extended import ExtendedValues, hidden_values, read_values
from trimtab.twin.heights import read_heights
from trimtab.twin.settings import PLANNER_SETTINGS
from trimtab.twin.stand_ins import ExtensionFunction, read_extension_functions
from trimtab.twin.statistics import StoredColumn, hidden_ranges, read_columns

BLOCK_BYTES = 8192


@dataclass(frozen=True, slots=True)
class Collation:
    """A collation that something is in. `provider` is c (libc), i (ICU) or b (built in)."""

    schema: str
    name: str
    provider: str
    locale: str
    character_type: str
    is_deterministic: bool


@dataclass(frozen=True, slots=True)
class RelationFacts:
    """A table, index, view with rows, or foreign table. `kind` is pg_class.relkind.

    `pages` is its file's length, None where it has none; `counted_pages`, `rows` and `visible_pages` are what VACUUM
    and ANALYZE left in pg_class. `height` is the level of a B-tree's root, None where the planner did not show it.
    """

    schema: str
    name: str
    kind: str
    pages: int | None
    counted_pages: int
    rows: float
    visible_pages: int
    tablespace: str | None = None
    height: int | None = None


@dataclass(frozen=True, slots=True)
class Role:
    """A role, and what decides which policies bind it: none when it `is_unbound` (a superuser, or BYPASSRLS).

    `acts_as` are the roles whose rights it has, of those that policies name and those in `Source.owners`; a role of
    these is among its own.
    """

    name: str
    is_unbound: bool
    acts_as: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Owner:
    """Who owns a table that has row-level security, or a view of such a table."""

    schema: str
    name: str
    role: str


@dataclass(frozen=True, slots=True)
class Source:
    """The facts of one database at one time, plain values only.

    `parsing` are settings that decide what a text means, `settings` those of the planner in the session that read
    them; `role_settings` are what roles would have instead. `tablespaces` are the costs of those that have their own,
    '' is the database's default. `extensions` are (name, schema). `row_security` are tables whose policies bind the
    session's role, which then is not shown their statistics. `partly_hidden` are tables of which some
    statistics are not shown to it, as those of expressions. `policy_settings` are those of users' own that
    policies read, in the session that read them, None where it had none or values were left out. `written_search_path`
    is what `parsing` has resolved for the session's role. `leakproof` are functions, as `read_leakproof` tells them,
    `casts` those of `read_casts`, `operator_families` those of `read_operator_families`. `definitions` are empty in
    what an older version of trimtab took. `ends` are those of indexed columns whose rows changed since ANALYZE,
    `unknown_ends` the tables of such columns whose ends were not read. `incomplete` are tables of which the role may
    not read all partitions or children, `extension_functions` what tables may need of extensions that a twin lacks.
    """

    version: int
    encoding: str
    provider: str
    collation: str
    character_type: str
    locale: str
    role: str
    has_values: bool
    parsing: Mapping[str, str]
    settings: Mapping[str, str]
    role_settings: Mapping[str, Mapping[str, str]]
    tablespaces: Mapping[str, Mapping[str, str]]
    extensions: tuple[tuple[str, str], ...]
    relations: tuple[RelationFacts, ...]
    columns: tuple[StoredColumn, ...]
    extended: tuple[ExtendedValues, ...]
    unreadable: tuple[tuple[str, str], ...]
    row_security: tuple[tuple[str, str], ...]
    problems: tuple[str, ...]
    collations: tuple[Collation, ...] = ()
    roles: tuple[Role, ...] = ()
    owners: tuple[Owner, ...] = ()
    policy_settings: Mapping[str, str | None] = field(default_factory=dict[str, str | None])
    written_search_path: str = ""
    leakproof: tuple[tuple[str, str, str], ...] = ()
    casts: tuple[Cast, ...] = ()
    operator_families: tuple[OperatorFamily, ...] = ()
    partly_hidden: tuple[tuple[str, str], ...] = ()
    definitions: Definitions = field(default_factory=Definitions)
    ends: tuple[ColumnEnds, ...] = ()
    unknown_ends: tuple[tuple[str, str], ...] = ()
    incomplete: tuple[tuple[str, str], ...] = ()
    extension_functions: tuple[ExtensionFunction, ...] = ()

    @property
    def acting_roles(self) -> tuple[Role, ...]:
        """The roles that policies name, and those that own what is in `owners`."""
        names = {name for role in self.roles for name in role.acts_as}
        return tuple(role for role in self.roles if role.name in names)

    @property
    def guarded(self) -> frozenset[tuple[str, str]]:
        """The tables that have row-level security, and views of such, by (schema, name)."""
        return frozenset((owner.schema, owner.name) for owner in self.owners)

    @property
    def major(self) -> int:
        """The major version of the server."""
        return self.version // 10000

    @property
    def has_plain_order(self) -> bool:
        """True when texts are ordered by their bytes, so that LIKE 'a%' can use any B-tree."""
        return self.provider == "b" or (self.provider == "c" and self.collation in ("C", "POSIX"))


def read_source(connection: Connection, *, with_values: bool = True, with_ends: bool = False) -> Source:
    """Return what the source's catalog says now; without values, nothing of it is a value of a row.

    `with_ends` reads the ends of indexed columns too, where the planner's statistics are older than the rows.
    """
    version = connection.info.server_version
    facts = connection.execute(queries.load("twin_source", version)).fetchone()
    assert facts is not None, "a session is in a database"
    encoding, provider, collation, character_type, locale, block_bytes, search_path, written, parsing, role = facts
    rights = connection.execute(queries.load("twin_rights", version)).fetchall()
    unreadable = tuple((schema, name) for schema, name, may_read in rights if not may_read)
    incomplete = tuple(connection.execute(queries.load("twin_incomplete", version)).fetchall())
    row_security = tuple((schema, name) for schema, name, may_read in rights if may_read)
    extended, heights = read_values(connection), read_heights(connection)
    hidden = _read_hidden(connection, with_values=with_values)
    found_ends = read_ends(connection, with_values=with_values and with_ends)
    policy_settings: dict[str, str | None] = dict(
        connection.execute(queries.load("twin_policy_settings", version)).fetchall()
    )
    own_settings = ["search_path", *(policy_settings if with_values else ())]
    return Source(
        version=version,
        encoding=encoding,
        provider=provider,
        collation=collation,
        character_type=character_type,
        locale=locale,
        role=role,
        has_values=with_values,
        parsing={**parsing, "search_path": search_path},
        settings=dict(connection.execute(queries.load("twin_settings", version), (PLANNER_SETTINGS,)).fetchall()),
        role_settings=_nested(
            connection.execute(queries.load("twin_role_settings", version), (PLANNER_SETTINGS, own_settings))
        ),
        tablespaces=_nested(connection.execute(queries.load("twin_tablespaces", version))),
        extensions=tuple(connection.execute(queries.load("extensions", version)).fetchall()),
        relations=_relations(connection, heights.levels),
        columns=tuple(read_columns(connection, with_values=with_values)),
        collations=tuple(Collation(*row) for row in connection.execute(queries.load("twin_collations", version))),
        extended=tuple(extended if with_values else (values.without_values() for values in extended)),
        roles=tuple(
            Role(name, is_unbound, tuple(acts_as))
            for name, is_unbound, acts_as in connection.execute(queries.load("twin_roles", version))
        ),
        owners=tuple(Owner(*row) for row in connection.execute(queries.load("twin_owners", version))),
        policy_settings=policy_settings if with_values else dict.fromkeys(policy_settings),
        written_search_path=written,
        leakproof=tuple(read_leakproof(connection)),
        casts=tuple(read_casts(connection)),
        operator_families=tuple(read_operator_families(connection)),
        partly_hidden=hidden.tables,
        definitions=read_definitions(connection),
        ends=found_ends.ends,
        unknown_ends=found_ends.unknown,
        incomplete=incomplete,
        extension_functions=tuple(read_extension_functions(connection)),
        unreadable=unreadable,
        row_security=row_security,
        problems=(
            *_problems(unreadable, row_security, hidden, role, block_bytes, with_values=with_values),
            *_guessed(heights.refused),
            *_parted(incomplete),
        ),
    )


def _parted(tables: Sequence[tuple[str, str]]) -> Iterable[str]:
    if tables:
        yield f"queries on these are not planned, because this role may not read all of their children: {names(tables)}"


def _guessed(indexes: Sequence[tuple[str, str]]) -> Iterable[str]:
    if indexes:
        yield f"the source would not plan for the height of these B-trees, which is estimated: {names(indexes)}"


def _relations(connection: Connection, heights: Mapping[tuple[str, str], int]) -> tuple[RelationFacts, ...]:
    rows = connection.execute(queries.load("twin_relations", connection.info.server_version)).fetchall()
    return tuple(
        RelationFacts(schema, name, kind, pages, counted, reltuples, visible, tablespace, heights.get((schema, name)))
        for schema, name, kind, pages, counted, reltuples, visible, tablespace in rows
    )


def _nested(rows: Iterable[Sequence[str]]) -> dict[str, dict[str, str]]:
    found: dict[str, dict[str, str]] = {}
    for outer, name, value in rows:
        found.setdefault(outer, {})[name] = value
    return found


@dataclass(frozen=True, slots=True)
class _Hidden:
    """What has statistics that this role is not shown: statistics objects, indexes with expressions, tables."""

    objects: tuple[tuple[str, str], ...]
    indexes: tuple[tuple[str, str], ...]
    ranges: tuple[tuple[str, str], ...]
    tables: tuple[tuple[str, str], ...]


def _read_hidden(connection: Connection, *, with_values: bool) -> _Hidden:
    objects = hidden_values(connection)
    indexes = connection.execute(queries.load("twin_hidden_expressions", connection.info.server_version)).fetchall()
    ranges = hidden_ranges(connection) if with_values else []
    owning = {(schema, table) for _, _, schema, table in (*objects, *indexes)}
    return _Hidden(
        objects=tuple((schema, name) for schema, name, _, _ in objects),
        indexes=tuple((schema, name) for schema, name, _, _ in indexes),
        ranges=tuple(ranges),
        tables=tuple(sorted({*owning, *ranges})),
    )


def _problems(
    unreadable: Sequence[tuple[str, str]],
    row_security: Sequence[tuple[str, str]],
    hidden: _Hidden,
    role: str,
    block_bytes: int,
    *,
    with_values: bool,
) -> Iterable[str]:
    if unreadable:
        yield f"not on the twin, because this role may not read them: {names(unreadable)}"
    if row_security:
        yield (
            f"row-level security hides the statistics of {names(row_security)} from this role: its plans are guesses."
            f" A twin that a role read which no policies bind has them: `trimtab twin explain --as-role {role}`"
        )
    for what, shown_to, found in (
        ("extended statistics", "their table's owner", hidden.objects),
        ("statistics of expressions", "the index's owner", hidden.indexes),
        ("statistics of ranges", "superusers", hidden.ranges),
    ):
        if found:
            yield f"{what} are shown to {shown_to} only, and missing on the twin: {names(found)}"
    if not with_values:
        yield "built without values: most common values, histograms and lists of elements are not on the twin"
    if block_bytes != BLOCK_BYTES:
        yield f"the source's pages are {block_bytes} bytes, the twin's {BLOCK_BYTES}: costs differ"
