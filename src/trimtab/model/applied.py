"""A change that was carried out: what the ledger knows it by, and how it is taken back."""

from __future__ import annotations

from dataclasses import dataclass

from trimtab.model.change import Change


@dataclass(frozen=True, slots=True)
class Applied:
    """One change of a strategy, done and verified. `inverse` takes it back; `seconds` is how long it took.

    `database` is the name of the database that it stands on.
    """

    intent_id: str
    strategy_id: str
    change: Change
    inverse: Change
    seconds: float
    database: str = ""
