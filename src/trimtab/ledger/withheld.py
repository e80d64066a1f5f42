"""Keeps out of the entries what an index is defined by where that holds constants: a predicate, or an expression.

An entry has in its place the SHA-256 of a salt and the text; salt and text, its opening, are kept beside the ledger, by
whatever keeps the ledger. So what carries a change out, or takes it back, has the text, and nobody who has the entries,
an export or a proof does; it can be erased, and the ledger verifies as before.
"""

from __future__ import annotations

import hashlib
import re
import secrets
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from trimtab.db.definitions import is_plain
from trimtab.durable import read_plain_file, sync_directory, write_durably
from trimtab.ledger.entry import Json, parse_body
from trimtab.model.change import ERASED, CreateIndex, DropIndex

if TYPE_CHECKING:
    from sqlalchemy import Connection

MARK = "withheld_sha256"
"""The key of what stands in the place of a text: {MARK: the digest of its opening}."""
DIRECTORY_SUFFIX = ".withheld"
_KINDS = frozenset({CreateIndex.kind, DropIndex.kind})
_SALT_BYTES = 32
_DIGEST = re.compile(r"[0-9a-f]{64}")
_MOST_BYTES = 1 << 24


class Openings(Protocol):
    """The openings that are kept beside a ledger, by their digests. In the place of one that was erased stands b""."""

    def begin(self, connection: Connection) -> None:
        """Make the place of openings where there is none yet, and say in the ledger that it has them."""

    def put(self, connection: Connection, digest: str, opening: bytes) -> None:
        """Keep it; it is durable when the transaction of the connection is."""

    def get(self, digest: str) -> bytes | None:
        """Return it, or None when it is not there or cannot be read."""

    def digests(self) -> list[str]:
        """Return the digests of all."""

    def erase(self, digest: str) -> bool:
        """Put b"" in its place, durably."""


class OpeningFiles:
    """Openings in the files of a directory, which is made when there is the first. Raises OSError.

    `begin` is what is done to the ledger before.
    """

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
        write_durably(self._directory / digest, opening)

    def get(self, digest: str) -> bytes | None:
        """Return it, or None."""
        try:
            return read_plain_file(self._directory / digest, _MOST_BYTES)
        except OSError:
            return None

    def digests(self) -> list[str]:
        """Return the digests of all."""
        return sorted(path.name for path in self._directory.glob("*") if _DIGEST.fullmatch(path.name))

    def erase(self, digest: str) -> bool:
        """Put an empty file in its place."""
        write_durably(self._directory / digest, b"")
        return True


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


def digests_in_row(body: bytes) -> list[str]:
    """Return the digests of what a body withholds, as it is kept; none for what is no body."""
    if MARK.encode() not in body:
        return []
    try:
        return digests_in(parse_body(body))
    except ValueError:
        return []


def is_lost(digest: str, opening: bytes | None) -> bool:
    """True when an opening is not there, or is not the one of the digest; one that was erased is not lost."""
    return opening is None or (opening != b"" and hashlib.sha256(opening).hexdigest() != digest)


def _digest(tail: Json) -> str | None:
    digest = tail.get(MARK) if isinstance(tail, dict) else None
    return digest if isinstance(digest, str) and _DIGEST.fullmatch(digest) else None


def _text(digest: str, opening: bytes | None) -> str:
    if not opening or is_lost(digest, opening):
        return ERASED
    return opening[_SALT_BYTES:].decode()


def _mapped(mapping: dict[str, Json], told: Callable[[dict[str, Json]], dict[str, Json]]) -> dict[str, Json]:
    """Return the object with `told` of it and of every object in it."""

    def of(value: Json) -> Json:
        if isinstance(value, dict):
            return _mapped(value, told)
        return [of(each) for each in value] if isinstance(value, list) else value

    return told({key: of(value) for key, value in mapping.items()})
