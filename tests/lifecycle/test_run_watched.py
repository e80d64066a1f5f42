"""Claims about a whole run whose lab does not show what its index costs the writes of the source."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from dataclasses import dataclass, field
from importlib.resources import files
from pathlib import Path

import pytest

from trimtab.lifecycle.loop import optimize
from trimtab.lifecycle.request import Request
from trimtab.model.strategy import Outcome
from trimtab.model.watch import Silent

from .application import INSERT, READS, Application

pytestmark = [pytest.mark.server, pytest.mark.slow]

ROWS = "INSERT INTO ticket (kind, body) SELECT n % 5000, repeat('x', 60) FROM generate_series(1, 60000) n"
LOOKUP = "SELECT max(body) FROM ticket WHERE kind = %s"
PLANT = "CREATE TRIGGER planted BEFORE INSERT ON ticket FOR EACH ROW EXECUTE FUNCTION planted()"


@dataclass
class Told(Silent):
    """Remembers the progress that it was told; sends Ctrl-C at the first word of watching, where it is asked to."""

    interrupts: bool = False
    said: list[str] = field(default_factory=list)

    def progress(self, what: str, done: int, total: int) -> None:
        self.said.append(what)
        if self.interrupts and what == "watching the application's statements":
            self.interrupts = False
            os.kill(os.getpid(), signal.SIGINT)


@pytest.fixture
def source(application: Application) -> Application:
    """What makes writes slow as soon as there is a new index is here alone, and not in the lab."""
    application.run(ROWS, "VACUUM ANALYZE ticket", PLANT)
    application.work(INSERT, LOOKUP, *READS)
    application.wait_for_calls()
    return application


@pytest.fixture
def request_for(source: Application, new_application: Callable[[], Application], tmp_path: Path) -> Request:
    lab = new_application()
    lab.run(ROWS, "VACUUM ANALYZE ticket")
    shipped = files("trimtab.spec").joinpath("defaults", "DATABASE_OPTIMIZATION_SPEC_V4.yaml").read_text("utf-8")
    quick = {"id: DATABASE_OPTIMIZATION_SPEC_V4": "id: DESK", "watch_seconds: 30.0": "watch_seconds: 3.0"}
    for old, new in quick.items():
        assert old in shipped
        shipped = shipped.replace(old, new)
    (tmp_path / "desk.yaml").write_text(shipped, "utf-8")
    return Request(source.dsn, source.ledger_path, spec=tmp_path / "desk.yaml", lab=lab.dsn, apply=True)


def test_what_the_lab_does_not_show_of_the_writes_is_taken_back(source: Application, request_for: Request) -> None:
    told = Told()
    report = optimize(request_for, told)
    lives = report.lives_with(Outcome.REVERTED)
    assert lives, [(life.strategy.title, life.outcome, life.note) for life in report.lives]
    assert any("times as long" in life.note for life in lives)
    assert [name for name in source.indexes() if "ticket" in name] == []  # What is on another table may stay.
    assert report.messages[0].startswith("watched for ")
    assert "watching the application's statements" in told.said
    written = {e.text("strategy_id"): e.text("note") for e in source.entries() if e.kind == "strategy_settled"}
    assert all(written[life.strategy.id] == life.note for life in lives)


def test_an_interrupt_while_watching_takes_back_what_is_not_settled(source: Application, request_for: Request) -> None:
    with pytest.raises(KeyboardInterrupt):
        optimize(request_for, Told(interrupts=True))
    assert source.indexes() == set()
    kinds = [entry.kind.value for entry in source.entries()]
    assert kinds.count("apply_done") == kinds.count("revert_done") > 0
    assert kinds[-1] == "run_failed"
    [settled] = {e.text("outcome") for e in source.entries() if e.kind == "strategy_settled"} - {
        "rejected",
        "not_promising",
        "refused",
    }
    assert settled == "reverted"
