"""Claims about what a run says of queries of which it saw only plans."""

from __future__ import annotations

from types import SimpleNamespace
from typing import TYPE_CHECKING, cast

import pytest

from trimtab.lifecycle.left_out import with_left_out
from trimtab.model.workload import Query, QueryKind, Workload

if TYPE_CHECKING:
    from trimtab.trial.run import Trials

TAME = Query("tame", "tame", "select 1", "select $1", 1.0, QueryKind.READ)
WILD = Query("wild", "wild", "select act()", "select act()", 3.0, QueryKind.READ, clone_only="it calls act")
BROKEN = Query("broken", "broken", "select 1/0", "select $1/$2", 1.0, QueryKind.READ)
UNLIKE = Query("unlike", "unlike", "select 2", "select $3", 1.0, QueryKind.READ)
WORKLOAD = Workload((TAME, WILD, BROKEN, UNLIKE), "file")


@pytest.mark.parametrize(
    ("lab", "is_applying", "told"),
    [
        ("none", False, []),
        ("clone", False, [("broken", "query.not_run"), ("unlike", "query.lab_differs")]),
        *(
            (
                lab,
                is_applying,
                [("wild", "query.clone_only"), ("broken", "query.not_run"), ("unlike", "query.lab_differs")],
            )
            for lab, is_applying in (("clone", True), ("named", False))
        ),
    ],
)
def test_what_was_not_run_is_told_where_it_was_not_run(lab: str, is_applying: bool, told: list[object]) -> None:
    clone_dsn = "host=/run" if lab == "clone" else None
    seen = SimpleNamespace(failures={"broken": "22012"}, unlike={"unlike": "index i of s.t"}, clone_dsn=clone_dsn)
    trials = seen if lab != "none" else None
    found = with_left_out(WORKLOAD, cast("Trials | None", trials), is_applying=is_applying)
    assert found.queries == WORKLOAD.queries
    assert [(skipped.name, skipped.code) for skipped in found.skipped] == told
