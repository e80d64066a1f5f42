"""`trimtab watch`: runs the watcher and tells what happens, a line each; with --status tells what one has seen."""

from __future__ import annotations

import json
import re
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from trimtab.cli.commands import ledger_of, load, print_json, source_of, stdout_console
from trimtab.cli.text import printable, say, share, tell
from trimtab.errors import LedgerError, RegressionError, TrimtabError, UsageError

if TYPE_CHECKING:
    from trimtab.lifecycle.watch_round import Told
    from trimtab.model.watched import Watched

_DURATION = re.compile(r"(?P<number>\d{1,6}(?:\.\d{1,3})?)\s*(?P<unit>ms|s|m|min|h|d)?")
_SECONDS = {None: 1.0, "ms": 0.001, "s": 1.0, "m": 60.0, "min": 60.0, "h": 3600.0, "d": 86400.0}
LEAST_INTERVAL_SECONDS, LONGEST_INTERVAL_SECONDS = 0.1, 600.0
SCHEMA = "trimtab.watch/v1"


@dataclass(frozen=True, slots=True)
class Asked:
    """The options of `trimtab watch`, as given."""

    dsn: str | None = None
    database: str | None = None
    interval: str = "10s"
    learn: int = 360
    seconds: float | None = None
    once: bool = False
    anew: bool = False
    act: bool = False
    spec: str | None = None
    config: Path | None = None


def watch(asked: Asked, *, as_json: bool, is_quiet: bool) -> int:
    """Watch until the end and return the exit code: 9 when an alarm is open then."""
    from trimtab.db.dsn import conninfo_for
    from trimtab.lifecycle.watch import LEARN_ROUNDS, LEAST_LEARN_ROUNDS, WatchRequest
    from trimtab.lifecycle.watch import watch as run

    interval = parse_duration(asked.interval)
    if not LEAST_INTERVAL_SECONDS <= interval <= LONGEST_INTERVAL_SECONDS:
        raise _bad_interval(asked.interval)
    if not LEAST_LEARN_ROUNDS <= asked.learn <= LEARN_ROUNDS:
        raise UsageError(
            f"--learn {asked.learn} was refused: it is a number of rounds from {LEAST_LEARN_ROUNDS} to {LEARN_ROUNDS}",
            code="watch.learn",
            next_step=f"Leave it out: {LEARN_ROUNDS} rounds are an hour at 10 s.",
        )
    loaded = load(asked.config)
    request = WatchRequest(
        conninfo=conninfo_for(source_of(asked.dsn, asked.database, loaded), None),
        ledger_path=ledger_of(loaded),
        interval_seconds=interval,
        learn_rounds=asked.learn,
        seconds=asked.seconds,
        once=asked.once,
        anew=asked.anew,
        acts=asked.act,
        spec=asked.spec or loaded.defaults.spec,
    )
    teller = _Teller(as_json=as_json, is_quiet=is_quiet)
    open_alarms = run(request, teller)
    if not open_alarms:
        return 0
    alarmed = RegressionError(
        f"{open_alarms} alarms are open",
        code="watch.alarm",
        next_step="`trimtab watch --status` shows them with their evidence.",
    )
    tell(alarmed)
    return alarmed.exit_code


def status(asked: Asked, *, as_json: bool) -> int:
    """Print what watchers have seen and return the exit code: 9 when an alarm is open, or nobody watches."""
    from trimtab.report.watching import status_document, stores, with_replaced

    loaded = load(asked.config)
    wanted = _database_of(asked, loaded)
    now_ns = time.time_ns()
    documents, unreadable = [], []
    for path in stores(ledger_of(loaded)):
        try:
            documents.append(status_document(path, now_ns=now_ns))
        except LedgerError as error:  # the other databases are told all the same
            unreadable.append(error)
    documents = [document for document in with_replaced(documents) if wanted in (None, document["database"])]
    if not documents and unreadable:
        raise unreadable[0]
    if not documents:
        raise UsageError(
            "nothing is watched" if wanted is None else f"{printable(wanted)} is not watched",
            code="watch.none",
            next_step="Start `trimtab watch DSN`; docs/watch.md has a systemd unit.",
        )
    if as_json:
        print_json({"schema": SCHEMA, "watches": documents})
    else:
        for document in documents:
            _show(document)
    for fault in unreadable:
        tell(fault)
    return unreadable[0].exit_code if unreadable else _verdict(documents)


def parse_duration(text: str) -> float:
    """Return the seconds that "10s", "500ms" or "2m" mean. Raises UsageError `watch.interval`."""
    found = _DURATION.fullmatch(text.strip())
    if found is None:
        raise _bad_interval(text)
    return float(found["number"]) * _SECONDS[found["unit"]]


@dataclass(slots=True)
class _Teller:
    """Prints a line when something happens, and on a terminal one a minute otherwise; as JSON, a document a round."""

    as_json: bool
    is_quiet: bool
    _last_state: str = ""
    _last_line_ns: int = field(default=0)

    def told(self, at_ns: int, told: Told) -> None:
        if self.as_json:
            self._line(_round_document(at_ns, told))
            return
        for kind, detail in told.events:
            self._say(at_ns, _event_line(kind, detail))
        is_due = at_ns - self._last_line_ns >= 60 * 10**9
        if not self.is_quiet and (told.state != self._last_state or is_due):
            self._say(at_ns, f"{told.state}: {_levels(told.dimensions)}")
            self._last_line_ns = at_ns
        self._last_state = told.state

    def trouble(self, at_ns: int, error: TrimtabError, wait_seconds: float) -> None:
        if self.as_json:
            document = {"schema": "trimtab.watch.round/v1", "at": _at(at_ns), "state": "unreachable"}
            self._line({**document, "code": error.code, "wait_seconds": wait_seconds})
        say(f"{_at(at_ns)} {error} [{error.code}]" + (f"; next try in {wait_seconds:g} s" if wait_seconds else ""))
        self._last_state = "unreachable"

    def _say(self, at_ns: int, text: str) -> None:
        print(printable(f"{_at(at_ns)} {text}"), flush=True)

    @staticmethod
    def _line(document: Mapping[str, object]) -> None:
        sys.stdout.write(json.dumps(document) + "\n")
        sys.stdout.flush()


def _round_document(at_ns: int, told: Told) -> dict[str, object]:
    from dataclasses import asdict

    return {
        "schema": "trimtab.watch.round/v1",
        "at": _at(at_ns),
        "state": told.state,
        "open_alarms": told.open_alarms,
        "alarms": [
            {"id": alarm.id, "subject": alarm.subject, "evidence": dict(alarm.evidence)} for alarm in told.alarms
        ],
        "events": [{"kind": kind, "detail": dict(detail)} for kind, detail in told.events],
        "dimensions": [asdict(dimension) for dimension in told.dimensions],
    }


def _event_line(kind: str, detail: Mapping[str, object]) -> str:
    words = ", ".join(f"{name}={value}" for name, value in detail.items() if name != "code")
    return f"{kind.replace('_', ' ')}: {words}" if words else kind


def _levels(dimensions: Sequence[Watched]) -> str:
    parts = [f"{d.name} {'?' if d.level is None else f'{d.level:.3g}'}" for d in dimensions]
    notes = {d.note for d in dimensions if d.level is None and d.note}
    return ", ".join(parts) if not notes or any(d.level is not None for d in dimensions) else "; ".join(sorted(notes))


def _verdict(told: Sequence[Mapping[str, Any]]) -> int:
    from trimtab.report.watching import REPLACED

    documents = [document for document in told if document["state"] != REPLACED]
    alarmed = [d for d in documents if d["open_alarms"]]
    unseen = [d for d in documents if not d["running"] or d["is_stale"]]
    blind = [d for d in documents if d["state"] == "blind"]
    if alarmed:
        what, code, next_step = "have open alarms", "watch.alarm", "Look into the statements that are named."
    elif unseen:
        what, code, next_step = "are not watched now", "watch.not_running", "Start `trimtab watch` again."
    elif blind:
        next_step = "GRANT pg_read_all_stats TO the role that watches."
        what, code = "are watched by a role that sees none of their statements", "watch.went_blind"
    else:
        return 0
    found = RegressionError(f"{len(alarmed or unseen or blind)} databases {what}", code=code, next_step=next_step)
    tell(found)
    return found.exit_code


def _show(document: Mapping[str, Any]) -> None:
    from trimtab.report.watching import REPLACED

    console = stdout_console()

    def line(text: str) -> None:
        console.print(printable(text), markup=False, highlight=False, soft_wrap=True)

    by = f"process {document['pid']}" if document["running"] else "nobody watches now"
    if document["state"] == REPLACED:
        by = "another server, or another database, is watched there now"
    line(f"{document['where'] or document['database']}: {document['state']} ({by})")
    unknown = "never" if document["last_round"] is None else f"at {document['last_round']}, which is later than now"
    age = unknown if document["age_seconds"] is None else f"{document['age_seconds']} s ago"
    stale = ", STALE" if document["is_stale"] else ""
    line(
        f"  rounds {document['rounds']}, the last {age}{stale}, every {document['interval_seconds']:g} s,"
        f" {document['skipped_ticks']} skipped"
    )
    if document["level_since"] is None:
        line(f"  learning: {document['learnt_rounds']} of {document['learn_rounds']} rounds; nothing is judged yet")
    else:
        line(f"  level: {document['level_of']}, since {document['level_since']}")
        judged = share(float(document["judged_share"]))
        line(f"  judged: {document['judged']} of {document['statements']} statements, {judged} of the time")
    if document["stability"] is not None:
        line(f"  stability: {document['stability']['sentence']}")
    for each in document["not_judged"]:
        of_time = f", {share(float(each['share']))} of the time" if each["share"] else ""
        line(f"  not judged: {each['statements']} statements{of_time} ({each['reason']})")
    plans = document["plans"]
    line(f"  plans: {plans['checked']} checked as planned for any values, {plans['changed']} changed")
    for reason, count in plans["not_checked"].items():
        line(f"  plans not checked: {count} ({reason})")
    for dimension in document["dimensions"]:
        line(f"  {dimension_line(dimension)}")
    for alarm in document["open_alarms"]:
        evidence = alarm["evidence"]
        line(f"  ALARM {alarm['id']} {alarm['at']} {alarm['subject']}: {evidence.get('factor')} times as long")
        for text in (*_cause_lines(evidence.get("cause")), *_attribution_lines(evidence.get("attribution"))):
            line(f"    {text}")
    if document["acts_on_alarms"] or document["acts"]:
        line(f"  acts on alarms: {'yes' if document['acts_on_alarms'] else 'no'}")
    for act in document["acts"][-5:]:
        what = f", strategy {act['strategy_id']}" if act["strategy_id"] else ""
        line(f"  {act['note'].upper()} {act['at']} {act['query_id']}{what}: {act['reason']}")
    for event in document["events"][:5]:
        line(f"  {event['at']} {_event_line(event['kind'], event['detail'])}")


def _cause_lines(cause: Mapping[str, Any] | None) -> list[str]:
    if not cause:
        return []
    return [f"{cause['kind'] or 'no cause found'}: {cause['reason']}", *(f"  {proof}" for proof in cause["proof"])]


def _attribution_lines(told: Mapping[str, Any] | None) -> list[str]:
    """Say what was found out of a plan that changed, in words; the whole proof is in the JSON document."""
    if told is None:
        return []
    found = told["found"]
    if found is None:
        what = "is being looked into" if told["state"] == "waiting" else f"is not known: {told['reason']}"
        return [f"why its plan is another one {what}"]
    kind = "not proven" if found["kind"] is None else f"proven: {found['kind']}"
    return [f"{kind}: {found['reason']}", f"  by {len(found['proof'])} plans of PostgreSQL {found['engine_version']}"]


def dimension_line(dimension: Mapping[str, Any]) -> str:
    """Return a dimension's line of the status."""
    verdict = {True: "inside", False: "OUTSIDE", None: "not judged"}[dimension["is_inside"]]
    if dimension["level"] is None:
        return f"{dimension['name']}: {verdict} ({dimension['note']})"
    band = f"{dimension['low']:.4g} to {dimension['high']:.4g}"
    is_within = dimension["low"] <= dimension["level"] <= dimension["high"]
    # The level is one look's, and no look decides alone.
    lasting = {(True, False): "this look is outside: told when it lasts", (False, True): "back: over when it lasts"}
    notes = [dimension["note"], lasting.get((dimension["is_inside"], is_within), "")]
    note = "; ".join(note for note in notes if note)
    told = f"{dimension['name']}: {verdict}, {dimension['level']:.4g} {dimension['unit']}, band {band}"
    return f"{told} ({note})" if note else told


def _database_of(asked: Asked, loaded: Any) -> str | None:
    from psycopg.conninfo import conninfo_to_dict

    from trimtab.db.dsn import conninfo_for

    source = source_of(asked.dsn, asked.database, loaded)
    if source is None:
        return None
    name = conninfo_to_dict(conninfo_for(source, None)).get("dbname")
    return None if name is None else str(name)


def _bad_interval(text: str) -> UsageError:
    return UsageError(
        f"the interval {printable(text)!r} was refused: it is a time from 100ms to 600s",
        code="watch.interval",
        next_step="Write a number and a unit, as in 10s, 500ms or 1m.",
    )


def _at(at_ns: int) -> str:
    return datetime.fromtimestamp(at_ns / 1e9, UTC).isoformat(timespec="seconds")
