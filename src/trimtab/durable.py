"""Writes files that are there whole or not at all, whatever dies meanwhile, and are on the disk when the call returns.

Such a file is for this user alone. What is written, and what a failure means, is for the caller to say. Files of our
own are read here too: what has been put in their place and is none, such as a pipe that nobody writes to, waits for
nobody.
"""

from __future__ import annotations

import errno
import os
import stat
import tempfile
from contextlib import suppress
from pathlib import Path


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
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    with os.fdopen(descriptor, "rb") as file:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise OSError(errno.EINVAL, "it is no plain file", str(path))
        return file.read(most_bytes)


def sync_directory(directory: Path) -> None:
    """Have the names of a directory's files on the disk: what was made, replaced or removed there. Raises OSError."""
    descriptor = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
