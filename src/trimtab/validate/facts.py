"""What a verdict depends on besides strategy and specification: the catalog, and what the run did so far."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime

from trimtab.model.catalog import Index, Setting, Snapshot, Table
from trimtab.model.change import Change
from trimtab.model.strategy import Prediction, Strategy, Trial


@dataclass(frozen=True, slots=True)
class Evidence:
    """What was predicted and measured of the strategy so far; None before."""

    prediction: Prediction | None = None
    trial: Trial | None = None


NO_EVIDENCE = Evidence()


@dataclass(frozen=True, slots=True)
class Facts:
    """The facts of one moment.

    `accepted` are the strategies that this run has accepted before; `done` are those of the strategy itself that
    have been carried out already. `is_applying` says that the changes are to be made, not only considered: then the
    session's rights and the server's role count too. `is_enforcing`: the statement comes next. `read_unix` is when they
    were read, in seconds since 1970, None where that is not known.
    """

    server_version: int
    database: str
    is_standby: bool
    tables: Mapping[tuple[str, str], Table]
    settings: Mapping[str, Setting]
    scoped_settings: Mapping[tuple[str, str], str]
    settable_scopes: frozenset[str]
    forbidden_tablespace: str | None
    accepted: tuple[Strategy, ...] = ()
    done: tuple[Change, ...] = ()
    is_applying: bool = True
    relation_names: frozenset[tuple[str, str]] = field(default_factory=frozenset)
    role: str = ""
    is_superuser: bool = False
    read_unix: int | None = None
    is_enforcing: bool = False
    evidence: Evidence = NO_EVIDENCE

    def table(self, schema: str, name: str) -> Table | None:
        """Return the table of that name, or None."""
        return self.tables.get((schema, name))

    def index(self, schema: str, table: str, name: str) -> Index | None:
        """Return the index of that name on that table, or None."""
        found = self.table(schema, table)
        return None if found is None else next((index for index in found.indexes if index.name == name), None)


def facts_from(
    snapshot: Snapshot,
    *,
    accepted: tuple[Strategy, ...] = (),
    done: tuple[Change, ...] = (),
    is_applying: bool = True,
    is_enforcing: bool = False,
    evidence: Evidence = NO_EVIDENCE,
) -> Facts:
    """Return the facts that the snapshot holds."""
    relations = {(table.schema, table.name) for table in snapshot.tables}
    relations |= {(index.schema, index.name) for table in snapshot.tables for index in table.indexes}
    return Facts(
        server_version=snapshot.server.version,
        database=snapshot.server.database,
        is_standby=snapshot.server.is_standby,
        tables={(table.schema, table.name): table for table in snapshot.tables},
        settings=snapshot.settings,
        scoped_settings=snapshot.scoped_settings,
        settable_scopes=snapshot.settable_scopes,
        forbidden_tablespace=snapshot.server.forbidden_tablespace,
        accepted=accepted,
        done=done,
        is_applying=is_applying,
        relation_names=frozenset(relations),
        role=snapshot.server.user,
        is_superuser=snapshot.server.is_superuser,
        read_unix=_unix(snapshot.taken_at),
        is_enforcing=is_enforcing,
        evidence=evidence,
    )


def _unix(taken_at: str) -> int | None:
    try:
        moment = datetime.fromisoformat(taken_at)
    except ValueError:
        return None
    return int((moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp())
