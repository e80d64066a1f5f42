"""Frozen values as JSON documents, and their JSON Schemas. Pure: by their types alone, whatever the values say.

Nanoseconds, and every whole number beyond 2**53 - 1, are texts: a reader's numbers may be IEEE doubles.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import fields, is_dataclass
from enum import Enum
from pathlib import Path
from typing import Any

LARGEST_INT = 2**53 - 1
_LEFT_OUT = frozenset({"path"})
"""Where something is on this machine is nobody's to know who looks at it over a network."""


def document(value: object) -> Any:
    """Return the value as JSON-ready lists, objects, texts and numbers."""
    if isinstance(value, Enum):
        return value.value
    if value is None or isinstance(value, str | bool):
        return value
    if isinstance(value, int):
        return value if abs(value) <= LARGEST_INT else str(value)
    if isinstance(value, float):
        return value if value == value and abs(value) != float("inf") else None  # noqa: PLR0124  # NaN
    if is_dataclass(value) and not isinstance(value, type):
        return {
            field.name: _nanoseconds(field.name, getattr(value, field.name))
            for field in fields(value)
            if field.name not in _LEFT_OUT and not field.name.startswith("_")
        }
    if isinstance(value, Mapping):
        return {str(key): _nanoseconds(str(key), each) for key, each in value.items()}
    if isinstance(value, Sequence | frozenset | set) and not isinstance(value, bytes):
        return [document(each) for each in value]
    if isinstance(value, bytes):
        return value.hex()
    if isinstance(value, Path):
        return value.name
    raise TypeError(f"a {type(value).__name__} is no part of a document")


def _nanoseconds(name: str, value: object) -> Any:
    if name.endswith("_ns") and isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    return document(value)


def schema(kind: Any, reference: str = "#/components/schemas/{model}") -> dict[str, Any]:
    """Return the JSON Schema of a type as `document` writes it, with what it refers to under `$defs`."""
    from pydantic import TypeAdapter

    found: dict[str, Any] = _as_written(TypeAdapter(kind).json_schema(mode="serialization", ref_template=reference))
    return found


def _as_written(found: Any) -> Any:
    if isinstance(found, list):
        return [_as_written(each) for each in found]
    if not isinstance(found, dict):
        return found
    made = {key: _as_written(each) for key, each in found.items()}
    properties = made.get("properties")
    if isinstance(properties, dict) and made.get("type") == "object":
        made["properties"] = {
            name: _texts(each) if name.endswith("_ns") else each
            for name, each in properties.items()
            if name not in _LEFT_OUT
        }
        if "required" in made:
            made["required"] = [name for name in made["required"] if name not in _LEFT_OUT]
    return made


def _texts(found: Any) -> Any:
    if isinstance(found, dict) and "anyOf" in found:
        return {**found, "anyOf": [_texts(each) for each in found["anyOf"]]}
    if isinstance(found, dict) and found.get("type") == "integer":
        return {**found, "type": "string", "pattern": "^-?[0-9]+$"}
    return found
