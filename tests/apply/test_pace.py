"""Limits over 24 hours and of repeats, as the ledger has them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from trimtab.apply.pace import object_of, refuse_pace
from trimtab.errors import HeldError, RefusedError
from trimtab.ledger.entry import Kind
from trimtab.ledger.ledger import Ledger
from trimtab.model.change import Change, change_to_dict
from trimtab.spec.limits import Rates
from trimtab.spec.load import load_spec

from .shop import CREATE_INDEX, CREATE_STATISTICS, DROP_INDEX, SET_TARGET

DAY_NS = 24 * 3600 * 10**9
NOW_NS = 1000 * DAY_NS
HERE = {"system_identifier": "7", "database": "shop", "database_oid": 1}
BESIDE = {"system_identifier": "7", "database": "other", "database_oid": 2}
ELSEWHERE = {"system_identifier": "8", "database": "shop", "database_oid": 1}
CUSTOMER = replace(CREATE_INDEX, table="customer")
PLENTY = load_spec().rates.model_copy(
    update={name: 99 for name in load_spec().rates.model_dump() if name not in ("repeat_days",)}
)


@pytest.fixture
def past(tmp_path: Path) -> Iterator[Past]:
    past = Past(tmp_path / "ledger.db")
    with past.ledger:
        yield past


class Past:
    """A ledger in which changes were made."""

    def __init__(self, path: Path) -> None:
        self.at_ns, self.number = NOW_NS, 0
        self.ledger = Ledger.open(path, clock=lambda: self.at_ns)

    def made(
        self, change: Change, *, days_ago: float = 0.5, database: object = HERE, answer: Kind | None = Kind.APPLY_DONE
    ) -> None:
        self.at_ns, self.number = NOW_NS - int(days_ago * DAY_NS), self.number + 1
        said = {"change": change_to_dict(change), "inverse": change_to_dict(change), "strategy_id": "s-1"}
        body = {"intent_id": str(self.number), "database": database, **said}
        self.ledger.append(Kind.APPLY_INTENDED, body)
        if answer is not None:
            self.ledger.append(answer, {"intent_id": str(self.number), "seconds": 1.0})

    def code(self, *changes: Change, **limits: int) -> str:
        try:
            refuse_pace(changes, self.ledger.entries(), HERE, PLENTY.model_copy(update=limits), NOW_NS)
        except RefusedError as error:
            return f"{error.code} {isinstance(error, HeldError)}"
        return ""


def test_what_was_made_within_24_hours_counts_and_what_failed_or_is_older_does_not(past: Past) -> None:
    past.made(CREATE_INDEX, days_ago=1.1)
    past.made(CREATE_STATISTICS, answer=Kind.APPLY_FAILED)
    past.made(CREATE_STATISTICS, database=ELSEWHERE)
    past.made(CREATE_STATISTICS, database=BESIDE)
    past.made(DROP_INDEX)
    past.made(SET_TARGET, answer=None)  # nobody knows: it may stand
    assert past.code(CREATE_INDEX, max_changes_per_day=3) == ""
    assert past.code(CREATE_INDEX, max_changes_per_day=2) == "apply.rate True"
    assert past.code(CREATE_INDEX, SET_TARGET, max_changes_per_day=3) == "apply.rate True"


def test_all_databases_of_the_server_count_for_the_server(past: Past) -> None:
    past.made(DROP_INDEX, database=BESIDE)
    past.made(DROP_INDEX, database=ELSEWHERE)
    assert past.code(CREATE_INDEX, max_changes_per_day_per_server=2) == ""
    assert past.code(CREATE_INDEX, max_changes_per_day_per_server=1) == "apply.rate True"


def test_each_table_has_its_own_limit_and_so_has_their_number(past: Past) -> None:
    past.made(CUSTOMER)
    past.made(DROP_INDEX)
    assert past.code(CREATE_INDEX, max_changes_per_day_per_table=2) == ""
    assert past.code(CREATE_INDEX, max_changes_per_day_per_table=1) == "apply.rate True"
    assert past.code(CREATE_INDEX, max_tables_per_day=2) == ""
    assert past.code(replace(CREATE_INDEX, table="third"), max_tables_per_day=2) == "apply.rate True"


def test_the_table_that_has_had_its_share_is_named(past: Past) -> None:
    past.made(CREATE_INDEX)
    limits = PLENTY.model_copy(update={"max_changes_per_day_per_table": 1})
    with pytest.raises(HeldError, match=rf"2 on {CREATE_INDEX.schema}\.{CREATE_INDEX.table} within 24 hours"):
        refuse_pace([CUSTOMER, DROP_INDEX], past.ledger.entries(), HERE, limits, NOW_NS)


def test_the_same_index_made_and_dropped_again_and_again_is_asked_about(past: Past) -> None:
    again = replace(CREATE_INDEX, name="trimtab_of_another_name")
    for days_ago in (20, 10, 5):
        past.made(CREATE_INDEX, days_ago=days_ago)
    assert past.code(again, max_repeats=4, repeat_days=30) == ""
    assert past.code(again, max_repeats=3, repeat_days=30) == "apply.oscillation False"
    assert past.code(again, max_repeats=3, repeat_days=15) == ""
    assert past.code(DROP_INDEX, max_repeats=1, repeat_days=30) == ""


def test_an_index_is_the_same_object_whether_it_is_made_or_dropped() -> None:
    from trimtab.model.change import DropIndex

    made = CREATE_INDEX
    dropped = DropIndex(made.schema, made.table, "x", made.tail, made.key_columns, made.include_columns)
    assert object_of(made) == object_of(dropped) != object_of(CUSTOMER)


def test_a_limit_of_nothing_stops_all(past: Past) -> None:
    assert past.code(CREATE_INDEX, max_changes_per_day=0) == "apply.rate True"


def test_the_shipped_limits_are_rates() -> None:
    assert isinstance(load_spec().rates, Rates)
