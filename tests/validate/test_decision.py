"""Decisions that are kept can be made again, in another process, to the same bytes."""

import hashlib
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import rfc8785
from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st

from trimtab.errors import SpecError
from trimtab.spec.load import get_spec, known_ids
from trimtab.validate.decision import (
    Decision,
    facts_digest,
    read_json,
    record,
    recorded,
    strategy_from_dict,
    strategy_to_dict,
    verdict_bytes,
)
from trimtab.validate.facts import Evidence

from .catalogue import create, drop, facts, strategy
from .proposals import strategies
from .test_own_rules import with_rules

SPECS = [
    *map(get_spec, known_ids()),
    with_rules(
        {"assert": "change.columns.all(c, c != 'note')"},
        {"assert": "table.rows < 500000", "severity": "warn", "weight": 3.5},
        {"when": "env.stage == 'enforce'", "assert": "timestamp(now_unix).getHours() < 5 && index.scans == 0"},
    ),
]
REPLAY = """
import json, sys
from trimtab.validate.decision import recorded, verdict_bytes
count = 0
for line in open(sys.argv[1], encoding="utf-8"):
    decision, written = recorded(json.loads(line))
    assert verdict_bytes(decision.verdict()) == written
    count += 1
print(count)
"""


def test_a_thousand_decisions_replay_byte_for_byte_in_another_process(tmp_path: Path) -> None:
    made: list[str] = []
    accepted = (strategy(create("total", name="trimtab_first")),)
    known = [facts(), facts(is_enforcing=True, accepted=accepted), facts(is_standby=True), facts(is_applying=False)]

    @seed(8785)
    @settings(
        max_examples=1000,
        database=None,
        deadline=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(strategies, st.sampled_from(SPECS), st.sampled_from(known))
    def decide(proposed, spec, on) -> None:  # type: ignore[no-untyped-def]
        made.append(json.dumps(record(Decision(proposed, spec, on))))

    decide()
    assert len(made) >= 1000
    file = tmp_path / "decisions.jsonl"
    file.write_text("\n".join(made))
    ended = subprocess.run([sys.executable, "-c", REPLAY, str(file)], capture_output=True, text=True, check=False)
    assert ended.stderr == ""
    assert int(ended.stdout) == len(made)
    outcomes = {json.loads(line)["verdict"]["compliant"] for line in made}
    assert outcomes == {True, False}


def test_evidence_and_history_are_part_of_a_record() -> None:
    from trimtab.model.strategy import Decision as Ended
    from trimtab.model.strategy import Prediction, QueryTrial, Trial

    trial = Trial(
        9.5, 4.25, 30, 0.01, 0.05, 120.0, Ended.ACCEPTED, "x", (QueryTrial("q", 1.0, 0.5, 3, True, "faster"),)
    )
    evidence = Evidence(Prediction(1.0, 2.0, 3.0, "ms", 9.0, 0.9, "spread"), trial)
    on = facts(is_enforcing=True, evidence=evidence, done=(drop("orders_customer_again"),))
    decision = Decision(strategy(drop("orders_customer_again"), create("status")), get_spec(known_ids()[0]), on)
    again, _ = recorded(json.loads(json.dumps(record(decision))))
    assert again.facts == on
    assert again.strategy == decision.strategy
    assert again.specification.digest == decision.specification.digest


def test_a_record_from_before_a_fact_was_kept_is_read_as_without_it() -> None:
    document = record(Decision(strategy(create("status", "total")), SPECS[0], facts()))
    assert isinstance(document["facts"], dict)
    del document["facts"]["latest_unix"]
    document["facts_digest"] = hashlib.sha256(rfc8785.dumps(document["facts"])).hexdigest()
    decision, written = recorded(document)
    assert (decision.facts, verdict_bytes(decision.verdict())) == (facts(), written)
    del document["facts"]["read_unix"]
    with pytest.raises(SpecError):
        recorded(document)


def test_an_altered_record_comes_to_another_verdict() -> None:
    document = record(Decision(strategy(create("status", "total")), SPECS[0], facts()))
    assert isinstance(document["verdict"], dict)
    document["verdict"]["compliant"] = not document["verdict"]["compliant"]
    decision, written = recorded(document)
    assert verdict_bytes(decision.verdict()) != written


@pytest.mark.parametrize(
    "text", [b"", b"[]", b"{", b"{}", b"\xff", b'{"format": "trimtab.decision/v1"}', b"[" * 100_000, b'{"format": 7}']
)
def test_what_is_no_record_is_refused(text: bytes) -> None:
    with pytest.raises(SpecError) as refused:
        recorded(read_json(text))
    assert refused.value.code == "spec.decision"


@pytest.mark.parametrize("place", ["strategy", "specification", "facts", "verdict"])
@pytest.mark.parametrize("value", [None, 1, [], {}, "x", {"changes": 1}, {"changes": [{"kind": "drop_table"}]}])
def test_a_record_with_a_part_of_another_kind_is_refused(place: str, value: object) -> None:
    document = record(Decision(strategy(create("status", "total")), SPECS[0], facts()))
    if place == "verdict" and value != {"changes": 1}:
        value = {"x": float("nan")}
    try:
        decision, written = recorded({**document, place: value})
    except SpecError:
        return
    assert place == "verdict"
    assert verdict_bytes(decision.verdict()) != written


def test_facts_have_a_digest_and_altered_facts_are_no_record() -> None:
    assert facts_digest(facts()) == facts_digest(facts())
    assert facts_digest(facts()) != facts_digest(facts(is_enforcing=True))
    document = record(Decision(strategy(create("status", "total")), SPECS[0], facts()))
    assert document["facts_digest"] == facts_digest(facts())
    assert isinstance(document["facts"], dict)
    document["facts"]["is_superuser"] = True
    with pytest.raises(SpecError) as refused:
        recorded(document)
    assert refused.value.code == "spec.decision"


@pytest.mark.parametrize(("field", "value"), [("key_columns", 5), ("table", 5), ("name", None), ("tail", [1])])
def test_a_change_with_a_field_of_another_type_is_refused(field: str, value: object) -> None:
    document: dict[str, Any] = strategy_to_dict(strategy(create("status", "total")))
    document["changes"][0][field] = value
    with pytest.raises(SpecError) as refused:
        strategy_from_dict(document)
    assert refused.value.code == "spec.decision"
    assert field in str(refused.value)


def _asked(document: object) -> str:
    with pytest.raises(SpecError) as refused:
        strategy_from_dict(read_json(json.dumps(document).encode()))
    assert refused.value.code == "spec.decision"
    return str(refused.value)


@pytest.mark.parametrize(
    ("more", "told"),
    [
        ({"foo": 1}, "foo: unknown field"),
        ({"titel": "x"}, "titel: unknown field"),
        ({"size_bytes": "x"}, "size_bytes: must be a whole number"),
        ({"size_bytes": [1]}, "size_bytes: must be a whole number"),
        ({"proposer": 5}, "proposer: must be a text"),
        ({"query_ids": "q"}, "query_ids: must be a list"),
        ({"query_ids": [1]}, "query_ids.0: must be a text"),
        ({"evidence": {"a": [1]}}, "evidence.a: must be a number or a text"),
        ({"evidence": {"a": True}}, "evidence.a: must be a number or a text"),
        ({"evidence": 5}, "evidence: must be a map of fields"),
        ({"changes": []}, "changes: must hold 1 or more"),
        ({"changes": 5}, "changes: must be a list"),
        ({"changes": [5]}, "changes.0: must be a map of fields"),
        ({"changes": [{"kind": "drop_table"}]}, "changes.0: is of no kind that there is"),
        ({"changes": [{}]}, "changes.0: has no kind"),
        (
            {"changes": [{"kind": "leave_index"}]},
            "changes.0: a change of the kind leave_index needs its field 'schema'",
        ),
    ],
)
def test_a_strategy_of_a_document_is_refused_in_words_of_the_document(more: dict[str, Any], told: str) -> None:
    assert told in _asked({**strategy_to_dict(strategy(create("status", "total"))), **more})


def test_fields_that_are_there_twice_and_numbers_that_are_none_are_refused() -> None:
    for text, told in (
        (b'{"changes": [], "changes": []}', "there twice"),
        (b'{"size_bytes": NaN}', "no number in JSON"),
        (b'{"size_bytes": 9007199254740992}', "a whole number beyond 9007199254740991"),
    ):
        with pytest.raises(SpecError, match=told):
            read_json(text)


@pytest.mark.parametrize(
    ("place", "value", "told"),
    [
        ("facts", None, "facts: must be a map of fields"),
        ("facts", {}, "facts.accepted: is missing"),
        ("waivers", [5], "waivers.0: must be a map of fields"),
        ("waivers", [{}], "waivers.0.id: is missing"),
        ("expires_unix", "x", "expires_unix: must be a whole number"),
        ("facts_digest", "x", "its facts are not those of its facts_digest"),
        ("surprise", 1, "surprise: unknown field"),
        ("format", 7, "format: must be 'trimtab.decision/v1'"),
    ],
)
def test_a_record_is_refused_in_words_of_the_document(place: str, value: object, told: str) -> None:
    document = record(Decision(strategy(create("status", "total")), SPECS[0], facts()))
    with pytest.raises(SpecError) as refused:
        recorded({**document, place: value})
    assert refused.value.code == "spec.decision"
    assert told in str(refused.value)


@pytest.mark.parametrize(
    ("fact", "value", "told"),
    [
        ("tables", 5, "facts.tables: must be a list"),
        ("tables", [{}], "facts.tables.0.schema: is missing"),
        ("is_standby", "perhaps", "facts.is_standby: must be"),
        ("done", [{"kind": "x"}], "facts.done.0: is of no kind that there is"),
        ("accepted", [{"changes": 1}], "facts.accepted.0.changes: must be a list"),
        ("surprise", 1, "facts.surprise: unknown field"),
        ("scoped_settings", [["a"]], "facts.scoped_settings.0.1: is missing"),
    ],
)
def test_facts_are_refused_in_words_of_the_document(fact: str, value: object, told: str) -> None:
    document = record(Decision(strategy(create("status", "total")), SPECS[0], facts()))
    assert isinstance(document["facts"], dict)
    document["facts"][fact] = value
    with pytest.raises(SpecError) as refused:
        recorded(document)
    assert refused.value.code == "spec.decision"
    assert told in str(refused.value)
