"""Reads from the entries what was intended to be done to backends, and what came of it. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from trimtab.ledger.entry import Entry, Kind

BACKEND_KINDS = (Kind.BACKEND_INTENDED, Kind.BACKEND_DONE, Kind.BACKEND_FAILED)


@dataclass(frozen=True, slots=True)
class BackendIntent:
    """What was intended, and the last answer to it, or None when the program ended before there was one."""

    intended: Entry
    result: Entry | None

    @property
    def id(self) -> str:
        """The intent's id."""
        return self.intended.text("intent_id")

    @property
    def is_failed(self) -> bool:
        """True when the ledger says that nothing was done."""
        return self.result is not None and self.result.kind is Kind.BACKEND_FAILED

    def is_on_server(self, database: Mapping[str, object]) -> bool:
        """Return True when it is about a backend of the server of this database, as intents name databases.

        Where the server's identifier could not be read, the database has to be the same by oid and name.
        """
        own = self.intended.mapping("database")
        if own.get("system_identifier") or database.get("system_identifier"):
            return own.get("system_identifier") == database.get("system_identifier")
        return dict(own) == dict(database)


def backend_intents(entries: Iterable[Entry]) -> tuple[BackendIntent, ...]:
    """Return every intent with its answer, oldest first. Raises LedgerError `ledger.layout`."""
    intended: dict[str, Entry] = {}
    results: dict[str, Entry] = {}
    for entry in entries:
        if entry.kind is Kind.BACKEND_INTENDED:
            intended[entry.text("intent_id")] = entry
        elif entry.kind in BACKEND_KINDS:
            results[entry.text("intent_id")] = entry
    return tuple(BackendIntent(entry, results.get(intent_id)) for intent_id, entry in intended.items())


def open_backend_intents(
    entries: Iterable[Entry], *, database: Mapping[str, object] | None = None
) -> tuple[BackendIntent, ...]:
    """Return those without an answer, on the server of one database or on any, oldest first."""
    found = (intent for intent in backend_intents(entries) if intent.result is None)
    return tuple(intent for intent in found if database is None or intent.is_on_server(database))
