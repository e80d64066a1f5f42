"""Takes a server's log into the history: single executions, fingerprinted, from where it was read to before.

All that is new is written at once, with how far the log is read then: whoever is killed begins again from there, and
counts nothing twice. No text of a log is kept, and none is in an error.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice

from trimtab.errors import UsageError
from trimtab.history.executions import CHUNK, executions_of, pack_executions
from trimtab.history.facts import ServerFacts
from trimtab.history.store import HistoryStore
from trimtab.model.execution import Execution, LogPosition, LogTally
from trimtab.observe.logs.reader import DEFAULT_PREFIX, LogReader
from trimtab.observe.logs.source import LogSource

_PIECES_A_WRITE = 5


@dataclass(frozen=True, slots=True)
class LogRequest:
    """Which log of which server, and how it is written; `database` wants executions in that one alone."""

    server: str
    source: LogSource
    log_line_prefix: str = DEFAULT_PREFIX
    log_timezone: str | None = None
    log_format: str | None = None
    database: str | None = None
    since_ns: int = 0


@dataclass(frozen=True, slots=True)
class Ingested:
    """What was taken: the reader's tally, how many queries, and between which times the executions were."""

    tally: LogTally
    queries: int
    first_ns: int | None
    last_ns: int | None


def ingest(
    store: HistoryStore,
    request: LogRequest,
    *,
    clock: Callable[[], int] = time.time_ns,
    progress: Callable[[int], None] = lambda _executions: None,
) -> Ingested:
    """Read what is new in a log, and keep it. `progress` is told how many executions were kept so far.

    Raises UsageError `logs.unreadable`, `logs.prefix`, SourceError, LedgerError `history.*`; then nothing is noted, and
    the log can be read again.
    """
    known = [number for number, facts in store.servers() if facts.name == request.server]
    reader = LogReader(
        request.source,
        log_line_prefix=request.log_line_prefix,
        log_timezone=request.log_timezone,
        log_format=request.log_format,
        database=request.database,
        since_ns=request.since_ns,
        position=LogPosition(store.log_offsets(known[0]) if known else {}),
    )
    names: set[str] = set()
    first_ns: int | None = None
    last_ns: int | None = None
    kept = 0
    waiting: list[tuple[int, int, int, bytes]] = []
    for piece in _pieces(reader.read()):
        found = executions_of(piece)
        begin, end = int(found.time_ns[0]), int(found.time_ns[-1])
        first_ns = begin if first_ns is None else min(first_ns, begin)
        last_ns = end if last_ns is None else max(last_ns, end)
        names.update(found.names)
        waiting.append((begin, end, len(piece), pack_executions(found)))
        kept += len(piece)
        progress(kept)
    if not kept and reader.tally.left_out.get("other_prefix", 0) > reader.tally.entries:
        raise _no_prefix(request, reader.tally)
    # The reader says how far a file is read when its end was seen: all of it is written at once, or nothing.
    with store.writing() as connection:
        server = store.server_id(connection, ServerFacts(request.server))
        for at in range(0, len(waiting), _PIECES_A_WRITE):
            store.add_executions(connection, server, waiting[at : at + _PIECES_A_WRITE])
        store.put_log_offsets(connection, server, reader.position.offsets, clock())
    return Ingested(reader.tally, len(names), first_ns, last_ns)


def _no_prefix(request: LogRequest, tally: LogTally) -> UsageError:
    return UsageError(
        f"the log was refused: {tally.left_out['other_prefix']:,} of its messages do not begin with the prefix"
        f" {request.log_line_prefix!r}, and none of the others tells an execution",
        code="logs.prefix",
        next_step="Give --prefix as the server has it (SHOW log_line_prefix); the log is then read from where it was.",
    )


def _pieces(executions: Iterator[Execution]) -> Iterator[Sequence[Execution]]:
    while piece := list(islice(executions, CHUNK)):
        yield piece
