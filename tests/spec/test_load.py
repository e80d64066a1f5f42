"""Specifications are found by id or file, follow extends, and refuse what cannot be meant."""

import os
import re
from dataclasses import replace
from pathlib import Path

import pytest

from trimtab.config import Config, load_config
from trimtab.errors import ConfigError, SpecError
from trimtab.lifecycle.trust import read_signed
from trimtab.spec.load import DEFAULT_ID, get_spec, known_ids, lineage, load_spec
from trimtab.spec.reading import Document, read_document

BASE = """apiVersion: trimtab.dev/v1
kind: OptimizationSpec
metadata: {{id: {id}, revision: 3, description: a test}}
extends: [{extends}]
spec:
  {spec}
"""


def write(path: Path, *, id: str = "MINE", extends: str = DEFAULT_ID, spec: str = "trial: {}") -> Path:
    path.write_text(BASE.format(id=id, extends=extends, spec=spec))
    return path


def code_of(reference: str | Path) -> str:
    with pytest.raises(SpecError) as caught:
        load_spec(reference)
    assert caught.value.next_step
    return caught.value.code


def test_without_a_reference_the_shipped_one_is_meant() -> None:
    assert load_spec().id == load_spec(None).id == DEFAULT_ID == "DATABASE_OPTIMIZATION_SPEC_V4"
    assert load_spec() == load_spec(DEFAULT_ID) == get_spec(DEFAULT_ID)


def test_the_shipped_one_is_complete_and_careful() -> None:
    spec = load_spec()
    assert spec.chain == (f"{DEFAULT_ID}@1",)
    assert spec.trial.required
    assert spec.indexes.require_concurrently
    assert not spec.servers.allow_standby
    assert spec.indexes.max_size_bytes == 20 * 2**30
    assert spec.settings.largest_values()["work_mem"] == "256MB"


@pytest.mark.parametrize(
    "spec_id",
    [
        "QUANTUM_DB_PERFORMANCE_V1",
        "x",
        "x" * 300,
    ],
)
def test_an_id_that_is_not_shipped_is_refused_and_the_known_ones_named(spec_id: str) -> None:
    for find in (get_spec, load_spec):
        with pytest.raises(SpecError, match=DEFAULT_ID) as caught:
            find(spec_id)
        assert caught.value.code == "spec.unknown_id"


def test_get_spec_reads_no_file(tmp_path: Path) -> None:
    with pytest.raises(SpecError) as caught:
        get_spec(str(write(tmp_path / "mine.yaml")))
    assert caught.value.code == "spec.unknown_id"


def test_a_file_inherits_what_it_does_not_state(tmp_path: Path) -> None:
    spec = load_spec(write(tmp_path / "a.yaml", spec="indexes: {max_size: 1GB}"))
    assert (spec.id, spec.revision, spec.chain) == ("MINE", 3, (f"{DEFAULT_ID}@1", "MINE@3"))
    assert spec.indexes.max_size_bytes == 2**30
    assert spec.indexes.max_total_size_bytes == load_spec().indexes.max_total_size_bytes


def test_the_demos_specification_denies_payments() -> None:
    import trimtab

    spec = load_spec(Path(trimtab.__file__).parent / "demo" / "specification.yaml")
    assert spec.chain[0] == f"{DEFAULT_ID}@1"
    assert "public.payments" in spec.objects.denied_tables


def test_parents_are_found_beside_the_child_and_all_of_them_count(tmp_path: Path) -> None:
    write(tmp_path / "one.yaml", id="ONE", spec="indexes: {max_size: 1GB}")
    write(tmp_path / "two.yaml", id="TWO", spec="indexes: {max_size: 2GB, max_key_columns: 2}")
    spec = load_spec(str(write(tmp_path / "c.yaml", extends="one.yaml, two.yaml")))
    assert (spec.indexes.max_size_bytes, spec.indexes.max_key_columns) == (2**30, 2)
    assert spec.chain == (f"{DEFAULT_ID}@1", "ONE@3", "TWO@3", "MINE@3")


def test_a_grandchild_cannot_widen_what_a_child_narrowed(tmp_path: Path) -> None:
    write(tmp_path / "child.yaml", id="CHILD", spec="indexes: {max_size: 1GB}")
    assert code_of(write(tmp_path / "c.yaml", extends="child.yaml", spec="indexes: {max_size: 2GB}")) == "spec.widens"


def test_parents_that_contradict_each_other_are_refused(tmp_path: Path) -> None:
    write(tmp_path / "one.yaml", id="ONE", spec="indexes: {name_prefix: trimtab_a}")
    write(tmp_path / "two.yaml", id="TWO", spec="indexes: {name_prefix: trimtab_b}")
    assert code_of(write(tmp_path / "c.yaml", extends="one.yaml, two.yaml")) == "spec.invalid"


def test_circles_are_refused(tmp_path: Path) -> None:
    assert code_of(write(tmp_path / "self.yaml", extends="self.yaml")) == "spec.cycle"
    write(tmp_path / "a.yaml", id="AAA", extends="b.yaml")
    assert code_of(write(tmp_path / "b.yaml", id="BBB", extends="a.yaml")) == "spec.cycle"
    write(tmp_path / "c.yaml", id="CCC", extends="a.yaml")
    for first, others in (("self", ""), ("a", " through 1 other(s)"), ("c", " through 1 other(s)")):
        with pytest.raises(SpecError, match=rf"extends itself{re.escape(others)}$"):
            load_spec(tmp_path / f"{first}.yaml")


def test_chains_end(tmp_path: Path) -> None:
    for number in range(9):
        write(tmp_path / f"{number}.yaml", id=f"S{number:02}", extends=f"{number + 1}.yaml")
    write(tmp_path / "9.yaml", id="S09")
    assert code_of(tmp_path / "0.yaml") == "spec.cycle"
    assert load_spec(tmp_path / "3.yaml").chain[-1] == "S03@3"


def test_a_file_cannot_pass_for_a_shipped_specification(tmp_path: Path) -> None:
    assert code_of(write(tmp_path / "a.yaml", id=DEFAULT_ID)) == "spec.invalid"


@pytest.mark.parametrize("name", ["nowhere.yaml", "."])
def test_what_cannot_be_read_is_said_so(tmp_path: Path, name: str) -> None:
    assert code_of(tmp_path / name) == "spec.unreadable"


def test_a_parent_with_a_name_that_no_file_has_is_refused(tmp_path: Path) -> None:
    assert code_of(write(tmp_path / "a.yaml", extends='"a\\0.yaml"')) == "spec.unreadable"


def test_an_unknown_parent_is_refused(tmp_path: Path) -> None:
    assert code_of(write(tmp_path / "a.yaml", extends="NO_SUCH_SPEC")) == "spec.unknown_id"
    assert code_of(write(tmp_path / "b.yaml", extends="nowhere.yaml")) == "spec.unreadable"


def test_only_this_versions_id_is_shipped() -> None:
    assert DEFAULT_ID in known_ids()


RULE = "rules:\n  - {id: shop.r, assert: %s, message: refused}\n"


def _child(tmp_path: Path, name: str, parent: str, rules: str) -> Path:
    path = tmp_path / f"{name.lower()}.yaml"
    path.write_text(
        f"apiVersion: trimtab.dev/v1\nkind: OptimizationSpec\nmetadata: {{id: {name}, revision: 1, description: x}}\n"
        f"extends: [{parent}]\nspec: {{}}\n{rules}"
    )
    return path


def test_a_child_has_its_parents_rules_and_its_own(tmp_path: Path) -> None:
    _child(tmp_path, "BASE", DEFAULT_ID, RULE % '"env.server_major > 14"')
    child = _child(tmp_path, "CHILD", "base.yaml", (RULE % '"true"').replace("shop.r", "shop.s"))
    assert [rule.id for rule in load_spec(child).rules] == ["shop.r", "shop.s"]


def test_a_child_cannot_redefine_a_rule(tmp_path: Path) -> None:
    _child(tmp_path, "BASE", DEFAULT_ID, RULE % '"env.server_major > 14"')
    child = _child(tmp_path, "CHILD", "base.yaml", RULE % '"true"')
    with pytest.raises(SpecError) as refused:
        load_spec(child)
    assert refused.value.code == "spec.widens"


def test_parents_that_mean_two_rules_by_one_id_contradict_each_other(tmp_path: Path) -> None:
    _child(tmp_path, "ONE", DEFAULT_ID, RULE % '"env.server_major > 14"')
    _child(tmp_path, "TWO", DEFAULT_ID, RULE % '"env.server_major > 15"')
    child = _child(tmp_path, "CHILD", "one.yaml, two.yaml", "")
    with pytest.raises(SpecError, match=r"two rules by shop\.r") as refused:
        load_spec(child)
    assert refused.value.code == "spec.invalid"


@pytest.mark.parametrize("text", ['"table.rows"', '"1 =="', '"nothing.here"', '"change.kind > 5"', "[1]"])
def test_a_rule_that_is_none_is_refused_with_its_line(tmp_path: Path, text: str) -> None:
    with pytest.raises(SpecError, match="line 7") as refused:
        load_spec(_child(tmp_path, "CHILD", DEFAULT_ID, RULE % text))
    assert refused.value.code == "spec.rule"


@pytest.mark.parametrize(
    "taken", ["indexes.max_size", "specification.expired", "specification.anything", "waiver.expired"]
)
def test_a_rule_does_not_take_the_name_of_a_field_or_of_a_rule_of_trimtabs_own(tmp_path: Path, taken: str) -> None:
    with pytest.raises(SpecError, match="as those of fields, or of Trimtab's own rules, do") as refused:
        load_spec(_child(tmp_path, "CHILD", DEFAULT_ID, (RULE % '"true"').replace("shop.r", taken)))
    assert refused.value.code == "spec.rule"


def test_many_parents_of_many_parents_are_each_read_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    head = "apiVersion: trimtab.dev/v1\nkind: OptimizationSpec\n"
    for level in range(7):
        above = [f"l{level + 1}_{n}.yaml" for n in range(8)] if level < 6 else [DEFAULT_ID]
        for number in range(8 if level else 1):
            text = f"metadata: {{id: L{level}_{number}, revision: 1, description: x}}\nextends: {above}\nspec: {{}}\n"
            (tmp_path / f"l{level}_{number}.yaml").write_text(head + text)
    read: list[str] = []

    def counted(text: bytes, name: str) -> Document:
        read.append(name)
        return read_document(text, name)

    monkeypatch.setattr("trimtab.spec.load.read_document", counted)
    links = lineage(tmp_path / "l0_0.yaml")
    assert len(read) == len(links) == len(set(read))
    assert links[-1].effective.id == "L0_0"
    assert links[-1].effective.limits == load_spec(DEFAULT_ID).limits


def test_a_chain_is_not_longer_for_a_document_that_is_known_already(tmp_path: Path) -> None:
    """The long way down is refused, also where the short one was gone before."""
    head = "apiVersion: trimtab.dev/v1\nkind: OptimizationSpec\n"

    def write(name: str, *parents: str) -> Path:
        path = tmp_path / f"{name}.yaml"
        text = f"metadata: {{id: ID_{name.upper()}, revision: 1, description: x}}\nextends: [{', '.join(parents)}]\n"
        path.write_text(f"{head}{text}spec: {{}}\n")
        return path

    write("e", DEFAULT_ID)
    for name, parent in zip("dcba", "edcb", strict=True):
        write(name, f"{parent}.yaml")
    write("y", "a.yaml")
    for top, is_fine in ((write("fine", "a.yaml", "y.yaml"), True), (write("x", "a.yaml", "w.yaml"), False)):
        if is_fine:
            assert lineage(top)[-1].effective.id == "ID_FINE"
        else:
            write("w", "y.yaml")
            with pytest.raises(SpecError) as refused:
                lineage(top)
            assert refused.value.code == "spec.cycle"


def test_rules_are_part_of_the_digest_and_of_the_document(tmp_path: Path) -> None:
    one = load_spec(_child(tmp_path, "CHILD", DEFAULT_ID, RULE % '"true"'))
    two = load_spec(_child(tmp_path, "CHILD", DEFAULT_ID, RULE % '"true || true"'))
    assert one.digest != two.digest
    assert one.document()["rules"] == [
        {"id": "shop.r", "severity": "block", "weight": 1.0, "when": "true", "assert": "true", "message": "refused"}
    ]


def test_a_pinned_parent_must_be_the_very_one(tmp_path: Path) -> None:
    parent = _child(tmp_path, "BASE", DEFAULT_ID, "")
    pin = load_spec(parent).digest
    child = _child(tmp_path, "CHILD", f"base.yaml@sha256:{pin}", "")
    assert load_spec(child).chain[-2:] == ("BASE@1", "CHILD@1")
    _child(tmp_path, "BASE", DEFAULT_ID, RULE % '"true"')
    with pytest.raises(SpecError) as refused:
        load_spec(child)
    assert refused.value.code == "spec.pin"


def test_a_shipped_parent_may_be_pinned(tmp_path: Path) -> None:
    pin = get_spec(DEFAULT_ID).digest
    assert load_spec(_child(tmp_path, "CHILD", f"{DEFAULT_ID}@sha256:{pin}", "")).id == "CHILD"
    with pytest.raises(SpecError) as refused:
        load_spec(_child(tmp_path, "CHILD", f"{DEFAULT_ID}@sha256:{'0' * 64}", ""))
    assert refused.value.code == "spec.pin"
    for wrong in (f"{DEFAULT_ID}@sha256:abc", f"{DEFAULT_ID}@md5:{pin}", f"{DEFAULT_ID}@{pin}"):
        with pytest.raises(SpecError) as refused:
            load_spec(_child(tmp_path, "CHILD", wrong, ""))
        assert refused.value.code == "spec.invalid"


def test_a_pipe_is_refused_and_not_waited_for(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe.yaml"
    os.mkfifo(pipe)
    assert code_of(pipe) == "spec.unreadable"
    assert code_of(write(tmp_path / "child.yaml", extends="pipe.yaml")) == "spec.unreadable"
    with pytest.raises(ConfigError) as refused:
        load_config(pipe)
    assert refused.value.code == "config.unreadable"
    with pytest.raises(SpecError, match="no plain file"):
        read_signed(pipe)
    assert replace(load_config(Path(os.devnull)), path=None) == Config()
