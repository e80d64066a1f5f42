"""The public Python interface to what the ledger tells of changes: the board, one change whole, and its proof. Thin.

`trimtab.api` has all of these names too. Nothing here asks a server or writes anything.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from trimtab.errors import UsageError

if TYPE_CHECKING:
    from trimtab.lifecycle.board import Board, CardPage
    from trimtab.lifecycle.change_detail import ChangeDetail
    from trimtab.lifecycle.kept_advice import KeptAdvice
    from trimtab.lifecycle.ledger_view import LedgerView, LedgerViewer
    from trimtab.lifecycle.proving import Inclusion

MOST_CARDS = 500
"""So many cards one page may have, and one column."""


def ledger_viewer(*, ledger_path: Path | None = None) -> LedgerViewer:
    """Return what gives views of the ledger and reads only what is new: for who looks again and again."""
    from trimtab.lifecycle.ledger_view import LedgerViewer

    return LedgerViewer(_path(ledger_path))


def changes_board(*, limit: int = 20, ledger_path: Path | None = None, view: LedgerView | None = None) -> Board:
    """Return all strategies by the stage that each has reached, at most `limit` of each stage, the newest first.

    `view` is one of a `ledger_viewer`; without it the ledger is read. Raises LedgerError, UsageError `usage.page`.
    """
    _refuse_page(0, limit)
    return _view(view, ledger_path).board(limit)


def changes_page(
    *,
    stage: str | None = None,
    outcome: str | None = None,
    database: str | None = None,
    text: str = "",
    offset: int = 0,
    limit: int = 50,
    ledger_path: Path | None = None,
    view: LedgerView | None = None,
) -> CardPage:
    """Return some of the strategies, the one with the newest entry first.

    `stage` is a stage of the lifecycle, `outcome` an outcome or "open"; `text` is looked for in ids, titles and
    proposers. Raises LedgerError, UsageError `usage.page`, `usage.stage`, `usage.outcome`.
    """
    from trimtab.lifecycle.board import STANDS_OPEN, page
    from trimtab.lifecycle.stages import Stage
    from trimtab.model.strategy import Outcome

    _refuse_page(offset, limit)
    if stage is not None and stage not in list(Stage):
        raise _unknown("stage", stage, list(Stage), code="usage.stage")
    if outcome is not None and outcome not in [*Outcome, STANDS_OPEN]:
        raise _unknown("outcome", outcome, [*Outcome, STANDS_OPEN], code="usage.outcome")
    return page(
        _view(view, ledger_path).cards,
        stage=None if stage is None else Stage(stage),
        outcome=outcome,
        database=database,
        text=text,
        offset=offset,
        limit=limit,
    )


def change_detail(
    strategy_id: str, *, run_id: str | None = None, ledger_path: Path | None = None, view: LedgerView | None = None
) -> ChangeDetail:
    """Return all that the ledger holds of a strategy in that run; without one, in the newest that had it.

    Raises UsageError `show.unknown`, LedgerError.
    """
    from trimtab.lifecycle.change_detail import detail

    known = _view(view, ledger_path)
    found = [card for card in known.cards if card.strategy_id == strategy_id]
    card = next((each for each in found if run_id in (None, each.run_id)), None)
    if card is None:
        raise UsageError(
            f"{strategy_id or 'an empty name'} is not in the ledger"
            + (f" as a strategy of run {run_id}" if run_id is not None else ""),
            code="show.unknown",
            next_step="`trimtab history` lists the runs (r-...); `trimtab show` of a run lists its strategies (s-...).",
        )
    life = next(each for each in known.lives if (each.strategy_id, each.run_id) == (strategy_id, card.run_id))
    asked = [each for each in known.waiting if each.request.strategy.id == strategy_id]
    waiting = next((each for each in asked if each.request.run_id == card.run_id), None)
    others = tuple(each for each in found if each is not card)
    return detail(life, card, entries=known.entries, waiting=waiting, others=others)


def entry_proof(seq: int, *, ledger_path: Path | None = None) -> Inclusion:
    """Return the proof that the entry of that number is in the ledger; nothing is signed for it.

    Raises UsageError `ledger.unknown`, LedgerError.
    """
    from trimtab.lifecycle.proving import inclusion

    return inclusion(_path(ledger_path), seq)


def kept_advice(
    *, database: str | None = None, limit: int = 20, ledger_path: Path | None = None
) -> tuple[KeptAdvice, ...]:
    """Return what is kept of the advices on indexes, the newest first: frontiers, chosen indexes, proofs.

    `database` is what the server calls it. The newest twenty are kept; what cannot be read is left out.
    """
    from trimtab.lifecycle.kept_advice import kept_advice as kept

    return kept(_path(ledger_path), database=database, limit=limit)


def _view(view: LedgerView | None, ledger_path: Path | None) -> LedgerView:
    return view if view is not None else ledger_viewer(ledger_path=ledger_path).view()


def _path(path: Path | None) -> Path:
    from trimtab.paths import ledger_path

    return path or ledger_path()


def _refuse_page(offset: int, limit: int) -> None:
    if offset < 0 or not 1 <= limit <= MOST_CARDS:
        raise UsageError(
            f"a page of {limit} from {offset} on was refused",
            code="usage.page",
            next_step=f"Ask for 1 to {MOST_CARDS}, from 0 on.",
        )


def _unknown(what: str, given: str, known: list[str], *, code: str) -> UsageError:
    return UsageError(
        f"the {what} {given!r} was refused: there is none of that name",
        code=code,
        next_step=f"Name one of {', '.join(known)}.",
    )
