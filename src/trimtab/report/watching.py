"""What a watcher has written, as documents and lines: for `trimtab watch --status`, from another process at any time.

It reads the watch's files alone. What nobody watches now is told as such.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path

from trimtab.anchor.stability import LOOKS, stability
from trimtab.ledger.moment import seconds_ahead
from trimtab.lifecycle.watch_file import runs_now
from trimtab.lifecycle.watch_identity import DIRECTORY
from trimtab.lifecycle.watch_store import KeptAlarm, WatchStore

STATUS_SCHEMA = "trimtab.watch/v1"
_EVENTS = 10
_ALARMS = 50
REPLACED = "replaced"
"""The state of what is not watched any more because another server, or another database, answers under its name."""
STALE_ROUNDS = 6
"""A watcher whose last round is so many intervals ago sees nothing."""


def stores(ledger_path: Path) -> list[Path]:
    """Return the files of all watched databases."""
    return sorted((ledger_path.parent / DIRECTORY).glob("*.db"))


def status_document(path: Path, *, now_ns: int) -> dict[str, object]:
    """Return what a database's watcher knows. Raises LedgerError `watch.store_*`."""
    pid = runs_now(path)
    store = WatchStore.reader(path)
    try:
        status, identity = _mapping(store.fact("status")), _mapping(store.fact("identity"))
        open_alarms, baseline = store.alarms(is_open=True, limit=_ALARMS), _mapping(store.fact("baseline"))
        acts, acts_on_alarms = _mapping(store.fact("guard")).get("acts", []), store.fact("acts_on_alarms") is True
        counted = _mapping(store.fact("stability"))
        events, size = store.events(_EVENTS), store.size_bytes()
    finally:
        store.close()
    round_ns, interval = _number(status.get("round_ns")), _number(status.get("interval_seconds"))
    is_ahead = seconds_ahead(int(round_ns), now_ns) > 0  # a clock was set back, and nobody has looked since
    age = max(now_ns - round_ns, 0) / 1e9 if round_ns and not is_ahead else None
    is_stale = age is None or age > STALE_ROUNDS * max(interval, 1.0)
    return {
        "database": identity.get("database", ""),
        "where": identity.get("where", ""),
        "system_identifier": identity.get("system_identifier", ""),
        "running": pid is not None,
        "pid": pid or None,
        "state": status.get("state", "new") if pid is not None else "stopped",
        "is_stale": is_stale,
        "last_round": _at(round_ns),
        "age_seconds": None if age is None else round(age, 1),
        "rounds": status.get("rounds", 0),
        "skipped_ticks": status.get("skipped_ticks", 0),
        "interval_seconds": interval,
        "learnt_rounds": status.get("learnt_rounds", 0),
        "learn_rounds": status.get("learn_rounds", 0),
        "level_of": status.get("level_of", ""),
        "level_since": _at(_number(baseline.get("at_ns"))),
        "statements": status.get("statements", 0),
        "judged": status.get("judged", 0),
        "judged_share": status.get("judged_share", 0.0),
        "stability": _stability(counted),
        "common_mode": status.get("common_mode"),
        "active_sessions": status.get("active_sessions", 0),
        "evictions": status.get("evictions", 0),
        "is_standby": status.get("is_standby", False),
        "timeline": status.get("timeline"),
        "wal_bytes": status.get("wal_bytes"),
        "plans": {
            "checked": status.get("plans_checked", 0),
            "changed": status.get("plans_changed", 0),
            "not_checked": status.get("plans_not_checked", {}),
        },
        "dimensions": status.get("dimensions", []),
        "not_judged": status.get("not_judged", []),
        "open_alarms": [alarm_document(kept) for kept in open_alarms],
        "acts_on_alarms": acts_on_alarms,
        "acts": acts,
        "events": [{"at": _at(at_ns), "kind": kind, "detail": dict(detail)} for at_ns, kind, detail in events],
        "store": {"path": str(path), "size_bytes": size},
    }


def with_replaced(documents: Sequence[dict[str, object]]) -> list[dict[str, object]]:
    """Return them with that state for those in whose place another one was watched later, under the same address."""
    latest = {str(each["where"]): _last_round(each) for each in sorted(documents, key=_last_round)}
    return [
        each if each["running"] or _last_round(each) == latest[str(each["where"])] else {**each, "state": REPLACED}
        for each in documents
    ]


def _last_round(document: Mapping[str, object]) -> str:
    return str(document["last_round"] or "")


def _stability(counted: Mapping[str, object]) -> dict[str, object] | None:
    """Return how often statements were beyond their service levels since the level is in force, None before that."""
    found = stability(int(_number(counted.get("looks"))), int(_number(counted.get("breaches"))), unit=LOOKS)
    if found is None:
        return None
    return {"since": _at(_number(counted.get("since_ns"))), **asdict(found), "sentence": found.sentence}


def alarm_document(kept: KeptAlarm) -> dict[str, object]:
    """Return an alarm with its evidence."""
    return {
        "id": kept.alarm.id,
        "at": _at(kept.alarm.at_ns),
        "subject": kept.alarm.subject,
        "evidence": dict(kept.alarm.evidence),
        "ledger_seq": kept.ledger_seq,
        "ended": _at(kept.ended_ns or 0),
        "ended_because": kept.ended_because,
    }


def _at(at_ns: float) -> str | None:
    return datetime.fromtimestamp(at_ns / 1e9, UTC).isoformat(timespec="seconds") if at_ns else None


def _mapping(value: object) -> Mapping[str, object]:
    return value if isinstance(value, dict) else {}


def _number(value: object) -> float:
    return float(value) if isinstance(value, int | float) else 0.0
