"""What an entry requires is judged where no other writer can come between: by threads, processes, and both stores."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Barrier

import pytest

from trimtab.errors import HeldError
from trimtab.ledger.entry import Entry, Kind
from trimtab.ledger.ledger import Ledger
from trimtab.ledger.required import Required

from .conftest import Clock

ROOM = 3


def _judge(entries: Iterator[Entry]) -> None:
    if sum(entry.kind is Kind.APPLY_INTENDED for entry in entries) >= ROOM:
        raise HeldError("no room", code="apply.rate")


ONE = """
import sys
from pathlib import Path
from tests.ledger.test_required import _judge
from trimtab.errors import HeldError
from trimtab.ledger.entry import Kind
from trimtab.ledger.ledger import Ledger
from trimtab.ledger.required import Required
with Ledger.open(Path(sys.argv[1])) as ledger:
    print("ready", flush=True)
    sys.stdin.readline()
    for n in range(4):
        try:
            ledger.append(Kind.APPLY_INTENDED, {"n": n}, run_id=sys.argv[2], require=Required(_judge))
        except HeldError:
            sys.exit(10 + n)
"""


def test_of_processes_that_write_at_once_none_passes_what_another_has_used_up(place: Path) -> None:
    """All have room when they begin, and there is room for three entries, not for twelve."""
    with Ledger.open(place) as ledger:
        ledger.append(Kind.RUN_STARTED, {})
        writers = [
            subprocess.Popen(
                [sys.executable, "-c", ONE, str(place), f"p{n}"],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                text=True,
                cwd=Path(__file__).parents[2],
            )
            for n in range(3)
        ]
        for writer in writers:
            assert writer.stdout is not None
            assert writer.stdout.readline() == "ready\n"
        for writer in writers:
            assert writer.stdin is not None
            writer.stdin.write("\n")
            writer.stdin.flush()
        written = [writer.wait(60) - 10 for writer in writers]
        for writer in writers:
            for pipe in (writer.stdin, writer.stdout):
                assert pipe is not None
                pipe.close()
        assert (sum(written), len(list(ledger.entries(Kind.APPLY_INTENDED)))) == (ROOM, ROOM)
        assert ledger.verify().verified


def test_of_threads_too(ledger: Ledger) -> None:
    together = Barrier(4)

    def write(number: int) -> bool:
        together.wait(30)
        try:
            ledger.append(Kind.APPLY_INTENDED, {"n": number}, require=Required(_judge))
        except HeldError:
            return False
        return True

    with ThreadPoolExecutor(4) as threads:
        assert sum(threads.map(write, range(4))) == ROOM
    assert ledger.verify().entries == ROOM


def test_it_is_given_what_follows_alone_and_what_it_refuses_leaves_nothing(ledger: Ledger) -> None:
    for n in range(3):
        ledger.append(Kind.RECONCILED, {"n": n})
    seen: list[object] = []

    def refuse(entries: Iterator[Entry]) -> None:
        seen.extend(entry.body["n"] for entry in entries)
        raise HeldError("no", code="apply.rate")

    with pytest.raises(HeldError):
        ledger.append(Kind.APPLY_INTENDED, {}, require=Required(refuse, after=1))
    assert seen == [1, 2]
    assert ledger.verify().entries == 3
    assert ledger.append(Kind.APPLY_INTENDED, {}).seq == 4


def test_entries_ahead_of_the_clock_are_told_and_are_no_flaw(ledger: Ledger, clock: Clock) -> None:
    ledger.append(Kind.RUN_STARTED, {})
    clock.now_ns += 3 * 3600 * 10**9
    ledger.append(Kind.RUN_FINISHED, {})
    clock.now_ns -= 3 * 3600 * 10**9
    ledger.append(Kind.RUN_STARTED, {})
    found = ledger.verify()
    assert (found.verified, found.first_ahead, round(found.ahead_seconds)) == (True, 2, 3 * 3600)
    assert found.ahead_told.endswith("the last by 3 hours")
    clock.now_ns += 3 * 3600 * 10**9
    assert ledger.verify().first_ahead is None
    clock.now_ns -= 59 * 10**9  # as clocks of a fleet may differ
    assert ledger.verify().ahead_told == ""
