"""Names of what Trimtab makes."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from trimtab.model.strategy import Strategy
from trimtab.propose.candidate import Candidate, Key
from trimtab.propose.indexes import describe
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


def test_titles_tell_tables_of_one_name_in_two_schemas_apart() -> None:
    keys = (Key("v"),)
    titles = [describe(Candidate(schema, "p", keys)) for schema in ("public", "app", "audit")]
    assert titles == ["p (v)", "app.p (v)", "audit.p (v)"]


def test_a_title_makes_no_other_strategy() -> None:
    change = Candidate("app", "p", (Key("v"),)).change("trimtab_")
    one, other = (Strategy((change,), "indexes", title, "reason", ()) for title in ("index p (v)", "index app.p (v)"))
    assert one.id == other.id
