"""Hostile documents are refused, each by its code and without delay; legitimate ones are accepted."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.lifecycle import signed
from tests.validate.catalogue import SHIPPED
from trimtab.errors import SpecError
from trimtab.lifecycle import bundles, waivers
from trimtab.spec.load import load_spec

CORPUS = Path(__file__).parent / "corpus"
HEAD = """apiVersion: trimtab.dev/v1
kind: OptimizationSpec
metadata: {id: EVIL, revision: 1, description: x}
extends: [DATABASE_OPTIMIZATION_SPEC_V4]"""
STANDS_FOR = {"¤": "\u202e", "§": "\u200b", "°": "\u0410", "¶": "\u00a0", "~NUL~": "\x00"}
KEYS = {"ANN": signed.ANN, "BOB": signed.BOB, "EVE": signed.EVE}


@cache
def _file(name: str) -> dict[str, dict[str, Any]]:
    found = yaml.safe_load((CORPUS / name).read_text("utf-8"))
    assert isinstance(found, dict)
    return found


def _cases(*groups: str) -> list[Any]:
    found = [(group, name, case) for group in groups for name, case in _file("hostile.yaml")[group].items()]
    return [pytest.param(case, id=f"{group}-{name}") for group, name, case in found]


def _with_rule(text: str) -> str:
    quoted = yaml.safe_dump(text, default_style='"', allow_unicode=True, width=100_000).strip()
    return f"spec: {{}}\nrules: [{{id: evil.rule, assert: {quoted}, message: m}}]"


def _text(case: dict[str, Any]) -> str:
    rule = case.get("rule")
    body = case.get("body", "") if rule is None else None
    if "times" in case:
        repeated = case["unit"] * case["times"]
        rule, body = (None if each is None else each.replace("REPEATED", repeated) for each in (rule, body))
    for sign, character in STANDS_FOR.items():
        rule, body = (None if each is None else each.replace(sign, character) for each in (rule, body))
    body = body if rule is None else _with_rule(rule)
    head = case.get("head", HEAD)
    for sign, character in STANDS_FOR.items():
        head = head.replace(sign, character)
    return str(case.get("document", f"{head}\n{body}\n"))


@pytest.mark.parametrize("case", _cases("yaml", "envelope", "fields", "rules", "whole_rules"))
def test_a_hostile_document_is_refused_by_its_code(case: dict[str, Any], tmp_path: Path) -> None:
    path = tmp_path / "evil.yaml"
    path.write_text(_text(case), "utf-8")
    (tmp_path / "back.yaml").write_text(HEAD.replace("DATABASE_OPTIMIZATION_SPEC_V4", "evil.yaml") + "\nspec: {}\n")
    with pytest.raises(SpecError) as refused:
        load_spec(path)
    assert refused.value.code == case["code"], refused.value
    assert refused.value.next_step
    assert len(str(refused.value)) < 3000
    assert str(refused.value).isprintable()


@pytest.mark.parametrize("case", _cases("waivers"))
def test_a_hostile_waiver_is_refused_by_its_code(case: dict[str, Any], tmp_path: Path) -> None:
    state = tmp_path / "state"
    signed.believe(state)
    fields = {name: value for name, value in case.items() if name not in ("code", "keys", "purpose")}
    keys = [KEYS[name] for name in case["keys"]]
    path = signed.waiver(tmp_path / "w", *keys, **fields)
    if "purpose" in case:
        signed.envelope(path, signed.WAIVER.encode(), case["purpose"], *keys)
    with pytest.raises(SpecError) as refused:
        waivers.install(state, path, SHIPPED, signed.NOW)
    assert refused.value.code == case["code"], refused.value
    assert waivers.installed(state) == ()


@pytest.mark.parametrize("case", _cases("bundles"))
def test_a_hostile_bundle_is_refused_by_its_code(case: dict[str, Any], tmp_path: Path) -> None:
    state = tmp_path / "state"
    signed.believe(state)
    good = bundles.install(state, signed.bundle(tmp_path / "good", revision=5), signed.NOW)
    fields = {name: value for name, value in case.items() if name not in ("code", "key", "alter", "remove")}
    manifest = signed.bundle(tmp_path / "bad" / "it", KEYS[case.get("key", "ANN")], **{"revision": 6, **fields})
    if "alter" in case:
        (manifest.parent / case["alter"]).write_text(signed.SPECIFICATION % 5)
    if "remove" in case:
        (manifest.parent / case["remove"]).unlink()
    with pytest.raises(SpecError) as refused:
        bundles.install(state, manifest, signed.NOW)
    assert refused.value.code == case["code"], refused.value
    assert bundles.in_force(state) == (good,)


@pytest.mark.parametrize("name", list(_file("legitimate.yaml")["bodies"]))
def test_a_legitimate_document_is_accepted(name: str, tmp_path: Path) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text(f"{HEAD}\n{_file('legitimate.yaml')['bodies'][name]}\n", "utf-8")
    assert load_spec(path).id == "EVIL"


@pytest.mark.parametrize("name", list(_file("legitimate.yaml")["rules"]))
def test_a_legitimate_rule_is_accepted(name: str, tmp_path: Path) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text(f"{HEAD}\n{_with_rule(_file('legitimate.yaml')['rules'][name])}\n", "utf-8")
    assert len(load_spec(path).rules) == 1


def test_the_corpus_is_as_large_as_it_must_be() -> None:
    assert sum(len(group) for group in _file("hostile.yaml").values()) >= 50
    assert sum(len(group) for group in _file("legitimate.yaml").values()) >= 50
