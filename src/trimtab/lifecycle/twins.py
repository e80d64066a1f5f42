"""What the `trimtab twin` commands do: from a source, a file or a kept twin to plans, costs and their fidelity.

Nothing here changes a source, and no query is ever run: the source is read, and asked for plans.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager, nullcontext
from dataclasses import dataclass, replace
from pathlib import Path

import psycopg

from trimtab.db.connection import Connection, connect
from trimtab.db.dsn import describe
from trimtab.embedded.binaries import Binaries
from trimtab.embedded.server import Server
from trimtab.errors import LabError, SourceError, UsageError
from trimtab.model.change import CreateIndex, CreateStatistics, SetSetting
from trimtab.model.plan import Plan
from trimtab.model.watch import Watcher
from trimtab.model.whatif import Hypothesis, StatisticsTarget, WhatIf
from trimtab.model.workload import Query, Workload
from trimtab.observe.snapshot import take_snapshot
from trimtab.twin import ddl
from trimtab.twin.build import SETTINGS, Built, build, lost, programs_for, refresh
from trimtab.twin.capture import Image, read_image
from trimtab.twin.fidelity import Fidelity
from trimtab.twin.hypopg import HypoPG
from trimtab.twin.image import load, save
from trimtab.twin.roles import asked_as, bound_role, planning_role, resolved_search_path, search_in
from trimtab.twin.shelf import KeptTwin, Shelf, expiry
from trimtab.twin.twin import Twin

READ_TIMEOUT_MS = 60_000


@dataclass(frozen=True, slots=True)
class Origin:
    """Where a twin comes from: a live source, or a portable file, or a kept twin's name; the first that is given.

    `may_sample` lets it read bounded samples of a live source's rows. `as_role` is the role of the source that it plans
    as, as in `Twin.open`. A twin that takes more than `most_bytes` of real disk is thrown away.
    """

    conninfo: str | None = None
    file: Path | None = None
    kept: str | None = None
    pg_bin: Path | None = None
    has_values: bool = True
    may_sample: bool = True
    as_role: str | None = None
    most_bytes: int = 2 << 30

    @property
    def is_live(self) -> bool:
        """Whether a server is read."""
        return self.file is None and self.kept is None


@dataclass(frozen=True, slots=True)
class Exported:
    """A portable file that was written. Versions are server_version_num."""

    path: Path
    size_bytes: int
    source_version: int
    relations: int
    has_values: bool
    problems: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Kept:
    """A twin that was built and kept. `loaded` are the relations of which facts were loaded now: all at first."""

    twin: KeptTwin
    was_refreshed: bool
    loaded: int
    relations: int
    build_seconds: float


@dataclass(frozen=True, slots=True)
class Checked:
    """The fidelity of a twin on a workload. `role` is who planned, None for one whom no policies bind."""

    workload: Workload
    fidelity: Fidelity
    planner_calls: int
    build_seconds: float
    engine: str
    source_version: int
    twin_version: int
    problems: tuple[str, ...]
    role: str | None = None


@dataclass(frozen=True, slots=True)
class QueryExplained:
    """One query without and with the hypothetical changes. Costs are the planner's, None where planning failed.

    `uses` are the hypothetical indexes that its plan uses; `failure` says why it was not planned, or is "".
    """

    query: Query
    cost_before: float | None
    cost_after: float | None
    uses: tuple[str, ...]
    failure: str


@dataclass(frozen=True, slots=True)
class IndexExplained:
    """A hypothetical index: its estimated size, or None with the reason why it was refused; `note` tells its basis."""

    change: CreateIndex
    size_bytes: int | None
    refusal: str
    note: str


@dataclass(frozen=True, slots=True)
class StatisticsExplained:
    """A hypothetical statistics object: why it has no effect, or ""; `note` tells its basis."""

    change: CreateStatistics
    refusal: str
    note: str


@dataclass(frozen=True, slots=True)
class TargetExplained:
    """A hypothetical statistics target: why it has no effect, or ""; `note` tells its basis."""

    target: StatisticsTarget
    refusal: str
    note: str


@dataclass(frozen=True, slots=True)
class Explained:
    """What hypothetical changes would do to a workload. `role` is as in Checked."""

    workload: Workload
    queries: tuple[QueryExplained, ...]
    indexes: tuple[IndexExplained, ...]
    statistics: tuple[StatisticsExplained, ...]
    targets: tuple[TargetExplained, ...]
    planner_calls: int
    build_seconds: float
    engine: str
    problems: tuple[str, ...]
    role: str | None = None


@dataclass(frozen=True, slots=True)
class Wishes:
    """Hypothetical changes as a person wrote them.

    CREATE INDEX statements, names of indexes, name=value, CREATE STATISTICS statements, table.column=target.
    """

    indexes: Sequence[str] = ()
    drops: Sequence[str] = ()
    settings: Sequence[str] = ()
    statistics: Sequence[str] = ()
    targets: Sequence[str] = ()


def export(origin: Origin, path: Path, watcher: Watcher) -> Exported:
    """Read the source and write the portable file. Raises SourceError, LabError, UsageError."""
    image = _image(origin, watcher)
    size_bytes = save(image, path)
    source = image.source
    return Exported(path, size_bytes, source.version, len(source.relations), source.has_values, source.problems)


def keep(origin: Origin, name: str, watcher: Watcher, *, days: float) -> Kept:
    """Build a twin and keep it under a name for so many days; one that is there is refreshed.

    Raises SourceError, LabError (`twin.too_large` as in Origin), UsageError.
    """
    shelf = Shelf()
    started = time.perf_counter()
    image = _image(origin, watcher)
    binaries = programs_for(image, Binaries.for_major(image.source.major, origin.pg_bin))
    server, problems, loaded = _refreshed(shelf, name, image, binaries)
    was_refreshed = server is not None
    if server is None:
        built = build(image, binaries, progress=_told(watcher))
        server, problems, loaded = built.server, built.problems, len(image.source.relations)
    with server:
        server.stop()
        size_bytes = _required_size(server, origin)
        kept = KeptTwin(
            name=name,
            source=describe(origin.conninfo or "") if origin.file is None else str(origin.file),
            source_version=image.source.version,
            twin_version=server.binaries.version[0] * 10000 + server.binaries.version[1],
            built_at=expiry(0),
            expires_at=expiry(days),
            size_bytes=size_bytes,
            has_values=image.source.has_values,
            problems=problems,
        )
        shelf.put(kept, server, image)
    seconds = time.perf_counter() - started
    return Kept(kept, was_refreshed, loaded, len(image.source.relations), seconds)


def kept_twins() -> list[KeptTwin]:
    """Return the kept twins; those whose time is over go now."""
    return Shelf().twins()


def drop(names: Sequence[str], *, every: bool = False) -> list[str]:
    """Remove kept twins and return their names. Raises UsageError `twin.unknown`."""
    shelf = Shelf()
    doomed = [kept.name for kept in shelf.twins()] if every else list(dict.fromkeys(names))
    for name in doomed:
        shelf.drop(name)
    return doomed


def check(origin: Origin, conninfo: str, workload: Path | None, watcher: Watcher, *, seed: int) -> Checked:
    """Compare the twin's plans of a workload with the source's own. Raises SourceError, LabError, WorkloadError."""
    with closing(_source(conninfo)) as source:
        if origin.as_role is None and not origin.is_live:
            origin = replace(origin, as_role=bound_role(source))
        if origin.as_role is not None:
            # Whether it may be asked is told before there is anything to wait for.
            with asked_as(source, origin.as_role):
                path = resolved_search_path(source)
            search_in(source, path)
        found = take_snapshot(source, workload, seed=seed, progress=_told(watcher)).workload
        with _open(origin, watcher) as (twin, seconds):
            fidelity = twin.fidelity(source, found.queries)
            return Checked(
                workload=found,
                fidelity=fidelity,
                planner_calls=twin.planner_calls,
                build_seconds=seconds,
                engine="twin",
                source_version=source.info.server_version,
                twin_version=twin.version,
                problems=twin.problems,
                role=twin.role,
            )


def explain(
    origin: Origin,
    workload: Path | None,
    wishes: Wishes,
    watcher: Watcher,
    *,
    seed: int,
    engine: str = "twin",
    generic: bool | None = None,
) -> Explained:
    """Plan a workload without and with the hypothetical changes. Raises SourceError, LabError, UsageError.

    `engine` is "twin", or "hypopg" for a server that has this extension. `generic` true plans for any parameters.
    """
    with _asked(origin, engine, watcher) as asked:
        with nullcontext() if origin.is_live else _twin_alive(asked.reader):
            found = take_snapshot(asked.reader, workload, seed=seed, progress=_told(watcher)).workload
        indexes = [ddl.create_index(text, asked.reader, number) for number, text in enumerate(wishes.indexes, start=1)]
        statistics = [
            ddl.create_statistics(text, asked.reader, number) for number, text in enumerate(wishes.statistics, start=1)
        ]
        targets = [ddl.statistics_target(text, asked.reader) for text in wishes.targets]
        _require_distinct(indexes)
        changes: list[Hypothesis] = [
            *indexes,
            *(ddl.drop(name, asked.reader) for name in wishes.drops),
            *(ddl.set_setting(text) for text in wishes.settings),
            *statistics,
            *targets,
        ]
        for change in changes:
            if isinstance(change, SetSetting):
                ddl.require_settable(change, asked.reader if asked.twin is None else asked.twin.connection)
        before, after = asked.what_if.what_if(found.queries, [(), tuple(changes)], generic=generic)
        refusals = [asked.what_if.refusal(index, changes) for index in indexes]
        there = [index for index, refusal in zip(indexes, refusals, strict=True) if refusal is None]
        sizes = asked.what_if.size_bytes(indexes)
        return Explained(
            workload=found,
            queries=tuple(
                _explained(query, b, a, there) for query, b, a in zip(found.queries, before, after, strict=True)
            ),
            indexes=tuple(
                IndexExplained(change, size if refusal is None else None, refusal or "", asked.note(change))
                for change, size, refusal in zip(indexes, sizes, refusals, strict=True)
            ),
            statistics=tuple(StatisticsExplained(one, *asked.basis(one, changes)) for one in statistics),
            targets=tuple(TargetExplained(one, *asked.basis(one, changes)) for one in targets),
            planner_calls=asked.what_if.planner_calls,
            build_seconds=asked.seconds,
            engine=engine,
            problems=asked.twin.problems if asked.twin is not None else (),
            role=asked.twin.role if asked.twin is not None else origin.as_role,
        )


@dataclass(frozen=True, slots=True)
class _Asked:
    """What answers: an engine, a session to look names up in, and the twin when it is one."""

    what_if: WhatIf
    reader: Connection
    seconds: float
    twin: Twin | None

    def note(self, change: CreateIndex) -> str:
        return self.twin.note(change) if self.twin is not None else "HypoPG's own estimate"

    def basis(self, one: CreateStatistics | StatisticsTarget, among: Sequence[Hypothesis]) -> tuple[str, str]:
        """Return why hypothetical statistics have no effect, or "", and what they rest on."""
        if self.twin is None:
            return "HypoPG cannot imagine it", ""
        refusal = self.twin.refusal(one, among)
        return (refusal, "") if refusal else ("", self.twin.note(one, among))


@contextmanager
def _asked(origin: Origin, engine: str, watcher: Watcher) -> Iterator[_Asked]:
    if engine == "twin":
        with _open(origin, watcher) as (twin, seconds), closing(_reader(origin, twin)) as reader:
            if origin.as_role is not None:  # Names mean what they mean to the role.
                search_in(reader, resolved_search_path(twin.connection))
            yield _Asked(twin, reader, seconds, twin)
        return
    if engine != "hypopg" or not origin.is_live or origin.conninfo is None:
        raise UsageError(
            f"--engine {engine} was refused: it is twin, or hypopg with a server to ask",
            code="usage.engine",
            next_step="Write --engine twin, or --engine hypopg and the DSN of a server that has the extension.",
        )
    started = time.perf_counter()
    with HypoPG.connect(origin.conninfo, role=origin.as_role) as hypopg:
        seconds = time.perf_counter() - started
        with closing(_source(origin.conninfo)) as reader:
            yield _Asked(hypopg, reader, seconds, None)


@contextmanager
def _twin_alive(reader: Connection) -> Iterator[None]:
    """Say that the twin ended, where the session that reads is one of its own. Raises LabError `twin.lost`."""
    try:
        yield
    except SourceError:
        if not reader.closed:
            raise
        raise lost(psycopg.OperationalError()) from None


def _require_distinct(indexes: Sequence[CreateIndex]) -> None:
    names = [(index.schema, index.name) for index in indexes]
    for schema, name in names:
        if names.count((schema, name)) > 1:
            raise UsageError(
                f"the hypothetical indexes are refused: two of schema {schema} are called {name}",
                code="twin.index_statement",
                next_step="Give each a name of its own, or none.",
            )


def _explained(query: Query, before: object, after: object, indexes: Sequence[CreateIndex]) -> QueryExplained:
    failed = next((answer for answer in (before, after) if not isinstance(answer, Plan)), None)
    used, read = (after.indexes, after.relations) if isinstance(after, Plan) else (frozenset(), frozenset())
    # A name that an index has already may be that one's, of another schema.
    there = before.indexes if isinstance(before, Plan) else frozenset()
    return QueryExplained(
        query=query,
        cost_before=before.cost if isinstance(before, Plan) else None,
        cost_after=after.cost if isinstance(after, Plan) else None,
        uses=tuple(
            change.name
            for change in indexes
            if change.name in used and (change.name not in there or (change.schema, change.table) in read)
        ),
        failure=getattr(failed, "reason", ""),
    )


def _image(origin: Origin, watcher: Watcher) -> Image:
    if origin.file is not None:
        return _as_wanted(load(origin.file), origin, str(origin.file))
    assert origin.conninfo is not None, "an image comes from a source or a file"
    return read_image(
        origin.conninfo,
        Binaries.find(),
        with_values=origin.has_values,
        progress=_told(watcher),
    )


def _as_wanted(image: Image, origin: Origin, name: str) -> Image:
    """Return the image. Raises UsageError `twin.has_values` when it holds values that are not wanted."""
    if image.source.has_values and not origin.has_values:
        raise UsageError(
            f"--no-values was refused: {name} holds most-common values and histograms already",
            code="twin.has_values",
            next_step="Export or build it again from the source with --no-values.",
        )
    return image


@contextmanager
def _open(origin: Origin, watcher: Watcher) -> Iterator[tuple[Twin, float]]:
    """Yield the running twin, and the seconds until it was ready."""
    started = time.perf_counter()
    if origin.kept is not None:
        shelf = Shelf()
        kept, image = shelf.find(origin.kept), _as_wanted(shelf.image(origin.kept), origin, origin.kept)
        planning_role(image.source, origin.as_role)  # Told before there is anything to wait for.
        built = Built(_copy_of(shelf, kept, origin.pg_bin), image.source, kept.problems)
    else:
        image = _image(origin, watcher)
        planning_role(image.source, origin.as_role)
        binaries = Binaries.for_major(image.source.major, origin.pg_bin)
        built = build(image, binaries, progress=_told(watcher))
        try:
            _required_size(built.server, origin)
        except BaseException:
            built.server.destroy()
            raise
    with Twin.open(built, role=origin.as_role) as twin:
        if origin.is_live and origin.may_sample:
            twin.sample_from(origin.conninfo)
        yield twin, time.perf_counter() - started


def _required_size(server: Server, origin: Origin) -> int:
    """Return the size on disk. Raises LabError `twin.too_large`."""
    size_bytes = server.size_bytes()
    if size_bytes > origin.most_bytes:
        raise LabError(
            f"the twin is thrown away: it takes {size_bytes:,} bytes of disk, the limit is {origin.most_bytes:,}",
            code="twin.too_large",
            next_step="Raise --max-size, or leave tables out by using a role that may read fewer.",
        )
    return size_bytes


def _copy_of(shelf: Shelf, kept: KeptTwin, pg_bin: Path | None) -> Server:
    binaries = Binaries.for_major(kept.twin_version // 10000, pg_bin)
    if binaries.version[0] != kept.twin_version // 10000:
        raise LabError(
            f"the kept twin {kept.name} cannot be started: it needs PostgreSQL {kept.twin_version // 10000}, "
            f"{binaries.directory} has {binaries.version[0]}",
            code="twin.other_major",
            next_step="Name programs of that version with --pg-bin, or build the twin again.",
        )
    return Server.create(binaries, purpose="twin", settings=SETTINGS, data_directory=shelf.data_directory(kept.name))


def _refreshed(shelf: Shelf, name: str, image: Image, binaries: Binaries) -> tuple[Server | None, tuple[str, ...], int]:
    """Return a server with the kept twin brought up to date.

    None when there is none, its schema is another, these programs do not fit it, or it is damaged: it is built anew.
    """
    kept = next((twin for twin in shelf.twins() if twin.name == name), None)
    if kept is None or binaries.version[0] != kept.twin_version // 10000:
        return None, (), 0
    try:
        old = shelf.image(name)
        server = _copy_of(shelf, kept, binaries.directory)
    except LabError:
        return None, (), 0
    try:
        done = refresh(Built(server, old.source, kept.problems), old, image)
    except BaseException:
        server.destroy()
        raise
    if done.built is None:
        server.destroy()
        return None, (), 0
    return server, done.built.problems, len(done.changed)


def _reader(origin: Origin, twin: Twin) -> Connection:
    """Return a session to read the workload's surroundings from: the source where there is one, else the twin."""
    if origin.is_live and origin.conninfo is not None:
        return _source(origin.conninfo)
    return twin.connect_read_only()


def _source(conninfo: str) -> Connection:
    return connect(conninfo, read_only=True, statement_timeout_ms=READ_TIMEOUT_MS)


def _told(watcher: Watcher) -> _Progress:
    return _Progress(watcher)


@dataclass(frozen=True, slots=True)
class _Progress:
    watcher: Watcher

    def __call__(self, done: int, total: int, what: str) -> None:
        self.watcher.progress(what, done, total)
