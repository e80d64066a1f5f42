"""Waivers and bundles to try things with: keys that are the same each time, and documents signed by them."""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Mapping
from pathlib import Path

from trimtab.lifecycle.trust import TYPES, Purpose, signed, trust
from trimtab.signing.keys import SigningKey

NOW = 1_767_225_600  # 2026-01-01T00:00:00Z, when the facts of the small catalog were read
ANN, BOB, EVE = (SigningKey(bytes([n]) * 32, bytes([n + 100]) * 32) for n in (1, 2, 3))
WAIVER = """apiVersion: trimtab.dev/v1
kind: Waiver
metadata: {id: W_WIDE, revision: 1, description: ""}
rule: indexes.max_key_columns
scope: {databases: [shop], tables: [public.orders]}
reason: agreed with the owners until the report is rewritten
approvers: [dba.ann]
not_before: "2025-12-15T00:00:00Z"
not_after: "2026-02-01T00:00:00Z"
"""
SPECIFICATION = """apiVersion: trimtab.dev/v1
kind: OptimizationSpec
metadata: {id: SHOP_BUNDLED, revision: 1, description: ""}
extends: [DATABASE_OPTIMIZATION_SPEC_V4]
spec: {indexes: {max_key_columns: %d}}
"""


def waiver(path: Path, *keys: SigningKey, **changed: str) -> Path:
    """Write a waiver, signed by the keys one after another; `changed` are other values of its fields."""
    text = WAIVER
    for name, value in changed.items():
        [line] = [line for line in text.splitlines() if line.startswith(name + ":")]
        text = text.replace(line, f"{name}: {value}")
    return envelope(path, text.encode(), "waivers", *keys)


def envelope(path: Path, payload: bytes, purpose: Purpose, *keys: SigningKey) -> Path:
    earlier: list[object] = []
    unsigned = {"payloadType": TYPES[purpose], "payload": base64.b64encode(payload).decode(), "signatures": []}
    document = json.dumps(unsigned).encode()
    for key in keys:
        document = signed(payload, purpose, key, earlier)
        earlier = json.loads(document)["signatures"]
    path.write_bytes(document)
    return path


def bundle(
    directory: Path,
    key: SigningKey = ANN,
    *,
    revision: int = 1,
    files: Mapping[str, str] | None = None,
    not_before: str = "2025-12-01T00:00:00Z",
    expires_at: str = "2026-03-01T00:00:00Z",
    purpose: Purpose = "bundles",
) -> Path:
    """Write a bundle of specifications into a directory, signed; return its manifest."""
    directory.mkdir(parents=True, exist_ok=True)
    contents = {"shop.yaml": SPECIFICATION % 4} if files is None else files
    for name, text in contents.items():
        (directory / name).write_text(text)
    listed = "".join(f"  {name}: {hashlib.sha256(text.encode()).hexdigest()}\n" for name, text in contents.items())
    manifest = (
        "apiVersion: trimtab.dev/v1\nkind: SpecBundle\n"
        f'metadata: {{id: SHOP_RULES, revision: {revision}, description: ""}}\n'
        f'not_before: "{not_before}"\nexpires_at: "{expires_at}"\nfiles:\n{listed}'
    )
    return envelope(directory / "bundle.signed", manifest.encode(), purpose, key)


def believe(state: Path) -> None:
    trust(state, "waivers", "dba.ann", ANN.public)
    trust(state, "waivers", "owner.bob", BOB.public)
    trust(state, "bundles", "org", ANN.public)
