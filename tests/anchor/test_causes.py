"""Claims about causes beside the plan: their order, that they explain the slowdown, and that doubt names none."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trimtab.anchor.causes import Movement, host_movement, proof_of_version, ruling, table_movement
from trimtab.model.anchor import HostProbe
from trimtab.model.flip import CauseKind

SLOWER = Movement(host=1.0, common=1.0, own=3.0, blocks=1.0, rows=1.0, is_plan_changed=False, pages=1.0)


@pytest.mark.parametrize(
    ("changes", "kind"),
    [
        ({}, None),
        ({"host": 3.0}, CauseKind.HOST),
        ({"host": 3.0, "common": 3.0, "blocks": 3.0}, CauseKind.HOST),
        ({"common": 3.0, "blocks": 3.0}, CauseKind.LOAD),
        ({"common": 3.0, "is_plan_changed": True}, CauseKind.LOAD),
        ({"blocks": 3.0, "rows": 3.0}, CauseKind.DATA_GROWTH),
        ({"blocks": 3.0, "pages": 2.0}, CauseKind.BLOAT),
        ({"blocks": 3.0, "pages": 2.0, "rows": 2.0}, CauseKind.DATA_GROWTH),
        ({"blocks": 3.0}, None),
        ({"blocks": 3.0, "pages": None}, None),
        ({"blocks": 3.0, "rows": None}, None),
        ({"blocks": 3.0, "rows": 3.0, "is_plan_changed": True}, CauseKind.PLAN),
        ({"blocks": 3.0, "rows": 3.0, "is_plan_changed": None}, None),
        ({"host": None, "common": None, "blocks": None, "rows": None}, None),
        ({"host": 1.5, "own": 30.0, "blocks": 9.0, "pages": 9.0}, CauseKind.BLOAT),
        ({"common": 1.5, "own": 30.0, "is_plan_changed": True}, CauseKind.PLAN),
    ],
)
def test_the_first_that_explains_it_is_named(changes: dict[str, float], kind: CauseKind | None) -> None:
    assert ruling(replace(SLOWER, **changes)).kind is kind  # type: ignore[arg-type]


@given(*(st.floats(0.2, 1.25) for _ in range(4)), st.booleans())
def test_movements_within_the_bands_are_none(
    host: float, common: float, blocks: float, rows: float, is_new: bool
) -> None:
    found = ruling(Movement(host, common, 9.0, blocks, rows, is_new))
    assert found.kind is (CauseKind.PLAN if is_new else None)
    assert found.reason


def test_the_host_is_as_slow_as_the_slower_of_its_works_and_a_table_counts_where_it_was_counted() -> None:
    assert host_movement(HostProbe(3, 10), HostProbe(6, 11)) == pytest.approx(2.0)
    assert host_movement(HostProbe(), HostProbe(6, 11)) is None
    was, now = {"a": 10.0, "b": 5.0, "empty": 0.0}, {"a": 10.0, "b": 50.0, "empty": 9.0}
    assert table_movement(was, now, ["a", "b", "empty", "new"]) == pytest.approx(10.0)
    assert table_movement(was, now, ["empty", "new"]) is None


def test_another_version_is_told_where_both_are_known() -> None:
    assert proof_of_version(180001, 180006) == ("server: PostgreSQL 18.1 then, 18.6 now",)
    assert proof_of_version(180006, 180006) == proof_of_version(0, 180006) == ()
