"""The security of a server as a value: rows by section and key, in one canonical form with one digest.

It holds names, flags and digests; never a literal, a secret, or the text of a view, a policy or a function. What could
not be read is named in it: nothing is left out in silence.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import TypeAlias

from trimtab.ledger.entry import canonical_body

Attribute: TypeAlias = "str | int | bool | tuple[str, ...] | None"
Row: TypeAlias = "Mapping[str, Attribute]"
Rows: TypeAlias = "Mapping[str, Row]"


IDENTITY = frozenset({"oid"})
"""What tells which object it is, and nothing of it: one that was dropped and made again as it was is no difference."""


def without_identity(row: Row | None) -> Row | None:
    """Return the row without what tells which object it is."""
    if row is None or IDENTITY.isdisjoint(row):
        return row
    return {name: value for name, value in row.items() if name not in IDENTITY}


@dataclass(frozen=True)
class SecuritySnapshot:
    """What a role could see of a server's security at `taken_at_ns` (UTC nanoseconds).

    `unreadable` says why, by section; a section that is there and named in it was read in part. A section that is in
    neither is one that this version of PostgreSQL does not have.
    """

    database: str
    database_oid: int
    system_identifier: str | None
    version: int
    role: str
    taken_at_ns: int
    sections: Mapping[str, Rows]
    unreadable: Mapping[str, str] = field(default_factory=dict)

    def rows(self, section: str) -> Rows:
        """Return the rows of a section, none when it was not read."""
        return self.sections.get(section, {})

    def row(self, section: str, key: str) -> Row | None:
        """Return one row, or None."""
        return self.rows(section).get(key)

    def setting(self, name: str) -> str | None:
        """Return the value that the server has for the setting, None where it was not seen."""
        row = self.row("settings", name)
        value = None if row is None else row.get("value")
        return value if isinstance(value, str) else None

    @cached_property
    def digest(self) -> str:
        """SHA-256, in hexadecimal, of the sections and of what was unreadable: the same security, the same digest."""
        sections = {
            name: {key: without_identity(row) for key, row in rows.items()} for name, rows in self.sections.items()
        }
        return hashlib.sha256(canonical_body({"sections": sections, "unreadable": self.unreadable})).hexdigest()

    @property
    def count(self) -> int:
        """The number of rows."""
        return sum(len(rows) for rows in self.sections.values())


def snapshot_to_dict(snapshot: SecuritySnapshot) -> dict[str, object]:
    """Return the snapshot as its document holds it."""
    return {
        "database": snapshot.database,
        "database_oid": snapshot.database_oid,
        "system_identifier": snapshot.system_identifier,
        "version": snapshot.version,
        "role": snapshot.role,
        "taken_at_ns": str(snapshot.taken_at_ns),
        "sections": snapshot.sections,
        "unreadable": snapshot.unreadable,
    }


def snapshot_from_dict(raw: Mapping[str, object]) -> SecuritySnapshot:
    """Return the snapshot that `snapshot_to_dict` wrote. Raises ValueError for anything else."""
    try:
        sections = _mapping(raw["sections"])
        return SecuritySnapshot(
            database=str(raw["database"]),
            database_oid=int(str(raw["database_oid"])),
            system_identifier=None if raw["system_identifier"] is None else str(raw["system_identifier"]),
            version=int(str(raw["version"])),
            role=str(raw["role"]),
            taken_at_ns=int(str(raw["taken_at_ns"])),
            sections={name: {key: _row(row) for key, row in _mapping(rows).items()} for name, rows in sections.items()},
            unreadable={name: str(why) for name, why in _mapping(raw["unreadable"]).items()},
        )
    except KeyError as error:
        raise ValueError(f"it has no {error.args[0]}") from None


def _row(raw: object) -> Row:
    return {name: _attribute(value) for name, value in _mapping(raw).items()}


def _attribute(value: object) -> Attribute:
    if isinstance(value, list):
        if not all(isinstance(item, str) for item in value):
            raise ValueError("a list holds something else than texts")
        return tuple(value)
    if value is None or isinstance(value, str | int | bool):
        return value
    raise ValueError("a value is neither a text, a number, a truth nor a list of texts")


def _mapping(value: object) -> Mapping[str, object]:
    if not isinstance(value, Mapping):
        raise ValueError("something is no object")
    return value
