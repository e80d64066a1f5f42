"""Claims about holding a plan: why it was lost is proven first, then the cause is taken away, verified and leased."""

from __future__ import annotations

from dataclasses import replace

import pytest

from trimtab.anchor.lease import LeaseState
from trimtab.errors import RefusedError, UsageError
from trimtab.lifecycle import anchoring
from trimtab.lifecycle.anchoring import AnchorRequest
from trimtab.lifecycle.explaining import ExplainRequest, explain_plans
from trimtab.lifecycle.holding import HoldRequest, ReviewRequest, hold, review_all
from trimtab.lifecycle.locking import release
from trimtab.model.watch import Silent

from .lockable import BY_CUSTOMER, BY_RANGE, JOINED, Lockable

pytestmark = [pytest.mark.server, pytest.mark.slow]


def _anchored(place: Lockable, text: str) -> tuple[str, str]:
    """Return the ids of an anchor with this query, and of the query."""
    anchor = anchoring.create(AnchorRequest(place.dsn, place.ledger_path, (text,)), Silent()).anchor
    return anchor.id, anchor.queries[0].query_id


def _held(place: Lockable, text: str, anchor_id: str, query_id: str) -> HoldRequest:
    return HoldRequest(place.dsn, place.ledger_path, anchor_id, query_id, (text,))


def _changed(place: Lockable, text: str, anchor_id: str) -> int:
    return len(explain_plans(ExplainRequest(place.dsn, place.ledger_path, anchor_id, (text,)), Silent()).changed)


@pytest.mark.parametrize(
    ("text", "flipping", "mechanism"),
    [
        (BY_CUSTOMER.text, ("DROP INDEX orders_customer",), "index put back"),
        (BY_RANGE.text, ('ALTER DATABASE "{database}" SET random_page_cost = 40',), "setting"),
        (JOINED.text, ("DROP STATISTICS orders_city_zip", "ANALYZE orders"), "extended statistics"),
        (
            BY_CUSTOMER.text,
            ("UPDATE orders SET customer = 17 WHERE id % 10 < 9", "VACUUM FULL orders", "ANALYZE orders"),
            "statistics restored",
        ),
    ],
)
def test_a_lost_plan_comes_back_by_what_takes_its_cause_away(
    place: Lockable, text: str, flipping: tuple[str, ...], mechanism: str
) -> None:
    anchor_id, query_id = _anchored(place, text)
    place.run(*(statement.format(database=place.database) for statement in flipping))
    held = hold(_held(place, text, anchor_id, query_id), Silent())
    assert held.lease is not None, (held.tried, held.closed)
    assert (held.lease.state, held.lease.mechanism) == (LeaseState.VERIFIED, mechanism)
    assert held.lease.anchor_id == anchor_id
    assert _changed(place, text, anchor_id) == 0, "an index that was put back counts under its old name"
    [lease] = review_all(ReviewRequest(place.dsn, place.ledger_path, (text,)), Silent())
    assert lease.state is LeaseState.VERIFIED
    released = release(place.dsn, place.ledger_path, held.lease.id, "the test is over")
    assert released.state is LeaseState.RELEASED
    assert _changed(place, text, anchor_id) == 1


def test_a_plan_that_was_not_lost_is_left_alone(place: Lockable) -> None:
    anchor_id, query_id = _anchored(place, BY_CUSTOMER.text)
    with pytest.raises(RefusedError) as refused:
        hold(_held(place, BY_CUSTOMER.text, anchor_id, query_id), Silent())
    assert refused.value.code == "lock.unchanged"
    with pytest.raises(UsageError) as unknown:
        hold(_held(place, BY_RANGE.text, anchor_id, query_id), Silent())
    assert unknown.value.code == "lock.no_query"
    assert place.kinds() == ["anchor_recorded"]


def test_a_lock_that_has_run_out_is_retired_when_the_planner_does_as_well_alone(
    place: Lockable,
) -> None:
    anchor_id, query_id = _anchored(place, BY_RANGE.text)
    place.run(f'ALTER DATABASE "{place.database}" SET random_page_cost = 40')
    asked = HoldRequest(place.dsn, place.ledger_path, anchor_id, query_id, (BY_RANGE.text,), ttl_days=1e-9)
    held = hold(asked, Silent())
    assert held.lease is not None
    [lease] = review_all(ReviewRequest(place.dsn, place.ledger_path, (BY_RANGE.text,)), Silent())
    assert lease.state in (LeaseState.RETIRED, LeaseState.VERIFIED)  # the lab decides: both are an answer
    assert lease.reason


def test_a_roles_own_settings_flip_its_plan_and_are_locked_for_it(place: Lockable) -> None:
    anchor_id, query_id = _anchored(place, BY_RANGE.text)
    place.run(f'ALTER ROLE app IN DATABASE "{place.database}" SET random_page_cost = 40')
    asked = _held(place, BY_RANGE.text, anchor_id, query_id)
    with pytest.raises(RefusedError) as refused:
        hold(asked, Silent())
    assert refused.value.code == "lock.unchanged"
    held = hold(replace(asked, role="app"), Silent())
    assert held.lease is not None
    assert (held.lease.state, held.lease.mechanism) == (LeaseState.VERIFIED, "setting")
    release(place.dsn, place.ledger_path, held.lease.id, "the test is over")
