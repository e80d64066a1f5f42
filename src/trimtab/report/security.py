"""The JSON documents that the `trimtab security` commands print. See docs/cli.md. No text and no secret in them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING

from trimtab.security.catalogue import item

if TYPE_CHECKING:
    from trimtab.lifecycle.securing import Checked, Compared, Taken
    from trimtab.security.difference import Difference
    from trimtab.security.findings import Finding
    from trimtab.security.snapshot import SecuritySnapshot
    from trimtab.security.transport import Transport


def baseline_document(taken: Taken) -> dict[str, object]:
    """Return the document of `security baseline`."""
    return {
        "schema": "trimtab.security.baseline/v1",
        "path": str(taken.path),
        "key_id": taken.baseline.key_id,
        "document_sha256": taken.baseline.document_sha256,
        "snapshot": _snapshot(taken.baseline.snapshot),
        "findings": _findings(taken.findings),
        "transport": transport_to_dict(taken.transport),
    }


def check_document(checked: Checked) -> dict[str, object]:
    """Return the document of `security check`."""
    return {
        "schema": "trimtab.security.check/v1",
        **_compared(checked.compared),
        "findings": _findings(checked.findings),
        "transport": transport_to_dict(checked.transport),
    }


def diff_document(compared: Compared) -> dict[str, object]:
    """Return the document of `security diff`."""
    return {"schema": "trimtab.security.diff/v1", **_compared(compared)}


def difference_to_dict(difference: Difference) -> dict[str, object]:
    """Return a difference, and where benchmarks speak of what it is about."""
    about = item(difference.code)
    return {
        "code": difference.code,
        "effect": difference.effect.value,
        "path": difference.path,
        "before": _told(difference.before),
        "after": _told(difference.after),
        "cis": list(about.cis),
        "pgdsat": list(about.pgdsat),
    }


def transport_to_dict(seen: Transport) -> dict[str, object]:
    """Return how what travels is protected."""
    return {**asdict(seen), "post_quantum": seen.is_post_quantum}


def _compared(compared: Compared) -> dict[str, object]:
    return {
        "preserved": compared.is_preserved,
        "before": _snapshot(compared.before),
        "after": _snapshot(compared.after),
        "differences": [difference_to_dict(each) for each in compared.differences],
    }


def _snapshot(snapshot: SecuritySnapshot) -> dict[str, object]:
    return {
        "database": snapshot.database,
        "version": snapshot.version,
        "role": snapshot.role,
        "taken_at_ns": str(snapshot.taken_at_ns),
        "digest": snapshot.digest,
        "rows": snapshot.count,
        "unreadable": dict(snapshot.unreadable),
    }


def _findings(found: Sequence[Finding]) -> list[dict[str, object]]:
    return [{**asdict(each), "severity": each.severity.value} for each in found]


def _told(value: object) -> object:
    if isinstance(value, tuple):
        return list(value)
    return {name: _told(item) for name, item in value.items()} if isinstance(value, Mapping) else value
