"""Claims about limits of indexes: `optimize` and `indexes` take the same, from options and from trimtab.toml alike."""

from __future__ import annotations

from pathlib import Path

import pytest

import trimtab

from .market import READS, Market
from .program import Program

pytestmark = [pytest.mark.server, pytest.mark.slow]


def created(document: dict[str, object]) -> list[str]:
    """Return the statements of `optimize`'s document that make an index, best first."""
    strategies = document["strategies"]
    assert isinstance(strategies, list)
    return [
        change["sql"]
        for strategy in strategies
        for change in strategy["changes"]
        if change["kind"] == "create_index" and strategy["proposer"] == "indexes"
    ]


def dropped(document: dict[str, object]) -> list[str]:
    strategies = document["strategies"]
    assert isinstance(strategies, list)
    return [
        change["sql"] for strategy in strategies for change in strategy["changes"] if change["kind"] == "drop_index"
    ]


def test_optimize_takes_the_limits_of_indexes(market: Market, program: Program, quick: tuple[str, ...]) -> None:
    run = ("optimize", market.dsn, *quick, "--lab", "none", "--json")
    free = program.succeed(*run).document
    assert len(created(free)) > 1
    assert dropped(free) != []
    one = program.succeed(*run, "--max-indexes", "1").document
    assert len(created(one)) == 1
    kept = ("--must-keep", "orders_status", "--must-keep", "public.orders_status_again")
    bare = program.succeed(*run, "--must-not", "orders", "--must-not", "customer", *kept).document
    assert created(bare) != []
    assert [sql for sql in created(bare) if '"stock"' not in sql] == []
    assert dropped(bare) == []
    narrow = program.succeed(*run, "--max-width", "1", "--kinds", "btree").document
    assert created(narrow) != []
    assert [sql for sql in created(narrow) if ", " in sql or "INCLUDE" in sql or "WHERE" in sql] == []


def test_the_file_gives_both_commands_their_limits_and_options_win(
    market: Market, program: Program, quick: tuple[str, ...], tmp_path: Path
) -> None:
    file = tmp_path / "limits.toml"
    file.write_text(
        f"""
        [databases.market]
        dsn = "{market.dsn}"
        [databases.market.indexes]
        must_not = ["customer"]
        [indexes]
        max_indexes = 1
        seconds = 0
        must_keep = ["orders_status", "orders_status_again"]
        """
    )
    common = ("--database", "market", "--config", str(file), *quick, "--json")
    told = program.succeed("indexes", *common, "--no-trial").document
    assert len(told["indexes"]) == 1
    assert told["gap"] is None
    assert told["drops"] == []
    assert told["constraints"]["must_not"] == ["public.customer"]
    run = program.succeed("optimize", *common, "--lab", "none").document
    assert created(run) == [index["sql"] for index in told["indexes"]]
    assert dropped(run) == []
    wider = program.succeed("indexes", *common, "--no-trial", "--max-indexes", "5", "--must-not", "stock").document
    assert wider["constraints"]["max_indexes"] == 5
    assert wider["constraints"]["must_not"] == ["public.customer", "public.stock"]
    assert {index["sql"].split(' ON "public".')[1].split()[0] for index in wider["indexes"]} == {'"orders"'}


@pytest.mark.parametrize("command", ["optimize", "indexes"])
@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("max_width = 0", "config.value"),
        ('must_keep = ["no such index"]', "usage.must_keep"),
        ('must_not = ["orders.no_such_column"]', "usage.must_not"),
        ("max_with = 2", "config.unknown_key"),
    ],
)
def test_bad_limits_of_the_file_are_refused(
    market: Market, program: Program, quick: tuple[str, ...], tmp_path: Path, command: str, text: str, code: str
) -> None:
    file = tmp_path / "limits.toml"
    file.write_text(f"[indexes]\n{text}\n")
    refused = program.run(command, market.dsn, *quick, "--config", str(file))
    assert (refused.code, refused.reason) == (2, code)


@pytest.mark.parametrize(
    ("given", "code"),
    [
        (("--kinds", "btree,tree"), "usage.kinds"),
        (("--max-width", "0"), "usage.arguments"),
        (("--max-regression", "-5%"), "share.invalid"),
        (("--solver", "oracle"), "usage.solver"),
        (("--must-keep", "no such index"), "usage.must_keep"),
    ],
)
def test_optimize_refuses_what_is_no_limit(
    market: Market, program: Program, quick: tuple[str, ...], given: tuple[str, ...], code: str
) -> None:
    refused = program.run("optimize", market.dsn, *quick, *given)
    assert (refused.code, code in refused.stderr) == (2, True)


def test_the_classes_take_the_same_limits(market: Market, specification: Path, tmp_path: Path) -> None:
    wishes = trimtab.IndexWishes(max_indexes=1, drops=False)
    workload = [text for _, _, text in READS]
    optimizer = trimtab.QuantumDatabaseOptimizer(
        specification, dsn=market.dsn, lab="none", ledger_path=tmp_path / "ledger.db", wishes=wishes
    )
    lives = optimizer.optimize_query_performance(workload).optimization_result.lives
    changes = [change.kind for life in lives for change in life.strategy.changes]
    assert changes.count("create_index") == 1
    assert "drop_index" not in changes
    indexes = trimtab.IntelligentIndexOptimizer(
        specification, lab="none", ledger_path=tmp_path / "ledger.db", wishes=wishes
    )
    advice = indexes.optimize_database_indexes(market.dsn, workload).optimization_results
    assert (len(advice.indexes), advice.drops, advice.merges) == (1, (), ())
