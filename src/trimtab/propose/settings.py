"""Proposes settings for the database, each from something that the lab saw: spills to disk, or pages found in memory.

It never guesses from the size of the machine, and it proposes one value per setting.
"""

from __future__ import annotations

from collections.abc import Iterable

from trimtab.model.catalog import Setting
from trimtab.model.change import SetSetting
from trimtab.model.plan import Plan
from trimtab.model.strategy import Strategy
from trimtab.propose.context import Context

NAME = "settings"
_UNITS = {"kB": 1, "MB": 1024, "GB": 1024**2, "TB": 1024**3}


def propose(context: Context) -> list[Strategy]:
    """Return the strategies whose evidence was seen."""
    found = [_work_mem(context), _random_page_cost(context)]
    return [strategy for strategy in found if strategy is not None]


def _work_mem(context: Context) -> Strategy | None:
    """Enough memory for the largest sort or hash that went to disk, as far as the specification allows."""
    setting = context.snapshot.settings.get("work_mem")
    limit = context.limits.settings_max.get("work_mem")
    if setting is None or limit is None:
        return None
    now_kb = int(setting.value)
    needs = {q.id: _spilled_kb(context.plans[q.id], now_kb) for q in context.queries if q.id in context.plans}
    spilling = {query_id: kb for query_id, kb in needs.items() if kb > 0}
    if not spilling:
        return None
    wanted_kb = _power_of_two(max(spilling.values()))
    value_kb = min(wanted_kb, _kilobytes(limit))
    if value_kb <= now_kb:
        return None
    return _strategy(
        context,
        "work_mem",
        _memory_text(value_kb),
        f"{len(spilling)} queries spilled sorts or hashes to disk at {_memory_text(now_kb)}",
        tuple(spilling),
    )


def _spilled_kb(plan: Plan, now_kb: int) -> int:
    """Return the memory that would have kept the plan's largest spill in memory, 0 when nothing spilled."""
    most = 0
    for node in plan.root.walk():
        if node.sort_on_disk:
            # In memory a sorted row takes about twice what it takes in a temporary file.
            most = max(most, int(node.sort_space_kb * 2.5))
        elif node.hash_batches > 1:
            most = max(most, now_kb * node.hash_batches * 2)
    return most


def _random_page_cost(context: Context) -> Strategy | None:
    """Where the lab found the pages in memory, a random page costs about what a sequential one does."""
    setting = context.snapshot.settings.get("random_page_cost")
    if setting is None or "random_page_cost" not in context.limits.settings_max or float(setting.value) <= 1.5:
        return None
    read = sum(plan.shared_blocks_read for plan in context.plans.values())
    hit = sum(plan.shared_blocks - plan.shared_blocks_read for plan in context.plans.values())
    if hit + read == 0 or read > 0.05 * (hit + read):
        return None
    reason = f"{100 * hit / (hit + read):.1f} % of the pages were found in memory, where a random read costs no more"
    return _strategy(context, "random_page_cost", "1.1", reason, tuple(context.plans))


def _strategy(context: Context, name: str, value: str, reason: str, query_ids: Iterable[str]) -> Strategy:
    setting: Setting = context.snapshot.settings[name]
    change = SetSetting("database", context.snapshot.server.database, name, value)
    return Strategy(
        changes=(change,),
        proposer=NAME,
        title=f"{name} = {value} for database {context.snapshot.server.database}",
        reason=reason,
        query_ids=tuple(query_ids),
        evidence={"value_before": setting.value + (setting.unit or "")},
    )


def _power_of_two(kilobytes: int) -> int:
    value = 1024
    while value < kilobytes:
        value *= 2
    return value


def _kilobytes(text: str) -> int:
    for unit, factor in _UNITS.items():
        if text.endswith(unit):
            return int(text[: -len(unit)]) * factor
    return int(text)


def _memory_text(kilobytes: int) -> str:
    return f"{kilobytes // 1024}MB" if kilobytes % 1024 == 0 else f"{kilobytes}kB"
