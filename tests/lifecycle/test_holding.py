"""Claims about holding a plan: why it was lost is proven first, then the cause is taken away, verified and leased."""

from __future__ import annotations

from dataclasses import replace
from importlib.resources import files
from pathlib import Path

import pytest

from trimtab.anchor.lease import LeaseState
from trimtab.errors import ForbiddenError, RefusedError, UsageError
from trimtab.ledger.entry import Kind
from trimtab.ledger.ledger import Ledger
from trimtab.lifecycle import anchoring
from trimtab.lifecycle.anchoring import AnchorRequest
from trimtab.lifecycle.explaining import ExplainRequest, explain_plans
from trimtab.lifecycle.holding import Held, HoldRequest, ReviewRequest, hold, review_all
from trimtab.lifecycle.locking import release
from trimtab.model.flip import CauseKind
from trimtab.model.watch import Silent
from trimtab.spec.load import load_spec

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


def test_an_index_of_another_name_is_no_lost_index_and_an_anchor_taken_under_a_lock_is_explained_and_held_later(
    place: Lockable,
) -> None:
    anchor_id, query_id = _anchored(place, BY_CUSTOMER.text)
    place.run("ALTER INDEX orders_customer RENAME TO another_name")
    assert _changed(place, BY_CUSTOMER.text, anchor_id) == 0, "it is the same index"
    place.run("DROP INDEX another_name", "CREATE INDEX by_hand ON orders (customer)")
    assert _changed(place, BY_CUSTOMER.text, anchor_id) == 0, "so is one that somebody has made again"
    place.run("DROP INDEX by_hand")
    held = hold(_held(place, BY_CUSTOMER.text, anchor_id, query_id), Silent())
    assert held.lease is not None
    under_lock, _ = _anchored(place, BY_CUSTOMER.text)
    release(place.dsn, place.ledger_path, held.lease.id, "the test goes on")
    request = ExplainRequest(place.dsn, place.ledger_path, under_lock, (BY_CUSTOMER.text,))
    [plan] = explain_plans(request, Silent()).changed
    assert plan.attribution is not None
    assert plan.attribution.kind is CauseKind.INDEX, plan.attribution.reason
    asked = replace(_held(place, BY_CUSTOMER.text, under_lock, query_id), is_confirmed=True)
    again = hold(asked, Silent())
    assert again.lease is not None, (again.tried, again.closed)
    assert again.lease.state is LeaseState.VERIFIED
    release(place.dsn, place.ledger_path, again.lease.id, "the test is over")


def _specification(directory: Path, *settings: str) -> Path:
    """Return a specification of its own: the shipped one, with further settings or, without any, with none at all."""
    shipped = load_spec(None)
    text = (files("trimtab.spec") / "defaults" / f"{shipped.id}.yaml").read_text("utf-8")
    marker = "    allowed:\n"
    assert text.count(marker) == 1
    more = "".join(f'      {name}: {{values: ["on", "off"]}}\n' for name in settings)
    path = directory / "own.yaml"
    path.write_text(text.replace(marker, marker + more).replace(f"id: {shipped.id}", "id: OWN"), "utf-8")
    return path


def test_a_plan_that_a_new_index_took_away_is_steered_back_for_its_role_and_never_for_everybody(
    place: Lockable, tmp_path: Path
) -> None:
    place.run("DROP INDEX orders_customer")
    anchor_id, query_id = _anchored(place, BY_CUSTOMER.text)
    place.run("CREATE INDEX orders_customer ON orders (customer)", "ANALYZE orders")
    asked = _held(place, BY_CUSTOMER.text, anchor_id, query_id)
    everybody = hold(asked, Silent())
    assert (everybody.lease, dict(everybody.closed)["steering settings"][-7:]) == (None, "--role)")
    shipped = hold(replace(asked, role="app"), Silent())
    assert shipped.lease is None
    assert "no settings that the specification allows" in dict(shipped.closed)["steering settings"]
    spec = _specification(tmp_path, "enable_bitmapscan", "enable_indexscan", "enable_indexonlyscan")
    held = hold(replace(asked, role="app", spec=spec), Silent())
    assert held.lease is not None, (held.tried, held.closed)
    assert (held.lease.state, held.lease.mechanism) == (LeaseState.VERIFIED, "steering settings")
    assert _changed(place, BY_CUSTOMER.text, anchor_id) == 1, "who else runs it keeps the planner's own choice"
    release(place.dsn, place.ledger_path, held.lease.id, "the test is over", spec=spec)


def test_what_the_specification_forbids_is_told_with_the_limit_what_was_found_and_the_cause(
    place: Lockable, tmp_path: Path
) -> None:
    anchor_id, query_id = _anchored(place, BY_RANGE.text)
    place.run(f'ALTER DATABASE "{place.database}" SET random_page_cost = 40')
    path = tmp_path / "narrow.yaml"
    path.write_text(
        "apiVersion: trimtab.dev/v1\nkind: OptimizationSpec\n"
        "metadata: {id: NARROW, revision: 1, description: No cheap pages.}\n"
        "extends: [DATABASE_OPTIMIZATION_SPEC_V4]\n"
        "spec: {settings: {allowed: {random_page_cost: {min: 2.0, max: 3.0}}}}\n",
        "utf-8",
    )
    with pytest.raises(ForbiddenError) as refused:
        hold(replace(_held(place, BY_RANGE.text, anchor_id, query_id), spec=path), Silent())
    assert refused.value.code == "apply.specification"
    told = str(refused.value)
    assert "found 1.1" in told, told
    assert "allowed" in told
    assert isinstance(refused.value.done, Held)
    assert refused.value.done.attribution.kind is CauseKind.SETTING
    assert dict(refused.value.done.tried)["setting"] == told
    with Ledger.open(place.ledger_path) as ledger:
        [validated] = ledger.entries(Kind.STRATEGY_VALIDATED)
    assert "found 1.1" in str(validated.body["violations"])
