"""What is most likely not meant is told with its line; what is meant is let be."""

from pathlib import Path

import pytest
import yaml

from trimtab.errors import SpecError
from trimtab.spec.lint import lint
from trimtab.spec.load import get_spec, known_ids, lineage, load_spec
from trimtab.spec.new import new_document

NOW = 1_800_000_000  # 2027
BASE = "DATABASE_OPTIMIZATION_SPEC_V4"
HEAD = """apiVersion: trimtab.dev/v1
kind: OptimizationSpec
metadata: {id: MINE, revision: 1, description: x}
"""


def found(tmp_path: Path, text: str) -> list[tuple[str, int | None]]:
    path = tmp_path / "mine.yaml"
    path.write_text(HEAD + text)
    return [(finding.code, finding.line) for finding in lint(lineage(path), now_unix=NOW)]


def rule(text: str, when: str = "true") -> str:
    pin = get_spec(BASE).digest
    written = f'{{id: a.b, when: "{when}", assert: "{text}", message: m}}'
    return f'extends: ["{BASE}@sha256:{pin}"]\nspec: {{}}\nrules:\n  - {written}\n'


@pytest.mark.parametrize("spec_id", known_ids())
def test_the_shipped_ones_are_clean(spec_id: str) -> None:
    assert lint(lineage(spec_id), now_unix=NOW) == ()


def test_a_new_document_is_clean_and_loads(tmp_path: Path) -> None:
    first = tmp_path / "first.yaml"
    first.write_text(new_document("FIRST", "DB_GOVERNANCE_SPEC_V2", directory=tmp_path))
    second = tmp_path / "below" / "second.yaml"
    second.parent.mkdir()
    second.write_text(new_document("SECOND", str(first), directory=second.parent))
    assert lint(lineage(first), now_unix=NOW) == lint(lineage(second), now_unix=NOW) == ()
    assert lineage(second)[-1].effective.chain[-2:] == ("FIRST@1", "SECOND@1")


def test_a_parent_without_a_digest_is_told(tmp_path: Path) -> None:
    assert found(tmp_path, f"extends: [{BASE}]\nspec: {{}}\n") == [("unpinned_parent", 4)]


@pytest.mark.parametrize(
    ("id_", "is_one"), [("SHOP_RULES", True), ("shop-x", False), ("X", False), ("A\nB: 1", False), (BASE, False)]
)
def test_a_new_document_has_an_id_that_loads(tmp_path: Path, id_: str, is_one: bool) -> None:
    if is_one:
        assert new_document(id_, BASE, directory=tmp_path)
        return
    with pytest.raises(SpecError) as refused:
        new_document(id_, BASE, directory=tmp_path)
    assert refused.value.code == "spec.invalid"


@pytest.mark.parametrize(
    "limits",
    [
        ("indexes: {{allowed_methods: [{}]}}", "btree", "brin"),
        ("objects: {{allowed_schemas: [{}]}}", "shop", "public"),
        ("settings: {{allowed: {{{}}}}}", "work_mem: {min: 4MB, max: 8MB}", "random_page_cost: {min: 1.1, max: 2.0}"),
        ("approvals: {{approvers: [ann={}]}}", "a" * 64, "b" * 64),
    ],
)
def test_parents_that_leave_nothing_of_what_is_allowed_are_told(tmp_path: Path, limits: tuple[str, str, str]) -> None:
    pins = []
    for name, value in zip(("ONE", "OTHER"), limits[1:], strict=True):
        stated = "spec: {" + limits[0].format(value) + "}\n"
        (tmp_path / f"{name}.yaml").write_text(HEAD.replace("MINE", name) + f"extends: [{BASE}]\n{stated}")
        pins.append(f'"{name}.yaml@sha256:{load_spec(tmp_path / f"{name}.yaml").digest}"')
    assert found(tmp_path, f"extends: [{', '.join(pins)}]\nspec: {{}}\n") == [("nothing_left", 4)]


def test_parents_that_leave_nothing_of_a_list_are_told(tmp_path: Path) -> None:
    pins = []
    for name, method in (("ONE", "btree"), ("OTHER", "brin")):
        limits = f"spec: {{indexes: {{allowed_methods: [{method}]}}}}\n"
        (tmp_path / f"{name}.yaml").write_text(HEAD.replace("MINE", name) + f"extends: [{BASE}]\n{limits}")
        pins.append(f'"{name}.yaml@sha256:{load_spec(tmp_path / f"{name}.yaml").digest}"')
    text = f"extends: [{', '.join(pins)}]\nspec: {{}}\n"
    assert found(tmp_path, text) == [("nothing_left", 4)]
    assert found(tmp_path, text.replace("{}", "{indexes: {allowed_methods: []}}")) == []  # somebody says so
    assert found(tmp_path, f"extends: [{pins[0]}]\nspec: {{}}\n") == []


def test_a_field_that_changes_nothing_is_told(tmp_path: Path) -> None:
    pin = get_spec(BASE).digest
    text = f'extends: ["{BASE}@sha256:{pin}"]\nspec:\n  settle:\n    runs: 3\n    watch_seconds: 200.0\n'
    assert found(tmp_path, text) == [("no_effect", 7)]


def test_a_root_by_which_nothing_is_measured_on_the_source_is_told(tmp_path: Path) -> None:
    root = yaml.safe_dump(get_spec(BASE).document()).replace(f"id: {BASE}", "id: ROOT")
    path = tmp_path / "root.yaml"
    path.write_text(root)
    assert lint(lineage(path), now_unix=NOW) == ()
    path.write_text(root.replace("measure: reads", "measure: plans"))
    [finding] = lint(lineage(path), now_unix=NOW)
    assert (finding.code, path.read_text().splitlines()[(finding.line or 0) - 1].strip()) == (
        "unmeasured", "measure: plans"
    )  # fmt: skip


@pytest.mark.parametrize(
    ("assertion", "when", "code"),
    [
        ("true", "change.kind == 'create_index'", "constant_rule"),
        ("1 < 2", "true", "constant_rule"),
        ("table.rows < 1000", "true", "unguarded_fact"),
        ("change.kind == 'create_indx'", "true", "unknown_word"),
        ("env.database != ''", "change.kind in ['create_index', 'drop']", "unknown_word"),
    ],
)
def test_a_rule_that_cannot_be_meant_is_told(tmp_path: Path, assertion: str, when: str, code: str) -> None:
    assert found(tmp_path, rule(assertion, when)) == [(code, 7)]


@pytest.mark.parametrize(
    ("assertion", "when"),
    [
        ("!table.rows_is_known || table.rows < 1000", "true"),
        ("table.rows < 1000", "change.kind == 'create_index'"),
        ("change.kind in ['create_index', 'drop_index']", "true"),
        ("change.table != 'drop'", "true"),
    ],
)
def test_a_rule_that_may_be_meant_is_let_be(tmp_path: Path, assertion: str, when: str) -> None:
    assert found(tmp_path, rule(assertion, when)) == []


def test_an_approver_whose_time_is_over_is_told(tmp_path: Path) -> None:
    ends = {"a": "", "b": " until 2026-01-01T00:00:00Z", "c": " until 2030-01-01T00:00:00Z"}
    pins = [f"{name}nn={name * 64}{until}" for name, until in ends.items()]
    listed = "".join(f"\n      - {pin}" for pin in pins)
    parent = f'extends: ["{BASE}@sha256:{get_spec(BASE).digest}"]'
    text = f"{parent}\nspec:\n  approvals:\n    high: one\n    approvers:{listed}\n"
    assert found(tmp_path, text) == [("ended_approver", 10)]
