"""What is kept of an advice on indexes for whoever looks later: its frontier, its indexes, and its proof.

Kept are the newest twenty, in the state directory beside the ledger. It holds names of indexes, sizes and numbers; no
text of a query, no literal and no row.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

from trimtab.durable import write_durably

if TYPE_CHECKING:
    from trimtab.lifecycle.indexes import Advice

DIRECTORY = "advice"
FORMAT = "trimtab.advice.kept/v1"
SOURCE = "the planner, on the statistics twin"
MOST = 20
_MOST_BYTES = 1 << 20


@dataclass(frozen=True, slots=True)
class FrontierPoint:
    """What so many bytes of new indexes bring the workload's cost to."""

    size_bytes: int
    cost: float
    indexes: int


@dataclass(frozen=True, slots=True)
class KeptIndex:
    """A chosen index: its strategy, its name, what it takes and saves, and how its examination ended."""

    strategy_id: str
    name: str
    kind: str
    size_bytes: int
    value: float
    outcome: str


@dataclass(frozen=True, slots=True)
class KeptAdvice:
    """One advice. Costs are of the whole workload in `unit`, as the planner sees them on the twin.

    `gap` is how far any set of indexes could be better at most, None where it was not proven. `at_ns` is UTC
    nanoseconds. `database` is what the server calls it, "" in what an earlier version kept.
    """

    run_id: str
    at_ns: int
    database: str
    unit: str
    cost_before: float
    cost_after: float
    size_bytes: int
    gap: float | None
    health_score: float
    frontier: tuple[FrontierPoint, ...]
    indexes: tuple[KeptIndex, ...]


def keep_advice(ledger_path: Path, advice: Advice, at_ns: int) -> None:
    """Keep an advice beside the ledger. What cannot be kept is not: the advice itself was given."""
    found = KeptAdvice(
        advice.run_id,
        at_ns,
        advice.database,
        advice.unit,
        advice.cost_before,
        advice.cost_after,
        advice.size_bytes,
        advice.gap,
        advice.health.score,
        tuple(FrontierPoint(point.size_bytes, point.cost, len(point.names)) for point in advice.frontier),
        tuple(
            KeptIndex(
                index.life.strategy.id,
                index.change.name,
                " ".join(index.kinds),
                index.size_bytes,
                index.worth.value,
                index.life.outcome.value,
            )
            for index in advice.indexes
        ),
    )
    directory = ledger_path.parent / DIRECTORY
    with suppress(OSError):
        directory.mkdir(mode=0o700, exist_ok=True)
        document = {"format": FORMAT, **asdict(found), "at_ns": str(at_ns)}
        write_durably(directory / f"{at_ns:020d}.json", json.dumps(document).encode())
        for old in sorted(directory.glob("*.json"))[:-MOST]:
            old.unlink()


def kept_advice(ledger_path: Path, *, database: str | None = None, limit: int = MOST) -> tuple[KeptAdvice, ...]:
    """Return what is kept, the newest first; of one database, or of all. What cannot be read is left out."""
    return tuple(islice((each for each in _kept(ledger_path) if database in (None, each.database)), limit))


def _kept(ledger_path: Path) -> Iterator[KeptAdvice]:
    paths: list[Path] = []
    with suppress(OSError):
        paths = sorted((ledger_path.parent / DIRECTORY).glob("*.json"), reverse=True)
    for path in paths[:MOST]:
        try:
            with path.open("rb") as file:
                found = _read(json.loads(file.read(_MOST_BYTES)))
        except (OSError, ValueError, KeyError, TypeError, RecursionError):
            continue
        yield found


def _read(held: Mapping[str, object]) -> KeptAdvice:
    if held["format"] != FORMAT:
        raise ValueError("another format")
    gap = held["gap"]
    points, indexes = held["frontier"], held["indexes"]
    if not isinstance(points, list) or not isinstance(indexes, list):
        raise TypeError("no lists")
    return KeptAdvice(
        str(held["run_id"]),
        int(str(held["at_ns"])),
        str(held.get("database", "")),
        str(held["unit"]),
        float(str(held["cost_before"])),
        float(str(held["cost_after"])),
        int(str(held["size_bytes"])),
        None if gap is None else float(str(gap)),
        float(str(held["health_score"])),
        tuple(FrontierPoint(int(each["size_bytes"]), float(each["cost"]), int(each["indexes"])) for each in points),
        tuple(
            KeptIndex(
                str(each["strategy_id"]),
                str(each["name"]),
                str(each["kind"]),
                int(each["size_bytes"]),
                float(each["value"]),
                str(each["outcome"]),
            )
            for each in indexes
        ),
    )
