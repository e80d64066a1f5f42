"""Claims about the trial of a rebuild: a new index in the lab against what the source's holds, and nothing is left."""

from __future__ import annotations

from dataclasses import replace
from statistics import median

import pytest

from trimtab.model.change import RebuildIndex
from trimtab.model.strategy import Decision, Strategy
from trimtab.trial.limits import TrialLimits
from trimtab.trial.rebuilding import is_rebuild, ruling_on_rebuild
from trimtab.trial.run import Trials

from .conftest import read, write

CHANGE = RebuildIndex("public", "events", "events_pkey", 1)
BY_ID = read("by_id", "select amount from events where id = 7")
OTHER = read("other", "select count(*) from pg_class")
UPDATE = write("update", "update events set amount = amount + 1 where id between 5 and 14")


def rebuild(held: int, change: RebuildIndex = CHANGE) -> Strategy:
    return Strategy((change,), "rebuilds", "title", "reason", (), -1, {f"held_bytes.{change.name}": held})


@pytest.mark.parametrize(("freed", "is_enough"), [(60, True), (50, True), (49, False), (0, False), (-5, False)])
def test_it_must_free_as_many_bytes_and_as_large_a_share_as_is_asked_for(freed: int, is_enough: bool) -> None:
    for limits in (TrialLimits(min_freed_bytes=50), TrialLimits(min_freed_percent=50.0)):
        ruling = ruling_on_rebuild(rebuild(100), freed, limits)
        assert ruling.decision is (Decision.ACCEPTED if is_enough else Decision.NO_GAIN)
        assert f"holds {100 - freed} bytes, 100 on the source" in ruling.reason


def test_without_evidence_of_what_the_source_holds_nothing_is_freed() -> None:
    nothing_said = replace(rebuild(100), evidence={})
    assert ruling_on_rebuild(nothing_said, -100, TrialLimits(min_freed_bytes=1)).decision is Decision.NO_GAIN
    assert is_rebuild(nothing_said)
    assert not is_rebuild(replace(nothing_said, changes=()))


def sizes(trials: Trials) -> list[tuple[str, int, int]]:
    rows = trials.connection.execute(
        "select relname, relfilenode::bigint, pg_relation_size(oid) from pg_class where relkind = 'i'"
        " and relnamespace = 'public'::regnamespace order by 1"
    ).fetchall()
    return [(str(name), int(node), int(size)) for name, node, size in rows]


@pytest.mark.server
def test_a_new_one_is_built_measured_and_thrown_away(trials: Trials) -> None:
    baseline = trials.baseline((BY_ID, OTHER, UPDATE))
    before = sizes(trials)
    (size,) = [size for name, _, size in before if name == "events_pkey"]
    trial = trials.trial(rebuild(4 * size), (BY_ID, OTHER, UPDATE), accept_neutral=True)
    assert trial.decision is Decision.ACCEPTED
    assert trial.size_bytes == pytest.approx(-3 * size, rel=0.2)
    assert trial.build_seconds > 0
    assert sizes(trials) == before
    assert trials.kept == ()
    # What is on its table is to be measured on the source; here no pair could show anything.
    named = {query.query_id: query for query in trial.queries}
    assert set(named) == {"by_id", "update"}
    assert named["by_id"].before_ms == named["by_id"].after_ms == median(baseline.times["by_id"])
    assert trial.pairs == 0


@pytest.mark.server
def test_one_that_is_as_large_as_the_sources_is_no_gain(trials: Trials) -> None:
    trials.baseline((BY_ID,))
    (size,) = [size for name, _, size in sizes(trials) if name == "events_pkey"]
    held = rebuild(size)
    limited = replace(trials._limits, min_freed_bytes=8192)
    trials._limits = limited
    assert trials.trial(held, (BY_ID,), accept_neutral=True).decision is Decision.NO_GAIN


@pytest.mark.server
def test_an_index_that_the_lab_lacks_cannot_be_tried(trials: Trials) -> None:
    trials.baseline((BY_ID,))
    trial = trials.trial(rebuild(1, replace(CHANGE, name="nowhere")), (BY_ID,), accept_neutral=True)
    assert trial.decision is Decision.FAILED
    assert trials.connection.execute("select 1").fetchone() == (1,)
