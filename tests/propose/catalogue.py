"""Small catalogs, plans and contexts to propose for, without a server."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

from trimtab.model.catalog import Column, ForeignKey, Index, ServerIdentity, Setting, Snapshot, StatisticsObject, Table
from trimtab.model.change import CreateIndex
from trimtab.model.plan import Plan, PlanNode
from trimtab.model.whatif import Hypothesis, PlanFailure
from trimtab.model.workload import Query, QueryKind, Workload
from trimtab.propose.context import Context, Limits

MIB = 1 << 20
LIMITS = Limits(
    max_key_columns=4,
    max_include_columns=4,
    max_index_bytes=1 << 40,
    budget_bytes=1 << 40,
    max_indexes_per_table=16,
    name_prefix="trimtab_",
    settings_max={"work_mem": "256MB", "random_page_cost": "4.0"},
    wants_efficiency=False,
)


def column(name: str, type_name: str = "integer", *, width: int | None = 4, has_order: bool = True) -> Column:
    return Column(name, 1, type_name, False, has_order, width)


def table(
    name: str,
    columns: Iterable[Column | str],
    *indexes: Index,
    kind: str = "r",
    statistics: tuple[StatisticsObject, ...] = (),
    foreign_keys: tuple[ForeignKey, ...] = (),
) -> Table:
    made = tuple(column(c) if isinstance(c, str) else c for c in columns)
    owned = tuple(replace(index, table=name) for index in indexes)
    return Table("public", name, 1, kind, 1e6, 10_000, 80 * MIB, made, owned, foreign_keys, statistics)


def index(
    name: str,
    *keys: str,
    method: str = "btree",
    include: tuple[str, ...] = (),
    is_unique: bool = False,
    scans: int = 0,
    size_bytes: int = MIB,
) -> Index:
    """An index as observe shows it; a key may be "a DESC", and DESC alone puts NULLs first."""
    tail = f"USING {method} ({', '.join(keys)})" + (f" INCLUDE ({', '.join(include)})" if include else "")
    return Index(
        schema="public",
        name=name,
        table="",
        method=method,
        key_columns=tuple(key.split()[0] for key in keys),
        include_columns=include,
        key_options=tuple(3 if key.endswith(" DESC") else 0 for key in keys),
        operator_classes=tuple(1978 for _ in keys),
        collations=tuple(0 for _ in keys),
        definition=f"CREATE INDEX {name} ON public.t {tail}",
        tail=tail,
        is_unique=is_unique,
        is_primary=False,
        is_valid=True,
        is_replica_identity=False,
        is_clustered=False,
        is_partial=False,
        has_expressions=False,
        has_more=False,
        constraint=None,
        size_bytes=size_bytes,
        scans=scans,
    )


def query(name: str, *, weight: float = 1.0, kind: QueryKind = QueryKind.READ) -> Query:
    return Query(name, name, name, name, weight, kind)


class NoPlanner:
    """A what-if planner for proposers that need none."""

    planner_calls = 0

    def what_if(
        self,
        queries: Sequence[Query],
        configurations: Sequence[tuple[Hypothesis, ...]],
        *,
        generic: bool | None = None,
    ) -> list[list[Plan | PlanFailure]]:
        raise AssertionError("this proposer asks no planner")

    def what_if_each(
        self, groups: Sequence[tuple[Sequence[Query], tuple[Hypothesis, ...]]]
    ) -> list[list[Plan | PlanFailure]]:
        raise AssertionError("this proposer asks no planner")

    def size_bytes(self, changes: Sequence[CreateIndex]) -> list[int | None]:
        raise AssertionError("this proposer makes no index")

    def refusal(self, change: CreateIndex, among: Sequence[Hypothesis] = ()) -> str | None:
        raise AssertionError("this proposer makes no index")


def context(
    *tables: Table,
    plans: Mapping[str, PlanNode] | None = None,
    settings: Iterable[Setting] = (),
    scoped: Mapping[tuple[str, str], str] | None = None,
    settings_max: Mapping[str, str] | None = None,
) -> Context:
    """A context with one query per plan, named like it."""
    found = {name: Plan(root) for name, root in (plans or {}).items()}
    server = ServerIdentity(180006, "shop", 5, "owner", "7", "2026-01-01T00:00:00Z", False, False)
    snapshot = Snapshot(
        server=server,
        tables=tables,
        settings={setting.name: setting for setting in settings},
        workload=Workload(tuple(query(name) for name in found), "file"),
        taken_at="2026-01-01T00:00:00Z",
        scoped_settings=scoped or {},
    )
    limits = LIMITS if settings_max is None else replace(LIMITS, settings_max=settings_max)
    return Context(snapshot, NoPlanner(), limits, found)


def node(node_type: str, *children: PlanNode, rows: float = 1.0, actual: float | None = None) -> PlanNode:
    loops = None if actual is None else 1.0
    return PlanNode(node_type, 1.0, 0.0, rows, actual_rows=actual, loops=loops, children=children)


def scan(name: str, condition: str = "", *, rows: float = 1.0, actual: float | None = None) -> PlanNode:
    """A sequential scan of public.NAME under its own name, with its filter."""
    conditions = {"Filter": condition} if condition else {}
    made = node("Seq Scan", rows=rows, actual=actual)
    return replace(made, schema="public", relation=name, alias=name, conditions=conditions)
