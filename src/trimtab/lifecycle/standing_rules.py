"""Takes waivers and bundles into force, and out, and tells the ledger: what was let go, and what was refused.

A refusal is told too: somebody tried to change what governs, and what governed before still does.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import closing
from pathlib import Path

from trimtab.apply.asking import actor
from trimtab.errors import SpecError, TrimtabError
from trimtab.ledger.entry import Kind
from trimtab.ledger.ledger import Ledger
from trimtab.lifecycle import bundles, waivers
from trimtab.lifecycle.governing import governing
from trimtab.spec.bundle import Bundle
from trimtab.spec.waiver import Waiver


def waive(ledger_path: Path, path: Path, spec: str | Path | None, now_unix: int) -> Waiver:
    """Take a signed waiver into force, for a specification that has the rule. Raises SpecError, LedgerError."""
    try:
        waiver = waivers.install(ledger_path.parent, path, governing(spec, ledger_path), now_unix)
    except SpecError as error:
        _note(ledger_path, Kind.WAIVER_NOTED, {"note": "refused", "by": actor(), "code": error.code})
        raise
    try:
        _note(ledger_path, Kind.WAIVER_NOTED, {"note": "in_force", "by": actor(), "waiver": waiver.document()})
    except TrimtabError:  # what the ledger cannot tell of does not hold
        waivers.withdraw(ledger_path.parent, waiver.id)
        raise
    return waiver


def unwaive(ledger_path: Path, waiver_id: str) -> bool:
    """Take a waiver out of force; return whether there was one. Raises LedgerError."""
    is_there = waivers.remove(ledger_path.parent, waiver_id)
    if is_there:
        _note(ledger_path, Kind.WAIVER_NOTED, {"note": "removed", "by": actor(), "waiver_id": waiver_id})
    return is_there


def install_bundle(ledger_path: Path, manifest: Path, now_unix: int) -> Bundle:
    """Take a bundle into force, or leave the one before there. Raises SpecError, LedgerError."""
    try:
        bundle = bundles.install(ledger_path.parent, manifest, now_unix)
    except SpecError as error:
        _note(ledger_path, Kind.BUNDLE_NOTED, {"note": "refused", "by": actor(), "code": error.code})
        raise
    told = {"bundle_id": bundle.id, "revision": bundle.revision, "digest": bundle.digest}
    _note(ledger_path, Kind.BUNDLE_NOTED, {"note": "in_force", "by": actor(), **told})
    return bundle


def _note(ledger_path: Path, kind: Kind, body: Mapping[str, object]) -> None:
    with closing(Ledger.open(ledger_path)) as ledger:
        ledger.append(kind, body)
