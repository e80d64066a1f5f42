"""The proof against trying every set: no set is better than the bound, and the set that is returned comes near it."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from itertools import combinations
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import trimtab.propose.proof as proof_module
from trimtab.model.change import CreateIndex
from trimtab.model.plan import Plan
from trimtab.model.whatif import Hypothesis, PlanFailure
from trimtab.model.workload import Query, QueryKind
from trimtab.propose.atoms import Planner
from trimtab.propose.candidate import Candidate, Key
from trimtab.propose.frontier import frontier
from trimtab.propose.gathering import gather_atoms
from trimtab.propose.indexes import ask_beside
from trimtab.propose.ordering import best_first
from trimtab.propose.problem import Atom, Problem
from trimtab.propose.proof import ENOUGH, UNASKED, prove
from trimtab.propose.relaxation import Relaxation, Relaxed
from trimtab.propose.selection import TOLERANCE, Truth, select
from trimtab.propose.solver import solve, solve_with_guesses
from trimtab.propose.worth import worths

from .test_solver import NAMES, is_allowed, problems


class Table:
    """A planner whose plans are written down: of those whose indexes are there it takes the cheapest."""

    def __init__(self, plans: dict[str, list[Atom]]) -> None:
        self.planner_calls = 0
        self.asked: list[tuple[str, frozenset[str]]] = []
        self._plans = plans

    def what_if(
        self,
        queries: Sequence[Query],
        configurations: Sequence[tuple[Hypothesis, ...]],
        *,
        generic: bool | None = None,
    ) -> list[list[Plan | PlanFailure]]:
        self.planner_calls += len(queries) * len(configurations)
        there = [{c.name for c in changes if isinstance(c, CreateIndex)} for changes in configurations]
        self.asked += [(query.id, frozenset(names)) for names in there for query in queries]
        return [[self._plan(query, names) for query in queries] for names in there]

    def what_if_each(
        self, groups: Sequence[tuple[Sequence[Query], tuple[Hypothesis, ...]]]
    ) -> list[list[Plan | PlanFailure]]:
        return [self.what_if(queries, [changes])[0] for queries, changes in groups]

    def _plan(self, query: Query, names: set[str]) -> Plan:
        atom = self._choice(query, names)
        scans = [{"Node Type": "Index Scan", "Index Name": name} for name in sorted(atom.indexes)]
        root = {"Node Type": "Append", "Total Cost": atom.cost, "Startup Cost": 0.0, "Plan Rows": 1.0}
        plans = [scan | {"Total Cost": 0.0, "Startup Cost": 0.0, "Plan Rows": 1.0} for scan in scans]
        return Plan.unread(json.dumps([{"Plan": root | {"Plans": plans}}]))

    def _choice(self, query: Query, names: set[str]) -> Atom:
        return min((a for a in self._plans[query.id] if a.indexes <= names), key=lambda a: (a.cost, sorted(a.indexes)))

    def size_bytes(self, changes: Sequence[CreateIndex]) -> list[int | None]:
        raise AssertionError("the sizes are known")

    def refusal(self, change: CreateIndex, among: Sequence[Hypothesis] = ()) -> str | None:
        raise AssertionError("nothing is refused")


def asked(problem: Problem) -> tuple[Problem, Table, Planner]:
    """The problem before anybody asked: only what the queries cost now is known."""
    plans = {q: [replace(atom, not_under=frozenset()) for atom in atoms] for q, atoms in problem.atoms.items()}
    table = Table(plans)
    fresh = replace(
        problem, atoms={q: [Atom(frozenset(), cost)] for q, cost in problem.base_cost.items()}, max_per_table={}
    )
    fresh.base_cost = {q: min(a.cost for a in atoms if not a.indexes) for q, atoms in plans.items()}
    planner = Planner(fresh, table, {query.id: problem.candidates for query in problem.queries})
    return fresh, table, planner


def best_of_all(problem: Problem, truth: Truth) -> float:
    sets = [names for size in range(len(NAMES) + 1) for names in combinations(NAMES, size)]
    return min(truth.objective(names) for names in sets if is_allowed(problem, names))


@given(problems())
@settings(deadline=None, max_examples=25)
def test_no_set_beats_the_bound_and_the_returned_one_comes_near(problem: Problem) -> None:
    fresh, table, planner = asked(problem)
    truth = Truth(fresh, planner)
    proof = prove(fresh, planner, (), truth.objective, seconds=60)
    expected = best_of_all(fresh, Truth(fresh, Planner(fresh, table, planner.relevant)))
    assert proof.lower_bound <= expected * (1 + 1e-6)
    assert proof.objective >= expected * (1 - 1e-6)
    assert proof.objective == pytest.approx(truth.objective(proof.names))
    assert is_allowed(fresh, proof.names)
    assert proof.gap <= ENOUGH


@given(problems(), st.sampled_from([0.0, UNASKED, 0.1]))
@settings(deadline=None, max_examples=40)
def test_no_step_of_a_proof_promises_more_than_there_is(problem: Problem, unasked: float) -> None:
    bounds: list[float] = []

    def solved(self: Relaxation, *arguments: Any, **named: Any) -> Relaxed | None:
        found = of_relaxation(self, *arguments, **named)
        bounds.append(0.0 if found is None else found.lower_bound)
        return found

    def of_guesses(*arguments: Any, **named: Any) -> tuple[tuple[str, ...], float]:
        chosen, bound = solve_with_guesses(*arguments, **named)
        bounds.append(bound)
        return chosen, bound

    of_relaxation = Relaxation.solved
    fresh, table, planner = asked(problem)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Relaxation, "solved", solved)
        patch.setattr(proof_module, "solve_with_guesses", of_guesses)
        patch.setattr(proof_module, "UNASKED", unasked)
        prove(fresh, planner, (), Truth(fresh, planner).objective, seconds=60, gap=1e-9)
    expected = best_of_all(fresh, Truth(fresh, Planner(fresh, table, planner.relevant)))
    assert bounds
    assert max(bounds) <= expected * (1 + 1e-6)


@given(problems())
@settings(deadline=None, max_examples=25)
def test_a_selection_is_proven_when_it_is_asked_for(problem: Problem) -> None:
    fresh, _, planner = asked(replace(problem, refused=set()))  # Without a limit no set is refused.
    assert select(fresh, planner).lower_bound is None
    proven = select(fresh, planner, proof_seconds=60)
    assert proven.lower_bound is not None
    assert proven.lower_bound <= proven.objective * (1 + 1e-6)


@given(problems())
@settings(deadline=None, max_examples=25)
def test_what_the_proof_found_is_taken_and_known_to_the_model(problem: Problem) -> None:
    fresh, _, planner = asked(replace(problem, refused=set(), max_regression=None))
    proven = select(fresh, planner, proof_seconds=60)
    names = [change.name for changes, _ in proven.chosen for change in changes]
    assert proven.lower_bound == pytest.approx(proven.objective, rel=2 * ENOUGH)
    assert fresh.workload_ms(names) == pytest.approx(proven.cost_after, rel=TOLERANCE)
    truth = Truth(fresh, planner)
    for worth in worths(fresh, truth, names, {}):
        without = truth.objective([name for name in names if name != worth.name])
        assert worth.loss <= without - truth.objective(names) + 1e-6  # A stand-in is no worse than nothing instead.


def test_an_index_is_left_out_whose_query_another_of_the_chosen_serves_nearly_as_well() -> None:
    base, narrow, wide = Atom(frozenset(), 100.0), Atom(frozenset({"a"}), 10.0), Atom(frozenset({"b"}), 10.1)
    problem = Problem(
        candidates={name: CreateIndex("public", "t", name, "", ()) for name in ("a", "b")},
        sizes={"a": 1 << 20, "b": 2 << 20},
        keep_ms={"a": 5.0, "b": 5.0},
        queries=[Query(name, name, "", "", 1.0, QueryKind.READ) for name in ("q1", "q2")],
        value={"q1": 1.0, "q2": 1.0},
        base_cost={"q1": 100.0, "q2": 100.0},
        budget_bytes=1 << 30,
        max_per_table={},
        atoms={"q1": [base, wide], "q2": [base, narrow]},  # Nobody asked what the wide one does for q2.
    )
    planner = Planner(problem, Table({"q1": [base, wide], "q2": [base, narrow, wide]}), {"q1": "ab", "q2": "ab"})
    chosen = select(problem, planner).chosen
    assert [change.name for changes, _ in chosen for change in changes] == ["b"]


class Mistaken(Table):
    """A planner that takes the last plan of the list whose indexes are there, whatever it costs."""

    def _choice(self, query: Query, names: set[str]) -> Atom:
        return [atom for atom in self._plans[query.id] if atom.indexes <= names][-1]


def mistaken(problem: Problem, max_regression: float | None) -> tuple[Problem, Planner]:
    """The problem before anybody asked, and a planner that makes queries worse by its choices."""
    plans = {q: [replace(atom, not_under=frozenset()) for atom in atoms] for q, atoms in problem.atoms.items()}
    known = {q: [Atom(frozenset(), cost)] for q, cost in problem.base_cost.items()}
    fresh = replace(problem, atoms=known, refused=set(), max_regression=max_regression)
    planner = Planner(fresh, Mistaken(plans), {query.id: problem.candidates for query in problem.queries})
    gather_atoms(fresh, planner, {query.id: list(problem.candidates) for query in problem.queries})
    return fresh, planner


@given(problems(), st.sampled_from((0.0, 0.2)), st.sampled_from((0.0, 10.0)))
@settings(deadline=None, max_examples=40)
def test_no_query_is_made_worse_than_allowed_by_a_planner_that_errs(
    problem: Problem, limit: float, proof: float
) -> None:
    fresh, planner = mistaken(problem, limit)
    selection = select(fresh, planner, proof_seconds=proof)
    names = [change.name for changes, _ in selection.chosen for change in changes]
    assert all(cap.holds(names) for cap in fresh.caps)
    for query, atom in zip(fresh.queries, planner.atoms(fresh.queries, names, is_asked=True), strict=True):
        assert atom.cost <= fresh.base_cost[query.id] * (1 + limit) * (1 + TOLERANCE)


@pytest.mark.parametrize(("limit", "expected"), [(None, "a"), (0.6, "a"), (0.05, "b")])
def test_a_set_that_makes_a_query_worse_than_allowed_gives_way_to_the_next_best(
    limit: float | None, expected: str
) -> None:
    """The first query gains most by `a`, which the planner uses for the second too, at half as much again."""
    queries = [Query(name, name, "", "", 1.0, QueryKind.READ) for name in ("first", "second")]
    none, a, b = frozenset[str](), frozenset({"a"}), frozenset({"b"})
    problem = Problem(
        candidates={name: CreateIndex("public", "t", name, "", ()) for name in "ab"},
        sizes={"a": 1, "b": 1},
        keep_ms={},
        queries=queries,
        value={"first": 10.0, "second": 1.0},
        base_cost={"first": 100.0, "second": 100.0},
        budget_bytes=1,
        max_per_table={},
        atoms={
            "first": [Atom(none, 100.0), Atom(b, 30.0), Atom(a, 10.0)],
            "second": [Atom(none, 100.0), Atom(a, 150.0)],
        },
    )
    fresh, planner = mistaken(problem, limit)
    selection = select(fresh, planner, proof_seconds=10)
    [((change,), _)] = selection.chosen
    assert change.name == expected
    assert selection.lower_bound is not None
    assert selection.lower_bound <= selection.objective * (1 + 1e-6)
    points = frontier(fresh, Truth(fresh, planner), [change.name])
    assert {name for point in points for name in point.names} == {expected}


def test_without_time_nothing_is_claimed() -> None:
    query = Query("q", "q", "", "", 1.0, QueryKind.READ)
    problem = Problem(
        candidates={"a": CreateIndex("public", "t", "a", "", ())},
        sizes={"a": 1},
        keep_ms={},
        queries=[query],
        value={"q": 1.0},
        base_cost={"q": 100.0},
        budget_bytes=10,
        max_per_table={},
        atoms={"q": [Atom(frozenset(), 100.0), Atom(frozenset({"a"}), 1.0)]},
    )
    fresh, _, planner = asked(problem)
    proof = prove(fresh, planner, (), Truth(fresh, planner).objective, seconds=0)
    assert (proof.lower_bound, proof.gap) == (0.0, 1.0)


def small(sizes: dict[str, int], plans: dict[str, list[Atom]]) -> tuple[Problem, Table, Planner]:
    """A problem of one table before anybody asked, where any query could use any index, with a budget of 10."""
    queries = [Query(name, name, "", "", 1.0, QueryKind.READ) for name in plans]
    problem = Problem(
        candidates={name: CreateIndex("public", "t", name, "", ()) for name in sizes},
        sizes=sizes,
        keep_ms={},
        queries=queries,
        value=dict.fromkeys(plans, 1.0),
        base_cost={query_id: max(atom.cost for atom in atoms) for query_id, atoms in plans.items()},
        budget_bytes=10,
        max_per_table={},
    )
    table = Table(plans)
    return problem, table, Planner(problem, table, dict.fromkeys(plans, sizes))


NONE, A, B, U = frozenset[str](), frozenset({"a"}), frozenset({"b"}), frozenset({"u"})


def test_only_those_queries_are_asked_about_that_are_named() -> None:
    plans = {"first": [Atom(NONE, 50), Atom(A, 10)], "second": [Atom(NONE, 50), Atom(A, 20)]}
    problem, table, planner = small({"a": 1}, plans)
    gather_atoms(problem, planner, {"second": ["a"]})
    assert {query_id for query_id, _ in table.asked} == {"second"}
    assert problem.atoms["first"] == [Atom(NONE, 50)]
    assert Atom(A, 20) in problem.atoms["second"]


def test_what_several_would_share_is_asked_of_each_in_place_of_its_parts() -> None:
    plans = {name: [Atom(NONE, 50), Atom(own, 10), Atom(U, 12)] for name, own in (("first", A), ("second", B))}
    problem, table, planner = small({"a": 6, "b": 6, "u": 8}, plans)
    problem.atoms = {"first": [Atom(NONE, 50), Atom(A, 10)], "second": [Atom(NONE, 50), Atom(B, 10)]}
    assert len(solve(problem)[0]) == 1
    narrow = Candidate("public", "t", (Key("k"),), rule="columns")
    included = {"a": ("x",), "b": ("y",), "u": ("x", "y")}
    candidates = {name: replace(narrow, included=columns) for name, columns in included.items()}
    ask_beside(problem, planner, candidates, {"first": ["u"], "second": ["u"]}, {"a", "b"})
    assert table.asked == [("first", U), ("second", U)]
    assert solve(problem)[0] == ("u",)


def test_ordering_shows_a_query_only_what_its_plans_use() -> None:
    plans = {"first": [Atom(NONE, 50), Atom(A, 10)], "second": [Atom(NONE, 50), Atom(B, 20)]}
    problem, table, planner = small({"a": 1, "b": 1}, plans)
    problem.atoms = plans
    assert best_first(problem, planner, ["a", "b"]) == [(("a",), 40), (("b",), 30)]
    assert set(table.asked) == {("first", A), ("second", B)}
