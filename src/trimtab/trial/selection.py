"""Which queries a trial must measure: those that the change can touch. All others run the identical plan.

A query is measured when its plan differs between the arms, when it writes to a table whose indexes change, or when the
memory for sorts and hashes changes and its run was short of it, or would be. It is watched when a part of its work is
in no plan, so that nobody knows: in functions of the user's, in triggers, in actions of foreign keys. It compares
values and asks no server.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from trimtab.model.change import CreateIndex, DropIndex, SetSetting
from trimtab.model.plan import Plan
from trimtab.model.strategy import Strategy
from trimtab.spec.quantity import parse_quantity

# These only inform the planner: a plan of equal shape runs equally, though its cost is told in other units.
_PLANNER_ONLY = (
    "seq_page_cost random_page_cost cpu_tuple_cost cpu_index_tuple_cost cpu_operator_cost parallel_setup_cost "
    "parallel_tuple_cost effective_cache_size min_parallel_table_scan_size min_parallel_index_scan_size "
    "join_collapse_limit from_collapse_limit cursor_tuple_fraction constraint_exclusion default_statistics_target "
    "geqo geqo_threshold geqo_effort geqo_pool_size geqo_generations geqo_selection_bias geqo_seed"
)
_MEMORY = frozenset({"work_mem", "hash_mem_multiplier"})
_MEMORY_NODES = (
    "Sort|Incremental Sort|Hash|Hash Join|Aggregate|Materialize|Memoize|WindowAgg|SetOp|Bitmap Heap Scan|"
    "Recursive Union|CTE Scan|Function Scan"
)
_ENOUGH_TO_DIFFER = 1e-6
# An INSERT with ON CONFLICT may update, and the plan's operation does not say so.
_FIRES = {"Insert": ("Insert", "Update"), "Update": ("Update",), "Delete": ("Delete",)}


@dataclass(frozen=True, slots=True)
class Selected:
    """Why a query is measured: its plan changed, or it is touched in another way.

    `is_watched` says that nothing shows whether the change touches it: it may not lose, and is no part of the total.
    """

    plan_changed: bool
    is_watched: bool = False


def select(
    strategy: Strategy,
    is_read: bool,
    before: Plan | None,
    after: Plan | None,
    written_names: Collection[tuple[str, str]],
    ran: Plan | None = None,
    *,
    hides_work: bool = False,
    is_unshown: bool = False,
    reaching: Collection[tuple[str, str, str]] = (),
) -> Selected | None:
    """Return why the query must be measured, or None when it runs the identical plan in both arms.

    `written_names` are the tables whose indexes change, with their partitions and parents; `ran` is the last plan that
    was run, where there is one. `hides_work` says that the query calls functions of the user's; `reaching` are the
    writes, (schema, table, operation), that may go on to a table whose indexes change. A query that could not be
    planned in one of the arms is measured: there the failure will show. `is_unshown` says that the strategy is for what
    the query's plan does not show.
    """
    if before is None or after is None:
        return None if before is after else Selected(plan_changed=True)
    if before.shape_hash != after.shape_hash:
        return Selected(plan_changed=True)
    if is_unshown:
        return Selected(plan_changed=False)
    ran = ran if ran is not None and ran.shape_hash == before.shape_hash else None
    if any(_can_differ(change, before, after, ran) for change in strategy.changes if isinstance(change, SetSetting)):
        return Selected(plan_changed=False)
    if not is_read and _writes_to(after, written_names):
        return Selected(plan_changed=False)
    if hides_work or (not is_read and _may_reach(after, reaching)):
        return Selected(plan_changed=False, is_watched=True)
    return None


def changed_index_tables(strategy: Strategy) -> frozenset[tuple[str, str]]:
    """Return (schema, table) of the tables whose indexes the strategy changes."""
    return frozenset(
        (change.schema, change.table) for change in strategy.changes if isinstance(change, CreateIndex | DropIndex)
    )


def _can_differ(change: SetSetting, before: Plan, after: Plan, ran: Plan | None) -> bool:
    if change.name in _PLANNER_ONLY.split() or change.name.startswith("enable_"):
        return False
    if change.name == "work_mem" and change.value is not None and ran is not None:
        return _lacks_memory(ran, parse_quantity(change.value, "kB").value)
    if change.name in _MEMORY:
        return any(node.node_type in _MEMORY_NODES.split("|") for node in after.root.walk())
    if change.name.startswith("jit") or change.name.endswith("io_concurrency"):
        return True
    return abs(before.cost - after.cost) > _ENOUGH_TO_DIFFER * max(before.cost, 1.0)


def _lacks_memory(ran: Plan, limit_bytes: float) -> bool:
    """Return whether the run went to disk, kept less than it wanted, or used more memory than the limit."""
    return any(
        node.sort_on_disk
        or node.hash_batches > 1
        or node.temp_blocks > 0
        or node.was_lossy
        or node.memory_kb * 1024 > limit_bytes
        for node in ran.root.walk()
    )


def _writes_to(plan: Plan, names: Collection[tuple[str, str]]) -> bool:
    """Partitions that a write reaches are children of its ModifyTable node, so every relation of the plan counts."""
    return any(node.node_type == "ModifyTable" for node in plan.root.walk()) and bool(plan.relations & set(names))


def _may_reach(plan: Plan, reaching: Collection[tuple[str, str, str]]) -> bool:
    operations = {node.operation or "" for node in plan.root.walk() if node.node_type == "ModifyTable"}
    fired = {fires for operation in operations for fires in _FIRES.get(operation, ("Insert", "Update", "Delete"))}
    return any((*relation, operation) in reaching for relation in plan.relations for operation in fired)
