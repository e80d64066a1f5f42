"""Programs that apply or revert and are killed on the way: run by test_crash.py, never imported.

Each line of input is JSON: where, what, and when the kernel is to kill it: before or after which ledger entry, or at
which statement between the intent and its result. A fork does it in a process of its own; its pid and how it ended are
printed.
"""

from __future__ import annotations

import gc
import json
import os
import signal
import sys
import tempfile
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import sqlalchemy.dialects.sqlite  # noqa: F401

from trimtab.apply.enforce import Enforcer, database_body
from trimtab.db.connection import Connection, connect
from trimtab.db.locks import hold_database
from trimtab.ledger.entry import Entry, Kind
from trimtab.ledger.ledger import Ledger
from trimtab.ledger.pending import applied_changes
from trimtab.ledger.required import Required
from trimtab.model.change import change_from_dict
from trimtab.model.strategy import Strategy
from trimtab.model.workload import Workload
from trimtab.observe.snapshot import read_facts
from trimtab.spec.load import load_spec

AT_STATEMENT = "at statement "


class MortalLedger(Ledger):
    """Kills this program, as `kill -9` does, before or after an entry is written."""

    killed_at: str
    is_between: bool = False  # the intent is written, and its result is not

    def append(
        self,
        kind: Kind,
        body: Mapping[str, object],
        *,
        run_id: str | None = None,
        require: Required | None = None,
    ) -> Entry:
        MortalLedger.is_between = kind in (Kind.APPLY_INTENDED, Kind.REVERT_INTENDED)
        self._die_at(f"before {kind.value}")
        entry = super().append(kind, body, run_id=run_id, require=require)
        self._die_at(f"after {kind.value}")
        return entry

    def _die_at(self, moment: str) -> None:
        if moment == self.killed_at:
            os.kill(os.getpid(), signal.SIGKILL)


class MortalSession:
    """Kills this program when the n-th statement after the intent was sent, and its answer was not read."""

    def __init__(self, writer: Connection, killed_at: str) -> None:
        self._left = int(killed_at.removeprefix(AT_STATEMENT))
        self._execute, self._wait = writer.execute, writer.wait
        patched: Any = writer
        patched.execute, patched.wait = self.execute, self.wait

    def execute(self, *given: Any, **named: Any) -> Any:
        if MortalLedger.is_between:
            self._left -= 1
        return self._execute(*given, **named)

    def wait(self, generator: Any, *given: Any, **named: Any) -> Any:
        if MortalLedger.is_between and self._left == 0:
            next(generator)  # sends it, and would wait for the answer
            os.kill(os.getpid(), signal.SIGKILL)
        return self._wait(generator, *given, **named)


def change_the_source(told: Mapping[str, Any]) -> None:
    source = connect(told["dsn"], read_only=True)
    writer = connect(told["dsn"], read_only=False)
    specification = load_spec(None)
    limits = specification.limits
    locks = limits.locks.model_copy(update={"lock_timeout_ms": 600_000, "attempts": 1})
    rebuilds = limits.rebuilds.model_copy(update={"min_excess_bytes": 0})
    rates = limits.rates.model_copy(update={"max_repeats": 1_000})  # the same thing is made again and again here
    changed = limits.model_copy(update={"locks": locks, "rebuilds": rebuilds, "rates": rates})
    specification = replace(specification, limits=changed)
    MortalLedger.killed_at = told["killed_at"]
    if told["killed_at"].startswith(AT_STATEMENT):
        MortalSession(writer, told["killed_at"])
    with MortalLedger.open(Path(told["ledger"])) as ledger, hold_database(source):
        enforcer = Enforcer(writer, ledger, specification, lambda: read_facts(source, Workload((), "none")), "r-victim")
        if told["reverts"]:
            (applied,) = applied_changes(ledger.entries())
            enforcer.revert(applied)
            return
        changes = tuple(change_from_dict(change) for change in told["changes"])
        ledger.append(Kind.RUN_STARTED, {"database": database_body(enforcer.look().server)}, run_id="r-victim")
        enforcer.apply(Strategy(changes, "test", "title", "reason", (), 1_000_000, told["evidence"]))


def main() -> None:
    load_spec(None)  # what it makes of the document's classes is made once
    with tempfile.TemporaryDirectory() as place, Ledger.open(Path(place) / "ledger.db") as ledger:
        ledger.append(Kind.RUN_STARTED, {}, run_id="r")  # and so are the statements of a ledger
        assert len(tuple(ledger.entries())) == 1
    gc.collect()
    gc.freeze()  # else each fork's collector would visit all that was imported, and copy its pages
    for line in sys.stdin:
        pid = os.fork()
        if pid == 0:
            try:
                change_the_source(json.loads(line))
            finally:
                os._exit(0)
        print(pid, flush=True)
        print(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]), flush=True)


if __name__ == "__main__":
    main()
