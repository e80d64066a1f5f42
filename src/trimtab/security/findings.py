"""What of a server's security deserves a warning as it is, whatever it was before. It blocks nothing. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum

from trimtab.model.change import (
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
)
from trimtab.security.advisories import AS_OF, is_known, open_advisories, support_ended
from trimtab.security.difference import Effect
from trimtab.security.read import quoted
from trimtab.security.setting_rules import setting_effect
from trimtab.security.snapshot import SecuritySnapshot

_VALUES: dict[str, tuple[str, ...]] = {
    "auto_explain.log_min_duration": ("-1", ""),
    "auto_explain.log_parameter_max_length": ("0",),
    "debug_print_parse": ("off",),
    "debug_print_plan": ("off",),
    "debug_print_rewritten": ("off",),
    "log_parameter_max_length": ("0",),
    "log_parameter_max_length_on_error": ("0",),
    "pg_stat_monitor.pgsm_normalized_query": ("on", "1"),
    "pg_stat_statements.track_utility": ("off",),
}
"""Settings by which values of statements get about, and the values with which they do not."""


class Severity(StrEnum):
    """How much a finding matters."""

    HIGH = "high"
    MEDIUM = "medium"
    LOW = "low"


@dataclass(frozen=True, slots=True)
class Finding:
    """A warning: a stable code, how much it matters, what it is about, and what was found."""

    code: str
    severity: Severity
    subject: str
    found: str


def findings(snapshot: SecuritySnapshot) -> tuple[Finding, ...]:
    """Return what a server's security as it is gives to worry about, the worst first."""
    found = [
        *_version(snapshot),
        *_passwords(snapshot),
        *_logged_values(snapshot),
        *_hba(snapshot),
        *_objects(snapshot),
        *_unreadable(snapshot),
    ]
    rank = {severity: number for number, severity in enumerate(Severity)}
    return tuple(sorted(found, key=lambda each: (rank[each.severity], each.code, each.subject)))


def change_warnings(change: Change, snapshot: SecuritySnapshot) -> tuple[Finding, ...]:
    """Return what a change gives to think about that it may make all the same."""
    match change:
        case CreateIndex():
            columns = (*change.key_columns, *change.include_columns)
            return tuple(_personal(change.schema, change.table, columns, snapshot, "an index"))
        case CreateStatistics():
            return tuple(_personal(change.schema, change.table, change.columns, snapshot, "extended statistics"))
        case SetStatisticsTarget() | SetDistinct():
            return tuple(_personal(change.schema, change.table, (change.column,), snapshot, "more statistics"))
        case RestoreStatistics():
            return tuple(_personal(change.schema, change.table, change.columns, snapshot, "stored statistics"))
        case SetSetting():
            return tuple(_resources(change, snapshot))
        case DropIndex() | DropStatistics() | RebuildIndex() | LeaveIndex():
            return ()


def _personal(
    schema: str, table: str, columns: tuple[str, ...], snapshot: SecuritySnapshot, what: str
) -> Iterator[Finding]:
    for column in columns:
        key = quoted((schema, table, column))
        if snapshot.row("personal_columns", key) is not None:
            told = f"{what} copies values of a column that is called personal: pg_stats and page inspection show them"
            yield Finding("warning.personal_column", Severity.MEDIUM, key, told)


def _resources(change: SetSetting, snapshot: SecuritySnapshot) -> Iterator[Finding]:
    name, old, new = change.name.lower(), _number(snapshot.setting(change.name)), _number(change.value)
    if name in ("work_mem", "hash_mem_multiplier", "maintenance_work_mem"):
        connections = _number(snapshot.setting("max_connections"))
        if change.value is not None and connections is not None:
            told = (
                f"each of up to {connections:.0f} connections may take it several times over: memory is a way to attack"
            )
            yield Finding("warning.memory", Severity.MEDIUM, name, told)
    if name.startswith("max_parallel") and new is not None and (old is None or new > old):
        told = "one statement may take more workers: fewer are left for others"
        yield Finding("warning.parallel_workers", Severity.LOW, name, told)
    if setting_effect(name, snapshot.setting(name), change.value)[1] is Effect.UNKNOWN:
        yield Finding("warning.setting", Severity.MEDIUM, name, "what it does to security is not known")


def _version(snapshot: SecuritySnapshot) -> Iterator[Finding]:
    row = snapshot.row("server", quoted(("server",)))
    view = None if row is None else row.get("has_fixed_statistics_view")
    for advisory in open_advisories(
        snapshot.version, has_fixed_statistics_view=view if isinstance(view, bool) else None
    ):
        by_hand = "; a server that was there before needs its script too" if advisory.is_manual else ""
        yield Finding("warning.advisory", Severity.HIGH, advisory.id, advisory.what + by_hand)
    if not is_known(snapshot.version):
        told = f"the table of advisories of {AS_OF} does not know this version"
        yield Finding("warning.version", Severity.MEDIUM, str(snapshot.version), told)
    elif (day := support_ended(snapshot.version)) is not None:
        told = f"its support ended on {day}: what was found since is not fixed in it, and is not named here"
        yield Finding("warning.unsupported", Severity.HIGH, str(snapshot.version), told)


def _passwords(snapshot: SecuritySnapshot) -> Iterator[Finding]:
    for key, row in snapshot.rows("passwords").items():
        if row.get("hash") in ("md5", "other"):
            told = f"its password is hashed as {row.get('hash')}, which can be guessed at speed"
            yield Finding("warning.password_hash", Severity.HIGH, key, told)
    if (snapshot.setting("password_encryption") or "scram-sha-256") != "scram-sha-256":
        yield Finding(
            "warning.password_hash", Severity.HIGH, "password_encryption", "new passwords are hashed with MD5"
        )


def _logged_values(snapshot: SecuritySnapshot) -> Iterator[Finding]:
    """Values of statements that reach logs or views where fewer people look after them."""
    for name, harmless in _VALUES.items():
        value = snapshot.setting(name)
        if value is not None and value not in harmless and _is_at_work(name, snapshot):
            told = "values of statements, passwords among them, can reach the log or a view"
            yield Finding("warning.logged_values", Severity.LOW, name, told)


def _is_at_work(name: str, snapshot: SecuritySnapshot) -> bool:
    """Lengths say nothing while no statement is logged."""
    switches = {
        "auto_explain.log_parameter_max_length": ("auto_explain.log_min_duration",),
        "log_parameter_max_length": ("log_statement", "log_min_duration_statement"),
    }.get(name)
    return switches is None or any(snapshot.setting(switch) not in (None, "none", "-1") for switch in switches)


def _hba(snapshot: SecuritySnapshot) -> Iterator[Finding]:
    for key, row in snapshot.rows("hba").items():
        if row.get("method") in ("trust", "password", "ident") and row.get("type") != "local":
            told = "it lets somebody in over the network who proves nothing, or sends the password as it is"
            yield Finding("warning.hba_unproven", Severity.HIGH, key, told)
        elif row.get("method") == "md5":
            yield Finding("warning.hba_md5", Severity.LOW, key, "MD5 passwords are taken where roles have them")


def _objects(snapshot: SecuritySnapshot) -> Iterator[Finding]:
    for key, row in snapshot.rows("functions").items():
        if row.get("security_definer") and row.get("search_path") is None and not row.get("is_system"):
            told = "it runs with its owner's rights and its caller's search_path"
            yield Finding("warning.definer_path", Severity.HIGH, key, told)
    for key, row in snapshot.rows("relations").items():
        if row.get("reads_row_secured") and not row.get("security_invoker"):
            told = "it shows rows of a table with row security without asking its policies"
            yield Finding("warning.over_row_security", Severity.MEDIUM, key, told)


def _unreadable(snapshot: SecuritySnapshot) -> Iterator[Finding]:
    for section, why in snapshot.unreadable.items():
        yield Finding("warning.unreadable", Severity.LOW, section, f"not seen: {why}")


def _number(value: str | None) -> float | None:
    try:
        return float(value) if value is not None else None
    except ValueError:
        return None
