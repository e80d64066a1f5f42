"""What `trimtab twin export`, `build`, `list` and `drop` do: portable files, and twins that are kept.

Nothing here changes a source; it is read once.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from trimtab.db.dsn import describe
from trimtab.embedded.binaries import Binaries
from trimtab.embedded.server import Server
from trimtab.errors import LabError
from trimtab.lifecycle.twin_origin import Origin, copy_of, image_of, required_size, told
from trimtab.model.watch import Watcher
from trimtab.twin.build import Built, build, programs_for, refresh
from trimtab.twin.capture import Image
from trimtab.twin.image import save
from trimtab.twin.shelf import KeptTwin, Shelf, expiry


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


def export(origin: Origin, path: Path, watcher: Watcher) -> Exported:
    """Read the source and write the portable file. Raises SourceError, LabError, UsageError."""
    image = image_of(origin, watcher)
    size_bytes = save(image, path)
    source = image.source
    return Exported(path, size_bytes, source.version, len(source.relations), source.has_values, source.problems)


def keep(origin: Origin, name: str, watcher: Watcher, *, days: float) -> Kept:
    """Build a twin and keep it under a name for so many days; one that is there is refreshed.

    Raises SourceError, LabError (`twin.too_large` as in Origin), UsageError.
    """
    shelf = Shelf()
    started = time.perf_counter()
    image = image_of(origin, watcher)
    binaries = programs_for(image, Binaries.for_major(image.source.major, origin.pg_bin))
    server, problems, loaded = _refreshed(shelf, name, image, binaries)
    was_refreshed = server is not None
    if server is None:
        built = build(image, binaries, progress=told(watcher))
        server, problems, loaded = built.server, built.problems, len(image.source.relations)
    with server:
        server.stop()
        size_bytes = required_size(server, origin)
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
    """Remove kept twins and return their names. Raises UsageError `twin.unknown`; then none is removed."""
    shelf = Shelf()
    doomed = [kept.name for kept in shelf.twins()] if every else list(dict.fromkeys(names))
    for name in doomed:
        shelf.find(name)
    for name in doomed:
        shelf.drop(name)
    return doomed


def _refreshed(shelf: Shelf, name: str, image: Image, binaries: Binaries) -> tuple[Server | None, tuple[str, ...], int]:
    """Return a server with the kept twin brought up to date.

    None when there is none, its schema is another, these programs do not fit it, or it is damaged: it is built anew.
    """
    kept = next((twin for twin in shelf.twins() if twin.name == name), None)
    if kept is None or binaries.version[0] != kept.twin_version // 10000:
        return None, (), 0
    try:
        old = shelf.image(name)
        server = copy_of(shelf, kept, binaries.directory)
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
