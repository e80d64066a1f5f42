"""Names of what Trimtab makes."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from trimtab.propose.names import object_name

WORDS = st.lists(st.text(min_size=1, max_size=70), min_size=1, max_size=6)


@given(st.text(alphabet="abcö_", max_size=20), WORDS, st.text())
def test_a_name_fits_and_begins_with_the_prefix(prefix: str, words: list[str], definition: str) -> None:
    name = object_name(prefix, words, definition)
    assert name.startswith(prefix)
    assert len(name.encode()) <= 63
    assert name == object_name(prefix, words, definition)


@given(WORDS, st.text(), st.text())
def test_two_definitions_have_two_names(words: list[str], one: str, other: str) -> None:
    assert (object_name("t_", words, one) == object_name("t_", words, other)) == (one == other)


def test_a_name_can_be_read() -> None:
    name = object_name("trimtab_", ("orders", "customer_id", "Placed At"), "x")
    assert name.startswith("trimtab_orders_customer_id_placed_at_")
