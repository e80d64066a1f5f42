"""Two indexes of which one's keys begin the other's become one, where that is smaller and no query is slower."""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path

import pytest

from trimtab.api import advise_indexes, optimize, revert
from trimtab.model.report import Life
from trimtab.model.strategy import Outcome

from .shop import Shop

pytestmark = pytest.mark.server

TWO = (
    "CREATE INDEX orders_day ON orders (day) INCLUDE (note)",
    'CREATE INDEX orders_day_city ON orders (day, city DESC) INCLUDE ("zip")',
    "VACUUM ANALYZE orders",
)
WORKLOAD = [
    "select note from orders where day = date '2024-03-01'",
    "select zip from orders where day = date '2024-03-01' order by city desc",
]


def patient(directory: Path) -> Path:
    """The shipped specification, with limits that no noise of a busy machine comes near."""
    shipped = files("trimtab.spec").joinpath("defaults", "DATABASE_OPTIMIZATION_SPEC_V4.yaml").read_text("utf-8")
    changed = shipped.replace("id: DATABASE_OPTIMIZATION_SPEC_V4", "id: PATIENT")
    for limit in ("max_query_slowdown_percent: 10.0", "max_slowdown_percent: 10.0"):
        changed = changed.replace(limit, limit.replace("10.0", "900.0"))
    file = directory / "patient.yaml"
    file.write_text(changed, "utf-8")
    return file


def merges(lives: tuple[Life, ...]) -> list[Life]:
    return [life for life in lives if life.strategy.proposer == "merges"]


def test_two_indexes_become_one_and_are_two_again(shop: Shop, tmp_path: Path) -> None:
    shop.run(*TWO)
    before = shop.picture()
    report = optimize(shop.dsn, workload=WORKLOAD, spec=patient(tmp_path), apply=True, ledger_path=shop.ledger_path)
    [life] = merges(report.lives)
    assert life.outcome is Outcome.KEPT, life.note
    assert len(life.strategy.query_ids) == 2
    assert life.strategy.size_bytes < 0
    picture = "\n".join(shop.picture())
    assert "orders_day " not in picture
    assert "orders_day_city " not in picture
    assert "(day, city DESC) INCLUDE (zip, note)" in picture
    revert(life.strategy.id, dsn=shop.dsn, ledger_path=shop.ledger_path)
    again = shop.picture()
    assert [line for line in before if "orders_day" in line] == [line for line in again if "orders_day" in line]


def test_what_is_needed_for_more_than_reads_or_gains_nothing_is_left_alone(shop: Shop) -> None:
    shop.run(
        "CREATE UNIQUE INDEX orders_unique ON orders (id, day) INCLUDE (note)",
        "CREATE INDEX orders_id ON orders (id) INCLUDE (city)",
        "CREATE INDEX orders_zip ON orders (zip text_pattern_ops) INCLUDE (note)",
        "CREATE INDEX orders_zip_city ON orders (zip, city)",
        "CREATE INDEX orders_day ON orders (day) INCLUDE (note) WITH (fillfactor = 50)",
        "VACUUM ANALYZE orders",
    )
    report = optimize(shop.dsn, workload=WORKLOAD, lab="none", ledger_path=shop.ledger_path)
    assert merges(report.lives) == []


def test_advice_names_what_would_be_merged_and_what_is_bloated(shop: Shop) -> None:
    shop.run(
        *TWO,
        "CREATE INDEX orders_swollen ON orders (city, day)",
        "UPDATE orders SET day = day + 1",
        "UPDATE orders SET day = day - 1",
        "VACUUM ANALYZE orders",
    )
    advice = advise_indexes(shop.dsn, workload=WORKLOAD, lab="none", ledger_path=shop.ledger_path)
    [life] = advice.merges
    assert [change.kind for change in life.strategy.changes] == ["create_index", "drop_index", "drop_index"]
    assert [inverse.kind for inverse in life.inverses] == ["drop_index", "create_index", "create_index"]
    [swollen] = [one for one in advice.bloated if one.name == "orders_swollen"]
    assert swollen.size_bytes > 1.2 * swollen.estimated_bytes > 0
    shop.run(swollen.sql())
    again = advise_indexes(shop.dsn, workload=WORKLOAD, lab="none", ledger_path=shop.ledger_path)
    assert not [one for one in again.bloated if one.name == "orders_swollen"]
