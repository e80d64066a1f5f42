"""The other solvers on small random problems: what they return is allowed, and never better than the best there is."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from trimtab.propose.anneal import SAMPLERS, anneal
from trimtab.propose.local import search
from trimtab.propose.problem import Problem
from trimtab.propose.solvers import attempts

from .test_solver import best, is_allowed, objective, problems

SEVERAL = settings(deadline=None, max_examples=25)


@given(problems(), st.sampled_from(SAMPLERS))
@SEVERAL
def test_a_sample_is_mended_to_an_allowed_set(problem: Problem, sampler: str) -> None:
    names = anneal(problem, sampler, seconds=0.01, seed=1)
    assert is_allowed(problem, names)
    assert objective(problem, problem.atoms, frozenset(names)) >= best(problem, problem.atoms) - 1e-6


@given(problems())
@SEVERAL
def test_local_search_finds_an_allowed_set_no_worse_than_none(problem: Problem) -> None:
    names = search(problem, seconds=0.01, seed=1)
    assert is_allowed(problem, names)
    found = objective(problem, problem.atoms, frozenset(names))
    assert best(problem, problem.atoms) - 1e-6 <= found <= objective(problem, problem.atoms, frozenset()) + 1e-6


@pytest.mark.parametrize(("solver", "names"), [("anneal", ("exact", *SAMPLERS)), ("local", ("exact", "local"))])
@given(problem=problems())
@settings(deadline=None, max_examples=1)
def test_each_solver_is_judged_by_the_planner(solver: str, names: tuple[str, ...], problem: Problem) -> None:
    judged: list[tuple[str, ...]] = []

    def truth(chosen: Sequence[str]) -> float:
        judged.append(tuple(chosen))
        return float(len(judged))

    found = attempts(solver, problem, truth, exact=((), 0.0))
    assert tuple(attempt.solver for attempt in found) == names
    assert [attempt.names for attempt in found] == judged
    assert [attempt.objective for attempt in found] == [float(n) for n in range(1, len(names) + 1)]
