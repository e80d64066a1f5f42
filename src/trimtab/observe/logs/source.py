"""Where the files of a log are: a port, and files of this machine behind it. Opens files for reading only.

Which format a file has, and what is in it, is decided elsewhere.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from pathlib import Path
from stat import S_ISDIR, S_ISREG
from typing import NamedTuple, Protocol

from trimtab.errors import UsageError

PIECE_BYTES = 1024 * 1024
LOG_NAME = re.compile(r".*\.(?:log|csv|json)(?:[.\-_][\w.\-]*)?", re.DOTALL)
"""Names of logs, as PostgreSQL, Debian and logrotate give them."""


class LogFile(NamedTuple):
    """A file: its name for the source, its size, and when it was last written, in nanoseconds.

    `is_named` says that it was given by its name: then any name is right.
    """

    name: str
    size_bytes: int
    modified_ns: int
    is_named: bool = False


class LogSource(Protocol):
    """Gives the files of a log, and pieces of them."""

    def files(self) -> Sequence[LogFile]:
        """Return the files there are now."""
        ...

    def read(self, name: str, offset: int, length: int) -> bytes | None:
        """Return at most `length` bytes from `offset` on, b"" at the end, None for a file that cannot be read."""
        ...


class LocalLogs:
    """Files and directories of this machine; of a directory all its files, of those below it none."""

    def __init__(self, paths: Iterable[Path]) -> None:
        self._paths = tuple(paths)

    def files(self) -> Sequence[LogFile]:
        """Return the files. Raises UsageError `logs.unreadable` for a path that is not there or may not be read."""
        found: dict[str, LogFile] = {}
        for path in self._paths:
            try:
                is_directory = S_ISDIR(path.stat().st_mode)
                members = sorted(path.iterdir()) if is_directory else [path]
            except OSError as exc:
                raise UsageError(
                    f"log {path} cannot be read: {exc.strerror}",
                    code="logs.unreadable",
                    next_step="Check the path and its permissions; log_directory and log_file_mode say what they are.",
                ) from None
            for member in members:
                file = _file(member, is_named=not is_directory)
                if file is not None:
                    found[file.name] = file
        return tuple(found.values())

    def read(self, name: str, offset: int, length: int) -> bytes | None:
        """Return a piece of a file."""
        try:
            with Path(name).open("rb") as file:
                file.seek(offset)
                return file.read(length)
        except OSError:
            return None


def _file(path: Path, *, is_named: bool) -> LogFile | None:
    """Return a regular file; a pipe would wait for its writer for ever."""
    try:
        found = path.stat()
    except OSError:
        return None
    return LogFile(str(path), found.st_size, found.st_mtime_ns, is_named) if S_ISREG(found.st_mode) else None
