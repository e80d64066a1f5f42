"""Requests for approval to try things with: as a program would make them, and as somebody would alter them."""

from __future__ import annotations

from trimtab.model.approval import ApprovalRequest
from trimtab.model.change import Change, CreateIndex, DropIndex
from trimtab.model.strategy import Strategy

CREATE = CreateIndex("public", "orders", "trimtab_a", "USING btree (a)", ("a",))
DROP = DropIndex("public", "orders", "orders_b", "USING btree (b)", ("b",))
UNDO_CREATE = DropIndex("public", "orders", "trimtab_a", "USING btree (a)", ("a",))
UNDO_DROP = CreateIndex("public", "orders", "orders_b", "USING btree (b)", ("b",))
DATABASE = {"system_identifier": "1", "database": "shop", "database_oid": 5}
TRIAL = {
    "before_ms": 9.5, "after_ms": 1.25, "pairs": 12, "error_rate": 0.01, "margin": 0.05, "decision": "accepted",
    "reason": "faster", "query_ids": ["q1"],
}  # fmt: skip
PREDICTION = {
    "low": 0.5, "mid": 1.0, "high": 2.25, "before": 9.5, "unit": "ms", "confidence": 0.9, "method": "cost_ratio",
}  # fmt: skip


def request(
    changes: tuple[Change, ...] = (CREATE,),
    inverses: tuple[Change, ...] = (UNDO_CREATE,),
    *,
    risk: str = "low",
    spec_digest: str = "a" * 64,
    trial: dict[str, object] | None = None,
    prediction: dict[str, object] | None = None,
    verdict: dict[str, object] | None = None,
    table_bytes: dict[str, int] | None = None,
) -> ApprovalRequest:
    return ApprovalRequest(
        "q-0123456789",
        Strategy(changes, "test", "an index", "faster", ("q1",), size_bytes=1, evidence={}),
        inverses,
        DATABASE,
        "SHOP",
        spec_digest,
        "b" * 64,
        {"public.orders": 8192} if table_bytes is None else table_bytes,
        risk,
        1,
        "agent",
        prediction,
        trial,
        verdict,
    )
