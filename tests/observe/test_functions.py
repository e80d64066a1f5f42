"""Claims about what a statement's functions say of it: work that no plan shows, and what must stay in a clone."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from trimtab.db.connection import Connection
from trimtab.model.workload import Query, QueryKind, Workload
from trimtab.observe.functions import with_functions

_OBJECTS = """
CREATE FUNCTION report(int) RETURNS bigint LANGUAGE plpgsql STABLE AS 'BEGIN RETURN (SELECT count(*) FROM sale); END';
CREATE FUNCTION act(text) RETURNS text LANGUAGE plpgsql AS 'BEGIN RETURN $1; END';
CREATE FUNCTION twice(int) RETURNS int LANGUAGE sql IMMUTABLE AS 'SELECT $1 * 2';
CREATE SCHEMA elsewhere;
CREATE FUNCTION elsewhere.act_too() RETURNS int LANGUAGE plpgsql AS 'BEGIN RETURN 1; END';
CREATE VIEW acting AS SELECT act(name) AS name FROM city;
CREATE VIEW over_acting AS SELECT a.name FROM acting a JOIN city USING (name);
CREATE VIEW ending AS SELECT pg_terminate_backend(id) FROM city;
CREATE RULE as_well AS ON INSERT TO city DO ALSO SELECT elsewhere.act_too();
"""


@pytest.fixture
def world(owner: Connection) -> Iterator[Connection]:
    with owner.transaction(force_rollback=True):
        owner.execute(_OBJECTS.encode())
        yield owner


def marked(conn: Connection, text: str, kind: QueryKind = QueryKind.READ) -> Query:
    query = Query("q", "q", text, text, 1.0, kind)
    (found,) = with_functions(conn, Workload((query,), "file")).queries
    return found


@pytest.mark.parametrize(
    ("text", "hides_work", "clone_only"),
    [
        ("SELECT count(*), now(), twice(3) FROM sale", False, ""),
        ("SELECT pg_catalog.upper(name) FROM city_names", False, ""),
        ("SELECT report(7)", True, ""),
        ("SELECT * FROM city WHERE name = public.act('Sesame')", True, "public.act"),
        ("WITH x AS (SELECT act('Sesame')) SELECT * FROM x", True, "act"),
        ("SELECT elsewhere.act_too()", True, "elsewhere.act_too"),
        ("SELECT name FROM over_acting", True, "act"),
        ("SELECT count(*) FROM ending", False, "acts on other sessions"),
        ("INSERT INTO city VALUES (77, 'Sesame')", True, "elsewhere.act_too"),
    ],
)
def test_functions_are_found_in_the_statement_and_in_views_and_rules(
    world: Connection, text: str, hides_work: bool, clone_only: str
) -> None:
    kind = QueryKind.WRITE if text.startswith("INSERT") else QueryKind.READ
    found = marked(world, text, kind)
    assert found.hides_work == hides_work
    assert clone_only in found.clone_only
    assert bool(found.clone_only) == bool(clone_only)
    assert "Sesame" not in found.clone_only


def test_a_function_that_is_not_on_the_search_path_is_not_meant_by_its_bare_name(world: Connection) -> None:
    assert not marked(world, "SELECT act_too()").hides_work
