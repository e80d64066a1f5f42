"""The JSON documents of `trimtab anchor lock`, `locks`, `unlock` and `review`. They hold no text and no literal."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from trimtab.anchor.lease import Lease
    from trimtab.lifecycle.holding import Held


def held_document(held: Held) -> dict[str, object]:
    """Return the document of `anchor lock`."""
    kind = held.attribution.kind
    return {
        "schema": "trimtab.anchor.lock/v1",
        "anchor_id": held.anchor_id,
        "query_id": held.query_id,
        "kind": None if kind is None else kind.value,
        "causes": [str(cause) for cause in held.attribution.causes],
        "reason": held.attribution.reason,
        "lease": None if held.lease is None else _lease(held.lease),
        "tried": [{"mechanism": what, "reason": reason} for what, reason in held.tried],
        "closed": [{"mechanism": what, "reason": reason} for what, reason in held.closed],
    }


def locks_document(found: Sequence[Lease]) -> dict[str, object]:
    """Return the document of `anchor locks`, `anchor unlock` and `anchor review`."""
    return {"schema": "trimtab.anchor.locks/v1", "leases": [_lease(lease) for lease in found]}


def _lease(lease: Lease) -> dict[str, object]:
    return {
        "lease_id": lease.id,
        "query_id": lease.query_id,
        "anchor_id": lease.anchor_id,
        "plan_shape": lease.expected.plan_shape,
        "strategy_id": lease.strategy_id,
        "mechanism": lease.mechanism,
        "role": lease.role,
        "created_ns": str(lease.created_ns),
        "expires_ns": str(lease.expires_ns),
        "seen_ns": str(lease.seen_ns),
        "flips": lease.flips,
        "state": lease.state.value,
        "reason": lease.reason,
    }
