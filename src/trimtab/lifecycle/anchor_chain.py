"""The chain of this machine's anchors and the ledger together: keep, list, find, verify, accept, release.

Every anchor is signed and on disk before the ledger is told of it; a death in between is made good by whoever comes
next. No server is asked.
"""

from __future__ import annotations

import getpass
import time
from collections.abc import Sequence
from pathlib import Path

from trimtab.anchor.document import MOST_BYTES, FlawError, SignedAnchor, read
from trimtab.anchor.force import Force, Standing, standings
from trimtab.anchor.lease import leases
from trimtab.anchor.record import anchor_to_dict
from trimtab.anchor.store import AnchorStore, Flaw, Statistics, flawed
from trimtab.apply.enforce import database_body
from trimtab.durable import read_plain_file
from trimtab.errors import AnchorError, UsageError
from trimtab.ledger.entry import Entry, Kind
from trimtab.ledger.ledger import Ledger
from trimtab.model.anchor import Anchor
from trimtab.model.catalog import ServerIdentity
from trimtab.signing.keys import public_keys, write_public_key

DIRECTORY = "anchors"


def keep(
    store: AnchorStore,
    ledger: Ledger,
    anchor: Anchor,
    run_id: str | None = None,
    statistics: Statistics | None = None,
) -> SignedAnchor:
    """Sign and keep the anchor and its statistics, and tell the ledger.

    Raises AnchorError, KeyFileError, LedgerError.
    """

    def record(signed: SignedAnchor) -> None:
        body = {**anchor_to_dict(signed.anchor), "document_sha256": signed.digest, "key_id": signed.key_id}
        ledger.append(Kind.ANCHOR_RECORDED, body, run_id=run_id if signed.anchor.id == anchor.id else None)

    return store.append(anchor, lambda: _recorded(ledger), record, statistics)


def store_of(ledger_path: Path) -> AnchorStore:
    """Return the store of anchors that belongs to a ledger: it is beside it. Raises AnchorError `anchor.unusable`."""
    return AnchorStore(ledger_path.parent / DIRECTORY)


def listed(ledger_path: Path, entries: Sequence[Entry] | None = None) -> list[Standing]:
    """Return all anchors in the order of the chain, and how they stand. Raises AnchorError, LedgerError.

    `entries` are the ledger's where they were read already.
    """
    if entries is not None:
        return standings([signed.anchor for signed in store_of(ledger_path).anchors()], entries)
    with Ledger.open(ledger_path) as ledger:
        return standings_of(store_of(ledger_path), ledger)


def shown(ledger_path: Path, name: str) -> tuple[SignedAnchor, Standing]:
    """Return one anchor by id, beginning of an id, or "latest". Raises AnchorError, LedgerError."""
    signed = store_of(ledger_path).find(name)
    return signed, next(s for s in listed(ledger_path) if s.anchor.id == signed.anchor.id)


def found(ledger_path: Path, name: str | Path, keys: Sequence[Path] = ()) -> SignedAnchor:
    """Return an anchor by its document's file, or as `shown` does. Raises AnchorError, KeyFileError."""
    if isinstance(name, Path) or "/" in name or name.endswith(".json"):
        return verified_file(Path(name), ledger_path, keys)
    return store_of(ledger_path).find(name)


def verified_chain(ledger_path: Path) -> list[str]:
    """Return the ids of all anchors of this machine when they are as signed, in one chain, as the ledger has them.

    The statistics that are kept with them must be theirs; those that are not here any more are no flaw.
    Raises AnchorError `anchor.flawed`, which names the first thing that is wrong, `anchor.statistics`, and LedgerError.
    """
    store = store_of(ledger_path)
    with Ledger.open(ledger_path) as ledger:
        found = store.chain(_recorded(ledger))
    if isinstance(found, Flaw):
        raise flawed(found.anchor_id or "chain", found.found)
    for signed in found:
        store.statistics(signed.anchor)
    return [signed.anchor.id for signed in found]


def verified_file(path: Path, ledger_path: Path | None, keys: Sequence[Path] = ()) -> SignedAnchor:
    """Return the anchor of a document that came from anywhere. No server is asked.

    `keys` are files of public keys that are believed beside those known here: none without a ledger's path. Raises
    AnchorError `anchor.flawed`, which names the first thing that is wrong, `anchor.unreadable`, and KeyFileError.
    """
    known = public_keys(keys) if ledger_path is None else store_of(ledger_path).known(keys)
    try:
        return read(read_plain_file(path, MOST_BYTES + 1), known)
    except OSError as error:
        raise AnchorError(
            f"{path} cannot be read: {error.strerror}",
            code="anchor.unreadable",
            next_step="Give the file of an anchor; `trimtab anchor show ID` tells where it is.",
        ) from None
    except FlawError as error:
        raise flawed(str(path), str(error)) from None


def accept(ledger_path: Path, name: str, reason: str) -> SignedAnchor:
    """Make an anchor the new normal of its database, because of a reason, in the ledger.

    Raises AnchorError, also `anchor.not_in_force`, UsageError `usage.reason`, and LedgerError.
    """
    return _noted(Kind.ANCHOR_ACCEPTED, ledger_path, name, reason)


def release(ledger_path: Path, name: str, reason: str) -> SignedAnchor:
    """End that an anchor is in force, because of a reason, in the ledger, and remove statistics that it alone kept.

    Raises AnchorError, also `anchor.not_in_force`, UsageError `usage.reason`, and LedgerError.
    """
    signed = _noted(Kind.ANCHOR_RELEASED, ledger_path, name, reason)
    with Ledger.open(ledger_path) as ledger:
        store = store_of(ledger_path)
        store.forget_statistics(lambda: in_force(store, ledger))
    return signed


def export_key(ledger_path: Path, path: Path) -> str:
    """Write this machine's public key to a new file and return its id. Raises KeyFileError."""
    key = store_of(ledger_path).key().public
    write_public_key(key, path)
    return key.id


def standings_of(store: AnchorStore, ledger: Ledger) -> list[Standing]:
    """Return all anchors in the order of the chain, and how they stand. Raises AnchorError, LedgerError."""
    return standings([signed.anchor for signed in store.anchors()], ledger.entries())


def in_force(store: AnchorStore, ledger: Ledger) -> list[Anchor]:
    """Return the anchors that are in force. Raises AnchorError, LedgerError."""
    return [standing.anchor for standing in standings_of(store, ledger) if standing.force is Force.IN_FORCE]


def put_back_names(ledger_path: Path, server: ServerIdentity) -> dict[str, str]:
    """Return, of indexes that locks have put back on this database, the names that they had, by their own.

    Plans that use them count as those of before. Those of locks that are over count too: an anchor that was taken under
    one has them. Raises LedgerError.
    """
    if not ledger_path.exists():
        return {}
    with Ledger.open(ledger_path) as ledger:
        found = leases(ledger.entries(), time.time_ns(), database=database_body(server))
    return {new: old for one in found for new, old in (one.expected.index_names or {}).items()}


def _noted(kind: Kind, ledger_path: Path, name: str, reason: str) -> SignedAnchor:
    if not reason.strip():
        raise UsageError("the anchor was left as it is: it needs a reason", code="usage.reason", next_step="Say why.")
    signed, standing = shown(ledger_path, name)
    if standing.force is not Force.IN_FORCE:
        raise AnchorError(
            f"the anchor {signed.anchor.id} was left as it is: it is {standing.force.value.replace('_', ' ')}",
            code="anchor.not_in_force",
            next_step="`trimtab anchor list` shows which are in force.",
        )
    body = {"anchor_id": signed.anchor.id, "document_sha256": signed.digest, "reason": reason, "by": getpass.getuser()}
    with Ledger.open(ledger_path) as ledger:
        ledger.append(kind, body)
    return signed


def _recorded(ledger: Ledger) -> list[str]:
    """Return the digests of the documents that the ledger has; anchors of before there were documents have none."""
    digests = (entry.body.get("document_sha256") for entry in ledger.entries(Kind.ANCHOR_RECORDED))
    return [str(digest) for digest in digests if digest is not None]
