"""The report over a store of 30 days x 5,000 queries by minutes, and a ledger of 300 changes. Goal: 15 s.

The history is that of `history.py`; the ledger is written by what writes ledgers. What is measured is all from the
opened files to the bytes, in this process, median of three.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from itertools import count
from pathlib import Path
from statistics import median

from bench.faces.history import BEGIN_NS, DAYS, QUERIES, SYSTEM, Filled, filled
from bench.results_file import write
from trimtab.api_report import optimization_report
from trimtab.history.reading import History, open_history
from trimtab.history.tiers import DAY, LENGTH_NS, Retention
from trimtab.ledger.entry import Kind
from trimtab.ledger.ledger import Ledger
from trimtab.lifecycle.journal import Journal
from trimtab.model.change import CreateIndex, change_digest, change_to_dict
from trimtab.model.report import Life
from trimtab.model.strategy import Decision, Outcome, Prediction, QueryTrial, Strategy, Trial, Verdict
from trimtab.report.written import ReportFormat, report_bytes

GOAL_SECONDS = 15.0
CHANGES = 300
_REPEATS = 3


def measure(days: int = DAYS, queries: int = QUERIES) -> None:
    """Run it, print a table, and write the result."""
    found = filled(days, queries)
    with tempfile.TemporaryDirectory(prefix="faces-report-") as name:
        ledger = Path(name) / "ledger.db"
        changed(ledger, days)
        taken = {
            form: [_written(form, found, ledger, days) for _ in range(_REPEATS)]
            for form in (ReportFormat.JSON, ReportFormat.COMPREHENSIVE, ReportFormat.MD)
        }
    seconds = {form.value: round(median(each[0] for each in times), 2) for form, times in taken.items()}
    cpu_seconds = {form.value: round(median(each[1] for each in times), 2) for form, times in taken.items()}
    sizes = {form.value: times[-1][2] for form, times in taken.items()}
    print(f"{days} days x {queries:,} queries by minutes, {CHANGES} changes")
    for form_name, took in seconds.items():
        print(
            f"  {form_name:<16} {took:6.2f} s ({cpu_seconds[form_name]:.2f} s of CPU)"
            f"  {sizes[form_name]:>10,} bytes; goal {GOAL_SECONDS:g} s"
        )
    result = {
        "days": days, "queries": queries, "changes": CHANGES, "seconds": seconds, "cpu_seconds": cpu_seconds,
        "report_bytes": sizes, "goal_seconds": GOAL_SECONDS,
    }  # fmt: skip
    write("faces_report", result)


def _written(form: ReportFormat, found: Filled, ledger: Path, days: int) -> tuple[float, float, int]:
    """Return how long a report takes, how much of a processor, in seconds, and its bytes."""
    began, cpu = time.perf_counter(), time.process_time()
    report = optimization_report(
        timeframe=f"{days}d", ledger_path=ledger, clock=lambda: found.end_ns,
        history=lambda: History(open_history(found.path, Retention()), clock=lambda: found.end_ns),
    )  # fmt: skip
    size = len(report_bytes(report, form))
    return time.perf_counter() - began, time.process_time() - cpu, size


def changed(path: Path, days: int) -> None:
    """Write a ledger of changes over the middle of the window: tried, applied, kept."""
    steps = count()

    def clock() -> int:
        return BEGIN_NS + (days * LENGTH_NS[DAY]) // 3 + next(steps) * 10**9

    verdict = Verdict(True, (), "SHOP", "5" * 64, 100.0, engine_version="1")
    rounds = tuple((9.5 + 0.1 * (number % 3), 4.0 + 0.05 * (number % 5)) for number in range(24))
    database: dict[str, object] = {"system_identifier": SYSTEM, "database": "shop", "database_oid": 5}
    with Ledger.open(path, clock=clock) as ledger:
        ledger.set_key()
        run = Journal(ledger, "r-bench")
        run.started({"database": database, "spec_id": "SHOP", "apply": True})
        for number in range(CHANGES):
            change = CreateIndex("public", f"t{number}", f"t{number}_b", "USING btree (b)", ("b",))
            query_id = f"q{number:010x}"
            trial = Trial(
                9.5, 4.1, 24, 0.01, 0.05, 900.0, Decision.ACCEPTED, "proven faster",
                (QueryTrial(query_id, 9.5, 4.1, 24, True, "faster"),), 8192, 0.2, rounds=rounds, scale=0.05,
            )  # fmt: skip
            made = Strategy((change,), "index", f"An index on t{number}", "it reads all rows", (query_id,))
            run.proposed(made)
            run.validated(made, verdict)
            run.predicted(made, Prediction(3.0, 4.0, 6.0, "ms", 9.5, 0.9, "calibrated"))
            run.tried(made, trial)
            inverse = change.inverse(None)  # type: ignore[arg-type]  # an index's needs no snapshot
            body: dict[str, object] = {"intent_id": f"i{number}", "strategy_id": made.id, "database": database}
            body |= {"change": change_to_dict(change), "inverse": change_to_dict(inverse)}
            body |= {"change_digest": change_digest(change), "spec_digest": verdict.spec_digest, "session": {}}
            ledger.append(Kind.APPLY_INTENDED, body, run_id="r-bench")
            ledger.append(Kind.APPLY_DONE, {"intent_id": f"i{number}", "seconds": 0.5}, run_id="r-bench")
            run.settled(Life(made, outcome=Outcome.KEPT))
        run.finished({"outcomes": {"kept": CHANGES}, "before_ms": 10.0, "after_ms": 4.0})


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--days", type=int, default=DAYS)
    parser.add_argument("--queries", type=int, default=QUERIES)
    given = parser.parse_args()
    measure(given.days, given.queries)
