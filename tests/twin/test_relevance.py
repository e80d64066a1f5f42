"""What the cache leaves unasked is never wrong: every kept answer equals the one that the planner gives when asked."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from itertools import combinations

import pytest

from trimtab.db.connection import connect
from trimtab.embedded.binaries import Binaries
from trimtab.embedded.server import Server
from trimtab.model.change import Change, CreateIndex, DropIndex, DropStatistics, SetSetting
from trimtab.model.plan import Plan
from trimtab.twin.cache import Question, Task
from trimtab.twin.hypothetical_statistics import HypotheticalStatistics
from trimtab.twin.session import question_of
from trimtab.twin.twin import Twin

from .shop import query, silent, snapshot

pytestmark = pytest.mark.server

DATABASE = "relevance"
SCHEMA = """
CREATE TABLE dim (id int PRIMARY KEY, x int, label text);
CREATE TABLE fact (id int PRIMARY KEY, dim_id int, v int CHECK (v >= 0), w int);
CREATE TABLE part (at int PRIMARY KEY, kind int, load int) PARTITION BY RANGE (at);
CREATE TABLE part_1 PARTITION OF part FOR VALUES FROM (0) TO (20000);
CREATE TABLE part_2 PARTITION OF part FOR VALUES FROM (20000) TO (40000) PARTITION BY RANGE (at);
CREATE TABLE part_2a PARTITION OF part_2 FOR VALUES FROM (20000) TO (30000);
CREATE TABLE part_2b PARTITION OF part_2 FOR VALUES FROM (30000) TO (40000);
CREATE TABLE old (n int, m int, o int);
CREATE TABLE old_child (CHECK (n > 20000)) INHERITS (old);
CREATE FUNCTION facts(int) RETURNS SETOF fact STABLE LANGUAGE sql AS 'SELECT * FROM fact WHERE w = $1';
INSERT INTO dim SELECT n, n % 100, 'label' || n FROM generate_series(1, 20000) n;
INSERT INTO fact SELECT n, n % 20000, n % 500, n % 1000 FROM generate_series(1, 60000) n;
INSERT INTO part SELECT n, n % 90, n % 700 FROM generate_series(0, 39999) n;
INSERT INTO old SELECT n, n % 300, n FROM generate_series(1, 20000) n;
INSERT INTO old_child SELECT n, n % 300, n FROM generate_series(20001, 40000) n;
CREATE STATISTICS fact_groups (ndistinct) ON v, w FROM fact;
CREATE VIEW joined AS SELECT f.*, d.label FROM fact f LEFT JOIN dim d ON d.id = f.dim_id;
CREATE VIEW parted AS SELECT f.*, p.load FROM fact f LEFT JOIN part p ON p.at = f.dim_id;
CREATE MATERIALIZED VIEW sums AS SELECT w, sum(v) AS total FROM fact GROUP BY w
"""
QUERIES = (
    query("SELECT v FROM joined WHERE w = 7"),  # dim's unique index lets the join be left out
    query("SELECT v FROM parted WHERE w = 7"),  # the same with a partitioned table, which is then not looked into
    query("SELECT label FROM joined WHERE w = 7"),
    query("SELECT * FROM part WHERE at = 25000 AND kind = 3"),
    query("SELECT * FROM part WHERE kind = 3"),
    query("SELECT * FROM part WHERE at < $1 AND kind = 3", "15000"),
    query("SELECT * FROM part WHERE at < $1 AND kind = 3"),
    query("SELECT * FROM fact WHERE v < 0"),  # a check constraint says that there are none
    query("SELECT * FROM old WHERE n < 500 AND m = 3"),
    query("SELECT * FROM ONLY old WHERE m = 3"),
    query("SELECT * FROM facts(5)"),
    query("SELECT v, w, count(*) FROM fact GROUP BY v, w"),
    query("SELECT * FROM sums WHERE total = 5"),
    query("SELECT * FROM dim WHERE false"),
    query("SELECT d.x FROM dim d JOIN dim e USING (id) WHERE e.x = 3"),
    query("UPDATE part SET load = 0 WHERE kind = 3 AND at > 30000"),
    query("SELECT nothing FROM dim"),
)
CHANGES: tuple[Change, ...] = (
    CreateIndex("public", "dim", "dim_x", "(x)", ("x",)),
    CreateIndex("public", "fact", "fact_w", "(w) INCLUDE (v)", ("w",)),
    CreateIndex("public", "fact", "fact_v", "(v)", ("v",)),
    CreateIndex("public", "part", "part_kind", "(kind)", ("kind",)),
    CreateIndex("public", "part_1", "part_1_kind", "(kind)", ("kind",)),
    CreateIndex("public", "part_2a", "part_2a_kind", "(kind, at)", ("kind",)),
    CreateIndex("public", "old", "old_m", "(m)", ("m",)),
    CreateIndex("public", "old_child", "old_child_m", "(m)", ("m",)),
    CreateIndex("public", "sums", "sums_total", "(total)", ("total",)),
    DropIndex("public", "dim", "dim_pkey", "(id)", ("id",)),
    DropIndex("public", "part", "part_pkey", "(at)", ("at",)),
    DropIndex("public", "part_2a", "part_2a_pkey", "(at)", ("at",)),
    DropStatistics("public", "fact", "fact_groups", ("v", "w"), ("ndistinct",)),
    SetSetting("database", DATABASE, "enable_partition_pruning", "off"),
    SetSetting("database", DATABASE, "constraint_exclusion", "on"),
    SetSetting("database", DATABASE, "constraint_exclusion", "off"),
)


@pytest.fixture(scope="module")
def twin(source: Server) -> Iterator[Twin]:
    with closing(connect(source.dsn(), read_only=False)) as connection:
        connection.execute(f"CREATE DATABASE {DATABASE}".encode())
    with closing(connect(source.dsn(DATABASE), read_only=False)) as connection:
        connection.execute(SCHEMA.encode())
        connection.execute("VACUUM ANALYZE")
        facts = snapshot(connection)
    with Twin.build(source.dsn(DATABASE), facts, Binaries.find(), progress=silent) as twin:
        yield twin


def test_every_kept_answer_is_the_planner_s(twin: Twin) -> None:
    questions = [question for one in QUERIES if isinstance(question := question_of(one, None), Question)]
    configurations = [c for size in (0, 1, 2) for c in combinations(CHANGES, size)]
    kept = twin.what_if(QUERIES, configurations)
    calls = twin.planner_calls
    assert calls < 0.5 * len(configurations) * len(questions)
    engine = twin._engines.first
    for configuration, answers in zip(configurations, kept, strict=True):
        asked = engine.ask(Task(configuration, tuple(questions), ()), HypotheticalStatistics())
        for question, mine, true in zip(questions, answers, asked, strict=True):
            assert mine == true, (question.text, configuration)


@pytest.mark.parametrize(
    ("text", "change", "expected"),
    [
        ("SELECT v FROM joined WHERE w = 7", 9, {"dim", "fact"}),
        ("SELECT v FROM parted WHERE w = 7", 10, {"part_1", "part_2a", "part_2b", "fact"}),
        ("SELECT * FROM part WHERE at = 25000", 13, {"part_1", "part_2a", "part_2b"}),
    ],
)
def test_what_a_plan_left_out_can_come_back(twin: Twin, text: str, change: int, expected: set[str]) -> None:
    [[before], [after]] = twin.what_if([query(text)], [(), (CHANGES[change],)])
    assert isinstance(before, Plan)
    assert isinstance(after, Plan)
    assert {name for _, name in before.relations} < expected
    assert {name for _, name in after.relations} == expected


def test_an_index_of_another_partition_is_not_asked_for(twin: Twin) -> None:
    asked = query("SELECT * FROM part WHERE at = 25000 AND kind = 3")
    twin.what_if([asked], [()])
    calls = twin.planner_calls
    twin.what_if([asked], [(CHANGES[4],), (CHANGES[0], CHANGES[1])])
    assert twin.planner_calls == calls


def test_the_last_of_two_settings_counts(twin: Twin) -> None:
    on, off = CHANGES[14], CHANGES[15]
    asked = query("SELECT * FROM fact WHERE v < 0")
    [[first], [second]] = twin.what_if([asked], [(on, off), (off, on)])
    assert isinstance(first, Plan)
    assert isinstance(second, Plan)
    assert first.relations
    assert not second.relations
