"""All that a proposer may see: the snapshot, a what-if planner, what the lab measured, and the limits to stay inside.

A proposer never sees the source itself.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from trimtab.model.catalog import Snapshot
from trimtab.model.index_wishes import KINDS
from trimtab.model.plan import Plan
from trimtab.model.whatif import WhatIf
from trimtab.model.workload import Query

# Below this share of the cost of all queries that read the table a gain is noise of the cost model.
LEAST_GAIN = 0.005
# Of the whole workload's cost: below it nobody would notice.
LEAST_SHARE = 0.0001
# Where nothing was measured: a page that is in memory is read in about a hundredth of a millisecond, and costs 1.
UNITS_PER_MS = 100.0


@dataclass(frozen=True, slots=True)
class Limits:
    """What proposals must stay inside, from the specification and the command line. Sizes are bytes.

    `settings_max` maps a setting's name to the largest value allowed, in the server's own notation ("256MB"). `kinds`
    are the kinds of index that may be proposed, out of `KINDS`; one that is several at once needs all of them.
    `least_gain` is what an index must save to be worth having, as a share of the time of all queries that read its
    table. `proof_seconds` is how long it may take to prove how far the chosen indexes are from the best; 0 asks for no
    proof. `solver` is one of SOLVERS, tried beside the exact one.

    `max_indexes` is how many new indexes there may be in all. `max_write_overhead` and `max_regression` are shares: of
    the time of the workload's writes, what all indexes may add; of a query's own, what it may lose. None is no limit.
    `must_keep` are existing indexes by (schema, name) that are never proposed for dropping. `must_not` is what no new
    index may touch: (schema, table, column), with "" for the column a whole table. An index that no scan used for
    `min_unused_days` is proposed for dropping; none is, nor are two made one, without `wants_drops`. An
    index of at most `max_rebuild_bytes` is proposed for rebuilding when a new one would hold `min_excess_bytes`, and
    `min_excess_share` of it, less.
    """

    max_key_columns: int
    max_include_columns: int
    max_index_bytes: int
    budget_bytes: int
    max_indexes_per_table: int
    name_prefix: str
    settings_max: Mapping[str, str]
    wants_efficiency: bool = True
    kinds: frozenset[str] = KINDS
    least_gain: float = LEAST_GAIN
    proof_seconds: float = 0.0
    solver: str = "exact"
    max_indexes: int | None = None
    max_write_overhead: float | None = None
    max_regression: float | None = None
    must_keep: frozenset[tuple[str, str]] = frozenset()
    must_not: frozenset[tuple[str, str, str]] = frozenset()
    min_unused_days: float = math.inf
    wants_drops: bool = True
    max_rebuild_bytes: int = 0
    min_excess_bytes: int = 0
    min_excess_share: float = 0.0

    def allows(self, schema: str, table: str, columns: Iterable[str]) -> bool:
        """True when `must_not` names neither the table nor one of these columns of it."""
        return all((schema, table, column) not in self.must_not for column in ("", *columns))


@dataclass(frozen=True, slots=True)
class Context:
    """`plans` are run plans from the lab and `baseline_ms` their times, by query id; both are empty without a lab."""

    snapshot: Snapshot
    what_if: WhatIf
    limits: Limits
    plans: Mapping[str, Plan] = field(default_factory=dict)
    baseline_ms: Mapping[str, float] = field(default_factory=dict)

    @property
    def queries(self) -> tuple[Query, ...]:
        """The workload's queries."""
        return self.snapshot.workload.queries

    @property
    def units_per_ms(self) -> float:
        """What a millisecond is in the unit of `time_per_cost`: 1, or where nothing was measured so many cost units."""
        return 1.0 if self.baseline_ms else UNITS_PER_MS

    def time_per_cost(self, query: Query, cost: float) -> float:
        """Return the weighted ms that one cost unit of the query stands for; where nothing was measured it is the unit.

        What the lab could not run stands for nothing: beside measured times its costs would be no times.
        """
        if not self.baseline_ms:
            return query.weight
        return query.weight * self.baseline_ms.get(query.id, 0.0) / cost if cost > 0 else 0.0
