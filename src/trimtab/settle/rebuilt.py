"""Says what rebuilding did to an index on the source itself, by its size before and after. Pure; it undoes nothing."""

from __future__ import annotations

from collections.abc import Sequence

from trimtab.model.catalog import Snapshot
from trimtab.model.change import Change, RebuildIndex


def is_rebuilt(changes: Sequence[Change]) -> bool:
    """True when nothing but rebuilds was made, of which nothing can be taken back."""
    return bool(changes) and all(isinstance(change, RebuildIndex) for change in changes)


def size_told(changes: Sequence[Change], before: Snapshot, after: Snapshot) -> str:
    """Return in one sentence how large the rebuilt indexes are on the source now, and were."""
    names = [(c.schema, c.table, c.name) for c in changes if isinstance(c, RebuildIndex)]
    held, holds = (sum(_size(each, *name) for name in names) for each in (before, after))
    if holds >= held:
        return f"rebuilding freed nothing on the source: {holds:,} bytes, {held:,} before"
    return f"holds {holds:,} bytes on the source, {held:,} before"


def _size(snapshot: Snapshot, schema: str, table: str, name: str) -> int:
    found = snapshot.table(schema, table)
    indexes = () if found is None else found.indexes
    return next((index.size_bytes for index in indexes if index.name == name), 0)
