"""A change that was carried out: what the ledger knows it by, and how it is taken back."""

from __future__ import annotations

from dataclasses import dataclass

from trimtab.model.change import Change


@dataclass(frozen=True, slots=True)
class Applied:
    """One change of a strategy, done and verified. `inverse` takes it back; `seconds` is how long it took.

    `database` is the name of the database that it stands on. `table_oid` and `object_oid` tell the table, and the
    index or statistics object that was made, from others that have their names later; None where that is not known.
    """

    intent_id: str
    strategy_id: str
    change: Change
    inverse: Change
    seconds: float
    database: str = ""
    table_oid: int | None = None
    object_oid: int | None = None
