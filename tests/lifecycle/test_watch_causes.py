"""Claims about what made an alarm: the host before the load, the load before growth, growth before another plan."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace

import numpy as np
import pytest

from trimtab.anchor.learning import Sensitivity, learn
from trimtab.anchor.vigil import Seen, Vigil, observe
from trimtab.lifecycle.watch_causes import Surroundings, cause_of_all, cause_of_blocks, causes_of
from trimtab.model.anchor import HostProbe
from trimtab.model.traffic import StatementKey
from trimtab.model.watched import Interval

STATEMENTS, SLOW = 12, 5
KEYS: tuple[StatementKey, ...] = tuple((10, number, True) for number in range(STATEMENTS))
MEANS = np.linspace(2.0, 24.0, STATEMENTS)
THEN = Surroundings(HostProbe(3.0, 9.0), {"public.orders": 1000.0}, {"public.orders": 10.0}, 180001)
LONGER = replace(THEN, pages={"public.orders": 90.0})
READ = frozenset({("public", "orders")})


def _interval(number: int, *, own: float = 1.0, all_: float = 1.0, blocks: float = 1.0) -> Interval:
    """A round of 50 calls each, whose times scatter a little."""
    is_slow = np.arange(STATEMENTS) == SLOW
    scatter = np.exp(0.05 * np.random.default_rng(number).standard_normal(STATEMENTS))
    means = MEANS * all_ * np.where(is_slow, own, 1.0) * scatter
    calls = np.full(STATEMENTS, 50.0)
    total = calls * means
    counts = np.column_stack(
        (calls, total, total**2 / calls, calls, calls * 10 * np.where(is_slow, blocks, 1.0), 0 * calls)
    )
    return Interval(number * 10 * 10**9, 10.0, 2.0, KEYS, counts)


def _told(*, own: float = 4.0, all_: float = 1.0, blocks: float = 1.0) -> Seen:
    """Return the round in which the slow statement is told."""
    sensitivity = Sensitivity(10.0)
    vigil = Vigil.start(learn([_interval(number) for number in range(120)], sensitivity))
    for number in range(120, 400):
        seen = observe(vigil, _interval(number, own=own, all_=all_, blocks=blocks), sensitivity)
        if seen.shown:
            return seen
        vigil = seen.vigil
    raise AssertionError("nothing was told")


@pytest.mark.parametrize(
    ("slower", "now", "plan", "kind"),
    [
        ({}, THEN, "unchanged", None),
        ({"all_": 3.0, "blocks": 4.0}, Surroundings(HostProbe(12.0, 9.0), THEN.rows), "unchanged", "host"),
        ({"all_": 4.0, "blocks": 4.0}, THEN, "unchanged", "load"),
        ({"blocks": 4.0}, Surroundings(THEN.host, {"public.orders": 9000.0}), "unchanged", "data growth"),
        ({"blocks": 4.0}, LONGER, "unchanged", "bloat"),
        ({"blocks": 4.0}, replace(THEN, version=180006), "unchanged", None),
        ({"blocks": 4.0}, THEN, "changed", "plan change"),
        ({"blocks": 4.0}, THEN, "its text is lost or hidden", None),
    ],
)
def test_an_alarm_of_a_statement_names_the_first_cause_with_its_figures(
    slower: dict[str, float], now: Surroundings, plan: str, kind: str | None
) -> None:
    seen = _told(**slower)

    def read(tables: Collection[tuple[str, str]] | None) -> Surroundings:
        assert tables in (READ, None), "None is for what slows all"
        return now

    [row] = seen.shown
    cause = causes_of(seen, THEN, read, tables={row: READ}, plans={row: plan})[row]
    assert (cause["kind"], bool(cause["reason"])) == (kind, True)
    proof = " ".join(cause["proof"])  # type: ignore[arg-type]
    assert all(word in proof for word in ("host: ", "rows of public.orders", "plan: ", "load: ", "blocks per call: "))
    assert ("server: PostgreSQL 18.1 then, 18.6 now" in proof) is (now.version == 180006)


def test_what_slows_all_is_the_host_the_load_or_as_far_as_blocks_account_for_it_more_data() -> None:
    busy = Surroundings(HostProbe(9.0, 9.0), THEN.rows)
    grown = Surroundings(THEN.host, {"public.orders": 5000.0})
    assert cause_of_all(3.0, 1.0, THEN, busy)["kind"] == "host"
    assert cause_of_all(3.0, 1.0, THEN, THEN)["kind"] == "load"
    assert cause_of_all(3.0, 3.0, THEN, grown)["kind"] == "data growth"
    assert cause_of_all(3.0, None, THEN, THEN)["kind"] == "load"
    assert cause_of_blocks(3.0, THEN, grown)["kind"] == "data growth"
    assert cause_of_blocks(3.0, THEN, replace(LONGER, host=busy.host))["kind"] == "bloat", "no host reads more blocks"
    assert cause_of_blocks(3.0, THEN, busy)["kind"] is None, "nor do tables that are as long as they were"


def test_surroundings_outlive_the_watcher_and_others_facts_are_none() -> None:
    assert Surroundings.of_fact(THEN.as_fact()) == THEN
    assert Surroundings.of_fact(None) is None
    older = {name: kept for name, kept in THEN.as_fact().items() if name in ("host", "rows")}
    assert Surroundings.of_fact(older) == Surroundings(THEN.host, THEN.rows)
    assert Surroundings.of_fact({"host": 3}) is None


def test_looks_beyond_all_that_was_learnt_are_breaches() -> None:
    sensitivity = Sensitivity(10.0)
    vigil = Vigil.start(learn([_interval(number) for number in range(120)], sensitivity))
    quiet = observe(vigil, _interval(500), sensitivity)
    assert (quiet.looks, quiet.breaches) == (STATEMENTS, 0)
    assert observe(vigil, _interval(500, own=4.0), sensitivity).breaches == 1
    assert observe(vigil, _interval(500, all_=4.0), sensitivity).breaches == 0, "what all share is the load's"
