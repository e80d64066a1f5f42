"""Decides where one server, or scratch files, live: a directory, and the owner file that tells if its owner is alive.

The owner file exists, locked, before the directory does and goes after it, so that nothing of ours is ever without
one. It never starts or stops a server.
"""

from __future__ import annotations

import os
import secrets
from pathlib import Path

from trimtab.embedded.account import Account
from trimtab.embedded.file_lock import is_still_at, try_lock
from trimtab.embedded.sweep import OWNER_SUFFIX, remove_directory
from trimtab.errors import EmbeddedError

_REMOVE_ATTEMPTS = 3


class Residence:
    """A directory of one server's or of scratch files, held by a lock for as long as this process lives."""

    __slots__ = ("_descriptor", "_owner", "directory")

    def __init__(self, root: Path, descriptor: int, name: str) -> None:
        self.directory = root / name
        self._owner = root / f"{name}{OWNER_SUFFIX}"
        self._descriptor = descriptor

    @classmethod
    def claim(cls, root: Path) -> Residence:
        """Reserve a new name under `root` by a locked owner file; nothing else is made yet."""
        while True:
            name = secrets.token_hex(4)
            owner = root / f"{name}{OWNER_SUFFIX}"
            try:
                descriptor = os.open(owner, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
            except FileExistsError:
                continue
            # A sweep may have seen the file before it was locked; then it is not ours any more.
            if try_lock(descriptor) and is_still_at(descriptor, owner):
                return cls(root, descriptor, name)
            os.close(descriptor)

    @property
    def is_held(self) -> bool:
        """Whether it still exists, by this process's lock."""
        return self._descriptor >= 0

    @property
    def data_directory(self) -> Path:
        """PostgreSQL's data directory: the serving account's, closed to all others."""
        return self.directory / "data"

    @property
    def socket_directory(self) -> Path:
        """Where the unix socket is: the serving account's, closed to all others."""
        return self.directory / "s"

    @property
    def configuration_file(self) -> Path:
        """The configuration file: the owner's, read by the server."""
        return self.directory / "postgresql.conf"

    @property
    def log_file(self) -> Path:
        """What the server says: the owner's."""
        return self.directory / "server.log"

    def furnish(self, account: Account | None, configuration: str) -> None:
        """Make the directories, empty, and the configuration file."""
        self.directory.mkdir(mode=0o700)
        for path in (self.data_directory, self.socket_directory):
            path.mkdir(mode=0o700)
            path.chmod(0o700)
            if account is not None:
                os.chown(path, account.uid, account.gid)
        self.configuration_file.write_text(configuration, encoding="utf-8")
        if account is not None:
            self.configuration_file.chmod(0o644)
            # The account passes through, and nobody else; it is not its owner's, so it can plant no link for us.
            os.chown(self.directory, -1, account.gid)
            self.directory.chmod(0o710)

    def remove(self) -> None:
        """End what still runs here, remove everything and let go of the lock. Doing it again does nothing.

        Raises EmbeddedError `embedded.not_removed` when something stays; the next sweep then tries again.
        """
        if self._descriptor < 0:
            return
        for attempt in range(1, _REMOVE_ATTEMPTS + 1):
            try:
                remove_directory(self.directory, self._owner)
                break
            except OSError as error:
                # A process that was just ended may have written its last file behind our back.
                if attempt == _REMOVE_ATTEMPTS:
                    raise EmbeddedError(
                        f"the private directory {self.directory} could not be removed: {error.strerror}",
                        code="embedded.not_removed",
                        next_step="Correct its permissions; the next start removes what is left.",
                    ) from error
        descriptor, self._descriptor = self._descriptor, -1
        os.close(descriptor)
