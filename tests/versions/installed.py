"""Where the matrix's servers are unpacked, and what is there. Looks only; `fetch.py` is what puts them there."""

from __future__ import annotations

from pathlib import Path

from trimtab.embedded.account import serving_account
from trimtab.embedded.places import cache_root

from .pinned import Package, packages

FETCH = "python -m tests.versions.fetch"


def root() -> Path:
    """Return the directory of all of them: in the user's cache, where the account that servers run under reaches it."""
    return cache_root(serving_account()) / "versions"


def directory(package: Package) -> Path:
    """Return where this one is, or would be."""
    return root() / f"{package.platform}-{package.version}"


def installed() -> dict[int, Path]:
    """Return the directories of server programs that are there, by major version."""
    found = {major: directory(package) / "bin" for major, package in packages().items()}
    return {major: path for major, path in found.items() if (path / "postgres").exists()}
