"""A plan read from EXPLAIN's text has the shape of the same plan in JSON, whatever names and literals are in it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from trimtab.db.connection import Connection
from trimtab.db.explain_text import plan_of_text
from trimtab.model.plan import Plan

SCHEMA = (
    "CREATE SCHEMA shape",
    "SET search_path = shape, public",
    "CREATE TABLE a (id int PRIMARY KEY, n int, v text)",
    "CREATE INDEX a_n ON a (n)",
    "CREATE TABLE b (id int PRIMARY KEY, a int, w text)",
    "CREATE INDEX b_a ON b (a)",
    "CREATE TABLE p (k int, d int) PARTITION BY RANGE (k)",
    "CREATE TABLE p1 PARTITION OF p FOR VALUES FROM (0) TO (10)",
    "CREATE TABLE p2 PARTITION OF p FOR VALUES FROM (10) TO (20)",
    'CREATE TABLE "it\'s ""odd"" on a.b" (id int PRIMARY KEY, "o\'clock" text)',
    'CREATE INDEX "using x on y" ON "it\'s ""odd"" on a.b" ("o\'clock")',
    "INSERT INTO a SELECT g, g % 50, 'v' || g FROM generate_series(1, 4000) g",
    "INSERT INTO b SELECT g, g % 400, 'w' || g FROM generate_series(1, 4000) g",
    "INSERT INTO p SELECT g % 20, g FROM generate_series(1, 500) g",
    "ANALYZE",
)
ODD = '"it\'s ""odd"" on a.b"'
QUERIES = (
    "SELECT * FROM a",
    "SELECT * FROM a WHERE id = 5",
    "SELECT id FROM a WHERE id < 50 ORDER BY id DESC",
    "SELECT * FROM a ORDER BY id DESC LIMIT 3",
    "SELECT * FROM a WHERE n = 5 OR n = 7",
    "SELECT * FROM a WHERE n = 5 AND v = 'x\n        ->  Seq Scan on y  (cost=0.00..1.00 rows=1 width=4)'",
    "SELECT * FROM a WHERE v = E'q''\\\\\n  ->  Sort  (cost=0.00..1.00 rows=1 width=4)\n'",
    "SELECT count(*) FROM a",
    "SELECT n, count(*) FROM a GROUP BY n",
    "SELECT n, v, count(*) FROM a GROUP BY GROUPING SETS ((n), (v), ())",
    "SELECT a.v, b.w FROM a JOIN b ON b.a = a.id WHERE a.n = 3",
    "SELECT a.v, b.w FROM a LEFT JOIN b ON b.a = a.id",
    "SELECT a.v, b.w FROM a FULL JOIN b ON b.a = a.id",
    "SELECT * FROM a WHERE EXISTS (SELECT 1 FROM b WHERE b.a = a.id)",
    "SELECT * FROM a WHERE NOT EXISTS (SELECT 1 FROM b WHERE b.a = a.id)",
    "SELECT * FROM a WHERE id NOT IN (SELECT a FROM b)",
    "SELECT a.id, (SELECT max(w) FROM b WHERE b.a = a.id) FROM a WHERE n = (SELECT min(n) FROM a)",
    "SELECT * FROM a, LATERAL (SELECT * FROM b WHERE b.a = a.id ORDER BY w LIMIT 1) x",
    "WITH x AS MATERIALIZED (SELECT n, count(*) c FROM a GROUP BY n) SELECT * FROM x JOIN x y ON x.c = y.n",
    "WITH RECURSIVE r AS (SELECT 1 n UNION ALL SELECT n + 1 FROM r WHERE n < 5) SELECT * FROM r",
    "SELECT id FROM a EXCEPT SELECT a FROM b",
    "SELECT id FROM a INTERSECT ALL SELECT a FROM b",
    "SELECT id FROM a UNION SELECT a FROM b",
    "SELECT *, row_number() OVER (PARTITION BY n ORDER BY id) FROM a",
    "SELECT DISTINCT n FROM a ORDER BY n",
    "SELECT * FROM p WHERE k = 3",
    "SELECT * FROM p ORDER BY k",
    "SELECT * FROM generate_series(1, 5) g (x)",
    "SELECT * FROM ROWS FROM (generate_series(1, 3), generate_series(1, 2)) q",
    "SELECT * FROM (VALUES (1), (2)) v (x) WHERE x > 1",
    "SELECT * FROM unnest(ARRAY[1, 2]) WITH ORDINALITY u",
    "SELECT generate_series(1, 3)",
    "SELECT * FROM a TABLESAMPLE system (10)",
    "SELECT * FROM a WHERE ctid = '(0,1)'",
    "SELECT * FROM a WHERE ctid > '(0,1)' AND ctid < '(1,0)'",
    "SELECT * FROM a FOR UPDATE",
    "INSERT INTO b SELECT id + 10000, n, v FROM a",
    "UPDATE a SET v = 'x' FROM b WHERE b.a = a.id AND b.id < 10",
    "DELETE FROM p WHERE d < 3",
    "MERGE INTO b USING a ON b.id = a.id WHEN MATCHED THEN UPDATE SET w = a.v",
    f"SELECT * FROM {ODD} z WHERE \"o'clock\" = 'x'",
    f"UPDATE {ODD} SET \"o'clock\" = 'it''s'",
    f'SELECT * FROM {ODD} "in  (cost=0.00..1.00 rows=1 width=1)" ORDER BY 2',
    "SELECT * FROM xmltable('/a/b' PASSING ('<a><b/></a>'::xml) COLUMNS c text)",
    "SELECT (SELECT count(*) FROM a x WHERE x.n = b.a), ARRAY(SELECT n FROM a WHERE id = b.id) FROM b WHERE b.id < 4",
)
SETTINGS: tuple[dict[str, str], ...] = (
    {},
    {"enable_hashjoin": "off", "enable_hashagg": "off", "enable_seqscan": "off"},
    {"enable_hashjoin": "off", "enable_mergejoin": "off", "enable_bitmapscan": "off"},
    {"min_parallel_table_scan_size": "0", "parallel_setup_cost": "0", "parallel_tuple_cost": "0"},
)


@pytest.fixture
def shaped(conn: Connection) -> Iterator[Connection]:
    with conn.transaction(force_rollback=True):
        for text in SCHEMA:
            conn.execute(text.encode())
        yield conn


def _explained(conn: Connection, query: str, options: str) -> str:
    return "\n".join(str(row[0]) for row in conn.execute(f"EXPLAIN ({options}) {query}".encode()).fetchall())


@pytest.mark.server
@pytest.mark.parametrize("number", range(len(SETTINGS)))
@pytest.mark.parametrize("verbose", ["on", "off"])
def test_text_and_json_have_the_same_shape(shaped: Connection, number: int, verbose: str) -> None:
    for name, value in SETTINGS[number].items():
        shaped.execute("SELECT set_config($1, $2, true)", (name, value))
    differ, shapes = [], set()
    for query in QUERIES:
        if query.startswith("MERGE") and shaped.info.server_version < 150000:
            continue
        if "xmltable" in query and not _has_xml(shaped):
            continue
        text = _explained(shaped, query, f"VERBOSE {verbose}")
        [[told]] = shaped.execute(f"EXPLAIN (FORMAT JSON, VERBOSE {verbose}) {query}".encode()).fetchall()
        plan = Plan.unread(told if isinstance(told, str) else _json(told))
        shapes.add(plan.shape_hash)
        if plan_of_text(text).shape_hash != plan.shape_hash:
            differ.append((query, text, plan_of_text(text).root.shape(), plan.root.shape()))
    assert differ == []
    assert len(shapes) > len(QUERIES) / 2


def _json(told: object) -> str:
    import json

    return json.dumps(told)


def _has_xml(conn: Connection) -> bool:
    with_xml = conn.execute("SELECT 1 FROM pg_config WHERE name = 'CONFIGURE' AND setting LIKE '%libxml%'").fetchall()
    return bool(with_xml)


@settings(deadline=None)
@given(st.text(alphabet="ab'\"\n ->()=.0123456789costrwidh\\", max_size=300))
def test_any_text_is_a_plan_or_a_value_error(text: str) -> None:
    for given_text in (text, f"Seq Scan on a  (cost=0.00..1.00 rows=1 width=4)\n{text}"):
        with suppress(ValueError):
            assert plan_of_text(given_text).shape_hash
