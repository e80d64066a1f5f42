"""Runs `trimtab` commands in forks of one process that has imported everything: run by program.py, never imported.

Each is a program of its own, as `trimtab` on a command line is, without the start-up time. Each line of input is JSON:
a command to start, or a program to look after. A command may be told to signal itself before or after the n-th entry
that it writes of a kind ("apply_done", or with the outcome "strategy_settled kept"); nothing else in it differs.
"""

from __future__ import annotations

import atexit
import gc
import json
import os
import signal
import sys
import tempfile
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NoReturn

import highspy  # noqa: F401
import postgast  # noqa: F401
import sqlalchemy.dialects.sqlite  # noqa: F401
import typer.main

import trimtab.cli.app
import trimtab.cli.commands
import trimtab.cli.demonstration
import trimtab.cli.present
import trimtab.cli.records
import trimtab.cli.twins
import trimtab.cli.watch
import trimtab.config
import trimtab.lifecycle.loop
import trimtab.report.document
import trimtab.trial.lab
import trimtab.trial.run
import trimtab.twin.twin
from trimtab.cli.main import main
from trimtab.ledger.entry import Entry, Kind
from trimtab.ledger.ledger import Ledger
from trimtab.ledger.required import Required
from trimtab.spec.load import load_spec


def serve() -> Mapping[str, Any] | None:
    """Return the order that a fork is to carry out, or None when there are no more."""
    load_spec(None)  # what it makes of the document's classes is made once
    with tempfile.TemporaryDirectory() as place, Ledger.open(Path(place) / "ledger.db") as ledger:
        ledger.append(Kind.RUN_STARTED, {}, run_id="r")  # and so are the statements of a ledger
        assert len(tuple(ledger.entries())) == 1
    command = typer.main.get_command(trimtab.cli.app.app)
    typer.main.get_command = lambda typer_instance: command
    gc.collect()
    gc.freeze()  # else each fork's collector would visit all that was imported, and copy its pages
    for line in sys.stdin:
        order = json.loads(line)
        if "poll" in order:
            print(_poll(order["poll"]), flush=True)
            continue
        pid = os.fork()
        if pid == 0:
            return order  # type: ignore[no-any-return]
        print(pid, flush=True)
    return None


def carry_out(order: Mapping[str, Any]) -> None:
    """Be the program."""
    for number, (path, flags) in enumerate(
        [(os.devnull, os.O_RDONLY), (order["stdout"], os.O_WRONLY), (order["stderr"], os.O_WRONLY)]
    ):
        os.dup2(os.open(path, flags | os.O_CREAT | os.O_NOCTTY, 0o600), number)
    os.chdir(order["directory"])
    os.environ.clear()
    os.environ.update(order["environ"])
    signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background job ignores it
    if order["strike"] is not None:
        _strike(*order["strike"])
    sys.argv = ["trimtab", *order["arguments"]]
    main()


def _end(ended: SystemExit) -> NoReturn:
    """End as Python does, but leave the memory to the system: freed object by object it would be copied first."""
    threading._shutdown()  # type: ignore[attr-defined]  # as the children of `multiprocessing` do
    atexit._run_exitfuncs()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(ended.code if isinstance(ended.code, int) else int(ended.code is not None))


def _poll(pid: int) -> str:
    ended, status = os.waitpid(pid, os.WNOHANG | os.WUNTRACED)
    if ended == 0:
        return "running"
    return "stopped" if os.WIFSTOPPED(status) else str(os.waitstatus_to_exitcode(status))


def _strike(number: int, when: str, kind: str, nth: int) -> None:
    append, seen = Ledger.append, 0

    def struck(
        self: Ledger,
        written: Kind,
        body: Mapping[str, object],
        *,
        run_id: str | None = None,
        require: Required | None = None,
    ) -> Entry:
        nonlocal seen
        is_meant = kind in (written.value, f"{written.value} {body.get('outcome')}")
        seen += is_meant
        is_now = is_meant and seen == nth
        if is_now and when == "before":
            os.kill(os.getpid(), number)
        entry = append(self, written, body, run_id=run_id, require=require)
        if is_now and when == "after":
            os.kill(os.getpid(), number)
        return entry

    Ledger.append = struck  # type: ignore[method-assign,assignment]


if __name__ == "__main__":
    found = serve()
    if found is not None:
        try:
            carry_out(found)
        except SystemExit as ended:
            _end(ended)
