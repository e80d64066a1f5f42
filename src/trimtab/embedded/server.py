"""One embedded PostgreSQL server: created from the template, started, stopped, cloned, destroyed.

It decides the order of those effects, so that a failure or an interrupt at any point leaves nothing behind. It never
opens a TCP port, and never touches a server that this process did not create.
"""

from __future__ import annotations

import os
import subprocess
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType

from trimtab.embedded import living
from trimtab.embedded.account import Account, serving_account
from trimtab.embedded.binaries import Binaries
from trimtab.embedded.clients import run_client
from trimtab.embedded.copying import copy_contents
from trimtab.embedded.interrupts import interrupts_deferred
from trimtab.embedded.places import run_root
from trimtab.embedded.postmaster import launch, shut_down, wait_ready
from trimtab.embedded.residence import Residence
from trimtab.embedded.settings import (
    PORT,
    checked_overrides,
    configuration,
    default_settings,
    shared_memory_bytes,
)
from trimtab.embedded.staging import reachable_binaries
from trimtab.embedded.sweep import sweep
from trimtab.embedded.template import SUPERUSER, template_directory
from trimtab.errors import EmbeddedError

# What a user's environment may hold for a production server, and must not hold for ours, which has no TCP and no TLS.
_PLAIN_SOCKET = {"sslmode": "disable", "gssencmode": "disable", "channel_binding": "disable", "options": ""}
_REDIRECTING = ("PGHOSTADDR", "PGSERVICE", "PGOPTIONS", "PGSSLMODE", "PGGSSENCMODE", "PGCHANNELBINDING")
_DEMANDING = ("PGREQUIREAUTH", "PGREQUIREPEER", "PGREQUIRESSL", "PGTARGETSESSIONATTRS", "PGSSLNEGOTIATION")


class Server:
    """A throw-away server of this process, on a unix socket that only this user can reach.

    Use it as a context manager, which destroys it. `directory` holds everything that belongs to it; callers may put
    scratch files there, which go with it. A forked child cannot stop or destroy its parent's servers.
    """

    __slots__ = ("_account", "_binaries", "_overrides", "_owner_pid", "_process", "_residence", "purpose")

    def __init__(
        self,
        binaries: Binaries,
        residence: Residence,
        account: Account | None,
        *,
        purpose: str,
        overrides: Mapping[str, str],
    ) -> None:
        self.purpose = purpose
        self._binaries = binaries
        self._residence = residence
        self._account = account
        self._overrides = dict(overrides)
        self._owner_pid = os.getpid()
        self._process: subprocess.Popen[bytes] | None = None

    @classmethod
    def create(
        cls,
        binaries: Binaries,
        *,
        purpose: str,
        settings: Mapping[str, str] | None = None,
        data_directory: Path | None = None,
    ) -> Server:
        """Return a new, empty, running server; leftovers of dead owners are removed first.

        `purpose` names it in process lists (cluster_name). `settings` override the throw-away defaults. With
        `data_directory` it starts from a copy of that one, which a server of these binaries left in order. Raises
        EmbeddedError, `embedded.start_failed` with the end of the server's log, and leaves nothing behind then.
        """
        overrides = checked_overrides(settings or {})
        account = serving_account()
        root = run_root(account)
        sweep(root)
        usable = reachable_binaries(binaries, account)
        start = data_directory or template_directory(usable, account)
        return cls._settle(usable, root, account, purpose, overrides)._occupy(start)

    @property
    def binaries(self) -> Binaries:
        """The programs that it runs, of its own version."""
        return self._binaries

    @property
    def directory(self) -> Path:
        """Everything of this server: data, socket, log."""
        return self._residence.directory

    @property
    def data_directory(self) -> Path:
        """PostgreSQL's data directory."""
        return self._residence.data_directory

    @property
    def is_running(self) -> bool:
        """Whether its postmaster is alive."""
        return self._process is not None and self._process.poll() is None

    def dsn(self, database: str = "postgres", *, user: str = SUPERUSER) -> str:
        """Return a libpq connection string, without any secret: for the superuser `trimtab`, or for another role."""
        from psycopg.conninfo import make_conninfo

        return make_conninfo(
            "",
            host=str(self._residence.socket_directory),
            port=PORT,
            user=user,
            dbname=database,
            target_session_attrs="any",
            **_PLAIN_SOCKET,
        )

    def start(self) -> None:
        """Start it if it does not run. Raises EmbeddedError `embedded.start_failed` or `embedded.destroyed`."""
        self._require_mine()
        if self.is_running:
            return
        log = self._residence.log_file
        log_offset = log.stat().st_size if log.exists() else 0
        with interrupts_deferred():
            self._process = launch(self._binaries, self._residence, self._account)
        try:
            wait_ready(self._process, self._residence, log_offset)
        except BaseException:
            shut_down(self._process, immediately=True)
            raise

    def stop(self) -> None:
        """Stop it in order, keeping its data: open connections end, what was committed stays."""
        self._require_mine()
        if self._process is not None:
            shut_down(self._process, immediately=False)
            self._process = None

    def restart(self) -> None:
        """Stop and start it, so that settings that need it take effect; open connections end."""
        self.stop()
        self.start()

    def clone(self, purpose: str) -> Server:
        """Return a running, independent copy: same rows, statistics and settings, byte for byte.

        A running server is stopped for the copy and started again, so its open connections end; in return nothing is
        lost, not even unlogged tables, and blocks are shared where the file system can. Raises EmbeddedError.
        """
        self._require_mine()
        self._require_own_tablespaces()
        was_running = self.is_running
        root = self.directory.parent
        copy = self._settle(self._binaries, root, self._account, purpose, self._overrides)
        try:
            self.stop()
            copy._fill(self.data_directory)
            if was_running:
                self.start()
            copy.start()
        except BaseException:
            copy.destroy()
            if was_running:
                self.start()
            raise
        return copy

    def run(
        self, program: str, *args: str, input: str | None = None, environment: Mapping[str, str] | None = None
    ) -> subprocess.CompletedProcess[str]:
        """Run a client program of its binaries to the end, in `directory`: relative paths in `args` are there.

        Without a connection string it connects to this server; with a complete one, to that one. `environment` adds
        PGPASSWORD, PGPASSFILE and the like; a password in a connection string moves to PGPASSWORD. A failure is told
        by `returncode`, not raised. For a source that PG* variables or a service describe, use `Binaries.run`.
        """
        self._require_mine()
        inherited = {name: value for name, value in os.environ.items() if name not in _REDIRECTING + _DEMANDING}
        own = {"PGHOST": str(self._residence.socket_directory), "PGPORT": str(PORT)}
        own |= {"PGUSER": SUPERUSER, "PGDATABASE": "postgres"}
        return run_client(
            self._binaries.program(program),
            args,
            text=input,
            environment={**inherited, **own, **(environment or {})},
            directory=self.directory,
        )

    def size_bytes(self) -> int:
        """Return the space that its data directory takes on disk, in bytes."""
        blocks = 0
        for directory, _, names in os.walk(self.data_directory):
            for name in names:
                try:
                    blocks += os.lstat(os.path.join(directory, name)).st_blocks
                except FileNotFoundError:  # A running server removes files of its own.
                    continue
        return blocks * 512

    def destroy(self) -> None:
        """End it and remove everything of it, before an interrupt that comes meanwhile takes effect.

        Doing so again does nothing; a forked child does nothing either. Raises EmbeddedError `embedded.not_removed`.
        """
        if os.getpid() != self._owner_pid:
            return
        with interrupts_deferred():
            if self._process is not None:
                shut_down(self._process, immediately=True)
                self._process = None
            self._residence.remove()
            living.forget(self)

    def __enter__(self) -> Server:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.destroy()

    def __repr__(self) -> str:
        return f"Server({self.purpose!r}, {self.directory}, {'running' if self.is_running else 'stopped'})"

    @classmethod
    def _settle(
        cls,
        binaries: Binaries,
        root: Path,
        account: Account | None,
        purpose: str,
        overrides: Mapping[str, str],
    ) -> Server:
        with interrupts_deferred():
            residence = Residence.claim(root)
            server = cls(binaries, residence, account, purpose=purpose, overrides=overrides)
            living.remember(server)
        return server

    def _occupy(self, source: Path) -> Server:
        try:
            self._fill(source)
            self.start()
        except BaseException:
            self.destroy()
            raise
        return self

    def _fill(self, source: Path) -> None:
        settings = default_settings(self._binaries.version, shared_memory_bytes()) | self._overrides
        text = configuration(settings, purpose=self.purpose, socket_directory=self._residence.socket_directory)
        self._residence.furnish(self._account, text)
        copy_contents(source, self.data_directory, self._account)

    def _require_mine(self) -> None:
        if os.getpid() != self._owner_pid or not self._residence.is_held:
            found = "it is destroyed" if os.getpid() == self._owner_pid else "it belongs to the parent process"
            raise EmbeddedError(
                f"the embedded server for {self.purpose} cannot be used: {found}",
                code="embedded.destroyed",
                next_step="Create a new server.",
            )

    def _require_own_tablespaces(self) -> None:
        if any(entry.is_symlink() for entry in (self.data_directory / "pg_tblspc").iterdir()):
            raise EmbeddedError(
                f"the embedded server for {self.purpose} cannot be cloned: found tablespaces outside its directory",
                code="embedded.clone_tablespaces",
                next_step="Move its objects to the default tablespace and drop the others.",
            )
