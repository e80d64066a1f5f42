"""Takes waivers and bundles into force, and out, and tells the ledger: what was let go, and what was refused.

A refusal is told too: somebody tried to change what governs, and what governed before still does.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from contextlib import closing
from dataclasses import replace
from pathlib import Path

from trimtab.apply.asking import actor
from trimtab.errors import SpecError, TrimtabError
from trimtab.ledger.entry import Kind
from trimtab.ledger.ledger import Ledger
from trimtab.lifecycle import bundles, waivers
from trimtab.lifecycle.governing import governing
from trimtab.spec.bundle import Bundle, Mark
from trimtab.spec.waiver import Waiver, WaiverMark


def waive(ledger_path: Path, path: Path, spec: str | Path | None, now_unix: int) -> Waiver:
    """Take a signed waiver into force, for a specification that has the rule. Raises SpecError, LedgerError."""
    try:
        governs, latest = governing(spec, ledger_path), latest_unix(ledger_path)
        waiver = waivers.install(ledger_path.parent, path, governs, now_unix, latest, _waived(ledger_path))
    except SpecError as error:
        _note(ledger_path, Kind.WAIVER_NOTED, {"note": "refused", "by": actor(), "code": error.code}, now_unix)
        raise
    try:
        mark = waivers.mark_of(ledger_path.parent, waiver.id)
        told: dict[str, object] = {"note": "in_force", "by": actor(), "waiver": waiver.document()}
        told |= {} if mark is None else {"digest": mark.digest}
        _note(ledger_path, Kind.WAIVER_NOTED, told, now_unix)
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
        bundle = bundles.install(
            ledger_path.parent, manifest, now_unix, latest_unix(ledger_path), _accepted(ledger_path)
        )
    except SpecError as error:
        _note(ledger_path, Kind.BUNDLE_NOTED, {"note": "refused", "by": actor(), "code": error.code}, now_unix)
        raise
    told = {"bundle_id": bundle.id, "revision": bundle.revision, "digest": bundle.digest}
    _note(ledger_path, Kind.BUNDLE_NOTED, {"note": "in_force", "by": actor(), **told}, now_unix)
    return bundle


def latest_unix(ledger_path: Path) -> int | None:
    """Return the time of the ledger's last entry, in seconds since 1970; None without any. Raises LedgerError."""
    with closing(Ledger.open(ledger_path)) as ledger:
        last = ledger.last()
    return None if last is None else last.at_ns // 10**9


def _accepted(ledger_path: Path) -> dict[str, Mark]:
    """Return the newest bundle of each id that the ledger tells was taken into force."""
    found: dict[str, Mark] = {}
    with closing(Ledger.open(ledger_path)) as ledger:
        for entry in ledger.entries(Kind.BUNDLE_NOTED):
            if entry.body.get("note") != "in_force":
                continue
            bundle_id, revision = entry.text("bundle_id"), entry.number("revision") or 0
            if bundle_id not in found or revision > found[bundle_id].revision:
                found[bundle_id] = Mark(revision, entry.text("digest"))
    return found


def _waived(ledger_path: Path) -> dict[str, WaiverMark]:
    """Return the newest waiver of each id that the ledger tells was taken into force, and whether it was removed."""
    found: dict[str, WaiverMark] = {}
    with closing(Ledger.open(ledger_path)) as ledger:
        for entry in ledger.entries(Kind.WAIVER_NOTED):
            note, waiver_id = entry.body.get("note"), entry.body.get("waiver_id")
            if note == "in_force" and isinstance(digest := entry.body.get("digest"), str):
                told = entry.mapping("waiver")
                found[str(told["id"])] = WaiverMark(int(str(told["revision"])), digest, is_removed=False)
            elif note == "removed" and isinstance(waiver_id, str) and waiver_id in found:
                found[waiver_id] = replace(found[waiver_id], is_removed=True)
    return found


def _note(ledger_path: Path, kind: Kind, body: Mapping[str, object], now_unix: int | None = None) -> None:
    clock = time.time_ns if now_unix is None else lambda: now_unix * 10**9
    with closing(Ledger.open(ledger_path, clock=clock)) as ledger:
        ledger.append(kind, body)
