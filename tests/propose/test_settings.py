"""Settings from what the lab saw."""

from __future__ import annotations

from dataclasses import replace

import pytest

from trimtab.model.catalog import Setting
from trimtab.model.change import SetSetting
from trimtab.model.plan import Plan, PlanNode
from trimtab.propose.context import Context
from trimtab.propose.settings import propose

from .catalogue import context, node

WORK_MEM = Setting("work_mem", "4096", "kB", "user", "default", True)
PAGE_COST = Setting("random_page_cost", "4", None, "user", "default", True)


def sort(space_kb: float, *, on_disk: bool = True) -> PlanNode:
    return replace(node("Sort"), sort_space_kb=space_kb, sort_on_disk=on_disk)


def values(given: Context) -> dict[str, str | None]:
    changes = [change for strategy in propose(given) for change in strategy.changes]
    assert all(isinstance(c, SetSetting) and (c.scope, c.scope_name) == ("database", "shop") for c in changes)
    return {change.name: change.value for change in changes if isinstance(change, SetSetting)}


def test_a_sort_on_disk_asks_for_the_memory_that_would_have_held_it() -> None:
    given = context(plans={"q": node("Limit", sort(10_000))}, settings=[WORK_MEM])
    assert values(given) == {"work_mem": "32MB"}
    [strategy] = propose(given)
    assert strategy.query_ids == ("q",)
    assert strategy.evidence["value_before"] == "4096kB"


def test_a_hash_in_batches_asks_for_as_many_times_more() -> None:
    given = context(plans={"q": replace(node("Hash"), hash_batches=4)}, settings=[WORK_MEM])
    assert values(given) == {"work_mem": "32MB"}


def test_the_largest_spill_of_all_queries_counts() -> None:
    given = context(plans={"q": sort(10_000), "r": sort(20_000), "s": node("Seq Scan")}, settings=[WORK_MEM])
    assert values(given) == {"work_mem": "64MB"}
    assert propose(given)[0].query_ids == ("q", "r")


def test_what_fits_into_memory_asks_for_nothing() -> None:
    assert values(context(plans={"q": sort(3_000, on_disk=False)}, settings=[WORK_MEM])) == {}


@pytest.mark.parametrize(
    ("value", "unit"), [("65536", "kB"), ("64", "MB"), ("8192", "8kB"), ("64MB", None), ("65536kB", "kB")]
)
def test_the_value_is_read_in_its_unit(value: str, unit: str | None) -> None:
    setting = replace(WORK_MEM, value=value, unit=unit)
    assert values(context(plans={"q": sort(20_000)}, settings=[setting])) == {}
    assert values(context(plans={"q": sort(40_000)}, settings=[setting])) == {"work_mem": "128MB"}


def test_the_specification_limits_the_value() -> None:
    plans = {"q": sort(1e6)}
    assert values(context(plans=plans, settings=[WORK_MEM], settings_max={"work_mem": "24MB"})) == {"work_mem": "24MB"}
    assert values(context(plans=plans, settings=[WORK_MEM], settings_max={"work_mem": "4MB"})) == {}
    assert values(context(plans=plans, settings=[WORK_MEM], settings_max={})) == {}
    assert values(context(plans=plans)) == {}


def pages(given: Context, read: int) -> Context:
    plan = Plan(node("Seq Scan"), shared_blocks=1000, shared_blocks_read=read)
    return replace(given, plans=dict.fromkeys(given.plans, plan))


def test_pages_in_memory_make_a_random_read_as_cheap_as_the_next_one() -> None:
    given = context(plans={"q": node("Seq Scan")}, settings=[PAGE_COST])
    assert values(pages(given, 0)) == values(pages(given, 50)) == {"random_page_cost": "1.1"}
    assert values(pages(given, 51)) == {}
    assert values(given) == {}


def test_a_page_cost_that_is_low_already_or_not_allowed_stays() -> None:
    low = context(plans={"q": node("Seq Scan")}, settings=[replace(PAGE_COST, value="1.5")])
    assert values(pages(low, 0)) == {}
    narrow = context(plans={"q": node("Seq Scan")}, settings=[PAGE_COST], settings_max={"random_page_cost": "1.0"})
    assert values(pages(narrow, 0)) == {}


def test_what_the_owner_set_for_the_database_stays() -> None:
    scoped = {("database:shop", "work_mem"): "4MB", ("database:shop", "random_page_cost"): "4"}
    given = context(plans={"q": sort(1e6)}, settings=[WORK_MEM, PAGE_COST], scoped=scoped)
    assert values(pages(given, 0)) == values(given) == {}
    other = context(plans={"q": sort(10_000)}, settings=[WORK_MEM], scoped={("database:other", "work_mem"): "4MB"})
    assert values(other) == {"work_mem": "32MB"}
