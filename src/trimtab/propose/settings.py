"""Proposes settings for the database, each from something that the lab saw: spills to disk, or pages found in memory.

It never guesses from the size of the machine, proposes one value per setting, and leaves alone what the owner has set
for the database already.
"""

from __future__ import annotations

from collections.abc import Iterable

from trimtab.model.change import SetSetting
from trimtab.model.plan import Plan
from trimtab.model.strategy import Strategy
from trimtab.propose.context import Context
from trimtab.spec.quantity import parse_quantity, size_text

NAME = "settings"
KIB = 1024
# In memory a sorted row takes about two and a half times what it takes in a temporary file.
SORT_GROWTH = 2.5
# Batches are a power of two, and the fullest one is fuller than the average.
HASH_GROWTH = 2
# With at most this share of the pages read from outside the buffers, a random page costs what a sequential one does.
MOST_READ = 0.05
RANDOM_PAGE_COST = 1.1
# Not worth a change below this.
LEAST_RANDOM_PAGE_COST = 1.5


def propose(context: Context) -> list[Strategy]:
    """Return the strategies whose evidence was seen."""
    found = [_work_mem(context), _random_page_cost(context)]
    return [strategy for strategy in found if strategy is not None]


def _work_mem(context: Context) -> Strategy | None:
    """Enough memory for the largest sort or hash that went to disk, as far as the specification allows."""
    now = _value_now(context, "work_mem")
    largest = _largest_value(context, "work_mem")
    if now is None or largest is None:
        return None
    needs = {q.id: _unspilled_bytes(context.plans[q.id], int(now)) for q in context.queries if q.id in context.plans}
    spilling = {query_id: size for query_id, size in needs.items() if size > 0}
    if not spilling:
        return None
    value = min(_power_of_two(max(spilling.values())), int(largest)) // KIB * KIB
    if value <= now:
        return None
    how_many = "1 query" if len(spilling) == 1 else f"{len(spilling)} queries"
    reason = f"{how_many} spilled sorts or hashes to disk at {size_text(int(now))}"
    return _strategy(context, "work_mem", size_text(value), reason, spilling)


def _unspilled_bytes(plan: Plan, now_bytes: int) -> int:
    """Return the memory that would have kept the plan's largest spill in memory, 0 when nothing spilled."""
    most = 0.0
    for node in plan.root.walk():
        if node.sort_on_disk:
            most = max(most, node.sort_space_kb * KIB * SORT_GROWTH)
        elif node.hash_batches > 1:
            most = max(most, now_bytes * node.hash_batches * HASH_GROWTH)
    return int(most)


def _random_page_cost(context: Context) -> Strategy | None:
    """Where the lab found the pages in memory, a random page costs about what a sequential one does."""
    now = _value_now(context, "random_page_cost")
    largest = _largest_value(context, "random_page_cost")
    if now is None or now <= LEAST_RANDOM_PAGE_COST or largest is None or largest < RANDOM_PAGE_COST:
        return None
    plans = {query.id: context.plans[query.id] for query in context.queries if query.id in context.plans}
    pages = sum(plan.shared_blocks for plan in plans.values())
    read = sum(plan.shared_blocks_read for plan in plans.values())
    if pages == 0 or read > MOST_READ * pages:
        return None
    share = 100 * (pages - read) / pages
    reason = f"{share:.1f} % of the pages were found in memory, where a random read costs no more"
    return _strategy(context, "random_page_cost", str(RANDOM_PAGE_COST), reason, plans)


def _value_now(context: Context, name: str) -> float | None:
    """Return the setting's value in bytes or its own number; None when unknown, or when the database has its own."""
    setting = context.snapshot.settings.get(name)
    scope = f"database:{context.snapshot.server.database}"
    if setting is None or (scope, name) in context.snapshot.scoped_settings:
        return None
    return parse_quantity(setting.value, setting.unit).value


def _largest_value(context: Context, name: str) -> float | None:
    limit = context.limits.settings_max.get(name)
    return None if limit is None else parse_quantity(limit).value


def _strategy(context: Context, name: str, value: str, reason: str, query_ids: Iterable[str]) -> Strategy:
    setting = context.snapshot.settings[name]
    database = context.snapshot.server.database
    return Strategy(
        changes=(SetSetting("database", database, name, value),),
        proposer=NAME,
        title=f"{name} = {value} for database {database}",
        reason=reason,
        query_ids=tuple(query_ids),
        evidence={"value_before": setting.value + (setting.unit or "")},
    )


def _power_of_two(size_bytes: int) -> int:
    value = KIB * KIB
    while value < size_bytes:
        value *= 2
    return value
