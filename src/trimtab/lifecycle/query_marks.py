"""What is to be marked in one query's life: changes that were made for it and taken back, alarms, plans that changed.

From the ledger and the watchers' files; it reads no server and judges nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from trimtab.errors import LedgerError
from trimtab.history.values import Window
from trimtab.ledger.entry import Entry, Kind
from trimtab.ledger.ledger import Ledger
from trimtab.ledger.pending import intents
from trimtab.ledger.place import server_of
from trimtab.lifecycle.watch_identity import DIRECTORY
from trimtab.lifecycle.watch_store import WatchStore

_WATCHED = ("plan_changed", "plan_back")
_MOST_EVENTS = 10_000


@dataclass(frozen=True, slots=True)
class Mark:
    """Something that happened to a query. `kind` is applied, reverted, alarm, plan_changed or plan_back.

    `strategy_id` is that of a change, else "". `source` is the ledger or trimtab watch.
    """

    at_ns: int
    kind: str
    database: str
    strategy_id: str
    text: str
    source: str


def marks(ledger_path: Path, query_id: str, window: Window) -> Sequence[Mark]:
    """Return the marks of a query in a window, the oldest first. Raises LedgerError."""
    found: list[Mark] = []
    if ledger_path.exists() or server_of(ledger_path) is not None:
        with Ledger.open(ledger_path) as ledger:
            found += marks_of(tuple(ledger.entries()), query_id)
    for path in sorted((ledger_path.parent / DIRECTORY).glob("*.db")):
        try:
            with closing(WatchStore.reader(path)) as store:
                found += _watched(store, query_id)
        except LedgerError:
            continue  # another version's, or damaged: `trimtab watch --status` says which
    return sorted(
        (mark for mark in found if window.begin_ns <= mark.at_ns < window.end_ns), key=lambda mark: mark.at_ns
    )


def marks_of(entries: Sequence[Entry], query_id: str) -> list[Mark]:
    """Return the changes of strategies whose trial had the query. Raises LedgerError `ledger.layout`."""
    concerned = {
        (entry.run_id, entry.text("strategy_id"))
        for entry in entries
        if entry.kind is Kind.TRIAL_FINISHED and query_id in _queries(entry)
    }
    of_intent = {intent.id: intent.intended for intent in intents(entries)}
    found = []
    for intent in intents(entries):
        made = of_intent.get(str(intent.intended.body.get("reverts")), intent.intended)
        key = (made.run_id, made.text("strategy_id"))
        if intent.result is None or not intent.is_done or key not in concerned:
            continue
        change = intent.intended.body.get("change")
        kind = str(change.get("kind", "")) if isinstance(change, dict) else ""
        database = intent.intended.body.get("database")
        name = str(database.get("database", "")) if isinstance(database, dict) else ""
        what = "reverted" if intent.is_revert else "applied"
        found.append(Mark(intent.result.at_ns, what, name, key[1], kind, "ledger"))
    return found


def _queries(entry: Entry) -> Iterable[object]:
    queries = entry.body.get("queries")
    return [each.get("query_id") for each in queries if isinstance(each, dict)] if isinstance(queries, list) else []


def _watched(store: WatchStore, query_id: str) -> list[Mark]:
    identity = store.fact("identity")
    database = str(identity.get("database", "")) if isinstance(identity, dict) else ""
    found = [
        Mark(kept.alarm.at_ns, "alarm", database, "", _factor(kept.alarm.evidence), "trimtab watch")
        for kept in store.alarms()
        if kept.alarm.subject == query_id
    ]
    for at_ns, kind, detail in store.events(_MOST_EVENTS):
        if kind in _WATCHED and detail.get("subject") == query_id:
            found.append(
                Mark(at_ns, kind, database, "", f"{detail.get('from')} to {detail.get('to')}", "trimtab watch")
            )
    return found


def _factor(evidence: Mapping[str, object]) -> str:
    factor = evidence.get("factor")
    return f"{factor} times as long" if factor is not None else ""
