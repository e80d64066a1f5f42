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
    state = ledger_path.parent
    if isinstance(reference, str) and reference.startswith(bundles.PREFIX):
        found = bundles.find(state, reference)
        specification = replace(load_spec(found.path), expires_unix=found.expires_unix)
    else:
        specification = load_spec(reference)
    return replace(specification, waivers=waivers.installed(state))
