"""The specification that governs a run here: the document that was asked for, or a bundle's, with the waivers in force.

The state directory is where the ledger is. Whoever enforces or judges a change gets its specification from here.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from trimtab.lifecycle import bundles, waivers
from trimtab.spec.load import load_spec
from trimtab.spec.specification import Specification


def governing(reference: str | Path | None, ledger_path: Path) -> Specification:
    """Return the specification as it is enforced here. Raises SpecError; KeyFileError."""
    return replace(named(reference, ledger_path), waivers=waivers.installed(ledger_path.parent))


def named(reference: str | Path | None, ledger_path: Path) -> Specification:
    """Return the specification of an id, a file or a bundle here, without waivers. Raises SpecError, KeyFileError.

    It is enough for taking back what was done: that a waiver was spoilt must keep nobody from it.
    """
    if not bundles.is_reference(reference):
        return load_spec(reference)
    found = bundles.find(ledger_path.parent, str(reference))
    return replace(load_spec(found.path), expires_unix=found.expires_unix)


def located(reference: str | Path, ledger_path: Path) -> str | Path:
    """Return the reference, or the file that it stands for in a bundle. Raises SpecError, KeyFileError."""
    return bundles.find(ledger_path.parent, str(reference)).path if bundles.is_reference(reference) else reference
