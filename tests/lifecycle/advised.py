"""An advice on indexes as it is kept beside a ledger."""

from __future__ import annotations

import json
from pathlib import Path

from trimtab.lifecycle.kept_advice import DIRECTORY, FORMAT


def write_advice(
    ledger_path: Path,
    *,
    run_id: str = "r-1",
    at_ns: int = 10**18,
    database: str | None = "shop",
    cost_after: float = 1.5,
    strategy_id: str = "s-0123456789",
    name: str = "orders_day",
) -> None:
    """Write one. Without a database it is as an earlier version kept them."""
    index = {
        "strategy_id": strategy_id, "name": name, "kind": "btree", "size_bytes": 8192, "value": 5.0,
        "outcome": "proven",
    }  # fmt: skip
    points = [{"size_bytes": 0, "cost": 9.5, "indexes": 0}, {"size_bytes": 8192, "cost": cost_after, "indexes": 1}]
    held: dict[str, object] = {
        "format": FORMAT, "run_id": run_id, "at_ns": str(at_ns), "unit": "ms", "cost_before": 9.5,
        "cost_after": cost_after, "size_bytes": 8192, "gap": 0.0, "health_score": 97.0, "frontier": points,
        "indexes": [index],
    }  # fmt: skip
    if database is not None:
        held["database"] = database
    directory = ledger_path.parent / DIRECTORY
    directory.mkdir(exist_ok=True)
    (directory / f"{at_ns:020d}.json").write_text(json.dumps(held), "utf-8")
