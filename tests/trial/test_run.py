from __future__ import annotations

import random
from dataclasses import replace

import pytest

from trimtab.model.change import Change, CreateIndex, CreateStatistics, DropIndex, SetSetting
from trimtab.model.strategy import Decision, Strategy
from trimtab.trial.lab import Lab
from trimtab.trial.run import TrialLimits, Trials

from .conftest import FEW_PAIRS, LIMITS, Undo, read, write

pytestmark = pytest.mark.server


def strategy(*changes: Change) -> Strategy:
    return Strategy(changes, "test", "title", "reason", ())


def index(name: str, columns: str) -> CreateIndex:
    return CreateIndex("public", "events", name, f"USING btree ({columns})", tuple(columns.split(", ")))


BY_ACCOUNT = read("by_account", "select sum(amount) from events where account = $1", parameters=("150",))
LATEST = read("first_of_7", "select * from events where account = 7 order by at limit 10", weight=1.0)
ONE_HOUR = read(
    "one_hour", "select count(*) from events where at >= '2026-02-01' and at < '2026-02-01 01:00'", weight=50.0
)
COUNT = read("count", "select count(*) from events")
INSERT = write("insert", "insert into events values (1000001, 1, now(), 'new', 1)")
UPDATE = write("update", "update events set amount = amount + 1 where id between 5 and 14")
DELETE = write("delete", "delete from events where id between 100 and 120")
WORKLOAD = (BY_ACCOUNT, LATEST, ONE_HOUR, COUNT, INSERT, UPDATE, DELETE)


def state(lab: Lab) -> list[object]:
    rows = lab.connection.execute(
        "select (select array[count(*), sum(amount)] from events),"
        " (select array_agg(relname order by relname) from pg_class where relnamespace = 'public'::regnamespace),"
        " (select count(*) from pg_statistic_ext), current_setting('work_mem')"
    ).fetchall()
    return list(rows)


def test_an_index_that_clearly_helps_is_accepted(trials: Trials) -> None:
    baseline = trials.baseline(WORKLOAD)
    assert set(baseline.times) == {query.id for query in WORKLOAD}
    assert all(len(times) == 3 for times in baseline.times.values())
    assert baseline.plans["by_account"].root.walk().__next__().actual_rows is not None
    trial = trials.trial(strategy(index("by_account_x", "account")), WORKLOAD)
    assert trial.decision is Decision.ACCEPTED
    assert trial.e_value >= 1 / trial.error_rate
    assert trial.after_ms < trial.before_ms
    assert trial.size_bytes > 0
    measured = {one.query_id: one for one in trial.queries}
    assert measured["by_account"].plan_changed
    assert not measured["insert"].plan_changed
    assert "count" not in measured


def test_an_index_that_no_plan_uses_is_rejected_at_once(trials: Trials) -> None:
    trial = trials.trial(strategy(index("unused_x", "kind")), WORKLOAD)
    assert (trial.decision, trial.pairs, trial.reason) == (Decision.NO_GAIN, 0, "no plan uses it")


def test_an_index_that_helps_most_and_hurts_one_query_is_rejected(trials: Trials) -> None:
    trials.baseline(WORKLOAD)
    trial = trials.trial(strategy(index("at_x", "at")), WORKLOAD)
    assert trial.decision is Decision.SLOWER_QUERY
    assert "first_of_7" in trial.reason
    measured = {one.query_id: one for one in trial.queries}
    assert measured["one_hour"].after_ms < measured["one_hour"].before_ms
    assert measured["first_of_7"].verdict == "worse"


def test_trials_leave_rows_and_catalog_as_they_were(lab: Lab) -> None:
    before = state(lab)
    trials = Trials(lab, FEW_PAIRS, random.Random(1))
    trials.baseline(WORKLOAD, runs=1)
    for change in (
        index("kind_x", "kind"),
        index("at_x", "at"),
        CreateStatistics("public", "events", "account_at", ("account", "at"), ("dependencies",)),
        DropIndex("public", "events", "events_account_twin", "USING btree (amount)", ("amount",)),
        SetSetting("database", "postgres", "work_mem", "64kB"),
    ):
        assert trials.trial(strategy(change), WORKLOAD).decision is not Decision.ACCEPTED
        assert state(lab) == before
    trials.final(WORKLOAD, pairs=1)
    lab.connection.execute("ROLLBACK")
    assert state(lab) == before


def test_an_accepted_strategy_stays_and_the_next_is_measured_on_top_of_it(trials: Trials) -> None:
    first, second = strategy(index("account_x", "account")), strategy(index("account_y", "account"))
    assert trials.trial(first, [BY_ACCOUNT]).decision is Decision.ACCEPTED
    assert trials.kept == (first,)
    assert trials.trial(second, [BY_ACCOUNT]).decision is not Decision.ACCEPTED
    assert trials.kept == (first,)
    final = {one.query_id: one for one in trials.final(WORKLOAD)}
    assert final["by_account"].plan_changed
    assert final["by_account"].after_ms < final["by_account"].before_ms
    assert set(final) == {query.id for query in WORKLOAD}


def test_dropping_a_duplicate_is_accepted_when_nothing_is_slower_and_its_bytes_are_told(trials: Trials) -> None:
    drop = strategy(DropIndex("public", "events", "events_account_twin_2", "USING btree (amount)", ("amount",)))
    trial = trials.trial(drop, [BY_ACCOUNT, COUNT], accept_neutral=True)
    assert trial.decision is Decision.ACCEPTED
    assert trial.size_bytes < 0
    assert trial.reason == f"no plan changes; frees {-trial.size_bytes} bytes"
    assert trials.trial(drop, [BY_ACCOUNT], accept_neutral=True).decision is Decision.FAILED


def test_dropping_a_needed_index_is_rejected(trials: Trials) -> None:
    query = read("dearest", "select max(amount) from events where amount < 900")
    change = strategy(
        DropIndex("public", "events", "events_account_twin", "USING btree (amount)", ("amount",)),
        DropIndex("public", "events", "events_account_twin_2", "USING btree (amount)", ("amount",)),
    )
    trials.baseline([query])
    assert trials.trial(change, [query], accept_neutral=True).decision is Decision.SLOWER_QUERY


def test_an_index_that_only_a_function_uses_is_not_dropped(trials: Trials, lab: Lab) -> None:
    lab.connection.execute(
        "create function dearest() returns numeric language plpgsql stable as"
        " 'begin return (select max(amount) from events where amount < 900); end'"
    )
    query = replace(read("dearest", "select dearest()"), hides_work=True)
    change = strategy(
        DropIndex("public", "events", "events_account_twin", "USING btree (amount)", ("amount",)),
        DropIndex("public", "events", "events_account_twin_2", "USING btree (amount)", ("amount",)),
    )
    trials.baseline([query])
    trial = trials.trial(change, [query], accept_neutral=True)
    assert trial.decision is Decision.SLOWER_QUERY
    assert not trial.queries[0].plan_changed


def test_an_index_on_what_a_trigger_writes_is_tried_on_the_write_that_fires_it(lab: Lab) -> None:
    trials = Trials(lab, FEW_PAIRS, random.Random(1))
    lab.connection.execute(
        "create function noted() returns trigger language plpgsql as"
        " 'begin insert into events values (-new.id, 1, now(), $$new$$, 1); return null; end';"
        "create trigger noted after insert on notes for each row execute function noted()"
    )
    firing = write("firing", "insert into notes values (1000001, 'note')")
    trials.baseline([firing, BY_ACCOUNT], runs=1)
    trial = trials.trial(strategy(index("account_x", "account")), [firing, BY_ACCOUNT])
    assert {one.query_id for one in trial.queries} == {"firing", "by_account"}
    assert trial.before_ms == next(one.before_ms for one in trial.queries if one.query_id == "by_account")


def test_what_an_index_saves_without_a_plan_that_shows_it_is_measured(lab: Lab, undo: Undo) -> None:
    lab.connection.execute("alter table events add constraint known unique (id)")
    undo("alter table events drop constraint known cascade")
    lab.connection.execute("create table tags as select id as event, 'new' as name from events where id <= 100000")
    undo("drop table tags")
    lab.connection.execute("alter table tags add foreign key (event) references events (id) on delete cascade")
    lab.connection.execute("vacuum analyze tags")
    by_event = strategy(CreateIndex("public", "tags", "tags_event", "USING btree (event)", ("event",)))
    trials = Trials(lab, LIMITS, random.Random(1))
    trials.baseline((DELETE,))
    assert trials.trial(by_event, [DELETE]).reason == "no plan uses it"
    trial = trials.trial(replace(by_event, unshown={DELETE.id: 0.1}), [DELETE])
    assert trial.decision is Decision.ACCEPTED
    [deleted] = trial.queries
    assert deleted.after_ms < deleted.before_ms
    assert not deleted.plan_changed


def test_memory_is_measured_on_the_queries_that_sort(lab: Lab) -> None:
    trials = Trials(lab, FEW_PAIRS, random.Random(1))
    query = read("sorted", "select * from events order by kind, amount, at offset 199999")
    baseline = trials.baseline([query, BY_ACCOUNT], runs=1)
    assert any(node.sort_on_disk for node in baseline.plans["sorted"].root.walk())
    trial = trials.trial(strategy(SetSetting("database", "postgres", "work_mem", "256MB")), [query, BY_ACCOUNT])
    assert "sorted" in [one.query_id for one in trial.queries]


def test_a_setting_that_is_not_one_fails_and_the_trials_go_on(trials: Trials) -> None:
    trial = trials.trial(strategy(SetSetting("database", "postgres", "no_such_setting", "1")), [COUNT])
    assert trial.decision is Decision.FAILED
    assert trials.trial(strategy(index("account_x", "account")), [BY_ACCOUNT]).decision is Decision.ACCEPTED


def test_an_index_that_cannot_be_built_fails_with_the_servers_reason(trials: Trials, lab: Lab) -> None:
    before = state(lab)
    trial = trials.trial(strategy(index("missing_x", "no_such_column")), WORKLOAD)
    assert trial.decision is Decision.FAILED
    assert "no_such_column" in trial.reason
    assert state(lab) == before


def test_a_query_that_times_out_before_and_not_after_counts_with_its_limit(lab: Lab) -> None:
    slow = read(
        "slow", "select sum((select count(*) from events x where x.account = a)) from generate_series(100, 299) a"
    )
    trials = Trials(lab, TrialLimits(statement_timeout_ms=400, max_pairs=40), random.Random(2))
    baseline = trials.baseline([slow])
    assert baseline.times["slow"] == (400.0,)
    trial = trials.trial(strategy(index("account_x", "account")), [slow])
    assert trial.decision is Decision.ACCEPTED
    [measured] = trial.queries
    assert measured.before_ms == 400.0
    assert measured.after_ms < 400.0
    assert measured.timed_out == trial.pairs + 1


def test_a_query_that_fails_in_the_lab_is_told_and_left_out(trials: Trials) -> None:
    broken = read("broken", "select 1 / (account - 7) from events order by id desc")
    baseline = trials.baseline([broken, COUNT])
    assert baseline.failures == {"broken": "22012"}
    assert "broken" not in {one.query_id for one in trials.final([broken, COUNT], pairs=1)}


def test_a_query_without_values_for_its_parameters_is_not_run(trials: Trials) -> None:
    generic = read("generic", "select 1")
    generic = type(generic)("generic", "generic", "select $1::int", "select $1::int", 1.0, generic.kind, 1)
    assert trials.baseline([generic]).times == {}
    assert trials.final([generic]) == ()


def test_what_may_run_in_a_clone_alone_is_not_run_in_a_named_database(lab: Lab) -> None:
    tame, wild = COUNT, replace(read("wild", "select count(*) from events"), clone_only="it calls act")
    assert set(Trials(lab, FEW_PAIRS, random.Random(1)).baseline([tame, wild], runs=1).times) == {"count", "wild"}
    lab.connection.execute("ROLLBACK")
    named = Trials(Lab(lab.connection, "a database", size_bytes=0), FEW_PAIRS, random.Random(1))
    assert set(named.baseline([tame, wild], runs=1).times) == {"count"}
    assert [one.query_id for one in named.final([tame, wild], pairs=1)] == ["count"]


def test_what_is_made_for_a_moment_is_gone_afterwards(trials: Trials, lab: Lab) -> None:
    before = state(lab)
    statistics = CreateStatistics("public", "events", "account_kind", ("account", "kind"), ("mcv",))
    with trials.made(strategy(statistics, index("account_x", "account"))) as built:
        assert built.size_bytes > 0
        assert state(lab) != before
    assert state(lab) == before


def test_time_that_is_up_ends_a_trial_as_inconclusive(lab: Lab) -> None:
    ticks = iter(range(10**6))
    limits = TrialLimits(max_seconds=4.0, statement_timeout_ms=LIMITS.statement_timeout_ms)
    trials = Trials(lab, limits, random.Random(1), clock=lambda: float(next(ticks)))
    trial = trials.trial(strategy(index("account_x", "account")), [BY_ACCOUNT])
    assert trial.decision is Decision.NO_GAIN
    assert "inconclusive" in trial.reason
