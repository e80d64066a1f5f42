"""Locks on a real server: each kind of flip is locked, seen to hold, and taken back; what does not hold is gone."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import pytest

from trimtab.anchor.lease import DAY_NS, Lease, LeaseState
from trimtab.apply.statistics_files import DIRECTORY
from trimtab.errors import ApplyError, LedgerError, RefusedError, TrimtabError, UnapprovedError, UsageError
from trimtab.ledger.entry import Entry, Kind
from trimtab.ledger.ledger import Ledger
from trimtab.ledger.pending import applied_changes, pending
from trimtab.ledger.required import Required
from trimtab.lifecycle import recover as recovery
from trimtab.lifecycle.approving import find, record, signed, statement
from trimtab.lifecycle.lock_look import looked_at
from trimtab.lifecycle.lock_trial import trying_in_lab
from trimtab.lifecycle.locking import (
    Tried,
    TryWithout,
    known_leases,
    lock,
    refuse_unleased,
    release,
    review,
    verify,
)
from trimtab.lifecycle.recover import resume, revert
from trimtab.model.applied import Applied
from trimtab.model.change import SetSetting
from trimtab.model.workload import Query
from trimtab.signing.keys import SigningKey
from trimtab.signing.locked import fingerprint

from .lockable import BY_CUSTOMER, BY_RANGE, FLIPS, Lockable

pytestmark = pytest.mark.server

# A function's plan is seen from within the function alone: test_lock_truth.py looks there.
SEEN_FROM_OUTSIDE = [name for name in FLIPS if name != "setting of a function"]
DATABASE = FLIPS["setting of the database"]
INDEX = FLIPS["index"]


@pytest.mark.parametrize("name", SEEN_FROM_OUTSIDE)
def test_each_kind_of_flip_is_locked_and_released(place: Lockable, name: str) -> None:
    flip = FLIPS[name]
    anchored, lease = flip.flip_and_lock(place)
    assert lease.state is LeaseState.VERIFIED, lease.reason
    assert flip.shape(place) == anchored
    gone = release(place.dsn, place.ledger_path, lease.id, "enough")
    assert gone.state is LeaseState.RELEASED
    assert flip.shape(place) != anchored
    with Ledger.open(place.ledger_path) as ledger:
        assert pending(ledger.entries()).is_empty
        assert applied_changes(ledger.entries()) == ()


@pytest.mark.parametrize("name", SEEN_FROM_OUTSIDE)
def test_each_kind_of_lock_waits_for_people_where_they_are_wanted_and_is_set_once_they_agree(
    place: Lockable, tmp_path: Path, name: str
) -> None:
    flip, ann = FLIPS[name], SigningKey(b"a" * 32, b"b" * 32)
    anchored, changes = flip.shape(place), flip.changes(place)
    place.run(*(statement.format(database=place.database) for statement in flip.flipping))
    request = replace(flip.request(place, anchored, changes), spec=_wanting(tmp_path, ann))
    with pytest.raises(UnapprovedError) as refused:
        lock(request)
    assert refused.value.code == "approval.needed"
    waits = find(place.ledger_path, known_leases(place.ledger_path)[0].strategy_id).request
    assert [inverse.sql() != "" for inverse in waits.inverses] == [True] * len(changes)
    with pytest.raises(RefusedError, match="lock of a plan"):
        refuse_unleased(waits)
    review(place.dsn, place.ledger_path, {}, _answer(None), clock=lambda: time.time_ns() + 3 * DAY_NS)
    said = statement(waits, "ann", hours=1.0, now_ns=time.time_ns())
    record(place.ledger_path, signed(said, ann))
    lease = lock(request)
    assert (lease.state, flip.shape(place)) == (LeaseState.VERIFIED, anchored)
    release(place.dsn, place.ledger_path, lease.id, "enough", spec=request.spec)
    assert flip.shape(place) != anchored


def _wanting(directory: Path, key: SigningKey) -> Path:
    approvers = json.dumps([f"ann={fingerprint(key.public)}"])
    path = directory / "wanting.yaml"
    path.write_text(
        "apiVersion: trimtab.dev/v1\nkind: OptimizationSpec\n"
        "metadata: {id: WANTING, revision: 1, description: Nothing without ann.}\n"
        "extends: [DATABASE_OPTIMIZATION_SPEC_V4]\n"
        f"spec:\n  approvals: {{low: one, medium: one, high: one, approvers: {approvers}}}\n",
        "utf-8",
    )
    return path


def test_what_does_not_bring_the_plan_back_is_taken_back_at_once(place: Lockable) -> None:
    flip = INDEX
    anchored = flip.shape(place)
    place.run("DROP INDEX orders_customer")
    lost = flip.shape(place)
    wrong = (SetSetting("database", place.database, "random_page_cost", "4"),)
    lease = lock(flip.request(place, anchored, wrong))
    assert lease.state is LeaseState.NOT_HELD
    assert lost in lease.reason
    assert flip.shape(place) == lost
    assert place.kinds().count("revert_done") == 1
    with Ledger.open(place.ledger_path) as ledger:
        assert pending(ledger.entries()).is_empty


def test_a_lock_that_the_specification_forbids_is_not_set(place: Lockable) -> None:
    with pytest.raises(RefusedError) as refused:
        lock(DATABASE.request(place, "x", (SetSetting("database", place.database, "enable_seqscan", "off"),)))
    assert refused.value.code == "apply.specification"
    assert "apply_intended" not in place.kinds()
    (lease,) = known_leases(place.ledger_path)
    assert lease.state is LeaseState.NOT_HELD


def test_a_query_that_cannot_be_planned_leaves_no_lock(place: Lockable) -> None:
    before = DATABASE.shape(place)
    broken = replace(DATABASE.query, text="SELECT nothing FROM nowhere")
    request = DATABASE.request(place, before, (SetSetting("database", place.database, "random_page_cost", "2"),))
    with pytest.raises(TrimtabError):
        lock(replace(request, query=broken))
    assert known_leases(place.ledger_path)[0].state is LeaseState.NOT_HELD
    with Ledger.open(place.ledger_path) as ledger:
        assert applied_changes(ledger.entries()) == ()
        assert pending(ledger.entries()).is_empty


def test_the_same_lock_is_not_set_twice(place: Lockable) -> None:
    anchored, lease = DATABASE.flip_and_lock(place)
    with pytest.raises(RefusedError) as refused:
        lock(DATABASE.request(place, anchored, DATABASE.changes(place)))
    assert (refused.value.code, lease.id in str(refused.value)) == ("lock.held", True)


def test_a_lock_that_somebody_undid_is_seen_as_such_and_makes_way_for_a_new_one(place: Lockable) -> None:
    anchored, lease = INDEX.flip_and_lock(place)
    [seen] = looked_at(place.dsn, place.ledger_path, now_ns=time.time_ns())
    assert (seen.state, seen.seen_ns > lease.created_ns) == (LeaseState.VERIFIED, True)
    place.run("DROP INDEX trimtab_orders_customer")
    [known] = known_leases(place.ledger_path)
    assert known.state is LeaseState.VERIFIED, "the ledger alone does not know; it tells when it was seen"
    [seen] = looked_at(place.dsn, place.ledger_path, now_ns=time.time_ns())
    assert seen.state is LeaseState.UNDONE
    assert "trimtab_orders_customer" in seen.reason
    again = lock(INDEX.request(place, anchored, INDEX.changes(place)))
    assert (again.state, again.flips) == (LeaseState.VERIFIED, 2)
    first, second = known_leases(place.ledger_path)
    assert (first.state, second.id) == (LeaseState.RELEASED, again.id)
    assert again.id in first.reason


def test_after_two_flips_within_a_day_it_stops_and_asks(place: Lockable) -> None:
    anchored, lease = DATABASE.flip_and_lock(place)
    release(place.dsn, place.ledger_path, lease.id, "a try")
    request = DATABASE.request(place, anchored, DATABASE.changes(place))
    entries = place.kinds()
    with pytest.raises(RefusedError) as refused:
        lock(request)
    assert refused.value.code == "lock.frozen"
    assert place.kinds() == [*entries, "lease_noted"]
    assert [known.state for known in known_leases(place.ledger_path)] == [LeaseState.RELEASED, LeaseState.FROZEN]
    again = lock(replace(request, is_confirmed=True))
    assert (again.state, again.flips) == (LeaseState.VERIFIED, 1)


def test_a_day_later_the_plan_may_be_flipped_again(place: Lockable) -> None:
    anchored, lease = DATABASE.flip_and_lock(place)
    release(place.dsn, place.ledger_path, lease.id, "a try")
    (known,) = known_leases(place.ledger_path)
    tomorrow = known.created_ns + DAY_NS + 3_600 * 10**9
    again = lock(DATABASE.request(place, anchored, DATABASE.changes(place)), clock=lambda: tomorrow)
    assert again.state is LeaseState.VERIFIED


def test_a_lock_that_does_not_hold_any_more_is_told(place: Lockable) -> None:
    anchored, lease = INDEX.flip_and_lock(place)
    assert verify(place.dsn, place.ledger_path, lease.id, BY_CUSTOMER).state is LeaseState.VERIFIED
    place.run("UPDATE orders SET customer = 17", "ANALYZE orders")
    seen = verify(place.dsn, place.ledger_path, lease.id, BY_CUSTOMER)
    assert seen.state is LeaseState.BROKEN
    assert anchored in seen.reason
    with pytest.raises(UsageError) as refused:
        verify(place.dsn, place.ledger_path, lease.id, BY_RANGE)
    assert refused.value.code == "lock.another_query"


@pytest.mark.parametrize(("lease_id", "code"), [("l-nothing", "lock.unknown"), ("released", "lock.not_active")])
def test_a_lease_that_does_not_stand_is_neither_verified_nor_released(
    place: Lockable, lease_id: str, code: str
) -> None:
    _, lease = DATABASE.flip_and_lock(place)
    release(place.dsn, place.ledger_path, lease.id, "enough")
    named = lease.id if lease_id == "released" else lease_id
    with pytest.raises(UsageError) as refused:
        release(place.dsn, place.ledger_path, named, "again")
    assert refused.value.code == code
    with pytest.raises(UsageError) as refused:
        verify(place.dsn, place.ledger_path, named, BY_RANGE)
    assert refused.value.code == code


def test_what_a_revert_has_taken_back_is_no_lease_any_more(place: Lockable) -> None:
    _, lease = DATABASE.flip_and_lock(place)
    revert(place.dsn, place.ledger_path, None, lease.strategy_id)
    assert known_leases(place.ledger_path)[0].state is LeaseState.GONE


def _late(lease: Lease) -> int:
    return lease.expires_ns + 1


def _answer(is_as_good: bool | None) -> TryWithout:
    def tried(_lease: Lease, _query: Query, _applied: tuple[Applied, ...]) -> Tried:
        return Tried(is_as_good, "as told")

    return tried


@pytest.mark.parametrize(
    ("is_as_good", "state"), [(True, LeaseState.RETIRED), (False, LeaseState.VERIFIED), (None, LeaseState.VERIFIED)]
)
def test_an_expired_lease_is_retired_when_the_planner_does_as_well_and_renewed_when_not(
    place: Lockable, is_as_good: bool | None, state: LeaseState
) -> None:
    anchored, lease = DATABASE.flip_and_lock(place)
    late = _late(lease)
    (seen,) = review(
        place.dsn,
        place.ledger_path,
        {BY_RANGE.id: BY_RANGE},
        _answer(is_as_good),
        clock=lambda: late,
    )
    assert seen.state is state
    assert (DATABASE.shape(place) == anchored) is (state is LeaseState.VERIFIED)
    assert (seen.expires_ns > late) is (state is LeaseState.VERIFIED)


def test_an_expired_lease_is_not_retired_in_a_day_that_has_seen_two_flips(place: Lockable) -> None:
    anchored, first = DATABASE.flip_and_lock(place)
    release(place.dsn, place.ledger_path, first.id, "a try")
    again = replace(DATABASE.request(place, anchored, DATABASE.changes(place)), is_confirmed=True, ttl_days=0.0)
    second = lock(again)
    release(place.dsn, place.ledger_path, second.id, "a try")
    third = lock(replace(again, changes=DATABASE.changes(place)))
    assert third.flips == 1
    with Ledger.open(place.ledger_path) as ledger:  # another flip of the same plan, within this day
        last = [entry for entry in ledger.entries(Kind.LEASE_NOTED) if entry.text("note") == "enforced"][-1]
        ledger.append(Kind.LEASE_NOTED, last.body)
    (seen,) = review(place.dsn, place.ledger_path, {BY_RANGE.id: BY_RANGE}, _answer(True))
    assert seen.is_active
    assert "flipped 2 times" in seen.reason
    assert DATABASE.shape(place) == anchored


def test_a_lease_that_has_not_run_out_is_looked_at_and_one_whose_query_is_not_given_is_not(place: Lockable) -> None:
    DATABASE.flip_and_lock(place)
    assert review(place.dsn, place.ledger_path, {}, _answer(True)) == []
    (seen,) = review(place.dsn, place.ledger_path, {BY_RANGE.id: BY_RANGE}, _answer(True))
    assert (seen.state, DATABASE.shape(place)) == (LeaseState.VERIFIED, seen.expected.plan_shape)


@pytest.mark.slow
def test_in_the_lab_an_index_that_is_needed_is_renewed_and_one_that_is_not_is_retired(place: Lockable) -> None:
    anchored, lease = INDEX.flip_and_lock(place)
    late = _late(lease)
    with trying_in_lab(place.dsn) as in_lab:
        (seen,) = review(place.dsn, place.ledger_path, {BY_CUSTOMER.id: BY_CUSTOMER}, in_lab, clock=lambda: late)
    assert (seen.state, INDEX.shape(place)) == (LeaseState.VERIFIED, anchored)
    assert seen.expires_ns > late
    place.run("CREATE INDEX orders_customer ON orders (customer)")
    later = _late(seen)
    with trying_in_lab(place.dsn) as in_lab:
        (seen,) = review(place.dsn, place.ledger_path, {BY_CUSTOMER.id: BY_CUSTOMER}, in_lab, clock=lambda: later)
    assert (seen.state, INDEX.shape(place)) == (LeaseState.RETIRED, anchored), seen.reason


class _Mortal(Ledger):
    """A ledger that cannot be written any more when a note of one kind is due."""

    dies_at: str

    def append(
        self,
        kind: Kind,
        body: Mapping[str, object],
        *,
        run_id: str | None = None,
        require: Required | None = None,
    ) -> Entry:
        if self.dies_at in (kind.value, body.get("note")):
            raise LedgerError("no", code="ledger.unwritable")
        return super().append(kind, body, run_id=run_id, require=require)


@pytest.mark.parametrize(
    ("moment", "is_locked"),
    [("proposed", False), ("apply_intended", False), ("apply_done", False), ("enforced", False),
     ("strategy_settled", False), ("verified", True)],
)  # fmt: skip
def test_wherever_a_lock_breaks_off_the_next_start_leaves_all_or_nothing(
    place: Lockable, monkeypatch: pytest.MonkeyPatch, moment: str, is_locked: bool
) -> None:
    anchored = DATABASE.shape(place)
    place.run(f'ALTER DATABASE "{place.database}" SET random_page_cost = 40')
    lost = DATABASE.shape(place)
    with monkeypatch.context() as patch:
        patch.setattr(_Mortal, "dies_at", moment, raising=False)
        patch.setattr(recovery, "Ledger", _Mortal)
        with pytest.raises((LedgerError, ApplyError)):
            lock(DATABASE.request(place, anchored, DATABASE.changes(place)))
    resume(place.dsn, place.ledger_path, None)
    assert DATABASE.shape(place) == (anchored if is_locked else lost)
    states = [lease.state for lease in known_leases(place.ledger_path)]
    assert states in ([], [LeaseState.PROPOSED], [LeaseState.GONE], [LeaseState.ENFORCED])
    assert (states == [LeaseState.ENFORCED]) is is_locked
    with Ledger.open(place.ledger_path) as ledger:
        assert pending(ledger.entries()).is_empty


def test_files_of_statistics_go_a_day_after_nothing_needs_them(place: Lockable) -> None:
    _, lease = FLIPS["restored statistics"].flip_and_lock(place)
    directory = place.ledger_path.parent / DIRECTORY
    review(place.dsn, place.ledger_path, {}, _answer(True), clock=lambda: lease.expires_ns)
    assert len(list(directory.iterdir())) == 2
    release(place.dsn, place.ledger_path, lease.id, "enough")
    assert len(list(directory.iterdir())) == 2
    review(place.dsn, place.ledger_path, {}, _answer(True), clock=lambda: lease.expires_ns)
    assert list(directory.iterdir()) == []
