"""Claims about an anchor's plans after the fact: which are others now, why, and how a database evolved over anchors."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import replace
from pathlib import Path

import numpy as np
import psycopg
import pytest

from trimtab import TemporalPerformanceAnchor, optimize
from trimtab.anchor.lease import Expected, LeaseState
from trimtab.db.connection import connect
from trimtab.db.sql import split
from trimtab.errors import AnchorError, RefusedError
from trimtab.history.slots import Slot
from trimtab.lifecycle import anchoring
from trimtab.lifecycle.anchor_chain import verified_chain
from trimtab.lifecycle.anchoring import AnchorRequest
from trimtab.lifecycle.evolving import _taking_back, evolutions
from trimtab.lifecycle.explaining import ExplainedPlan, ExplainRequest, explain_plans
from trimtab.lifecycle.generic_switch import KEPT, UNKNOWN
from trimtab.lifecycle.holding import HoldRequest, ReviewRequest, hold, review_all
from trimtab.lifecycle.locking import LockRequest, lock
from trimtab.lifecycle.watch_identity import store_path
from trimtab.lifecycle.watch_store import HOUR, WatchStore
from trimtab.model.anchor import Anchor
from trimtab.model.applied import Applied
from trimtab.model.change import DropIndex, SetSetting
from trimtab.model.evolution import Action, EventKind, Recommendation, Series
from trimtab.model.flip import CauseKind, SettingDifference
from trimtab.model.strategy import Outcome
from trimtab.model.watch import Silent
from trimtab.observe.identity import QueryIds
from trimtab.observe.snapshot import take_snapshot

from .application import Application, beside

pytestmark = pytest.mark.server

BY_ID = "SELECT name FROM agent WHERE id = 777"
BY_TEAM = "SELECT count(*) FROM agent WHERE team = 3"


@pytest.fixture
def grown(application: Application) -> Application:
    application.run("INSERT INTO agent SELECT n, 'agent ' || n, n % 900 FROM generate_series(1001, 60000) n",
                    "CREATE INDEX agent_team ON agent (team)", "VACUUM ANALYZE agent")  # fmt: skip
    return application


def _explained(application: Application, name: str) -> dict[str, tuple[CauseKind | None, tuple[str, ...]]]:
    request = ExplainRequest(application.dsn, application.ledger_path, name, (BY_ID, BY_TEAM))
    found = explain_plans(request, Silent())
    assert found.same + len(found.changed) == 2
    return {
        plan.query_id: (plan.attribution.kind, tuple(map(str, plan.attribution.causes)))
        for plan in found.changed
        if plan.attribution is not None
    }


def test_unchanged_plans_a_lost_index_and_a_setting_are_told_apart(grown: Application) -> None:
    request = AnchorRequest(grown.dsn, grown.ledger_path, (BY_ID, BY_TEAM))
    anchor = anchoring.create(request, Silent()).anchor
    assert _explained(grown, anchor.id) == {}
    grown.run("DROP INDEX agent_team")
    [found] = _explained(grown, anchor.id).values()
    assert found[0] is CauseKind.INDEX
    assert "agent_team" in found[1][0]
    grown.run(
        "CREATE INDEX agent_team ON agent (team)",
        f'ALTER DATABASE "{grown.database}" SET enable_bitmapscan = off',
        f'ALTER DATABASE "{grown.database}" SET enable_indexscan = off',
    )
    causes = _explained(grown, anchor.id)
    assert {kind for kind, _ in causes.values()} == {CauseKind.SETTING}
    assert all("enable_" in cause for _, found in causes.values() for cause in found)


def test_only_the_queries_that_are_asked_for_are_told_and_an_unknown_one_is_refused(grown: Application) -> None:
    anchor = anchoring.create(AnchorRequest(grown.dsn, grown.ledger_path, (BY_ID, BY_TEAM)), Silent()).anchor
    grown.run("DROP INDEX agent_team")
    every = ExplainRequest(grown.dsn, grown.ledger_path, anchor.id, (BY_ID, BY_TEAM))
    [changed] = explain_plans(every, Silent()).changed
    [unchanged] = {level.query_id for level in anchor.queries} - {changed.query_id}
    for query_id, same, others in ((changed.query_id, 0, 1), (unchanged, 1, 0)):
        found = explain_plans(replace(every, query_ids=(query_id,)), Silent())
        assert (found.same, len(found.changed), found.missing) == (same, others, ())
    assert explain_plans(replace(every, workload=(BY_ID,), query_ids=(unchanged,)), Silent()).missing == ()
    with pytest.raises(AnchorError) as refused:
        explain_plans(replace(every, query_ids=(unchanged, "q0000000000")), Silent())
    assert refused.value.code == "anchor.no_query"


def test_statistics_that_were_changed_are_found_when_anchors_are_verified(grown: Application) -> None:
    anchoring.create(AnchorRequest(grown.dsn, grown.ledger_path, (BY_ID,), runs=1), Silent())
    [kept] = grown.ledger_path.parent.rglob("*.twin")
    assert len(verified_chain(grown.ledger_path)) == 1
    whole = kept.read_bytes()
    kept.write_bytes(whole[:-1] + bytes([whole[-1] ^ 1]))
    with pytest.raises(AnchorError) as refused:
        verified_chain(grown.ledger_path)
    assert refused.value.code == "anchor.statistics"
    kept.unlink()
    assert len(verified_chain(grown.ledger_path)) == 1


def test_settings_of_who_runs_a_query_are_seen_with_that_role(grown: Application) -> None:
    anchor = anchoring.create(AnchorRequest(grown.dsn, grown.ledger_path, (BY_TEAM,)), Silent()).anchor
    request = ExplainRequest(grown.dsn, grown.ledger_path, anchor.id, (BY_TEAM,))
    grown.run(
        "CREATE ROLE desk_reader",
        "ALTER ROLE desk_reader SET enable_bitmapscan = off",
        "ALTER ROLE desk_reader SET enable_indexscan = off",
        "ALTER ROLE desk_reader SET enable_indexonlyscan = off",
        "GRANT SELECT ON agent TO desk_reader",
    )
    try:
        assert explain_plans(request, Silent()).changed == ()
        [plan] = explain_plans(replace(request, role="desk_reader"), Silent()).changed
        assert plan.attribution is not None
        assert plan.attribution.kind is CauseKind.SETTING
    finally:
        grown.run("DROP OWNED BY desk_reader", "DROP ROLE desk_reader")


def test_another_database_is_told_and_no_plan_is_locked_in_it(grown: Application) -> None:
    anchor = anchoring.create(AnchorRequest(grown.dsn, grown.ledger_path, (BY_TEAM,)), Silent()).anchor
    assert not explain_plans(
        ExplainRequest(grown.dsn, grown.ledger_path, anchor.id, (BY_TEAM,)), Silent()
    ).is_other_server
    other = grown.server.dsn("postgres")
    assert explain_plans(ExplainRequest(other, grown.ledger_path, anchor.id, ("SELECT 1",)), Silent()).is_other_server
    with pytest.raises(RefusedError) as refused:
        hold(HoldRequest(other, grown.ledger_path, anchor.id, anchor.queries[0].query_id, ("SELECT 1",)), Silent())
    assert refused.value.code == "lock.other_server"


def test_without_the_statistics_of_then_nothing_is_guessed(grown: Application) -> None:
    request = AnchorRequest(grown.dsn, grown.ledger_path, (BY_ID,), keeps_statistics=False)
    anchor = anchoring.create(request, Silent()).anchor
    with pytest.raises(AnchorError) as refused:
        _explained(grown, anchor.id)
    assert refused.value.code == "anchor.no_statistics"


OPEN = "SELECT n FROM task WHERE state = $1"


@pytest.fixture
def skewed(application: Application) -> Application:
    """Of the few tasks that are open the plan is another one than of any: of these it takes a third for such."""
    application.run(
        f'ALTER DATABASE "{application.database}" SET enable_bitmapscan = off',
        "CREATE TABLE task AS SELECT n, CASE WHEN n % 1000 = 0 THEN 'open' WHEN n % 2 = 0 THEN 'done' ELSE 'sent' END"
        " AS state FROM generate_series(1, 20000) n",
        "CREATE INDEX task_state ON task (state)",
        "VACUUM ANALYZE task",
        *("SELECT n FROM task WHERE state = 'open'" for _ in range(30)),
    )
    return application


def _open_tasks(application: Application) -> tuple[Anchor, ExplainRequest]:
    anchor = anchoring.create(AnchorRequest(application.dsn, application.ledger_path), Silent()).anchor
    query_id = QueryIds().next_for(split(OPEN)[0].fingerprint)
    request = ExplainRequest(
        application.dsn, application.ledger_path, anchor.id, query_ids=(query_id,), only_plans=True
    )
    return anchor, request


def test_a_plan_for_any_values_in_place_of_the_one_for_its_own_is_named_by_the_setting(skewed: Application) -> None:
    anchor, request = _open_tasks(skewed)
    [before] = explain_plans(request, Silent()).changed
    assert (before.attribution, before.note) == (None, KEPT)
    skewed.run(f'ALTER DATABASE "{skewed.database}" SET plan_cache_mode = force_generic_plan')
    [plan] = explain_plans(request, Silent()).changed
    assert plan.attribution is not None
    assert plan.attribution.causes == (SettingDifference("plan_cache_mode", "database", skewed.database),)
    assert plan.attribution.old.indexes == {"task_state"}
    assert plan.attribution.new.indexes == frozenset()
    assert {each.is_generic for each in plan.attribution.proof} == {False, True}
    # A lock takes the setting back, and is held to the plan of those values.
    with psycopg.connect(skewed.dsn, autocommit=True, cursor_factory=psycopg.RawCursor) as conn:
        for _ in range(40):
            conn.execute(OPEN, ("open",))
    assert request.query_ids is not None
    held = hold(HoldRequest(skewed.dsn, skewed.ledger_path, anchor.id, request.query_ids[0]), Silent())
    assert held.lease is not None, held.tried
    assert held.lease.state is LeaseState.VERIFIED
    [lease] = review_all(ReviewRequest(skewed.dsn, skewed.ledger_path), Silent())
    assert lease.state is LeaseState.VERIFIED


@contextmanager
def _executing(application: Application, mode: str) -> Iterator[None]:
    def work(is_over: threading.Event) -> None:
        with psycopg.connect(application.dsn, autocommit=True, cursor_factory=psycopg.RawCursor) as conn:
            conn.execute(f"SET plan_cache_mode = {mode}".encode())
            while not is_over.wait(0.01):
                conn.execute(OPEN, ("open",), prepare=True)

    with beside(work):
        yield


def test_a_plan_that_is_kept_is_named_where_the_server_counts_what_it_plans(skewed: Application) -> None:
    skewed.run(f'ALTER DATABASE "{skewed.database}" SET pg_stat_statements.track_planning = on')
    _, request = _open_tasks(skewed)
    told: list[ExplainedPlan] = []
    for mode in ("force_custom_plan", "force_generic_plan"):
        with _executing(skewed, mode):
            told += explain_plans(request, Silent()).changed
    planned, kept = told
    assert (planned.attribution, planned.note) == (None, KEPT)
    assert kept.attribution is not None, kept.note
    assert kept.attribution.kind is CauseKind.GENERIC_PLAN
    assert "were planned: a plan that is kept is run" in kept.attribution.reason


def test_a_plan_that_was_kept_then_too_is_not_named(skewed: Application) -> None:
    skewed.run(f'ALTER DATABASE "{skewed.database}" SET pg_stat_statements.track_planning = on')
    with _executing(skewed, "force_generic_plan"):
        _, request = _open_tasks(skewed)
        [kept] = explain_plans(request, Silent()).changed
    assert (kept.attribution, kept.note) == (None, UNKNOWN)


def test_a_lock_to_the_plan_for_any_values_is_broken_where_some_values_get_their_own(skewed: Application) -> None:
    anchor, request = _open_tasks(skewed)
    assert request.query_ids is not None
    level = anchor.query(request.query_ids[0])
    assert level is not None
    with closing(connect(skewed.dsn, read_only=True)) as source:
        query = take_snapshot(source, None, seed=1, progress=lambda *_: None).workload.query(level.query_id)
    forced = SetSetting("database", skewed.database, "plan_cache_mode", "force_generic_plan")
    expected = Expected(level.generic_shape, "prepared")
    lease = lock(LockRequest(skewed.dsn, skewed.ledger_path, query, expected, (forced,), "test"))
    review = ReviewRequest(skewed.dsn, skewed.ledger_path)
    assert [lease.state, *(one.state for one in review_all(review, Silent()))] == [LeaseState.VERIFIED] * 2
    skewed.run(f'ALTER DATABASE "{skewed.database}" RESET plan_cache_mode')
    [undone] = review_all(review, Silent())
    assert undone.state is LeaseState.BROKEN


def test_a_preference_of_the_planner_that_turned_round_is_named_with_the_costs(skewed: Application) -> None:
    _, request = _open_tasks(skewed)
    own_text = f"COSTS) {OPEN.replace('$1', chr(39) + 'open' + chr(39))}"
    with psycopg.connect(skewed.dsn, autocommit=True) as conn:

        def cost(text: str, random_page_cost: float) -> float:
            conn.execute(f"SET random_page_cost = {random_page_cost}".encode())
            [plan] = conn.execute(f"EXPLAIN (FORMAT JSON, {text}".encode()).fetchone() or [None]
            return float(plan[0]["Plan"]["Total Cost"])  # type: ignore[index]

        # The plan for any values is dearer than that for its own: by less than planning, and more than the 1 % within
        # which paths count as equal.
        own = cost(own_text, 2.0), cost(own_text, 3.0)
        dearer = 2.0 + (cost(f"GENERIC_PLAN) {OPEN}", 3.0) - 4.3 - own[0]) / (own[1] - own[0])
    skewed.run(f'ALTER DATABASE "{skewed.database}" SET random_page_cost = {dearer}')
    [plan] = explain_plans(request, Silent()).changed
    assert plan.attribution is not None, plan.note
    assert plan.attribution.kind is CauseKind.GENERIC_PLAN
    assert "got the one for its values: the costs were" in plan.attribution.reason
    for mode in ("force_generic_plan", "auto"):  # what changed nothing, since a session got that plan then too
        _, request = _open_tasks(skewed)
        skewed.run(f'ALTER DATABASE "{skewed.database}" SET plan_cache_mode = {mode}')
        [plan] = explain_plans(request, Silent()).changed
        assert (plan.attribution, plan.note) == (None, UNKNOWN)


def test_other_values_of_the_statement_are_named_where_the_workload_has_those_of_then(skewed: Application) -> None:
    texts = tuple(f"SELECT n FROM task WHERE state = '{state}'" for state in ("open", "done"))
    anchor = anchoring.create(AnchorRequest(skewed.dsn, skewed.ledger_path, texts[:1]), Silent()).anchor
    request = ExplainRequest(skewed.dsn, skewed.ledger_path, anchor.id, texts[::-1])
    [plan] = explain_plans(request, Silent()).changed
    assert plan.attribution is not None
    assert plan.attribution.kind is CauseKind.PARAMETERS


def test_the_class_of_the_original_anchors_and_tracks(grown: Application) -> None:
    anchors = TemporalPerformanceAnchor(runs=3, ledger_path=grown.ledger_path)
    created = [anchors.create_performance_anchor(grown.dsn, [BY_ID, BY_TEAM]) for _ in range(3)]
    grown.run("DROP INDEX agent_team")
    last = anchors.create_performance_anchor(grown.dsn, [BY_ID, BY_TEAM])
    assert set(last) == {"performance_anchor", "temporal_coordinates", "monitoring_system", "anchor_metadata"}
    coordinates = [c.temporal_coordinates["time_ns"] for c in [*created, last]]
    assert coordinates == sorted(coordinates)
    assert len(last.monitoring_system.dimensions) == 5
    assert last.anchor_metadata.path.is_file()
    evolution = anchors.track_performance_evolution(last.performance_anchor)
    assert set(evolution) == {
        "performance_history",
        "trend_analysis",
        "evolution_insights",
        "optimization_recommendations",
    }
    found = evolutions(grown.ledger_path, last.performance_anchor.server)
    stable = {each.evolution.series.id: each.stability for each in found if each.stability is not None}
    assert set(stable) == {level.query_id for level in last.performance_anchor.queries}
    assert {one.observed for one in stable.values()} == {9}, "three runs in each of three anchors after the first"
    by_id = {series.id: series for series in evolution.performance_history}
    assert {len(by_id[level.query_id].points) for level in last.performance_anchor.queries} == {4}
    kinds = {event.kind for trend in evolution.trend_analysis for event in trend.events}
    assert {EventKind.ANCHOR_RECORDED, EventKind.SCHEMA_CHANGED, EventKind.PLAN_CHANGED} <= kinds
    assert all(insight.sentence for insight in evolution.evolution_insights)


def test_another_database_of_the_same_machine_is_another_history(grown: Application, tmp_path: Path) -> None:
    request = AnchorRequest(grown.dsn, grown.ledger_path, (BY_ID,), runs=1)
    anchor = anchoring.create(request, Silent()).anchor
    other = replace(request, conninfo=grown.server.dsn("postgres"), workload=("SELECT 1",))
    anchoring.create(other, Silent())
    tracked = TemporalPerformanceAnchor(ledger_path=grown.ledger_path).track_performance_evolution(anchor.id)
    assert {series.id for series in tracked.performance_history} == {anchor.queries[0].query_id}


def test_what_stands_and_came_before_a_step_can_be_taken_back() -> None:
    inverse = DropIndex("public", "agent", "trimtab_a", "USING btree (team)", ("team",))
    change = inverse.inverse(None)  # type: ignore[arg-type]
    standing = (Applied("i1", "s-1234567890", change, inverse, 0.1, "desk", None, None),)
    series = Series("q1", "response_latency", "ms", ())
    found = Recommendation(Action.LOOK_AT_CHANGE, "s-1234567890", "it came before the step", "evolution.precedes")
    strategy = _taking_back(found, series, standing)
    assert strategy is not None
    assert (strategy.changes, strategy.query_ids) == ((inverse,), ("q1",))
    assert _taking_back(replace(found, subject="s-other"), series, standing) is None
    assert _taking_back(replace(found, action=Action.ANALYZE), series, standing) is None


def _became_slow(application: Application, anchor: Anchor) -> None:
    """Keep 150 hours before the anchor's moment in which its first query took 1 ms, and as many after it with 10 ms."""
    identity = dict(zip(("system_identifier", "database", "database_oid"), anchor.server, strict=True))
    hour_ns, now_ns = 3600 * 10**9, anchor.coordinate[0]
    with WatchStore.writer(store_path(application.ledger_path, identity)) as store, store.writing():
        [known] = store.add_statements({(10, 77, True): (anchor.queries[0].query_id, True)}, 1).values()
        for number in range(-150, 150):
            counts = np.zeros((1, 6))
            counts[0, :2] = (100, (100.0 if number < 0 else 1000.0) * (1 + 0.01 * (number * 7 % 11)))
            store._put(Slot(HOUR, now_ns + number * hour_ns, 3600.0, 1.0, np.array([known.number]), counts))


def test_what_somebody_else_took_away_is_recommended_to_be_put_back_and_is_tried(grown: Application) -> None:
    request = AnchorRequest(grown.dsn, grown.ledger_path, (BY_TEAM,), runs=1)
    grown.run("CREATE STATISTICS agent_dependent (dependencies) ON id, team FROM agent", "ANALYZE agent")
    anchoring.create(request, Silent())
    grown.run(
        "DROP INDEX agent_team",
        "DROP STATISTICS agent_dependent",
        f'ALTER DATABASE "{grown.database}" SET random_page_cost = 9',
    )
    after = anchoring.create(request, Silent()).anchor
    _became_slow(grown, after)
    [found] = evolutions(grown.ledger_path, after.server, query_ids=[after.queries[0].query_id])[-1:]
    made = {
        r.event.subject: [change.sql(concurrently=False) for change in r.strategy.changes]
        for r in found.recommendations
        if r.strategy is not None and r.event is not None
    }
    assert made == {
        "public.agent": [
            'CREATE INDEX "trimtab_agent_team" ON "public"."agent" USING btree (team)',
            'CREATE STATISTICS "public"."trimtab_agent_dependent" (dependencies) ON "id", "team" FROM "public"."agent"',
        ],
        "random_page_cost": [f'ALTER DATABASE "{grown.database}" RESET "random_page_cost"'],
    }
    report = optimize(grown.dsn, workload=[BY_TEAM], ledger_path=grown.ledger_path, from_history=True)
    outcomes = {life.strategy.title: life.outcome for life in report.lives if life.strategy.proposer == "evolution"}
    assert outcomes["Put back what the table public.agent had"] is Outcome.PROVEN
    assert len(outcomes) == 2


def test_a_query_that_got_slower_by_more_data_with_its_plan_is_told_with_the_figures(grown: Application) -> None:
    grown.run(f'ALTER DATABASE "{grown.database}" SET max_parallel_workers_per_gather = 0', "DROP INDEX agent_team")
    grown.run(*(BY_TEAM for _ in range(30)))
    anchor = anchoring.create(AnchorRequest(grown.dsn, grown.ledger_path), Silent()).anchor
    [level] = [level for level in anchor.queries if level.counted is not None and level.counted.calls == 30]
    grown.run("INSERT INTO agent SELECT n, 'agent ' || n, n % 900 FROM generate_series(60001, 400000) n",
              "VACUUM ANALYZE agent", *(BY_TEAM for _ in range(30)))  # fmt: skip
    request = ExplainRequest(grown.dsn, grown.ledger_path, anchor.id, query_ids=(level.query_id,))
    found = explain_plans(request, Silent())
    assert found.slowing is not None
    [slowed] = found.slowing.slowed
    assert slowed.kind is CauseKind.DATA_GROWTH, slowed
    assert slowed.at_least > 1.1
    assert any(line.startswith("rows of public.agent: 59200 then, 399200") for line in slowed.proof), slowed.proof
    assert any(line.startswith("host: ") for line in slowed.proof)
