"""`status`, `history` and `show`: what the ledger tells, printed. They read the ledger alone and change nothing."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from rich.markup import escape
from rich.table import Table

from trimtab.apply.switch import KillSwitch
from trimtab.cli.commands import ledger_of, load, print_json, stdout_console
from trimtab.cli.freezing import frozen_documents, show_frozen
from trimtab.cli.standing import standing
from trimtab.cli.text import duration, percent, printable, tell
from trimtab.errors import LedgerError, SpecError, UsageError
from trimtab.ledger.backend_acts import open_backend_intents
from trimtab.ledger.history import RunSummary, StrategyLife, runs, strategies, strategy_lives
from trimtab.ledger.ledger import Ledger
from trimtab.ledger.pending import applied_changes, pending
from trimtab.report.document import run_document

if TYPE_CHECKING:
    from trimtab.ledger.entry import Entry

OTHERS = 5


def status(*, config: Path | None, as_json: bool) -> int:
    """Print what stands applied, what is open and whether the chain verifies. Return the exit code: a broken chain has
    one, and the document is printed all the same.
    """
    frozen = KillSwitch(ledger_of(load(config), is_written=False).parent).frozen()
    try:
        with _ledger(config) as ledger:
            verification = ledger.verify()
            entries = tuple(ledger.entries()) if verification.verified else ()
            standing, open_now = applied_changes(entries), pending(entries)
            open_acts = open_backend_intents(entries)
            head, name = ledger.head if verification.verified else "", ledger.name
    except LedgerError:
        # What is frozen stands in files beside it, and holds whatever became of the ledger.
        show_frozen(frozen, is_on_stderr=as_json)
        raise
    windows = _windows(config)
    document: dict[str, object] = {
        "schema": "trimtab.status/v1",
        "applied": [
            {"strategy_id": a.strategy_id, "database": a.database, "kind": a.change.kind, "sql": a.change.sql()}
            for a in standing
        ],
        "open": {
            "intents": len(open_now.intents),
            "unsettled": len(open_now.unsettled),
            "runs": list(open_now.runs),
            "backends": len(open_acts),
        },
        "frozen": frozen_documents(frozen),
        "windows": windows,
        "ledger": {
            "path": name,
            "entries": verification.entries,
            "verified": verification.verified,
            "first_bad": verification.first_bad,
            "head": head,
            "signed_entries": verification.signed_entries,
            "first_ahead": verification.first_ahead,
            "ahead_seconds": round(verification.ahead_seconds, 3),
            "lost": verification.lost,
        },
    }
    if as_json:
        print_json(document)
    else:
        console = stdout_console()
        show_frozen(frozen)
        for applied in standing:
            text = f"applied  {applied.strategy_id}  {printable(applied.database)}  {printable(applied.change.sql())}"
            console.print(text, markup=False, highlight=False, soft_wrap=True)
        if not standing:
            console.print("nothing stands applied")
        if not open_now.is_empty:
            text = f"open: {len(open_now.intents)} interrupted changes, {len(open_now.unsettled)} unsettled, "
            text += f"{len(open_now.runs)} runs without an end. next: trimtab resume"
            console.print(text, markup=False, soft_wrap=True)
        if open_acts:
            text = f"open: {len(open_acts)} cancellations or terminations without an answer. next: trimtab resume"
            console.print(text, markup=False, soft_wrap=True)
        console.print(printable(_windows_told(windows)), markup=False, highlight=False, soft_wrap=True)
        state = "verified" if verification.verified else f"NOT VERIFIED: {verification.reason}"
        signed = f"{verification.signed_entries} signed" if verification.signed_entries else "not signed"
        text = f"ledger: {verification.entries} entries, {state}, {signed}"
        console.print(text, highlight=False, markup=False, soft_wrap=True)
        if verification.lost_told:
            text = f"LOST: {verification.lost_told}: a dropped index among them cannot be put back"
            console.print(text, highlight=False, markup=False, soft_wrap=True)
        if verification.ahead_told:
            text = f"CLOCK: {verification.ahead_told}: daily rates count them, and approvals, waivers and bundles end"
            console.print(f"{text} by the last one's time", highlight=False, markup=False, soft_wrap=True)
    if verification.verified:
        return 0
    broken = LedgerError(
        f"the ledger does not verify: entry {verification.first_bad} is not as it was written ({verification.reason})",
        code="ledger.corrupt",
        next_step="Keep the file for an examination, restore it from a backup, and trust no entry after that one.",
    )
    tell(broken)
    return broken.exit_code


def _windows(config: Path | None) -> dict[str, object]:
    """Return when the configured specification lets changes be made: the next three times, or why it cannot be told."""
    from trimtab.lifecycle.governing import named
    from trimtab.spec.windows import ALWAYS, open_intervals

    loaded = load(config)
    reference = loaded.defaults.spec
    try:
        specification = named(reference, ledger_of(loaded, is_written=False))
    except SpecError as error:
        return {"spec_id": reference, "is_always": False, "next": [], "error": error.code}
    windows = specification.windows.open_windows
    found = open_intervals(windows, datetime.now(UTC))[:3]
    spans = [{"begin": begin.isoformat(), "end": end.isoformat()} for begin, end in found]
    is_always = windows == ALWAYS
    return {"spec_id": specification.id, "is_always": is_always, "next": [] if is_always else spans, "error": None}


def _windows_told(windows: dict[str, object]) -> str:
    if windows["error"] is not None:
        return f"change windows: the specification {windows['spec_id']} cannot be read ({windows['error']})"
    if windows["is_always"]:
        return f"change windows: always ({windows['spec_id']})"
    spans = windows["next"]
    assert isinstance(spans, list)
    told = [f"{span['begin'][:16]} to {span['end'][:16]}" for span in spans]
    return f"change windows, UTC: {', '.join(told).replace('T', ' ') or 'NONE within 62 days'} ({windows['spec_id']})"


def history(*, limit: int, config: Path | None, as_json: bool) -> None:
    """Print the newest runs."""
    with _ledger(config) as ledger:
        found = runs(ledger.entries())[::-1][:limit]
    if as_json:
        documents = [{**run_document(run, _when), "measured_in": "lab"} for run in found]
        print_json({"schema": "trimtab.history/v1", "runs": documents})
        return
    table = Table(pad_edge=False)
    for name in (
        "run",
        "started (UTC)",
        "database",
        "state",
        "strategies",
        "lab before",
        "lab after",
        "lab change",
        "on source",
    ):
        table.add_column(name, overflow="fold", no_wrap=name == "run")
    for run in found:
        table.add_row(*_run_row(run))
    stdout_console().print(table if found else "no run yet. next: trimtab optimize DSN, or trimtab demo")


def show(subject: str, *, run: str | None, config: Path | None, as_json: bool) -> None:
    """Print the life of a run, or of a strategy in one run: the one named, else the newest that had it."""
    with _ledger(config) as ledger:
        known = tuple(ledger.entries())
    lives = strategy_lives(known, subject)
    life = next((each for each in reversed(lives) if run in (None, each.run_id)), None)
    entries = life.entries if life is not None else ()
    if not lives and run is None:
        entries = tuple(entry for entry in known if entry.run_id == subject)
    if not entries:
        raise UsageError(
            f"{subject or 'an empty name'} is not in the ledger"
            + (f" as a strategy of run {run}" if run is not None else ""),
            code="show.unknown",
            next_step="`trimtab history` lists the runs (r-...); `trimtab show` of a run lists its strategies (s-...).",
        )
    others = [each for each in reversed(lives) if each is not life]
    if as_json:
        print_json(
            {
                "schema": "trimtab.show/v1",
                "id": subject,
                "outcome": _outcome(life) if life is not None else None,
                "run_id": life.run_id if life is not None else subject,
                "database": life.database if life is not None else _database(known, subject),
                "others": [
                    {"run_id": each.run_id, "database": each.database, "outcome": _outcome(each)} for each in others
                ],
                "entries": [_entry_document(entry) for entry in entries],
            }
        )
        return
    console = stdout_console()
    if life is not None:
        console.print(_life_heading(life), markup=False, highlight=False)
        console.print(f"in {_run_of(life)}", markup=False, highlight=False, soft_wrap=True)
        if others:
            text = f"also in {', '.join(_run_of(each) for each in others[:OTHERS])}"
            text += f" and {len(others) - OTHERS} more" if len(others) > OTHERS else ""
            text += f". next: trimtab show {subject} --run {others[0].run_id}"
            console.print(text, markup=False, highlight=False, soft_wrap=True)
    else:
        for other in strategies(entries):
            console.print(f"  {_life_heading(other)}", markup=False, highlight=False)
    for entry in entries:
        text = f"{entry.seq:>6}  {_when(entry.at_ns)}  {entry.kind.value:<20} {_summary(entry)}"
        console.print(printable(text), markup=False, highlight=False, soft_wrap=True)
        for rule in _refused_by(entry):
            console.print(printable(f"        refused by {rule}"), markup=False, highlight=False, soft_wrap=True)


def _refused_by(entry: Entry) -> list[str]:
    """Return each rule that a strategy broke, with what was found and what is allowed."""
    violations = entry.body.get("violations")
    if not isinstance(violations, list):
        return []
    return [f"{v.get('rule_id')}: {v.get('message')}" for v in violations if isinstance(v, dict)]


def _ledger(config: Path | None) -> Ledger:
    return Ledger.open(ledger_of(load(config), is_written=False))


def _life_heading(life: StrategyLife) -> str:
    return f"{life.strategy_id}  {_outcome(life) or 'open'}  {printable(life.title)}"


def _outcome(life: StrategyLife) -> str | None:
    return life.outcome.value if life.outcome is not None else None


def _run_of(life: StrategyLife) -> str:
    return f"{life.run_id} on {printable(life.database)}" if life.database else str(life.run_id)


def _database(known: tuple[Entry, ...], run_id: str) -> str:
    return next((run.database for run in runs(known) if run.run_id == run_id), "")


def _summary(entry: Entry) -> str:
    """The parts of an entry's body that fit a line: its plain values, longer things left to --json."""
    plain = {k: v for k, v in entry.body.items() if isinstance(v, str | int | float | bool) and k != "intent_id"}
    return "  ".join(f"{key}={str(value)[:80]}" for key, value in plain.items() if value != "")


def _entry_document(entry: Entry) -> dict[str, object]:
    return {
        "seq": entry.seq,
        "at": _when(entry.at_ns),
        "kind": entry.kind.value,
        "run_id": entry.run_id,
        "body": dict(entry.body),
        "hash": entry.hash,
    }


def _run_row(run: RunSummary) -> tuple[str, ...]:
    counts = ", ".join(f"{count} {name.replace('_', ' ')}" for name, count in run.outcomes.items())
    state = run.state.value + (f" ({run.error_code})" if run.error_code else "")
    return (
        run.run_id,
        _when(run.started_ns)[:19],
        escape(printable(run.database)),
        escape(state),
        counts,
        duration(run.before_ms) if run.before_ms is not None else "",
        duration(run.after_ms) if run.after_ms is not None else "",
        percent(run.improvement) if run.improvement is not None else "",
        standing(run.on_source, run.outcomes) if run.before_ms is not None else "",
    )


def _when(at_ns: int) -> str:
    return datetime.fromtimestamp(at_ns / 1e9, UTC).isoformat(timespec="milliseconds")
