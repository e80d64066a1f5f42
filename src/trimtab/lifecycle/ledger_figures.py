"""What the ledger tells of all changes together: what stands, what it gained, how predictions did. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from trimtab.ledger.entry import Entry, Kind
from trimtab.ledger.pending import intents
from trimtab.model.shares import saved_share
from trimtab.model.strategy import Decision, Outcome


@dataclass(frozen=True, slots=True)
class LedgerFigures:
    """What the ledger tells of all changes: None where there is nothing to tell it by.

    `gains` are shares of the time saved in the lab by strategies that were kept; `covered` says of how many trials with
    a prediction the measured time lay within it.
    """

    databases: int = 0
    standing: int = 0
    kept: int = 0
    not_kept: int = 0
    gains: Sequence[float] = ()
    predicted: int = 0
    covered: int = 0


def ledger_figures(entries: Iterable[Entry]) -> LedgerFigures:
    """Return what the entries tell. Raises LedgerError `ledger.layout`."""
    known = tuple(entries)
    settled: dict[tuple[str | None, str], str] = {}
    trials: dict[tuple[str | None, str], Entry] = {}
    predictions: dict[tuple[str | None, str], Entry] = {}
    for entry in known:
        strategy_id = entry.body.get("strategy_id")
        if not isinstance(strategy_id, str):
            continue
        key = (entry.run_id, strategy_id)
        match entry.kind:
            case Kind.STRATEGY_SETTLED:
                settled[key] = entry.text("outcome")
            case Kind.TRIAL_FINISHED:
                trials[key] = entry
            case Kind.STRATEGY_PREDICTED:
                predictions[key] = entry
            case _:
                pass
    made = [each for each in intents(known) if not each.is_revert and each.is_done]
    kept = [key for key, outcome in settled.items() if outcome == Outcome.KEPT.value]
    taken_back = sum(outcome == Outcome.REVERTED.value for outcome in settled.values())
    reverted = {each.intended.body.get("reverts") for each in intents(known) if each.is_revert and each.is_done}
    standing = [each for each in made if each.id not in reverted]
    measured = [key for key in predictions if key in trials and predictions[key].body.get("unit") == "ms"]
    return LedgerFigures(
        databases=len({str(each.intended.body.get("database")) for each in standing}),
        standing=len(standing),
        kept=len(kept),
        not_kept=taken_back,
        gains=[gain for key in kept if key in trials and (gain := _gain(trials[key])) is not None],
        predicted=len(measured),
        covered=sum(_is_covered(predictions[key], trials[key]) for key in measured),
    )


def _gain(trial: Entry) -> float | None:
    before, after = trial.body.get("before_ms"), trial.body.get("after_ms")
    if trial.body.get("decision") != Decision.ACCEPTED.value:
        return None
    if not isinstance(before, int | float) or not isinstance(after, int | float):
        return None
    return saved_share(before, after)


def _is_covered(prediction: Entry, trial: Entry) -> bool:
    low, high, after = prediction.body.get("low"), prediction.body.get("high"), trial.body.get("after_ms")
    numbers = [each for each in (low, high, after) if isinstance(each, int | float)]
    return len(numbers) == 3 and numbers[0] <= numbers[2] <= numbers[1]
