"""Claims about labs that lack what planning on the source rests on: nothing is proven there."""

from __future__ import annotations

import random
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import replace

import pytest

from trimtab.db.connection import Connection, connect
from trimtab.embedded.binaries import Binaries
from trimtab.embedded.server import Server
from trimtab.model.change import CreateIndex, CreateStatistics, DropIndex
from trimtab.model.strategy import Decision, Strategy
from trimtab.trial.lab import Lab, open_clone_lab
from trimtab.trial.likeness import Lacking, lacking
from trimtab.trial.run import Trials

from .conftest import FEW_PAIRS, read, snapshot_of, write

pytestmark = pytest.mark.server

# The index can be built on the source, and nowhere else. In practice that is so with a function that names another by
# its bare name: it cannot be called where the search path is empty, as it is while a dump is restored.
SCHEMA = """
create function at_home(n integer) returns integer language plpgsql immutable as $$
begin
    if current_database() <> 'particular' then raise 'not at home'; end if;
    return n;
end $$;
create table parcel (id integer primary key, shelf integer, weight integer);
insert into parcel select g, g % 1000, g % 7 from generate_series(1, 20000) g;
create index parcel_home on parcel (at_home(shelf));
create table letter (id integer primary key, shelf integer, weight integer);
insert into letter select g, g % 1000, g % 7 from generate_series(1, 20000) g;
create index letter_shelf on letter (shelf);
create index letter_shelf_twin on letter (shelf);
create table visit (id integer, day integer) partition by range (day);
create table visit_1 partition of visit for values from (0) to (10);
create table visit_2 partition of visit for values from (10) to (20);
insert into visit select g, g % 20 from generate_series(1, 2000) g;
analyze;
"""
ON_PARCEL = read("on_parcel", "select count(*) from parcel where shelf = 3")
ON_LETTER = read("on_letter", "select count(*) from letter where shelf = 3")


def index(table: str, column: str) -> Strategy:
    change = CreateIndex("public", table, f"{table}_x", f"USING btree ({column})", (column,))
    return Strategy((change,), "test", "title", "reason", ())


DROP = Strategy(
    (DropIndex("public", "letter", "letter_shelf_twin", "USING btree (shelf)", ("shelf",)),), "test", "t", "r", ()
)


@contextmanager
def database(source: Server, name: str) -> Iterator[Connection]:
    with closing(connect(source.dsn(), read_only=False)) as admin:
        admin.execute(f"create database {name} template template0".encode())
        try:
            with closing(connect(source.dsn(name), read_only=False)) as connection:
                connection.execute(SCHEMA.replace("particular", name).encode())
                yield connection
        finally:
            admin.execute(f"drop database {name} with (force)".encode())


@pytest.fixture(scope="module")
def particular(source: Server, binaries: Binaries) -> Iterator[tuple[Lab, Lacking]]:
    with database(source, "particular") as connection:
        snapshot = snapshot_of(connection)
        with open_clone_lab(source.dsn("particular"), snapshot, binaries, max_size_bytes=10**9) as lab:
            found = lacking(connection, lab.connection)
            assert found == {("public", "parcel"): "index parcel_home of public.parcel"}
            yield lab, found


@pytest.fixture
def trials(particular: tuple[Lab, Lacking]) -> Trials:
    lab, found = particular
    return Trials(lab, FEW_PAIRS, random.Random(1), lacking=found)


def test_a_query_of_a_table_whose_index_was_not_restored_is_not_measured(trials: Trials) -> None:
    joined = read("joined", "select count(*) from letter join parcel using (id)")
    writing = write("writing", "update parcel set weight = 1 where id = 1")
    queries = [ON_PARCEL, ON_LETTER, joined, writing]
    assert set(trials.baseline(queries, runs=1).times) == {"on_letter"}
    assert set(trials.unlike) == {"on_parcel", "joined", "writing"}
    assert {one.query_id for one in trials.final(queries, pairs=1)} == {"on_letter"}
    assert any("lab lacks: index parcel_home of public.parcel" in note for note in trials.notes)


def test_no_change_to_such_a_table_is_tried(trials: Trials) -> None:
    statistics = CreateStatistics("public", "parcel", "parcel_s", ("shelf", "weight"), ("mcv",))
    for strategy in (index("parcel", "shelf"), Strategy((statistics,), "test", "title", "reason", ())):
        trial = trials.trial(strategy, [ON_PARCEL])
        assert (trial.decision, trial.pairs) == (Decision.FAILED, 0)
        assert trial.reason == "it cannot be tried: the lab lacks index parcel_home of public.parcel"


def test_other_tables_are_tried_as_ever(trials: Trials) -> None:
    trials.baseline([ON_LETTER], runs=1)
    assert trials.trial(index("letter", "weight"), [ON_LETTER]).reason == "no plan uses it"


def test_a_drop_is_not_proven_while_a_query_that_cannot_be_run_may_depend_on_it(trials: Trials) -> None:
    unknown = read("unknown", "select count(*) from nowhere")
    trials.baseline([ON_LETTER, unknown], runs=1)
    trial = trials.trial(DROP, [ON_LETTER, unknown], accept_neutral=True)
    assert trial.decision is Decision.FAILED
    assert trial.reason == "query unknown may depend on what is changed, and cannot be run in the lab"


def test_a_drop_is_proven_where_a_query_that_cannot_be_run_is_seen_to_keep_its_plan(trials: Trials) -> None:
    joined = read("joined", "select count(*) from letter join parcel using (id)")
    assert trials.baseline([joined], runs=1).times == {}
    assert trials.trial(DROP, [joined], accept_neutral=True).decision is Decision.ACCEPTED


def test_missing_parts_rows_and_statistics_are_found_with_all_that_hangs_by_them(source: Server) -> None:
    with database(source, "whole") as whole, database(source, "part") as part:
        assert lacking(whole, part) == {}
        part.execute("drop table visit_2")
        part.execute("truncate letter")
        part.execute("analyze letter")
        part.execute("drop index parcel_home")
        part.execute("create index parcel_home on parcel (shelf desc)")
        whole.execute("create statistics parcel_s on shelf, weight from parcel")
        whole.execute("alter table parcel add constraint light check (weight < 10)")
        assert lacking(whole, part) == {
            ("public", "letter"): "rows of public.letter",
            ("public", "parcel"): "check light and 2 more of public.parcel",
            ("public", "visit"): "part public.visit_2 of public.visit",
            ("public", "visit_1"): "part public.visit_2 of public.visit",
            ("public", "visit_2"): "table public.visit_2",
        }


def test_half_of_the_rows_are_too_few(source: Server) -> None:
    with database(source, "all_rows") as whole, database(source, "few_rows") as few:
        few.execute("delete from letter where id > 15000")
        few.execute("delete from parcel where id > 9000")
        few.execute("vacuum full analyze")
        assert lacking(whole, few) == {("public", "parcel"): "rows of public.parcel"}


def test_a_query_that_calls_functions_may_read_what_is_lacking(trials: Trials) -> None:
    hiding = replace(read("hiding", "select 1"), hides_work=True)
    assert set(trials.baseline([hiding, ON_LETTER], runs=1).times) == {"on_letter"}
    assert set(trials.unlike) == {"hiding"}


def test_an_index_is_not_dropped_where_no_query_is_on_its_table(trials: Trials) -> None:
    elsewhere = read("elsewhere", "select count(*) from visit")
    trials.baseline([elsewhere], runs=1)
    trial = trials.trial(DROP, [elsewhere], accept_neutral=True)
    assert trial.decision is Decision.FAILED
    assert trial.reason == "no query of the workload is on its table: nothing shows what it does"
