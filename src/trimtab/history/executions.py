"""Single executions of a log as a store keeps them: some thousands together, as arrays, without any text. Pure."""

from __future__ import annotations

import io
import json
from collections.abc import Sequence
from dataclasses import dataclass
from operator import attrgetter

import numpy as np

from trimtab.model.execution import Execution

CHUNK = 20_000
_NO_TIME = np.float32(-1.0)


@dataclass(frozen=True, slots=True)
class Executions:
    """So many executions: `names` are queries' ids and `shapes` plans' ("" is none), which rows name by number.

    `duration_ms` is negative where it is not known.
    """

    names: Sequence[str]
    shapes: Sequence[str]
    time_ns: np.ndarray
    name: np.ndarray
    shape: np.ndarray
    duration_ms: np.ndarray
    is_error: np.ndarray


def executions_of(found: Sequence[Execution]) -> Executions:
    """Return executions as arrays, by their time."""
    names = {name: number for number, name in enumerate(sorted({each.query_id for each in found}))}
    shapes = {shape: number for number, shape in enumerate(sorted({each.plan_shape or "" for each in found}))}
    rows = sorted(found, key=attrgetter("time_ns"))
    return Executions(
        tuple(names),
        tuple(shapes),
        np.array([each.time_ns for each in rows], dtype=np.int64),
        np.array([names[each.query_id] for each in rows], dtype=np.int32),
        np.array([shapes[each.plan_shape or ""] for each in rows], dtype=np.int32),
        np.array([_NO_TIME if each.duration_ms is None else each.duration_ms for each in rows], dtype=np.float32),
        np.array([each.is_error for each in rows], dtype=bool),
    )


def pack_executions(found: Executions) -> bytes:
    """Return them as bytes. Arrays alone, without pickles."""
    words = json.dumps([list(found.names), list(found.shapes)]).encode()
    buffer = io.BytesIO()
    np.savez_compressed(
        buffer,
        allow_pickle=False,
        words=np.frombuffer(words, dtype=np.uint8),
        time_ns=np.diff(found.time_ns, prepend=0),
        name=found.name,
        shape=found.shape,
        duration_ms=found.duration_ms,
        is_error=found.is_error,
    )
    return buffer.getvalue()


def unpack_executions(raw: bytes) -> Executions:
    """Return what `pack_executions` was given."""
    with np.load(io.BytesIO(raw), allow_pickle=False) as found:
        names, shapes = json.loads(found["words"].tobytes().decode())
        return Executions(
            names, shapes, np.cumsum(found["time_ns"]), found["name"], found["shape"], found["duration_ms"],
            found["is_error"],
        )  # fmt: skip
