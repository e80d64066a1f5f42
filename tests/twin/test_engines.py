"""Several engines: the same answers as one, whatever is asked, and a clear end when one of them dies."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from trimtab.db.connection import connect
from trimtab.embedded.binaries import Binaries
from trimtab.embedded.server import Server
from trimtab.errors import LabError
from trimtab.model.change import Change, CreateIndex
from trimtab.model.plan import Plan
from trimtab.twin.build import DATABASE as TWIN_DATABASE
from trimtab.twin.pages import set_length
from trimtab.twin.twin import Twin

from .shop import DATABASE, silent, snapshot
from .test_twin import ASKED, BY_ZIP, CHANGES, ZIP, forget

pytestmark = pytest.mark.server

TERABYTE_PAGES = 1 << 27


def build(source: Server, workers: int) -> Twin:
    with closing(connect(source.dsn(DATABASE), read_only=True)) as connection:
        facts = snapshot(connection)
    return Twin.build(source.dsn(DATABASE), facts, Binaries.find(), progress=silent, workers=workers)


@pytest.fixture(scope="module")
def pair(source: Server) -> Iterator[tuple[Twin, Twin]]:
    """A twin of one server and one of three, which already knew an index when it grew."""
    with build(source, 1) as single, build(source, 3) as several:
        for twin in (single, several):
            twin.what_if([BY_ZIP], [(ZIP,)])
            twin.start_workers()
        assert (single.workers, several.workers) == (1, 3)
        yield single, several


@pytest.fixture
def own_pair(source: Server) -> Iterator[Twin]:
    with build(source, 2) as twin:
        twin.start_workers()
        yield twin


@settings(max_examples=10, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.lists(st.sampled_from(CHANGES), unique=True, max_size=6).map(tuple), min_size=1, max_size=8))
def test_the_number_of_engines_changes_no_answer(
    pair: tuple[Twin, Twin], configurations: list[tuple[Change, ...]]
) -> None:
    single, several = pair
    forget(single)
    forget(several)
    assert several.what_if(ASKED, configurations) == single.what_if(ASKED, configurations)
    assert several.planner_calls == single.planner_calls


def test_sizes_and_refusals_are_the_same_on_all_engines(pair: tuple[Twin, Twin]) -> None:
    indexes = [change for change in CHANGES if isinstance(change, CreateIndex)]
    single, several = pair
    assert several.size_bytes(indexes) == single.size_bytes(indexes)
    for engine in several._engines.all:
        assert [engine.indexes.size_bytes(index) for index in indexes] == single.size_bytes(indexes)
    assert [several.refusal(index) for index in indexes] == [single.refusal(index) for index in indexes]
    assert any(several.refusal(index) for index in indexes)


def test_engines_are_made_when_there_is_work_enough(source: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    with build(source, 2) as twin:
        [first] = twin.what_if(ASKED, [()])
        twin.what_if(ASKED, [(change,) for change in CHANGES[:2]])
        assert twin.workers == 1
        monkeypatch.setattr("trimtab.twin.engines.WORTH_SECONDS", 1e-6)
        twin.what_if(ASKED, [(change,) for change in CHANGES])
        assert twin.workers == 2
        directories = [engine.server.directory for engine in twin._engines.all]
        forget(twin)
        assert twin.what_if(ASKED, [()]) == [first]
    assert not any(directory.exists() for directory in directories)


def test_one_engine_that_dies_is_brought_back(own_pair: Twin) -> None:
    asked = [(change,) for change in CHANGES]
    before = own_pair.what_if(ASKED, asked)
    for engine in own_pair._engines.all:
        assert engine.server._process is not None
        os.kill(engine.server._process.pid, signal.SIGKILL)
        forget(own_pair)
        assert own_pair.what_if(ASKED, asked) == before
    assert own_pair.workers == 2
    directories = [engine.server.directory for engine in own_pair._engines.all]
    own_pair.close()
    assert not any(directory.exists() for directory in directories)


def test_where_a_copy_cannot_be_made_the_first_engine_goes_on(source: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(self: Server, purpose: str) -> Server:
        self.stop()
        self.start()
        raise LabError("no space is left", code="embedded.disk_full")

    monkeypatch.setattr(Server, "clone", refuse)
    with build(source, 2) as twin:
        [before] = twin.what_if(ASKED, [(ZIP,)])
        twin.start_workers()
        assert twin.workers == 1
        assert any("no space is left" in problem for problem in twin.problems)
        forget(twin)
        assert twin.what_if(ASKED, [(ZIP,)]) == [before]


def test_a_copy_of_a_terabyte_takes_no_disk(source: Server) -> None:
    with build(source, 2) as twin:
        path = twin.connection.execute("select pg_relation_filepath('orders')").fetchone()
        assert path is not None
        set_length(Path(twin._server.data_directory / path[0]), TERABYTE_PAGES)
        twin.start_workers()
        sizes = [engine.server.size_bytes() for engine in twin._engines.all]
        assert sizes[1] < 1.2 * sizes[0] + (16 << 20)
        costs = []
        for engine in twin._engines.all:
            with closing(connect(engine.server.dsn(TWIN_DATABASE), read_only=True)) as connection:
                row = connection.execute("explain (format json) select * from public.orders").fetchone()
            assert row is not None
            costs.append(row[0][0]["Plan"]["Total Cost"])
        assert costs[0] == costs[1] > TERABYTE_PAGES
        assert isinstance(twin.what_if([BY_ZIP], [()])[0][0], Plan)
