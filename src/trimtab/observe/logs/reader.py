"""Reads the executions of a server's log, from where it was read to before: the door to this room.

Chooses the format, follows files that grow, are renamed, compressed or begun anew, and counts what makes no execution.
It writes nothing, and no line of the log is in a value or an error of its.
"""

from __future__ import annotations

import hashlib
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from trimtab.model.execution import Execution, LogPosition, LogTally
from trimtab.observe.logs.compressed import UnreadableFileError, head_of, pieces_of
from trimtab.observe.logs.csvlog import CsvEntries
from trimtab.observe.logs.decoder import Decoder
from trimtab.observe.logs.jsonlog import JsonEntries
from trimtab.observe.logs.lines import Lines
from trimtab.observe.logs.prefix import Prefix
from trimtab.observe.logs.sessions import Sessions
from trimtab.observe.logs.source import LOG_NAME, LogFile, LogSource
from trimtab.observe.logs.stderr import PlainEntries
from trimtab.observe.logs.times import Times

DEFAULT_PREFIX = "%m [%p] "
"""PostgreSQL's own log_line_prefix; Debian's is "%m [%p] %q%u@%d "."""

# What tells most comes first; a server that writes several formats tells all in each.
FORMATS = ("jsonlog", "csvlog", "stderr")
_HEAD_BYTES = 64
_JSON = re.compile(rb'\s*\{"')
_CSV = re.compile(rb"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d{3} [^\s,]{1,40},[\"\w]*,")


@dataclass(slots=True)
class _Open:
    """A file that is being read, as far as its end was not seen."""

    lines: Lines
    decoder: Decoder
    place: int


class LogReader:
    """Reads one server's log.

    `log_line_prefix` and `log_timezone` are the server's settings (the prefix matters to plain logs only, the zone
    where it is not UTC); `log_format` is one of FORMATS, None for the one that tells most. With `database` only
    executions in that one are told; `since_ns` leaves out what is older; `position` is where a reader stopped before.
    """

    def __init__(
        self,
        source: LogSource,
        *,
        log_line_prefix: str = DEFAULT_PREFIX,
        log_timezone: str | None = None,
        log_format: str | None = None,
        database: str | None = None,
        since_ns: int = 0,
        position: LogPosition | None = None,
    ) -> None:
        self._source = source
        self._log_line_prefix = log_line_prefix
        self._times = Times(log_timezone)
        self._format = log_format
        self._since_ns = since_ns
        self._left_out: Counter[str] = Counter()
        self._sessions = Sessions(self._left_out, database=database, since_ns=since_ns)
        self._offsets = dict((position or LogPosition()).offsets)
        self._open: dict[str, _Open] = {}
        self._heads: dict[LogFile, tuple[str, str]] = {}
        self._whole: set[LogFile] = set()
        self._refused: dict[str, str] = {}
        self._entries = self._executions = 0

    @property
    def tally(self) -> LogTally:
        """What was read so far."""
        left_out = self._left_out + Counter(self._refused.values())
        return LogTally(self._entries, self._executions, dict(sorted(left_out.items())))

    @property
    def position(self) -> LogPosition:
        """How far the files that are there were read."""
        known = {key for key, _ in self._heads.values()}
        return LogPosition({key: offset for key, offset in sorted(self._offsets.items()) if key in known})

    def read(self, *, is_final: bool = True) -> Iterator[Execution]:
        """Yield the executions that were not read yet; those of one session in the order of their ends.

        Unless `is_final`, an entry that may go on is left for the next call, and so is an execution whose plan may
        follow, for one call. Raises UsageError (`logs.unreadable`, `logs.no_time`) and SourceError, as its source does.
        """
        for execution in self._read(is_final):
            self._executions += 1
            yield execution

    def _read(self, is_final: bool) -> Iterator[Execution]:
        files = self._chosen(self._source.files())
        for file in files:
            if file not in self._whole or (is_final and self._heads[file][0] in self._open):
                yield from self._read_file(file, is_closed=is_final or file is not files[-1])
        yield from self._sessions.end() if is_final else self._sessions.look()

    def _chosen(self, files: Sequence[LogFile]) -> list[LogFile]:
        """Return the files of one format, the oldest first."""
        self._refused = {}
        heads: dict[LogFile, tuple[str, str]] = {}
        for file in files:
            if file.modified_ns < self._since_ns:
                self._refused[file.name] = "before"
            elif not file.is_named and LOG_NAME.fullmatch(file.name) is None:
                self._refused[file.name] = "not_a_log"
            else:
                self._look_at(file, heads)
        self._heads = heads
        self._whole &= heads.keys()
        formats = {log_format for _, log_format in heads.values()}
        chosen = self._format or next((name for name in FORMATS if name in formats), "")
        for file, (_, log_format) in heads.items():
            if log_format != chosen:
                self._refused[file.name] = "other_format"
        of_format = (file for file, (_, log_format) in heads.items() if log_format == chosen)
        return sorted(of_format, key=lambda file: (file.modified_ns, file.name))

    def _look_at(self, file: LogFile, heads: dict[LogFile, tuple[str, str]]) -> None:
        known = self._heads.get(file)
        if known is None:
            try:
                head = head_of(self._source, file.name, _HEAD_BYTES)
            except UnreadableFileError:
                self._refused[file.name] = "unreadable_file"
                return
            if len(head) < _HEAD_BYTES:
                self._refused[file.name] = "short_file"
                return
            known = hashlib.blake2b(head, digest_size=16).hexdigest(), _format_of(head)
        heads[file] = known

    def _read_file(self, file: LogFile, *, is_closed: bool) -> Iterator[Execution]:
        key, log_format = self._heads[file]
        # Whatever ends the reading early, it goes on where the last whole entry ended.
        opened = self._open.pop(key, None) or self._begun(log_format, self._offsets.get(key, 0))
        try:
            for piece in pieces_of(self._source, file, opened.place):
                opened.place += len(piece)
                for line in opened.lines.feed(piece):
                    for entry in opened.decoder.feed(line):
                        self._entries += 1
                        yield from self._sessions.take(entry)
            if is_closed:
                for entry in opened.decoder.end(opened.lines.tail):
                    self._entries += 1
                    yield from self._sessions.take(entry)
            else:
                self._open[key] = opened
            self._whole.add(file)
        except UnreadableFileError:
            self._refused[file.name] = "unreadable_file"
        finally:
            self._offsets[key] = opened.decoder.complete

    def _begun(self, log_format: str, offset: int) -> _Open:
        decoder: Decoder
        if log_format == "jsonlog":
            decoder = JsonEntries(self._times, self._left_out, offset)
        elif log_format == "csvlog":
            decoder = CsvEntries(self._times, self._left_out, offset)
        else:
            decoder = PlainEntries(Prefix(self._log_line_prefix, self._times), self._left_out, offset)
        return _Open(Lines(offset), decoder, offset)


def _format_of(head: bytes) -> str:
    if _JSON.match(head):
        return "jsonlog"
    return "csvlog" if _CSV.match(head) else "stderr"
