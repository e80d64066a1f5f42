"""The bound with parts of indexes allowed, and the set that is made of it, against trying every set."""

from __future__ import annotations

import math

from hypothesis import given, settings
from hypothesis import strategies as st

from trimtab.propose.problem import Atom, Problem
from trimtab.propose.relaxation import Relaxation, rounded
from trimtab.propose.solver import solve

from .test_solver import best, costs, is_allowed, objective, problems, sets


@given(problems())
@settings(deadline=None)
def test_no_set_is_better_than_the_bound(problem: Problem) -> None:
    relaxed = Relaxation(problem).solved(problem.atoms, {}, seconds=math.inf)
    assert relaxed is not None
    assert relaxed.lower_bound <= best(problem, problem.atoms) * (1 + 1e-6)
    assert relaxed.byte_ms >= 0
    assert all(-1e-9 <= part <= 1 + 1e-9 for part in relaxed.parts.values())


@given(problems())
@settings(deadline=None)
def test_what_is_made_of_parts_is_allowed_and_the_solver_does_no_worse_from_there(problem: Problem) -> None:
    relaxed = Relaxation(problem).solved(problem.atoms, {}, seconds=math.inf)
    assert relaxed is not None
    start = rounded(problem, relaxed.parts)
    assert is_allowed(problem, start) or not start
    chosen, _ = solve(problem, start=start)
    reached = [objective(problem, problem.atoms, frozenset(names)) for names in (chosen, start)]
    assert is_allowed(problem, chosen)
    assert reached[0] <= reached[1] * 1.002 or not is_allowed(problem, start)


@given(problems())
@settings(deadline=None, max_examples=50)
def test_a_program_that_is_added_to_says_the_same_as_a_fresh_one(problem: Problem) -> None:
    few = {query_id: [atom for atom in atoms if not atom.indexes] for query_id, atoms in problem.atoms.items()}
    some = {query_id: [*few[query_id], *problem.atoms[query_id][-1:]] for query_id in few}
    kept = Relaxation(problem)
    for atoms in (few, problem.atoms, some, few, problem.atoms):
        told, fresh = (program.solved(atoms, {}, seconds=math.inf) for program in (kept, Relaxation(problem)))
        assert told is not None
        assert fresh is not None
        assert math.isclose(told.lower_bound, fresh.lower_bound, rel_tol=1e-6, abs_tol=1e-6)


@given(problems(), st.data())
@settings(deadline=None)
def test_a_plan_more_brings_no_more_than_it_promises(problem: Problem, data: st.DataObject) -> None:
    before = Relaxation(problem).solved(problem.atoms, {}, seconds=math.inf)
    query_id = data.draw(st.sampled_from(sorted(problem.atoms)))
    plan = Atom(data.draw(sets), data.draw(costs))
    more = {**problem.atoms, query_id: [*problem.atoms[query_id], plan]}
    after = Relaxation(problem).solved(more, {}, seconds=math.inf)
    assert before is not None
    assert after is not None
    promise = before.promise(query_id, problem.value[query_id] * plan.cost, plan.indexes)
    assert before.lower_bound - after.lower_bound <= max(promise, 0.0) + 1e-6 * problem.base_ms
