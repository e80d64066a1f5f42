"""Decides what becomes of a change of ours after which a statement became slower: which one, and whether it was it.

A revert is proven by T1 with its roles swapped: the slow values are the reference, those after it must be faster, and
what that gains must matter, as a loss must for an alarm. What is not proven is undone. Pure: entries and values in,
steps out; it changes nothing, and asks no server.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum
from statistics import median

from trimtab.anchor.exceedance import ExceedanceTest
from trimtab.anchor.lease import DAY_NS, MOST_FLIPS, flips, is_on
from trimtab.anchor.limits import Direction, limits_of
from trimtab.anchor.practical import Practical, lost_seconds_per_hour
from trimtab.ledger.entry import Entry, Kind
from trimtab.ledger.pending import applied_changes, intents
from trimtab.model.applied import Applied
from trimtab.model.change import (
    Change,
    CreateIndex,
    CreateStatistics,
    DropIndex,
    DropStatistics,
    LeaveIndex,
    RebuildIndex,
    RestoreStatistics,
    SetDistinct,
    SetSetting,
    SetStatisticsTarget,
    touched_table,
)
from trimtab.model.traffic import StatementKey
from trimtab.spec.limits import Guard

ERROR_RATE = 0.01
"""The chance that a revert which changed nothing is called a help."""
MARGIN = 0.10
LEAST_REFERENCE, MOST_REFERENCE = 20, 120
"""So many looks at the slow statement are waited for, and the newest so many are compared with."""
_RECENT, _MOST_OF_RECENT = 5, 3


class Note(StrEnum):
    """What the ledger tells of an act, one entry each."""

    REVERTING = "reverting"  # what follows is about to be done
    REVERTED = "reverted"
    CONFIRMED = "confirmed"  # the statement is faster without it
    UNDOING = "undoing"
    UNDONE = "undone"  # it was not that: the change stands again
    UNVERIFIED = "unverified"  # the statement hardly ran since: the revert stands, and nothing is proven
    NONE = "none"  # no change of ours can have done it
    REFUSED = "refused"  # it must not be done, or could not be


UNFINISHED = frozenset({Note.REVERTING, Note.REVERTED, Note.UNDOING})


@dataclass(frozen=True, slots=True)
class Act:
    """What is done about an alarm. `note` is the last, of `at_ns` (UTC nanoseconds); `strategy_id` "" where none is.

    `reference_ms` is how long a call took while the statement was slow, per look, with what all share removed.
    """

    alarm_id: str
    query_id: str
    statement: StatementKey
    strategy_id: str
    note: Note
    at_ns: int
    reason: str = ""
    lease_id: str = ""
    reference_ms: tuple[float, ...] = ()
    reverted_ns: int = 0
    evidence: Mapping[str, object] = field(default_factory=dict)

    @property
    def is_unfinished(self) -> bool:
        """True while something is to be done or to be seen."""
        return self.note in UNFINISHED


@dataclass(frozen=True, slots=True)
class Candidate:
    """A strategy that stands, made at the right time."""

    strategy_id: str
    applied: tuple[Applied, ...]


@dataclass(frozen=True, slots=True)
class Subject:
    """The statement of an alarm: its query's id, its role, and the tables that it reads or writes, None: not known."""

    query_id: str
    role: str
    relations: frozenset[tuple[str, str]] | None


@dataclass(frozen=True, slots=True)
class Judged:
    """What the looks after a revert have shown."""

    is_faster: bool
    evidence: Mapping[str, object]


def act_body(act: Act, database: Mapping[str, object]) -> dict[str, object]:
    """Return the ledger's entry for an act's note. Ids of the server are texts: they pass what a JSON number holds."""
    role, query, is_top_level = act.statement
    return {
        "alarm_id": act.alarm_id,
        "note": act.note.value,
        "database": dict(database),
        "query_id": act.query_id,
        "statement": [str(role), str(query), is_top_level],
        "strategy_id": act.strategy_id,
        "lease_id": act.lease_id,
        "reason": act.reason,
        "reference_ms": list(act.reference_ms) if act.note is Note.REVERTING else [],
        "evidence": dict(act.evidence),
    }


def acts(entries: Iterable[Entry], database: Mapping[str, object]) -> tuple[Act, ...]:
    """Return the acts on a database, the first begun first. Raises LedgerError `ledger.layout`."""
    found: list[Act] = []
    for entry in entries:
        if entry.kind is not Kind.GUARD_NOTED or not is_on(entry, database):
            continue
        found = noted(found, _read(entry))
    return tuple(found)


def noted(known: Sequence[Act], newest: Act) -> list[Act]:
    """Return the acts with one more note: it goes on with the unfinished act of its alarm, or begins another."""
    for place, act in enumerate(known):
        if act.alarm_id == newest.alarm_id and act.is_unfinished:
            merged = replace(
                newest,
                reference_ms=newest.reference_ms or act.reference_ms,
                reverted_ns=newest.at_ns if newest.note is Note.REVERTED else act.reverted_ns,
            )
            return [*known[:place], merged, *known[place + 1 :]]
    return [*known, newest]


def refusal(entries: Sequence[Entry], query_id: str, limits: Guard, now_ns: int, database: Mapping[str, object]) -> str:
    """Return why nothing may be reverted now for this query, "" when something may."""
    if not limits.auto_revert:
        return "the specification forbids it (guard.auto_revert)"
    reverts = sum(
        entry.text("note") == Note.REVERTED.value and entry.at_ns > now_ns - DAY_NS
        for entry in entries
        if entry.kind is Kind.GUARD_NOTED and is_on(entry, database)
    )
    if reverts >= limits.max_reverts_per_day:
        return f"{reverts} changes were reverted within a day (guard.max_reverts_per_day)"
    count = flips(entries, query_id, now_ns, database=database)
    # A revert and the undoing of it are one flip, as a lock is that did not hold.
    return f"its plan was flipped {count} times within a day" if count >= MOST_FLIPS else ""


def candidates(
    entries: Sequence[Entry],
    database: Mapping[str, object],
    *,
    onset_ns: int,
    window_ns: int,
    cleared: Collection[str] = (),
) -> tuple[Candidate, ...]:
    """Return the strategies that stand and were begun before the onset, done within a window before it; newest first.

    `cleared` are those that were reverted in vain. What cannot be taken back, a rebuild, is none.
    """
    begun_ns = {intent.id: intent.intended.at_ns for intent in intents(entries)}
    done_ns = {intent.id: intent.result.at_ns for intent in intents(entries) if intent.result is not None}
    found: dict[str, list[Applied]] = {}
    for applied in applied_changes(entries, database=database):
        found.setdefault(applied.strategy_id, []).append(applied)
    timely = [
        Candidate(strategy_id, tuple(applied))
        for strategy_id, applied in found.items()
        if strategy_id not in cleared
        and not all(isinstance(each.inverse, LeaveIndex) for each in applied)
        and any(
            begun_ns[each.intent_id] <= onset_ns and done_ns[each.intent_id] >= onset_ns - window_ns for each in applied
        )
    ]
    return tuple(sorted(timely, key=lambda each: done_ns[each.applied[-1].intent_id], reverse=True))


def touches(
    changes: Sequence[Change], query_ids: Collection[str], families: Collection[tuple[str, str]], subject: Subject
) -> str:
    """Return how a strategy concerns a statement, "" when it does not.

    `query_ids` are those that it is for; `families` the tables of its changes with their partitions and parents.
    """
    # The draws of one statement have its id and a letter.
    if any(query_id.startswith(subject.query_id) for query_id in query_ids):
        return "it was made for this query"
    shared = sorted((subject.relations or frozenset()) & set(families))
    if shared:
        return f"the plan reads or writes {'.'.join(shared[0])}"
    for change in changes:
        if isinstance(change, SetSetting) and _holds_for(change, subject.role):
            return f"the setting {change.name} of a {change.scope.replace('_', ' ')} holds for it"
    return ""


def made_it(changes: Sequence[Change], objects: Iterable[Mapping[str, str]]) -> bool:
    """Return whether these changes made a proven cause of another plan; `objects` are those of an attribution."""
    return any(_made(change, each) for change in changes for each in objects)


def _made(change: Change, cause: Mapping[str, str]) -> bool:
    what, name, table = cause["what"], cause["name"], (cause["schema"], cause["table"])
    match change:
        case SetSetting():
            # `plan_cache_mode` is what decides between a generic plan and a custom one.
            if what == "generic plan":
                return change.name == "plan_cache_mode"
            is_there = change.scope not in ("database", "role") or cause["scope"] == change.scope_name
            return what == f"setting of {change.scope.replace('_', ' ')}" and name == change.name and is_there
        case CreateIndex() | DropIndex() | RebuildIndex() | LeaveIndex():
            of_index = what == "index" and name == change.name
            return (of_index or what == "schema") and table == (change.schema, change.table)
        case CreateStatistics() | DropStatistics():
            of_object = what == "extended statistics" and name == change.name
            return (of_object or what == "statistics") and table == (change.schema, change.table)
        case SetStatisticsTarget() | SetDistinct() | RestoreStatistics():
            return what in ("statistics", "size", "extended statistics") and table == (change.schema, change.table)


def tables_of(changes: Sequence[Change]) -> frozenset[tuple[str, str]]:
    """Return the tables that the changes are of."""
    return frozenset(table for change in changes if (table := touched_table(change)) is not None)


def is_slow_still(reference_ms: Sequence[float], level_ms: float) -> bool:
    """Return whether the newest looks are slow: what went away by itself is not to be reverted."""
    slow = sum(value > level_ms * (1.0 + MARGIN) for value in reference_ms[-_RECENT:])
    return slow >= _MOST_OF_RECENT


def would_show(
    reference_ms: Sequence[float], normal_ms: Sequence[float], rounds: int, *, calls_per_hour: float | None
) -> bool:
    """Return whether so many looks like those before it was slow would prove a revert: else it is too early for one.

    `normal_ms` are looks of the time that was learnt; they are taken again and again, in their order.
    """
    if not normal_ms:
        return False
    after = [normal_ms[number % len(normal_ms)] for number in range(rounds)]
    return judged(reference_ms, after, calls_per_hour=calls_per_hour).is_faster


def judged(reference_ms: Sequence[float], after_ms: Sequence[float], *, calls_per_hour: float | None) -> Judged:
    """Return whether calls are faster after a revert than while the statement was slow, by so much that it matters.

    Faster is T1's, its roles swapped. The gain is that of the medians at the alarm's calls per hour; None, where nobody
    knows them, leaves the test alone.
    """
    limits = limits_of(reference_ms, error_rate=ERROR_RATE, margin=MARGIN, direction=Direction.FASTER)
    test = ExceedanceTest(limits)
    for value in after_ms:
        test = test.observe(value)
    before, after = median(reference_ms), median(after_ms) if after_ms else None
    least = Practical().least_seconds_per_hour
    gain = None
    if calls_per_hour is not None and after is not None and after > 0:
        gain = lost_seconds_per_hour(before / after, anchor_mean_ms=after, calls_per_hour=calls_per_hour)
    matters = gain is None or gain >= least
    evidence: dict[str, object] = {
        "test": "T1",
        "direction": Direction.FASTER.value,
        "error_rate": ERROR_RATE,
        "margin": MARGIN,
        "quantiles": [limit.quantile for limit in limits.limits],
        "reference_looks": len(reference_ms),
        "looks": test.values,
        "evidence": float(f"{min(test.peak, 1e300):.3g}"),
        "needed": test.needed_e_value,
        "before_ms": round(before, 6),
        "after_ms": None if after is None else round(after, 6),
        "gained_seconds_per_hour": None if gain is None else round(gain, 1),
        "least_seconds_per_hour": least,
    }
    return Judged(test.is_testable and test.is_proven and matters, evidence)


def _holds_for(change: SetSetting, role: str) -> bool:
    match change.scope:
        case "database":
            return True
        case "role":
            return change.scope_name == role
        case "role_in_database":
            return change.role_and_database[0] == role
        case _:
            return False


def _read(entry: Entry) -> Act:
    statement, values, evidence = (entry.body.get(key) for key in ("statement", "reference_ms", "evidence"))
    if not isinstance(statement, list) or not isinstance(values, list) or not isinstance(evidence, dict):
        raise entry.layout_error("statement")
    try:
        role, query, is_top_level = statement
        key = (int(str(role)), int(str(query)), bool(is_top_level))
        reference = tuple(float(str(value)) for value in values)
        note = Note(entry.text("note"))
    except ValueError:
        raise entry.layout_error("note") from None
    return Act(
        alarm_id=entry.text("alarm_id"),
        query_id=entry.text("query_id"),
        statement=key,
        strategy_id=entry.text("strategy_id"),
        note=note,
        at_ns=entry.at_ns,
        reason=entry.text("reason"),
        lease_id=entry.text("lease_id"),
        reference_ms=reference,
        evidence=evidence,
    )
