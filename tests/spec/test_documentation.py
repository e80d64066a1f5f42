"""Every field and every rule is documented, and every field has something that enforces it."""

from pathlib import Path

from trimtab.spec.inherit import field_paths
from trimtab.validate.validate import RULES

DOCUMENT = (Path(__file__).parents[2] / "docs" / "specification.md").read_text()
# Enforced where they act: by apply, by the trial, by the lifecycle, by settle and by the watcher's guard.
ELSEWHERE = ("locks.", "trial.", "prediction.", "settle.", "guard.", "servers.max_", "servers.min_")


def test_every_field_is_documented() -> None:
    assert [path for path in field_paths() if f"| `{path}` |" not in DOCUMENT] == []


def test_every_rule_is_documented() -> None:
    assert [rule.id for rule in RULES if f"| `{rule.id}` |" not in DOCUMENT] == []


def test_nothing_is_documented_that_is_not_there() -> None:
    known = {*field_paths(), *(rule.id for rule in RULES)}
    rows = [
        line.split("`")[1]
        for line in DOCUMENT.splitlines()
        if line.startswith("| `") and not line.startswith("| `spec.")
    ]
    assert sorted(set(rows) - known) == []


def test_every_field_has_its_rule() -> None:
    rules = {rule.id for rule in RULES}
    assert [path for path in field_paths() if path not in rules and not path.startswith(ELSEWHERE)] == []


def test_every_rule_has_one_id() -> None:
    ids = [rule.id for rule in RULES]
    assert len(ids) == len(set(ids))


def test_the_documents_example_is_a_specification(tmp_path: Path) -> None:
    from trimtab.spec.load import load_spec

    example = DOCUMENT.split("```yaml\n")[1].split("```")[0]
    (tmp_path / "shop.yaml").write_text(example)
    assert load_spec(tmp_path / "shop.yaml").id == "SHOP_PRODUCTION"
