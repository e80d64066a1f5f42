"""A lease's state follows from the ledger and the clock alone, and so does how often a plan was flipped."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trimtab.anchor.lease import (
    ACTIVE,
    DAY_NS,
    MOST_FLIPS,
    Expected,
    Lease,
    LeaseState,
    Note,
    due,
    flips,
    lease_body,
    leases,
)
from trimtab.errors import LedgerError
from trimtab.ledger.entry import GENESIS, Entry, Kind
from trimtab.ledger.ledger import Ledger
from trimtab.model.change import SetSetting, change_to_dict

DATABASE = {"system_identifier": "7", "database": "shop", "database_oid": 5}
OTHER = {**DATABASE, "database_oid": 6}
CHANGE = change_to_dict(SetSetting("database", "shop", "work_mem", "8MB"))


def _lease(name: str = "l-1", query: str = "q1", expires_ns: int = 14 * DAY_NS) -> Lease:
    names = {"trimtab_i": "i"}
    expected = Expected("ab" * 8, "custom", names)
    return Lease(name, query, "a-1", expected, "s-1", "setting", "app", 0, expires_ns, 0, LeaseState.PROPOSED)


class Story:
    """Entries, one after another."""

    def __init__(self) -> None:
        self.entries: list[Entry] = []

    def _add(self, kind: Kind, body: dict[str, object], at_ns: int) -> Story:
        seq = len(self.entries) + 1
        self.entries.append(Entry(seq, at_ns, kind, "k-1", body, GENESIS, GENESIS))  # type: ignore[arg-type]
        return self

    def note(self, note: Note, at_ns: int = 0, lease: Lease | None = None, on: dict[str, object] = DATABASE) -> Story:
        return self._add(Kind.LEASE_NOTED, lease_body(lease or _lease(), note, on, f"because {note.value}"), at_ns)

    def applied(self, intent: str = "i-1") -> Story:
        body: dict[str, object] = {
            "intent_id": intent,
            "strategy_id": "s-1",
            "database": DATABASE,
            "change": CHANGE,
            "inverse": CHANGE,
        }
        return self._add(Kind.APPLY_INTENDED, body, 0)._add(Kind.APPLY_DONE, {"intent_id": intent, "seconds": 0.1}, 0)

    def reverted(self, intent: str = "i-1") -> Story:
        body = {"intent_id": "r-1", "reverts": intent, "strategy_id": "s-1", "database": DATABASE, "change": CHANGE}
        self._add(Kind.REVERT_INTENDED, {**body, "inverse": CHANGE}, 0)
        return self._add(Kind.REVERT_DONE, {"intent_id": "r-1", "reverts": intent, "seconds": 0.1}, 0)

    def only(self, now_ns: int = 1) -> Lease:
        (found,) = leases(self.entries, now_ns)
        return found


def _locked() -> Story:
    return Story().note(Note.PROPOSED).applied().note(Note.ENFORCED).note(Note.VERIFIED)


def test_a_lease_is_read_back_as_it_was_written(tmp_path: Path) -> None:
    with Ledger.open(tmp_path / "ledger.db") as ledger:
        ledger.append(Kind.LEASE_NOTED, lease_body(_lease(), Note.PROPOSED, DATABASE, "why"))
        (found,) = leases(ledger.entries(), 0, database=DATABASE)
        assert ledger.verify().verified
    assert (found.expected, found.role, found.reason, found.expires_ns) == (
        _lease().expected, "app", "why", 14 * DAY_NS,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("story", "state"),
    [
        (Story().note(Note.PROPOSED), LeaseState.PROPOSED),
        (Story().note(Note.PROPOSED).applied().note(Note.ENFORCED), LeaseState.ENFORCED),
        (_locked(), LeaseState.VERIFIED),
        (_locked().note(Note.BROKEN), LeaseState.BROKEN),
        (_locked().note(Note.BROKEN).note(Note.VERIFIED), LeaseState.VERIFIED),
        (_locked().reverted(), LeaseState.GONE),
        (_locked().reverted().note(Note.RELEASED), LeaseState.RELEASED),
        (_locked().reverted().note(Note.RETIRED), LeaseState.RETIRED),
        (Story().note(Note.PROPOSED).applied().note(Note.ENFORCED).reverted().note(Note.NOT_HELD), LeaseState.NOT_HELD),
        (Story().note(Note.FROZEN), LeaseState.FROZEN),
        (Story().note(Note.CONFIRMED), LeaseState.PROPOSED),
    ],
)
def test_the_state_is_that_of_the_last_note_while_its_changes_stand(story: Story, state: LeaseState) -> None:
    assert story.only().state is state


@pytest.mark.parametrize("note", [Note.PROPOSED, Note.CONFIRMED])
def test_a_lease_that_is_gone_does_not_come_back_with_the_lock_that_was_set_again(note: Note) -> None:
    again = _lease("l-2")
    story = _locked().reverted().note(note, lease=again).applied("i-2").note(Note.ENFORCED, lease=again)
    assert [lease.state for lease in leases(story.entries, 1)] == [LeaseState.GONE, LeaseState.ENFORCED]


@pytest.mark.parametrize(("name", "query", "on"), [("l-2", "q2", DATABASE), ("l-3", "q1", OTHER)])
def test_the_lock_of_another_query_or_database_leaves_a_lease_as_it_is(
    name: str, query: str, on: dict[str, object]
) -> None:
    story = _locked().note(Note.PROPOSED, lease=_lease(name, query), on=on)
    assert leases(story.entries, 1)[0].state is LeaseState.VERIFIED


def test_a_lease_runs_out_and_is_due_until_it_is_renewed() -> None:
    story = _locked()
    late = 14 * DAY_NS
    assert not due(leases(story.entries, late - 1))
    (expired,) = due(leases(story.entries, late))
    assert expired.state is LeaseState.EXPIRED
    assert expired.is_active
    story.note(Note.RENEWED, lease=_lease(expires_ns=28 * DAY_NS))
    assert story.only(late).state is LeaseState.VERIFIED


def test_flips_are_counted_by_query_within_a_day_and_anew_after_a_confirmation() -> None:
    story = _locked().note(Note.RELEASED, DAY_NS // 2)
    assert flips(story.entries, "q1", DAY_NS // 2 + 1) == MOST_FLIPS
    assert flips(story.entries, "q2", DAY_NS // 2 + 1) == 0
    assert flips(story.entries, "q1", DAY_NS + 1) == 1
    assert flips(story.entries, "q1", 2 * DAY_NS) == 0
    story.note(Note.CONFIRMED, DAY_NS // 2 + 2, _lease("l-2"))
    assert flips(story.entries, "q1", DAY_NS // 2 + 3) == 0


def test_a_lock_that_did_not_hold_is_one_flip_and_its_taking_back_no_second() -> None:
    story = Story().note(Note.PROPOSED).applied().note(Note.ENFORCED).reverted().note(Note.NOT_HELD)
    assert flips(story.entries, "q1", 1) == 1


def test_leases_of_another_database_are_not_among_those_of_this_one() -> None:
    story = Story().note(Note.PROPOSED).note(Note.PROPOSED, lease=_lease("l-2"), on=OTHER)
    assert [lease.id for lease in leases(story.entries, 0, database=DATABASE)] == ["l-1"]
    renamed = {**DATABASE, "database": "shop2"}
    assert [lease.id for lease in leases(story.entries, 0, database=renamed)] == ["l-1"]
    assert len(leases(story.entries, 0)) == 2


def test_an_entry_of_another_layout_is_an_error_and_no_lease() -> None:
    story = Story().note(Note.PROPOSED)
    body = {**story.entries[0].body, "expires_ns": "soon"}
    with pytest.raises(LedgerError):
        Story()._add(Kind.LEASE_NOTED, body, 0).only()  # type: ignore[arg-type]


@given(notes=st.lists(st.sampled_from(Note), min_size=1, max_size=12), stands=st.booleans(), now=st.integers(0, 30))
def test_nothing_is_active_that_does_not_stand(notes: list[Note], stands: bool, now: int) -> None:
    story = Story()
    if stands:
        story.applied()
    for note in notes:
        story.note(note)
    lease = story.only(now * DAY_NS)
    assert (lease.state in ACTIVE) <= stands
    assert (lease.state is LeaseState.EXPIRED) <= (now >= 14)
