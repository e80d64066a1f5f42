"""Decides the settings of a throw-away server and writes them as a configuration file's text.

They give up durability, which nobody needs of a server that is thrown away, and nothing that changes a plan. It never
lets a caller open the server to the network or move its files.
"""

from __future__ import annotations

import re
import shutil
import sys
from collections.abc import Mapping
from pathlib import Path

from trimtab.errors import EmbeddedError

PORT = 5432  # Of the socket's name only: there is no TCP port.
_PINNED = frozenset(
    {
        "cluster_name",
        "config_file",
        "data_directory",
        "external_pid_file",
        "hba_file",
        "ident_file",
        "listen_addresses",
        "port",
        "unix_socket_directories",
        "unix_socket_group",
        "unix_socket_permissions",
    }
)
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_$]*(\.[A-Za-z_][A-Za-z0-9_$]*)*")
_SHARED_MEMORY = Path("/dev/shm")  # noqa: S108  # Where the C library keeps POSIX shared memory on Linux.
_SMALL_SHARED_MEMORY_BYTES = 512 * 1024**2


def default_settings(version: tuple[int, int], shared_memory_bytes: int | None = None) -> dict[str, str]:
    """Return the settings of a throw-away server of this version, before anybody overrides them.

    `shared_memory_bytes` is the size of the system's POSIX shared memory; None when it is not limited.
    """
    settings = {
        # Commits are not asynchronous: VACUUM takes no row for visible to all whose commit is not written yet.
        "fsync": "off",
        "full_page_writes": "off",
        "wal_level": "minimal",
        "max_wal_senders": "0",
        "max_wal_size": "2GB",
        "checkpoint_timeout": "30min",
        "autovacuum": "off",
        "shared_buffers": "128MB",
        # Reserved but absent huge pages end a server with SIGBUS in some containers.
        "huge_pages": "off",
        "log_checkpoints": "off",
        # Statements hold literals, and some hold passwords: they are not for a log.
        "log_min_error_statement": "panic",
    }
    if version >= (14, 0) and sys.platform == "linux":
        # A query whose client was killed ends by itself, long before the next sweep.
        settings["client_connection_check_interval"] = "2s"
    if shared_memory_bytes is not None and shared_memory_bytes < _SMALL_SHARED_MEMORY_BYTES:
        # Containers have 64 MB of it by default, which a parallel hash join outgrows.
        settings["dynamic_shared_memory_type"] = "mmap"
    return settings


def shared_memory_bytes() -> int | None:
    """Return the size of the system's POSIX shared memory, or None where it has no limit of its own."""
    if sys.platform != "linux" or not _SHARED_MEMORY.is_dir():
        return None
    return shutil.disk_usage(_SHARED_MEMORY).total


def checked_overrides(settings: Mapping[str, str]) -> dict[str, str]:
    """Return a caller's settings with names in lower case. Raises EmbeddedError `embedded.setting_refused`."""
    checked = {name.lower(): value for name, value in settings.items()}
    for name in checked:
        if name in _PINNED:
            raise _refused(name, "it would move the server or open it to others")
        if _NAME.fullmatch(name) is None:
            raise _refused(name, "it is not the name of a setting")
    return checked


def configuration(settings: Mapping[str, str], *, purpose: str, socket_directory: Path) -> str:
    """Return the text of the configuration file: initdb's own findings, then the settings, then what is pinned."""
    pinned = {
        "cluster_name": f"trimtab {purpose}"[:60],
        "listen_addresses": "",
        "port": str(PORT),
        # A list of paths: the inner quotes keep a comma or a blank in one.
        "unix_socket_directories": '"' + str(socket_directory).replace('"', '""') + '"',
        "unix_socket_permissions": "0700",
    }
    lines = ["include 'data/postgresql.conf'"]
    lines += [f"{name} = {_quoted(value)}" for name, value in {**settings, **pinned}.items()]
    return "\n".join(lines) + "\n"


def _quoted(value: str) -> str:
    escaped = value.replace("\\", "\\\\").replace("'", "''").replace("\n", "\\n").replace("\r", "\\r")
    return f"'{escaped}'"


def _refused(name: str, found: str) -> EmbeddedError:
    return EmbeddedError(
        f"setting {name!r} cannot be given to an embedded server: {found}",
        code="embedded.setting_refused",
        next_step="Leave it out; embedded servers are reached by their own unix socket only.",
    )
