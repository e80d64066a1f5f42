"""The anchors of this machine: one signed document each, in one chain, beside the statistics that they rest on.

It decides the order of the chain; an anchor is there as a whole or not at all, and never written again. Who may read
the statistics may read values of rows: everything here is for this user alone.
"""

from __future__ import annotations

import hashlib
import re
import uuid
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path

from trimtab.anchor.document import MOST_BYTES, FlawError, SignedAnchor, read, write
from trimtab.durable import read_plain_file, write_durably
from trimtab.embedded.file_lock import exclusive
from trimtab.errors import AnchorError
from trimtab.ledger.entry import GENESIS
from trimtab.model.anchor import Anchor
from trimtab.signing.keys import PublicKey, SigningKey, public_keys, signing_key
from trimtab.signing.signature import UNKNOWN

_NAME = re.compile(r"(?P<time>[0-9]{20})-(?P<id>a-[0-9a-f]{1,16})\.anchor\.json")
_SUFFIX, _STATISTICS = ".anchor.json", ".twin"
_WHERE_UNKNOWN = (
    "Give the public key that `trimtab anchor key` wrote there, with --key or as a file of anchors/keys, *.pub; where "
    "this machine's own signing.key is missing or another one, restore it."
)


@dataclass(frozen=True, slots=True)
class Flaw:
    """The first thing that is wrong: with which anchor, and what."""

    anchor_id: str
    found: str


@dataclass(frozen=True, slots=True)
class Statistics:
    """A file of planner statistics that is not kept yet, and its digest."""

    path: Path
    digest: str


class AnchorStore:
    """The anchors in a directory of this user's. `keys` there are those of other signers that are believed too."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory

    @property
    def _statistics(self) -> Path:
        return self.directory / "statistics"

    @property
    def _key_file(self) -> Path:
        return self.directory / "signing.key"

    @property
    def _trusted(self) -> Path:
        return self.directory / "keys"

    def key(self) -> SigningKey:
        """Return this machine's signing key, made at first use.

        Where it is missing beside anchors whose signer is not believed otherwise, none is made in its place.
        Raises KeyFileError, AnchorError `anchor.unusable`, `anchor.flawed`.
        """
        self._make_places()
        if not self._key_file.exists() and (files := self._files()):
            self._signed(files[-1], self.known())
        return signing_key(self._key_file)

    def known(self, others: Sequence[Path] = ()) -> tuple[PublicKey, ...]:
        """Return the keys that are believed: this machine's, those in `keys`, those given. Raises KeyFileError."""
        own = [signing_key(self._key_file).public] if self._key_file.exists() else []
        return (*own, *public_keys([*sorted(self._trusted.glob("*.pub")), *others]))

    def append(
        self,
        anchor: Anchor,
        recorded: Callable[[], Sequence[str]],
        record: Callable[[SignedAnchor], None],
        statistics: Statistics | None = None,
    ) -> SignedAnchor:
        """Sign the anchor, write it after the last one, durably, and have it recorded, before anybody else writes one.

        Its time is never that of the last, or before it. `recorded` gives the digests that the ledger has; a last one
        that it lacks, because the program died before it was told, is recorded first. `statistics` are kept with it.
        Raises AnchorError `anchor.unwritable`, KeyFileError, and what `record` raises.
        """
        key = self.key()
        with self._held():
            previous, earliest = GENESIS, 0
            if self._files():
                last = self._signed(self._files()[-1], self.known())
                previous, earliest = last.digest, last.anchor.coordinate[0] + 1
                if last.digest not in recorded():
                    record(last)
            if anchor.coordinate[0] < earliest:
                anchor = replace(anchor, id=f"a-{earliest:x}", coordinate=(earliest, *anchor.coordinate[1:]))
            raw, _ = write(anchor, key, previous=previous)
            if statistics is not None:
                statistics.path.replace(self._statistics_file(statistics.digest))
            write_durably(self.path(anchor), raw)
            signed = read(raw, [key.public])
            record(signed)
        return signed

    @contextmanager
    def written_statistics(self, save: Callable[[Path], object]) -> Iterator[Statistics]:
        """Yield the file that `save` writes at a path, and its digest; `append` keeps it, else it is gone afterwards.

        Raises AnchorError `anchor.unwritable`, and what `save` raises.
        """
        self._make_places()
        unfinished = self._statistics / f".{uuid.uuid4().hex}{_STATISTICS}"
        try:
            try:
                save(unfinished)
                written = Statistics(unfinished, hashlib.sha256(unfinished.read_bytes()).hexdigest())
            except OSError as error:
                raise _unwritable(self._statistics, str(error.strerror)) from None
            yield written
        finally:
            with suppress(OSError):
                unfinished.unlink()

    def statistics(self, anchor: Anchor) -> Path | None:
        """Return the file of the statistics that the anchor rests on, None where it is not here (any more).

        Raises AnchorError `anchor.statistics` when it is not the one that the anchor was signed with.
        """
        digest = anchor.state.image_sha256
        path = self._statistics_file(digest)
        if not digest or not path.is_file():
            return None
        if hashlib.sha256(path.read_bytes()).hexdigest() != digest:
            raise AnchorError(
                f"the statistics {path} were refused: they are not those that the anchor was signed with",
                code="anchor.statistics",
                next_step="Restore the file from a backup, or compare without it.",
            )
        return path

    def forget_statistics(self, resting: Callable[[], Sequence[Anchor]]) -> int:
        """Remove the statistics that none of the anchors rests on that are given, and return how many there were.

        They are asked for while nobody can write another one.
        """
        self._make_places()
        with self._held():
            wanted = {anchor.state.image_sha256 for anchor in resting()}
            kept = self._statistics.glob(f"[!.]*{_STATISTICS}")
            unwanted = [path for path in kept if path.stem not in wanted]
            for path in unwanted:
                path.unlink(missing_ok=True)
        return len(unwanted)

    def anchors(self) -> list[SignedAnchor]:
        """Return all in the order of the chain. Raises AnchorError `anchor.flawed` at the first flaw."""
        known = self.known()
        return [self._signed(path, known) for path in self._files()]

    @property
    def has_any(self) -> bool:
        """Whether there is any anchor."""
        return bool(self._files())

    def find(self, name: str) -> SignedAnchor:
        """Return the anchor of that id, or of the only id that begins so; "latest" is the last.

        Raises AnchorError `anchor.unknown`, `anchor.ambiguous`, `anchor.flawed`.
        """
        files = self._files()
        found = files[-1:] if name == "latest" else [path for path in files if _id_of(path) == name]
        found = found or [path for path in files if name and _id_of(path).startswith(name)]
        if len(found) != 1:
            what, code = ("is not one of", "anchor.unknown") if not found else ("begins several of", "anchor.ambiguous")
            raise AnchorError(
                f"{name} {what} the anchors in {self.directory}",
                code=code,
                next_step="`trimtab anchor list` shows them; `trimtab anchor create` makes one.",
            )
        return self._signed(found[0], self.known())

    def path(self, anchor: Anchor) -> Path:
        """Return where the anchor's document is."""
        return self.directory / f"{anchor.coordinate[0]:020d}-{anchor.id}{_SUFFIX}"

    def flaw(self, recorded: Sequence[str]) -> Flaw | None:
        """Return the first thing that is wrong with the chain, None when nothing is."""
        found = self.chain(recorded)
        return found if isinstance(found, Flaw) else None

    def chain(self, recorded: Sequence[str]) -> list[SignedAnchor] | Flaw:
        """Return all in the order of the chain, or the first thing that is wrong with it.

        `recorded` are the digests that the ledger has, in its order: an anchor that was removed is missed there. The
        last one may be missing in it: the program may have died before it was told.
        """
        files, found = self._files(), []
        known, expected, rest = self.known(), GENESIS, list(recorded)
        for number, path in enumerate(files):
            try:
                signed = read(_content(path), known)
            except FlawError as error:
                return Flaw(_id_of(path), str(error))
            if self.path(signed.anchor) != path:
                return Flaw(_id_of(path), "its file has the name of another one")
            if signed.previous != expected:
                return Flaw(signed.anchor.id, "it does not follow the anchor before it: one is missing")
            if rest and rest[0] == signed.digest:
                rest.pop(0)
            elif rest or number < len(files) - 1:
                return Flaw(signed.anchor.id, "the ledger does not have it at this place")
            expected = signed.digest
            found.append(signed)
        return Flaw("", f"{len(rest)} anchors that the ledger has are missing at the end") if rest else found

    def _make_places(self) -> None:
        try:
            for place in (self.directory, self._statistics, self._trusted):
                place.mkdir(mode=0o700, exist_ok=True)
        except OSError as error:
            raise _unusable(self.directory, str(error.strerror)) from None

    def _statistics_file(self, digest: str) -> Path:
        return self._statistics / f"{digest}{_STATISTICS}"

    def _files(self) -> list[Path]:
        return sorted(path for path in self.directory.glob(f"*{_SUFFIX}") if _NAME.fullmatch(path.name))

    def _signed(self, path: Path, known: Sequence[PublicKey]) -> SignedAnchor:
        try:
            return read(_content(path), known)
        except FlawError as error:
            raise flawed(_id_of(path), str(error)) from None

    @contextmanager
    def _held(self) -> Iterator[None]:
        try:
            with exclusive(self.directory / "lock"):
                yield
        except OSError as error:
            raise _unwritable(self.directory, str(error.strerror)) from None


def flawed(name: str, found: str) -> AnchorError:
    """Return the error for an anchor that is not as it was signed."""
    return AnchorError(
        f"the anchor {name} was refused: {found}",
        code="anchor.flawed",
        next_step=_WHERE_UNKNOWN
        if found.endswith(UNKNOWN)
        else "Trust nothing in it; restore it from where it was copied to, or make a new one.",
    )


def _content(path: Path) -> bytes:
    try:
        return read_plain_file(path, MOST_BYTES + 1)
    except OSError as error:
        raise FlawError(f"it cannot be read ({error.strerror})") from None


def _id_of(path: Path) -> str:
    found = _NAME.fullmatch(path.name)
    return found["id"] if found is not None else path.name


def _unusable(directory: Path, found: str) -> AnchorError:
    return AnchorError(
        f"the anchors' directory {directory} cannot be used: {found}",
        code="anchor.unusable",
        next_step="Set TRIMTAB_STATE to a directory that belongs to this user, or mend this one.",
    )


def _unwritable(directory: Path, found: str) -> AnchorError:
    return AnchorError(
        f"the anchor was not written to {directory}: {found}",
        code="anchor.unwritable",
        next_step="Make room there, or set TRIMTAB_STATE to another directory.",
    )
