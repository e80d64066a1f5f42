from __future__ import annotations

import pytest

from trimtab.observe.own_statements import SystemNames, is_own

SYSTEM = SystemNames(
    frozenset(
        {("pg_catalog", "pg_class"), ("", "pg_class"), ("ext", "pg_stat_statements"), ("", "pg_stat_statements")}
    ),
    frozenset({"now", "count", "lower"}),
)


@pytest.mark.parametrize(
    "text",
    [
        "select /* trimtab: x */ * from orders",
        "select count(*) from pg_catalog.pg_class",
        "select * from pg_class c join pg_stat_statements s on true",
        "with x as (select * from pg_class) select * from x",
        "select table_name from information_schema.tables",
        "select now(), $1",
    ],
)
def test_marked_texts_and_catalog_queries_are_no_workload(text: str) -> None:
    assert is_own(text, SYSTEM)


@pytest.mark.parametrize(
    "text",
    [
        "select * from orders",
        "select * from mine.pg_class",
        "select * from orders where exists (select from pg_class)",
        "insert into orders select relname from pg_class",
        "delete from orders",
        "select reprice($1)",
        "with x as (select 1) select * from x join orders on true",
        "select (",
    ],
)
def test_whatever_touches_something_of_the_users_is_workload(text: str) -> None:
    assert not is_own(text, SYSTEM)
