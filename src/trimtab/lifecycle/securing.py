"""Takes, keeps and compares security baselines: the server is read, never changed.

A baseline is signed by this machine's key and kept beside the ledger, one for each database. What is compared are
snapshots as they were signed; a document that is not exactly that is refused.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from trimtab.apply.preserve import Preservation
from trimtab.db.connection import Connection
from trimtab.db.role import READING, Work, reading
from trimtab.durable import read_plain_file, write_durably
from trimtab.errors import SecurityError
from trimtab.ledger.entry import Kind
from trimtab.ledger.ledger import Ledger
from trimtab.lifecycle.anchor_chain import store_of
from trimtab.security.difference import Difference, compare, counted_as_weakened
from trimtab.security.document import MOST_BYTES, BaselineFlawError, SignedBaseline, read_baseline, write_baseline
from trimtab.security.findings import Finding, findings
from trimtab.security.read import read_security
from trimtab.security.snapshot import SecuritySnapshot
from trimtab.security.transport import Transport, transport
from trimtab.signing.keys import PublicKey, public_keys

DIRECTORY = "security"
_SUFFIX = ".security.json"


@dataclass(frozen=True, slots=True)
class Taken:
    """A baseline that was taken, where it is, and what was seen beside it."""

    baseline: SignedBaseline
    path: Path
    findings: tuple[Finding, ...]
    transport: Transport


@dataclass(frozen=True, slots=True)
class Compared:
    """What became of security between two snapshots."""

    before: SecuritySnapshot
    after: SecuritySnapshot
    differences: tuple[Difference, ...]

    @property
    def weakened(self) -> tuple[Difference, ...]:
        """What weakens, or what nobody can tell."""
        return counted_as_weakened(self.differences)

    @property
    def is_preserved(self) -> bool:
        """True when nothing is weakened, and nothing is unknown."""
        return not self.weakened


@dataclass(frozen=True, slots=True)
class Checked:
    """A server beside its baseline."""

    compared: Compared
    findings: tuple[Finding, ...]
    transport: Transport


def take_baseline(
    conninfo: str, ledger_path: Path, *, out: Path | None = None, now_ns: Callable[[], int] = time.time_ns
) -> Taken:
    """Read a server's security, sign it and keep it as the baseline of its database; `out` is a copy to give away.

    Raises SourceError, KeyFileError, SecurityError `security.unwritable`.
    """
    return _taken(*_looked(conninfo, READING, now_ns), ledger_path, out)


def _taken(snapshot: SecuritySnapshot, seen: Transport, ledger_path: Path, out: Path | None = None) -> Taken:
    key = store_of(ledger_path).key()
    raw = write_baseline(snapshot, key)
    signed = read_baseline(raw, [key.public])
    path = baseline_path(snapshot, ledger_path)
    _make_place(path.parent)
    with Ledger.open(ledger_path) as ledger:
        # Before the file: after a death between the two the older one is refused, and not taken for the newest.
        ledger.append(Kind.SECURITY_BASELINED, _body(signed))
    _put(path, raw)
    if out is not None:
        _put(out, raw)
    return Taken(signed, path, findings(snapshot), seen)


def check(
    conninfo: str,
    ledger_path: Path,
    *,
    baseline: Path | None = None,
    keys: Sequence[Path] = (),
    now_ns: Callable[[], int] = time.time_ns,
) -> Checked:
    """Compare a server with its baseline, or with the document at `baseline`.

    Raises SourceError, KeyFileError, SecurityError `security.no_baseline`, `security.flawed`,
    `security.other_database`.
    """
    return _checked(*_looked(conninfo, READING, now_ns), ledger_path, baseline, keys)


def check_or_begin(
    conninfo: str, ledger_path: Path, *, work: Work, now_ns: Callable[[], int] = time.time_ns
) -> Checked:
    """Compare a server with its baseline, as `check` does; where there is none, what is read now becomes it.

    Raises SourceError, RefusedError of the work's code, KeyFileError, SecurityError.
    """
    now, seen = _looked(conninfo, work, now_ns)
    if not baseline_path(now, ledger_path).exists():
        _taken(now, seen, ledger_path)
    return _checked(now, seen, ledger_path)


def _looked(conninfo: str, work: Work, now_ns: Callable[[], int]) -> tuple[SecuritySnapshot, Transport]:
    with closing(reading(conninfo, work=work)) as connection:
        snapshot = read_security(connection, now_ns=now_ns)
        return snapshot, transport(connection, snapshot)


def _checked(
    now: SecuritySnapshot, seen: Transport, ledger_path: Path, baseline: Path | None = None, keys: Sequence[Path] = ()
) -> Checked:
    path = baseline or baseline_path(now, ledger_path)
    signed = _read(path, _known(ledger_path, keys))
    before = signed.snapshot
    if (before.system_identifier, before.database_oid) != (now.system_identifier, now.database_oid):
        raise SecurityError(
            f"the baseline {path} was refused: it is not of this database",
            code="security.other_database",
            next_step="Compare two documents with `trimtab security diff`, or take a baseline of this database.",
        )
    if baseline is None and signed.document_sha256 != _last_recorded(ledger_path, signed):
        raise _flawed(
            path, "it is not the last that the ledger has of this database: an older one was put in its place"
        )
    return Checked(Compared(before, now, compare(before, now)), findings(now), seen)


def diff(before: Path, after: Path, ledger_path: Path | None, *, keys: Sequence[Path] = ()) -> Compared:
    """Compare two documents; no server is asked. Raises SecurityError `security.flawed`, KeyFileError."""
    known = _known(ledger_path, keys)
    old, new = _read(before, known).snapshot, _read(after, known).snapshot
    return Compared(old, new, compare(old, new))


def preservation(source: Connection, ledger: Ledger, run_id: str) -> Preservation:
    """Return what compares the security of the source, as its reading session sees it, around every change of a run."""
    return Preservation(lambda: read_security(source, now_ns=time.time_ns), ledger, run_id)


def baseline_path(snapshot: SecuritySnapshot, ledger_path: Path) -> Path:
    """Return where the baseline of the snapshot's database is kept."""
    name = f"{snapshot.system_identifier or 'unknown'}-{snapshot.database_oid}{_SUFFIX}"
    return ledger_path.parent / DIRECTORY / name


def _body(signed: SignedBaseline) -> dict[str, object]:
    """Return what the ledger is told of a baseline: digests, and which database it is of."""
    snapshot = signed.snapshot
    return {
        "database": {
            "system_identifier": snapshot.system_identifier or "",
            "database": snapshot.database,
            "database_oid": snapshot.database_oid,
        },
        "snapshot_digest": snapshot.digest,
        "document_sha256": signed.document_sha256,
        "key_id": signed.key_id,
        "rows": snapshot.count,
        "unreadable": sorted(snapshot.unreadable),
    }


def _last_recorded(ledger_path: Path, signed: SignedBaseline) -> str | None:
    """Return the digest of the last baseline that the ledger has of the same database."""
    wanted = _body(signed)["database"]
    with Ledger.open(ledger_path) as ledger:
        found = [
            entry.text("document_sha256")
            for entry in ledger.entries(Kind.SECURITY_BASELINED)
            if entry.mapping("database") == wanted
        ]
    return found[-1] if found else None


def _known(ledger_path: Path | None, keys: Sequence[Path]) -> tuple[PublicKey, ...]:
    return public_keys(keys) if ledger_path is None else store_of(ledger_path).known(keys)


def _read(path: Path, known: Sequence[PublicKey]) -> SignedBaseline:
    try:
        raw = read_plain_file(path, MOST_BYTES + 1)
    except FileNotFoundError:
        raise SecurityError(
            f"there is no baseline {path}",
            code="security.no_baseline",
            next_step="Take one with `trimtab security baseline`.",
        ) from None
    except OSError as error:
        raise _flawed(path, f"it cannot be read ({error.strerror})") from None
    try:
        return _believed(raw, tuple(known))
    except BaselineFlawError as error:
        raise _flawed(path, str(error)) from None


@lru_cache(maxsize=4)
def _believed(raw: bytes, known: tuple[PublicKey, ...]) -> SignedBaseline:
    """Return what `read_baseline` does. Verifying takes longer than all else; who asks again has the same bytes."""
    return read_baseline(raw, known)


def _flawed(path: Path, found: str) -> SecurityError:
    return SecurityError(
        f"the baseline {path} was refused: {found}",
        code="security.flawed",
        next_step="Trust nothing in it; restore it from where it was copied to, or take a new one.",
    )


def _put(path: Path, raw: bytes) -> None:
    try:
        write_durably(path, raw)
    except OSError as error:
        raise _unwritable(path, error) from None


def _make_place(directory: Path) -> None:
    try:
        directory.mkdir(mode=0o700, exist_ok=True)
    except OSError as error:
        raise _unwritable(directory, error) from None


def _unwritable(path: Path, error: OSError) -> SecurityError:
    return SecurityError(
        f"the baseline was not written to {path}: {error.strerror}",
        code="security.unwritable",
        next_step="Make room there, or name another file.",
    )
