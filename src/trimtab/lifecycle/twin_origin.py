"""Where a twin comes from: a live source, a portable file, or a kept twin; it is opened, and its limits are kept.

Nothing here changes a source, and no query is ever run.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from trimtab.db.connection import Connection
from trimtab.db.role import reading
from trimtab.embedded.binaries import Binaries
from trimtab.embedded.server import Server
from trimtab.errors import LabError, UsageError
from trimtab.model.watch import Watcher
from trimtab.twin.build import SETTINGS, Built, build
from trimtab.twin.capture import Image, read_image
from trimtab.twin.image import load
from trimtab.twin.roles import planning_role
from trimtab.twin.shelf import KeptTwin, Shelf
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


def image_of(origin: Origin, watcher: Watcher) -> Image:
    """Return the image of a source, or of a file. Raises SourceError, LabError, UsageError `twin.has_values`."""
    if origin.file is not None:
        return _as_wanted(load(origin.file), origin, str(origin.file))
    assert origin.conninfo is not None, "an image comes from a source or a file"
    return read_image(
        origin.conninfo,
        Binaries.find(),
        with_values=origin.has_values,
        with_ends=origin.may_sample,
        progress=told(watcher),
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
def open_twin(origin: Origin, watcher: Watcher) -> Iterator[tuple[Twin, float]]:
    """Yield the running twin, and the seconds until it was ready."""
    started = time.perf_counter()
    if origin.kept is not None:
        shelf = Shelf()
        kept, image = shelf.find(origin.kept), _as_wanted(shelf.image(origin.kept), origin, origin.kept)
        planning_role(image.source, origin.as_role)  # Told before there is anything to wait for.
        built = Built(copy_of(shelf, kept, origin.pg_bin), image.source, kept.problems)
    else:
        image = image_of(origin, watcher)
        planning_role(image.source, origin.as_role)
        binaries = Binaries.for_major(image.source.major, origin.pg_bin)
        built = build(image, binaries, progress=told(watcher))
        try:
            required_size(built.server, origin)
        except BaseException:
            built.server.destroy()
            raise
    with Twin.open(built, role=origin.as_role) as twin:
        if origin.is_live and origin.may_sample:
            twin.sample_from(origin.conninfo)
        yield twin, time.perf_counter() - started


def required_size(server: Server, origin: Origin) -> int:
    """Return the size on disk. Raises LabError `twin.too_large`."""
    size_bytes = server.size_bytes()
    if size_bytes > origin.most_bytes:
        raise LabError(
            f"the twin is thrown away: it takes {size_bytes:,} bytes of disk, the limit is {origin.most_bytes:,}",
            code="twin.too_large",
            next_step="Raise --max-size, or leave tables out by using a role that may read fewer.",
        )
    return size_bytes


def copy_of(shelf: Shelf, kept: KeptTwin, pg_bin: Path | None) -> Server:
    """Return a running server on a copy of a kept twin. Raises LabError `twin.other_major`."""
    binaries = Binaries.for_major(kept.twin_version // 10000, pg_bin)
    if binaries.version[0] != kept.twin_version // 10000:
        raise LabError(
            f"the kept twin {kept.name} cannot be started: it needs PostgreSQL {kept.twin_version // 10000}, "
            f"{binaries.directory} has {binaries.version[0]}",
            code="twin.other_major",
            next_step="Name programs of that version with --pg-bin, or build the twin again.",
        )
    return Server.create(binaries, purpose="twin", settings=SETTINGS, data_directory=shelf.data_directory(kept.name))


def open_source(conninfo: str) -> Connection:
    """Return a read-only session of the source, whose statements end after a minute. Raises SourceError."""
    return reading(conninfo, statement_timeout_ms=READ_TIMEOUT_MS)


def told(watcher: Watcher) -> _Progress:
    """Return what tells the watcher of progress."""
    return _Progress(watcher)


@dataclass(frozen=True, slots=True)
class _Progress:
    watcher: Watcher

    def __call__(self, done: int, total: int, what: str) -> None:
        self.watcher.progress(what, done, total)
