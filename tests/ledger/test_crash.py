"""Claims about SIGKILL: what `append` returned is there, and the chain holds, whenever the program dies."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from trimtab.ledger.ledger import Ledger

# Forks writers, lets them write for a moment, kills them, and starts again on what they left.
_KILLER = """
import os, random, signal, sys, time
from pathlib import Path
from trimtab.ledger.entry import Kind
from trimtab.ledger import postgres
from trimtab.ledger.ledger import Ledger

def write(run_id):
    with Ledger.open(Path(sys.argv[1])) as ledger:
        os.write(begun[1], b"!")
        while True:
            entry = ledger.append(Kind.APPLY_INTENDED, {"padding": "x" * 300}, run_id=run_id)
            os.write(1, f"{entry.seq} {entry.hash}\\n".encode())

coin = random.Random(20)
begun = os.pipe()
for round_number in range(12):
    writers = []
    for number in range(1 + round_number % 2):
        pid = os.fork()
        if pid == 0:
            write(f"w{number}")
        writers.append(pid)
    os.read(begun[0], 1)  # one has the ledger open
    time.sleep(coin.uniform(0.02, 0.4))
    for pid in writers:
        os.kill(pid, signal.SIGKILL)
    for pid in writers:
        os.waitpid(pid, 0)
"""


def test_killed_writers_lose_nothing_that_append_returned(place: Path) -> None:
    path = place
    done = subprocess.run([sys.executable, "-c", _KILLER, str(path)], capture_output=True, text=True, check=True)
    reported = dict(line.split() for line in done.stdout.splitlines())
    with Ledger.open(path) as ledger:
        verification = ledger.verify()
        stored = {str(entry.seq): entry.hash for entry in ledger.entries()}
    assert verification.verified, verification
    assert reported
    assert stored.items() >= reported.items()
    # At most one entry per killed writer was durable before it could be reported.
    assert len(stored) - len(reported) <= 18
