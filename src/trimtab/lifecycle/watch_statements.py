"""What a round's statements are: which are new, which are the workload's, and whether any of it is seen at all.

Texts are read for new statements alone, so many a round that it is not felt, and not kept here.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from trimtab.db.connection import Connection
from trimtab.lifecycle.watch_facts import HIDDEN
from trimtab.lifecycle.watch_store import KnownStatement
from trimtab.model.traffic import StatementKey
from trimtab.model.watched import TOTAL_MS, Interval, Reading
from trimtab.observe.own_statements import SystemNames
from trimtab.observe.watched import Described, Source, describe, read_texts

DESCRIBED_PER_ROUND = 100
Known = Mapping[StatementKey, KnownStatement]
Named = Mapping[StatementKey, tuple[str, bool]]
"""What new statements are called, and whether they are the workload's."""


def heaviest_first(reading: Reading) -> list[StatementKey]:
    """Return the statements of a reading by their time."""
    return [reading.keys[row] for row in np.argsort(-reading.counts[:, TOTAL_MS], kind="stable").tolist()]


def describe_new(
    conn: Connection, source: Source, system: SystemNames, reading: Reading, known: Known
) -> dict[StatementKey, tuple[str, bool]]:
    """Return what new statements are, the heaviest first. Raises SourceError."""
    wanted = [key for key in heaviest_first(reading) if key not in known][:DESCRIBED_PER_ROUND]
    if not wanted:
        return {}
    texts = read_texts(conn, source, wanted)
    by_id = {query_id: describe(text, system) for query_id, text in texts.items()}
    # A text that is lost is the workload's: to ask for it again each round would cost the server each time.
    lost = Described("", True)
    found = {}
    for key in wanted:
        described = by_id.get(key[1], lost)
        found[key] = (described.name or f"statement {key[1]}", described.is_workload)
    return found


def hidden_events(before: int, reading: Reading) -> list[tuple[str, Mapping[str, object]]]:
    """Tell that statements are hidden when that begins and when it ends; how many, the status says."""
    if bool(before) == bool(reading.hidden):
        return []
    if not reading.hidden:
        return [("statements_shown", {})]
    share = round(reading.hidden_share, 4)
    return [("statements_hidden", {"statements": reading.hidden, "share_of_time": share, "why": HIDDEN})]


def is_blind(reading: Reading, known: Known, new: Named) -> bool:
    """Return whether others' statements are hidden, and none of the workload is seen beside them."""
    return reading.hidden > 0 and not any(
        known[key].is_workload if key in known else new.get(key, ("", True))[1] for key in reading.keys
    )


def of_workload(interval: Interval, known: Known, new: Named) -> Interval:
    """Leave out what Trimtab and monitoring send, and what is not described yet: that is told as unread."""
    rows = [
        row
        for row, key in enumerate(interval.keys)
        if (known[key].is_workload if key in known else new.get(key, ("", False))[1])
    ]
    return replace(interval, keys=tuple(interval.keys[row] for row in rows), counts=interval.counts[rows])
