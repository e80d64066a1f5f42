"""The health of a database's indexes as one score from 0 to 100, and the shares that it is made of.

The score ranks databases and shows where to look; it decides nothing.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import asdict, dataclass

from trimtab.model.catalog import Index, Snapshot, Table
from trimtab.model.change import CreateIndex, DropIndex, qualified
from trimtab.model.strategy import Strategy
from trimtab.model.whatif import WhatIf

# An index that is this much larger than the size model says is not bloated: the model is no better than that.
_TOLERATED = 1.2
WEIGHTS = {"missing": 40.0, "redundant": 15.0, "unused": 15.0, "bloat": 15.0, "needless_writes": 15.0}


@dataclass(frozen=True, slots=True)
class Health:
    """Shares from 0 to 1, of what should not be.

    `redundant`, `unused` and `bloat` are shares of all bytes of indexes: in those that another makes needless, in those
    that no scan used since the statistics began and nothing else needs, and of what rebuilding would free. `missing` is
    the share of the workload's cost that the chosen indexes would save. `needless_writes` is the share of all entries
    written into indexes that went into redundant and unused ones.
    """

    missing: float
    redundant: float
    unused: float
    bloat: float
    needless_writes: float

    @property
    def score(self) -> float:
        """100 less each share times its weight: 40 for what is missing, 15 for each other."""
        shares = asdict(self)
        return 100.0 - sum(weight * float(shares[name]) for name, weight in WEIGHTS.items())


def health_of(snapshot: Snapshot, dropped: Sequence[Strategy], bloated: Sequence[Bloated], *, saved: float) -> Health:
    """Return the health of the source's indexes. `dropped` are the strategies that drop what is needless."""
    gone = {
        (change.schema, change.name)
        for strategy in dropped
        for change in strategy.changes
        if isinstance(change, DropIndex) and strategy.evidence["case"] != "unused"
    }
    pairs = [(table, index) for table in snapshot.tables for index in table.indexes]
    total = sum(index.size_bytes for _, index in pairs) or 1
    redundant = [(t, i) for t, i in pairs if (i.schema, i.name) in gone]
    unused = [(t, i) for t, i in pairs if _is_unused(i) and (i.schema, i.name) not in gone]
    return Health(
        missing=min(max(saved, 0.0), 1.0),
        redundant=sum(index.size_bytes for _, index in redundant) / total,
        unused=sum(index.size_bytes for _, index in unused) / total,
        bloat=sum(one.excess_bytes for one in bloated) / total,
        needless_writes=_entries([*redundant, *unused]) / (_entries(pairs) or 1),
    )


def _is_unused(index: Index) -> bool:
    return index.scans == 0 and index.is_for_reads_alone


def _entries(pairs: Collection[tuple[Table, Index]]) -> int:
    """Return the entries written into these indexes since the statistics began; a HOT update writes none."""
    return sum(table.inserts + table.updates - table.hot_updates for table, _ in pairs)


@dataclass(frozen=True, slots=True)
class Bloated:
    """An index that is much larger than a new one of the same definition is estimated to be."""

    schema: str
    name: str
    size_bytes: int
    estimated_bytes: int

    @property
    def excess_bytes(self) -> int:
        """What rebuilding it would free."""
        return self.size_bytes - self.estimated_bytes

    def sql(self) -> str:
        """Return the statement that rebuilds it beside reads and writes; `rebuilds` says when it is proposed."""
        return f"REINDEX INDEX CONCURRENTLY {qualified(self.schema, self.name)}"


def bloated_of(
    snapshot: Snapshot, what_if: WhatIf, *, among: AbstractSet[tuple[str, str]] | None = None
) -> list[Bloated]:
    """Return the bloated indexes, the worst first; of those by (schema, name) that are `among` them, where given.

    What no CREATE INDEX would make again (attached to a partitioned index, in a tablespace of its own) has no estimate.
    """
    known = [
        (index, index.tail)
        for table in snapshot.tables
        for index in table.indexes
        if index.tail is not None and index.is_valid and (among is None or (index.schema, index.name) in among)
    ]
    fresh = [
        CreateIndex(index.schema, index.table, f"trimtab_rebuilt_{number}", tail, ())
        for number, (index, tail) in enumerate(known)
    ]
    found = [
        Bloated(index.schema, index.name, index.size_bytes, size)
        for (index, _), size in zip(known, what_if.size_bytes(fresh), strict=True)
        if size is not None and index.size_bytes > _TOLERATED * size
    ]
    return sorted(found, key=lambda one: (-one.excess_bytes, one.schema, one.name))
