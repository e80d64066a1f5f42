"""The JSON Schema (2020-12) of specification documents, for editors. Made of the same models that read the documents.

A schema can say less than `load` refuses: it knows no parents, no settings that are never allowed, no expressions.
"""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel

from trimtab.spec.bundle import Manifest
from trimtab.spec.document import envelope_model
from trimtab.spec.inherit import each_field
from trimtab.spec.waiver import WaiverDocument

_NAMES = {"OptimizationSpec": "optimization-spec", "Waiver": "waiver", "SpecBundle": "spec-bundle"}
KINDS = tuple(_NAMES)


def json_schema(kind: str = "OptimizationSpec") -> dict[str, object]:
    """Return the schema of documents of that kind, one of KINDS."""
    others: dict[str, type[BaseModel]] = {"Waiver": WaiverDocument, "SpecBundle": Manifest}
    model = others.get(kind) or envelope_model()
    made = _trimmed(model.model_json_schema(by_alias=True))
    assert isinstance(made, dict)
    if kind == "OptimizationSpec":
        _describe(made)
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": f"https://trimtab.dev/schema/{_NAMES[kind]}-v1.json",
        **made,
        "title": f"Trimtab {kind}",
    }


def _describe(made: dict[str, Any]) -> None:
    """Tell of each field what a child may write."""
    definitions = made["$defs"]
    for section, _, path, narrowing in each_field():
        properties = definitions[f"Stated{_class_of(section)}"]["properties"]
        properties[path.partition(".")[2]]["description"] = f"A child {narrowing.rule}."


def _class_of(section: str) -> str:
    from trimtab.spec.limits import Limits

    return str(getattr(Limits.model_fields[section].annotation, "__name__", section))


def _trimmed(value: object) -> object:
    """Leave out what only our models know: that a field may be left out as None, and titles made of names."""
    if isinstance(value, list):
        return [_trimmed(item) for item in value]
    if not isinstance(value, dict):
        return value
    if "patternProperties" in value:
        value = {**value, "additionalProperties": False}
    choices = value.get("anyOf")
    if isinstance(choices, list) and {"type": "null"} in choices:
        [chosen] = [choice for choice in choices if choice != {"type": "null"}]
        value = {**{key: item for key, item in value.items() if key != "anyOf"}, **chosen}
    return {
        key: _trimmed(item)
        for key, item in value.items()
        if not (key == "title" and isinstance(item, str)) and not (key == "default" and item is None)
    }
