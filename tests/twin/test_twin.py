"""What-if on the twin: each kind of change has its effect, nothing leaks, and no fault of one thing spoils another."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace

import psycopg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from trimtab.db.connection import Connection, connect
from trimtab.embedded.account import serving_account
from trimtab.embedded.binaries import Binaries
from trimtab.embedded.places import run_root
from trimtab.embedded.server import Server
from trimtab.errors import LabError
from trimtab.model.change import Change, CreateIndex, CreateStatistics, DropIndex, DropStatistics, SetSetting
from trimtab.model.plan import Plan
from trimtab.model.whatif import PlanFailure, hypothesis_digest
from trimtab.twin.build import DATABASE as TWIN_DATABASE
from trimtab.twin.twin import Twin

from .shop import DATABASE, query, silent, snapshot, workload

pytestmark = pytest.mark.server

BY_ZIP = query("SELECT * FROM orders WHERE zip = 1711")
ZIP = CreateIndex("public", "orders", "orders_zip", "USING btree (zip)", ("zip",))
ZIP_COVERING = CreateIndex("public", "orders", "orders_zip_2", "(zip) INCLUDE (city, total)", ("zip",), ("city",))
OPEN_CITY = CreateIndex("public", "orders", "orders_open_city", "(city) WHERE status = 'open'", ("city",))
SIZE = CreateIndex("Mixed Case", 'Wäre "1" Lager', 'Größe "neu"', '("select", "größe" DESC)', ("select",))
EVENTS = CreateIndex("public", "event_2025", "event_kind", "(kind, at)", ("kind", "at"))
ARCHIVE = CreateIndex("archive", "orders", "orders_total", "(total)", ("total",))
UNKNOWN = CreateIndex("public", "orders", "orders_nothing", "(nothing)", ("nothing",))
DROP_CUSTOMER = DropIndex("public", "orders", "orders_customer", "(customer_id) INCLUDE (total)", ("customer_id",))
DROP_ODD = DropIndex("Mixed Case", 'Wäre "1" Lager', 'Größe "2" Index', '("größe")', ("größe",))
NO_HASH = SetSetting("database", DATABASE, "enable_hashjoin", "off")
SMALL = SetSetting("database", DATABASE, "work_mem", "64kB")
NO_GROUPS = DropStatistics("public", "orders", "orders_city_zip", ("city", "zip"), ("ndistinct",))
CHANGES: tuple[Change, ...] = (
    ZIP, ZIP_COVERING, OPEN_CITY, SIZE, EVENTS, ARCHIVE, UNKNOWN, DROP_CUSTOMER, DROP_ODD, NO_HASH, SMALL, NO_GROUPS,
)  # fmt: skip
ASKED = (*workload(), BY_ZIP, query("SELECT * FROM orders WHERE status = 'open' AND city = 'city5'"))


@pytest.fixture
def own_twin(source: Server) -> Iterator[Twin]:
    """A twin that a test may break."""
    with closing(connect(source.dsn(DATABASE), read_only=True)) as connection:
        facts = snapshot(connection)
    with Twin.build(source.dsn(DATABASE), facts, Binaries.find(), progress=silent) as twin:
        yield twin


def one(twin: Twin, *changes: Change, asked: object = BY_ZIP) -> Plan:
    [[plan]] = twin.what_if([asked], [changes])  # type: ignore[list-item]
    assert isinstance(plan, Plan), plan
    return plan


def forget(twin: Twin) -> None:
    """Make the twin ask its planner again."""
    twin._cache.clear()


def test_a_hypothetical_index_is_used_by_the_configuration_that_has_it(shared_twin: Twin) -> None:
    [[without], [with_it], [covered]] = shared_twin.what_if([BY_ZIP], [(), (ZIP,), (ZIP_COVERING, ZIP)])
    assert isinstance(without, Plan)
    assert isinstance(with_it, Plan)
    assert isinstance(covered, Plan)
    assert "orders_zip" not in without.indexes
    assert with_it.indexes == {"orders_zip"}
    assert with_it.cost < without.cost
    assert covered.cost <= with_it.cost


def test_a_partial_index_knows_how_few_rows_it_has(shared_twin: Twin) -> None:
    asked = query("SELECT * FROM orders WHERE status = 'open' AND city = 'city5'")
    assert one(shared_twin, OPEN_CITY, asked=asked).indexes == {"orders_open_city"}
    [full, partial] = shared_twin.size_bytes([replace(OPEN_CITY, name="full", tail="(city)"), OPEN_CITY])
    assert full is not None
    assert partial is not None
    assert partial < full / 5


def test_odd_names_are_no_obstacle(shared_twin: Twin) -> None:
    asked = query('SELECT "select" FROM "Mixed Case"."Wäre ""1"" Lager" WHERE "select" = \'part7\'')
    assert one(shared_twin, SIZE, asked=asked).indexes == {'Größe "neu"'}
    asked = query('SELECT "größe" FROM "Mixed Case"."Wäre ""1"" Lager" WHERE "größe" = 8')
    assert one(shared_twin, asked=asked).indexes == {'Größe "2" Index'}
    assert one(shared_twin, DROP_ODD, asked=asked).indexes == frozenset()


def test_an_index_on_a_table_does_not_touch_its_namesake_in_another_schema(shared_twin: Twin) -> None:
    asked = query("SELECT * FROM archive.orders WHERE total = 12")
    assert one(shared_twin, ARCHIVE, asked=asked).indexes == {"orders_total"}
    calls = shared_twin.planner_calls
    one(shared_twin, ZIP, asked=asked)
    assert shared_twin.planner_calls == calls


def test_changes_of_every_kind_act_together(shared_twin: Twin) -> None:
    join = query("SELECT c.id FROM customer c JOIN orders o ON o.customer_id = c.id WHERE o.zip = 1711")
    plan = one(shared_twin, ZIP, DROP_CUSTOMER, NO_HASH, NO_GROUPS, asked=join)
    assert "orders_zip" in plan.indexes
    assert "orders_customer" not in plan.indexes
    assert not any(node.node_type == "Hash Join" for node in plan.root.walk())


def test_a_setting_changes_plans(shared_twin: Twin) -> None:
    join = query("SELECT * FROM customer c JOIN orders o ON o.customer_id = c.id")
    assert any(node.node_type == "Hash Join" for node in one(shared_twin, asked=join).root.walk())
    assert not any(node.node_type == "Hash Join" for node in one(shared_twin, NO_HASH, asked=join).root.walk())


def test_a_setting_that_does_not_exist_fails_its_configuration_only(shared_twin: Twin) -> None:
    wrong = SetSetting("database", DATABASE, "enable_wonders", "on")
    [[failed], [fine]] = shared_twin.what_if([BY_ZIP], [(wrong,), (ZIP,)])
    assert isinstance(failed, PlanFailure)
    assert failed.sqlstate == "42704"
    assert isinstance(fine, Plan)


def test_dropping_statistics_changes_the_estimate(shared_twin: Twin) -> None:
    asked = query("SELECT city, zip, count(*) FROM orders GROUP BY city, zip")
    assert one(shared_twin, NO_GROUPS, asked=asked).root.rows > 10 * one(shared_twin, asked=asked).root.rows


def test_new_statistics_have_an_effect_once_the_lab_has_told_them(own_twin: Twin, shop: Connection) -> None:
    asked = query("SELECT zip, note, count(*) FROM orders GROUP BY zip, note")
    change = CreateStatistics("public", "orders", "zip_note", ("zip", "note"), ("ndistinct", "dependencies"))
    before = one(own_twin, change, asked=asked)
    assert before == one(own_twin, asked=asked)
    with shop.transaction(force_rollback=True):
        shop.execute(change.sql().encode())
        shop.execute(b"ANALYZE orders")
        own_twin.import_statistics(change, shop)
        row = shop.execute(b"EXPLAIN (FORMAT JSON) " + asked.text.encode()).fetchone()
    after = one(own_twin, change, asked=asked)
    assert row is not None
    assert after.root.rows == pytest.approx(row[0][0]["Plan"]["Plan Rows"], rel=0.01)
    assert after.root.rows < before.root.rows / 5
    assert one(own_twin, asked=asked) == before


def test_a_lab_whose_role_may_not_read_statistics_is_told_and_harmless(own_twin: Twin, source: Server) -> None:
    change = CreateStatistics("public", "orders", "when_who", ("customer_id", "placed"), ("ndistinct",))
    with closing(connect(f"{source.dsn(DATABASE)} user=reader", read_only=False)) as lab:
        own_twin.import_statistics(change, lab)
    assert any("may not read" in problem for problem in own_twin.problems)
    assert one(own_twin, change) == one(own_twin)


def test_a_refused_index_has_no_size_and_no_effect(shared_twin: Twin) -> None:
    absent = CreateIndex("public", "nowhere", "x", "(a)", ("a",))
    nameless = CreateIndex("public", "orders", "", "(zip)", ("zip",))
    taken = CreateIndex("public", "orders", "orders_place", "(zip)", ("zip",))
    refused = [UNKNOWN, absent, nameless, taken]
    sizes = shared_twin.size_bytes([UNKNOWN, absent, nameless, ZIP])
    assert sizes[:3] == [None] * 3
    assert sizes[3] is not None
    assert one(shared_twin, *refused) == one(shared_twin)
    assert all(shared_twin._indexes.refusal(change) for change in refused)
    assert one(shared_twin, *refused, ZIP).indexes == {"orders_zip"}


def test_an_index_takes_the_place_and_the_name_of_one_that_goes(shared_twin: Twin) -> None:
    """What it would be called decides nothing from one call to the next."""
    gone = DropIndex("public", "orders", "orders_place", "(city, zip DESC)", ("city", "zip"))
    wider = CreateIndex("public", "orders", "orders_place", "(zip, city)", ("zip", "city"))
    narrow = replace(wider, tail="(zip)", key_columns=("zip",))
    for change in (wider, narrow, wider):
        assert shared_twin.refusal(change, [gone]) is None
        assert shared_twin.refusal(change) == 'relation "orders_place" already exists'
        plan = one(shared_twin, gone, change)
        assert plan.indexes == {"orders_place"}
        assert plan.cost < one(shared_twin, gone).cost
    wide, slim = shared_twin.size_bytes([wider, narrow])
    assert wide is not None
    assert slim is not None
    assert wide > slim


def test_a_query_that_cannot_be_planned_does_not_stop_the_others(shared_twin: Twin) -> None:
    wrong = [query("SELECT nothing FROM orders"), query("SELECT * FROM nowhere"), query("SELECT 1 / 0")]
    [answers] = shared_twin.what_if([wrong[0], BY_ZIP, *wrong[1:], ASKED[0]], [(ZIP,)])
    assert [isinstance(answer, Plan) for answer in answers] == [False, True, False, False, True]
    assert [a.sqlstate for a in answers if isinstance(a, PlanFailure)] == ["42703", "42P01", "22012"]


def test_parameters_decide_the_plan_even_under_one_id(shared_twin: Twin) -> None:
    text = "SELECT * FROM orders WHERE id < $1"
    few, many, generic = query(text, "10"), query(text, "110000"), query(text)
    [[a, b, c]] = shared_twin.what_if([few, replace(many, id=few.id), replace(generic, id=few.id)], [()])
    assert isinstance(a, Plan)
    assert isinstance(b, Plan)
    assert isinstance(c, Plan)
    assert a.root.rows < c.root.rows < b.root.rows


def test_generic_and_custom_plans_are_kept_apart(shared_twin: Twin) -> None:
    bound = query("SELECT * FROM orders WHERE id < $1", "10")
    open_ended = query("SELECT * FROM orders WHERE id < $1")
    for _ in range(2):
        [[custom, unbound, plain]] = shared_twin.what_if([bound, open_ended, BY_ZIP], [(ZIP,)])
        [[general, same, plain_again]] = shared_twin.what_if([bound, open_ended, BY_ZIP], [(ZIP,)], generic=True)
        [[custom_again, refused, _]] = shared_twin.what_if([bound, open_ended, BY_ZIP], [(ZIP,)], generic=False)
        assert custom == custom_again != general == unbound == same
        assert plain == plain_again
        assert isinstance(refused, PlanFailure)
        assert isinstance(general, Plan)
        assert "$1" in general.root.conditions["Index Cond"]


def test_statements_that_cannot_be_planned_are_told_each_for_itself(shared_twin: Twin) -> None:
    asked = [
        query("SELECT unknown_function($1)", "1"),
        query("SELECT $1 + $2"),  # of no known type
        query("SELECT * FROM orders WHERE id = $1", "many"),
        replace(BY_ZIP, text="CREATE TABLE IF NOT EXISTS orders AS SELECT 1"),
        replace(BY_ZIP, text="SELECT 1; DROP TABLE orders"),
        replace(BY_ZIP, text="SELECT '\0'"),
        replace(BY_ZIP, text="VACUUM orders"),
        BY_ZIP,
        query("SELECT * FROM orders WHERE id = $1"),
    ]
    for generic in (None, True):
        [without, with_it] = shared_twin.what_if(asked, [(), (ZIP, SMALL)], generic=generic)
        for answers in (without, with_it):
            assert [isinstance(a, Plan) for a in answers[3:]] == [False, False, False, False, True, True]
            assert isinstance(answers[0], PlanFailure)
            assert answers[0].sqlstate == "42883"
    assert one(shared_twin, ZIP).indexes == {"orders_zip"}


def test_a_generic_plan_that_fails_leaves_no_statement_behind(shared_twin: Twin) -> None:
    wrong = query("SELECT * FROM orders WHERE id = $1 AND 1 / 0 = 1")
    right = query("SELECT * FROM orders WHERE id = $1 AND zip = 1711")
    [[failed, fine]] = shared_twin.what_if([wrong, right], [(ZIP, NO_HASH)])
    assert isinstance(failed, PlanFailure)
    assert isinstance(fine, Plan)
    left = shared_twin.connection.execute("select count(*) from pg_prepared_statements where not from_sql").fetchone()
    named = shared_twin.connection.execute("select count(*) from pg_prepared_statements where from_sql").fetchone()
    assert (left, named) == ((2,), (0,))


def test_an_interrupt_leaves_the_twin_usable(shared_twin: Twin) -> None:
    [before] = shared_twin.what_if([BY_ZIP], [(ZIP,)])
    main = threading.main_thread().ident
    assert main is not None

    def ask_for_ever(configurations: list[tuple[Change, ...]]) -> None:
        while True:
            forget(shared_twin)
            shared_twin.what_if(ASKED, configurations)

    works: list[list[tuple[Change, ...]]] = [[(ZIP,)], [(NO_HASH,), (SMALL,)]]
    for work in works:
        timer = threading.Timer(0.01, signal.pthread_kill, (main, signal.SIGINT))
        timer.start()
        with pytest.raises(KeyboardInterrupt):
            ask_for_ever(work)
        timer.join()
        assert shared_twin.what_if([BY_ZIP], [(ZIP,)]) == [before]


def test_what_an_interrupt_left_behind_is_left_first(shared_twin: Twin) -> None:
    made = CreateIndex("public", "orders", "left_behind", "(zip, status)", ("zip", "status"))
    for use in (lambda: shared_twin.size_bytes([made]), lambda: shared_twin.what_if([BY_ZIP], [(ZIP,)])):
        shared_twin.connection.execute("BEGIN")
        with pytest.raises(psycopg.Error):
            shared_twin.connection.execute("SELECT 1 / 0")
        use()


def test_the_same_question_is_not_planned_twice(shared_twin: Twin) -> None:
    shared_twin.what_if(ASKED, [(), (ZIP, SIZE)])
    calls = shared_twin.planner_calls
    shared_twin.what_if(ASKED, [(SIZE, ZIP), (), (ZIP,), (SIZE,)])
    assert shared_twin.planner_calls == calls


@settings(max_examples=8, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.lists(st.sampled_from(CHANGES), unique=True, max_size=5).map(tuple), min_size=1, max_size=6))
def test_no_configuration_leaks_into_another(shared_twin: Twin, configurations: list[tuple[Change, ...]]) -> None:
    forget(shared_twin)
    [base] = shared_twin.what_if(ASKED, [()])
    forget(shared_twin)
    together = shared_twin.what_if(ASKED, configurations)
    for configuration, answers in zip(configurations, together, strict=True):
        forget(shared_twin)
        [alone] = shared_twin.what_if(ASKED, [configuration])
        assert alone == answers
    forget(shared_twin)
    assert shared_twin.what_if(ASKED, [()]) == [base]


def test_the_twin_s_catalog_is_as_before_after_questions(shared_twin: Twin) -> None:
    text = (
        "select c.relname, c.relpages, c.reltuples, c.relallvisible, pg_relation_size(c.oid) from pg_class c"
        " join pg_namespace n on n.oid = c.relnamespace where n.nspname in ('public', 'archive', 'Mixed Case')"
        " and c.relkind in ('r', 'm') order by 1, 2, 5"
    )
    # The server is stopped for a moment when another is made of it, which may be while it is asked.
    with closing(connect(shared_twin._server.dsn(TWIN_DATABASE), read_only=True)) as connection:
        before = connection.execute(text.encode()).fetchall()
    more = replace(ZIP, name="orders_zip_3", tail="(zip, city)")
    shared_twin.what_if(ASKED, [(more,), (DROP_CUSTOMER, SMALL), (NO_GROUPS,)])
    with closing(connect(shared_twin._server.dsn(TWIN_DATABASE), read_only=True)) as connection:
        assert connection.execute(text.encode()).fetchall() == before
        assert connection.execute("select count(*) from pg_index where not indislive and indisvalid").fetchone() == (0,)


def test_a_session_that_was_ended_is_opened_again_with_all_that_was_made(own_twin: Twin) -> None:
    asked = [(), (ZIP,), (DROP_CUSTOMER, SMALL)]
    before = own_twin.what_if(ASKED, asked)
    with closing(connect(own_twin._server.dsn(TWIN_DATABASE), read_only=False)) as other:
        other.execute("select pg_terminate_backend($1)", (own_twin.connection.info.backend_pid,))
    forget(own_twin)
    assert own_twin.what_if(ASKED, asked) == before


def test_a_server_that_was_killed_is_brought_back_as_it_was(own_twin: Twin) -> None:
    gin = CreateIndex("public", "orders", "orders_words", "USING gin (to_tsvector('simple', city))", ())
    brin = CreateIndex("public", "orders", "orders_placed", "USING brin (placed)", ("placed",))
    asked: list[tuple[Change, ...]] = [(), (ZIP,), (EVENTS,), (gin,), (brin, DROP_CUSTOMER)]
    before = own_twin.what_if(ASKED, asked)
    sizes = own_twin.size_bytes([ZIP, EVENTS, gin, brin])
    for which in ("postmaster", "planning session"):
        process = own_twin._server._process
        assert process is not None
        pid = process.pid if which == "postmaster" else own_twin.connection.info.backend_pid
        os.kill(pid, signal.SIGKILL)
        forget(own_twin)
        assert own_twin.what_if(ASKED, asked) == before, which
        assert own_twin.size_bytes([ZIP, EVENTS, gin, brin]) == sizes
        assert own_twin.size_bytes([ZIP_COVERING]) != [None]  # and new ones can be made


def test_only_what_ends_the_server_is_not_planned(source: Server) -> None:
    deadly = query("SELECT * FROM orders WHERE zip = deadly()")
    with closing(connect(source.dsn(DATABASE), read_only=False)) as shop:
        shop.execute(
            b"CREATE FUNCTION deadly() RETURNS int IMMUTABLE LANGUAGE plpgsql"
            b" AS 'BEGIN PERFORM pg_terminate_backend(pg_backend_pid()); RETURN 1; END'"
        )
        try:
            facts = snapshot(shop)
            with Twin.build(source.dsn(DATABASE), facts, Binaries.find(), progress=silent) as twin:
                expected, size = twin.what_if(ASKED, [(), (ZIP,)]), twin.size_bytes([ZIP])
                forget(twin)
                before, after = twin.what_if([*ASKED, deadly, BY_ZIP], [(), (ZIP,)])
                for answers, wanted in zip((before, after), expected, strict=True):
                    failure = answers.pop(len(ASKED))
                    assert isinstance(failure, PlanFailure)
                    assert (failure.sqlstate, "ended" in failure.reason) == ("57P02", True)
                    assert answers == [*wanted, wanted[ASKED.index(BY_ZIP)]]
                assert twin.size_bytes([ZIP]) == size
        finally:
            shop.execute(b"DROP FUNCTION deadly()")


def test_a_death_between_making_and_shaping_leaves_no_index_behind(own_twin: Twin) -> None:
    own_twin.size_bytes([ZIP])
    digest = hypothesis_digest(SIZE)
    indexes = own_twin._indexes
    [(table,)] = own_twin.connection.execute("select $1::regclass::oid", ('"Mixed Case"."Wäre ""1"" Lager"',))
    indexes._create(indexes.maker, {digest: replace(SIZE, name=indexes._own_name(digest, SIZE))}, [table])
    os.kill(own_twin.connection.info.backend_pid, signal.SIGKILL)
    assert own_twin.refusal(SIZE) is None
    assert own_twin.size_bytes([SIZE]) != [None]


def test_a_twin_that_cannot_be_brought_back_says_so_and_leaves_nothing(
    own_twin: Twin, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("trimtab.twin.engine._REVIVAL_SECONDS", 0.0)
    directory = own_twin._server.directory
    process = own_twin._server._process
    assert process is not None
    own_twin.what_if([BY_ZIP], [()])
    (own_twin._server.data_directory / "global" / "pg_control").unlink()
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    for call in (lambda: own_twin.size_bytes([ZIP]), lambda: own_twin.what_if(ASKED, [()])):
        with pytest.raises(LabError) as caught:
            call()
        assert caught.value.code == "twin.lost"
        assert caught.value.next_step
    own_twin.close()
    assert not directory.exists()
    assert directory not in set(run_root(serving_account()).iterdir())
