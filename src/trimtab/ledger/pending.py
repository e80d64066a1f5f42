"""Reads from the entries what is still open: intents without an answer, strategies not settled, runs not ended.

Also what stands applied now. Pure functions: entries in, values out; the catalog, not the ledger, says what is true.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from trimtab.ledger.entry import Entry, Kind
from trimtab.model.applied import Applied
from trimtab.model.change import change_from_dict
from trimtab.model.strategy import Outcome

_INTENTS = frozenset({Kind.APPLY_INTENDED, Kind.REVERT_INTENDED})
_RESULTS = frozenset({Kind.APPLY_DONE, Kind.APPLY_FAILED, Kind.REVERT_DONE, Kind.REVERT_FAILED})
_RUN_ENDS = frozenset({Kind.RUN_FINISHED, Kind.RUN_FAILED, Kind.RECONCILED})


@dataclass(frozen=True, slots=True)
class Intent:
    """What was intended, and the last answer to it, or None when the program ended before there was one."""

    intended: Entry
    result: Entry | None

    @property
    def id(self) -> str:
        """The intent's id."""
        return self.intended.text("intent_id")

    @property
    def is_done(self) -> bool:
        """True when the ledger says that it was carried out."""
        return self.result is not None and self.result.kind in (Kind.APPLY_DONE, Kind.REVERT_DONE)

    @property
    def is_revert(self) -> bool:
        """True when it takes back another change."""
        return self.intended.kind is Kind.REVERT_INTENDED

    def is_on(self, database: Mapping[str, object] | None) -> bool:
        """Return True when it is about this database; None stands for any."""
        return database is None or _is_same_database(self.intended.mapping("database"), database)


@dataclass(frozen=True, slots=True)
class Pending:
    """What an earlier end of the program left open, oldest first.

    `intents` are the entries of intents without an answer: compare each with the catalog. `unsettled` are changes that
    stand applied and whose strategy was not kept. `runs` are ids of runs that started and have no
    end (finished, failed, or reconciled under the run's id); one of them may be running now.
    """

    intents: tuple[Entry, ...]
    unsettled: tuple[Applied, ...]
    runs: tuple[str, ...]

    @property
    def is_empty(self) -> bool:
        """True when nothing is open."""
        return not (self.intents or self.unsettled or self.runs)


def intents(entries: Iterable[Entry]) -> tuple[Intent, ...]:
    """Return every intent with its answer, oldest first. Raises LedgerError `ledger.layout`."""
    intended: dict[str, Entry] = {}
    results: dict[str, Entry] = {}
    for entry in entries:
        if entry.kind in _INTENTS:
            intended[entry.text("intent_id")] = entry
        elif entry.kind in _RESULTS:
            results[entry.text("intent_id")] = entry
    return tuple(Intent(entry, results.get(intent_id)) for intent_id, entry in intended.items())


def applied_changes(
    entries: Iterable[Entry],
    *,
    database: Mapping[str, object] | None = None,
    strategy_id: str | None = None,
) -> tuple[Applied, ...]:
    """Return the changes that stand applied: done and not taken back, newest last.

    `database` ({system_identifier, database, database_oid}, as intents name it) and `strategy_id` narrow it. Raises
    LedgerError `ledger.layout`.
    """
    return tuple(
        applied_from(intent)
        for intent in _standing(intents(entries))
        if intent.is_on(database) and strategy_id in (None, intent.intended.text("strategy_id"))
    )


def pending(entries: Iterable[Entry], *, database: Mapping[str, object] | None = None) -> Pending:
    """Return what is open, for one database or for all. Raises LedgerError `ledger.layout`.

    A change that stands is settled when, after it, its strategy was kept within the run that applied it. Any other end
    of the strategy (reverted, failed) says that the change should be gone: while it stands, it is open. A run whose
    start does not name its database counts for every database.
    """
    known = tuple(entries)
    all_intents = tuple(intent for intent in intents(known) if intent.is_on(database))
    kept_at = {(e.run_id, e.text("strategy_id")): e.seq for e in known if _is_kept(e)}
    unsettled = (
        applied_from(intent)
        for intent in _standing(all_intents)
        if kept_at.get((intent.intended.run_id, intent.intended.text("strategy_id")), 0) < _answered_at(intent)
    )
    return Pending(
        intents=tuple(intent.intended for intent in all_intents if intent.result is None),
        unsettled=tuple(unsettled),
        runs=_open_runs(known, database),
    )


def applied_from(intent: Intent) -> Applied:
    """Return the change of an intent that was carried out. Raises LedgerError `ledger.layout`."""
    intended = intent.intended
    seconds = intent.result.body.get("seconds") if intent.result is not None else None
    try:
        change = change_from_dict(intended.mapping("change"))
        inverse = change_from_dict(intended.mapping("inverse"))
    except (KeyError, TypeError):
        raise intended.layout_error("change") from None
    return Applied(
        intent_id=intent.id,
        strategy_id=intended.text("strategy_id"),
        change=change,
        inverse=inverse,
        seconds=float(seconds) if isinstance(seconds, int | float) else 0.0,
        database=str(intended.mapping("database").get("database", "")),
        table_oid=intended.number("table_oid"),
        object_oid=intent.result.number("object_oid") if intent.result is not None else None,
    )


def _standing(known: Iterable[Intent]) -> tuple[Intent, ...]:
    done = [intent for intent in known if intent.is_done]
    taken_back = {intent.intended.text("reverts") for intent in done if intent.is_revert}
    standing = (intent for intent in done if not intent.is_revert and intent.id not in taken_back)
    return tuple(sorted(standing, key=_answered_at))


def _is_kept(entry: Entry) -> bool:
    return entry.kind is Kind.STRATEGY_SETTLED and entry.text("outcome") == Outcome.KEPT.value


def _answered_at(intent: Intent) -> int:
    return intent.result.seq if intent.result is not None else intent.intended.seq


def _open_runs(known: tuple[Entry, ...], database: Mapping[str, object] | None) -> tuple[str, ...]:
    ended = {entry.run_id for entry in known if entry.kind in _RUN_ENDS}
    return tuple(
        entry.run_id
        for entry in known
        if entry.kind is Kind.RUN_STARTED and entry.run_id is not None and entry.run_id not in ended
        if database is None or _is_begun_on(entry.body.get("database"), database)
    )


def _is_begun_on(named: object, database: Mapping[str, object]) -> bool:
    return named is None or (isinstance(named, dict) and _is_same_database(named, database))


def _is_same_database(one: Mapping[str, object], other: Mapping[str, object]) -> bool:
    """A database can be renamed: its name counts only where the server's identifier could not be read."""
    keys = ("system_identifier", "database_oid") if one.get("system_identifier") else (*one, *other)
    return all(one.get(key) == other.get(key) for key in keys)
