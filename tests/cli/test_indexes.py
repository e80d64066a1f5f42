"""Claims about `trimtab indexes`: the best set, its proof, its worth and its bounds; nothing changes on the source."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from psycopg.conninfo import conninfo_to_dict

import trimtab
from trimtab.lifecycle.kept_advice import kept_advice

from .market import READS, SPECIFICATION, Market
from .program import Program

pytestmark = [pytest.mark.server, pytest.mark.slow]


def test_the_best_set_is_proven_explained_and_tried(market: Market, program: Program, quick: tuple[str, ...]) -> None:
    before = market.everything()
    done = program.succeed("indexes", market.dsn, *quick, "--json")
    told = done.document
    assert told["schema"] == "trimtab.indexes/v1"
    by_table = {index["sql"].split(' ON "public".')[1].split()[0]: index for index in told["indexes"]}
    orders = by_table['"orders"']
    assert '("customer_id"' in orders["sql"]
    assert [query["name"] for query in orders["queries"]] == ["orders of a customer"]
    assert orders["value"] == pytest.approx(sum(q["before"] - q["after"] for q in orders["queries"]), abs=0.01)
    assert orders["outcome"] == "proven"
    assert orders["after_ms"] < orders["before_ms"]
    assert by_table['"stock"']["write_cost"] > 0  # it is written to
    assert told["cost_after"] < told["cost_before"]
    assert told["lower_bound"] <= told["objective"]
    assert told["gap"] <= 0.01
    assert told["size_bytes"] == sum(index["size_bytes"] for index in told["indexes"])
    costs = [(point["size_bytes"], point["cost"]) for point in told["frontier"]]
    assert costs == sorted(costs, key=lambda point: (point[0], -point[1]))
    assert costs[0] == (0, told["cost_before"])
    assert costs[-1][1] == pytest.approx(told["cost_after"], rel=0.001)
    [drop] = told["drops"]
    assert "orders_status" in drop["sql"]
    assert drop["inverse_sql"].startswith("CREATE INDEX")
    assert told["health"]["redundant"] > 0
    assert 0 < told["health"]["score"] < 100
    assert market.everything() == before
    program.assert_nothing_left()
    first = orders["id"]
    shown = program.succeed("show", first, "--json").document
    assert shown["outcome"] == "proven"


def test_what_is_asked_for_bounds_the_choice(market: Market, program: Program, quick: tuple[str, ...]) -> None:
    plain = program.succeed(
        "indexes", market.dsn, *quick, "--no-trial", "--kinds", "btree", "--max-width", "1", "--seconds", "0", "--json"
    ).document
    assert plain["indexes"]
    assert {index["kind"] for index in plain["indexes"]} == {"btree"}
    assert all(index["sql"].split("(")[1].count(",") == 0 for index in plain["indexes"])
    assert {index["outcome"] for index in plain["indexes"]} == {"untried"}
    assert (plain["lower_bound"], plain["gap"], plain["unit"], plain["lab"]) == (None, None, "cost", "none")
    kept = kept_advice(program.ledger_path)[0]
    assert (kept.run_id, kept.database) == (plain["run_id"], conninfo_to_dict(market.dsn)["dbname"])
    assert [index.strategy_id for index in kept.indexes] == [index["id"] for index in plain["indexes"]]
    assert [point.cost for point in kept.frontier] == pytest.approx([p["cost"] for p in plain["frontier"]], abs=0.001)
    tiny = program.succeed("indexes", market.dsn, *quick, "--no-trial", "--budget", "8kB", "--json").document
    assert tiny["indexes"] == []
    assert {lack["query"] for lack in tiny["lacking"]} >= {"orders of a customer", "customer by mail"}


def test_limits_on_number_writes_and_objects_hold_and_are_told(
    market: Market, program: Program, quick: tuple[str, ...]
) -> None:
    run = ("indexes", market.dsn, *quick, "--no-trial", "--seconds", "5", "--json")
    one = program.succeed(*run, "--max-indexes", "1", "--must-keep", "orders_status").document
    assert len(one["indexes"]) == 1
    assert all(point["indexes"] <= 1 for point in one["frontier"])
    assert one["gap"] <= 0.01
    assert "orders_status_again" in one["drops"][0]["sql"]
    assert one["constraints"]["max_indexes"] == 1
    assert one["constraints"]["must_keep"] == ["public.orders_status"]
    options = ("--must-not", "orders.customer_id", "--must-not", "public.customer", "--must-keep", "orders_status")
    bare = program.succeed(*run, *options, "--must-keep", "public.orders_status_again").document
    assert bare["drops"] == []
    assert [index for index in bare["indexes"] if '"stock"' not in index["sql"]] == []
    assert bare["constraints"]["must_not"] == ["public.customer", "public.orders.customer_id"]
    free = program.succeed(*run).document
    assert free["write_overhead"] > 0
    for option in ("--max-write-overhead", "--max-regression"):
        told = program.succeed(*run, option, "0%").document
        assert told["indexes"]
        assert [index for index in told["indexes"] if '"stock"' in index["sql"]] == []
        assert told["write_overhead"] == 0
        assert told["lower_bound"] <= told["objective"]
        [reason] = [lack["reason"] for lack in told["lacking"] if lack["query"] == "stock of a warehouse"]
        assert "goes beyond" in reason


def test_of_a_limit_and_the_specifications_the_narrower_counts(
    market: Market, program: Program, workload: Path, tmp_path: Path
) -> None:
    spec = tmp_path / "narrow.yaml"
    narrow = "  changes: {max_changes_per_run: 1}\n  objects: {denied_tables: [public.orders]}\n"
    spec.write_text(SPECIFICATION + narrow, "utf-8")
    run = ("indexes", market.dsn, "--workload", str(workload), "--spec", str(spec), "--no-trial", "--json")
    told = program.succeed(*run, "--max-indexes", "5", "--must-not", "stock").document
    assert told["constraints"]["max_indexes"] == 1
    assert told["constraints"]["must_not"] == ["public.orders", "public.stock"]
    [only] = told["indexes"]
    assert '"customer"' in only["sql"]


def test_people_are_told_what_storage_buys_and_all_of_one_index(
    market: Market, program: Program, quick: tuple[str, ...]
) -> None:
    text = program.succeed("indexes", market.dsn, *quick, "--no-trial").stdout
    for words in ("Indexes, the best first", "What storage buys", "proven: no set of the", "health of the indexes"):
        assert words in text, text
    name = re.findall("s-[0-9a-f]{10}", text)[0]
    told = program.succeed("indexes", market.dsn, *quick, "--no-trial", "--explain", name).stdout
    for words in ("CREATE INDEX", "kind", "worth", "writes", "query", "its loss", "trial"):
        assert words in told, told
    refused = program.run("indexes", market.dsn, *quick, "--no-trial", "--budget", "8kB", "--explain", name)
    assert (refused.code, "usage.explain" in refused.stderr) == (2, True)


def test_what_an_index_replaces_is_told_and_its_price_is_in_the_unit_of_the_rest(
    market: Market, program: Program, specification: Path, tmp_path: Path
) -> None:
    texts = tmp_path / "open orders.sql"
    read = "SELECT note FROM orders WHERE status = 'open' AND placed > '2024-07-01'"
    write = "UPDATE orders SET placed = placed + interval '1 hour' WHERE id = 77"
    texts.write_text(f"-- weight: 100\n{read};\n{write};\n", "utf-8")
    run = ("indexes", market.dsn, "--workload", str(texts), "--spec", str(specification), "--no-trial")
    [index] = program.succeed(*run, "--kinds", "btree", "--json").document["indexes"]
    assert '("status", "placed")' in index["sql"]
    assert index["replaces"] == ["public.orders_status", "public.orders_status_again"]
    told = program.succeed(*run, "--kinds", "btree", "--explain", index["id"]).stdout
    assert "replaces   public.orders_status_again" in told
    assert f"writes     {index['write_cost']:,.1f} more" in told


def test_an_empty_table_gets_no_index_and_one_without_statistics_is_told(
    market: Market, program: Program, specification: Path, tmp_path: Path
) -> None:
    market.execute(
        "CREATE TABLE empty (id int, kind int, note text)",
        "CREATE TABLE uncounted AS SELECT n AS id, n % 500 AS kind FROM generate_series(1, 9000) n",
    )
    texts = tmp_path / "of both.sql"
    texts.write_text("SELECT note FROM empty WHERE kind = 7;\nSELECT id FROM uncounted WHERE kind = 7;\n", "utf-8")
    run = ("indexes", market.dsn, "--workload", str(texts), "--spec", str(specification), "--no-trial")
    told = program.succeed(*run, "--json").document
    assert ['"uncounted"' in index["sql"] for index in told["indexes"]] == [True]
    assert [lack["reason"] for lack in told["lacking"]] == ["the tables that it reads hold no rows"]
    [problem] = [problem for problem in told["problems"] if "statistics" in problem]
    assert "public.uncounted" in problem
    shown = program.succeed(*run).stdout.replace("\n", " ")
    assert f"problem: {problem}" in shown
    assert "1 query without a new index: the tables that it reads hold no rows" in shown


def test_a_table_that_stays_locked_is_named_with_its_holder(
    market: Market, program: Program, quick: tuple[str, ...]
) -> None:
    with market.session() as conn:
        conn.execute("BEGIN; LOCK TABLE orders IN ACCESS EXCLUSIVE MODE")
        refused = program.run("indexes", market.dsn, *quick, "--no-trial")
        conn.execute("ROLLBACK")
    assert (refused.code, "source.locked" in refused.stderr, '"orders" is locked' in refused.stderr) == (3, True, True)
    program.assert_nothing_left()


@pytest.mark.parametrize(
    ("given", "code"),
    [
        (("--kinds", "btree,tree"), "usage.kinds"),
        (("--budget", "much"), "size.invalid"),
        (("--max-width", "0"), "usage.arguments"),
        (("--seconds", "-1"), "usage.arguments"),
        (("--max-indexes", "-1"), "usage.arguments"),
        (("--max-write-overhead", "0.1"), "share.invalid"),
        (("--max-regression", "-5%"), "share.invalid"),
        (("--must-keep", "no such index"), "usage.must_keep"),
        (("--must-not", "orders.no_such_column"), "usage.must_not"),
        (("--no-trial", "--explain", "nothing of that name", "--json"), "usage.explain"),
    ],
)
def test_bad_input_is_refused(
    market: Market, program: Program, quick: tuple[str, ...], given: tuple[str, ...], code: str
) -> None:
    refused = program.run("indexes", market.dsn, *quick, *given)
    assert refused.code == 2
    assert code in refused.stderr


def test_the_originals_class_returns_the_three_keys(market: Market, specification: Path, tmp_path: Path) -> None:
    optimizer = trimtab.IntelligentIndexOptimizer(specification, lab="none", ledger_path=tmp_path / "ledger.db")
    result = optimizer.optimize_database_indexes(market.dsn, [text for _, _, text in READS])
    assert result.keys() == ("optimization_results", "performance_impact", "index_health_score")
    assert result["performance_impact"] is result.performance_impact
    assert result.performance_impact.cost_after < result.performance_impact.cost_before
    assert 0 < result.index_health_score < 100
    assert result.optimization_results.indexes


def test_python_takes_the_same_limits(market: Market, specification: Path, tmp_path: Path) -> None:
    advice = trimtab.advise_indexes(
        market.dsn,
        workload=[text for _, _, text in READS],
        spec=specification,
        lab="none",
        wishes=trimtab.IndexWishes(
            seconds=0,
            max_indexes=2,
            max_write_overhead=0.1,
            max_regression=0.05,
            must_keep=("orders_status",),
            must_not=("customer.email",),
        ),
        ledger_path=tmp_path / "ledger.db",
    )
    assert {index.change.table for index in advice.indexes} == {"orders", "stock"}
    assert advice.write_overhead is None  # nothing writes
    assert [life.strategy.title for life in advice.drops] == ["drop index public.orders_status_again"]
