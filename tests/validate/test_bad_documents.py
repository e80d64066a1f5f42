"""Claims about spoilt documents of every kind: refused in words of the document, or read; never a fault."""

from __future__ import annotations

import hashlib
import json
import random
import re
from collections.abc import Callable, Iterator
from copy import deepcopy
from importlib import resources
from pathlib import Path
from typing import Any

import pytest
import rfc8785
import yaml

from trimtab.errors import TrimtabError
from trimtab.spec.bundle import read_bundle
from trimtab.spec.lint import lint
from trimtab.spec.load import known_ids, lineage, load_spec
from trimtab.spec.reading import read_document
from trimtab.spec.waiver import read_waiver
from trimtab.validate.decision import (
    Decision,
    read_json,
    record,
    recorded,
    strategy_from_dict,
    strategy_to_dict,
)
from trimtab.validate.table_tests import read_test

from .catalogue import create, facts, strategy

TIMES = 400
SPOILT: list[Any] = [
    *(None, 5, -1, 1.5, True, 10**30, "x", "", "\0", "a" * 300),
    *([], {}, [5], [[]], [None], {"a": 1}, {"kind": "x"}),
]
# Of Python, and of the libraries that read documents; a refusal has none of them.
FOREIGN = re.compile(
    r"Error\b|Exception|Traceback|NoneType|object has|<class|pydantic|Input should|constrained|validator|\[key\]|__"
    r"|not subscriptable|unexpected keyword|positional"
)
VERSION = {"apiVersion": "trimtab.dev/v1"}
TABLE = {"columns": ["a", "b"], "rows": 9.0, "size": "1MB", "indexes": {"i": {"columns": ["a"]}}}
CASE = {
    "name": "x",
    "changes": [{"kind": "create_index", "table": "public.orders", "columns": ["b"], "size": "10MB"}],
    "violations": ["indexes.max_size"],
}
SPEC_TEST = {
    **VERSION,
    "kind": "SpecTest",
    "specification": "DATABASE_OPTIMIZATION_SPEC_V4",
    "tables": {"public.orders": TABLE},
    "cases": [CASE],
}
WAIVER = {
    **VERSION,
    "kind": "Waiver",
    "metadata": {"id": "W_A", "revision": 1, "description": "d"},
    "rule": "indexes.max_size",
    "scope": {"databases": ["shop"], "tables": ["public.*"]},
    "reason": "because it has to be for a while",
    "approvers": ["ann"],
    "not_before": "2026-11-01T00:00:00Z",
    "not_after": "2026-12-01T00:00:00Z",
}
BUNDLE = {
    **VERSION,
    "kind": "SpecBundle",
    "metadata": {"id": "B_A", "revision": 1, "description": "d"},
    "not_before": "2026-11-01T00:00:00Z",
    "expires_at": "2026-12-10T00:00:00Z",
    "files": {"shop.yaml": "0" * 64},
}
RULE = {"id": "shop.a", "when": "change.kind == 'create_index'", "assert": "table.rows < 5", "message": "no"}
OWN = {
    **VERSION,
    "kind": "OptimizationSpec",
    "metadata": {"id": "SHOP_OWN", "revision": 1, "description": "d"},
    "extends": ["DATABASE_OPTIMIZATION_SPEC_V4"],
    "spec": {"indexes": {"max_size": "1GB"}},
    "rules": [RULE],
}


def places(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Yield the paths of all values in a document but of itself."""
    for step, inner in value.items() if isinstance(value, dict) else enumerate(value):
        yield (*path, step)
        if isinstance(inner, dict | list):
            yield from places(inner, (*path, step))


def spoilt(document: dict[str, Any], chance: random.Random) -> dict[str, Any]:
    """Return the document with something else in one place, without it, or with something more."""
    made = deepcopy(document)
    *above, last = chance.choice(list(places(made)))
    holder: Any = made
    for step in above:
        holder = holder[step]
    way = chance.random()
    if way < 0.15:
        del holder[last]
    elif way < 0.3 and isinstance(holder, dict):
        holder["surprise"] = chance.choice(SPOILT)
    else:
        holder[last] = deepcopy(chance.choice(SPOILT))
    return made


def as_json(document: dict[str, Any]) -> dict[str, Any]:
    return read_json(json.dumps(document).encode())


def as_yaml(document: dict[str, Any]) -> bytes:
    return yaml.safe_dump(document, allow_unicode=True).encode()


def replayed(document: dict[str, Any]) -> None:
    """Read a record whose digest of the facts is theirs, as a forger would have it."""
    try:
        digest = hashlib.sha256(rfc8785.dumps(document["facts"])).hexdigest()
    except (KeyError, ValueError):
        digest = ""
    recorded(as_json({**document, "facts_digest": digest}))[0].verdict()


def loaded(document: dict[str, Any], directory: Path) -> None:
    path = directory / "own.yaml"
    path.write_bytes(as_yaml(document))
    load_spec(path)
    lint(lineage(path), now_unix=0)


def decided() -> dict[str, Any]:
    decision = Decision(strategy(create("status", "total")), load_spec(), facts())
    held: dict[str, Any] = json.loads(json.dumps(record(decision)))
    return held


def shipped(spec_id: str) -> dict[str, Any]:
    text = resources.files("trimtab.spec").joinpath("defaults", f"{spec_id}.yaml").read_bytes()
    held: dict[str, Any] = yaml.safe_load(text)
    return {**held, "metadata": {**held["metadata"], "id": "SHOP_COPY"}}


KINDS: dict[str, tuple[Callable[[], dict[str, Any]], Callable[[dict[str, Any], Path], object]]] = {
    "strategy": (
        lambda: strategy_to_dict(strategy(create("status", "total"))),
        lambda given, _: strategy_from_dict(as_json(given)),
    ),
    "record": (decided, lambda given, _: recorded(as_json(given))[0].verdict()),
    "forged record": (decided, lambda given, _: replayed(given)),
    "test": (lambda: SPEC_TEST, lambda given, _: read_test(read_document(as_yaml(given), "t")).run(load_spec())),
    "waiver": (lambda: WAIVER, lambda given, _: read_waiver(as_yaml(given), "w")),
    "bundle": (lambda: BUNDLE, lambda given, _: read_bundle(as_yaml(given), "b")),
    "specification": (lambda: OWN, loaded),
    **{spec_id: (lambda spec_id=spec_id: shipped(spec_id), loaded) for spec_id in known_ids()},  # type: ignore[misc]
}


@pytest.mark.parametrize("kind", KINDS)
def test_a_spoilt_document_is_refused_in_its_own_words(kind: str, tmp_path: Path) -> None:
    make, read = KINDS[kind]
    document, chance = make(), random.Random(kind)
    read(document, tmp_path)
    refused = 0
    for _ in range(TIMES):
        given = spoilt(document, chance)
        try:
            read(given, tmp_path)
        except TrimtabError as error:
            refused += 1
            told = f"{error} {error.next_step}"
            assert not FOREIGN.search(told), told
    assert refused > TIMES / 3
