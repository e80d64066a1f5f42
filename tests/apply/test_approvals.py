"""What people must approve is not applied without them: the right ones, of these changes, facts and rules, once."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from trimtab.apply.approvals import PURPOSE, message_of
from trimtab.apply.asking import request_body
from trimtab.apply.enforce import Enforcer
from trimtab.errors import HeldError, LedgerError, RefusedError, UnapprovedError, UsageError
from trimtab.ledger.entry import Entry, Kind
from trimtab.ledger.ledger import Ledger
from trimtab.ledger.required import Required
from trimtab.lifecycle import approving
from trimtab.lifecycle.approving import approval_document, find, signed, statement
from trimtab.model.approval import Approval, ApprovalRequest
from trimtab.model.change import Change, change_to_dict
from trimtab.model.strategy import Strategy
from trimtab.signing.keys import SigningKey
from trimtab.signing.locked import fingerprint
from trimtab.signing.signature import sign
from trimtab.spec.specification import Specification

from .shop import CREATE_INDEX, CREATE_STATISTICS, DROP_INDEX, Shop, quick_specification, strategy

pytestmark = pytest.mark.server

ANN, BOB, EVE = (SigningKey(bytes([n]) * 32, bytes([n + 9]) * 32) for n in (1, 2, 3))
HOUR_NS = 3600 * 10**9


def pin(name: str, key: SigningKey) -> str:
    return f"{name}={fingerprint(key.public)}"


PINNED = (pin("ann", ANN), pin("bob", BOB))


def specification(
    low: str = "one", high: str = "two", approvers: tuple[str, ...] | None = PINNED, **more: object
) -> Specification:
    found = quick_specification()
    changed = {"low": low, "medium": "one", "high": high, "approvers": approvers, **more}
    limits = found.limits.model_copy(update={"approvals": found.approvals.model_copy(update=changed)})
    return replace(found, limits=limits)


@dataclass
class Desk:
    """A shop whose specification wants approvals, and those who give them."""

    shop: Shop
    enforcer: Enforcer

    @property
    def now_ns(self) -> int:
        return self.enforcer.now_ns()

    def refused(self, *changes: Change, enforcer: Enforcer | None = None) -> str:
        """Apply, and return the code of the refusal; nothing is changed, and nothing intended."""
        before, intents = self.shop.picture(), self.shop.kinds().count("apply_intended")
        with pytest.raises(UnapprovedError) as refused:
            (enforcer or self.enforcer).apply(strategy(*changes))
        assert self.shop.picture() == before
        assert self.shop.kinds().count("apply_intended") == intents
        return refused.value.code

    def request(self, *changes: Change) -> ApprovalRequest:
        found = find(self.shop.ledger_path, strategy(*changes).id).request
        assert isinstance(found.strategy, Strategy)
        return found

    def approve(
        self,
        *changes: Change,
        name: str = "ann",
        key: SigningKey = ANN,
        hours: float = 1.0,
        change: Callable[[dict[str, object]], None] = lambda said: None,
    ) -> Approval:
        said = statement(self.request(*changes), name, hours=hours, now_ns=self.now_ns)
        change(said)
        approval = signed(said, key)
        self.add(approval)
        return approval

    def add(self, approval: Approval) -> None:
        self.enforcer.ledger.append(Kind.APPROVAL_GIVEN, approval_document(approval))


@pytest.fixture
def desk(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> Desk:
    monkeypatch.setenv("TRIMTAB_ACTOR", "agent")
    return Desk(shop, shop.enforcer(specification=specification()))


def test_what_nobody_has_approved_is_left_waiting_and_is_applied_once_it_is(desk: Desk) -> None:
    assert desk.refused(CREATE_INDEX) == "approval.needed"
    waits = find(desk.shop.ledger_path, strategy(CREATE_INDEX).id)
    assert (waits.state, waits.request.risk, waits.request.needed) == ("waiting", "low", 1)
    assert (waits.request.proposed_by, waits.request.inverses[0].kind) == ("agent", "drop_index")
    desk.approve(CREATE_INDEX)
    assert find(desk.shop.ledger_path, strategy(CREATE_INDEX).id).state == "approved"
    desk.enforcer.apply(strategy(CREATE_INDEX))
    assert desk.shop.standing() == [CREATE_INDEX]
    assert find(desk.shop.ledger_path, strategy(CREATE_INDEX).id).state == "applied"


def test_asking_twice_leaves_one_request(desk: Desk) -> None:
    for _ in range(2):
        desk.refused(CREATE_INDEX)
    assert desk.shop.kinds() == ["approval_requested"]


def test_who_only_wants_it_applied_has_not_proposed_it_and_may_still_approve_it(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    desk.refused(CREATE_INDEX)
    asked = desk.request(CREATE_INDEX)
    monkeypatch.setenv("TRIMTAB_ACTOR", "bob")
    desk.shop.run("ALTER TABLE orders ADD COLUMN meanwhile integer")  # so that it is asked for anew
    assert desk.refused(CREATE_INDEX, enforcer=replace(desk.enforcer, asked=asked)) == "approval.needed"
    anew = desk.request(CREATE_INDEX)
    assert (anew.id != asked.id, anew.proposed_by) == (True, "agent")
    desk.approve(CREATE_INDEX, name="bob", key=BOB)
    desk.enforcer.apply(strategy(CREATE_INDEX))
    assert desk.shop.standing() == [CREATE_INDEX]


def test_it_is_told_who_does_not_count_before_what_else_those_who_do_have_said(desk: Desk) -> None:
    desk.refused(DROP_INDEX)
    desk.approve(DROP_INDEX, name="eve", key=EVE)
    desk.approve(DROP_INDEX)
    desk.approve(DROP_INDEX)
    assert desk.refused(DROP_INDEX) == "approval.unknown_approver"


def test_a_high_risk_needs_two_people(desk: Desk) -> None:
    assert desk.refused(DROP_INDEX) == "approval.needed"
    desk.approve(DROP_INDEX)
    assert desk.refused(DROP_INDEX) == "approval.needed"
    desk.approve(DROP_INDEX)
    assert desk.refused(DROP_INDEX) == "approval.same_person"
    desk.approve(DROP_INDEX, name="bob", key=BOB)
    desk.enforcer.apply(strategy(DROP_INDEX))
    assert desk.shop.standing() == [DROP_INDEX]


def test_one_key_does_not_stand_for_two_people_even_if_it_is_pinned_twice(desk: Desk) -> None:
    twice = specification(approvers=(pin("ann", ANN), pin("eve", ANN)))
    enforcer = replace(desk.enforcer, specification=twice)
    desk.refused(DROP_INDEX, enforcer=enforcer)
    for name in ("ann", "eve"):
        desk.approve(DROP_INDEX, name=name)
    assert desk.refused(DROP_INDEX, enforcer=enforcer) == "approval.same_person"


def test_an_approval_is_used_once(desk: Desk) -> None:
    desk.refused(CREATE_INDEX)
    approval = desk.approve(CREATE_INDEX)
    (applied,) = desk.enforcer.apply(strategy(CREATE_INDEX))
    desk.enforcer.revert(applied)
    assert desk.refused(CREATE_INDEX) == "approval.used"
    desk.add(approval)
    assert desk.refused(CREATE_INDEX) == "approval.used"


def test_an_approval_is_spent_by_the_intent_and_by_none_that_was_refused(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    desk.refused(CREATE_INDEX)
    desk.approve(CREATE_INDEX)
    append = Ledger.append

    def full(
        ledger: Ledger,
        kind: Kind,
        body: Mapping[str, object],
        *,
        run_id: str | None = None,
        require: Required | None = None,
    ) -> Entry:
        if kind is Kind.APPLY_INTENDED:
            raise LedgerError("no room", code="ledger.unwritable", next_step="")
        return append(ledger, kind, body, run_id=run_id, require=require)

    with monkeypatch.context() as broken:
        broken.setattr(Ledger, "append", full)
        with pytest.raises(LedgerError):
            desk.enforcer.apply(strategy(CREATE_INDEX))
    desk.enforcer.apply(strategy(CREATE_INDEX))
    (intent,) = desk.enforcer.ledger.entries(Kind.APPLY_INTENDED)
    assert len(str(intent.body["attempt"])) == 32
    assert isinstance(intent.body["approvals"], list)
    assert len(intent.body["approvals"]) == 1


def test_one_approval_carries_all_changes_of_a_strategy(desk: Desk) -> None:
    both = (CREATE_INDEX, CREATE_STATISTICS)
    desk.refused(*both)
    desk.approve(*both)
    desk.enforcer.apply(strategy(*both))
    assert desk.shop.standing() == list(both)


def test_taking_back_needs_nobody(desk: Desk) -> None:
    desk.refused(CREATE_INDEX)
    desk.approve(CREATE_INDEX)
    before = desk.shop.picture()
    (applied,) = desk.enforcer.apply(strategy(CREATE_INDEX))
    desk.enforcer.revert(applied)
    assert desk.shop.picture() == before


def _set(key: str, value: object) -> Callable[[dict[str, object]], None]:
    return lambda said: said.update({key: value})


@pytest.mark.parametrize(
    ("change", "code"),
    [
        (_set("changes", ["0" * 64]), "approval.drifted"),
        (_set("strategy_id", "s-0000000000"), "approval.needed"),
        (_set("spec_digest", "0" * 64), "approval.drifted"),
        (_set("facts_digest", "0" * 64), "approval.drifted"),
        (_set("table_bytes", {"public.orders": "8192"}), "approval.drifted"),
        (_set("table_bytes", {}), "approval.drifted"),
        (_set("database", {"system_identifier": "1", "database": "x", "database_oid": 1}), "approval.drifted"),
        (_set("expires_ns", "1"), "approval.expired"),
        (_set("issued_ns", str(2**62)), "approval.expired"),
        (_set("nonce", "short"), "approval.invalid"),
        (_set("format", "trimtab.approval/v2"), "approval.invalid"),
        (_set("expires_ns", "soon"), "approval.invalid"),
        (_set("approver", "eve"), "approval.unknown_approver"),
        (_set("proposed_by", "ann"), "approval.own"),
        (_set("request_digest", "0" * 64), "approval.drifted"),
        (_set("request_entry", "0" * 64), "approval.drifted"),
        (_set("request_id", "q-0000000000"), "approval.drifted"),
    ],
)
def test_an_approval_of_something_else_counts_for_nothing(
    desk: Desk, change: Callable[[dict[str, object]], None], code: str
) -> None:
    desk.refused(CREATE_INDEX)
    desk.approve(CREATE_INDEX, change=change)
    assert desk.refused(CREATE_INDEX) == code


def test_an_approval_with_a_key_that_is_not_pinned_counts_for_nothing(desk: Desk) -> None:
    desk.refused(CREATE_INDEX)
    desk.approve(CREATE_INDEX, key=EVE)
    assert desk.refused(CREATE_INDEX) == "approval.unknown_approver"


def test_a_key_that_has_expired_by_the_specification_counts_for_nothing(desk: Desk) -> None:
    ends = {"past": "2026-01-01T00:00:00Z", "future": "2999-01-01T00:00:00Z"}
    for when, code in (("past", "approval.unknown_approver"), ("future", "")):
        rules = specification(approvers=(f"{pin('ann', ANN)} until {ends[when]}",))
        enforcer = replace(desk.enforcer, specification=rules)
        desk.refused(CREATE_INDEX, enforcer=enforcer)
        desk.approve(CREATE_INDEX)
        if code:
            assert desk.refused(CREATE_INDEX, enforcer=enforcer) == code
            continue
        enforcer.apply(strategy(CREATE_INDEX))
        assert desk.shop.standing() == [CREATE_INDEX]


def test_what_counts_is_told_as_it_will_be_counted(desk: Desk) -> None:
    def told(specification: Specification | None = None) -> tuple[tuple[str, ...], str]:
        found = find(desk.shop.ledger_path, strategy(DROP_INDEX).id, specification)
        return found.approved_by, found.state

    desk.refused(DROP_INDEX)
    desk.approve(DROP_INDEX, key=EVE)
    assert told() == (("ann",), "waiting")
    assert told(desk.enforcer.specification) == ((), "waiting")
    desk.approve(DROP_INDEX)
    desk.approve(DROP_INDEX, name="bob", key=ANN)
    desk.approve(DROP_INDEX, name="bob", key=BOB, change=_set("request_digest", "0" * 64))
    desk.approve(DROP_INDEX, name="bob", key=BOB, change=_set("proposed_by", "bob"))
    assert told(desk.enforcer.specification) == (("ann",), "waiting")
    assert desk.refused(DROP_INDEX)
    desk.approve(DROP_INDEX, name="bob", key=BOB)
    assert told(desk.enforcer.specification) == (("ann", "bob"), "approved")
    desk.enforcer.apply(strategy(DROP_INDEX))


def test_what_somebody_else_asks_for_again_keeps_its_approvals_and_they_are_told(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    desk.refused(DROP_INDEX)
    first = desk.request(DROP_INDEX).id
    desk.approve(DROP_INDEX)
    monkeypatch.setenv("TRIMTAB_ACTOR", "robot")
    desk.refused(DROP_INDEX)
    waits = find(desk.shop.ledger_path, strategy(DROP_INDEX).id)
    assert (waits.request.id != first, waits.approved_by) == (True, ("ann",))
    desk.approve(DROP_INDEX, name="bob", key=BOB)
    assert find(desk.shop.ledger_path, strategy(DROP_INDEX).id).state == "approved"
    desk.enforcer.apply(strategy(DROP_INDEX))
    assert find(desk.shop.ledger_path, strategy(DROP_INDEX).id).state == "applied"


def test_a_forged_or_altered_approval_counts_for_nothing(desk: Desk) -> None:
    desk.refused(CREATE_INDEX)
    good = signed(statement(desk.request(CREATE_INDEX), "ann", hours=1.0, now_ns=desk.now_ns), ANN)
    other = sign(message_of(good.statement), ANN, purpose="ledger-checkpoint/v1")
    forged: list[Approval] = [
        replace(good, signatures=tuple(sign(message_of(good.statement), EVE, purpose=PURPOSE))),
        replace(good, statement={**good.statement, "nonce": "f" * 64}),
        replace(good, signatures=good.signatures[:1]),
        replace(good, signatures=tuple(other)),
    ]
    for approval in forged:
        desk.add(approval)
        assert desk.refused(CREATE_INDEX) == "approval.invalid"
    mixed: Mapping[str, str] = {**ANN.public.to_dict(), "ed25519": EVE.public.to_dict()["ed25519"]}
    desk.add(replace(good, public_key=mixed))
    assert desk.refused(CREATE_INDEX) == "approval.invalid"


def test_what_was_shown_is_what_is_approved(desk: Desk) -> None:
    desk.refused(CREATE_INDEX)
    shown = replace(desk.request(CREATE_INDEX), trial={"decision": "accepted", "before_ms": 9.0, "after_ms": 1.0})
    desk.add(signed(statement(shown, "ann", hours=1.0, now_ns=desk.now_ns), ANN))
    assert desk.refused(CREATE_INDEX) == "approval.drifted"


def test_an_approval_of_one_ledger_counts_for_nothing_in_another(desk: Desk, tmp_path: Path) -> None:
    desk.refused(CREATE_INDEX)
    approval = desk.approve(CREATE_INDEX)
    body = request_body(desk.request(CREATE_INDEX))
    with Ledger.open(tmp_path / "another.db") as other:
        other.append(Kind.APPROVAL_REQUESTED, body)
        other.append(Kind.APPROVAL_GIVEN, approval_document(approval))
        assert desk.refused(CREATE_INDEX, enforcer=replace(desk.enforcer, ledger=other)) == "approval.drifted"
    desk.enforcer.apply(strategy(CREATE_INDEX))


def test_a_request_that_hides_a_change_is_refused_and_stops_no_other(desk: Desk) -> None:
    desk.refused(CREATE_INDEX)
    both = (CREATE_INDEX, CREATE_STATISTICS)
    body = request_body(desk.request(CREATE_INDEX))
    changes = [change_to_dict(change) for change in both]
    hiding = {**body, "request_id": "q-hidden", "strategy_id": strategy(*both).id, "changes": changes}
    desk.enforcer.ledger.append(Kind.APPROVAL_REQUESTED, hiding)
    for name in ("q-hidden", strategy(*both).id):
        with pytest.raises(LedgerError) as refused:
            find(desk.shop.ledger_path, name)
        assert refused.value.code == "ledger.layout"
    assert desk.refused(*both) == "approval.needed"
    assert len(desk.request(*both).inverses) == 2
    desk.approve(CREATE_INDEX)
    desk.enforcer.apply(strategy(CREATE_INDEX))
    assert desk.shop.standing() == [CREATE_INDEX]


def test_what_the_rules_said_is_in_the_request(desk: Desk) -> None:
    desk.refused(CREATE_INDEX)
    assert desk.request(CREATE_INDEX).verdict == {"compliant": True, "warnings": [], "waived": []}


def test_facts_that_drift_void_it_for_good_once_that_was_seen(desk: Desk) -> None:
    desk.refused(CREATE_INDEX)
    approval = desk.approve(CREATE_INDEX)
    desk.shop.run("CREATE INDEX orders_somebody ON orders (note)")
    assert desk.refused(CREATE_INDEX) == "approval.drifted"
    desk.shop.run("DROP INDEX orders_somebody")
    assert desk.refused(CREATE_INDEX) == "approval.drifted"
    desk.add(approval)
    assert desk.refused(CREATE_INDEX) == "approval.drifted"
    assert desk.request(CREATE_INDEX).id != approval.statement["request_id"]
    desk.approve(CREATE_INDEX)
    desk.enforcer.apply(strategy(CREATE_INDEX))


def test_what_was_asked_for_by_other_rules_or_for_another_database_voids_nothing(desk: Desk) -> None:
    desk.refused(CREATE_INDEX)
    desk.approve(CREATE_INDEX)
    other = replace(desk.enforcer, specification=specification(max_age_hours=23.0))
    desk.shop.run("CREATE INDEX orders_somebody ON orders (note)")
    assert desk.refused(CREATE_INDEX, enforcer=other) == "approval.drifted"
    desk.shop.run("DROP INDEX orders_somebody")
    desk.enforcer.apply(strategy(CREATE_INDEX))


def test_another_specification_voids_it(desk: Desk) -> None:
    desk.refused(CREATE_INDEX)
    desk.approve(CREATE_INDEX)
    enforcer = replace(desk.enforcer, specification=specification(max_age_hours=23.0))
    assert desk.refused(CREATE_INDEX, enforcer=enforcer) == "approval.drifted"


def test_it_expires_by_its_own_word_and_by_the_specifications(desk: Desk) -> None:
    desk.refused(CREATE_INDEX)
    desk.approve(CREATE_INDEX, hours=1.0)
    now_ns = desk.now_ns
    later = replace(desk.enforcer, now_ns=lambda: now_ns + 2 * HOUR_NS)
    assert desk.refused(CREATE_INDEX, enforcer=later) == "approval.expired"
    brief = replace(later, specification=specification(max_age_hours=1.5))
    desk.refused(CREATE_INDEX, enforcer=brief)
    desk.approve(CREATE_INDEX, hours=24.0)
    assert desk.refused(CREATE_INDEX, enforcer=brief) == "approval.expired"


def test_a_clock_that_is_set_back_revives_none(desk: Desk) -> None:
    """The ledger has seen a later moment: what had ended by then stays ended."""
    desk.refused(CREATE_INDEX)
    desk.approve(CREATE_INDEX, hours=1.0)
    now_ns = desk.now_ns
    with Ledger.open(desk.shop.ledger_path, clock=lambda: now_ns + 2 * HOUR_NS) as ledger:
        ledger.append(Kind.RUN_FAILED, {"code": "none"})
    with pytest.raises(UnapprovedError) as refused:
        desk.enforcer.apply(strategy(CREATE_INDEX))
    assert refused.value.code == "approval.expired"
    assert "the ledger's last entry, which is 2 hours ahead of this machine's clock" in str(refused.value)
    desk.approve(CREATE_INDEX, hours=3.0)
    desk.enforcer.apply(strategy(CREATE_INDEX))


def test_one_that_a_clock_ahead_has_signed_does_not_hold_yet(desk: Desk) -> None:
    desk.refused(CREATE_INDEX)
    ahead_ns = desk.now_ns + HOUR_NS
    times = {"issued_ns": str(ahead_ns), "expires_ns": str(ahead_ns + HOUR_NS)}
    desk.approve(CREATE_INDEX, change=lambda said: said.update(times))
    assert desk.refused(CREATE_INDEX) == "approval.expired"


def test_what_was_applied_before_it_was_asked_for_again_is_not_taken_for_it(desk: Desk) -> None:
    """All of these entries bear one time, since the last one before them is ahead."""
    now_ns = desk.now_ns
    with Ledger.open(desk.shop.ledger_path, clock=lambda: now_ns + HOUR_NS // 2) as ledger:
        ledger.append(Kind.RUN_FAILED, {"code": "none"})
    desk.refused(CREATE_INDEX)
    desk.approve(CREATE_INDEX, hours=2.0)
    [applied] = desk.enforcer.apply(strategy(CREATE_INDEX))
    assert find(desk.shop.ledger_path, strategy(CREATE_INDEX).id).state == "applied"
    desk.enforcer.revert(applied)
    desk.shop.run("ALTER TABLE orders ADD COLUMN more int")  # other facts: it is another request
    desk.refused(CREATE_INDEX)
    assert find(desk.shop.ledger_path, strategy(CREATE_INDEX).id).state == "waiting"


def test_what_was_applied_by_us_beside_it_is_no_drift(desk: Desk) -> None:
    for change in (CREATE_INDEX, CREATE_STATISTICS):
        desk.refused(change)
        desk.approve(change)
    desk.enforcer.apply(strategy(CREATE_INDEX))
    desk.enforcer.apply(strategy(CREATE_STATISTICS))
    assert desk.shop.standing() == [CREATE_INDEX, CREATE_STATISTICS]


def test_nobody_approves_what_they_proposed(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TRIMTAB_ACTOR", "ann")
    desk = Desk(shop, shop.enforcer(specification=specification()))
    desk.refused(CREATE_INDEX)
    with pytest.raises(RefusedError) as refused:
        statement(desk.request(CREATE_INDEX), "ann", hours=1.0, now_ns=desk.now_ns)
    assert refused.value.code == "approval.own"
    said = {**statement(desk.request(CREATE_INDEX), "bob", hours=1.0, now_ns=desk.now_ns), "approver": "ann"}
    desk.add(signed({**said, "proposed_by": "somebody"}, ANN))
    assert desk.refused(CREATE_INDEX) == "approval.own"
    desk.approve(CREATE_INDEX, name="bob", key=BOB)
    desk.enforcer.apply(strategy(CREATE_INDEX))


def test_a_rejection_voids_what_was_given(desk: Desk) -> None:
    desk.refused(CREATE_INDEX)
    desk.approve(CREATE_INDEX)
    rejected = approving.reject(desk.shop.ledger_path, strategy(CREATE_INDEX).id, "not now")
    assert rejected.state == "rejected"
    assert desk.refused(CREATE_INDEX) == "approval.needed"


def test_a_specification_that_names_nobody_lets_nothing_pass(desk: Desk) -> None:
    enforcer = replace(desk.enforcer, specification=specification(approvers=None))
    desk.refused(CREATE_INDEX, enforcer=enforcer)
    desk.approve(CREATE_INDEX)
    assert desk.refused(CREATE_INDEX, enforcer=enforcer) == "approval.unpinned"


def test_an_approval_does_not_open_what_else_is_shut(desk: Desk, tmp_path: Path) -> None:
    from trimtab.apply.switch import Freeze, KillSwitch

    desk.refused(CREATE_INDEX)
    desk.approve(CREATE_INDEX)
    KillSwitch(tmp_path).freeze(Freeze(None, "", "ann", 1))
    with pytest.raises(HeldError):
        desk.enforcer.apply(strategy(CREATE_INDEX))
    KillSwitch(tmp_path).thaw(None)
    desk.enforcer.apply(strategy(CREATE_INDEX))  # it was not spent


def test_where_nothing_is_required_nothing_is_asked(shop: Shop) -> None:
    shop.enforcer().apply(strategy(DROP_INDEX))
    assert "approval_requested" not in shop.kinds()


def test_it_holds_for_a_day_at_most(desk: Desk) -> None:
    desk.refused(CREATE_INDEX)
    for hours in (0.0, 24.1, -1.0):
        with pytest.raises(UsageError) as refused:
            statement(desk.request(CREATE_INDEX), "ann", hours=hours, now_ns=1)
        assert refused.value.code == "approval.hours"
