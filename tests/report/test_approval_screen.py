"""A person sees all of what is signed, and what is only claimed is marked so."""

from __future__ import annotations

import os
import pwd
from dataclasses import replace
from pathlib import Path

import pytest

from tests.apply.requests import CREATE, DROP, PREDICTION, TRIAL, UNDO_CREATE, UNDO_DROP, request
from trimtab.cli.approving import ApproveOptions, approve
from trimtab.cli.text import in_ascii, printable
from trimtab.lifecycle.approving import request_document
from trimtab.report.approval_screen import risk_shown, screen
from trimtab.spec.load import get_spec


def _lines(start: str, lines: list[str]) -> list[str]:
    return [line for line in lines if line.startswith(f"  {start}")]


def test_every_change_is_shown_with_its_inverse() -> None:
    lines = screen(request((CREATE, DROP), (UNDO_CREATE, UNDO_DROP)), None)
    assert [line.split()[1] for line in _lines("change", lines)] == ["CREATE", "DROP"]
    assert [line.split()[1] for line in _lines("inverse", lines)] == ["DROP", "CREATE"]
    with pytest.raises(ValueError, match="zip"):
        screen(request((CREATE, DROP), (UNDO_CREATE,)), None)


def test_the_risk_is_told_from_the_changes_and_a_claim_that_differs_is_shown() -> None:
    asked = request((DROP,), (UNDO_DROP,), risk="low")
    assert risk_shown(asked).value == "high"
    assert _lines("risk", screen(asked, None))[0].startswith("  risk      high (the request claims low); the request")
    assert risk_shown(request()).value == "low"
    assert risk_shown(request(table_bytes={})).value == "high"
    assert risk_shown(request(table_bytes={"public.orders": 2 << 30})).value == "medium"


def test_how_many_must_agree_is_the_specifications_word_where_it_is_at_hand() -> None:
    found = get_spec("DATABASE_OPTIMIZATION_SPEC_V4")
    approvals = found.approvals.model_copy(update={"low": "two"})
    wanting = replace(found, limits=found.limits.model_copy(update={"approvals": approvals}))
    assert "low; 2 must approve" in _lines("risk", screen(request(spec_digest=wanting.digest), wanting))[0]
    assert "claims that 1 must approve" in _lines("risk", screen(request(), wanting))[0]


def test_what_the_rules_and_the_trial_said_is_a_claim_and_nothing_is_taken_for_granted() -> None:
    lines = _lines("claimed", screen(request(), None))
    assert "compliant" not in "".join(lines)
    assert lines[-1] == "  claimed   no trial"
    verdict: dict[str, object] = {"compliant": True, "warnings": ["W_A"], "waived": ["indexes.x by W_B"]}
    lines = _lines("claimed", screen(request(trial=TRIAL, verdict=verdict), None))
    assert lines[0].endswith("compliant when it was proposed; waived: indexes.x by W_B; warnings: W_A")
    assert "trial accepted, 9.50 ms to 1.25 ms, 12 pairs, error rate 0.01, gain asked for 5%: faster" in lines[-1]
    assert "not compliant" in screen(request(verdict={"compliant": "yes"}), None)[5]
    assert "cannot be read" in screen(request(trial={"before_ms": "x"}), None)[-1]


def test_the_predicted_interval_is_shown_in_its_unit() -> None:
    assert _lines("claimed", screen(request(), None))[-2] == "  claimed   no prediction"
    told = _lines("claimed", screen(request(prediction=PREDICTION), None))[-2]
    assert "predicted 9.50 ms to become 0.50 ms to 2.25 ms (most likely 1.00 ms), 90% interval by cost_ratio" in told
    told = _lines("claimed", screen(request(prediction={**PREDICTION, "unit": "cost", "before": 9500}), None))[-2]
    assert "predicted cost 9,500 to become cost 0 to cost 2" in told
    assert "cannot be read" in _lines("claimed", screen(request(prediction={"low": "x"}), None))[-2]


def test_names_that_look_like_others_are_told_from_them() -> None:
    lookalike = replace(CREATE, table="\u043erders", tail="USING btree (a) WHERE (b = '\u00e9')")
    lines = screen(request((lookalike,), (UNDO_CREATE,)), None)
    [escaped] = _lines("escaped", lines)
    assert 'ON "public".U&"\\043erders" USING' in escaped
    assert "'\\00e9'" in escaped
    assert escaped.isascii()
    assert in_ascii('"\U0001f600\\" "plain"') == 'U&"\\+01f600\\\\" "plain"'


@pytest.mark.parametrize("blank", ["\u115f", "\u1160", "\u3164", "\uffa0", "\u2800"])
def test_letters_that_show_nothing_are_escaped(blank: str) -> None:
    assert printable(f"a{blank}b") == f"a\\u{ord(blank):04x}b"


def test_a_long_statement_is_shown_whole_and_an_own_key_is_warned_of(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    import json

    from trimtab.signing.locked import make_locked_key

    monkeypatch.setenv("TRIMTAB_PASSPHRASE_COMMAND", "echo 'a long enough passphrase'")
    tail = f"USING btree (a) WHERE (b <> '{'x' * 9000}' AND evil(a))"
    asked = request((replace(CREATE, tail=tail),), (replace(UNDO_CREATE, tail=tail),))
    asked = replace(asked, proposed_by=pwd.getpwuid(os.geteuid()).pw_name)
    source, key, out = tmp_path / "request.json", tmp_path / "ann.pem", tmp_path / "out.json"
    source.write_text(json.dumps(request_document(asked)), "utf-8")
    make_locked_key(key, "a long enough passphrase")
    approve(ApproveOptions(approver="ann", key=key, request=source, out=out, hours=1.0), as_json=False)
    shown = capsys.readouterr().err
    assert tail in shown.replace("\n", "")
    assert f"warning: {key} belongs to the account" in shown
