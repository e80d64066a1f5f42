"""Texts of pg_stat_statements that the server could not read back become texts that it plans, with the same answer."""

from __future__ import annotations

import pytest

from trimtab.db.connection import Connection
from trimtab.db.explain import explain
from trimtab.db.sql import split
from trimtab.model.workload import Query, QueryKind


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("SELECT date $1", "SELECT CAST($1 AS date)"),
        ("SELECT interval $1, 'é' || $2", "SELECT CAST($1 AS interval), 'é' || $2"),
        ("SELECT interval $1 day to minute FROM t", "SELECT CAST($1 AS interval day to minute) FROM t"),
        ("SELECT interval(3) $1", "SELECT CAST($1 AS interval(3))"),
        ("SELECT timestamp with time zone $1", "SELECT CAST($1 AS timestamp with time zone)"),
        ("SELECT extract($1 from d)", "SELECT pg_catalog.date_part($1 , d)"),
        ("SELECT EXTRACT($1 FROM date $2)", "SELECT pg_catalog.date_part($1 , CAST($2 AS date))"),
        (
            "SELECT $1::date, CAST($2 AS date), extract(year from d)",
            "SELECT $1::date, CAST($2 AS date), extract(year from d)",
        ),
    ],
)
def test_only_what_the_server_cannot_read_is_rewritten(text: str, expected: str) -> None:
    assert split(text)[0].text == expected


@pytest.mark.parametrize(
    "text",
    [
        "SELECT count(*) FROM shipment WHERE day >= date $1 AND day < date $2 + interval $3 year",
        "SELECT extract($1 from day), sum(amount) FROM shipment WHERE day < timestamp $2 GROUP BY 1",
        "SELECT 1 FROM shipment WHERE extract($1 from day) = $2 AND kind LIKE $3 ESCAPE $4 LIMIT $5 OFFSET $6",
        "SELECT substring(kind from $1 for $2) FROM shipment WHERE id IN ($3 /*, ... */)",
    ],
)
def test_the_server_plans_the_rewritten_text(conn: Connection, text: str) -> None:
    statement = split(text)[0]
    query = Query("q", "q", statement.text, "", 1.0, QueryKind.READ, statement.parameter_count)
    assert explain(conn, query).cost > 0


def test_the_rewritten_text_gives_the_same_answer(conn: Connection) -> None:
    ours = split("SELECT date $1 + interval $2 day, extract($3 from timestamp $4) = 2024")[0].text
    row = conn.execute(ours.encode(), ("2024-01-01", "3 days", "year", "2024-05-06 07:08")).fetchone()
    assert row is not None
    assert (str(row[0]), row[1]) == ("2024-01-04 00:00:00", True)
