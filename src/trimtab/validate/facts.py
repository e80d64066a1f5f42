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
    were read, in seconds since 1970, None where that is not known. `latest_unix` is the time of the last entry of the
    ledger, which is later than `read_unix` where a clock was set back, or somebody else's was ahead.
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
    latest_unix: int | None = None

    @property
    def ended_by_unix(self) -> int | None:
        """The latest moment that is known of, by which all that ends before it has ended; None when none is known."""
        return None if self.read_unix is None else max(self.read_unix, self.latest_unix or 0)

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
    latest_ns: int | None = None,
) -> Facts:
    """Return the facts that the snapshot holds. `latest_ns` is the time of the ledger's last entry, if any."""
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
        read_unix=unix_of(snapshot.taken_at),
        is_enforcing=is_enforcing,
        evidence=evidence,
        latest_unix=None if latest_ns is None else latest_ns // 10**9,
    )


def unix_of(taken_at: str) -> int | None:
    """Return when a snapshot was taken, in seconds since 1970; None where that cannot be read."""
    try:
        moment = datetime.fromisoformat(taken_at)
    except ValueError:
        return None
    return int((moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp())
