"""A waiver lets one rule go, in its scope, for its time, when everyone whom it names has signed."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.validate.catalogue import SHIPPED, create, drop, facts, setting, strategy
from tests.validate.test_own_rules import with_rules
from trimtab.errors import KeyFileError, LedgerError, SpecError
from trimtab.ledger.entry import Kind
from trimtab.ledger.ledger import Ledger
from trimtab.lifecycle import waivers
from trimtab.lifecycle.governing import governing, named
from trimtab.lifecycle.standing_rules import unwaive, waive
from trimtab.lifecycle.trust import distrust, trust, trusted
from trimtab.spec.waiver import Waiver, refuse_rollback
from trimtab.validate.validate import validate

from .signed import ANN, BOB, EVE, NOW, believe, envelope, waiver

WIDE = strategy(create("id", "customer_id", "status", "created_at", "total", "note"))
LATER = {"not_before": '"2026-03-01T00:00:00Z"', "not_after": '"2026-04-01T00:00:00Z"'}


@pytest.fixture
def state(tmp_path: Path) -> Path:
    believe(tmp_path / "state")
    return tmp_path / "state"


def _refused(code: str, state: Path, path: Path) -> None:
    with pytest.raises(SpecError) as refused:
        waivers.install(state, path, SHIPPED, NOW)
    assert refused.value.code == code
    assert waivers.installed(state) == ()


def test_what_it_covers_does_not_block_and_stands_in_the_verdict(state: Path, tmp_path: Path) -> None:
    assert [v.rule_id for v in validate(WIDE, SHIPPED, facts()).violations] == ["indexes.max_key_columns"]
    waivers.install(state, waiver(tmp_path / "w", ANN), SHIPPED, NOW)
    verdict = validate(WIDE, governing(None, state / "ledger.db"), facts(is_enforcing=True))
    assert verdict.compliant
    [waived] = verdict.waived
    assert (waived.violation.rule_id, waived.waiver_id) == ("indexes.max_key_columns", "W_WIDE")
    assert verdict.score is not None
    assert verdict.score < 100  # it was broken all the same


@pytest.mark.parametrize(
    ("changed", "read_unix"),
    [
        ({}, NOW + 31 * 86_400),  # expired at this very second
        ({}, NOW - 18 * 86_400),
        ({}, None),  # nobody knows when
        ({"scope": "{databases: [other], tables: [public.orders]}"}, NOW),
        ({"scope": "{databases: [shop], tables: [public.payments]}"}, NOW),
        ({"rule": "indexes.max_include_columns"}, NOW),
    ],
)
def test_outside_of_its_time_and_scope_it_does_nothing(
    state: Path, tmp_path: Path, changed: dict[str, str], read_unix: int | None
) -> None:
    waivers.install(state, waiver(tmp_path / "w", ANN, **changed), SHIPPED, NOW)
    specification = governing(None, state / "ledger.db")
    assert not validate(WIDE, specification, replace(facts(), read_unix=read_unix)).compliant


@pytest.mark.parametrize(
    ("read_unix", "latest_unix", "holds"),
    [
        (NOW, NOW - 99 * 86_400, True),
        (NOW, NOW + 31 * 86_400, False),  # the clock was set back, and the ledger has seen its end
        (NOW - 18 * 86_400, NOW, False),  # an entry from the future begins nothing early
        (NOW, None, True),
    ],
)
def test_it_begins_by_the_clock_and_ends_by_the_last_entry_as_well(
    state: Path, tmp_path: Path, read_unix: int, latest_unix: int | None, holds: bool
) -> None:
    waivers.install(state, waiver(tmp_path / "w", ANN), SHIPPED, NOW)
    known = replace(facts(), read_unix=read_unix, latest_unix=latest_unix)
    assert validate(WIDE, governing(None, state / "ledger.db"), known).compliant is holds


def test_one_that_has_ended_for_the_ledger_is_not_taken_into_force(state: Path, tmp_path: Path) -> None:
    with Ledger.open(state / "ledger.db", clock=lambda: (NOW + 40 * 86_400) * 10**9) as ledger:
        ledger.append(Kind.RUN_STARTED, {})
    with pytest.raises(SpecError) as refused:
        waive(state / "ledger.db", waiver(tmp_path / "w", ANN), None, NOW)
    assert refused.value.code == "waiver.expired"
    assert waivers.installed(state) == ()


def test_everyone_whom_it_names_must_have_signed(state: Path, tmp_path: Path) -> None:
    both = {"approvers": "[dba.ann, owner.bob]"}
    _refused("spec.signature", state, waiver(tmp_path / "a", ANN, **both))
    _refused("spec.signature", state, waiver(tmp_path / "b", BOB, **both))
    _refused("spec.signature", state, waiver(tmp_path / "e", ANN, EVE, **both))
    assert waivers.install(state, waiver(tmp_path / "ab", ANN, BOB, **both), SHIPPED, NOW).id == "W_WIDE"


def test_a_key_that_is_not_trusted_here_signs_nothing(state: Path, tmp_path: Path) -> None:
    _refused("spec.signature", state, waiver(tmp_path / "eve", EVE))
    _refused("spec.signature", state, waiver(tmp_path / "nobody"))
    _refused("spec.signature", state, waiver(tmp_path / "who", ANN, approvers="[dba.carl]"))


def test_a_signature_for_another_purpose_is_none(state: Path, tmp_path: Path) -> None:
    from .signed import WAIVER

    _refused("spec.signature", state, envelope(tmp_path / "b", WAIVER.encode(), "bundles", ANN))


@pytest.mark.parametrize(
    "rule",
    ["settings.never", "drops.protects_constraint", "objects.not_owner", "no.rule", "locks.attempts", "approvals.high"],
)
def test_what_nobody_can_switch_off_or_no_change_is_asked_is_not_waived(state: Path, tmp_path: Path, rule: str) -> None:
    _refused("waiver.rule", state, waiver(tmp_path / "w", ANN, rule=rule))
    forced = Waiver("W", 1, rule, ("*",), ("*",), "as if it were installed", ("a",), 0, 2 * NOW)
    blocked = strategy(setting("fsync", "off"), drop("orders_pkey"))
    before = validate(blocked, SHIPPED, facts())
    assert validate(blocked, replace(SHIPPED, waivers=(forced,)), facts()).violations == before.violations


@pytest.mark.parametrize(
    "changed",
    [
        {"not_after": '"2026-03-16T00:00:00Z"'},  # 91 days
        {"not_after": '"2025-12-15T00:00:00Z"'},
        {"not_after": '"2026-02-01"'},
        {"not_after": '"2026-02-30T00:00:00Z"'},
        {"approvers": "[]"},
        {"approvers": "[dba.ann, dba.ann]"},
        {"reason": "why"},
        {"scope": "{databases: [], tables: [public.orders]}"},
        {"kind": "OptimizationSpec"},
        {"apiVersion": "trimtab.dev/v2"},
        {"rule": "Indexes"},
    ],
)
def test_what_is_no_waiver_is_refused(state: Path, tmp_path: Path, changed: dict[str, str]) -> None:
    _refused("waiver.invalid", state, waiver(tmp_path / "w", ANN, **changed))


def test_an_expired_one_is_not_taken_into_force(state: Path, tmp_path: Path) -> None:
    with pytest.raises(SpecError) as refused:
        waivers.install(state, waiver(tmp_path / "w", ANN), SHIPPED, NOW + 40 * 86_400)
    assert refused.value.code == "waiver.expired"


def test_an_altered_one_stops_whoever_would_use_it(state: Path, tmp_path: Path) -> None:
    waivers.install(state, waiver(tmp_path / "w", ANN), SHIPPED, NOW)
    held = state / "waivers" / "W_WIDE.json"
    held.write_bytes(waiver(tmp_path / "x", EVE, scope='{databases: ["*"], tables: ["*"]}').read_bytes())
    with pytest.raises(SpecError) as refused:
        governing(None, state / "ledger.db")
    assert refused.value.code == "spec.signature"


def test_who_is_not_trusted_any_more_has_waived_nothing(state: Path, tmp_path: Path) -> None:
    waivers.install(state, waiver(tmp_path / "w", ANN), SHIPPED, NOW)
    assert distrust(state, "waivers", "dba.ann")
    with pytest.raises(SpecError):
        governing(None, state / "ledger.db")


def test_an_expired_key_signs_nothing_and_what_it_has_signed_holds_no_more(state: Path, tmp_path: Path) -> None:
    waivers.install(state, waiver(tmp_path / "w", ANN), SHIPPED, NOW)
    for not_after, words in (
        (4_000_000_000, ""),
        (NOW, "the key of dba.ann, who must sign it, expired at 2026-01-01T00:"),
    ):
        distrust(state, "waivers", "dba.ann")
        trust(state, "waivers", "dba.ann", ANN.public, not_after_unix=not_after)
        if not words:
            assert [each.id for each in governing(None, state / "ledger.db").waivers] == ["W_WIDE"]
            continue
        with pytest.raises(SpecError, match=words) as refused:
            governing(None, state / "ledger.db")
        assert refused.value.code == "spec.signature"
    (state / "trusted-keys" / "waivers" / "dba.ann.json").write_text("{}")
    with pytest.raises(KeyFileError):
        governing(None, state / "ledger.db")


def test_who_has_not_signed_is_named(state: Path, tmp_path: Path) -> None:
    both = waiver(tmp_path / "w", ANN, approvers="[dba.ann, owner.bob]")
    with pytest.raises(SpecError, match=r"owner\.bob, who must sign it, has not"):
        waivers.install(state, both, SHIPPED, NOW)


def test_one_key_is_not_two_people(state: Path) -> None:
    with pytest.raises(KeyFileError) as refused:
        trust(state, "waivers", "dba.carl", ANN.public)
    assert refused.value.code == "key.name"
    for name in ("", "../up", "Ann", "a" * 41, "a/b"):
        with pytest.raises(KeyFileError):
            trust(state, "waivers", name, EVE.public)
    assert set(trusted(state, "waivers")) == {"dba.ann", "owner.bob"}


def test_a_rule_of_the_specification_itself_can_be_waived_and_a_setting_by_all_tables() -> None:
    spec = with_rules({"assert": "false"})
    for tables, is_compliant in ((("*",), True), (("public.orders",), False)):
        waiver_of_all = Waiver("W", 1, "t.r0", ("shop",), tables, "as if it were installed", ("a",), 0, 2 * NOW)
        verdict = validate(strategy(setting("jit", "off")), replace(spec, waivers=(waiver_of_all,)), facts())
        assert verdict.compliant is is_compliant


def test_the_ledger_tells_of_waivers(state: Path, tmp_path: Path) -> None:
    path = state / "ledger.db"
    with pytest.raises(SpecError):
        waive(path, waiver(tmp_path / "e", EVE), None, NOW)
    waive(path, waiver(tmp_path / "w", ANN), None, NOW)
    assert unwaive(path, "W_WIDE")
    assert not unwaive(path, "W_WIDE")
    ledger = Ledger.open(path)
    notes = [entry.body["note"] for entry in ledger.entries(Kind.WAIVER_NOTED)]
    ledger.close()
    assert notes == ["refused", "in_force", "removed"]
    assert waivers.installed(state) == ()


def _revision(tmp_path: Path, number: int, **changed: str) -> Path:
    metadata = f'{{id: W_WIDE, revision: {number}, description: ""}}'
    return waiver(tmp_path / f"r{number}", ANN, metadata=metadata, **changed)


def _install(state: Path, path: Path) -> int:
    return waivers.install(state, path, SHIPPED, NOW).revision


def _rolled_back(state: Path, path: Path) -> None:
    before = waivers.installed(state)
    with pytest.raises(SpecError) as refused:
        _install(state, path)
    assert refused.value.code == "waiver.rollback"
    assert waivers.installed(state) == before


def test_an_older_one_or_another_of_the_same_revision_does_not_take_its_place(state: Path, tmp_path: Path) -> None:
    wide = {"scope": '{databases: ["*"], tables: ["*"]}'}
    assert [_install(state, _revision(tmp_path, number)) for number in (2, 2, 4)] == [2, 2, 4]
    _rolled_back(state, _revision(tmp_path, 2))
    _rolled_back(state, _revision(tmp_path, 3))
    _rolled_back(state, _revision(tmp_path, 4, **wide))
    assert _install(state, _revision(tmp_path, 5, **wide)) == 5
    assert [each.revision for each in waivers.installed(state)] == [5]


def test_what_was_removed_comes_back_as_a_later_revision_alone(state: Path, tmp_path: Path) -> None:
    _install(state, _revision(tmp_path, 3))
    assert waivers.remove(state, "W_WIDE")
    for number in (1, 3):
        _rolled_back(state, _revision(tmp_path, number))
    assert not waivers.remove(state, "W_WIDE")
    assert _install(state, _revision(tmp_path, 4)) == 4
    assert _install(state, _revision(tmp_path, 4)) == 4


def test_an_older_one_that_is_put_in_its_place_is_not_in_force(state: Path, tmp_path: Path) -> None:
    """It is signed by everyone whom it names; but it was replaced, or removed."""
    first, second = _revision(tmp_path, 1), _revision(tmp_path, 2)
    _install(state, first)
    _install(state, second)
    place = state / "waivers" / "W_WIDE.json"
    assert [each.revision for each in waivers.installed(state)] == [2]
    place.write_bytes(first.read_bytes())
    assert waivers.installed(state) == ()
    place.write_bytes(second.read_bytes())
    assert [each.revision for each in waivers.installed(state)] == [2]
    waivers.remove(state, "W_WIDE")
    place.write_bytes(second.read_bytes())
    assert waivers.installed(state) == ()


def test_a_file_that_becomes_another_while_it_is_verified_is_taken_as_it_was_read(
    state: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _install(state, _revision(tmp_path, 2))
    third, first = _revision(tmp_path, 3), _revision(tmp_path, 1).read_bytes()

    def swap(*given: Any) -> None:
        third.write_bytes(first)
        refuse_rollback(*given)

    monkeypatch.setattr("trimtab.lifecycle.waivers.refuse_rollback", swap)
    waivers.install(state, third, SHIPPED, NOW)
    monkeypatch.undo()
    assert [each.revision for each in waivers.installed(state)] == [3]


@pytest.mark.parametrize(
    "content", ["", "{}", "[]", '{"revision": 1}', '{"revision": "x", "digest": "", "is_removed": 0}']
)
def test_a_mark_that_cannot_be_read_lets_nothing_in_and_everything_out(
    state: Path, tmp_path: Path, content: str
) -> None:
    _install(state, _revision(tmp_path, 1))
    (state / "waiver-marks" / "W_WIDE.json").write_text(content)
    for _ in range(2):
        with pytest.raises(SpecError) as refused:
            _install(state, _revision(tmp_path, 2))
        assert refused.value.code == "waiver.mark"
        waivers.remove(state, "W_WIDE")
    assert waivers.installed(state) == ()


@pytest.mark.parametrize("content", [None, "", '{"revision": 1}'])
def test_without_its_mark_none_holds_and_by_the_ledger_none_comes_back_that_was_removed(
    state: Path, tmp_path: Path, content: str | None
) -> None:
    path, mark = state / "ledger.db", state / "waiver-marks" / "W_WIDE.json"
    first, second = _revision(tmp_path, 1), _revision(tmp_path, 2)
    waive(path, second, None, NOW)
    kept = mark.read_bytes()
    mark.unlink() if content is None else mark.write_text(content)
    assert waivers.installed(state) == ()
    mark.write_bytes(kept)
    assert [each.revision for each in waivers.installed(state)] == [2]
    assert waivers.remove(state, "W_WIDE")
    with Ledger.open(path, clock=lambda: NOW * 10**9) as ledger:  # as `unwaive` does, by this clock
        ledger.append(Kind.WAIVER_NOTED, {"note": "removed", "by": "me", "waiver_id": "W_WIDE"})
    mark.unlink()
    for each in (first, second):
        with pytest.raises(SpecError) as refused:
            waive(path, each, None, NOW)
        assert refused.value.code == "waiver.rollback"
    assert waive(path, _revision(tmp_path, 3), None, NOW).revision == 3


def test_what_the_ledger_could_not_tell_of_does_not_hold_and_can_be_taken_again(state: Path, tmp_path: Path) -> None:
    path = state / "ledger.db"
    path.write_text("no ledger")
    with pytest.raises(LedgerError):
        waive(path, waiver(tmp_path / "w", ANN), None, NOW)
    assert waivers.installed(state) == ()
    path.unlink()
    assert waive(path, waiver(tmp_path / "w", ANN), None, NOW).revision == 1


def test_a_spoilt_waiver_keeps_nobody_from_taking_back(state: Path, tmp_path: Path) -> None:
    waivers.install(state, waiver(tmp_path / "w", ANN), SHIPPED, NOW)
    (state / "waivers" / "W_WIDE.json").write_text("{}")
    with pytest.raises(SpecError):
        governing(None, state / "ledger.db")
    assert named(None, state / "ledger.db").digest == SHIPPED.digest
