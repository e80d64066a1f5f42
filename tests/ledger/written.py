"""Ledgers with a past, for the tests of what is found in them: signed, with changes that were made and taken back."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from trimtab.ledger.entry import Entry, Kind
from trimtab.ledger.ledger import Ledger
from trimtab.model.change import CreateIndex, DropIndex, change_digest, change_to_dict
from trimtab.signing.keys import PublicKey

from .conftest import Clock

CREATE = CreateIndex("public", "orders", "orders_day", "USING btree (day)", ("day",))
DROP = DropIndex("public", "orders", "orders_day", "USING btree (day)", ("day",))
DATABASE = {"system_identifier": "7", "database": "shop", "database_oid": 5}


def change_a_database(ledger: Ledger, number: int = 1) -> str:
    """Write what an index that is made and taken back writes, and return the strategy's id."""
    run, strategy = f"r-{number}", f"s-{number}"
    common = {"strategy_id": strategy, "database": DATABASE, "session": {}, "spec_digest": "5" * 64}
    made = {**common, "change": change_to_dict(CREATE), "inverse": change_to_dict(DROP)}
    made |= {"intent_id": f"i{number}", "change_digest": change_digest(CREATE)}
    back = {**common, "change": change_to_dict(DROP), "inverse": change_to_dict(CREATE)}
    back |= {"intent_id": f"u{number}", "reverts": f"i{number}", "change_digest": change_digest(DROP)}
    ledger.append(Kind.RUN_STARTED, {"database": DATABASE, "apply": True, "title": f"é {number}"}, run_id=run)
    ledger.append(Kind.APPLY_INTENDED, made, run_id=run)
    ledger.append(Kind.APPLY_DONE, {"intent_id": f"i{number}", "seconds": 0.5}, run_id=run)
    ledger.append(Kind.REVERT_INTENDED, back, run_id=run)
    ledger.append(Kind.REVERT_DONE, {"intent_id": f"u{number}", "reverts": f"i{number}"}, run_id=run)
    ledger.append(Kind.RUN_FINISHED, {"before_ms": 10.5, "after_ms": None}, run_id=run)
    return strategy


@dataclass(frozen=True)
class Written:
    """A closed, signed ledger."""

    path: Path
    key: PublicKey
    entries: tuple[Entry, ...]

    @property
    def size(self) -> int:
        return len(self.entries)


def written(path: Path, changes: int = 3) -> Written:
    """Write a ledger whose key was set after its first change."""
    with Ledger.open(path, clock=Clock(step_ns=1000)) as ledger:
        change_a_database(ledger, 0)
        key, _ = ledger.set_key()
        for number in range(1, changes):
            change_a_database(ledger, number)
    with Ledger.open(path) as ledger:
        return Written(path, key, tuple(ledger.entries()))
