"""Verifies what was taken from a ledger to another machine: an export, a proof, a statement. Needs public keys alone.

What a known key signed is remembered by the ledger's origin, so that the next export of the same ledger can only have
grown: what was cut off or written anew in between is found.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from trimtab.durable import open_plain_file
from trimtab.errors import LedgerError, UsageError
from trimtab.ledger.checkpoint import ORIGIN, Checkpoint, read_checkpoint
from trimtab.ledger.export import ExportFlawError, read_export
from trimtab.ledger.proof import ProofFlawError, proven, read_document
from trimtab.ledger.seen import Seen, SeenFiles
from trimtab.ledger.statement import PAYLOAD_TYPE, stated
from trimtab.ledger.verification import Evidence, Verification, check
from trimtab.signing.keys import PublicKey
from trimtab.signing.note import NoteFlawError

DIRECTORY = "seen"
_MOST_PROOF_BYTES = 64 << 20


@dataclass(frozen=True, slots=True)
class Verdict:
    """What was verified, and whether it holds. `told` says what is wrong, or "".

    Of a ledger or an export `found` says more; of a proof or a statement it is None, and `shown` says what it shows.
    """

    what: str
    verified: bool
    told: str = ""
    found: Verification | None = None
    shown: Mapping[str, object] | None = None

    @classmethod
    def of_ledger(cls, found: Verification, what: str) -> Verdict:
        """Return the verdict on a whole ledger."""
        told = "" if found.verified else f"entry {found.first_bad}: {found.reason}"
        return cls(what, found.verified, told, found)

    def document(self) -> dict[str, object]:
        """Return it as `trimtab ledger verify --json` prints it."""
        found = self.found
        return {
            "schema": "trimtab.ledger.verify/v1",
            "what": self.what,
            "verified": self.verified,
            "first_bad": None if found is None else found.first_bad,
            "reason": self.told if found is None else found.reason,
            "origin": self._shown("origin") if found is None else found.origin,
            "entries": None if found is None else found.entries,
            "head": None if found is None else found.head,
            "root": None if found is None else found.root,
            "checkpoints": None if found is None else found.checkpoints,
            "signed_entries": self._shown("signed_entries") if found is None else found.signed_entries,
            "signer": self._shown("signer") if found is None else found.signer,
            "witnesses": None if found is None else found.witnesses,
            "first_ahead": None if found is None else found.first_ahead,
            "ahead_seconds": None if found is None else round(found.ahead_seconds, 3),
            "lost": None if found is None else found.lost,
            "shown": self.shown,
        }

    def lines(self) -> list[str]:
        """Return what holds, in words."""
        found = self.found
        if found is None:
            return [f"verified: {self.what}: {self._shown('told')}"]
        lines = [f"verified: {self.what}: {found.entries} entries, head {found.head[:16]}, root {found.root[:16]}"]
        if found.signed_entries:
            after = found.entries - found.signed_entries
            rest = f"; the {after} after them are chained, not signed yet" if after else ""
            lines.append(f"signed: the first {found.signed_entries} entries, by {found.signer}{rest}")
        elif found.checkpoints:
            lines.append(f"signed: {found.checkpoints} checkpoints, by keys that nobody vouched for: give --key")
        else:
            lines.append("signed: nothing; without a checkpoint nobody can tell a tail that was cut off")
            lines.append("  next: trimtab ledger key --out ledger.pub")
        if found.entries and not found.witnesses:
            lines.append(
                "seen: nothing of it was seen here before; compare with a checkpoint kept elsewhere (--checkpoint)"
            )
        if found.lost_told:
            lines.append(f"lost: {found.lost_told}")
            lines.append("  next: restore what is kept beside the ledger (docs/ledger.md) from a backup")
        if found.ahead_told:
            lines.append(f"clock: {found.ahead_told}")
            lines.append("  next: set this clock right, or find who wrote them with a clock that was ahead")
        return lines

    def _shown(self, name: str) -> object:
        return "" if self.shown is None else self.shown.get(name, "")


def verified_file(
    path: Path, keys: Sequence[PublicKey], pinned: Sequence[Checkpoint], state: Path | None, now_ns: int | None = None
) -> Verdict:
    """Return the verdict on a file of any of the three kinds. `state` is where what was seen is kept, None for nowhere.

    `now_ns` is the clock, UTC nanoseconds, ahead of which no entry of an export should be; None does not ask.

    Raises UsageError `ledger.file` when there is no such file, or when a proof is given without a key.
    """
    try:
        with open_plain_file(path) as file:
            heading = read_document(file.readline(_MOST_PROOF_BYTES))
            file.seek(0)
            is_export = heading is not None and not heading.keys() & {"schema", "payloadType"}
            document = None if is_export else read_document(file.read(_MOST_PROOF_BYTES))
            if document is None:
                file.seek(0)
                return _verified_export(path, file, keys, pinned, state, now_ns)
    except OSError as error:
        raise _refused(path, str(error.strerror)) from None
    if not keys:
        raise _refused(path, "a proof and a statement are verified by a public key, and none was given")
    return _verified_proof(path, document, keys, pinned, state)


def _verified_export(
    path: Path,
    file: BinaryIO,
    keys: Sequence[PublicKey],
    pinned: Sequence[Checkpoint],
    state: Path | None,
    now_ns: int | None,
) -> Verdict:
    try:
        # A line that is longer than any entry ends there, and so does the reading.
        export = read_export(iter(lambda: file.readline(_MOST_PROOF_BYTES), b""))
    except ExportFlawError as error:
        found = Verification(error.first_bad - 1, False, error.first_bad, str(error), "")
        return Verdict.of_ledger(found, str(path))
    files = _seen_files(state, export.origin)
    kept = files.checkpoint() if files is not None and keys else None
    evidence = Evidence(
        notes=export.notes,
        pinned=(*pinned, *([kept] if kept is not None else [])),
        seen=files.head() if files is not None and keys else None,
        keys=keys,
        needs_signature=bool(keys),
        now_ns=now_ns,
    )
    found = check(export.rows, evidence)
    if found.verified and export.origin != found.origin:
        found = Verification(found.entries, False, 1, "its heading names another ledger", "", found.origin)
    if found.verified and keys and files is not None:
        _remember(files, Seen(found.entries, found.head), _last(export.notes))
    return Verdict.of_ledger(found, str(path))


def _verified_proof(
    path: Path,
    document: Mapping[str, object],
    keys: Sequence[PublicKey],
    pinned: Sequence[Checkpoint],
    state: Path | None,
) -> Verdict:
    try:
        if document.get("payloadType") == PAYLOAD_TYPE:
            statement = stated(document, keys)
            origin, size, root, signer = statement.origin, statement.size, statement.root, statement.signer
            told = f"entries {', '.join(map(str, statement.seqs))} are in {origin}, by a checkpoint of {size} entries"
            more: dict[str, object] = {
                "seqs": list(statement.seqs),
                "change_digests": list(statement.change_digests),
                "since": None,
            }
        else:
            proof = proven(document, keys)
            origin, size, root, signer = proof.origin, proof.size, proof.root, proof.signer
            parts = [] if proof.seq is None else [f"entry {proof.seq} is in {origin}"]
            parts += [] if proof.since is None else [f"{origin} only grew since it had {proof.since} entries"]
            told = f"{' and '.join(parts)}, by a checkpoint of {size} entries"
            more = {"seqs": [] if proof.seq is None else [proof.seq], "change_digests": [], "since": proof.since}
        _require_no_contradiction(origin, size, root, pinned, _seen_files(state, origin))
    except ProofFlawError as error:
        return Verdict(str(path), False, str(error))
    shown = {"origin": origin, "signed_entries": size, "signer": signer, "told": told, **more}
    return Verdict(str(path), True, shown=shown)


def _require_no_contradiction(
    origin: str, size: int, root: bytes, pinned: Sequence[Checkpoint], files: SeenFiles | None
) -> None:
    """Of two checkpoints of one ledger and one size only one can be true; other sizes need a consistency proof."""
    seen = files.checkpoint() if files is not None else None
    for other in (*pinned, *([seen] if seen is not None else [])):
        if other.origin != origin:
            raise ProofFlawError("it is of another ledger than the checkpoint that was kept")
        if other.size == size and other.root != root:
            raise ProofFlawError(
                f"its checkpoint of {size} entries is not the one that was kept: the ledger has a fork"
            )


def _seen_files(state: Path | None, origin: str) -> SeenFiles | None:
    name = origin.removeprefix(ORIGIN)
    is_ours = origin.startswith(ORIGIN) and name.isalnum()
    return SeenFiles(state / DIRECTORY / name) if state is not None and is_ours else None


def _remember(files: SeenFiles, seen: Seen, checkpoint: Checkpoint | None) -> None:
    with suppress(OSError, LedgerError):
        files.path.parent.mkdir(mode=0o700, exist_ok=True)
        files.note(seen)
        if checkpoint is not None:
            files.keep(checkpoint)


def _last(notes: Sequence[tuple[int, str]]) -> Checkpoint | None:
    with suppress(NoteFlawError):
        return read_checkpoint(notes[-1][1]) if notes else None
    return None


def _refused(path: Path, found: str) -> UsageError:
    return UsageError(
        f"{path} cannot be verified: {found}",
        code="ledger.file",
        next_step="Name a file of `trimtab ledger export` or `prove`, and with --key the public key of its signer.",
    )
