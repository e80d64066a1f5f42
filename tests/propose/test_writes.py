"""What writes cost by the prices of their entries: with the indexes that are there, and with one more."""

from __future__ import annotations

from dataclasses import replace

import pytest

from trimtab.propose.candidate import Candidate, Key
from trimtab.propose.writes import ENTRY_MS, STATEMENT_MS, Write, held_columns, own_ms, write_ms

from .catalogue import index, table

ENTRY = ENTRY_MS["btree"]
INSERT = Write("w", "public", "t", "Insert", rows=10.0, weight=3.0)


def test_a_write_pays_for_the_table_and_each_of_its_indexes() -> None:
    bare, two = table("t", "ab"), table("t", "ab", index("one", "a"), index("two", "b"))
    assert own_ms(INSERT, bare) == pytest.approx(3 * (STATEMENT_MS + 10 * ENTRY))
    assert own_ms(INSERT, two) == pytest.approx(3 * own_ms(INSERT, bare))


def test_one_more_index_adds_to_an_insert_what_one_that_is_there_costs() -> None:
    one, two = table("t", "ab", index("one", "a")), table("t", "ab", index("one", "a"), index("two", "b"))
    added = write_ms(Candidate("public", "t", (Key("b"),)), one, [INSERT])
    assert own_ms(INSERT, two) - own_ms(INSERT, one) == pytest.approx(added)


def test_an_update_that_stays_in_its_page_leaves_no_entries() -> None:
    update = replace(INSERT, operation="Update", columns=frozenset("b"))
    hot = replace(table("t", "ab", index("one", "a")), updates=100, hot_updates=100)
    assert own_ms(update, hot) == pytest.approx(3 * (2 * STATEMENT_MS + 10 * ENTRY))


@pytest.mark.parametrize(
    "candidate",
    [
        Candidate("public", "t", (Key("b"),)),
        Candidate("public", "t", (Key("a"),), included=("b",)),
        Candidate("public", "t", (Key(expression="lower(b)"),)),
        Candidate("public", "t", (Key("a"),), predicate=("b IS NULL",)),
    ],
)
def test_an_index_that_holds_what_is_set_ends_the_updates_that_stay_in_their_page(candidate: Candidate) -> None:
    update = replace(INSERT, operation="Update", columns=frozenset("b"))
    hot = replace(table("t", "ab", index("one", "a")), updates=100, hot_updates=100)
    assert held_columns(candidate) >= {"b"}
    assert write_ms(candidate, hot, [update]) == pytest.approx(3 * (STATEMENT_MS + 10 * 2 * ENTRY))
    other = replace(update, columns=frozenset("c"))
    assert write_ms(candidate, hot, [other]) == pytest.approx(3 * STATEMENT_MS)
