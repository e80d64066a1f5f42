"""What a run that looks at security says when the last look fails, or when what it saw meanwhile is gone again."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, cast

import pytest

from trimtab import api_security
from trimtab.errors import ApplyError, RefusedError, SourceError, TrimtabError
from trimtab.lifecycle import secure_run
from trimtab.lifecycle.request import Request
from trimtab.lifecycle.secure_run import SecureRun, SecurityLevel, optimize_securely
from trimtab.lifecycle.securing import Checked, Compared
from trimtab.model.report import Report, SecurityKept, Undeclared
from trimtab.model.watch import Silent
from trimtab.security.snapshot import SecuritySnapshot

SEEN = SecuritySnapshot("shop", 5, "1", 180000, "r", 1, {})
CHECKED = Checked(Compared(SEEN, SEEN, ()), (), cast(Any, None))
GRANTED = Undeclared("posture.grant", "weakened", "grants", 'grants["relation"]')


@dataclass(frozen=True)
class _Report:
    """All that these claims need of a report."""

    run_id: str = "r-1"
    changes_standing: int = 2
    security: SecurityKept | None = None


def _run(monkeypatch: pytest.MonkeyPatch, looks: Sequence[Checked | TrimtabError], report: _Report) -> SecureRun:
    found = iter(looks)

    def checked(request: Request) -> Checked:
        seen = next(found)
        if isinstance(seen, TrimtabError):
            raise seen
        return seen

    monkeypatch.setattr(secure_run, "_checked", checked)
    monkeypatch.setattr(secure_run, "optimize", lambda request, watcher: cast(Report, report))
    request = Request(conninfo="", ledger_path=Path("ledger.db"), apply=True)
    return optimize_securely(request, SecurityLevel.STANDARD, Silent())


@pytest.mark.parametrize(
    "fault",
    [
        SourceError("a table is held", code="source.locked", next_step=""),
        RefusedError("the role has got createdb", code="read.overprivileged", next_step=""),
    ],
)
def test_a_last_look_that_fails_tells_what_stands(monkeypatch: pytest.MonkeyPatch, fault: TrimtabError) -> None:
    with pytest.raises(ApplyError, match="r-1 is over, 2 changes of it stand") as caught:
        _run(monkeypatch, [CHECKED, fault], _Report())
    assert caught.value.code == "security.unseen"


def test_what_was_seen_meanwhile_and_is_gone_again_is_not_preserved(monkeypatch: pytest.MonkeyPatch) -> None:
    kept = SecurityKept(2, (), ())
    for seen, is_preserved in ((kept, True), (replace(kept, undeclared=(GRANTED,)), False), (None, True)):
        run = _run(monkeypatch, [CHECKED, CHECKED], _Report(security=seen))
        status = api_security._status(run)
        assert (status.preserved, status.differences) == (is_preserved, ())
        assert status.undeclared == (() if is_preserved else (GRANTED,))
