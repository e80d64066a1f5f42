"""Decides where caches and running servers live, and refuses places that somebody else could tamper with.

It creates those two directories when they are missing. It never removes anything and never follows a link that
another user could have planted.
"""

from __future__ import annotations

import os
import stat
import sys
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path

from trimtab.embedded.account import Account
from trimtab.errors import EmbeddedError

SOCKET_NAME = ".s.PGSQL.5432"
_SOCKET_BYTES = 107 if sys.platform == "linux" else 103
_ROOM_FOR_SERVER = len(f"/01234567/s/{SOCKET_NAME}")


def run_root(account: Account | None, environ: Mapping[str, str] = os.environ) -> Path:
    """Return the directory under which every server of this user has its own directory.

    TRIMTAB_RUN_DIR, else `trimtab-<uid>` in the temporary directory, else in /tmp when that one is too long for a
    socket (107 bytes on Linux) or out of the account's reach. Raises EmbeddedError `embedded.path_too_long`,
    `embedded.unsafe_directory` or `embedded.directory_unreachable`.
    """
    named = environ.get("TRIMTAB_RUN_DIR")
    if named:
        path = _named(named)
        if not _is_short(path):
            raise EmbeddedError(
                f"TRIMTAB_RUN_DIR is too long for a unix socket (at most {_SOCKET_BYTES} bytes): found {path}",
                code="embedded.path_too_long",
                next_step="Set TRIMTAB_RUN_DIR to a shorter path.",
            )
        return _own_directory(path, account)
    name = f"trimtab-{os.geteuid()}"
    candidates = [Path(base).resolve() / name for base in (tempfile.gettempdir(), os.sep + "tmp")]
    fit = [path for path in candidates if _is_short(path) and (account is None or account.reaches(path))]
    return _own_directory((fit or candidates[-1:])[0], account)


def cache_root(account: Account | None, environ: Mapping[str, str] = os.environ) -> Path:
    """Return the directory for templates and copies of programs, which outlive the process.

    TRIMTAB_CACHE, else XDG_CACHE_HOME/trimtab, ~/.cache/trimtab, as root /var/cache/trimtab, and at last one in the
    temporary directory: the first that the account reaches and this user owns.
    """
    named = environ.get("TRIMTAB_CACHE")
    if named:
        return _own_directory(_named(named), account)
    for path in _cache_candidates(account, environ):
        if account is not None and not account.reaches(_existing(path) / "."):
            continue
        try:
            return _own_directory(path, account)
        except (EmbeddedError, OSError):
            continue
    return _own_directory(Path(tempfile.gettempdir()).resolve() / f"trimtab-cache-{os.geteuid()}", account)


def _named(text: str) -> Path:
    try:
        return Path(text).expanduser().resolve()
    except RuntimeError:
        raise _unsafe(Path(text), "a home directory that is not known") from None


def _cache_candidates(account: Account | None, environ: Mapping[str, str]) -> Iterator[Path]:
    xdg = environ.get("XDG_CACHE_HOME")
    if xdg and Path(xdg).is_absolute():
        yield Path(xdg).resolve() / "trimtab"
    home = Path(environ.get("HOME") or os.sep)
    # Under sudo HOME may still be somebody else's: root must leave nothing of its own in there.
    if home.is_dir() and home.stat().st_uid == os.geteuid():
        yield home.resolve() / ".cache" / "trimtab"
    if account is not None:
        yield Path(os.sep, "var", "cache", "trimtab")


def _existing(path: Path) -> Path:
    return next(parent for parent in (path, *path.parents) if parent.exists())


def _is_short(path: Path) -> bool:
    return len(os.fsencode(path)) + _ROOM_FOR_SERVER <= _SOCKET_BYTES


def _own_directory(path: Path, account: Account | None) -> Path:
    mode = 0o700 if account is None else 0o711  # The account must pass through; it need not list.
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.mkdir(mode=mode, exist_ok=True)
        status = path.lstat()  # Not stat: a link planted under a predictable name must show as one.
    except OSError as error:
        raise _unsafe(path, f"{error.strerror or error}") from error
    if not stat.S_ISDIR(status.st_mode):
        raise _unsafe(path, "not a directory")
    if status.st_uid != os.geteuid():
        raise _unsafe(path, f"owned by uid {status.st_uid}")
    if status.st_mode & 0o022:
        raise _unsafe(path, f"writable by others (mode {stat.S_IMODE(status.st_mode):o})")
    if status.st_mode & mode != mode:
        path.chmod(stat.S_IMODE(status.st_mode) | mode)
    if account is not None and not account.reaches(path):
        raise EmbeddedError(
            f"account {account.name}, which PostgreSQL runs under, cannot enter a directory above {path}",
            code="embedded.directory_unreachable",
            next_step="Set TRIMTAB_RUN_DIR and TRIMTAB_CACHE to directories that every user may traverse.",
        )
    return path


def _unsafe(path: Path, found: str) -> EmbeddedError:
    return EmbeddedError(
        f"{path} must be a directory of this user that nobody else can write: found {found}",
        code="embedded.unsafe_directory",
        next_step="Remove it or correct its owner and mode, or set TRIMTAB_RUN_DIR or TRIMTAB_CACHE elsewhere.",
    )
