"""Keeps out of the entries what an index is defined by where that holds constants: a predicate, or an expression.

An entry has in its place the SHA-256 of a salt and the text; salt and text, its opening, are kept beside the ledger, by
whatever keeps the ledger. So what carries a change out, or takes it back, has the text, and nobody who has the entries,
an export or a proof does; it can be erased, which an entry tells, and the ledger verifies as before.
"""

from __future__ import annotations

import hashlib
import os
import re
import secrets
from collections.abc import Callable, Collection, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, TypeGuard

from trimtab.db.definitions import is_plain
from trimtab.durable import read_plain_file, sync_directory, write_durably
from trimtab.ledger.entry import Json, Kind, parse_body
from trimtab.model.change import ERASED, CreateIndex, DropIndex

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from trimtab.ledger.chain import Row

MARK = "withheld_sha256"
"""The key of what stands in the place of a text: {MARK: the digest of its opening}; and, in the entry that tells that
some were erased, of the list of theirs."""
DIRECTORY_SUFFIX = ".withheld"
_KINDS = frozenset({CreateIndex.kind, DropIndex.kind})
_SALT_BYTES = 32
_DIGEST = re.compile(r"[0-9a-f]{64}")
_PENDING = ".pending"
# Of its own names, that of an opening, that of a pending one, and what `write_durably` calls one that it is at.
_OURS = re.compile(r"[0-9a-f]{64}(\.pending)?|\.[0-9a-f]{64}\..+")
_MOST_BYTES = 1 << 24


class Openings(Protocol):
    """The openings that are kept beside a ledger, by their digests."""

    removes_at_once: bool
    """Whether what is removed is gone before the transaction of the connection commits, and whatever becomes of it."""

    def begin(self, connection: Connection) -> None:
        """Make the place of openings where there is none yet, and say in the ledger that it has them."""

    def put(self, connection: Connection, digest: str, opening: bytes) -> None:
        """Keep it; it is durable when the transaction of the connection is."""

    def written(self, digests: Collection[str]) -> None:
        """Take note that the entry that has them is there, since its transaction has committed."""

    def settle(self, withheld: Callable[[], Collection[str]]) -> None:
        """Remove what writers left that died before their entry was there.

        `withheld` tells what entries have; no other writer is at work meanwhile.
        """

    def get(self, digest: str) -> bytes | None:
        """Return it, or None when it is not there. Raises OSError when it cannot be read."""

    def digests(self) -> list[str]:
        """Return the digests of all."""

    def remove(self, connection: Connection, digests: Collection[str]) -> int:
        """Remove those that are there, and return how many they were."""


class OpeningFiles:
    """Openings in the files of a directory, which is made when there is the first. Raises OSError.

    A file is `pending` until its entry is there: of a writer that died, nothing else is ever in question. `begin` is
    what is done to the ledger before.
    """

    removes_at_once = True

    def __init__(self, directory: Path, begin: Callable[[Connection], None]) -> None:
        self._directory = directory
        self.begin = begin

    def put(self, connection: Connection, digest: str, opening: bytes) -> None:
        """Keep it, readable by its owner alone; it is there before the entry is."""
        try:
            self._directory.mkdir(mode=0o700)
            sync_directory(self._directory.parent)
        except FileExistsError:
            pass
        write_durably(self._pending(digest), opening)

    def written(self, digests: Collection[str]) -> None:
        """Take note that their entry is there; where that cannot be done, it is found to be so later."""
        for digest in digests:
            with suppress(OSError):
                self._pending(digest).replace(self._directory / digest)

    def settle(self, withheld: Callable[[], Collection[str]]) -> None:
        """Remove what is pending, or was not even written to its end, and of no entry."""
        unsettled = [name for name in self._names() if not _DIGEST.fullmatch(name)]
        if not unsettled:
            return
        kept = withheld()
        for name in unsettled:
            digest = name.removesuffix(_PENDING)
            if digest in kept:
                self.written([digest])
            else:
                (self._directory / name).unlink(missing_ok=True)
        sync_directory(self._directory)

    def get(self, digest: str) -> bytes | None:
        """Return it, or None when it is not there."""
        for path in (self._directory / digest, self._pending(digest), self._directory / digest):
            with suppress(FileNotFoundError):  # the third time: its writer took note between the first and the second
                return read_plain_file(path, _MOST_BYTES)
        return None

    def digests(self) -> list[str]:
        """Return the digests of all."""
        return sorted({each for name in self._names() if _DIGEST.fullmatch(each := name.removesuffix(_PENDING))})

    def remove(self, connection: Connection, digests: Collection[str]) -> int:
        """Remove those that are there, durably."""
        here = set(self._names())
        removed = 0
        for digest in digests:
            found = here & {digest, self._pending(digest).name}
            for name in found:
                (self._directory / name).unlink(missing_ok=True)
            removed += bool(found)
        if removed:
            sync_directory(self._directory)
        return removed

    def _pending(self, digest: str) -> Path:
        return self._directory / f"{digest}{_PENDING}"

    def _names(self) -> list[str]:
        """Return the names of what is ours in the directory. A link that leads nowhere is no directory without any."""
        try:
            return [name for name in os.listdir(self._directory) if _OURS.fullmatch(name)]
        except FileNotFoundError:
            if self._directory.is_symlink():
                raise
            return []


def withheld(body: Mapping[str, Json]) -> tuple[dict[str, Json], dict[str, bytes]]:
    """Return the body as an entry may have it, and the openings of what it then withholds, by their digests."""
    by_text: dict[str, tuple[str, bytes]] = {}

    def told(mapping: dict[str, Json]) -> dict[str, Json]:
        tail = mapping.get("tail")
        if mapping.get("kind") not in _KINDS or not isinstance(tail, str) or is_plain(tail):
            return mapping
        if tail not in by_text:
            opening = secrets.token_bytes(_SALT_BYTES) + tail.encode()
            by_text[tail] = hashlib.sha256(opening).hexdigest(), opening
        return {**mapping, "tail": {MARK: by_text[tail][0]}}

    return _mapped(dict(body), told), dict(by_text.values())


def opened(body: Mapping[str, Json], get: Callable[[str], bytes | None]) -> dict[str, Json]:
    """Return the body with the texts in the place of their digests; with `ERASED` where an opening is not there, or is
    not the one of the digest.
    """

    def told(mapping: dict[str, Json]) -> dict[str, Json]:
        digest = _digest(mapping.get("tail"))
        return mapping if digest is None else {**mapping, "tail": _text(digest, get(digest))}

    return _mapped(dict(body), told)


def digests_in(body: Mapping[str, Json]) -> list[str]:
    """Return the digests of what a body withholds."""
    found: list[str] = []
    opened(body, found.append)
    return found


@dataclass(frozen=True, slots=True)
class Told:
    """What entries say of openings: the digests of those that they have, and of those that were erased."""

    withheld: set[str]
    erased: set[str]

    @classmethod
    def by(cls, rows: Iterable[Row]) -> Told:
        """Return what these rows say."""
        told = cls(set(), set())
        for row in rows:
            told.take(row)
        return told

    def take(self, row: Row) -> None:
        """Take what one more row says; one that is no entry says nothing."""
        if MARK.encode() not in (row.body or b""):
            return
        with suppress(ValueError):
            body = parse_body(row.body or b"")
            erased = body.get(MARK) if row.kind == Kind.DEFINITIONS_ERASED.value.encode() else None
            self.erased.update(digest for digest in (erased if isinstance(erased, list) else []) if _is_digest(digest))
            self.withheld.update(digests_in(body))


def is_lost(digest: str, opening: bytes | None) -> bool:
    """True when an opening is not there, or is not the one of the digest."""
    return opening is None or hashlib.sha256(opening).hexdigest() != digest


def _digest(tail: Json) -> str | None:
    digest = tail.get(MARK) if isinstance(tail, dict) else None
    return digest if _is_digest(digest) else None


def _is_digest(value: Json) -> TypeGuard[str]:
    return isinstance(value, str) and _DIGEST.fullmatch(value) is not None


def _text(digest: str, opening: bytes | None) -> str:
    return ERASED if opening is None or is_lost(digest, opening) else opening[_SALT_BYTES:].decode()


def _mapped(mapping: dict[str, Json], told: Callable[[dict[str, Json]], dict[str, Json]]) -> dict[str, Json]:
    """Return the object with `told` of it and of every object in it."""

    def of(value: Json) -> Json:
        if isinstance(value, dict):
            return _mapped(value, told)
        return [of(each) for each in value] if isinstance(value, list) else value

    return told({key: of(value) for key, value in mapping.items()})
