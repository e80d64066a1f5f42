from __future__ import annotations

from trimtab.observe.scopes import Scope

KNOWN = {("", "t"): ["a", "b"], ("s", "t"): ["a"]}


def test_an_inner_level_sees_the_outer_one_and_hides_it_by_name() -> None:
    outer = Scope(KNOWN)
    outer.add_table(("", "t"), None)
    inner = Scope(KNOWN, outer)
    inner.add_table(("s", "t"), "x")
    assert inner.column(("a",)) == ("s", "t", "a")
    assert inner.column(("b",)) == ("", "t", "b")
    assert inner.column(("t", "a")) == ("", "t", "a")
    assert inner.column(("nobody",)) is None


def test_an_ambiguous_name_means_no_column() -> None:
    scope = Scope(KNOWN)
    scope.add_table(("", "t"), "x")
    scope.add_table(("s", "t"), "y")
    assert scope.column(("a",)) is None
    assert scope.column(("y", "a")) == ("s", "t", "a")


def test_a_common_table_expression_hides_a_table_unless_it_is_qualified() -> None:
    scope = Scope(KNOWN)
    scope.add_common("t", {"z": None})
    scope.add_table(("", "t"), None)
    scope.add_table(("s", "t"), "real")
    assert scope.column(("t", "a")) is None
    assert scope.column(("real", "a")) == ("s", "t", "a")
    assert list(scope.all_columns(None)) == ["z", "a"]
