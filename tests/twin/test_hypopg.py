"""HypoPG behind the same port: what it can imagine, what it says of the rest, and that it leaves the server alone."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import psycopg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from trimtab.db.connection import connect
from trimtab.embedded.server import Server
from trimtab.errors import SourceError
from trimtab.lifecycle.twin_explain import explain
from trimtab.lifecycle.twin_origin import Origin
from trimtab.lifecycle.twin_wishes import Wishes
from trimtab.model.change import Change, CreateIndex
from trimtab.model.plan import Plan
from trimtab.model.watch import Silent
from trimtab.model.whatif import PlanFailure, WhatIf
from trimtab.twin.hypopg import HypoPG

from .shop import DATABASE, query
from .test_twin import ASKED, BY_ZIP, DROP_CUSTOMER, NO_GROUPS, NO_HASH, OPEN_CITY, SIZE, SMALL, UNKNOWN, ZIP

pytestmark = [pytest.mark.server, pytest.mark.system_postgres]

GIN = CreateIndex("public", "event_2025", "event_payload", "USING gin (payload)", ("payload",))
CITY = CreateIndex("public", "orders", "orders_city_only", "(city)", ("city",))
CHANGES: tuple[Change, ...] = (ZIP, OPEN_CITY, SIZE, UNKNOWN, GIN, CITY, NO_HASH, SMALL)


@pytest.fixture(scope="module")
def hypopg_source(older_source: Server) -> Iterator[Server]:
    with closing(connect(older_source.dsn(DATABASE), read_only=False)) as connection:
        try:
            connection.execute("create schema if not exists what_if")
            connection.execute("create extension hypopg schema what_if")
        except psycopg.Error:
            pytest.skip("the system's PostgreSQL 15 has no HypoPG")
        connection.execute("grant usage on schema what_if, public, archive to reader")
        connection.execute("grant select on all tables in schema public, archive to reader")
    yield older_source
    with closing(connect(older_source.dsn(DATABASE), read_only=False)) as connection:
        connection.execute("drop extension hypopg")


@pytest.fixture
def hypopg(hypopg_source: Server) -> Iterator[HypoPG]:
    with HypoPG.connect(hypopg_source.dsn(DATABASE)) as engine:
        yield engine


def test_a_hypothetical_index_is_used_under_its_own_name(hypopg: HypoPG) -> None:
    port: WhatIf = hypopg
    [[without], [with_it], [again]] = port.what_if([BY_ZIP], [(), (ZIP,), ()])
    assert isinstance(without, Plan)
    assert isinstance(with_it, Plan)
    assert with_it.indexes == {"orders_zip"} == {n.index for n in with_it.root.walk() if n.index}
    assert with_it.cost < without.cost
    assert again == without
    assert port.planner_calls == 2
    [size] = port.size_bytes([ZIP])
    assert size is not None
    assert size > 1 << 20


def test_odd_names_and_partial_indexes_are_no_obstacle(hypopg: HypoPG) -> None:
    odd = query('SELECT "select" FROM "Mixed Case"."Wäre ""1"" Lager" WHERE "select" = \'part7\'')
    partial = query("SELECT * FROM orders WHERE status = 'open' AND city = 'city5'")
    [plans] = hypopg.what_if([odd, partial], [(SIZE, OPEN_CITY)])
    assert [plan.indexes for plan in plans if isinstance(plan, Plan)] == [{'Größe "neu"'}, {"orders_open_city"}]


def test_a_name_that_it_cuts_within_a_character_is_no_obstacle(hypopg_source: Server) -> None:
    with closing(connect(hypopg_source.dsn(DATABASE), read_only=False)) as connection:
        connection.execute(
            'CREATE TABLE "таблица_для_очень_длин_имён" AS SELECT n AS "ключ" FROM generate_series(1, 10000) n;'
            'ANALYZE "таблица_для_очень_длин_имён"'.encode()
        )
    try:
        asked = query('SELECT * FROM "таблица_для_очень_длин_имён" WHERE "ключ" = 7')
        with HypoPG.connect(hypopg_source.dsn(DATABASE)) as engine:
            for method in ("hash", "btree"):
                index = CreateIndex("public", "таблица_для_очень_длин_имён", "x", f'USING {method} ("ключ")', ("ключ",))
                [[without], [found]] = engine.what_if([asked], [(), (index,)])
                assert isinstance(without, Plan)
                assert isinstance(found, Plan)
                assert found.cost < without.cost / 2
                assert found.indexes == {"x"}
    finally:
        with closing(connect(hypopg_source.dsn(DATABASE), read_only=False)) as connection:
            connection.execute('DROP TABLE "таблица_для_очень_длин_имён"'.encode())


def test_what_it_cannot_imagine_is_told_per_index(hypopg: HypoPG) -> None:
    assert hypopg.size_bytes([GIN, UNKNOWN])[0] is None
    assert "gin" in str(hypopg.refusal(GIN))
    assert hypopg.refusal(ZIP) is None
    assert "nothing" in str(hypopg.refusal(UNKNOWN))
    several = replace(ZIP, tail="(zip); DROP TABLE orders")
    [[plan]] = hypopg.what_if([BY_ZIP], [(GIN, UNKNOWN, ZIP)])
    assert isinstance(plan, Plan)
    assert plan.indexes == {"orders_zip"}
    [[_], [after]] = hypopg.what_if([BY_ZIP], [(several,), ()])
    assert isinstance(after, Plan)


def test_a_drop_fails_only_the_queries_that_it_could_matter_to(hypopg: HypoPG) -> None:
    other = query("SELECT * FROM customer WHERE id = 5")
    for change in (DROP_CUSTOMER, NO_GROUPS):
        [[failed, fine]] = hypopg.what_if([BY_ZIP, other], [(change,)])
        assert isinstance(failed, PlanFailure)
        assert failed.sqlstate == "0A000"
        assert isinstance(fine, Plan)


def test_what_it_cannot_imagine_is_refused_alone_and_the_rest_is_explained(
    hypopg_source: Server, tmp_path: Path
) -> None:
    workload = tmp_path / "workload.sql"
    workload.write_text(f"{BY_ZIP.text};")
    wishes = Wishes(
        indexes=["CREATE INDEX wish ON orders (zip)"],
        drops=["orders_customer"],
        statistics=["CREATE STATISTICS more ON city, zip FROM orders"],
        targets=["orders.city=500", "nowhere.city=500"],
    )
    done = explain(Origin(hypopg_source.dsn(DATABASE)), workload, wishes, Silent(), seed=1, engine="hypopg")
    assert [(one.uses, one.failure) for one in done.queries] == [(("wish",), "")]
    codes = [one.code for one in done.drops], [one.code for one in done.statistics], [one.code for one in done.targets]
    assert codes == (["twin.refused"], ["twin.refused"], ["twin.refused", "twin.no_such_table"])
    assert [one.refusal for one in done.indexes] == [""]


def test_generic_plans_on_a_server_without_generic_explain(hypopg: HypoPG) -> None:
    bound = query("SELECT * FROM orders WHERE id < $1", "10")
    [[custom]] = hypopg.what_if([bound], [(ZIP,)])
    [[general]] = hypopg.what_if([bound], [(ZIP,)], generic=True)
    assert isinstance(custom, Plan)
    assert isinstance(general, Plan)
    assert custom.root.rows < general.root.rows
    [[with_it]] = hypopg.what_if([query("SELECT * FROM orders WHERE zip = $1")], [(ZIP,)])
    assert isinstance(with_it, Plan)
    assert with_it.indexes == {"orders_zip"}


@settings(max_examples=10, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.lists(st.sampled_from(CHANGES), unique=True, max_size=5).map(tuple), min_size=1, max_size=5))
def test_no_configuration_leaks_into_another(hypopg: HypoPG, configurations: list[tuple[Change, ...]]) -> None:
    """Costs are compared: HypoPG gives its indexes new numbers each time, and these decide between plans as good."""
    together = hypopg.what_if(ASKED, configurations)
    for configuration, answers in zip(configurations, together, strict=True):
        hypopg._cache.clear()
        [again] = hypopg.what_if(ASKED, [configuration])
        for one, other in zip(again, answers, strict=True):
            if isinstance(one, Plan) and isinstance(other, Plan):
                # The planner holds costs for equal that differ by less than 1 %.
                assert one.cost == pytest.approx(other.cost, rel=0.0101)
            else:
                assert one == other


def test_more_indexes_than_it_has_numbers_for(hypopg: HypoPG) -> None:
    many = [replace(ZIP, name=f"zip_{n}", tail=f"(zip) WHERE id > {n}") for n in range(3000)]
    assert None not in hypopg.size_bytes(many)
    [answers, failed] = hypopg.what_if([BY_ZIP], [(ZIP,), tuple(many)])
    assert isinstance(answers[0], Plan)
    assert isinstance(failed[0], PlanFailure)


def test_a_reading_role_suffices_and_the_server_is_left_alone(hypopg_source: Server) -> None:
    facts = (
        "select (select count(*) from pg_class), (select count(*) from pg_index), (select sum(oid::int8) from pg_class)"
    )
    with closing(connect(hypopg_source.dsn(DATABASE), read_only=True)) as connection:
        before = connection.execute(facts.encode()).fetchall()
        conninfo = hypopg_source.dsn(DATABASE).replace("user=trimtab", "user=reader")
        with HypoPG.connect(conninfo) as engine:
            [[plan]] = engine.what_if([BY_ZIP], [(ZIP, NO_HASH)])
            assert isinstance(plan, Plan)
            assert plan.indexes == {"orders_zip"}
        assert connection.execute(facts.encode()).fetchall() == before


def test_a_role_plans_with_its_policies_and_settings(hypopg_source: Server) -> None:
    wish = CreateIndex("public", "guarded", "guarded_tenant", "(tenant)", ("tenant",))
    asked = query("SELECT * FROM guarded")
    with closing(connect(hypopg_source.dsn(DATABASE), read_only=False)) as owner:
        owner.execute(
            b"create role guarded_app; alter role guarded_app set enable_bitmapscan = off;"
            b"create table guarded as select n as id, n % 900 as tenant from generate_series(1, 30000) n;"
            b"alter table guarded enable row level security; create policy own on guarded using (tenant = 7);"
            b"grant select on guarded to guarded_app; analyze guarded"
        )
        try:
            for role, indexes in ((None, frozenset[str]()), ("guarded_app", frozenset({"guarded_tenant"}))):
                with HypoPG.connect(hypopg_source.dsn(DATABASE), role=role) as engine:
                    [[before], [after]] = engine.what_if([asked], [(), (wish,)])
                    assert isinstance(before, Plan)
                    assert isinstance(after, Plan)
                    assert after.indexes == indexes
                    assert {n.node_type for n in after.root.walk()} <= {"Seq Scan", "Index Scan"}
            conninfo = hypopg_source.dsn(DATABASE).replace("user=trimtab", "user=reader")
            with pytest.raises(SourceError) as refused:
                HypoPG.connect(conninfo, role="guarded_app")
            assert refused.value.code == "source.not_a_member"
        finally:
            owner.execute(b"drop owned by guarded_app; drop table guarded; drop role guarded_app")


def test_a_server_without_the_extension_is_told(source: Server) -> None:
    with pytest.raises(SourceError) as caught:
        HypoPG.connect(source.dsn(DATABASE))
    assert caught.value.code == "source.no_hypopg"
    assert "CREATE EXTENSION hypopg" in caught.value.next_step


def _end(server: Server, engine: HypoPG) -> None:
    with closing(connect(server.dsn(DATABASE), read_only=False)) as other:
        # It waits until the session is gone.
        other.execute("select pg_terminate_backend($1, 10000)", (engine._connection.info.backend_pid,))


def test_a_session_that_was_ended_is_opened_again_without_what_it_held(hypopg: HypoPG, hypopg_source: Server) -> None:
    asked: list[tuple[Change, ...]] = [(ZIP,), (), (CITY, ZIP)]
    before = hypopg.what_if([BY_ZIP], asked)
    sizes = hypopg.size_bytes([ZIP, CITY])
    for use in (lambda: hypopg.what_if([BY_ZIP], asked), lambda: hypopg.size_bytes([OPEN_CITY])):
        _end(hypopg_source, hypopg)
        hypopg._cache.clear()
        use()
        assert hypopg.is_alive
    hypopg._cache.clear()
    assert [[plan.cost for plan in plans if isinstance(plan, Plan)] for plans in hypopg.what_if([BY_ZIP], asked)] == [
        [plan.cost for plan in plans if isinstance(plan, Plan)] for plans in before
    ]
    assert hypopg.size_bytes([ZIP, CITY]) == sizes
    text = "select count(*) from pg_stat_activity where application_name = 'trimtab' and pid <> pg_backend_pid()"
    with closing(connect(hypopg_source.dsn(DATABASE), read_only=True)) as other:
        assert other.execute(text.encode()).fetchone() == (1,)


def test_only_the_query_that_ends_the_session_is_not_planned(hypopg: HypoPG, hypopg_source: Server) -> None:
    deadly = query("SELECT * FROM orders WHERE zip = deadly()")
    with closing(connect(hypopg_source.dsn(DATABASE), read_only=False)) as owner:
        owner.execute(
            b"CREATE FUNCTION deadly() RETURNS int IMMUTABLE LANGUAGE plpgsql"
            b" AS 'BEGIN PERFORM pg_terminate_backend(pg_backend_pid()); RETURN 1; END'"
        )
        try:
            answers = hypopg.what_if([BY_ZIP, deadly, ASKED[0]], [(), (ZIP,)])
        finally:
            owner.execute(b"DROP FUNCTION deadly()")
    for fine, failure, other in answers:
        assert isinstance(fine, Plan)
        assert isinstance(failure, PlanFailure)
        assert (failure.sqlstate, "ended" in failure.reason) == ("57P02", True)
        assert isinstance(other, Plan)
    with_it = answers[1][0]
    assert isinstance(with_it, Plan)
    assert with_it.indexes == {"orders_zip"}


def test_a_session_that_ends_again_and_again_is_told(hypopg: HypoPG, hypopg_source: Server) -> None:
    for _ in range(3):
        _end(hypopg_source, hypopg)
        hypopg._cache.clear()
        hypopg.what_if([query("SELECT 1")], [()])
    _end(hypopg_source, hypopg)
    with pytest.raises(SourceError) as caught:
        hypopg.what_if([BY_ZIP], [(ZIP,)])
    assert caught.value.code == "source.unreachable"
    assert "3 times" in str(caught.value)


def test_a_server_that_is_gone_is_told(hypopg_source: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("trimtab.twin.hypopg._REVIVAL_SECONDS", 0.0)
    with HypoPG.connect(hypopg_source.dsn(DATABASE)) as engine:
        engine.what_if([BY_ZIP], [()])
        monkeypatch.setattr(engine, "_open_session", lambda: (connect("host=/nowhere", read_only=True), ""))
        _end(hypopg_source, engine)
        with pytest.raises(SourceError) as caught:
            engine.what_if([BY_ZIP], [(ZIP,)])
        assert caught.value.code == "source.unreachable"
        assert not engine.is_alive
