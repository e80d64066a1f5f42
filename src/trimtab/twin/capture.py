"""Takes the image of a source that a twin is built from: its facts and its schema. It touches the source alone.

Every session is read-only, and SELECT rights suffice. The image holds no row; with values it holds those that the
planner's statistics hold.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from contextlib import closing
from dataclasses import asdict, dataclass, fields
from typing import Any

import psycopg

from trimtab.db.failures import source_error
from trimtab.db.operator_classes import OperatorFamily
from trimtab.db.role import reading
from trimtab.embedded.binaries import Binaries
from trimtab.model.column_statistics import ColumnStatistics
from trimtab.twin.common_values import CommonValues
from trimtab.twin.definitions import Definitions
from trimtab.twin.dump import read_schema
from trimtab.twin.ends import ColumnEnds
from trimtab.twin.extended import ExtendedValues
from trimtab.twin.source import Collation, Owner, RelationFacts, Role, Source, read_source
from trimtab.twin.stand_ins import ExtensionFunction
from trimtab.twin.statistics import StoredColumn

_LOCK_TIMEOUT_MS = 30_000
# An archive's head holds the time at which it was made: seven numbers of five bytes after magic, version and formats.
_MADE_AT = slice(12, 47)


@dataclass(frozen=True, slots=True)
class Image:
    """All that a twin is built from. `schema` is an archive of pg_dump (custom format) without data and statistics."""

    source: Source
    schema: bytes

    @property
    def schema_digest(self) -> str:
        """What tells one schema from another; the time at which it was read does not matter."""
        head, tail = self.schema[: _MADE_AT.start], self.schema[_MADE_AT.stop :]
        return hashlib.sha256(head + tail).hexdigest()

    def to_dict(self) -> dict[str, Any]:
        """Return it as dictionaries, lists and plain values; `schema` stays bytes."""
        return asdict(self)

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Image:
        """Return the image of `to_dict`, whose tuples may have become lists. Raises what a wrong shape raises:

        KeyError, TypeError or ValueError.
        """
        facts = dict(data["source"])
        if set(facts) != {field.name for field in fields(Source)}:
            raise ValueError("the facts are not those of this version")
        facts["relations"] = tuple(RelationFacts(**relation) for relation in facts["relations"])
        facts["columns"] = tuple(
            StoredColumn(**{**column, "statistics": ColumnStatistics(**column["statistics"])})
            for column in facts["columns"]
        )
        facts["extended"] = tuple(_extended(values) for values in facts["extended"])
        for name in (
            "extensions",
            "unreadable",
            "row_security",
            "leakproof",
            "casts",
            "partly_hidden",
            "unknown_ends",
            "incomplete",
        ):
            facts[name] = tuple(tuple(item) for item in facts[name])
        facts["problems"] = tuple(facts["problems"])
        facts["collations"] = tuple(Collation(**collation) for collation in facts["collations"])
        facts["roles"] = tuple(Role(**{**role, "acts_as": tuple(role["acts_as"])}) for role in facts["roles"])
        facts["operator_families"] = tuple(OperatorFamily.from_dict(one) for one in facts["operator_families"])
        facts["owners"] = tuple(Owner(**owner) for owner in facts["owners"])
        facts["extension_functions"] = tuple(
            ExtensionFunction(**{**one, "arguments": tuple(one["arguments"])}) for one in facts["extension_functions"]
        )
        facts["ends"] = tuple(ColumnEnds(**one) for one in facts["ends"])
        facts["definitions"] = Definitions.from_dict(facts["definitions"])
        return cls(Source(**facts), bytes(data["schema"]))


def read_image(
    conninfo: str,
    binaries: Binaries,
    *,
    with_values: bool = True,
    with_ends: bool = False,
    progress: Callable[[int, int, str], None],
) -> Image:
    """Return the image of the source. `binaries` give way to the wheel's where their pg_dump is older than 18.

    Without values, nothing in it is a value of a row; plans then rest on counts and averages alone. `with_ends` reads
    the ends of indexed columns whose rows changed since ANALYZE: beside that no row is read. Raises SourceError, and
    LabError when the schema cannot be read.
    """
    progress(0, 4, "twin: reading statistics")
    with closing(reading(conninfo, lock_timeout_ms=_LOCK_TIMEOUT_MS)) as connection:
        try:
            source = read_source(connection, with_values=with_values, with_ends=with_ends)
        except psycopg.Error as error:
            raise source_error(error) from None
    progress(1, 4, "twin: reading the schema")
    return Image(source, read_schema(conninfo, binaries, source.unreadable, encoding=source.encoding))


def _extended(values: Mapping[str, Any]) -> ExtendedValues:
    common = values["common"]
    return ExtendedValues(
        **{
            **values,
            "columns": tuple((number, name) for number, name in values["columns"]),
            "common": None if common is None else CommonValues(**common),
            "expressions": tuple(ColumnStatistics(**expression) for expression in values["expressions"]),
        }
    )
