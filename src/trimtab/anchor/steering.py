"""Finds planner settings under which the planner of now makes the old plan again: as few as possible.

For a flip that has no inverse on the server, such as growth. It asks a port for plans, and sets nothing: settings hold
for all that a role or a function runs, so who sets them has to look at the other queries too.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from itertools import combinations, islice

from trimtab.model.flip import Moments
from trimtab.model.plan import Plan
from trimtab.model.plan_shape import PlanShape

_OFF = "off"
_AVOIDED = {
    "Seq Scan": ("enable_seqscan", _OFF),
    "Index Scan": ("enable_indexscan", _OFF),
    "Index Only Scan": ("enable_indexonlyscan", _OFF),
    "Bitmap Heap Scan": ("enable_bitmapscan", _OFF),
    "Nested Loop": ("enable_nestloop", _OFF),
    "Hash Join": ("enable_hashjoin", _OFF),
    "Merge Join": ("enable_mergejoin", _OFF),
    "Sort": ("enable_sort", _OFF),
    "Incremental Sort": ("enable_incremental_sort", _OFF),
    "Aggregate Hashed": ("enable_hashagg", _OFF),
    "Aggregate Mixed": ("enable_hashagg", _OFF),
    "Memoize": ("enable_memoize", _OFF),
    "Materialize": ("enable_material", _OFF),
    "Gather": ("max_parallel_workers_per_gather", "0"),
    "Gather Merge": ("max_parallel_workers_per_gather", "0"),
}
"""What keeps the planner from a method. It still takes it where it has no other."""
_COSTS = (
    ("random_page_cost", "1.1"),
    ("random_page_cost", "0.3"),
    ("random_page_cost", "20"),
    ("seq_page_cost", "0.2"),
    ("cpu_tuple_cost", "0.1"),
    ("cpu_index_tuple_cost", "0.05"),
    ("work_mem", "64MB"),
    ("work_mem", "1MB"),
    ("effective_cache_size", "64GB"),
    ("join_collapse_limit", "1"),
)
_AT_ONCE = 64
_MOST = 3


def steering(
    moments: Moments,
    old: PlanShape,
    new: PlanShape,
    *,
    is_generic: bool = False,
    allowed: Collection[str] | None = None,
    most_plans: int = 1500,
) -> Mapping[str, str] | None:
    """Return the fewest settings, by name, with which the plan of now is of the old shape; None where none were found.

    Those that keep the planner from what only the new plan does are tried first. `allowed` are the names that may be
    set, None for any. Raises LabError when the twin is lost.
    """
    tried = islice(_choices(old, new, allowed), most_plans)
    while some := list(islice(tried, _AT_ONCE)):
        for settings, answer in zip(some, moments.planned_with(some, is_generic=is_generic), strict=True):
            if isinstance(answer, Plan) and moments.shape_of(answer).hash == old.hash:
                return settings
    return None


def _choices(old: PlanShape, new: PlanShape, allowed: Collection[str] | None) -> Iterator[dict[str, str]]:
    """Yield sets of settings, the small ones first, none of which sets one twice."""
    avoided = [_AVOIDED[method] for method in sorted(new.methods - old.methods) if method in _AVOIDED]
    kept = {_AVOIDED[method] for method in old.methods if method in _AVOIDED}
    # A node of both plans may be at another place in the old one, where it is avoided at a price.
    shared = [_AVOIDED[method] for method in sorted(new.methods & old.methods) if method in _AVOIDED]
    rest = [pair for pair in _AVOIDED.values() if pair not in kept]
    known = dict.fromkeys((*avoided, *_COSTS, *shared, *rest))
    pairs = [pair for pair in known if allowed is None or pair[0] in allowed]
    for count in range(1, _MOST + 1):
        for chosen in combinations(pairs, count):
            settings = dict(chosen)
            if len(settings) == count:
                yield settings
