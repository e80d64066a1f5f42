"""Whether what was applied was allowed, found out a second time: from the ledger's entries and the specification.

It shares no code with what decided before the change was made, and knows no more than an auditor would: the verdict
must stand before the intent, by the same specification; the change must be one that was proposed; nothing may have been
frozen; and where the specification is at hand, what needs no catalog is judged anew. It changes nothing.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from trimtab.ledger.entry import Entry, Json, Kind
from trimtab.ledger.pending import Intent, intents
from trimtab.model.change import Change, CreateIndex, CreateStatistics, change_digest, change_from_dict, touched_table
from trimtab.spec.patterns import first_match
from trimtab.spec.specification import Specification
from trimtab.spec.windows import is_open

_DAY_NS = 86_400 * 10**9
_PROPOSALS = (Kind.STRATEGY_PROPOSED, Kind.APPROVAL_REQUESTED)


@dataclass(frozen=True, slots=True)
class Departure:
    """A rule that an applied change does not keep: its limit, and what was found."""

    rule: str
    limit: str
    found: str


@dataclass(frozen=True, slots=True)
class LookedAt:
    """One applied change, judged again. `is_whole` tells whether its specification was at hand for it."""

    intent_seq: int
    at_ns: int
    strategy_id: str
    run_id: str | None
    spec_digest: str
    departures: tuple[Departure, ...]
    is_whole: bool

    @property
    def is_compliant(self) -> bool:
        """True when no rule was found broken."""
        return not self.departures


def second_look(
    entries: Sequence[Entry],
    specifications: Mapping[str, Specification],
    *,
    begin_ns: int = 0,
    end_ns: int = 1 << 62,
    database: str | None = None,
    limit: int | None = None,
) -> tuple[LookedAt, ...]:
    """Return every change that was applied in the window, judged again; the newest `limit` of them where it is given.

    `specifications` are by their digest.
    """
    known = _Known(entries)
    wanted = [
        intent
        for intent in known.made
        if begin_ns <= intent.intended.at_ns < end_ns and database in (None, _name(intent))
    ]
    return tuple(
        _looked_at(intent, known, specifications.get(_text(intent.intended.body.get("spec_digest"))))
        for intent in wanted[-limit if limit else 0 :]
    )


class _Known:
    """What the entries say of verdicts, proposals and freezes, by what is asked for."""

    def __init__(self, entries: Sequence[Entry]) -> None:
        self.made = [each for each in intents(entries) if not each.is_revert and each.is_done]
        self.times: dict[tuple[object, ...], list[int]] = {}
        for each in sorted(self.made, key=lambda made: made.intended.at_ns):
            self.times.setdefault(_place(each), []).append(each.intended.at_ns)
        self.verdicts: dict[tuple[str | None, str], list[Entry]] = {}
        self.proposed: dict[str, set[str]] = {}
        self.freezes: list[Entry] = []
        for entry in entries:
            strategy_id = _text(entry.body.get("strategy_id"))
            if entry.kind is Kind.STRATEGY_VALIDATED:
                self.verdicts.setdefault((entry.run_id, strategy_id), []).append(entry)
            elif entry.kind in _PROPOSALS:
                self.proposed.setdefault(strategy_id, set()).update(_digests(entry.body.get("changes")))
            elif entry.kind in (Kind.CHANGES_FROZEN, Kind.CHANGES_THAWED):
                self.freezes.append(entry)

    def is_frozen(self, database: str, seq: int) -> bool:
        """Return whether a freeze of this database, or of everything, was in force at that entry."""
        frozen: set[str | None] = set()
        for entry in self.freezes:
            if entry.seq > seq:
                break
            scope = _text(entry.body.get("frozen_database")) or None
            if entry.kind is Kind.CHANGES_FROZEN:
                frozen.add(scope)
            else:
                frozen.discard(scope)
        return bool(frozen & {None, database})

    def on_the_day_of(self, intent: Intent) -> int:
        """Return how many changes were made of its database in the 24 hours that end with it."""
        at_ns, times = intent.intended.at_ns, self.times[_place(intent)]
        return bisect_right(times, at_ns) - bisect_right(times, at_ns - _DAY_NS)


def _looked_at(intent: Intent, known: _Known, specification: Specification | None) -> LookedAt:
    entry = intent.intended
    change = _change(entry.body.get("change"))
    found = [*_by_the_ledger(intent, change, known)]
    if specification is not None and change is not None:
        waived = {str(each).partition(" by ")[0] for each in _listed(entry.body.get("waived"))}
        broken = _by_the_rules(intent, change, known, specification)
        found += [departure for departure in broken if departure.rule not in waived]
    return LookedAt(
        entry.seq,
        entry.at_ns,
        entry.text("strategy_id"),
        entry.run_id,
        _text(entry.body.get("spec_digest")),
        tuple(found),
        specification is not None and change is not None,
    )


def _by_the_ledger(intent: Intent, change: Change | None, known: _Known) -> Iterator[Departure]:
    entry, strategy_id = intent.intended, intent.intended.text("strategy_id")
    verdict = next(
        (each for each in reversed(known.verdicts.get((entry.run_id, strategy_id), [])) if each.seq < entry.seq), None
    )
    if verdict is None:
        yield Departure("verdict", "one stands before the intent", "there is none")
    elif verdict.body.get("compliant") is not True:
        yield Departure("verdict", "compliant", f"entry {verdict.seq} is not")
    elif verdict.body.get("spec_digest") != entry.body.get("spec_digest"):
        yield Departure("specification", "that of the verdict", "the intent names another one")
    if change is None:
        yield Departure("change", "one that this version knows", "it cannot be read")
        return
    digest = change_digest(change)
    if digest != entry.body.get("change_digest"):
        yield Departure("change", "that of its digest", "it has another digest")
    proposed = known.proposed.get(strategy_id)
    if proposed is not None and digest not in proposed:
        yield Departure("change", "one that was proposed", "it is none of its strategy's")
    if known.is_frozen(_name(intent), entry.seq):
        yield Departure("freeze", "nothing is changed", "a freeze was in force")


def _by_the_rules(intent: Intent, change: Change, known: _Known, spec: Specification) -> Iterator[Departure]:
    """Judge what hangs on the change, the moment and the ledger alone; sizes and counts of indexes need a catalog."""
    at_ns = intent.intended.at_ns
    if change.kind not in spec.changes.allowed_kinds:
        yield Departure("changes.allowed_kinds", ", ".join(spec.changes.allowed_kinds), change.kind)
    table = touched_table(change)
    if table is not None:
        if first_match(spec.objects.allowed_schemas, table[0]) is None:
            yield Departure("objects.allowed_schemas", ", ".join(spec.objects.allowed_schemas), table[0])
        denied = first_match(spec.objects.denied_schemas, table[0])
        if denied is not None:
            yield Departure("objects.denied_schemas", f"any but {denied}", table[0])
        denied = first_match(spec.objects.denied_tables, ".".join(table))
        if denied is not None:
            yield Departure("objects.denied_tables", f"any but {denied}", ".".join(table))
    if isinstance(change, CreateIndex):
        yield from _too_many("indexes.max_key_columns", spec.indexes.max_key_columns, len(change.key_columns))
        yield from _too_many(
            "indexes.max_include_columns", spec.indexes.max_include_columns, len(change.include_columns)
        )
        method = _method(change.tail)
        if method not in spec.indexes.allowed_methods:
            yield Departure("indexes.allowed_methods", ", ".join(spec.indexes.allowed_methods), method)
    if isinstance(change, CreateStatistics):
        yield from _too_many("statistics.max_columns", spec.statistics.max_columns, len(change.columns))
    moment = datetime.fromtimestamp(at_ns // 10**9, UTC)
    if not is_open(spec.windows.open_windows, moment):
        yield Departure("windows.open", "a window is open", f"none was at {moment:%Y-%m-%d %H:%M:%S} UTC")
    yield from _too_many("rates.max_changes_per_day", spec.rates.max_changes_per_day, known.on_the_day_of(intent))


def _too_many(rule: str, limit: int, found: int) -> Iterator[Departure]:
    if found > limit:
        yield Departure(rule, f"at most {limit}", str(found))


def _method(tail: str) -> str:
    words = tail.split()
    return words[1].strip('"').lower() if len(words) > 1 and words[0].upper() == "USING" else "btree"


def _change(raw: Json) -> Change | None:
    try:
        return change_from_dict(raw) if isinstance(raw, dict) else None
    except (KeyError, TypeError, ValueError):
        return None


def _listed(raw: Json) -> list[Json]:
    return raw if isinstance(raw, list) else []


def _digests(raw: Json) -> Iterable[str]:
    found = [_change(each) for each in _listed(raw)]
    return [change_digest(each) for each in found if each is not None]


def _place(intent: Intent) -> tuple[object, ...]:
    """Return what tells its database from others: a name counts only where the server has no identifier."""
    database = intent.intended.mapping("database")
    system = database.get("system_identifier")
    return (system, database.get("database_oid")) if system else tuple(map(str, sorted(database.items())))


def _name(intent: Intent) -> str:
    return _text(intent.intended.mapping("database").get("database"))


def _text(value: Json) -> str:
    return value if isinstance(value, str) else ""
