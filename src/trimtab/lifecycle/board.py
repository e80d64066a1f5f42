"""Where every strategy stands: a card for each one in each run, under the stage that it has reached. Pure.

It decides which stage that is and what a card says, from what the ledger holds. It judges nothing anew and reads no
server: a card says what was written, and None where nothing was.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from trimtab.ledger.entry import Entry, Json, Kind
from trimtab.ledger.history import RunState, StrategyLife, runs, strategies
from trimtab.lifecycle.approving import waiting_in
from trimtab.lifecycle.stages import ENDINGS, Stage
from trimtab.model.shares import saved_share
from trimtab.model.strategy import Outcome

STANDS_OPEN = "open"
"""How a filter names a strategy that has not come to an end."""
_REACHED: Mapping[Kind, Stage] = {
    Kind.STRATEGY_PROPOSED: Stage.PROPOSE,
    Kind.STRATEGY_VALIDATED: Stage.VALIDATE,
    Kind.STRATEGY_PREDICTED: Stage.PREDICT,
    Kind.TRIAL_FINISHED: Stage.TRIAL,
    Kind.APPROVAL_REQUESTED: Stage.APPLY,
    Kind.APPROVAL_GIVEN: Stage.APPLY,
    Kind.APPROVAL_REJECTED: Stage.APPLY,
    Kind.APPLY_INTENDED: Stage.APPLY,
    Kind.APPLY_DONE: Stage.APPLY,
    Kind.APPLY_FAILED: Stage.APPLY,
    Kind.SECURITY_COMPARED: Stage.APPLY,
    Kind.ANCHOR_RECORDED: Stage.ANCHOR,
    Kind.LEASE_NOTED: Stage.ANCHOR,
    Kind.REVERT_INTENDED: Stage.SETTLE,
    Kind.REVERT_DONE: Stage.SETTLE,
    Kind.REVERT_FAILED: Stage.SETTLE,
    Kind.GUARD_NOTED: Stage.SETTLE,
}
_ORDER = tuple(Stage)
_WAITS = ("waiting", "approved")
"""What is proven and waits for people, or for being applied, is at no end."""


@dataclass(frozen=True, slots=True)
class Card:
    """A strategy in one run. Times are UTC nanoseconds: of its first entry and of its last one.

    `stage` is the one that it has reached, or at which it ended; `outcome` is None while it has not ended, and `note`
    says why it ended so. `standing` counts its changes that stand applied. `approval` is "waiting", "approved",
    "rejected" or "applied" where people were asked, else "". `before_ms` and `after_ms` are those of its trial in the
    lab, None without one. `run_state` is None where no run of the ledger had it.
    """

    strategy_id: str
    run_id: str | None
    database: str
    title: str
    proposer: str
    stage: Stage
    outcome: Outcome | None
    note: str
    standing: int
    approval: str
    before_ms: float | None
    after_ms: float | None
    began_ns: int
    last_ns: int
    run_state: RunState | None

    @property
    def improvement(self) -> float | None:
        """Share of the time saved in the lab, None where it was not measured."""
        return saved_share(self.before_ms, self.after_ms)


@dataclass(frozen=True, slots=True)
class CardPage:
    """Some of the cards that were asked for, the one with the newest entry first; `total` counts all of them."""

    cards: tuple[Card, ...]
    total: int
    offset: int

    @property
    def next_offset(self) -> int | None:
        """Where the next page begins, None after the last card."""
        end = self.offset + len(self.cards)
        return end if end < self.total else None


@dataclass(frozen=True, slots=True)
class Column:
    """The cards of one stage, the newest first: `cards` are at most as many as were asked for of `total`."""

    stage: Stage
    total: int
    cards: tuple[Card, ...]


@dataclass(frozen=True, slots=True)
class Board:
    """All stages in their order. `entries` and `head` say of which state of the ledger this is; `read_ns`, when."""

    columns: tuple[Column, ...]
    entries: int
    head: str
    read_ns: int


def cards(entries: Iterable[Entry], now_ns: int) -> tuple[Card, ...]:
    """Return the card of every strategy in every run, the one with the newest entry first. Raises LedgerError.

    `now_ns`: approvals that have expired by then do not count.
    """
    known = tuple(entries)
    state_of = {run.run_id: run.state for run in runs(known)}
    approval_of = {(each.request.strategy.id, each.request.run_id): each.state for each in waiting_in(known, now_ns)}
    lives = strategies(known)
    titles = {life.strategy_id: (life.title, life.proposer) for life in lives if life.title}
    newest_first = sorted(lives, key=lambda life: life.entries[-1].seq, reverse=True)
    return tuple(
        _card(
            life,
            titles.get(life.strategy_id, ("", "")),
            state_of.get(life.run_id or ""),
            approval_of.get((life.strategy_id, life.run_id), ""),
        )
        for life in newest_first
    )


def columns(known: Sequence[Card], limit: int) -> tuple[Column, ...]:
    """Return the cards by stage, at most `limit` of each."""
    found = {stage: [card for card in known if card.stage is stage] for stage in Stage}
    return tuple(Column(stage, len(of_stage), tuple(of_stage[:limit])) for stage, of_stage in found.items())


def page(
    known: Sequence[Card],
    *,
    stage: Stage | None = None,
    outcome: Outcome | str | None = None,
    database: str | None = None,
    text: str = "",
    offset: int = 0,
    limit: int = 50,
) -> CardPage:
    """Return some of the cards. `outcome` may be "open"; `text` is looked for in ids, titles and proposers."""
    found = [
        card
        for card in known
        if (stage is None or card.stage is stage)
        and (outcome is None or outcome == (card.outcome.value if card.outcome is not None else STANDS_OPEN))
        and (database is None or card.database == database)
        and (not text or _holds(card, text.casefold()))
    ]
    return CardPage(tuple(found[offset : offset + limit]), len(found), offset)


def stage_of(life: StrategyLife) -> Stage:
    """Return the stage that a strategy has reached, or at which it ended."""
    reached = [_REACHED[entry.kind] for entry in life.entries if entry.kind in _REACHED]
    furthest = max(reached, key=_ORDER.index, default=Stage.PROPOSE)
    if life.outcome is None:
        return furthest
    # Some ends are possible at two stages: the later of them that was reached, else the first.
    possible = [stage for stage in Stage if life.outcome in ENDINGS[stage]]
    passed = [stage for stage in possible if _ORDER.index(stage) <= _ORDER.index(furthest)]
    return passed[-1] if passed else possible[0]


def _card(life: StrategyLife, elsewhere: tuple[str, str], run_state: RunState | None, approval: str) -> Card:
    """`elsewhere` are title and proposer by which another run knew it: applied later, it is not proposed anew."""
    settled = _newest(life, Kind.STRATEGY_SETTLED)
    trial = _newest(life, Kind.TRIAL_FINISHED)
    return Card(
        strategy_id=life.strategy_id,
        run_id=life.run_id,
        database=life.database,
        title=life.title or elsewhere[0],
        proposer=life.proposer or elsewhere[1],
        stage=Stage.APPLY if approval in _WAITS else stage_of(life),
        outcome=life.outcome,
        note=_text(settled.body.get("note")) if settled is not None else "",
        standing=life.standing,
        approval=approval,
        before_ms=_number(trial.body.get("before_ms")) if trial is not None else None,
        after_ms=_number(trial.body.get("after_ms")) if trial is not None else None,
        began_ns=life.entries[0].at_ns,
        last_ns=life.entries[-1].at_ns,
        run_state=run_state,
    )


def _newest(life: StrategyLife, kind: Kind) -> Entry | None:
    return next((entry for entry in reversed(life.entries) if entry.kind is kind), None)


def _holds(card: Card, wanted: str) -> bool:
    return any(wanted in text.casefold() for text in (card.strategy_id, card.run_id or "", card.title, card.proposer))


def _text(value: Json) -> str:
    return value if isinstance(value, str) else ""


def _number(value: Json) -> float | None:
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else None
