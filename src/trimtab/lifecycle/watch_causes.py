"""Says of an alarm what made it, in the order of `anchor.causes`: the host, the load, more data, or another plan.

Then is the anchor in force, or the moment at which the level was learnt; now is when the alarm is told. It judges no
level: what is slower was shown before.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import asdict, dataclass, field, replace

import psycopg

from trimtab.anchor.causes import Movement, host_movement, proof_of, proof_of_version, ruling, table_movement
from trimtab.anchor.learning import CONCURRENCY, LATENCY, WORK
from trimtab.anchor.state import probe_host
from trimtab.anchor.vigil import Seen
from trimtab.db.connection import Connection, source_error
from trimtab.model.anchor import Anchor, HostProbe
from trimtab.observe.table_counts import read_table_counts

_ALL = "all tables"


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What the host took for fixed work, and how many rows and pages tables had, by "schema.name".

    `version` is the server's, as server_version_num, 0 where it is not known.
    """

    host: HostProbe
    rows: Mapping[str, float] = field(default_factory=dict[str, float])
    pages: Mapping[str, float] = field(default_factory=dict[str, float])
    version: int = 0

    @classmethod
    def of_anchor(cls, anchor: Anchor) -> Surroundings:
        """Return those of an anchor."""
        tables = anchor.state.tables.items()
        rows, pages = {name: table.rows for name, table in tables}, {name: float(table.pages) for name, table in tables}
        return cls(anchor.state.host, rows, pages, anchor.server_version)

    def as_fact(self) -> dict[str, object]:
        """Return it as the watch's file keeps it."""
        return {
            "host": asdict(self.host),
            "rows": dict(self.rows),
            "pages": dict(self.pages),
            "version": self.version,
        }

    @classmethod
    def of_fact(cls, kept: object) -> Surroundings | None:
        """Return what `as_fact` gave, None for anything else."""
        if not isinstance(kept, dict) or not isinstance(kept.get("host"), dict) or not isinstance(kept["rows"], dict):
            return None
        # What an older version has written has no pages and no version.
        return cls(HostProbe(**kept["host"]), kept["rows"], kept.get("pages", {}), kept.get("version", 0))


def read_surroundings(conn: Connection, tables: Collection[tuple[str, str]] | None = None) -> Surroundings:
    """Return what is so now, of these tables or of the largest. Raises SourceError when the connection is lost.

    Of a host that does not do the probe's work nothing is known.
    """
    try:
        host = probe_host(conn)
    except psycopg.Error as error:
        if conn.closed:
            raise source_error(error) from None
        host = HostProbe()
    counts = read_table_counts(conn, tables)
    return Surroundings(host, counts.rows, counts.pages, conn.info.server_version)


def causes_of(
    seen: Seen,
    then: Surroundings,
    read: Callable[[Collection[tuple[str, str]] | None], Surroundings],
    *,
    tables: Mapping[int, Collection[tuple[str, str]]],
    plans: Mapping[int, str],
) -> dict[int, Mapping[str, object]]:
    """Return the causes of what is shown, by row; dimensions have negative rows, and coherence and throughput none.

    `tables` are those that a statement's plan reads, `plans` the words for how it stands, both by row.
    """
    found: dict[int, Mapping[str, object]] = {}
    for row in seen.shown:
        names = [f"{schema}.{name}" for schema, name in tables[row]]
        found[row] = cause_of_statement(seen, row, plans[row], then, read(tables[row]), names)
    shown = [row for row in seen.shown_dimensions if row in (LATENCY, CONCURRENCY, WORK)]
    now = read(None) if shown else then
    for row in shown:
        factor = float(seen.vigil.dimensions.effect[row])
        of_blocks = row == WORK
        found[-row - 1] = (
            cause_of_blocks(factor, then, now) if of_blocks else cause_of_all(factor, seen.now.work, then, now)
        )
    return found


def cause_of_statement(
    seen: Seen, row: int, plan: str, then: Surroundings, now: Surroundings, tables: Collection[str]
) -> dict[str, object]:
    """Return the cause of a statement's alarm; `plan` is the word for how its plan stands, `tables` what it reads.

    The factor of an alarm has a load taken out: here it is put back, so that host and load are weighed as well.
    """
    common = seen.common
    factor = float(seen.vigil.statements.effect[row])
    blocks = float(seen.blocks_ratio[row])
    movement = Movement(
        host=host_movement(then.host, now.host),
        common=common,
        own=factor * max(1.0 if common is None else common, 1.0),
        blocks=blocks,
        rows=table_movement(then.rows, now.rows, tables),
        is_plan_changed={"changed": True, "unchanged": False}.get(plan),
        pages=table_movement(then.pages, now.pages, tables),
    )
    return _told(movement, then, now, tables, [f"plan: {plan}"])


def cause_of_all(factor: float, blocks: float | None, then: Surroundings, now: Surroundings) -> dict[str, object]:
    """Return the cause of what slows all statements that have no alarm of their own: of these it is the load itself."""
    of_all = _of_all(then, now)
    host = host_movement(then.host, now.host)
    growth = blocks is not None and blocks > 1.0 and blocks**2 >= factor
    # As much as the blocks account for is no load.
    common = None if growth else factor
    movement = Movement(host, common, factor, blocks, *_moved(*of_all))
    return _told(movement, *of_all, (_ALL,))


def cause_of_blocks(factor: float, then: Surroundings, now: Surroundings) -> dict[str, object]:
    """Return the cause of more blocks per call, which neither a host nor a load can be."""
    was, is_ = _of_all(then, now)
    movement = Movement(None, None, factor, factor, *_moved(was, is_))
    return _told(movement, replace(was, host=HostProbe()), replace(is_, host=HostProbe()), (_ALL,))


def _of_all(then: Surroundings, now: Surroundings) -> tuple[Surroundings, Surroundings]:
    """Return both with the counts of all tables that both know, as those of one."""
    known = [then.rows.keys() & now.rows.keys(), then.pages.keys() & now.pages.keys()]
    was, is_ = (
        replace(
            of,
            rows={_ALL: sum(of.rows[name] for name in known[0])} if known[0] else {},
            pages={_ALL: sum(of.pages[name] for name in known[1])} if known[1] else {},
        )
        for of in (then, now)
    )
    return was, is_


def _moved(was: Surroundings, now: Surroundings) -> tuple[float | None, bool, float | None]:
    """Return how the rows moved, that no plan is taken to have changed, and how the pages moved."""
    return table_movement(was.rows, now.rows, (_ALL,)), False, table_movement(was.pages, now.pages, (_ALL,))


def _told(
    movement: Movement, then: Surroundings, now: Surroundings, tables: Collection[str], more: Collection[str] = ()
) -> dict[str, object]:
    found = ruling(movement)
    proof = [
        *proof_of(then.host, now.host, (then.rows, now.rows), (then.pages, now.pages), tables),
        *proof_of_version(then.version, now.version),
        *more,
    ]
    if movement.common is not None:
        proof.append(f"load: all statements together take {movement.common:.3g} times as long")
    if movement.blocks is not None:
        proof.append(f"blocks per call: {movement.blocks:.3g} times as many")
    moved = {name: value if value is None or isinstance(value, bool) else round(value, 4)
             for name, value in asdict(movement).items()}  # fmt: skip
    return {
        "kind": None if found.kind is None else found.kind.value,
        "reason": found.reason,
        "movement": moved,
        "proof": proof,
    }
