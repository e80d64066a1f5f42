"""How fast and how often a source may be changed: limits over any 24 hours, and of making the same thing again.

Counts what the ledger says was applied, or was intended and never answered, by whatever run. What was taken back since
counts all the same: it did change the source. So does what bears a time that is still to come: nobody knows when it was
made. It never looks at the server.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, assert_never

from trimtab.errors import HeldError, RefusedError
from trimtab.ledger.entry import Entry, Kind
from trimtab.ledger.moment import seconds_ahead, span_told
from trimtab.ledger.pending import Intent, applied_from, intents
from trimtab.ledger.required import Required
from trimtab.model.change import (
    ERASED,
    Change,
    CreateIndex,
    CreateStatistics,
    DropIndex,
    DropStatistics,
    LeaveIndex,
    RebuildIndex,
    RestoreStatistics,
    SetDistinct,
    SetSetting,
    SetStatisticsTarget,
    touched_table,
)
from trimtab.spec.limits import Rates

if TYPE_CHECKING:
    from trimtab.ledger.ledger import Ledger

_DAY_NS = 24 * 3600 * 10**9
_KINDS = (Kind.APPLY_INTENDED, Kind.APPLY_DONE, Kind.APPLY_FAILED)


def paced(
    changes: Sequence[Change],
    ledger: Ledger,
    database: Mapping[str, object],
    limits: Rates,
    now_ns: int,
) -> Required:
    """Refuse the changes as `refuse_pace` does, by the ledger as it is; return what their intent has to require.

    Two runs on two databases of a server may both have room left, for one change: whoever writes the second intent is
    refused, since it is counted again with all that was written meanwhile, where no third can come between.
    """
    last = ledger.last()
    known = [] if last is None else _of_changes(ledger, until=last.seq)
    refuse_pace(changes, known, database, limits, now_ns)

    def judge(newer: Iterator[Entry]) -> None:
        more = [entry for entry in newer if entry.kind in _KINDS]
        if more:
            refuse_pace(changes, [*known, *more], database, limits, now_ns)

    return Required(judge, after=0 if last is None else last.seq)


def _of_changes(ledger: Ledger, *, until: int) -> list[Entry]:
    found = (entry for kind in _KINDS for entry in ledger.entries(kind) if entry.seq <= until)
    return sorted(found, key=lambda entry: entry.seq)


def refuse_pace(
    changes: Sequence[Change],
    entries: Iterable[Entry],
    database: Mapping[str, object],
    limits: Rates,
    now_ns: int,
) -> None:
    """Refuse the changes, which are still to be made, when they would be too many: `apply.rate`, `apply.oscillation`.

    `database` is how intents name the database; `now_ns` is UTC nanoseconds, by the clock: an entry that is ahead of it
    moves no limit on, and counts until a day after its own time.
    """
    made = [intent for intent in intents(entries) if not intent.is_revert and not _is_failed(intent)]
    today = [intent for intent in made if intent.intended.at_ns > now_ns - _DAY_NS]
    _refuse_rates(changes, today, database, limits, now_ns)
    since_ns = now_ns - limits.repeat_days * _DAY_NS
    here = [intent for intent in made if intent.intended.at_ns > since_ns and intent.is_on(database)]
    _refuse_repeats(changes, [applied_from(intent).change for intent in here], limits)


def _refuse_rates(
    changes: Sequence[Change], today: Sequence[Intent], database: Mapping[str, object], limits: Rates, now_ns: int
) -> None:
    server = database.get("system_identifier")
    on_server = [intent for intent in today if intent.intended.mapping("database").get("system_identifier") == server]
    here = [applied_from(intent).change for intent in today if intent.is_on(database)]
    tables = [touched_table(change) for change in (*here, *changes)]
    counted = [
        ("max_changes_per_day", "", len(here) + len(changes), limits.max_changes_per_day),
        ("max_changes_per_day_per_server", "", len(on_server) + len(changes), limits.max_changes_per_day_per_server),
        ("max_tables_per_day", "", len({table for table in tables if table is not None}), limits.max_tables_per_day),
    ]
    of_one = limits.max_changes_per_day_per_table
    for table in dict.fromkeys(touched for change in changes if (touched := touched_table(change)) is not None):
        counted.append(("max_changes_per_day_per_table", f" on {'.'.join(table)}", tables.count(table), of_one))
    for name, where, count, limit in counted:
        if count > limit:
            raise HeldError(
                f"nothing was changed: it would be {count}{where} within 24 hours, and rates.{name} allows {limit}"
                + _ahead_told(today, now_ns),
                code="apply.rate",
                next_step="Wait, or have the specification's owner raise the limit; `trimtab history` tells the runs.",
            )


def _ahead_told(today: Sequence[Intent], now_ns: int) -> str:
    """Say that some of what was counted bears a time that is still to come, "" when none does."""
    ahead = [seconds for each in today if (seconds := seconds_ahead(each.intended.at_ns, now_ns))]
    if not ahead:
        return ""
    span = span_told(max(ahead))
    clock = "the earlier clock, this machine's or the server's"
    return f"; {len(ahead)} of them bear times up to {span} ahead of {clock}, and count until a day after"


def _refuse_repeats(changes: Sequence[Change], made: Sequence[Change], limits: Rates) -> None:
    before = [object_of(change) for change in made]
    for change in changes:
        times = sum(_may_be_same(object_of(change), other) for other in before)
        if times >= limits.max_repeats:
            raise RefusedError(
                f"{change.kind} was refused: the same object was made, dropped or set {times} times within "
                f"{limits.repeat_days} days, and rates.max_repeats allows {limits.max_repeats}",
                code="apply.oscillation",
                next_step="Somebody undoes what Trimtab does: find out who, and exclude the table "
                "(objects.denied_tables) or let the change be.",
            )


def _may_be_same(one: tuple[str, ...], other: tuple[str, ...]) -> bool:
    """True for one object; an index whose definition was erased may be any of its table."""
    return one == other or (other[-1] == ERASED and one[:-1] == other[:-1])


def object_of(change: Change) -> tuple[str, ...]:
    """Return what a change makes, drops or sets: equal for the same index under another name, made or dropped."""
    match change:
        case CreateIndex() | DropIndex():
            return ("index", change.schema, change.table, change.tail)
        case CreateStatistics() | DropStatistics():
            return ("statistics", change.schema, change.table, *sorted(change.columns), *sorted(change.kinds))
        case SetSetting():
            return ("setting", change.scope, change.scope_name, change.name.lower())
        case SetStatisticsTarget():
            return ("target", change.schema, change.table, change.column)
        case SetDistinct():
            return ("distinct", change.schema, change.table, change.column, str(change.is_inherited))
        case RestoreStatistics():
            return ("restored", change.schema, change.table, *sorted(change.columns))
        case RebuildIndex() | LeaveIndex():
            return ("rebuild", change.schema, change.table, change.name)
        case _:
            assert_never(change)


def _is_failed(intent: Intent) -> bool:
    return intent.result is not None and intent.result.kind is Kind.APPLY_FAILED
