"""What is to be marked in one query's life: changes that touch it, anchors that hold it, alarms, plans that changed.

One rule for every face. A change touches a query when its trial measured the query, when it holds the query's plan by a
lock, or when it was proposed for the query; each mark says by which, with what was found and where that stands. From
the ledger and the watchers' files; it reads no server and judges nothing.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from trimtab.errors import LedgerError
from trimtab.history.values import Window
from trimtab.ledger.entry import Entry, Json, Kind
from trimtab.ledger.ledger import Ledger
from trimtab.ledger.pending import intents
from trimtab.ledger.place import server_of
from trimtab.lifecycle.watch_identity import DIRECTORY
from trimtab.lifecycle.watch_store import WatchStore

_WATCHED = ("plan_changed", "plan_back")
_MOST_EVENTS = 10_000
_SHOWN_SHAPE = 12
_TOUCHING = (Kind.STRATEGY_PROPOSED, Kind.LEASE_NOTED, Kind.TRIAL_FINISHED)
"""What says that a change touches a query; what says it best comes last."""


@dataclass(frozen=True, slots=True)
class Mark:
    """Something that happened to a query. `kind` is applied, reverted, anchored, alarm, plan_changed or plan_back.

    `strategy_id` is that of a change, else "". `text` is what it was, `evidence` why it is this query's and what was
    found. `source` is the ledger or trimtab watch.
    """

    at_ns: int
    kind: str
    database: str
    strategy_id: str
    text: str
    evidence: str
    source: str


@dataclass(frozen=True, slots=True)
class Where:
    """Whose queries are meant: a database of a server, as far as it is known. None, and an empty name, is any."""

    system_identifier: str | None = None
    database: str = ""

    def has(self, named: object) -> bool:
        """Return whether what an entry names may be it."""
        if not isinstance(named, dict):
            return not self.database or named == self.database
        system, name = named.get("system_identifier"), named.get("database")
        is_server = self.system_identifier is None or system in (None, "", self.system_identifier)
        return is_server and (not self.database or name == self.database)


ANYWHERE = Where()


def marks(
    ledger_path: Path,
    query_id: str,
    window: Window,
    *,
    where: Where = ANYWHERE,
    entries: Sequence[Entry] | None = None,
) -> Sequence[Mark]:
    """Return the marks of a query in a window, the oldest first. Raises LedgerError.

    `entries` are the ledger's where they were read already.
    """
    known = _entries(ledger_path) if entries is None else entries
    found = [*_changed(known, query_id, where), *_anchored(known, query_id, where)]
    for path in sorted((ledger_path.parent / DIRECTORY).glob("*.db")):
        try:
            with closing(WatchStore.reader(path)) as store:
                found += _watched(store, query_id, where)
        except LedgerError:
            continue  # another version's, or damaged: `trimtab watch --status` says which
    return sorted(
        (mark for mark in found if window.begin_ns <= mark.at_ns < window.end_ns), key=lambda mark: mark.at_ns
    )


def _entries(ledger_path: Path) -> Sequence[Entry]:
    if not ledger_path.exists() and server_of(ledger_path) is None:
        return ()
    with Ledger.open(ledger_path) as ledger:
        return tuple(ledger.entries())


def _changed(entries: Sequence[Entry], query_id: str, where: Where) -> Iterator[Mark]:
    """Yield when changes that touch the query were made and taken back. Raises LedgerError `ledger.layout`."""
    touching: dict[str, dict[Kind, list[Entry]]] = {}
    titles: dict[str, str] = {}
    for entry in entries:
        strategy_id = entry.body.get("strategy_id")
        if not isinstance(strategy_id, str) or entry.kind not in _TOUCHING:
            continue
        if entry.kind is Kind.STRATEGY_PROPOSED:
            titles[strategy_id] = str(entry.body.get("title", ""))
        if _evidence(entry, query_id):
            touching.setdefault(strategy_id, {}).setdefault(entry.kind, []).append(entry)
    if not touching:
        return
    known = intents(entries)
    of_intent = {intent.id: intent.intended for intent in known}
    for intent in known:
        made = of_intent.get(str(intent.intended.body.get("reverts")), intent.intended)
        by = touching.get(made.text("strategy_id"))
        place = intent.intended.body.get("database")
        if by is None or intent.result is None or not intent.is_done or not where.has(place):
            continue
        told = next(by[kind] for kind in reversed(_TOUCHING) if kind in by)
        best = next((entry for entry in reversed(told) if entry.seq < intent.result.seq), told[0])
        strategy_id = made.text("strategy_id")
        yield Mark(
            intent.result.at_ns,
            "reverted" if intent.is_revert else "applied",
            str(_mapping(place).get("database", "")),
            strategy_id,
            titles.get(strategy_id) or str(_mapping(made.body.get("change")).get("kind", "")),
            f"{_evidence(best, query_id)} (entry {best.seq})",
            "ledger",
        )


def _evidence(entry: Entry, query_id: str) -> str:
    """Return what an entry says of a change and the query, "" where it does not have the query."""
    body = entry.body
    match entry.kind:
        case Kind.TRIAL_FINISHED:
            query = _of_query(body.get("queries"), query_id)
            if query is None:
                return ""
            before, after = _ms(query.get("before_ms")), _ms(query.get("after_ms"))
            return f"its trial measured {before} to {after} in {query.get('pairs')} pairs: {query.get('verdict')}"
        case Kind.LEASE_NOTED if body.get("query_id") == query_id:
            return f"it holds its plan, by the lock {body.get('lease_id')}"
        case Kind.STRATEGY_PROPOSED:
            listed = body.get("query_ids")
            is_for_it = isinstance(listed, list) and query_id in listed
            return "it was proposed for it, and no trial measured this query" if is_for_it else ""
        case _:
            return ""


def _anchored(entries: Sequence[Entry], query_id: str, where: Where) -> Iterator[Mark]:
    """Yield when a level of the query was signed."""
    for entry in entries:
        if entry.kind is not Kind.ANCHOR_RECORDED or not where.has(entry.body.get("database")):
            continue
        level = _of_query(entry.body.get("queries"), query_id)
        if level is not None:
            runs = level.get("runs")
            measured = f"median {_ms(level.get('p50_ms'))} of {runs} runs" if runs else "its time was not measured"
            shape = str(level.get("plan_shape") or "")[:_SHOWN_SHAPE]
            yield Mark(
                entry.at_ns, "anchored", str(entry.body.get("database", "")), "", str(entry.body.get("anchor_id", "")),
                f"{measured}, plan {shape or 'not known'} (entry {entry.seq})", "ledger",
            )  # fmt: skip


def _watched(store: WatchStore, query_id: str, where: Where) -> Iterator[Mark]:
    identity = store.fact("identity")
    if not where.has(identity):
        return
    database = str(identity.get("database", "")) if isinstance(identity, dict) else ""
    for kept in store.alarms():
        if kept.alarm.subject == query_id:
            factor = kept.alarm.evidence.get("factor")
            told = f"{factor} times as long" if factor is not None else ""
            yield Mark(kept.alarm.at_ns, "alarm", database, "", f"alarm {kept.alarm.id}", told, "trimtab watch")
    for at_ns, kind, detail in store.events(_MOST_EVENTS):
        if kind in _WATCHED and detail.get("subject") == query_id:
            told = f"plan {detail.get('from')} to {detail.get('to')}"
            yield Mark(at_ns, kind, database, "", kind.replace("_", " "), told, "trimtab watch")


def _of_query(listed: Json, query_id: str) -> Mapping[str, Json] | None:
    found = listed if isinstance(listed, list) else []
    return next((each for each in found if isinstance(each, dict) and each.get("query_id") == query_id), None)


def _mapping(value: object) -> Mapping[str, object]:
    return value if isinstance(value, dict) else {}


def _ms(value: Json) -> str:
    return f"{value:,.4g} ms" if isinstance(value, int | float) else "not measured"
