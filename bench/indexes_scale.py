"""Index selection for 5,000 templates over 500 tables: seconds, memory, planner calls, and how good the answer is.

The schema is generated: tables of five hundred rows, whose statistics are kept and whose lengths are then those of
tables a thousand times as large, on a twin alone. Each template is a query of its own shape: equality, ranges, orders,
groups, joins along the foreign keys, with weights that fall as one over the rank. The selector is the product's, with
its default limits and a budget that is too small for all that is wanted.

Goals: 150 seconds and 1.5 GB of memory of the process and its servers.
"""

from __future__ import annotations

import argparse
import random
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path

from bench.results_file import write
from bench.tpch_data import write_workload
from trimtab.db.connection import connect
from trimtab.embedded.binaries import Binaries
from trimtab.embedded.server import Server
from trimtab.model.plan import Plan
from trimtab.observe.snapshot import take_snapshot
from trimtab.propose.context import Context, Limits
from trimtab.propose.indexes import choose
from trimtab.propose.proof import gap_between
from trimtab.twin.build import build
from trimtab.twin.capture import Image, read_image
from trimtab.twin.twin import Twin

TABLES, TEMPLATES, ROWS, FACTOR = 500, 5000, 500, 1000
BUDGET_BYTES = 4_000_000_000
GOALS = {"seconds": 150.0, "memory_gb": 1.5}
_TABLE = """
create table t{n} (id bigint primary key, parent bigint, owner integer, kind text, code varchar(20),
                   amount numeric(12,2), made_at timestamptz, closed_on date);
insert into t{n} select i, 1 + i * 7919 % {rows}, i * 7 % {owners}, 'kind ' || i % {kinds}, 'c' || i, i % 97,
    '2024-01-01'::timestamptz + i * interval '17 min', case when i % 5 > 0 then date '2024-01-01' + i end
    from generate_series(1, {rows}) i;
analyze t{n};
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--tables", type=int, default=TABLES)
    parser.add_argument("--templates", type=int, default=TEMPLATES)
    parser.add_argument("--proof-seconds", type=float, default=20.0)
    arguments = parser.parse_args()
    image = _image(arguments.tables)
    with Memory() as memory, Twin.open(build(image, Binaries.find(), progress=_silent)) as twin:
        with tempfile.TemporaryDirectory() as directory, closing(twin.connect_read_only()) as connection:
            workload = Path(directory) / "workload.sql"
            write_workload(workload, dict(_templates(arguments.tables, arguments.templates)))
            snapshot = take_snapshot(connection, workload, seed=1, progress=_silent)
        queries = tuple(replace(q, weight=100.0 / (1 + n)) for n, q in enumerate(snapshot.workload.queries))
        snapshot = replace(snapshot, workload=replace(snapshot.workload, queries=queries))
        limits = Limits(
            max_key_columns=4,
            max_include_columns=8,
            max_index_bytes=BUDGET_BYTES,
            budget_bytes=BUDGET_BYTES,
            max_indexes_per_table=10,
            name_prefix="bench_",
            settings_max={},
            proof_seconds=arguments.proof_seconds,
        )
        started, calls = time.perf_counter(), twin.planner_calls
        choice = choose(Context(snapshot=snapshot, what_if=twin, limits=limits))
        seconds, calls = time.perf_counter() - started, twin.planner_calls - calls
        changes = tuple(change for group, _ in choice.selection.chosen for change in group)
        plans = twin.what_if(queries, [(), changes])
        before, after = (
            sum(q.weight * p.cost for q, p in zip(queries, answers, strict=True) if isinstance(p, Plan))
            for answers in plans
        )
        bound = choice.selection.lower_bound
        result = {
            "goals": GOALS,
            "tables": arguments.tables,
            "templates": len(queries),
            "budget_mb": BUDGET_BYTES // 1_000_000,
            "candidates": len(choice.problem.candidates),
            "indexes": len(changes),
            "size_mb": round(sum(choice.problem.sizes[change.name] for change in changes) / 1e6, 1),
            "cost_share": round(after / before, 4),
            "gap": None if bound is None else round(gap_between(bound, choice.selection.objective), 4),
            "planner_calls": calls,
            "seconds": round(seconds, 1),
            "memory_gb": round(memory.peak_bytes / 1e9, 2),
        }
    print(result)
    print(f"written to {write('indexes_scale', result).relative_to(Path.cwd())}")


class Memory:
    """The highest sum of memory that this process and its children had of their own, looked at ten times a second."""

    def __init__(self) -> None:
        self.peak_bytes = 0
        self._is_over = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)

    def __enter__(self) -> Memory:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._is_over.set()
        self._thread.join()

    def _watch(self) -> None:
        import psutil  # type: ignore[import-untyped]

        while not self._is_over.wait(0.1):
            me = psutil.Process()
            total = 0
            for process in (me, *me.children(recursive=True)):
                try:
                    total += process.memory_full_info().pss
                except psutil.Error:
                    continue
            self.peak_bytes = max(self.peak_bytes, total)


def _image(tables: int) -> Image:
    """Return schema and statistics of the generated database with the lengths of larger tables."""
    with Server.create(Binaries.find(), purpose="bench-scale") as server:
        with closing(connect(server.dsn(), read_only=False)) as connection:
            for n in range(tables):
                text = _TABLE.format(n=n, rows=ROWS, owners=20 + n % 50, kinds=3 + n % 30)
                connection.execute(text.encode())
            for n in range(1, tables):
                text = f"alter table t{n} add foreign key (parent) references t{n // 3} not valid"
                connection.execute(text.encode())
        image = read_image(server.dsn(), Binaries.find(), progress=_silent)
    relations = tuple(
        replace(
            relation,
            pages=None if relation.pages is None else relation.pages * FACTOR,
            counted_pages=relation.counted_pages * FACTOR,
            rows=relation.rows * FACTOR,
            visible_pages=relation.visible_pages * FACTOR,
            height=None if relation.height is None else 2,
        )
        for relation in image.source.relations
    )
    return replace(image, source=replace(image.source, relations=relations))


def _templates(tables: int, count: int) -> Iterator[tuple[str, str]]:
    rng = random.Random(1)
    seen: set[str] = set()
    while len(seen) < count:
        text = _template(rng, int(tables * rng.random() ** 1.5))
        if text not in seen:
            seen.add(text)
            yield f"q{len(seen):04}", text


def _template(rng: random.Random, n: int) -> str:
    tests = {
        "owner": f"x.owner = {rng.randrange(20)}",
        "kind": f"x.kind = 'kind {rng.randrange(3)}'",
        "code": f"x.code = 'c{rng.randrange(500)}'",
        "amount": f"x.amount > {rng.randrange(80, 97)}",
        "made_at": f"x.made_at >= '2024-01-0{rng.randrange(4, 6)}'",
        "closed_on": "x.closed_on is null",
        "parent": f"x.parent = {rng.randrange(500)}",
    }
    chosen = rng.sample(sorted(tests), rng.randrange(1, 4))
    where = " and ".join(tests[name] for name in chosen)
    kind = rng.randrange(4)
    if kind == 0:
        return f"select x.id, x.amount from t{n} x where {where} order by x.made_at desc limit {rng.randrange(5, 50)}"
    if kind == 1:
        return f"select x.kind, count(*), sum(x.amount) from t{n} x where {where} group by x.kind"
    if kind == 2 and n > 0:
        return f"select x.id, p.code from t{n} x join t{n // 3} p on p.id = x.parent where {where}"
    listed = ", ".join(f"x.{name}" for name in sorted({"id", *rng.sample(sorted(tests), 2)}))
    return f"select {listed} from t{n} x where {where}"


def _silent(_done: int, _total: int, _what: str) -> None:
    pass


if __name__ == "__main__":
    main()
