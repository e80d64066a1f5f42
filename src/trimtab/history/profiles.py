"""Makes tables of a window's sample: waits, I/O, replicas, databases, tables and indexes. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import fields
from operator import attrgetter
from typing import TypeVar

from trimtab.errors import UsageError
from trimtab.history.measure import joined_window
from trimtab.history.metrics import below
from trimtab.history.sample import Sample
from trimtab.history.values import (
    DatabaseRow,
    IndexPage,
    IndexUse,
    IoProfile,
    IoRow,
    Replica,
    Replication,
    TablePage,
    TableUse,
    Wait,
    WaitProfile,
    Window,
)

_Row = TypeVar("_Row", TableUse, IndexUse)


def wait_profile(server: str, whole: Sample, window: Window, why: str) -> WaitProfile:
    """Return what sessions at work waited for, on average."""
    spent = {name[1:]: value for name, value in whole.sums.items() if name[0] == "wait" and value > 0}
    total = sum(spent.values())
    waits = tuple(
        Wait(kind, event, value / whole.seconds, value / total)
        for (kind, event), value in sorted(spent.items(), key=lambda item: -item[1])
        if whole.seconds
    )
    not_measured = why or ("" if whole.seconds else "nothing was measured in this window")
    return WaitProfile(server, window, "pg_stat_activity, sampled", waits, not_measured)


def io_profile(server: str, whole: Sample, window: Window, why: str) -> IoProfile:
    """Return I/O by who, where and why; none where the server does not tell."""
    found = below(whole.sums, "io")
    rows = [
        IoRow(backend_type, object, context, *(values.get(field.name, 0.0) for field in fields(IoRow)[3:]))
        for (backend_type, object, context), values in found.items()
        if any(values.values())
    ]
    rows.sort(key=lambda row: -(row.read_bytes + row.write_bytes))
    is_measured = bool(found)
    return IoProfile(
        server, window, "pg_stat_io", tuple(rows) if is_measured else None,
        "" if is_measured else why or "nothing was measured in this window",
    )  # fmt: skip


def replication_of(server: str, whole: Sample, window: Window) -> Replication:
    """Return how far replicas were behind."""
    means, peaks = below(whole.means, "replica"), below(whole.peaks, "replica")
    replicas = tuple(
        Replica(
            name[0],
            means[name].get("lag_seconds"),
            peaks.get(name, {}).get("lag_seconds"),
            means[name].get("lag_bytes"),
            peaks.get(name, {}).get("lag_bytes"),
        )
        for name in sorted(means)
    )
    own = whole.means.get(("replay_lag_seconds",))
    return Replication(server, window, "pg_stat_replication, sampled", replicas, own)


def databases_of(whole: Sample) -> Sequence[DatabaseRow]:
    """Return what was counted of each database, those with the most commits first."""
    rows = []
    for (name, *_), values in below(whole.sums, "database").items():
        hit, read = values.get("blocks_hit"), values.get("blocks_read")
        asked = (hit or 0.0) + (read or 0.0)
        rows.append(
            DatabaseRow(
                name,
                values.get("commits"),
                values.get("rollbacks"),
                hit / asked if hit is not None and asked else None,
                values.get("temporary_bytes"),
                values.get("deadlocks"),
                values.get("conflicts"),
            )
        )
    return sorted(rows, key=lambda row: -(row.commits or 0.0))


def table_page(
    server: str, samples: Sequence[Sample], window: Window, *, sort: str, limit: int, offset: int
) -> TablePage:
    """Return a page of tables."""
    whole = joined_window(samples, window)
    counted, sizes = below(whole.sums, "table"), _last_sizes(samples, "table")
    rows = []
    for name in counted.keys() | sizes.keys():
        use, size = counted.get(name, {}), sizes.get(name, {})
        rows.append(
            TableUse(
                schema=name[0],
                table=name[1],
                scans=use.get("scans"),
                rows_read=use.get("rows_read"),
                index_scans=use.get("index_scans"),
                inserted=use.get("inserted"),
                updated=use.get("updated"),
                deleted=use.get("deleted"),
                live_rows=size.get("live_rows"),
                dead_rows=size.get("dead_rows"),
                size_bytes=size.get("bytes"),
            )
        )
    ordered = _ordered(rows, sort, _names(TableUse)[2:])
    return TablePage(
        server, window, "pg_stat_user_tables, pg_class", len(rows), offset, ordered[offset : offset + limit]
    )


def index_page(
    server: str, samples: Sequence[Sample], window: Window, *, sort: str, limit: int, offset: int
) -> IndexPage:
    """Return a page of indexes."""
    whole = joined_window(samples, window)
    counted, sizes = below(whole.sums, "index"), _last_sizes(samples, "index")
    rows = [
        IndexUse(
            schema=name[0],
            table=name[1],
            index=name[2],
            scans=counted.get(name, {}).get("scans"),
            rows_read=counted.get(name, {}).get("rows_read"),
            size_bytes=sizes.get(name, {}).get("bytes"),
        )
        for name in counted.keys() | sizes.keys()
    ]
    ordered = _ordered(rows, sort, _names(IndexUse)[3:])
    return IndexPage(
        server, window, "pg_stat_user_indexes, pg_class", len(rows), offset, ordered[offset : offset + limit]
    )


def _last_sizes(samples: Sequence[Sample], kind: str) -> dict[tuple[str, ...], dict[str, float]]:
    """Sizes are those that were seen last, no means: what was dropped since is left out."""
    return below(samples[-1].means, kind) if samples else {}


def _names(kind: type[TableUse | IndexUse]) -> list[str]:
    return [field.name for field in fields(kind)]


def _ordered(rows: list[_Row], sort: str, known: Sequence[str]) -> list[_Row]:
    if sort not in known:
        raise UsageError(
            f"there is no order {sort!r}", code="history.page", next_step=f"Known are: {', '.join(known)}."
        )
    value = attrgetter(sort)

    def key(row: _Row) -> tuple[float, str]:
        found = value(row)
        return (float("inf") if found is None else -found, repr(row))

    return sorted(rows, key=key)
