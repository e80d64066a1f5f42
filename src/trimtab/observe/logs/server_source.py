"""The log of a server, read over SQL in bounded pieces: for those who cannot reach its files. Never as a superuser.

Says which right is missing. A server that does not collect its log (logging_collector) has no files to show.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from trimtab.db.connection import Connection
from trimtab.errors import SourceError
from trimtab.observe.logs.source import LogFile
from trimtab.observe.reading import read

_GRANTS = (
    "GRANT pg_monitor TO the role, and GRANT EXECUTE ON FUNCTION pg_read_binary_file(text, bigint, bigint, boolean) to "
    "it (in this database); or give the files: a directory of this machine."
)


def read_log_settings(conn: Connection) -> Mapping[str, str]:
    """Return the settings that decide what the log tells, by name; those that the role may not see are left out.

    Raises SourceError.
    """
    return {row["name"]: row["value"] for row in read(conn, "log_settings")}


class ServerLogs:
    """A LogSource over a connection."""

    def __init__(self, conn: Connection) -> None:
        """Raises SourceError: `source.permission` where the role may not, `source.no_log_files` without any."""
        self._conn = conn
        settings = read_log_settings(conn)
        [rights] = read(conn, "log_rights")
        may = rights["may_list"] and rights["may_read"] and "log_directory" in settings
        if not may:
            missing = "list" if not rights["may_list"] else "read" if not rights["may_read"] else "know the place of"
            raise SourceError(
                f"the server's log cannot be read: this role may not {missing} its files",
                code="source.permission",
                next_step=_GRANTS,
            )
        if settings["logging_collector"] != "on":
            raise SourceError(
                "the server's log cannot be read over SQL: logging_collector is off, so that it has no files there",
                code="source.no_log_files",
                next_step="Give the file that the server's standard error goes to, or switch logging_collector on.",
            )
        self._directory = settings["log_directory"]

    def files(self) -> Sequence[LogFile]:
        """Return the files of log_directory. Raises SourceError."""
        rows = read(self._conn, "log_files")
        return tuple(LogFile(row["name"], row["size_bytes"], row["modified_ns"]) for row in rows)

    def read(self, name: str, offset: int, length: int) -> bytes | None:
        """Return a piece of a file; None for one that is gone. Raises SourceError."""
        [row] = read(self._conn, "log_piece", (f"{self._directory}/{name}", offset, length))
        piece = row["piece"]
        return None if piece is None else bytes(piece)
