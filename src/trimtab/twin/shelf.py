"""Twins that are kept on request: each a stopped data directory with the image that it was made from.

A server never runs in a kept directory: it runs in a copy, so that no death can spoil what is kept. A twin is put in
place as a whole, and goes when its time is over. Statistics are data: nobody else may enter the directories.
"""

from __future__ import annotations

import json
import os
import re
import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from trimtab.embedded.account import serving_account
from trimtab.embedded.copying import copy_contents
from trimtab.embedded.file_lock import exclusive
from trimtab.embedded.places import cache_root
from trimtab.embedded.server import Server
from trimtab.errors import LabError, UsageError
from trimtab.twin.capture import Image
from trimtab.twin.image import load, save

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,62}")
_NEW, _OLD = ".new-", ".old-"
_ABOUT, _IMAGE, _DATA = "about.json", "image.twin", "data"


@dataclass(frozen=True, slots=True)
class KeptTwin:
    """What is known of a kept twin. Times are UTC, ISO 8601; `source` is "database@host:port" without secrets.

    Versions are server_version_num. `size_bytes` is its real disk; `problems` what could not be carried over.
    """

    name: str
    source: str
    source_version: int
    twin_version: int
    built_at: str
    expires_at: str
    size_bytes: int
    has_values: bool
    problems: tuple[str, ...]

    @property
    def is_expired(self) -> bool:
        """Whether its time is over."""
        return datetime.fromisoformat(self.expires_at) <= datetime.now(UTC)


class Shelf:
    """The kept twins of this user, in one directory."""

    def __init__(self, directory: Path | None = None) -> None:
        self._account = serving_account()
        self._root = directory or cache_root(self._account) / "twins"

    def twins(self) -> list[KeptTwin]:
        """Return the kept twins by name; those whose time is over are removed first."""
        with self._held():
            return [kept for name in self._names() if (kept := self._about(name)) is not None]

    def find(self, name: str) -> KeptTwin:
        """Return what is known of one. Raises UsageError `twin.unknown` or `twin.name`."""
        with self._held():
            kept = self._about(_checked(name))
        if kept is None:
            raise _unknown(name)
        return kept

    def image(self, name: str) -> Image:
        """Return the image that a kept twin was made from. Raises UsageError `twin.unknown`, LabError."""
        self.find(name)
        return load(self._root / name / _IMAGE)

    def data_directory(self, name: str) -> Path:
        """Return the data directory that servers are copied from. Raises UsageError `twin.unknown`."""
        self.find(name)
        return self._root / name / _DATA

    def put(self, kept: KeptTwin, server: Server, image: Image) -> None:
        """Keep the stopped server's data, in place of what had that name. Raises EmbeddedError, LabError."""
        _checked(kept.name)
        with self._held():
            unfinished = self._root / f"{_NEW}{secrets.token_hex(4)}"
            try:
                unfinished.mkdir(mode=0o700)
                data = unfinished / _DATA
                data.mkdir(mode=0o700)
                if self._account is not None:
                    os.chown(data, self._account.uid, self._account.gid)
                    os.chown(unfinished, -1, self._account.gid)
                    unfinished.chmod(0o710)  # The account passes through, and nobody else.
                copy_contents(server.data_directory, data, self._account)
                save(image, unfinished / _IMAGE)
                about = unfinished / _ABOUT
                about.touch(mode=0o600)
                about.write_text(json.dumps(asdict(kept), indent=2), encoding="utf-8")
                self._swap(unfinished, kept.name)
            except OSError as error:
                raise LabError(
                    f"the twin {kept.name} was not kept: {error.strerror}",
                    code="twin.not_kept",
                    next_step="Make room where trimtab's cache is, or set TRIMTAB_CACHE to another directory.",
                ) from None
            finally:
                shutil.rmtree(unfinished, ignore_errors=True)

    def drop(self, name: str) -> None:
        """Remove a kept twin. Raises UsageError `twin.unknown`."""
        with self._held():
            if self._about(_checked(name)) is None:
                raise _unknown(name)
            self._remove(name)

    @contextmanager
    def _held(self) -> Iterator[None]:
        """Hold the shelf against other processes, and first clear what dead ones and the calendar left."""
        self._root.mkdir(mode=0o711 if self._account is not None else 0o700, parents=True, exist_ok=True)
        if self._account is not None:
            self._root.chmod(0o711)
        with exclusive(self._root / "lock"):
            self._clear()
            yield

    def _clear(self) -> None:
        for path in self._root.glob(f"{_OLD}*"):  # A swap was broken off: what was there before is good.
            name = path.name.removeprefix(_OLD)
            if not (self._root / name).exists():
                path.rename(self._root / name)
        for prefix in (_NEW, _OLD):
            for path in self._root.glob(f"{prefix}*"):
                shutil.rmtree(path, ignore_errors=True)
        for name in self._names():
            kept = self._about(name)
            if kept is None or kept.is_expired:
                self._remove(name)

    def _swap(self, unfinished: Path, name: str) -> None:
        place, old = self._root / name, self._root / f"{_OLD}{name}"
        if place.exists():
            place.rename(old)
        unfinished.rename(place)
        shutil.rmtree(old, ignore_errors=True)

    def _remove(self, name: str) -> None:
        # Renamed first, so that a half removed one is never taken for a twin.
        doomed = self._root / f"{_NEW}{secrets.token_hex(4)}"
        (self._root / name).rename(doomed)
        shutil.rmtree(doomed, ignore_errors=True)

    def _names(self) -> list[str]:
        return sorted(path.name for path in self._root.iterdir() if path.is_dir() and _NAME.fullmatch(path.name))

    def _about(self, name: str) -> KeptTwin | None:
        try:
            raw = json.loads((self._root / name / _ABOUT).read_text(encoding="utf-8"))
            return KeptTwin(**{**raw, "problems": tuple(raw["problems"])})
        except (OSError, ValueError, TypeError, KeyError):
            return None


def expiry(days: float) -> str:
    """Return the time that lies so many days ahead, as `KeptTwin.expires_at` holds it."""
    return (datetime.now(UTC) + timedelta(days=days)).isoformat(timespec="seconds")


def _checked(name: str) -> str:
    if not _NAME.fullmatch(name):
        raise UsageError(
            f"{name!r} is no name for a twin",
            code="twin.name",
            next_step="Use at most 63 letters, digits, dots, dashes and underscores; begin with a letter or digit.",
        )
    return name


def _unknown(name: str) -> UsageError:
    return UsageError(
        f"there is no kept twin {name}",
        code="twin.unknown",
        next_step="`trimtab twin list` tells which there are; `trimtab twin build DSN --name NAME` makes one.",
    )
