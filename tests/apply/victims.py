"""Starts programs that change a source and are killed on the way, for the tests of what the next start makes of it."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from trimtab.model.change import Change, change_to_dict

from .shop import WAITING, WORKING, Shop, evidence, open_transaction, wait_until

VICTIM = Path(__file__).with_name("victim.py")


@dataclass
class Victims:
    """Starts programs to be killed; forking them from one that has imported all saves their start-up."""

    process: subprocess.Popen[str]

    def start(self, shop: Shop, *changes: Change, killed_at: str = "", reverts: bool = False) -> int:
        """Return the pid of a new program that applies the changes, or reverts the one that stands."""
        told = {
            "dsn": shop.dsn,
            "ledger": str(shop.ledger_path),
            "changes": [change_to_dict(change) for change in changes],
            "killed_at": killed_at,
            "reverts": reverts,
            "evidence": evidence(*changes),
        }
        assert self.process.stdin is not None
        self.process.stdin.write(json.dumps(told) + "\n")
        self.process.stdin.flush()
        return self._number()

    def exit_code(self) -> int:
        """Return how the program ended: -9 when it was killed."""
        return self._number()

    def run_until_killed(self, shop: Shop, *changes: Change, killed_at: str, reverts: bool = False) -> None:
        assert self.is_killed(shop, *changes, killed_at=killed_at, reverts=reverts)

    def is_killed(self, shop: Shop, *changes: Change, killed_at: str, reverts: bool = False) -> bool:
        """Return False when the program came to a good end: the moment never came."""
        self.start(shop, *changes, killed_at=killed_at, reverts=reverts)
        ended = self.exit_code()
        assert ended in (0, -signal.SIGKILL)
        return ended != 0

    def kill_in_the_act(
        self,
        shop: Shop,
        *changes: Change,
        blocked_by: tuple[str, ...],
        reverts: bool = False,
        until_gone: bool = False,
    ) -> None:
        """Kill one while the server works for it, held up by another session; then let that session go.

        At once, so that the server may work on; with `until_gone` when it has noticed, and broken off.
        """
        with open_transaction(shop, *blocked_by):
            pid = self.start(shop, *changes, reverts=reverts)
            wait_until(shop, WAITING)
            os.kill(pid, signal.SIGKILL)
            assert self.exit_code() == -signal.SIGKILL
            if until_gone:
                wait_until(shop, f"not {WORKING}")

    def _number(self) -> int:
        assert self.process.stdout is not None
        return int(self.process.stdout.readline())


@contextmanager
def started() -> Iterator[Victims]:
    """Start the process whose forks are the victims, and end it."""
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    pipe = subprocess.PIPE
    command = [sys.executable, str(VICTIM)]
    with subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True, env=environment) as process:
        yield Victims(process)
