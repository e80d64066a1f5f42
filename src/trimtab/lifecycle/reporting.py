"""Gathers what a report tells: from the ledger, the history, the anchors and the watchers' files. It asks no server.

A ledger that cannot be believed ends it; any other store that cannot be read is left out, and the report says so.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

from trimtab.anchor.force import Standing
from trimtab.anchor.stability import LOOKS, stability
from trimtab.errors import AnchorError, LedgerError
from trimtab.history.reading import History
from trimtab.history.values import Window
from trimtab.ledger.entry import Entry, Kind
from trimtab.ledger.ledger import Ledger
from trimtab.ledger.moment import seconds_ahead, span_told
from trimtab.ledger.place import server_of
from trimtab.lifecycle.anchor_chain import standings_of, store_of
from trimtab.lifecycle.change_detail import ChangeDetail, detail
from trimtab.lifecycle.complied import at_hand
from trimtab.lifecycle.evolving import Evolved, evolutions
from trimtab.lifecycle.ledger_view import LedgerView, LedgerViewer
from trimtab.lifecycle.report_figures import Stretch, analytics, costs
from trimtab.lifecycle.report_history import Looking, Seen
from trimtab.lifecycle.reported import Advised, OptimizationReport, SecuritySeen, WatchSeen
from trimtab.lifecycle.second_look import second_look
from trimtab.lifecycle.watch_identity import DIRECTORY
from trimtab.lifecycle.watch_store import WatchStore
from trimtab.model.strategy import Outcome

_T = TypeVar("_T")


@dataclass(frozen=True, slots=True)
class ReportRequest:
    """What is asked for: until `now_ns`, the last `seconds`.

    `database` is the ledger's name of the one that it is about, and `servers` are its servers in the history; None is
    all of them. `spec` is the specification that is in force when the ledger names none that is at hand.
    """

    ledger_path: Path
    now_ns: int
    seconds: float
    database: str | None = None
    servers: tuple[str, ...] | None = None
    spec: str | Path | None = None

    @property
    def window(self) -> Window:
        """The window."""
        return Window(max(self.now_ns - int(self.seconds * 1e9), 0), self.now_ns)


def gather(request: ReportRequest, open_history: Callable[[], History] | None) -> OptimizationReport:
    """Return the report. `open_history` opens the history, None where there is none. Raises LedgerError."""
    return _Gathering(request).report(open_history)


@dataclass
class _Gathering:
    request: ReportRequest
    notes: list[str] = field(default_factory=list)

    def report(self, open_history: Callable[[], History] | None) -> OptimizationReport:
        request, window = self.request, self.request.window
        view = _ledger(request.ledger_path)
        entries = () if view is None else view.entries
        changes = () if view is None else self._changes(view)
        runs = () if view is None else tuple(run for run in view.runs if self._is_told(run.started_ns, run.database))
        self._tell_ahead(entries)
        history = None if open_history is None else self._left_out("the history", open_history)
        seen = self._servers(history, changes)
        anchors, lives = self._anchors() if view is not None else ((), ())
        watched = self._watched()
        ends = [(run.ended_ns - run.started_ns) / 1e9 for run in runs if run.ended_ns is not None]
        report = OptimizationReport(
            at_ns=request.now_ns,
            window=window,
            database=request.database or "",
            ledger_name="" if view is None else view.name,
            ledger_entries=len(entries),
            ledger_head="" if view is None or not entries else view.head,
            history_name="" if history is None else history.name,
            analytics=analytics(window, changes, seen.servers, seen.stretch, watched),
            runs=runs,
            changes=changes,
            looks=second_look(
                entries, at_hand(entries, request.ledger_path, request.spec),
                begin_ns=window.begin_ns, database=request.database,
            ),
            costs=(*costs(window, changes, ends), *seen.costs),
            on_servers=seen.on_servers,
            security=_security(entries, changes, window, request.database),
            anchors=anchors,
            watched=watched,
            lives=lives,
            advised=advised(changes, lives),
            servers=seen.servers,
            queries=seen.queries,
            notes=tuple(self.notes),
        )  # fmt: skip
        if history is not None:
            history.close()
        return report

    def _changes(self, view: LedgerView) -> tuple[ChangeDetail, ...]:
        lives = {(life.strategy_id, life.run_id): life for life in view.lives}
        waiting = {(each.request.strategy.id, each.request.run_id): each for each in view.waiting}
        return tuple(
            detail(life, card, entries=life.entries, waiting=waiting.get((card.strategy_id, card.run_id)))
            for card in view.cards
            if self._is_told(card.last_ns, card.database)
            for life in [lives[card.strategy_id, card.run_id]]
        )

    def _is_told(self, at_ns: int, database: str) -> bool:
        """The window ends now: what is dated later was written by a clock that was ahead, and has happened."""
        return self.request.window.begin_ns <= at_ns and self.request.database in (None, database)

    def _tell_ahead(self, entries: Sequence[Entry]) -> None:
        ahead = seconds_ahead(entries[-1].at_ns, self.request.now_ns) if entries else 0.0
        if ahead:
            self.notes.append(
                f"the ledger's last entry is dated {span_told(ahead)} later than now: a clock was wrong, or is, and"
                " times are not what they seem"
            )

    def _anchors(self) -> tuple[tuple[Standing, ...], tuple[Evolved, ...]]:
        """Return the anchors of the database, and how it evolved since the first of them."""
        path = self.request.ledger_path

        def standing() -> list[Standing]:
            with Ledger.open(path) as ledger:
                return standings_of(store_of(path), ledger)

        found = self._left_out("anchors", standing) or []
        told = tuple(each for each in found if self.request.database in (None, each.anchor.database))
        lives: list[Evolved] = []
        for server, is_standby in dict.fromkeys((each.anchor.server, each.anchor.is_standby) for each in told):
            lives += self._left_out("an evolution", lambda: evolutions(path, server, is_standby=is_standby)) or []  # noqa: B023
        return told, tuple(lives)

    def _watched(self) -> tuple[WatchSeen, ...]:
        found = []
        for path in sorted((self.request.ledger_path.parent / DIRECTORY).glob("*.db")):
            seen = self._left_out(f"the watch {path.name}", lambda: _watch(path))  # noqa: B023
            if seen is not None and self.request.database in (None, seen.database):
                found.append(seen)
        return tuple(found)

    def _servers(self, history: History | None, changes: Sequence[ChangeDetail]) -> Seen:
        if history is None:
            return Seen(stretch=Stretch(why="no history was written: `trimtab collect` does"))
        found = self._left_out(
            "the history", lambda: Looking(history, self.request.window, self.request.servers).seen(changes)
        )
        return found or Seen(stretch=Stretch(why="the history cannot be read"))

    def _left_out(self, what: str, read: Callable[[], _T]) -> _T | None:
        try:
            return read()
        except (LedgerError, AnchorError) as error:
            self.notes.append(f"{what} is left out: {error} [{error.code}]")
            return None


def advised(changes: Sequence[ChangeDetail], lives: Sequence[Evolved]) -> tuple[Advised, ...]:
    """Return what to do next, what is worth the most first; what was not measured comes last."""
    found: dict[tuple[str, str], Advised] = {}
    for each in changes:
        card, trial = each.card, each.trial
        is_waiting = card.approval in ("waiting", "approved")
        if trial is None or not trial.pairs or not (card.outcome is Outcome.PROVEN or is_waiting):
            continue
        low, high = (None, None) if trial.interval is None else (trial.interval.low, trial.interval.high)
        told = Advised(
            "approve" if card.approval == "waiting" else "apply",
            card.strategy_id,
            each.card.title or each.reason,
            f"trimtab approve {card.strategy_id}"
            if card.approval == "waiting"
            else f"trimtab apply {card.strategy_id}"
            if card.approval == "approved"
            else "trimtab optimize --apply, or --propose to have it approved",
            trial.before_ms - trial.after_ms,
            None if low is None else low * trial.before_ms,
            None if high is None else high * trial.before_ms,
            None if trial.interval is None else trial.interval.confidence,
        )
        found.setdefault(("change", card.strategy_id), told)
    for life in lives:
        for each_advice in life.recommendations:
            kind = each_advice.action.value
            told = Advised(kind, each_advice.subject, each_advice.reason, _how(each_advice.strategy is not None), None)
            found.setdefault((kind, each_advice.subject), told)
    return tuple(sorted(found.values(), key=lambda one: -(one.saved_ms if one.saved_ms is not None else float("-inf"))))


def _how(has_strategy: bool) -> str:
    return "trimtab optimize --from-history" if has_strategy else "trimtab anchor explain"


def _security(
    entries: Sequence[Entry], changes: Sequence[ChangeDetail], window: Window, database: str | None
) -> SecuritySeen:
    taken = [
        entry.at_ns
        for entry in entries
        if entry.kind is Kind.SECURITY_BASELINED and window.begin_ns <= entry.at_ns
        if database in (None, entry.mapping("database").get("database"))
    ]
    looks = [look for change in changes for look in change.security]
    warnings: dict[str, int] = {}
    for look in looks:
        for code in look.warnings:
            warnings[code] = warnings.get(code, 0) + 1
    return SecuritySeen(
        tuple(taken),
        len(looks),
        sum(look.difference_count for look in looks),
        sum(look.undeclared_count for look in looks),
        dict(sorted(warnings.items())),
    )


def _ledger(path: Path) -> LedgerView | None:
    """Return the ledger's entries once all of it was found whole; None where there is none. Raises LedgerError."""
    if not path.exists() and server_of(path) is None:
        return None
    with Ledger.open(path) as ledger:
        verified = ledger.verify()
        if not verified.verified:
            raise LedgerError(
                f"no report was made: the ledger cannot be believed, {verified.reason}",
                code="ledger.corrupt",
                next_step="`trimtab ledger verify` names the first entry that is wrong.",
            )
    return LedgerViewer(path).view()


def _watch(path: Path) -> WatchSeen:
    with WatchStore.reader(path) as store:
        status, identity, counted = (_mapping(store.fact(name)) for name in ("status", "identity", "stability"))
        alarms = len(store.alarms(is_open=True))
    listed = status.get("dimensions")
    known = [each for each in listed if isinstance(each, dict)] if isinstance(listed, list) else []
    coherence = next((each for each in known if each.get("name") == "quantum_coherence"), {})
    return WatchSeen(
        str(identity.get("database", "")),
        int(_number(counted.get("since_ns")) or 0),
        int(_number(status.get("round_ns")) or 0),
        alarms,
        stability(
            int(_number(counted.get("looks")) or 0), int(_number(counted.get("breaches")) or 0), unit=LOOKS
        ),
        _number(coherence.get("level")),
        _number(coherence.get("low")),
        _number(coherence.get("high")),
    )  # fmt: skip


def _mapping(value: object) -> Mapping[str, object]:
    return value if isinstance(value, dict) else {}


def _number(value: object) -> float | None:
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else None
