"""The solver against trying every set of small random problems: its set is the best, and its bound is that set's."""

from __future__ import annotations

from itertools import chain, combinations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from trimtab.model.change import CreateIndex
from trimtab.model.workload import Query, QueryKind
from trimtab.propose.problem import Atom, Cap, Problem, Refused
from trimtab.propose.reduction import reduced
from trimtab.propose.solver import solve

NAMES = ("a", "b", "c", "d", "e", "f")
sets = st.frozensets(st.sampled_from(NAMES), max_size=3)
costs = st.integers(1, 60).map(float)
loads = st.dictionaries(st.sampled_from(NAMES), st.integers(0, 5).map(float))


@st.composite
def problems(draw: st.DrawFn) -> Problem:
    """Any problem whose atoms were seen: one of no index per query, and some that do not hold beside others."""
    atoms: dict[str, list[Atom]] = {}
    base: dict[str, float] = {}
    for number in range(draw(st.integers(1, 4))):
        base[f"q{number}"] = draw(st.integers(40, 99).map(float))
        found = [Atom(frozenset(), base[f"q{number}"])]
        for indexes in draw(st.lists(sets.filter(bool), max_size=6, unique=True)):
            beside = draw(sets) - indexes
            found.append(Atom(indexes, draw(costs), frozenset({beside} if beside else ())))
        atoms[f"q{number}"] = found
    return Problem(
        candidates={name: CreateIndex("public", "t" if name < "d" else "u", name, "", ()) for name in NAMES},
        sizes={name: draw(st.integers(1, 9)) << 20 for name in NAMES},
        keep_ms={name: draw(st.integers(0, 5).map(float)) for name in NAMES},
        queries=[Query(name, name, "", "", 1.0, QueryKind.READ) for name in atoms],
        value={name: draw(st.sampled_from((1.0, 2.5))) for name in atoms},
        base_cost=base,
        budget_bytes=draw(st.integers(0, 20)) << 20,
        max_per_table=draw(st.sampled_from(({}, {("public", "t"): 1}, {("public", "t"): 0, ("public", "u"): 2}))),
        atoms=atoms,
        caps=[Cap("any", draw(loads), draw(st.integers(0, 8).map(float))) for _ in range(draw(st.integers(0, 2)))],
        refused={Refused(present, draw(sets) - present) for present in draw(st.lists(sets.filter(bool), max_size=2))},
    )


def objective(problem: Problem, atoms: dict[str, list[Atom]], chosen: frozenset[str]) -> float:
    costs = (
        problem.value[query] * min(atom.cost for atom in found if atom.holds_under(chosen))
        for query, found in atoms.items()
    )
    return sum(costs) + sum(problem.charge_ms(name) for name in chosen)


def best(problem: Problem, atoms: dict[str, list[Atom]]) -> float:
    everything = chain.from_iterable(combinations(NAMES, size) for size in range(len(NAMES) + 1))
    return min(objective(problem, atoms, frozenset(names)) for names in everything if is_allowed(problem, names))


def is_allowed(problem: Problem, names: tuple[str, ...]) -> bool:
    tables = [(problem.candidates[name].schema, problem.candidates[name].table) for name in names]
    return (
        sum(problem.sizes[name] for name in names) <= problem.budget_bytes
        and all(tables.count(table) <= limit for table, limit in problem.max_per_table.items())
        and all(sum(cap.loads.get(name, 0) for name in names) <= cap.most for cap in problem.caps)
        and not any(refused.present <= set(names) and not refused.absent & set(names) for refused in problem.refused)
    )


@given(problems())
@settings(deadline=None)
def test_the_chosen_set_is_the_best_of_all_and_its_value_the_bound(problem: Problem) -> None:
    chosen, bound = solve(problem, relative_gap=0.0)
    expected = best(problem, problem.atoms)
    assert is_allowed(problem, chosen)
    assert objective(problem, problem.atoms, frozenset(chosen)) == pytest.approx(expected, rel=1e-6)
    assert bound == pytest.approx(expected, rel=1e-6)


@pytest.mark.parametrize("start", [(), ("a",), ("b",), ("c",), ("a", "c")])
def test_the_best_set_is_found_from_any_that_it_begins_with(start: tuple[str, ...]) -> None:
    base = {"q0": 700.0, "q1": 500.0}
    saved = {"q0": {"a": 56.0}, "q1": {"b": 30.0, "c": 20.0}}
    problem = Problem(
        candidates={name: CreateIndex("public", "t", name, "", ()) for name in "abc"},
        sizes=dict.fromkeys("abc", 1 << 20),
        keep_ms={"a": 46.0, "b": 9.0, "c": 47.0},
        queries=[Query(name, name, "", "", 1.0, QueryKind.READ) for name in base],
        value=dict.fromkeys(base, 1.0),
        base_cost=base,
        budget_bytes=1 << 40,
        max_per_table={},
        atoms={
            name: [Atom(frozenset(), cost), *(Atom(frozenset({index}), less) for index, less in saved[name].items())]
            for name, cost in base.items()
        },
    )
    chosen, bound = solve(problem, start=start)
    assert chosen == ("a", "b")
    assert bound == pytest.approx(141)


@given(problems())
@settings(deadline=None)
def test_a_reduced_problem_has_the_same_best_value(problem: Problem) -> None:
    assert best(problem, reduced(problem)) == pytest.approx(best(problem, problem.atoms), rel=1e-9)
