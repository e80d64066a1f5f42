"""Claims about the shop's workload: that it runs, what its traffic leaves behind, and that it is drawn by the seed."""

from __future__ import annotations

import random
from importlib import resources
from pathlib import Path

import psycopg
import pytest

from trimtab.demo.workload import Template, draw_parameters, planned_calls, run_workload, templates
from trimtab.observe.workload_file import workload_from_file

from .conftest import SmallShop

WORKLOAD_FILE = Path(str(resources.files("trimtab.demo") / "workload.sql"))


def test_there_are_at_least_forty_templates_with_names_of_their_own() -> None:
    names = [template.name for template in templates()]
    assert len(names) >= 40
    assert len(set(names)) == len(names)


def test_trimtab_reads_the_file_and_finds_the_same_names_and_weights() -> None:
    observed = workload_from_file(WORKLOAD_FILE)
    assert observed.skipped == ()
    assert {query.name: query.weight for query in observed.queries} == {t.name: t.weight for t in templates()}


def test_every_literal_that_a_traffic_line_names_is_in_its_statement() -> None:
    for template in templates():
        for number in range(1, len(template.variables) + 1):
            assert f"${number}" in template.text, template.name


def test_the_traffic_reads_and_writes() -> None:
    verbs = {template.text.split(None, 1)[0] for template in templates()}
    assert {"SELECT", "WITH", "INSERT", "UPDATE"} <= verbs


def test_every_template_is_called_and_heavy_ones_in_proportion() -> None:
    known = templates()
    calls = planned_calls(known, 0.5)
    assert min(calls.values()) == 1
    assert all(abs(calls[t.name] - t.weight / 2) <= 1 for t in known)


def test_columns_of_one_entity_come_from_one_row() -> None:
    template = Template("t", 1, "", (("order", "country"), ("order", "currency"), ("fresh", "code")))
    keys = {"order": [{"country": str(n), "currency": f"of {n}"} for n in range(50)]}
    rng = random.Random(1)
    for _ in range(100):
        country, currency, code = draw_parameters(template, keys, rng)
        assert currency == f"of {country}"
        assert len(code) == 16


def test_the_same_seed_draws_the_same_parameters() -> None:
    template = Template("t", 1, "", (("product", "id"), ("fresh", "code")))
    keys = {"product": [{"id": str(n)} for n in range(50)]}
    assert draw_parameters(template, keys, random.Random(5)) == draw_parameters(template, keys, random.Random(5))


@pytest.mark.server
def test_every_statement_of_the_file_runs_as_it_stands(small_shop: SmallShop) -> None:
    with psycopg.connect(small_shop.dsn, autocommit=True) as connection:
        for query in workload_from_file(WORKLOAD_FILE).queries:
            with connection.transaction(force_rollback=True):
                connection.execute(query.text.encode())


@pytest.mark.server
def test_the_traffic_leaves_every_template_and_nothing_else_in_pg_stat_statements(small_shop: SmallShop) -> None:
    reports: list[tuple[int, int]] = []
    with psycopg.connect(small_shop.dsn, autocommit=True, options="-c pg_stat_statements.track=none") as connection:
        connection.execute("SELECT pg_stat_statements_reset()")
        calls = run_workload(
            small_shop.dsn, share=0.02, seed=3, progress=lambda done, planned: reports.append((done, planned))
        )
        found = connection.execute(
            "SELECT calls FROM pg_stat_statements"
            " WHERE dbid = (SELECT oid FROM pg_database WHERE datname = current_database())"
        ).fetchall()
    assert len(found) == len(templates())
    assert sum(count for (count,) in found) == calls
    assert reports[-1] == (calls, calls)


@pytest.mark.server
def test_what_the_traffic_writes_is_kept(small_shop: SmallShop) -> None:
    query = "SELECT count(*) FROM stock_movements"
    with psycopg.connect(small_shop.dsn, autocommit=True) as connection:
        before = connection.execute(query).fetchone()
        run_workload(small_shop.dsn, share=0.001, progress=lambda done, planned: None)
        after = connection.execute(query).fetchone()
    assert before is not None
    assert after is not None
    assert after[0] > before[0]
