"""Reads how often indexes are used, on the source and on its standbys, and whether there are replicas besides. It only
looks; what the counts are worth is decided in `model/usage.py`.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence

from trimtab.db.connection import Connection
from trimtab.model.catalog import Index, Table
from trimtab.model.usage import Usage
from trimtab.observe.reading import read


def read_usage(source: Connection, standbys: Mapping[str, Connection], tables: Sequence[Table]) -> Usage:
    """Return the uses of the indexes that nothing but reads needs. `standbys` are by a name that stays the same.

    Raises SourceError.
    """
    scans = Counter({index.oid: index.scans for index in _for_reads_alone(tables)})
    oids = list(scans)
    [own] = read(source, "usage_epoch")
    epochs = [f"{own['timeline']} {own['database_reset']} {own['server_reset']}"]
    # What a standby's primary uses is not known either.
    replicas = own["replicas"] + (own["timeline"] is None)
    for name, standby in sorted(standbys.items()):
        [theirs] = read(standby, "usage_epoch")
        epochs.append(f"{name} {theirs['database_reset']} {theirs['server_reset']}")
        replicas += theirs["replicas"]
        scans.update({row["oid"]: row["scans"] for row in read(standby, "index_scans", (oids,))})
    digest = hashlib.sha256("\n".join(epochs).encode()).hexdigest()
    return Usage(digest[:16], dict(scans), max(replicas - len(standbys), 0))


def _for_reads_alone(tables: Sequence[Table]) -> Iterable[Index]:
    """Yield the indexes that could go when no scan uses them. Those with expressions have statistics beside."""
    for table in tables:
        for index in table.indexes:
            if index.tail is not None and index.is_for_reads_alone and not index.has_expressions:
                yield index
