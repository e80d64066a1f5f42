"""Why a query has no index of the chosen: the reason that is told is the one that holds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pytest

from trimtab.model.change import CreateIndex
from trimtab.model.workload import Query, QueryKind
from trimtab.propose.atoms import Planner
from trimtab.propose.problem import Atom, Problem
from trimtab.propose.selection import Truth
from trimtab.propose.worth import lacks, worths

from .test_proof import Table

QUERY = Query("q", "q", "", "", 1.0, QueryKind.READ)
ATOMS = [Atom(frozenset(), 100.0), Atom(frozenset({"a"}), 10.0)]


def of(
    queries: Sequence[Query],
    atoms: dict[str, list[Atom]],
    budget: int = 1 << 30,
    room: Mapping[tuple[str, str], int] | None = None,
) -> Problem:
    return Problem(
        candidates={"a": CreateIndex("public", "t", "a", "", ())},
        sizes={"a": 1 << 20},
        keep_ms={"a": 0.0},
        queries=queries,
        value=dict.fromkeys(atoms, 1.0),
        base_cost={query_id: known[0].cost for query_id, known in atoms.items()},
        budget_bytes=budget,
        max_per_table=room or {},
        atoms=atoms,
    )


@pytest.mark.parametrize(
    ("budget", "room", "own", "expected"),
    [
        (1 << 30, {}, ["a"], "costs more than it saves"),
        (1 << 10, {}, ["a"], "larger than the budget"),
        (1 << 30, {("public", "t"): 0}, ["a"], "more indexes than its table may have"),
        (1 << 30, {("public", "t"): 1, ("public", "u"): 0}, ["a"], "costs more than it saves"),
        (1 << 30, {}, [], "nothing that it asks wants an index"),
    ],
)
def test_the_reason_is_told(budget: int, room: dict[tuple[str, str], int], own: list[str], expected: str) -> None:
    problem = of([QUERY], {"q": ATOMS}, budget, room)
    truth = Truth(problem, Planner(problem, Table({"q": ATOMS}), {"q": "a"}))
    [lack] = lacks(problem, truth, [], {"q": own}, {}, {})
    assert expected in lack.reason
    assert (lack.cost, lack.best) == (100.0, 10.0)


def test_a_query_whose_look_ups_use_a_chosen_index_lacks_none() -> None:
    lookup = Query("q/fk", "q/fk", "", "", 1.0, QueryKind.READ)
    atoms = {"q": [Atom(frozenset(), 100.0)], "q/fk": ATOMS}
    problem = of([QUERY, lookup], atoms)
    truth = Truth(problem, Planner(problem, Table(atoms), {"q": "", "q/fk": "a"}))
    own, parents = {"q": ["a"]}, {"q/fk": "q"}
    assert lacks(problem, truth, ["a"], own, {}, parents) == []
    assert [lack.query_id for lack in lacks(problem, truth, [], own, {}, parents)] == ["q"]


def test_a_statement_with_several_values_is_told_once() -> None:
    other = Query("qb", "qb", "", "", 1.0, QueryKind.READ, drawn_of="q")
    atoms = {"q": ATOMS, "qb": [Atom(frozenset(), 50.0), Atom(frozenset({"a"}), 5.0)]}
    problem = of([QUERY, other], atoms)
    truth = Truth(problem, Planner(problem, Table(atoms), {"q": "a", "qb": "a"}))
    own, owners = {"q": ["a"], "qb": ["a"]}, {"q": "q", "qb": "q"}
    [worth] = worths(problem, truth, ["a"], owners)
    assert [(gain.query_id, gain.before, gain.after) for gain in worth.gains] == [("q", 150.0, 15.0)]
    assert lacks(problem, truth, ["a"], own, {}, owners) == []
    [lack] = lacks(problem, truth, [], own, {}, owners)
    assert (lack.query_id, lack.cost, lack.best, lack.names) == ("q", 150.0, 15.0, ("a",))
