"""Gives the twin's session the source's planner settings, and a hypothetical SetSetting its effect in a transaction.

What the source's planner could not do yet is switched off. Settings that change no plan are left alone.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import psycopg

from trimtab.db.connection import Connection
from trimtab.db.failures import source_error

if TYPE_CHECKING:
    from trimtab.twin.source import Source

PLANNER_SETTINGS = (
    "^(enable_|cpu_|geqo|parallel_|min_parallel_)"
    "|^(max_parallel_workers_per_gather|seq_page_cost|random_page_cost|effective_cache_size|effective_io_concurrency"
    "|work_mem|hash_mem_multiplier|from_collapse_limit|join_collapse_limit|cursor_tuple_fraction|constraint_exclusion"
    "|plan_cache_mode|recursive_worktable_factor|debug_parallel_query)$"
)
"""A regular expression of the names of settings that plans depend on."""
# Compiling comes after planning and changes no plan, but EXPLAIN would spend time on it.
_OWN = {"jit": "off"}


def take_over_settings(connection: Connection, source: Source, role: str | None = None) -> list[str]:
    """Set what the source's session has, or would have as `role`; return in words what this version refused."""
    of_policies = {name: value for name, value in source.policy_settings.items() if value is not None}
    wanted = {**_unknown_to(source, connection), **source.settings, **of_policies, **source.parsing}
    if role not in (None, source.role):  # What the session has is what its own role has, or goes before it.
        wanted["search_path"] = source.written_search_path or source.parsing["search_path"]
        wanted |= source.role_settings.get(role or "", {})
    wanted |= _OWN
    refused = []
    for name, value in wanted.items():
        try:
            connection.execute("select pg_catalog.set_config($1, $2, false)", (name, value))
        except psycopg.Error as error:
            if connection.closed:
                raise
            refused.append(f"setting {name} was not taken over: {source_error(error)}")
    return refused


def _unknown_to(source: Source, connection: Connection) -> dict[str, str]:
    """Switch off the planner's methods that the source's version does not have."""
    rows = connection.execute(
        "select name from pg_catalog.pg_settings where name like 'enable\\_%' and vartype = 'bool'"
    )
    return {str(name): "off" for (name,) in rows if name not in source.settings}
