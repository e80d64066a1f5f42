"""Turns what a watcher needs to go on after its death into bytes and back: the last reading, the baseline, the vigil.

Arrays alone, without pickles: bytes of a file that somebody else wrote can do nothing here but be refused.
"""

from __future__ import annotations

import io
import json
from collections.abc import Sequence
from dataclasses import asdict, fields
from typing import TYPE_CHECKING, Any

import numpy as np

from trimtab.anchor.common_mode import Pooled
from trimtab.anchor.learning import Baseline
from trimtab.anchor.track import Track
from trimtab.anchor.vigil import Vigil
from trimtab.model.traffic import StatementKey
from trimtab.model.watched import Instance, Reading

if TYPE_CHECKING:
    from numpy.typing import NDArray


def pack_reading(reading: Reading) -> bytes:
    """Return the reading as bytes; our monotonic clock is left out, since it means nothing to another process."""
    instance = json.dumps(asdict(reading.instance))
    return _packed(
        {
            "keys": _key_array(reading.keys),
            "counts": reading.counts,
            "since": reading.since,
            "facts": _text(json.dumps([instance, reading.wall_ns, reading.hidden])),
        }
    )


def unpack_reading(raw: bytes) -> Reading:
    """Return what `pack_reading` was given. Raises ValueError."""
    found = _unpacked(raw)
    instance, wall_ns, hidden = json.loads(_plain(found["facts"]))
    return Reading(
        Instance(**json.loads(instance)), wall_ns, None, _keys(found["keys"]), found["counts"], found["since"], hidden
    )


def pack_baseline(baseline: Baseline) -> bytes:
    """Return the baseline as bytes."""
    arrays = {
        field.name: np.asarray(getattr(baseline, field.name)) for field in fields(Baseline) if field.name != "keys"
    }
    return _packed({"keys": _key_array(baseline.keys), **arrays})


def unpack_baseline(raw: bytes) -> Baseline:
    """Return what `pack_baseline` was given. Raises ValueError."""
    found = _unpacked(raw)
    arrays: dict[str, Any] = {
        name: values if values.ndim else float(values) for name, values in found.items() if name != "keys"
    }
    return Baseline(keys=_keys(found["keys"]), **arrays)


def pack_vigil(vigil: Vigil) -> bytes:
    """Return the vigil as bytes, without its baseline, which changes seldom."""
    arrays = {f"s_{field.name}": getattr(vigil.statements, field.name) for field in fields(Track)}
    arrays |= {f"d_{field.name}": getattr(vigil.dimensions, field.name) for field in fields(Track)}
    arrays |= {f"p_{field.name}": getattr(vigil.pooled, field.name) for field in fields(Pooled)}
    return _packed(
        {
            **arrays,
            "plan_changed": vigil.plan_changed,
            "open_ids": _text(json.dumps(list(vigil.open_ids.items()))),
        }
    )


def unpack_vigil(raw: bytes, baseline: Baseline) -> Vigil:
    """Return what `pack_vigil` was given, with its baseline. Raises ValueError when the two do not fit."""
    found = _unpacked(raw)
    if len(found["plan_changed"]) != len(baseline.keys):
        raise ValueError("the vigil is of another baseline")
    return Vigil(
        baseline,
        Track(**{field.name: found[f"s_{field.name}"] for field in fields(Track)}),
        Track(**{field.name: found[f"d_{field.name}"] for field in fields(Track)}),
        Pooled(**{field.name: found[f"p_{field.name}"] for field in fields(Pooled)}),
        found["plan_changed"],
        {int(row): str(alarm_id) for row, alarm_id in json.loads(_plain(found["open_ids"]))},
    )


def _packed(arrays: dict[str, NDArray[Any]]) -> bytes:
    buffer = io.BytesIO()
    np.savez_compressed(buffer, allow_pickle=False, **arrays)
    return buffer.getvalue()


def _unpacked(raw: bytes) -> dict[str, NDArray[Any]]:
    import zipfile

    try:
        with np.load(io.BytesIO(raw), allow_pickle=False) as found:
            return {name: found[name] for name in found.files}
    except (zipfile.BadZipFile, KeyError, OSError, EOFError) as error:
        raise ValueError("these bytes were not written here") from error


def _key_array(keys: Sequence[StatementKey]) -> NDArray[np.int64]:
    return np.array(keys, dtype=np.int64).reshape(len(keys), 3)


def _keys(array: NDArray[Any]) -> tuple[StatementKey, ...]:
    return tuple((role, query, bool(is_top)) for role, query, is_top in array.tolist())


def _text(text: str) -> NDArray[np.uint8]:
    return np.frombuffer(text.encode(), dtype=np.uint8)


def _plain(array: NDArray[Any]) -> str:
    return array.tobytes().decode()
