"""Every field and every rule is documented, and every field has something that enforces it."""

from pathlib import Path

from trimtab.spec.fact_names import FACTS
from trimtab.spec.inherit import field_paths
from trimtab.spec.rules import SpecRule
from trimtab.validate.backends import BACKEND_RULES
from trimtab.validate.validate import RULES

DOCUMENT = (Path(__file__).parents[2] / "docs" / "specification.md").read_text()
# Enforced where they act: by apply, by the trial, by the lifecycle, by settle and by the watcher's guard.
ELSEWHERE = (
    "locks.",
    "trial.",
    "prediction.",
    "settle.",
    "guard.",
    "servers.max_",
    "servers.min_",
    "windows.",
    "rates.",
    "approvals.",
    "backends.max_",
)
RULE_IDS = list(dict.fromkeys([*(rule.id for rule in RULES), *(rule_id for rule_id, _ in BACKEND_RULES)]))


def test_every_field_is_documented() -> None:
    assert [path for path in field_paths() if f"| `{path}` |" not in DOCUMENT] == []


def test_every_rule_is_documented() -> None:
    assert [rule_id for rule_id in RULE_IDS if f"| `{rule_id}` |" not in DOCUMENT] == []


def test_every_fact_is_documented_with_its_type_and_whether_it_may_be_unknown() -> None:
    rows = [f"| `{f.name}` | {f.type} | {'yes' if f.may_be_unknown else ''} |" for f in FACTS]
    assert [row for row in rows if row not in DOCUMENT] == []
    assert [word for fact in FACTS for word in fact.words if word not in DOCUMENT] == []


def test_every_key_of_a_rule_is_documented() -> None:
    keys = [info.alias or name for name, info in SpecRule.model_fields.items()]
    assert [key for key in keys if f"| `{key}` |" not in DOCUMENT] == []


def test_nothing_is_documented_that_is_not_there() -> None:
    rule_keys = {info.alias or name for name, info in SpecRule.model_fields.items()}
    known = {*field_paths(), *RULE_IDS, *(fact.name for fact in FACTS), *rule_keys}
    rows = [
        line.split("`")[1]
        for line in DOCUMENT.splitlines()
        if line.startswith("| `") and not line.startswith(("| `spec.", "| `waiver.", "| `bundle."))
    ]
    assert sorted(set(rows) - known) == []


def test_every_field_has_its_rule() -> None:
    rules = set(RULE_IDS)
    assert [path for path in field_paths() if path not in rules and not path.startswith(ELSEWHERE)] == []


def test_every_rule_has_one_id() -> None:
    for ids in ([rule.id for rule in RULES], [rule_id for rule_id, _ in BACKEND_RULES]):
        assert len(ids) == len(set(ids))


def test_the_documents_example_is_a_specification(tmp_path: Path) -> None:
    from trimtab.spec.load import load_spec

    example = DOCUMENT.split("```yaml\n")[1].split("```")[0]
    (tmp_path / "shop.yaml").write_text(example)
    assert load_spec(tmp_path / "shop.yaml").id == "SHOP_PRODUCTION"


def test_the_documents_rules_are_rules(tmp_path: Path) -> None:
    from trimtab.spec.load import load_spec

    example, rules = (DOCUMENT.split("```yaml\n")[n].split("```")[0] for n in (1, 2))
    (tmp_path / "shop.yaml").write_text(example + rules)
    assert [rule.id for rule in load_spec(tmp_path / "shop.yaml").rules] == [
        "shop.large_tables_need_proof",
        "shop.no_personal_columns",
    ]
