"""Reads the level of a database as it is now, in the form of an anchor that is neither signed nor kept.

It asks for counters, the host's probe and sizes; no query of the workload is run, and nothing is judged.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from trimtab.anchor.counted import counted_between
from trimtab.anchor.record import make_anchor
from trimtab.anchor.state import read_state
from trimtab.db.connection import Connection
from trimtab.model.anchor import Anchor, Counted, QueryLevel
from trimtab.model.catalog import Snapshot
from trimtab.observe.server import read_clock
from trimtab.observe.traffic import read_counted_since, read_counters, statements_of


def level_now(source: Connection, snapshot: Snapshot, levels: Mapping[str, QueryLevel], *, now_ns: int) -> Anchor:
    """Return what the server has counted of these levels' queries, and what they depend on. Raises SourceError.

    Where it does not tell, nothing is counted.
    """
    keys = statements_of(source, snapshot.workload.queries)
    end = read_counters(source)
    by_query: Mapping[str, Counted] = {}
    if end is not None:
        by_query = counted_between(replace(end, by_statement={}), end, keys).by_query
    counted = {query_id: replace(level, counted=by_query.get(query_id)) for query_id, level in levels.items()}
    # The server's clock, as an anchor has it: ours can be another one.
    workload = replace(snapshot.workload, since=snapshot.workload.since or read_counted_since(source))
    snapshot = replace(snapshot, taken_at=read_clock(source), workload=workload)
    now = make_anchor(source, snapshot, counted, (), now_ns=now_ns)
    evictions = None if end is None else end.evictions
    return replace(now, state=read_state(source, snapshot, {}), evictions=evictions)
