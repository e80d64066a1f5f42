"""What a run is asked to do. A value; nothing is opened or checked here."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from trimtab.model.agent import Agent
from trimtab.model.asked import Asked
from trimtab.model.index_wishes import NO_WISHES, IndexWishes


@dataclass(frozen=True, slots=True)
class Request:
    """A run of `trimtab optimize`, or of `trimtab indexes`.

    `conninfo` is libpq's. `workload` is a file, or statements, or None for pg_stat_statements. `lab` is "clone",
    "none", or the DSN of a database that its owner gives for trials. `budget_bytes` bounds the new indexes together.
    `seed` fixes every random choice. `standbys` are replicas of the source whose use of indexes counts too. `wishes`
    limit what is proposed of indexes further. With `propose` what is proven is left waiting for approval.
    `from_history` has what `anchor history` recommends tried too. With `asked`, these changes are examined, as one
    strategy, and nothing that a proposer thinks of. `agent` is who asks in a person's place.
    """

    conninfo: str
    ledger_path: Path
    workload: Path | tuple[str, ...] | None = None
    objectives: tuple[str, ...] = ("speed", "efficiency")
    budget_bytes: int | None = None
    spec: str | Path | None = None
    lab: str = "clone"
    apply: bool = False
    pg_bin: Path | None = None
    seed: int = 1
    standbys: tuple[str, ...] = ()
    wishes: IndexWishes = NO_WISHES
    propose: bool = False
    from_history: bool = False
    asked: tuple[Asked, ...] = ()
    agent: Agent | None = None


def given_workload(workload: str | Path | Sequence[str] | None) -> Path | tuple[str, ...] | None:
    """Return the workload's file, or its statements: these stay in memory, so that no death leaves a copy of them."""
    if workload is None:
        return None
    return Path(workload) if isinstance(workload, str | Path) else tuple(workload)
