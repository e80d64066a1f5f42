"""Which of the source's settings a lab takes over, so that it plans and sorts as the source does.

What PostgreSQL reads at start goes to the clone's server, bounded by this machine's memory; the rest to the lab's
session. It never touches settings of durability, logging or security. Pure but for one look at the machine's memory.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

from trimtab.model.catalog import Setting

_BLOCK_BYTES = 8192
_SHARE_OF_MEMORY = 0.25
_LEAST_SHARED_BUFFERS = 16 * 1024**2
_LARGEST_MAINTENANCE_BYTES = 1024**3
_CGROUP_LIMIT = Path("/sys/fs/cgroup/memory.max")

_AT_START = ("max_worker_processes", "max_parallel_workers", "default_statistics_target")
_IN_SESSION = (
    "work_mem hash_mem_multiplier temp_buffers effective_cache_size effective_io_concurrency "
    "seq_page_cost random_page_cost cpu_tuple_cost cpu_index_tuple_cost cpu_operator_cost "
    "parallel_setup_cost parallel_tuple_cost min_parallel_table_scan_size min_parallel_index_scan_size "
    "max_parallel_workers_per_gather parallel_leader_participation "
    "jit jit_above_cost jit_inline_above_cost jit_optimize_above_cost "
    "enable_async_append enable_bitmapscan enable_distinct_reordering enable_gathermerge enable_group_by_reordering "
    "enable_hashagg enable_hashjoin enable_incremental_sort enable_indexonlyscan enable_indexscan enable_material "
    "enable_memoize enable_mergejoin enable_nestloop enable_parallel_append enable_parallel_hash "
    "enable_partition_pruning enable_partitionwise_aggregate enable_partitionwise_join enable_presorted_aggregate "
    "enable_self_join_elimination enable_seqscan enable_sort enable_tidscan "
    "geqo geqo_threshold geqo_effort geqo_pool_size geqo_generations geqo_selection_bias geqo_seed "
    "from_collapse_limit join_collapse_limit cursor_tuple_fraction constraint_exclusion recursive_worktable_factor "
    "plan_cache_mode default_statistics_target default_toast_compression "
    "search_path TimeZone DateStyle IntervalStyle extra_float_digits default_text_search_config"
)


def server_settings(settings: Mapping[str, Setting], memory_bytes: int) -> dict[str, str]:
    """Return what the clone's server starts with. `memory_bytes` is what this machine has."""
    bound = int(memory_bytes * _SHARE_OF_MEMORY)
    chosen = {name: settings[name].value for name in _AT_START if name in settings}
    shared = settings.get("shared_buffers")
    if shared is not None:
        size = max(min(int(shared.value) * _BLOCK_BYTES, bound), _LEAST_SHARED_BUFFERS)
        chosen["shared_buffers"] = f"{size // 1024}kB"
    chosen["maintenance_work_mem"] = f"{min(bound // 2, _LARGEST_MAINTENANCE_BYTES) // 1024}kB"
    chosen["max_wal_size"] = "8GB"
    return chosen


def session_settings(settings: Mapping[str, Setting]) -> dict[str, str]:
    """Return what the lab's session sets, in the server's base units. Not every server knows each of them."""
    return {name: settings[name].value for name in _IN_SESSION.split() if name in settings}


def memory_bytes() -> int:
    """Return the memory that this process may count on: the machine's, or its container's limit."""
    found = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    with suppress(OSError, ValueError):
        found = min(found, int(_CGROUP_LIMIT.read_text(encoding="ascii")))
    return found
