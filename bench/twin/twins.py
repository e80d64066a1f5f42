"""Makes twins for the benchmark, and says what they are: the version that really runs, and the seconds it took."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from threading import Lock

from bench.twin.sources import Database, Source
from trimtab.embedded import living
from trimtab.embedded.binaries import Binaries
from trimtab.embedded.server import Server
from trimtab.twin.twin import Twin

_one_at_a_time = Lock()


@dataclass(frozen=True, slots=True)
class OpenTwin:
    """A running twin, its server, and how long it took from nothing until it was ready."""

    twin: Twin
    server: Server
    seconds: float

    @property
    def major(self) -> int:
        """The twin's major version."""
        return self.server.binaries.version[0]


@contextmanager
def open_twin(
    database: Database, binaries: Binaries | None = None, *, workers: int | None = None, with_sample: bool = False
) -> Iterator[OpenTwin]:
    """Yield the twin of a database, of the wheel's version unless other binaries are given and can be used.

    `workers` is the number of servers that it plans on. `with_sample` lets it read bounded samples of the source
    for the sizes and statistics of hypothetical indexes.
    """
    with _one_at_a_time:
        before = set(_servers())
        started = time.perf_counter()
        twin = Twin.build(
            database.dsn, database.snapshot, binaries or Binaries.find(), progress=_quiet, workers=workers
        )
        seconds = time.perf_counter() - started
        # Servers of this process are looked up, so that it does not matter how a twin holds its own.
        server = next(server for server in _servers() if server not in before)
    with twin:
        if with_sample:
            twin.sample_from(database.dsn)
        yield OpenTwin(twin, server, seconds)


def twin_binaries(source: Source) -> list[Binaries]:
    """Return the binaries to try for twins of the source: the wheel's, and the source's own."""
    own = source.binaries
    wheel = Binaries.find()
    return [wheel] if own.version[0] == wheel.version[0] else [wheel, own]


def _quiet(_done: int, _total: int, _what: str) -> None:
    """Show no progress."""


def _servers() -> list[Server]:
    return [item for _, item in list(living._living.values()) if isinstance(item, Server)]
