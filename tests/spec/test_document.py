"""Faults of a document are told in its own words, with path and line, all at once."""

import pytest

from trimtab.errors import SpecError
from trimtab.spec.document import parse
from trimtab.spec.reading import read_document

HEAD = "apiVersion: trimtab.dev/v1\nkind: OptimizationSpec\nmetadata: {id: MINE, revision: 1, description: d}\nspec:\n"


def refusal(text: str) -> SpecError:
    with pytest.raises(SpecError) as caught:
        parse(read_document(text.encode(), "x.yaml"))
    return caught.value


@pytest.mark.parametrize(
    ("fields", "code", "message"),
    [
        (
            "  indexes: {max_sise: 4GB}",
            "spec.unknown_field",
            "spec.indexes.max_sise: unknown field; did you mean max_size?",
        ),
        ("  indices: {}", "spec.unknown_field", "spec.indices: unknown field; did you mean indexes?"),
        ("  indexes: {max_size: 4}", "spec.invalid", "spec.indexes.max_size: must be a size with its unit"),
        ("  indexes: {max_size_bytes: 4GB}", "spec.unknown_field", "spec.indexes.max_size_bytes: unknown field"),
        ("  indexes: {max_key_columns: '3'}", "spec.invalid", "spec.indexes.max_key_columns: must be a whole number"),
        ("  indexes: {max_key_columns: 3.0}", "spec.invalid", "must be a whole number"),
        ("  indexes: {max_key_columns: true}", "spec.invalid", "must be a whole number"),
        ("  indexes: {max_key_columns:}", "spec.invalid", "must be a whole number"),
        ("  indexes: {max_key_columns: 0}", "spec.invalid", "must be greater than or equal to 1"),
        ("  drops: {allow: 1}", "spec.invalid", "must be true or false"),
        ("  drops: {reasons: unused}", "spec.invalid", "must be a list"),
        ("  drops: {reasons: [useless]}", "spec.invalid", "must be 'duplicate', 'redundant' or 'unused'"),
        ("  trial: 3", "spec.invalid", "spec.trial: must be a map of fields"),
        ("  trial: {error_rate: .nan}", "spec.invalid", "must be a number"),
        ("  trial: {error_rate: 0.0}", "spec.invalid", "greater than 0"),
        ("  objects: {denied_tables: [payments]}", "spec.invalid", "a table is written schema.table"),
        ("  settings: {allowed: {fsync: {values: ['off']}}}", "spec.invalid", "no specification can allow"),
        ("  settings: {allowed: {FSYNC: {values: ['off']}}}", "spec.invalid", "lower case"),
        ("  settings: {allowed: {work_mem: {min: 4MB}}}", "spec.invalid", "must have both min and max"),
        ("  settings: {allowed: {work_mem: {min: 4MB, max: 1MB}}}", "spec.invalid", "min is larger than max"),
        ("  settings: {allowed: {work_mem: {min: 4, max: 5MB}}}", "spec.invalid", "units of the same kind"),
        ("  settings: {allowed: {jit: {values: [true]}}}", "spec.invalid", "plain words in quotes"),
        ("  settings: {allowed: {jit: {}}}", "spec.invalid", "must have min and max, or values"),
    ],
)
def test_a_fault_is_named_with_its_path_and_line(fields: str, code: str, message: str) -> None:
    error = refusal(HEAD + fields)
    assert error.code == code
    assert message in str(error)
    assert "line 5" in str(error)


def test_all_faults_are_told_at_once() -> None:
    error = refusal(HEAD + "  trial: {max_pairs: x}\n  locks: {attempts: 0}\n")
    assert "line 5, spec.trial.max_pairs" in str(error)
    assert "line 6, spec.locks.attempts" in str(error)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("trimtab.dev/v1", "trimtab.dev/v2", "apiVersion: must be 'trimtab.dev/v1'"),
        ("OptimizationSpec", "Waiver", "kind: must be 'OptimizationSpec'"),
        ("id: MINE", "id: mine", "metadata.id: must match"),
        ("revision: 1", "revision: 0", "metadata.revision: must be greater"),
        ("revision: 1, ", "", "metadata.revision: is missing"),
        ("spec:\n", "extends: [A, A]\nspec:\n", "unknown field|same parent|match"),
    ],
)
def test_the_envelope_is_checked_not_ignored(old: str, new: str, message: str) -> None:
    import re

    assert re.search(message, str(refusal(HEAD.replace(old, new) + "  trial: {}")))


def test_control_characters_of_a_key_do_not_reach_the_message() -> None:
    assert "\x1b" not in str(refusal(HEAD + '  "tri\\e[31mal": 1'))


def test_a_document_states_only_what_it_writes() -> None:
    stated = parse(read_document((HEAD + "  trial: {max_pairs: 7}\n  drops: {}").encode(), "x"))
    assert stated.limits == {"trial": {"max_pairs": 7}, "drops": {}}
