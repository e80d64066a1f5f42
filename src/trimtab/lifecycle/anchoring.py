"""Takes an anchor of a database: what its queries took, their plans, and all that these depend on.

A source is only read; its queries are run only where that was asked for, and reads alone.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Mapping
from contextlib import ExitStack, closing
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path
from random import Random

from trimtab.anchor.counted import CountedWindow, counted_between, parts_of, with_deviations
from trimtab.anchor.dimensions import dimensions
from trimtab.anchor.document import SignedAnchor
from trimtab.anchor.intervals import LARGEST_STEP_SECONDS
from trimtab.anchor.logged import LogWindow, logged_latencies, why_selective
from trimtab.anchor.record import Measuring, make_anchor, measure_levels
from trimtab.anchor.state import read_state
from trimtab.db.connection import Connection
from trimtab.db.role import reading
from trimtab.embedded.binaries import Binaries
from trimtab.errors import LabError
from trimtab.ledger.ledger import Ledger
from trimtab.lifecycle.anchor_chain import in_force, keep, put_back_names, store_of
from trimtab.lifecycle.arrivals import arrival_profile, watched_rounds
from trimtab.lifecycle.governing import named
from trimtab.lifecycle.watch_identity import identity_of
from trimtab.model.anchor import Permanence, QueryLevel
from trimtab.model.catalog import Snapshot
from trimtab.model.execution import REASONS
from trimtab.model.latency import Latency
from trimtab.model.watch import Watcher
from trimtab.observe.logs.reader import DEFAULT_PREFIX, LogReader
from trimtab.observe.logs.server_source import read_log_settings
from trimtab.observe.logs.source import LocalLogs
from trimtab.observe.parents import read_parents
from trimtab.observe.server import read_clock
from trimtab.observe.snapshot import take_snapshot
from trimtab.observe.statements import unread_texts
from trimtab.observe.traffic import read_counted_since, read_counters, statements_of
from trimtab.twin.capture import Image, read_image
from trimtab.twin.digests import statistics_digests
from trimtab.twin.image import save

READ_TIMEOUT_MS = 60_000
_LONGEST_RUNS_SECONDS = 600.0
_PARTS = 20
"""In so many parts a window is counted, each of a second at least."""
_FORGOTTEN = (
    "pg_stat_statements had to forget statements {times} times while it counted: {what}; raise pg_stat_statements.max"
)


@dataclass(frozen=True, slots=True)
class AnchorRequest:
    """How an anchor is taken.

    `workload` is a file, or statements, or None for pg_stat_statements. Reads are run `runs` times each, 0 for not at
    all. Counters of pg_stat_statements are read twice, `seconds` apart; with 0 all counts that it has.
    `logs` are files or directories of the server's log, whose executions are taken where it holds all of them. Without
    `keeps_statistics` the planner's statistics, which hold values of rows, are not kept beside the anchor: it can then
    be compared, but a plan that changed cannot be explained.
    """

    conninfo: str
    ledger_path: Path
    workload: Path | tuple[str, ...] | None = None
    permanence: Permanence = Permanence.PERFORMANCE_LIFETIME
    runs: int = 0
    seconds: float = 0.0
    logs: tuple[Path, ...] = ()
    keeps_statistics: bool = True
    spec: str | Path | None = None
    pg_bin: Path | None = None
    seed: int = 1


def create(request: AnchorRequest, watcher: Watcher, *, sleep: Callable[[float], None] = time.sleep) -> SignedAnchor:
    """Return the new anchor of the database, signed, kept and in the ledger.

    Raises SourceError, WorkloadError, SpecError, AnchorError, KeyFileError, LedgerError.
    """
    store = store_of(request.ledger_path)
    store.key()
    specification = named(request.spec, request.ledger_path)
    with (
        ExitStack() as stack,
        Ledger.open(request.ledger_path) as ledger,
        closing(reading(request.conninfo, statement_timeout_ms=READ_TIMEOUT_MS)) as source,
    ):
        snapshot = take_snapshot(
            source,
            request.workload,
            seed=request.seed,
            progress=lambda done, total, what: watcher.progress(what, done, total),
        )
        window, snapshot, problems = _counted(source, snapshot, request.seconds, request.ledger_path, watcher, sleep)
        names = put_back_names(request.ledger_path, snapshot.server)
        levels = _levels(source, snapshot, request.runs, window, names, watcher)
        levels, problem = _with_logs(source, levels, request, snapshot, watcher)
        image, told = _image(request, source.info.server_version, watcher)
        statistics = None
        if image is not None:
            statistics = stack.enter_context(store.written_statistics(partial(save, image)))
        watcher.progress("reading what plans depend on", 0, 0)
        anchor = replace(
            make_anchor(source, snapshot, levels, (), now_ns=time.time_ns()),
            permanence=request.permanence,
            specification=(specification.id, specification.digest),
            dimensions=dimensions(tuple(levels.values()), _seconds(snapshot)),
            state=read_state(
                source,
                snapshot,
                {} if image is None else statistics_digests(image.source, snapshot),
                image_sha256="" if statistics is None else statistics.digest,
            ),
            evictions=None if window is None else window.evictions,
            arrival=arrival_profile(request.ledger_path, identity_of(snapshot.server, source)),
            problems=(
                *_left_out(snapshot),
                *problems,
                *problem,
                *told,
                *(() if image is None else image.source.problems),
            ),
        )
        signed = keep(store, ledger, anchor, statistics=statistics)
        store.forget_statistics(lambda: in_force(store, ledger))
    return signed


def _left_out(snapshot: Snapshot) -> tuple[str, ...]:
    """Return how many statements of the workload the anchor does not have, by the code that says why, and a way out."""
    codes = Counter(skipped.code for skipped in snapshot.workload.skipped)
    if not codes:
        return ()
    told = ", ".join(f"{count} {code}" for code, count in sorted(codes.items()))
    unread = unread_texts(snapshot.workload)
    return (f"statements of the workload that were left out: {told}", *((unread,) if unread else ()))


def _counted(
    source: Connection,
    snapshot: Snapshot,
    seconds: float,
    ledger_path: Path,
    watcher: Watcher,
    sleep: Callable[[float], None],
) -> tuple[CountedWindow | None, Snapshot, tuple[str, ...]]:
    """Return what was counted, the snapshot with the window in which that was, and what could not be told.

    By how much blocks scatter is told by parts of the window, or by the rounds of a watcher.
    """
    keys = statements_of(source, snapshot.workload.queries)
    begin = read_counters(source)
    if begin is None:
        return None, snapshot, ("pg_stat_statements does not tell: no execution of the application's was counted",)
    began = time.monotonic()
    if seconds > 0:
        since: str | None = read_clock(source)
        readings = [begin]
        every = max(int(seconds) // _PARTS, 1)
        for second in range(int(seconds)):
            watcher.progress("counting the application's statements", second, int(seconds))
            sleep(1.0)
            if (second + 1) % every == 0 and (between := read_counters(source)) is not None:
                readings.append(between)
        sleep(seconds - int(seconds))
        end = read_counters(source)
        parts = parts_of(readings, keys)
    else:
        since = snapshot.workload.since or read_counted_since(source)  # a workload file does not tell
        begin, end = replace(begin, by_statement={}), begin
        parts = watched_rounds(ledger_path, identity_of(snapshot.server, source))
    if end is None:
        return None, snapshot, ("pg_stat_statements does not tell any more",)
    window = with_deviations(counted_between(begin, end, keys), parts)
    until = read_clock(source)  # the server's clock, as `since` is: ours can be another one
    problems = []
    if window.begun_anew:
        problems.append(f"{window.begun_anew} statements were not counted: their counters began anew, or are gone")
    forgotten = (end.evictions or 0) - (0 if seconds == 0 else begin.evictions or 0)
    if forgotten > 0:
        is_told = begin.is_continued_by(end)
        what = "what they had run is not counted" if is_told else "nobody knows which, so none were counted"
        problems.append(_FORGOTTEN.format(times=forgotten, what=what))
    if seconds > 0 and since is not None:
        begun = _begun(since, until, time.monotonic() - began)
        if begun != since:
            problems.append("the server's clock was set while executions were counted: the window begins by its length")
        since = begun
    snapshot = replace(snapshot, taken_at=until, workload=replace(snapshot.workload, since=since))
    return window, snapshot, tuple(problems)


def _begun(since: str, until: str, seconds: float) -> str:
    """Return when a window of that length began: `since`, where the server's clock was not set in it."""
    end = datetime.fromisoformat(until)
    counted = (end - datetime.fromisoformat(since)).total_seconds()
    if abs(counted - seconds) <= LARGEST_STEP_SECONDS + seconds * 0.01:
        return since
    return (end - timedelta(seconds=seconds)).isoformat()


def _levels(
    source: Connection,
    snapshot: Snapshot,
    runs: int,
    window: CountedWindow | None,
    index_names: Mapping[str, str],
    watcher: Watcher,
) -> dict[str, QueryLevel]:
    how = Measuring(
        runs=runs,
        statement_timeout_ms=READ_TIMEOUT_MS,
        max_seconds=_LONGEST_RUNS_SECONDS,
        reads_are_run=runs > 0,
    )
    levels = measure_levels(
        source,
        snapshot.workload.queries,
        how,
        parents=read_parents(source),
        index_names=index_names,
        progress=lambda done, total: watcher.progress("taking the level", done, total),
    )
    by_query: Mapping[str, object] = window.by_query if window is not None else {}
    return {
        query_id: replace(level, counted=window.by_query[query_id]) if window is not None and query_id in by_query
        else level
        for query_id, level in levels.items()
    }  # fmt: skip


def _with_logs(
    source: Connection,
    levels: dict[str, QueryLevel],
    request: AnchorRequest,
    snapshot: Snapshot,
    watcher: Watcher,
) -> tuple[dict[str, QueryLevel], tuple[str, ...]]:
    """Return the levels with the latency of logged executions, where those were not run here; and what was not told."""
    if not request.logs:
        return levels, ()
    watcher.progress("reading the log", 0, 0)
    settings = read_log_settings(source)
    selective = why_selective(settings)
    if selective:
        return levels, (f"the log was not read: {selective}",)
    reader = LogReader(
        LocalLogs(request.logs),
        log_line_prefix=settings.get("log_line_prefix", DEFAULT_PREFIX),
        log_timezone=settings.get("log_timezone"),
        database=snapshot.server.database,
    )
    window = LogWindow(snapshot.workload.since, snapshot.taken_at)
    latencies = logged_latencies(window.within(reader.read()), random=Random(request.seed))  # noqa: S311
    found = {
        query_id: level if level.runs or query_id not in latencies else _timed(level, latencies[query_id])
        for query_id, level in levels.items()
    }
    left_out = [f"{count} because {REASONS[reason]}" for reason, count in reader.tally.left_out.items()]
    if window.outside:
        left_out.insert(0, f"{window.outside} because they ended outside of the anchor's window")
    inside = reader.tally.executions - window.outside
    told = f"the log: {inside} executions" + (f"; left out {', '.join(left_out)}" if left_out else "")
    return found, (told,)


def _timed(level: QueryLevel, latency: Latency) -> QueryLevel:
    return replace(
        level,
        runs=latency.count,
        p50_ms=latency.quantile(0.5) or 0.0,
        p90_ms=latency.quantile(0.9) or 0.0,
        max_ms=latency.max_ms,
        latency=latency,
    )


def _image(request: AnchorRequest, version: int, watcher: Watcher) -> tuple[Image | None, tuple[str, ...]]:
    if not request.keeps_statistics:
        return None, ("the planner's statistics were not kept: a plan that changes cannot be explained",)
    try:
        return (
            read_image(
                request.conninfo,
                Binaries.for_major(version // 10000, request.pg_bin),
                progress=lambda done, total, what: watcher.progress(what, done, total),
            ),
            (),
        )
    except LabError as error:
        return None, (f"the planner's statistics were not kept: {error}",)


def _seconds(snapshot: Snapshot) -> float | None:
    """Return the length of the window in which was counted."""
    since = snapshot.workload.since
    if since is None:
        return None
    return (datetime.fromisoformat(snapshot.taken_at) - datetime.fromisoformat(since)).total_seconds()
