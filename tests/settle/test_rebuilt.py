"""Claims about what is told of a rebuilt index on the source: its size before and after, also when it is no smaller."""

from __future__ import annotations

from dataclasses import replace

import pytest

from trimtab.model.catalog import Index, ServerIdentity, Snapshot, Table
from trimtab.model.change import Change, CreateIndex, RebuildIndex
from trimtab.model.workload import Workload
from trimtab.settle.rebuilt import is_rebuilt, size_told

CHANGE = RebuildIndex("public", "t", "t_a", 1)
CREATE = CreateIndex("public", "t", "t_b", "USING btree (a)", ("a",))
INDEX = Index(
    "public", "t_a", "t", "btree", ("a",), (), (0,), (1,), (0,), "", "USING btree (a)", False, False, True, False,
    False, False, False, False, None, 0, 0,
)  # fmt: skip
SERVER = ServerIdentity(180000, "shop", 5, "owner", "7", "2026-01-01T00:00:00Z", False, False)


def holding(size: int | None) -> Snapshot:
    indexes = () if size is None else (replace(INDEX, size_bytes=size),)
    table = Table("public", "t", 1, "r", 1.0, 1, 1, (), indexes)
    return Snapshot(SERVER, (table,), {}, Workload((), "none"), "2026-01-01T00:00:00Z")


def test_how_much_smaller_it_is_is_told() -> None:
    assert size_told((CHANGE,), holding(3000), holding(1000)) == "holds 1,000 bytes on the source, 3,000 before"


@pytest.mark.parametrize("after", [3000, 4000])
def test_that_it_is_no_smaller_is_told(after: int) -> None:
    told = size_told((CHANGE,), holding(3000), holding(after))
    assert told == f"rebuilding freed nothing on the source: {after:,} bytes, 3,000 before"


def test_an_index_that_is_gone_holds_nothing() -> None:
    assert size_told((CHANGE,), holding(3000), holding(None)) == "holds 0 bytes on the source, 3,000 before"


@pytest.mark.parametrize(
    ("changes", "answer"), [((CHANGE,), True), ((CHANGE, CREATE), False), ((CREATE,), False), ((), False)]
)
def test_what_does_nothing_but_rebuild_is_known(changes: tuple[Change, ...], answer: bool) -> None:
    assert is_rebuilt(changes) is answer
