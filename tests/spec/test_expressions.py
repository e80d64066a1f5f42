"""Compiled rules: only true is true, errors and unknown facts are answers of their own."""

import subprocess
import sys

import pytest

from trimtab.spec.expressions import Answer, UncompilableError, answer, answers, check, question
from trimtab.spec.fact_names import FactValue
from trimtab.spec.rules import RedefinedError, SpecRule, united

FACTS: dict[str, FactValue | None] = {"change.kind": "create_index", "table.rows": None, "change.columns": ("a", "b")}


def rule(assertion: str, when: str = "true") -> SpecRule:
    return SpecRule.model_validate({"id": "t.rule", "when": when, "assert": assertion, "message": "no"})


@pytest.mark.parametrize(
    ("assertion", "when", "expected"),
    [
        ("change.kind == 'create_index'", "true", Answer.KEPT),
        ("change.kind == 'drop_index'", "true", Answer.BROKEN),
        ("false", "change.kind == 'drop_index'", Answer.NOT_APPLICABLE),
        ("1 / 0 == 1", "true", Answer.ERROR),
        ("true", "1 / 0 == 1", Answer.ERROR),
        ("1 / 0 == 1", "false", Answer.NOT_APPLICABLE),
        ("change.columns[7] == 'a'", "true", Answer.ERROR),
        ("table.rows > 5", "true", Answer.ERROR),
        ("table.rows < 5", "true", Answer.ERROR),
        ("true", "table.rows > 5", Answer.ERROR),
        ("!table.rows_is_known || table.rows > 5", "true", Answer.KEPT),
        ("table.rows_is_known", "true", Answer.BROKEN),
        ("999999999999999999 * 999999999999999999 > size(change.columns)", "true", Answer.ERROR),
    ],
)
def test_an_error_is_never_taken_for_true(assertion: str, when: str, expected: Answer) -> None:
    assert answer(rule(assertion, when), question(FACTS))[0] is expected


@pytest.mark.parametrize("text", ["table.rows", "1 == 'x'", "change.kind > 5", "size(5) == 1", "true ? 1 : 'x'", "1 +"])
def test_what_is_no_truth_value_is_refused(text: str) -> None:
    with pytest.raises(UncompilableError):
        check(text)


@pytest.mark.parametrize("pattern", ["(", "(?=a)", "[", "*", "a)"])
def test_a_pattern_that_is_none_is_refused_before_it_refuses_every_change(pattern: str) -> None:
    for text in (f"change.table.matches('{pattern}')", f'change.columns.all(c, matches(c, "{pattern}"))'):
        with pytest.raises(UncompilableError, match="which is no pattern of RE2"):
            check(text)
    check("change.table.matches('^tmp_[a-z]+$') && !change.schema.matches('a|b')")


def test_what_does_not_compile_is_told_by_its_place() -> None:
    with pytest.raises(UncompilableError, match=r"^at character 4, it ends where more must follow$"):
        check("1 +")
    with pytest.raises(UncompilableError, match=r"^at character 3, extraneous input 'b'$"):
        check("a b")


def test_one_id_is_one_rule() -> None:
    assert united(((rule("true"),), (rule("true"),))) == (rule("true"),)
    with pytest.raises(RedefinedError):
        united(((rule("true"),), (rule("false"),)))


def test_the_library_is_loaded_by_rules_alone() -> None:
    code = (
        "import sys; from trimtab.spec.load import load_spec; import trimtab.validate.validate;"
        "load_spec(); assert 'cel_expr_python' not in sys.modules, 'loaded'"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_many_rules_say_what_each_says_alone() -> None:
    texts = ["change.kind == 'create_index'", "1 / 0 == 1", "table.rows > 5", "false", "size(change.columns) == 2"]
    rules = [
        rule(text, when) for text in texts for when in ("true", "change.kind != 'x'", "false", "table.rows > 1")
    ] * 3
    asked = question(FACTS)
    assert answers(rules, asked) == [answer(each, asked) for each in rules]
    fine = [each for each in rules if answer(each, asked)[0] is not Answer.ERROR]
    assert answers(fine, asked) == [answer(each, asked) for each in fine]
    assert answers([], asked) == []
