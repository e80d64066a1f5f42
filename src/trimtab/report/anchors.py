"""The JSON documents that the `trimtab anchor` commands print. See docs/cli.md. They hold no text and no literal."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING

from trimtab.anchor.record import coordinate_to_dict

if TYPE_CHECKING:
    from pathlib import Path

    from trimtab.anchor.document import SignedAnchor
    from trimtab.anchor.force import Standing
    from trimtab.model.comparison import Comparison
    from trimtab.model.stability import Stability


def anchor_document(signed: SignedAnchor, path: Path, stable: Stability | None = None) -> dict[str, object]:
    """Return the document of `anchor create` and `anchor show`."""
    anchor = asdict(signed.anchor)
    anchor["coordinate"] = coordinate_to_dict(signed.anchor.coordinate)
    return {
        "schema": "trimtab.anchor.show/v1",
        "path": str(path),
        "digest": signed.digest,
        "previous": signed.previous,
        "key_id": signed.key_id,
        "anchor": anchor,
        "stability": None if stable is None else asdict(stable),
    }


def list_document(found: Sequence[Standing]) -> dict[str, object]:
    """Return the document of `anchor list`."""
    return {
        "schema": "trimtab.anchor.list/v1",
        "anchors": [
            {
                "id": standing.anchor.id,
                "time_ns": str(standing.anchor.coordinate[0]),
                "database": standing.anchor.database,
                "queries": len(standing.anchor.queries),
                "permanence": standing.anchor.permanence.value,
                "state": standing.force.value,
                "accepted_because": standing.accepted_because,
            }
            for standing in found
        ],
    }


def verified_document(ids: Sequence[str], digest: str | None) -> dict[str, object]:
    """Return the document of `anchor verify`; what does not verify is an error instead."""
    return {"schema": "trimtab.anchor.verify/v1", "verified": True, "anchors": list(ids), "digest": digest}


def noted_document(signed: SignedAnchor, schema: str, reason: str) -> dict[str, object]:
    """Return the document of `anchor accept` and `anchor release`."""
    return {"schema": schema, "id": signed.anchor.id, "digest": signed.digest, "reason": reason}


def comparison_document(found: Comparison) -> dict[str, object]:
    """Return the document of `anchor compare`."""
    return {"schema": "trimtab.anchor.compare/v1", **asdict(found)}
