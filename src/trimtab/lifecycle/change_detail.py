"""All that the ledger holds of one strategy in one run, put together for whoever looks at it. Pure.

It tells what was written and judges nothing anew: no server is asked, and what was not measured is None. An entry of
another layout is told by its number alone.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import TypeVar

from trimtab.ledger.entry import Entry, Json, Kind
from trimtab.ledger.history import StrategyLife
from trimtab.ledger.pending import applied_changes, intents
from trimtab.lifecycle.approving import Waiting
from trimtab.lifecycle.board import Card
from trimtab.model.change import Change, change_digest, change_from_dict
from trimtab.model.shares import saved_share
from trimtab.model.strategy import Prediction
from trimtab.trial.gain_interval import GainInterval, gain_interval

_T = TypeVar("_T")


@dataclass(frozen=True, slots=True)
class ToldChange:
    """One change: its statement, and what takes it back, None where the ledger has neither intent nor request of it.

    `intent_id` is of its last application, None where it was not begun; `stands` tells whether it stands applied now,
    by the ledger; `seconds` how long it took.
    """

    kind: str
    sql: str
    digest: str
    inverse_sql: str | None
    intent_id: str | None
    stands: bool
    seconds: float | None


@dataclass(frozen=True, slots=True)
class ToldRule:
    """A rule that had something to say: `effect` is "blocked", "warned" or "waived" (then by that waiver)."""

    rule_id: str
    effect: str
    message: str
    waiver_id: str = ""


@dataclass(frozen=True, slots=True)
class ToldVerdict:
    """What the specification said, and of which digest it was."""

    seq: int
    compliant: bool
    spec_id: str
    spec_digest: str
    engine_version: str
    rules: tuple[ToldRule, ...]


@dataclass(frozen=True, slots=True)
class ToldQuery:
    """A query in the trial: medians in ms, how many pairs they are of, and what the trial said of it."""

    query_id: str
    before_ms: float
    after_ms: float
    pairs: int
    verdict: str


@dataclass(frozen=True, slots=True)
class ToldTrial:
    """The trial in the lab. Times are ms, weighted by executions; the other fields are those of `Trial`.

    `interval` is of the share saved, None where the rounds were not kept or there were none.
    """

    seq: int
    before_ms: float
    after_ms: float
    pairs: int
    error_rate: float
    margin: float
    e_value: float
    decision: str
    reason: str
    size_bytes: int
    build_seconds: float
    rounds: tuple[tuple[float, float], ...]
    interval: GainInterval | None
    queries: tuple[ToldQuery, ...]
    scale: float = 0.0

    @property
    def improvement(self) -> float | None:
        """Measured share of the time saved, None where nothing was measured."""
        return saved_share(self.before_ms, self.after_ms) if self.pairs else None


@dataclass(frozen=True, slots=True)
class ToldDifference:
    """A difference in security that came with a change, by its code; `is_declared` by the change itself."""

    code: str
    effect: str
    section: str
    is_declared: bool


@dataclass(frozen=True, slots=True)
class ToldSecurity:
    """A comparison of security around a change: digests of both looks, and what differed.

    `difference_count` counts all, also those that the entry does not list.
    """

    seq: int
    intent_id: str
    before_digest: str
    after_digest: str
    difference_count: int
    undeclared_count: int
    warnings: tuple[str, ...]
    differences: tuple[ToldDifference, ...]


@dataclass(frozen=True, slots=True)
class ToldApproval:
    """What a person did: `is_given` an approval, which holds until `expires_ns`, or a rejection with its reason."""

    seq: int
    at_ns: int
    by: str
    is_given: bool
    expires_ns: int | None
    reason: str


@dataclass(frozen=True, slots=True)
class ChangeDetail:
    """A strategy in one run, whole. `card` is what the board shows of it.

    `evidence` holds the proposer's own numbers; `query_ids` are the queries that it is for. `waiting` is the request
    that people were asked with, None where they were not. `others` are the same strategy's cards of other runs.
    `unreadable` are the numbers of entries whose layout is another version's.
    """

    card: Card
    reason: str
    query_ids: tuple[str, ...]
    size_bytes: int | None
    evidence: Mapping[str, float | int | str]
    changes: tuple[ToldChange, ...]
    verdict: ToldVerdict | None
    prediction: Prediction | None
    trial: ToldTrial | None
    security: tuple[ToldSecurity, ...]
    waiting: Waiting | None
    approvals: tuple[ToldApproval, ...]
    entries: tuple[Entry, ...]
    others: tuple[Card, ...]
    unreadable: tuple[int, ...]


def detail(
    life: StrategyLife,
    card: Card,
    *,
    entries: Iterable[Entry],
    waiting: Waiting | None = None,
    others: tuple[Card, ...] = (),
) -> ChangeDetail:
    """Return all that is held of a life. `entries` are the ledger's, by which a change is known to stand."""
    reading = _Reading(life)
    proposed = reading.last(Kind.STRATEGY_PROPOSED)
    body = proposed.body if proposed is not None else {}
    size = body.get("size_bytes")
    return ChangeDetail(
        card=card,
        reason=_text(body.get("reason")) or (waiting.request.strategy.reason if waiting is not None else ""),
        query_ids=_texts(body.get("query_ids")),
        size_bytes=size if isinstance(size, int) else None,
        evidence={k: v for k, v in _mapping(body.get("evidence")).items() if isinstance(v, int | float | str)},
        changes=_changes(life, reading, entries, waiting),
        verdict=reading.told(Kind.STRATEGY_VALIDATED, _verdict),
        prediction=reading.told(Kind.STRATEGY_PREDICTED, _prediction),
        trial=reading.told(Kind.TRIAL_FINISHED, _trial),
        security=tuple(reading.each(Kind.SECURITY_COMPARED, _security)),
        waiting=waiting,
        approvals=tuple(
            sorted(
                (
                    *reading.each(Kind.APPROVAL_GIVEN, _approval),
                    *reading.each(Kind.APPROVAL_REJECTED, _rejection),
                ),
                key=lambda each: each.seq,
            )
        ),
        entries=life.entries,
        others=others,
        unreadable=tuple(sorted(reading.unreadable)),
    )


class _Reading:
    """Reads a life's entries, and notes the numbers of those that are of another layout."""

    def __init__(self, life: StrategyLife) -> None:
        self._life = life
        self.unreadable: set[int] = set()

    def last(self, kind: Kind) -> Entry | None:
        return next((entry for entry in reversed(self._life.entries) if entry.kind is kind), None)

    def told(self, kind: Kind, read: Callable[[Entry], _T]) -> _T | None:
        entry = self.last(kind)
        return None if entry is None else self._read(entry, read)

    def each(self, kind: Kind, read: Callable[[Entry], _T]) -> list[_T]:
        found = [self._read(entry, read) for entry in self._life.entries if entry.kind is kind]
        return [each for each in found if each is not None]

    def change(self, seq: int, raw: Json) -> Change | None:
        try:
            change = change_from_dict(_mapping(raw))
            change.sql()
        except (KeyError, TypeError, ValueError):
            self.unreadable.add(seq)
            return None
        return change

    def _read(self, entry: Entry, read: Callable[[Entry], _T]) -> _T | None:
        try:
            return read(entry)
        except (KeyError, TypeError, ValueError):
            self.unreadable.add(entry.seq)
            return None


def _changes(
    life: StrategyLife, reading: _Reading, entries: Iterable[Entry], waiting: Waiting | None
) -> tuple[ToldChange, ...]:
    """The changes as proposed or asked for, else as intended; with the inverse that the ledger holds of each."""
    made = {}
    inverses: dict[str, str] = {}
    if waiting is not None:
        strategy, undoing = waiting.request.strategy, waiting.request.inverses
        for change, inverse in zip(strategy.changes, undoing, strict=True):
            made[change_digest(change)] = change
            inverses[change_digest(change)] = inverse.sql()
    proposed = reading.last(Kind.STRATEGY_PROPOSED)
    listed = proposed.body.get("changes") if proposed is not None else None
    if proposed is not None and isinstance(listed, list):
        found = [reading.change(proposed.seq, raw) for raw in listed]
        made.update({change_digest(change): change for change in found if change is not None})
    begun = {}
    for intent in intents(life.entries):
        entry = intent.intended
        if intent.is_revert:
            continue
        change_made = reading.change(entry.seq, entry.body.get("change"))
        undo = reading.change(entry.seq, entry.body.get("inverse"))
        if change_made is not None and undo is not None:
            digest = change_digest(change_made)
            made[digest], inverses[digest], begun[digest] = change_made, undo.sql(), intent
    with_ids = {intent.id for intent in begun.values()}
    standing = {applied.intent_id for applied in applied_changes(entries) if applied.intent_id in with_ids}
    return tuple(
        ToldChange(
            change.kind,
            change.sql(),
            digest,
            inverses.get(digest),
            begun[digest].id if digest in begun else None,
            digest in begun and begun[digest].id in standing,
            _seconds(begun[digest].result) if digest in begun else None,
        )
        for digest, change in made.items()
    )


def _seconds(result: Entry | None) -> float | None:
    value = result.body.get("seconds") if result is not None else None
    return float(value) if isinstance(value, int | float) else None


def _verdict(entry: Entry) -> ToldVerdict:
    body = entry.body
    rules = [
        *(
            ToldRule(str(each["rule_id"]), "blocked", _text(each.get("message")))
            for each in _objects(body, "violations")
        ),
        *(ToldRule(str(each["rule_id"]), "warned", _text(each.get("message"))) for each in _objects(body, "warnings")),
        *(
            ToldRule(str(each["rule_id"]), "waived", "", _text(each.get("waiver_id")))
            for each in _objects(body, "waived")
        ),
    ]
    return ToldVerdict(
        entry.seq,
        body["compliant"] is True,
        _text(body.get("spec_id")),
        _text(body.get("spec_digest")),
        _text(body.get("engine_version")),
        tuple(rules),
    )


def _prediction(entry: Entry) -> Prediction:
    low, mid, high, before, confidence = (
        _float(entry.body[key]) for key in ("low", "mid", "high", "before", "confidence")
    )
    return Prediction(low, mid, high, str(entry.body["unit"]), before, confidence, _text(entry.body.get("method")))


def _trial(entry: Entry) -> ToldTrial:
    body = entry.body
    rounds = tuple((_float(pair[0]), _float(pair[1])) for pair in _pairs(body.get("rounds")))
    return ToldTrial(
        seq=entry.seq,
        before_ms=_float(body["before_ms"]),
        after_ms=_float(body["after_ms"]),
        pairs=int(_float(body["pairs"])),
        error_rate=_float(body["error_rate"]),
        margin=_float(body["margin"]),
        e_value=_float(body["e_value"]),
        decision=str(body["decision"]),
        reason=_text(body.get("reason")),
        size_bytes=int(_float(body.get("size_bytes", 0))),
        build_seconds=_float(body.get("build_seconds", 0.0)),
        rounds=rounds,
        interval=gain_interval(rounds, _float(body.get("scale", 0.0))),
        queries=tuple(
            ToldQuery(
                str(each["query_id"]),
                _float(each["before_ms"]),
                _float(each["after_ms"]),
                int(_float(each["pairs"])),
                _text(each.get("verdict")),
            )
            for each in _objects(body, "queries")
        ),
        scale=_float(body.get("scale", 0.0)),
    )


def _security(entry: Entry) -> ToldSecurity:
    body = entry.body
    return ToldSecurity(
        entry.seq,
        _text(body.get("intent_id")),
        _text(body.get("before_digest")),
        _text(body.get("after_digest")),
        int(_float(body["difference_count"])),
        int(_float(body["undeclared_count"])),
        _texts(body.get("warnings")),
        tuple(
            ToldDifference(str(each["code"]), str(each["effect"]), str(each["section"]), each.get("stands") is True)
            for each in _objects(body, "differences")
        ),
    )


def _approval(entry: Entry) -> ToldApproval:
    statement = entry.body["statement"]
    said = _mapping(statement)
    expires: int | None = None
    with suppress(KeyError, ValueError):
        expires = int(str(said["expires_ns"]))
    return ToldApproval(entry.seq, entry.at_ns, str(said["approver"]), True, expires, "")


def _rejection(entry: Entry) -> ToldApproval:
    return ToldApproval(
        entry.seq, entry.at_ns, _text(entry.body.get("by")), False, None, _text(entry.body.get("reason"))
    )


def _float(value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise TypeError("not a number")
    return float(value)


def _pairs(value: Json) -> list[list[Json]]:
    return [each for each in value if isinstance(each, list) and len(each) == 2] if isinstance(value, list) else []


def _objects(body: Mapping[str, Json], key: str) -> list[dict[str, Json]]:
    value = body.get(key)
    return [each for each in value if isinstance(each, dict)] if isinstance(value, list) else []


def _mapping(value: object) -> Mapping[str, Json]:
    return value if isinstance(value, dict) else {}


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""


def _texts(value: object) -> tuple[str, ...]:
    return tuple(str(each) for each in value) if isinstance(value, list) else ()
