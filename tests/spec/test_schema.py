"""The JSON Schema for editors is the one in the documents, and agrees with what is read."""

import json
from importlib import resources
from pathlib import Path

import jsonschema
import pytest
import yaml
from hypothesis import given

from tests.lifecycle.signed import WAIVER
from trimtab.spec.inherit import field_paths
from trimtab.spec.load import known_ids
from trimtab.spec.schema import KINDS, json_schema

from .documents import partial_documents

SCHEMA = json_schema()
VALIDATOR = jsonschema.Draft202012Validator(SCHEMA)
FILES = {"OptimizationSpec": "optimization-spec", "Waiver": "waiver", "SpecBundle": "spec-bundle"}


def document(spec: object) -> dict[str, object]:
    metadata = {"id": "MINE", "revision": 1, "description": ""}
    return {"apiVersion": "trimtab.dev/v1", "kind": "OptimizationSpec", "metadata": metadata, "spec": spec}


@pytest.mark.parametrize("kind", KINDS)
def test_the_file_is_the_schema(kind: str) -> None:
    """Write it again with: trimtab spec schema --kind KIND > docs/NAME.schema.json"""
    file = Path(__file__).parents[2] / "docs" / f"{FILES[kind]}.schema.json"
    assert json.loads(file.read_text()) == json_schema(kind)


def test_waivers_and_bundles_are_of_theirs() -> None:
    waiver = jsonschema.Draft202012Validator(json_schema("Waiver"))
    waiver.validate(yaml.safe_load(WAIVER))
    assert not waiver.is_valid({**yaml.safe_load(WAIVER), "rules": ["indexes.max_size"]})
    metadata = {"id": "SHOP_RULES", "revision": 1, "description": ""}
    moments = {"not_before": "2026-01-01T00:00:00Z", "expires_at": "2026-02-01T00:00:00Z"}
    bundle = {"apiVersion": "trimtab.dev/v1", "kind": "SpecBundle", "metadata": metadata, **moments}
    manifest = jsonschema.Draft202012Validator(json_schema("SpecBundle"))
    manifest.validate({**bundle, "files": {"shop.yaml": "0" * 64}})
    assert not manifest.is_valid({**bundle, "files": {"../shop.yaml": "0" * 64}})
    assert not manifest.is_valid({**bundle, "files": {"shop.yaml": "0"}})


def test_it_is_a_schema_and_knows_every_field() -> None:
    jsonschema.Draft202012Validator.check_schema(SCHEMA)
    definitions = SCHEMA["$defs"]
    assert isinstance(definitions, dict)
    known = {name for definition in definitions.values() for name in definition.get("properties", {})}
    assert {path.partition(".")[2] for path in field_paths()} <= known


@pytest.mark.parametrize("spec_id", known_ids())
def test_the_shipped_documents_are_of_it(spec_id: str) -> None:
    text = resources.files("trimtab.spec").joinpath("defaults", f"{spec_id}.yaml").read_text()
    VALIDATOR.validate(yaml.safe_load(text))


@given(partial_documents)
def test_what_may_be_stated_is_of_it(spec: dict[str, object]) -> None:
    VALIDATOR.validate(document(json.loads(json.dumps(spec))))


@pytest.mark.parametrize(
    "spec",
    [
        {"indexes": {"max_siz": "1GB"}},
        {"indexes": {"max_size": 5}},
        {"indexes": {"max_size": "5"}},
        {"indexes": {"allowed_methods": ["bloom"]}},
        {"locks": {"attempts": 0}},
        {"nothing": {}},
    ],
)
def test_what_may_not_be_stated_is_not(spec: object) -> None:
    assert not VALIDATOR.is_valid(document(spec))
