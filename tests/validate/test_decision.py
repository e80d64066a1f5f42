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
