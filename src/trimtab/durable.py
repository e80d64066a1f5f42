"""Writes files that are there whole or not at all, whatever dies meanwhile, and are on the disk when the call returns.

Such a file is for this user alone. What is written, and what a failure means, is for the caller to say. Files are read
here too, those of our own and those that somebody names: what is none, a device or a pipe that nobody writes to, is
refused and waited for by nobody.
"""

from __future__ import annotations

import errno
import os
import stat
import tempfile
from contextlib import suppress
from pathlib import Path
from typing import BinaryIO


def write_durably(path: Path, content: bytes, *, replaces: bool = True) -> None:
    """Write the file, with mode 0600, in a directory that is there. Raises OSError; then what was there is still there.

    Without `replaces` a file that is there already is left, even one that another process makes at this moment:
    FileExistsError.
    """
    descriptor, name = tempfile.mkstemp(prefix=f".{path.name[:100]}.", dir=path.parent)
    unfinished = Path(name)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(descriptor)
        if replaces:
            unfinished.replace(path)
        else:
            os.link(unfinished, path)
    finally:
        with suppress(FileNotFoundError):
            unfinished.unlink()
    sync_directory(path.parent)


def read_plain_file(path: Path, most_bytes: int) -> bytes:
    """Return the first bytes of a file. Raises OSError, also for what is no plain file: no pipe is waited for."""
    with open_plain_file(path) as file:
        return file.read(most_bytes)


def open_plain_file(path: Path, *, follows_links: bool = True) -> BinaryIO:
    """Open a file to be read, once it is known to be one. Raises OSError, also for what is no plain file."""
    flags = os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC | (0 if follows_links else os.O_NOFOLLOW)
    file = os.fdopen(os.open(path, flags), "rb")
    if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
        file.close()
        raise OSError(errno.EINVAL, "it is no plain file", str(path))
    return file


def sync_directory(directory: Path) -> None:
    """Have the names of a directory's files on the disk: what was made, replaced or removed there. Raises OSError."""
    descriptor = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
