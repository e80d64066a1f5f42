"""Gives the twin's session the source's planner settings.

What the source's planner could not do yet is switched off. Settings that change no plan are left alone.
"""

from __future__ import annotations

from collections.abc import Mapping

import psycopg

from trimtab.db.connection import Connection
from trimtab.db.failures import source_error
from trimtab.model.catalog import Snapshot

_PLANNER_SETTINGS = (
    "enable_",
    "cpu_",
    "geqo",
    "parallel_",
    "min_parallel_",
    "max_parallel_workers_per_gather",
    "seq_page_cost",
    "random_page_cost",
    "effective_cache_size",
    "effective_io_concurrency",
    "work_mem",
    "hash_mem_multiplier",
    "from_collapse_limit",
    "join_collapse_limit",
    "cursor_tuple_fraction",
    "constraint_exclusion",
    "plan_cache_mode",
    "recursive_worktable_factor",
    "debug_parallel_query",
)
# Compiling comes after planning and changes no plan, but EXPLAIN would spend time on it.
_OWN = {"jit": "off"}


def take_over_settings(connection: Connection, snapshot: Snapshot, parsing: Mapping[str, str]) -> list[str]:
    """Set what the source's session has; return what this version refused. `parsing` decides what a text means."""
    refused = []
    for name, value in {**_unknown_to(snapshot, connection), **_planner_settings(snapshot), **parsing, **_OWN}.items():
        try:
            connection.execute("select pg_catalog.set_config($1, $2, false)", (name, value))
        except psycopg.Error as error:
            if connection.closed:
                raise
            refused.append(f"setting {name} was not taken over: {source_error(error)}")
    return refused


def _planner_settings(snapshot: Snapshot) -> dict[str, str]:
    return {
        name: setting.value + (setting.unit if setting.unit not in (None, "8kB") else "")
        for name, setting in snapshot.settings.items()
        if name.startswith(_PLANNER_SETTINGS)
    }


def _unknown_to(snapshot: Snapshot, connection: Connection) -> dict[str, str]:
    """Switch off the planner's methods that the source's version does not have."""
    rows = connection.execute(
        "select name from pg_catalog.pg_settings where name like 'enable\\_%' and vartype = 'bool'"
    )
    return {str(name): "off" for (name,) in rows if snapshot.settings and name not in snapshot.settings}
