"""Tells what else differs between two anchors: what may be the reason for a difference of their levels. Pure.

Words that name settings, tables and extensions; never a value, and no judgement of a query.
"""

from __future__ import annotations

from collections.abc import Mapping

from trimtab.model.anchor import Anchor, HostProbe
from trimtab.model.catalog import version_text

_HOST_CHANGED = 1.25
_GREW = 1.5
_MANY = 20


def differences(earlier: Anchor, later: Anchor) -> tuple[str, ...]:
    """Return what else is another one: what may be the reason for a difference, beside the queries themselves."""
    told = []
    if earlier.server != later.server:
        told.append("they are of different databases")
    if earlier.server == later.server and earlier.since is None and later.since is None:
        told.append("nobody knows since when was counted: the later counters may hold the earlier ones")
    if earlier.server == later.server and earlier.since == later.since and has_forgotten(earlier, later):
        told.append("pg_stat_statements had to forget statements: what they ran before is not counted")
    if earlier.is_standby != later.is_standby:
        told.append("one of them is of a standby")
    if earlier.server_version != later.server_version:
        was, is_ = version_text(earlier.server_version), version_text(later.server_version)
        told.append(f"the server was PostgreSQL {was} and is {is_}")
    told += _host(earlier.state.host, later.state.host)
    told += [f"setting {name} differs" for name in _changed(earlier.settings, later.settings)]
    scopes = earlier.state.scoped_settings, later.state.scoped_settings
    for scope in sorted(scopes[0].keys() | scopes[1].keys()):
        changed = _changed(scopes[0].get(scope, {}), scopes[1].get(scope, {}))
        told += [f"setting {name} of {scope} differs" for name in changed]
    told += [f"extension {name} differs" for name in _changed(earlier.state.extensions, later.state.extensions)]
    told += _tables(earlier, later)
    return tuple(told if len(told) <= _MANY else [*told[:_MANY], f"and {len(told) - _MANY} more"])


def has_forgotten(earlier: Anchor, later: Anchor) -> bool:
    """Return whether pg_stat_statements had to forget statements in between, where both anchors tell of it."""
    return None not in (earlier.evictions, later.evictions) and earlier.evictions != later.evictions


def _changed(was: Mapping[str, str], now: Mapping[str, str]) -> list[str]:
    return sorted(name for name in was.keys() | now.keys() if was.get(name) != now.get(name))


def _host(was: HostProbe, now: HostProbe) -> list[str]:
    told = []
    for name, before, after in (
        ("processor", was.processor_ms, now.processor_ms),
        ("memory", was.memory_ms, now.memory_ms),
    ):
        if min(before, after) > 0 and not 1 / _HOST_CHANGED <= after / before <= _HOST_CHANGED:
            told.append(f"the host's {name} took {after / before:.2f} times as long for the same work")
    return told


def _tables(earlier: Anchor, later: Anchor) -> list[str]:
    told = []
    was, now = earlier.state.tables, later.state.tables
    for name in sorted(was.keys() | now.keys()):
        before, after = was.get(name), now.get(name)
        if before is None or after is None:
            told.append(f"table {name} {'is new' if before is None else 'is gone'}")
            continue
        if before.definition != after.definition:
            told.append(f"table {name} is defined otherwise: a column, index, key or statistics object")
        if min(before.pages, after.pages) > 0 and not 1 / _GREW <= after.pages / before.pages <= _GREW:
            told.append(f"table {name} has {after.pages / before.pages:.2f} times the pages")
        if before.statistics and after.statistics and before.statistics != after.statistics:
            told.append(f"table {name} has other statistics")
    return told
