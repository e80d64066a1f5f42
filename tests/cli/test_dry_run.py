"""Claims about `optimize` without --apply: a read-only role is enough, and nothing on the source changes."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from .market import Market
from .program import Program

pytestmark = [pytest.mark.server, pytest.mark.slow]


@pytest.mark.usefixtures("roles")
def test_the_role_for_observing_is_enough_and_nothing_on_the_source_changes(market: Market, program: Program) -> None:
    market.play()
    before, transaction = market.everything(), market.next_transaction()
    ended = program.succeed("optimize", market.dsn_of("trimtab_explain"), "--json")
    found = ended.document
    assert found["applied"] is False
    assert found["workload"]["origin"] == "pg_stat_statements"
    assert found["workload"]["executions"] == 12
    assert "proven" in {strategy["outcome"] for strategy in found["strategies"]}
    assert market.everything() == before
    # Not one transaction in the whole server has written anything since.
    assert market.next_transaction() == transaction
    program.assert_nothing_left()


@pytest.mark.usefixtures("roles")
def test_a_named_lab_is_afterwards_as_it_was(
    market: Market, new_market: Callable[[], Market], program: Program, quick: tuple[str, ...]
) -> None:
    lab = new_market()
    source_before, lab_before = market.everything(), lab.everything()
    ended = program.succeed("optimize", market.dsn_of("trimtab_explain"), *quick, "--lab", lab.dsn, "--json")
    assert ended.document["lab"].startswith(f"database {lab.database}@")
    assert "proven" in {strategy["outcome"] for strategy in ended.document["strategies"]}
    assert market.everything() == source_before
    assert _without_bloat(lab.everything()) == _without_bloat(lab_before)
    program.assert_nothing_left()


def test_without_a_lab_strategies_are_judged_by_cost_and_none_is_proven(
    market: Market, program: Program, quick: tuple[str, ...]
) -> None:
    before = market.everything()
    found = program.succeed("optimize", market.dsn, *quick, "--lab", "none", "--json").document
    assert {strategy["outcome"] for strategy in found["strategies"]} <= {"untried", "not_promising"}
    assert {s["prediction"]["unit"] for s in found["strategies"] if s["prediction"] is not None} == {"cost"}
    assert (found["total"]["before_ms"], found["total"]["after_ms"]) == (None, None)
    assert market.everything() == before
    program.assert_nothing_left()


def _without_bloat(everything: list[tuple[str, str]]) -> list[tuple[str, str]]:
    """Rolled-back writes leave dead rows, which the sizes in pg_class may show after a vacuum; all else is equal."""
    return [each for each in everything if each[0] != "relation"]
