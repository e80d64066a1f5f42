"""A child never widens: shown for random pairs of specifications, field by field."""

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from trimtab.errors import SpecError
from trimtab.spec.document import Stated, parse
from trimtab.spec.inherit import effective, field_paths, meet
from trimtab.spec.limits import Limits
from trimtab.spec.narrowing import NoMeetError
from trimtab.spec.reading import read_document

from .documents import SECTIONS, documents, limits_of, partial_documents


def stated(spec: object) -> Stated:
    document = {
        "apiVersion": "trimtab.dev/v1",
        "kind": "OptimizationSpec",
        "metadata": {"id": "CHILD", "revision": 1, "description": ""},
        "spec": spec,
    }
    return parse(read_document(json.dumps(document).encode(), "child.yaml"))  # JSON is YAML, and sooner written


def met(left: Limits, right: Limits) -> Limits | None:
    try:
        return meet(left, right)
    except NoMeetError:
        return None


def test_the_random_documents_have_every_field() -> None:
    assert {f"{name}.{field}" for name, fields in SECTIONS.items() for field in fields} == set(field_paths())


@settings(max_examples=40)
@given(documents, documents)
def test_meeting_does_not_depend_on_the_order(left: object, right: object) -> None:
    assert met(limits_of(left), limits_of(right)) == met(limits_of(right), limits_of(left))


@settings(max_examples=40)
@given(documents, documents)
def test_what_was_met_meets_its_parents_without_change(left: object, right: object) -> None:
    both = met(limits_of(left), limits_of(right))
    if both is not None:
        assert met(both, limits_of(left)) == met(both, limits_of(right)) == met(both, both) == both


@settings(max_examples=40)
@given(documents, documents, documents)
def test_meeting_may_be_grouped_either_way(one: object, two: object, three: object) -> None:
    a, b, c = limits_of(one), limits_of(two), limits_of(three)
    first, second = met(a, b), met(b, c)
    assert (first and met(first, c)) == (second and met(a, second))


@settings(max_examples=40)
@given(documents, partial_documents)
def test_a_child_is_either_refused_or_means_no_more_than_its_parent(parent: object, child: object) -> None:
    limits = limits_of(parent)
    try:
        narrower = effective(stated(child), (limits,))
    except SpecError:
        return
    assert meet(limits, narrower) == narrower


@settings(max_examples=40)
@given(documents)
def test_a_child_that_repeats_its_parent_changes_nothing(document: dict[str, dict[str, object]]) -> None:
    parent = limits_of(document)
    assert effective(stated(document), (parent,)) == parent


@pytest.mark.parametrize(
    ("parent", "child"),
    [
        ({"indexes": {"max_size": "1GB"}}, {"indexes": {"max_size": "2GB"}}),
        ({"changes": {"allowed_kinds": ["create_index"]}}, {"changes": {"allowed_kinds": ["drop_index"]}}),
        ({"objects": {"allowed_schemas": ["shop*"]}}, {"objects": {"allowed_schemas": ["*"]}}),
        ({"drops": {"allow": False}}, {"drops": {"allow": True}}),
        ({"trial": {"required": True}}, {"trial": {"required": False}}),
        ({"indexes": {"name_prefix": "trimtab_"}}, {"indexes": {"name_prefix": "t"}}),
        # Less of these shows less of what a change did, more costs the servers more: neither is the narrower.
        ({"settle": {"measure": "plans"}}, {"settle": {"measure": "reads"}}),
        ({"settle": {"measure": "reads"}}, {"settle": {"measure": "plans"}}),
        ({"settle": {"max_seconds": 300}}, {"settle": {"max_seconds": 0.0001}}),
        ({"settle": {"max_seconds": 300}}, {"settle": {"max_seconds": 301}}),
        ({"settle": {"statement_timeout_ms": 60000}}, {"settle": {"statement_timeout_ms": 1}}),
        ({"settle": {"statement_timeout_ms": 60000}}, {"settle": {"statement_timeout_ms": 60001}}),
        ({"trial": {"statement_timeout_ms": 60000}}, {"trial": {"statement_timeout_ms": 1}}),
        ({"trial": {"statement_timeout_ms": 60000}}, {"trial": {"statement_timeout_ms": 60001}}),
        ({"prediction": {"min_gain_percent": 5}}, {"prediction": {"min_gain_percent": 4}}),
        (
            {"settings": {"allowed": {"work_mem": {"min": "4MB", "max": "8MB"}}}},
            {"settings": {"allowed": {"work_mem": {"min": "4MB", "max": "9MB"}}}},
        ),
        ({"settings": {"allowed": {}}}, {"settings": {"allowed": {"jit": {"values": ["off"]}}}}),
    ],
)
@settings(max_examples=15)
@given(base=documents)
def test_a_child_that_widens_is_refused_by_name(
    base: dict[str, dict[str, object]], parent: dict[str, dict[str, object]], child: dict[str, dict[str, object]]
) -> None:
    [(section, fields)] = parent.items()
    limits = limits_of({**base, section: {**base[section], **fields}})
    with pytest.raises(SpecError) as caught:
        effective(stated(child), (limits,))
    assert caught.value.code == "spec.widens"
    assert f"spec.{section}.{next(iter(fields))}" in str(caught.value)


@settings(max_examples=40)
@given(documents, st.lists(st.sampled_from(["public.orders", "audit.*"]), min_size=1))
def test_what_a_child_denies_is_added(base: dict[str, dict[str, object]], denied: list[str]) -> None:
    parent = limits_of({**base, "objects": {**base["objects"], "denied_tables": ["public.payments"]}})
    child = effective(stated({"objects": {"denied_tables": denied}}), (parent,))
    assert set(child.objects.denied_tables) == {"public.payments", *denied}


def test_without_parents_every_field_must_be_stated() -> None:
    with pytest.raises(SpecError, match=r"leaves out .*indexes\.max_size") as caught:
        effective(stated({"trial": {"required": True}}), ())
    assert caught.value.code == "spec.invalid"


@settings(max_examples=40)
@given(documents)
def test_a_complete_document_may_stand_alone(document: object) -> None:
    assert effective(stated(document), ()) == limits_of(document)
