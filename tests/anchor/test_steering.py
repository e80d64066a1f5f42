"""Claims about settings that bring an old plan back: the fewest are found, and what is found does it."""

from __future__ import annotations

from collections.abc import Callable

from hypothesis import given
from hypothesis import strategies as st

from trimtab.anchor.steering import steering
from trimtab.model.plan import Plan, PlanNode
from trimtab.model.plan_shape import plan_shape
from trimtab.model.whatif import PlanFailure

from .test_attribute import Planner

Settings = frozenset[tuple[str, str]]
OLD = Plan(PlanNode("Index Scan", 1.0, 0.0, 1.0, "public", "t", "t", "t_x"))
SCAN = PlanNode("Seq Scan", 1.0, 0.0, 1.0, "public", "t", "t")
NEW = Plan(PlanNode("Hash Join", 1.0, 0.0, 1.0, children=(SCAN, PlanNode("Hash", 1.0, 0.0, 1.0, children=(SCAN,)))))
SHAPES = plan_shape(OLD, {}), plan_shape(NEW, {})
OF_NEW = (("enable_hashjoin", "off"), ("enable_seqscan", "off"))
CHOICES = (*OF_NEW, ("random_page_cost", "1.1"), ("work_mem", "64MB"))


class Counted:
    """Steers by a function, and remembers what it was asked."""

    def __init__(self, steered: Callable[[Settings], Plan | PlanFailure]) -> None:
        self.asked: list[Settings] = []
        self._steered = steered

    def __call__(self, settings: Settings) -> Plan | PlanFailure:
        self.asked.append(settings)
        return self._steered(settings)


def planner(steered: Callable[[Settings], Plan | PlanFailure]) -> Planner:
    return Planner(lambda *_: NEW, steered=steered)


@given(st.sets(st.sampled_from(CHOICES), min_size=1, max_size=3).map(frozenset))
def test_the_fewest_settings_are_found(needed: Settings) -> None:
    found = steering(planner(lambda settings: OLD if needed <= settings else NEW), *SHAPES)
    assert found is not None
    assert frozenset(found.items()) == needed


def test_what_keeps_the_planner_from_the_new_plan_alone_is_tried_first() -> None:
    counted = Counted(lambda _: NEW)
    assert steering(planner(counted), *SHAPES, most_plans=100) is None
    assert counted.asked[:2] == [frozenset({one}) for one in OF_NEW]
    assert len(counted.asked) == 100
    assert ("enable_indexscan", "off") not in set.union(*map(set, counted.asked))  # The old plan needs it.


def test_what_cannot_be_planned_is_passed_over() -> None:
    found = steering(planner(lambda settings: PlanFailure("", "refused") if len(settings) < 2 else OLD), *SHAPES)
    assert found is not None
    assert len(found) == 2


def test_no_setting_is_set_twice() -> None:
    counted = Counted(lambda _: NEW)
    steering(planner(counted), *SHAPES)
    assert all(len({name for name, _ in settings}) == len(settings) for settings in counted.asked)
