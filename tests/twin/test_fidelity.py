"""Comparing plans: pure."""

from __future__ import annotations

from trimtab.model.plan import Plan, PlanNode
from trimtab.model.whatif import PlanFailure
from trimtab.twin.fidelity import Circumstances, compare

from .shop import query

QUERY = query("SELECT 1")


def _plan(cost: float, *children: PlanNode, **names: str) -> Plan:
    return Plan(PlanNode("Seq Scan", cost, 0, 1, schema=names.get("schema"), relation="t", children=children))


def test_equal_plans_are_equal() -> None:
    [found] = compare([QUERY], [_plan(10)], [_plan(10.05)]).queries
    assert found.same_shape
    assert found.is_within_1_percent


def test_the_first_difference_is_named() -> None:
    inner = PlanNode("Sort", 1, 0, 1)
    [found] = compare([QUERY], [_plan(10, inner)], [_plan(10, PlanNode("Hash", 1, 0, 1))]).queries
    assert found.first_difference == "Sort on the source, Hash on the twin"
    [found] = compare([QUERY], [_plan(10, inner)], [_plan(10)]).queries
    assert "1 inputs on the source, 0 on the twin" in found.first_difference


def test_tables_of_one_name_in_two_schemas_differ() -> None:
    [found] = compare([QUERY], [_plan(1, schema="a")], [_plan(1, schema="b")]).queries
    assert not found.same_shape


def test_a_failure_on_either_side_is_neither_faithful_nor_hidden() -> None:
    failure = PlanFailure("42P01", "no such table")
    found = compare([QUERY, QUERY], [failure, _plan(1)], [_plan(1), failure])
    assert [q.first_difference for q in found.queries] == [
        "not planned on the source: no such table",
        "not planned on the twin: no such table",
    ]
    # What the source does not plan for this role says nothing of the twin.
    assert found.summary() == {"queries": 1, "within_1_percent": 0.0, "same_shape": 0.0}


def test_of_an_empty_workload_nothing_is_said() -> None:
    assert compare([], [], []).summary() == {"queries": 0, "within_1_percent": None, "same_shape": None}


def _reason(source: Plan | PlanFailure, twin: Plan | PlanFailure, circumstances: Circumstances) -> str:
    [found] = compare([QUERY], [source], [twin], circumstances).queries
    return found.reason


def test_a_difference_is_explained_where_the_circumstances_tell() -> None:
    other = Circumstances(source_version=150018, twin_version=180006)
    same = Circumstances(source_version=180004, twin_version=180006)
    assert _reason(_plan(10), _plan(11), other) == "other major version: the source is PostgreSQL 15, the twin 18"
    assert _reason(_plan(10), _plan(11), same) == ""
    assert _reason(_plan(10), _plan(10), other) == ""
    unreadable = Circumstances(unreadable=frozenset({("a", "t"), ("b", "u")}))
    assert _reason(_plan(10, schema="a"), _plan(11, schema="a"), unreadable) == (
        "this role may not read the statistics of a.t"
    )
    partly = Circumstances(partly_hidden=frozenset({("a", "t")}))
    assert "some statistics" in _reason(_plan(10, schema="a"), _plan(11, schema="a"), partly)
    assert _reason(_plan(10, schema="b"), _plan(11, schema="b"), partly) == ""
    used = Plan(PlanNode("Index Scan", 10, 0, 1, schema="a", relation="t", index="by_word"))
    assert "not on the twin" in _reason(used, _plan(11, schema="a"), Circumstances(absent=frozenset({"by_word"})))
    assert _reason(used, _plan(11, schema="a"), Circumstances(absent=frozenset({"other"}))) == ""
    guessed = Circumstances(estimated=frozenset({"by_word"}))
    assert _reason(used, _plan(11, schema="a"), guessed).endswith("only their length is known: by_word")
    assert _reason(_plan(10, schema="a"), _plan(11, schema="a"), guessed) == ""
    catalog = _plan(10, schema="pg_catalog")
    assert _reason(catalog, _plan(11, schema="pg_catalog"), same).startswith("the twin's system catalog is its own")
    ended = Circumstances(unknown_ends=frozenset({("a", "t")}))
    assert "of a.t the twin does not know all ends" in _reason(_plan(10, schema="a"), _plan(11, schema="a"), ended)
    guarded = Circumstances(guarded=frozenset({("a", "t")}))
    assert _reason(_plan(10, schema="a"), _plan(11, schema="a"), guarded).endswith("row-level security of a.t")
    assert "without most-common values" in _reason(_plan(10), _plan(11), Circumstances(has_values=False))


def test_what_the_twin_lacks_is_told_as_such() -> None:
    assert "not on the twin" in _reason(_plan(1), PlanFailure("42883", "no such function"), Circumstances())
    assert _reason(_plan(1), PlanFailure("57014", "cancelled"), Circumstances()) == ""
    assert "as in $1::text" in _reason(_plan(1), PlanFailure("42P18", "no type"), Circumstances())
    assert _reason(PlanFailure("42P01", "none"), _plan(1), Circumstances()) == "the source itself cannot plan it"
