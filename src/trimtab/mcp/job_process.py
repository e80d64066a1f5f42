"""The process of one long piece of work for an agent: `python -m trimtab.mcp.job_process`, started by `job.py` alone.

It reads one line of JSON, does what that says by `trimtab.api`, and tells lines of JSON on stdout: how far it is, and
at the end the result or a refusal. Its enforcement point is shut before anything else. When its input ends, whoever
asked is gone, and it ends as on SIGTERM: cleaned up.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TextIO

_WHY_SHUT = "this process works for an agent, which changes nothing"
_BETWEEN_SECONDS = 0.2


def main() -> None:
    """Do the work that the first line of stdin names, and tell of it."""
    tells = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)  # what a library prints is no word of ours

    from trimtab.apply.shut import shut
    from trimtab.embedded.signals import cleanup_on_signals, ignore_signals
    from trimtab.errors import TrimtabError

    shut(_WHY_SHUT)
    order = json.loads(sys.stdin.readline())
    threading.Thread(target=_end_with_input, daemon=True).start()
    try:
        with cleanup_on_signals():
            told: dict[str, object] = {"result": _done(order, _Telling(tells))}
            ignore_signals()
    except TrimtabError as error:
        told = {"error": error.as_dict()}
    except Exception as error:
        if os.environ.get("TRIMTAB_DEBUG"):
            raise
        name = type(error).__name__
        told = {"error": {"code": "internal", "message": f"a fault inside trimtab ({name})", "next_step": ""}}
    _tell(tells, told)


def _end_with_input() -> None:
    while os.read(0, 4096):
        pass
    os.kill(os.getpid(), signal.SIGTERM)


def _tell(tells: TextIO, told: Mapping[str, object]) -> None:
    tells.write(json.dumps(told) + "\n")
    tells.flush()


@dataclass(slots=True)
class _Telling:
    """A Watcher that tells of stages, and of progress a few times a second."""

    tells: TextIO
    _last: float = field(default=0.0)
    _stages: int = field(default=0)

    def stage(self, name: str, note: str) -> None:
        self._stages += not note
        self._progress(f"{name} {note}".strip())

    def progress(self, what: str, done: int, total: int) -> None:
        if time.monotonic() - self._last >= _BETWEEN_SECONDS:
            self._progress(f"{what} {done}/{total}" if total else what)

    def strategy(self, life: object) -> None:
        """Say nothing: strategies are told with the result."""

    def _progress(self, what: str) -> None:
        self._last = time.monotonic()
        _tell(self.tells, {"progress": [self._stages, 0, what]})


def _done(order: Mapping[str, Any], watcher: _Telling) -> dict[str, object]:
    from trimtab.mcp.desk import Desk

    name, digest = order["agent"]
    desk = Desk.open(None if order["config"] is None else Path(order["config"]), name).offering(digest)
    work: Mapping[str, Callable[..., dict[str, object]]] = {
        "optimize": _optimize,
        "indexes": _indexes,
        "anchor": _anchor,
        "propose": _propose,
        "report": _report,
    }
    return work[order["kind"]](desk, order["arguments"], watcher)


def _shared(desk: Any, arguments: Mapping[str, Any], watcher: _Telling) -> dict[str, Any]:
    """Return what every kind of work takes, from trimtab.toml alone."""
    from trimtab.cli.commands import lab_of, standbys_of
    from trimtab.config import parse_size

    defaults, name = desk.config.defaults, arguments["database"]
    budget = arguments.get("budget") or defaults.budget
    return {
        "workload": desk.workload(arguments.get("workload")),
        "budget_bytes": parse_size(budget) if budget else None,
        "wishes": desk.config.wishes_for(name),
        "spec": desk.spec(arguments.get("spec_id") or "configured"),
        "lab": lab_of(defaults.lab or "clone", desk.config),
        "pg_bin": defaults.pg_bin,
        "standbys": standbys_of((), name, desk.config),
        "ledger_path": desk.ledger_path,
        "watcher": watcher,
        "agent": desk.agent,
    }


def _optimize(desk: Any, arguments: Mapping[str, Any], watcher: _Telling) -> dict[str, object]:
    from trimtab import api
    from trimtab.report.document import optimize_document

    report = api.optimize(
        desk.dsn(arguments["database"]),
        objectives=arguments["objectives"],
        propose=arguments["propose"],
        **_shared(desk, arguments, watcher),
    )
    return optimize_document(report)


def _indexes(desk: Any, arguments: Mapping[str, Any], watcher: _Telling) -> dict[str, object]:
    from trimtab import api
    from trimtab.report.indexes import indexes_document

    shared = _shared(desk, arguments, watcher)
    if not arguments["trial"]:
        shared["lab"] = "none"
    return indexes_document(api.advise_indexes(desk.dsn(arguments["database"]), **shared))


def _propose(desk: Any, arguments: Mapping[str, Any], watcher: _Telling) -> dict[str, object]:
    from trimtab import api
    from trimtab.mcp.wishes import Change
    from trimtab.report.document import optimize_document

    asked = [Change.validate_python(one).asked() for one in arguments["changes"]]
    report = api.optimize(
        desk.dsn(arguments["database"]), asked=asked, propose=True, **_shared(desk, arguments, watcher)
    )
    return optimize_document(report)


def _anchor(desk: Any, arguments: Mapping[str, Any], watcher: _Telling) -> dict[str, object]:
    from trimtab import api
    from trimtab.report.anchors import anchor_document

    signed = api.create_anchor(
        desk.dsn(arguments["database"]),
        workload=desk.workload(arguments.get("workload")),
        permanence=arguments["permanence"],
        spec=desk.config.defaults.spec,
        pg_bin=desk.config.defaults.pg_bin,
        ledger_path=desk.ledger_path,
        watcher=watcher,
    )
    return anchor_document(signed, api.anchor_path(signed.anchor, ledger_path=desk.ledger_path))


def _report(desk: Any, arguments: Mapping[str, Any], watcher: _Telling) -> dict[str, object]:
    from trimtab.api_report import optimization_report
    from trimtab.cli.collecting import history_of
    from trimtab.mcp.collected import is_collected
    from trimtab.mcp.report_answers import PAGE_CHARACTERS
    from trimtab.report.analytics import analytics_document, moment
    from trimtab.report.handover_page import report_page
    from trimtab.report.page_markdown import page_markdown

    watcher.stage("report", "")
    report = optimization_report(
        arguments["database"],
        timeframe=arguments["timeframe"],
        config=desk.config,
        ledger_path=desk.ledger_path,
        history=(lambda: history_of(desk.config)) if is_collected(desk.config) else None,
    )
    markdown = page_markdown(report_page(report, is_whole=False))
    return {
        "begin": moment(report.window.begin_ns),
        "end": moment(report.window.end_ns),
        "counts": {"runs": len(report.runs), "changes": len(report.changes), "anchors": len(report.anchors)},
        "analytics": analytics_document(report),
        "markdown": markdown[:PAGE_CHARACTERS],
        "is_cut": len(markdown) > PAGE_CHARACTERS,
    }


if __name__ == "__main__":
    main()
