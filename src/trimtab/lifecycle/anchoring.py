"""What the `trimtab anchor` commands do: take an anchor of a database, keep it, tell how it stands, accept, release it.

A source is only read; its queries are run only where that was asked for, and reads alone. Every anchor is signed and
on disk before the ledger is told of it; a death in between is made good by whoever comes next.
"""

from __future__ import annotations

import getpass
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from random import Random

import psycopg

from trimtab.anchor.counted import CountedWindow, counted_between
from trimtab.anchor.dimensions import dimensions
from trimtab.anchor.document import MOST_BYTES, FlawError, SignedAnchor, read
from trimtab.anchor.force import Force, Standing, standings
from trimtab.anchor.logged import logged_latencies, why_selective
from trimtab.anchor.record import Measuring, anchor_to_dict, make_anchor, measure_levels
from trimtab.anchor.state import read_state
from trimtab.anchor.store import AnchorStore, flawed
from trimtab.db.connection import Connection, connect, source_error
from trimtab.embedded.binaries import Binaries
from trimtab.errors import AnchorError, LabError
from trimtab.ledger.entry import Kind
from trimtab.ledger.ledger import Ledger
from trimtab.lifecycle.arrivals import arrival_profile
from trimtab.lifecycle.watch_identity import identity_of
from trimtab.model.anchor import Anchor, Permanence, QueryLevel
from trimtab.model.catalog import Snapshot
from trimtab.model.execution import REASONS
from trimtab.model.latency import Latency
from trimtab.model.traffic import Counters
from trimtab.model.watch import Watcher
from trimtab.observe.logs.reader import DEFAULT_PREFIX, LogReader
from trimtab.observe.logs.server_source import read_log_settings
from trimtab.observe.logs.source import LocalLogs
from trimtab.observe.snapshot import take_snapshot
from trimtab.observe.traffic import read_counters, statements_of
from trimtab.signing.keys import write_public_key
from trimtab.spec.load import load_spec
from trimtab.twin.capture import Image, read_image
from trimtab.twin.definitions import read_definitions
from trimtab.twin.digests import statistics_digests
from trimtab.twin.image import save

READ_TIMEOUT_MS = 60_000
DIRECTORY = "anchors"
_LONGEST_RUNS_SECONDS = 600.0


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
    specification = load_spec(request.spec) if request.spec is not None else load_spec()
    with (
        Ledger.open(request.ledger_path) as ledger,
        closing(connect(request.conninfo, read_only=True, statement_timeout_ms=READ_TIMEOUT_MS)) as source,
    ):
        snapshot = take_snapshot(
            source,
            request.workload,
            seed=request.seed,
            progress=lambda done, total, what: watcher.progress(what, done, total),
        )
        window, snapshot, problems = _counted(source, snapshot, request.seconds, watcher, sleep)
        levels = _levels(source, snapshot, request.runs, window, watcher)
        levels, problem = _with_logs(source, levels, request, snapshot, watcher)
        image, told = _image(request, source.info.server_version, watcher)
        digest = "" if image is None else store.put_statistics(lambda path: save(image, path))
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
                image_sha256=digest,
            ),
            arrival=arrival_profile(request.ledger_path, identity_of(snapshot.server, source)),
            problems=(*problems, *problem, *told, *(() if image is None else image.source.problems)),
        )
        signed = keep(store, ledger, anchor)
        store.forget_statistics([s.anchor for s in _standings(store, ledger) if s.force is Force.IN_FORCE])
    return signed


def keep(store: AnchorStore, ledger: Ledger, anchor: Anchor, run_id: str | None = None) -> SignedAnchor:
    """Sign and keep the anchor, and tell the ledger. Raises AnchorError, KeyFileError, LedgerError."""

    def record(signed: SignedAnchor) -> None:
        body = {**anchor_to_dict(signed.anchor), "document_sha256": signed.digest, "key_id": signed.key_id}
        ledger.append(Kind.ANCHOR_RECORDED, body, run_id=run_id if signed.anchor.id == anchor.id else None)

    return store.append(anchor, lambda: _recorded(ledger), record)


def store_of(ledger_path: Path) -> AnchorStore:
    """Return the store of anchors that belongs to a ledger: it is beside it. Raises AnchorError `anchor.unusable`."""
    return AnchorStore(ledger_path.parent / DIRECTORY)


def read_parents(source: Connection) -> dict[tuple[str, str], tuple[str, str]]:
    """Return the topmost parents of partitions, children and their indexes. Raises SourceError."""
    try:
        return read_definitions(source).tops()
    except psycopg.Error as error:
        raise source_error(error) from None


def listed(ledger_path: Path) -> list[Standing]:
    """Return all anchors in the order of the chain, and how they stand. Raises AnchorError, LedgerError."""
    with Ledger.open(ledger_path) as ledger:
        return _standings(store_of(ledger_path), ledger)


def shown(ledger_path: Path, name: str) -> tuple[SignedAnchor, Standing]:
    """Return one anchor by id, beginning of an id, or "latest". Raises AnchorError, LedgerError."""
    signed = store_of(ledger_path).find(name)
    return signed, next(s for s in listed(ledger_path) if s.anchor.id == signed.anchor.id)


def found(ledger_path: Path, name: str | Path, keys: Sequence[Path] = ()) -> SignedAnchor:
    """Return an anchor by its document's file, or as `shown` does. Raises AnchorError, KeyFileError."""
    if isinstance(name, Path) or "/" in name or name.endswith(".json"):
        return verified_file(Path(name), ledger_path, keys)
    return store_of(ledger_path).find(name)


def verified_chain(ledger_path: Path) -> list[str]:
    """Return the ids of all anchors of this machine when they are as signed, in one chain, as the ledger has them.

    Raises AnchorError `anchor.flawed`, which names the first thing that is wrong, and LedgerError.
    """
    store = store_of(ledger_path)
    with Ledger.open(ledger_path) as ledger:
        flaw = store.flaw(_recorded(ledger))
    if flaw is not None:
        raise flawed(flaw.anchor_id or "chain", flaw.found)
    return [signed.anchor.id for signed in store.anchors()]


def verified_file(path: Path, ledger_path: Path, keys: Sequence[Path] = ()) -> SignedAnchor:
    """Return the anchor of a document that came from anywhere. No server is asked.

    `keys` are files of public keys that are believed beside those known here. Raises AnchorError `anchor.flawed`, which
    names the first thing that is wrong, `anchor.unreadable`, and KeyFileError.
    """
    known = store_of(ledger_path).known(keys)
    try:
        with path.open("rb") as file:
            return read(file.read(MOST_BYTES + 1), known)
    except OSError as error:
        raise AnchorError(
            f"{path} cannot be read: {error.strerror}",
            code="anchor.unreadable",
            next_step="Give the file of an anchor; `trimtab anchor show ID` tells where it is.",
        ) from None
    except FlawError as error:
        raise flawed(str(path), str(error)) from None


def accept(ledger_path: Path, name: str, reason: str) -> SignedAnchor:
    """Make an anchor the new normal of its database, because of a reason, in the ledger.

    Raises AnchorError, also `anchor.not_in_force`, and LedgerError.
    """
    return _noted(Kind.ANCHOR_ACCEPTED, ledger_path, name, reason)


def release(ledger_path: Path, name: str, reason: str) -> SignedAnchor:
    """End that an anchor is in force, because of a reason, in the ledger, and remove statistics that it alone kept.

    Raises AnchorError, also `anchor.not_in_force`, and LedgerError.
    """
    signed = _noted(Kind.ANCHOR_RELEASED, ledger_path, name, reason)
    in_force = [s.anchor for s in listed(ledger_path) if s.force is Force.IN_FORCE]
    store_of(ledger_path).forget_statistics(in_force)
    return signed


def export_key(ledger_path: Path, path: Path) -> str:
    """Write this machine's public key to a new file and return its id. Raises KeyFileError."""
    key = store_of(ledger_path).key().public
    write_public_key(key, path)
    return key.id


def _noted(kind: Kind, ledger_path: Path, name: str, reason: str) -> SignedAnchor:
    signed, standing = shown(ledger_path, name)
    if standing.force is not Force.IN_FORCE:
        raise AnchorError(
            f"the anchor {signed.anchor.id} was left as it is: it is {standing.force.value.replace('_', ' ')}",
            code="anchor.not_in_force",
            next_step="`trimtab anchor list` shows which are in force.",
        )
    body = {"anchor_id": signed.anchor.id, "document_sha256": signed.digest, "reason": reason, "by": getpass.getuser()}
    with Ledger.open(ledger_path) as ledger:
        ledger.append(kind, body)
    return signed


def _standings(store: AnchorStore, ledger: Ledger) -> list[Standing]:
    return standings([signed.anchor for signed in store.anchors()], ledger.entries())


def _recorded(ledger: Ledger) -> list[str]:
    """Return the digests of the documents that the ledger has; anchors of before there were documents have none."""
    digests = (entry.body.get("document_sha256") for entry in ledger.entries(Kind.ANCHOR_RECORDED))
    return [str(digest) for digest in digests if digest is not None]


def _counted(
    source: Connection, snapshot: Snapshot, seconds: float, watcher: Watcher, sleep: Callable[[float], None]
) -> tuple[CountedWindow | None, Snapshot, tuple[str, ...]]:
    """Return what was counted, the snapshot with the window in which that was, and what could not be told."""
    keys = statements_of(source, snapshot.workload.queries)
    begin = read_counters(source)
    if begin is None:
        return None, snapshot, ("pg_stat_statements does not tell: no execution of the application's was counted",)
    since = snapshot.workload.since
    if seconds > 0:
        started = time.time()
        since = _iso(started)
        for second in range(int(seconds)):
            watcher.progress("counting the application's statements", second, int(seconds))
            sleep(1.0)
        sleep(seconds - int(seconds))
        end = read_counters(source)
    else:
        begin, end = Counters(begin.reset, {}), begin
    if end is None:
        return None, snapshot, ("pg_stat_statements does not tell any more",)
    window = counted_between(begin, end, keys)
    until = _iso(time.time())
    snapshot = replace(snapshot, taken_at=until, workload=replace(snapshot.workload, since=since))
    problems = (
        (f"{window.begun_anew} statements were not counted: their counters began anew",) if window.begun_anew else ()
    )
    return window, snapshot, problems


def _levels(
    source: Connection, snapshot: Snapshot, runs: int, window: CountedWindow | None, watcher: Watcher
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
    latencies = logged_latencies(reader.read(), random=Random(request.seed))  # noqa: S311
    found = {
        query_id: level if level.runs or query_id not in latencies else _timed(level, latencies[query_id])
        for query_id, level in levels.items()
    }
    left_out = [f"{count} because {REASONS[reason]}" for reason, count in reader.tally.left_out.items()]
    told = f"the log: {reader.tally.executions} executions" + (f"; left out {', '.join(left_out)}" if left_out else "")
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


def _iso(seconds: float) -> str:
    from datetime import UTC

    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")
