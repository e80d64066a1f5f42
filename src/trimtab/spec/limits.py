"""The typed limits of a specification: every field, its bounds, and how a child narrows it. No logic.

A field's path in the document (`indexes.max_size`) is the id of the rule that enforces it. All units are in the
attribute names; where the document writes a size with its unit, the field has an alias without it.
"""

from __future__ import annotations

from types import MappingProxyType
from typing import Annotated, Literal, TypeAlias

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, WithJsonSchema

from trimtab.spec import narrowing as narrow
from trimtab.spec.approvers import FORM as PIN_FORM
from trimtab.spec.approvers import pin_of
from trimtab.spec.patterns import check_pattern, simplify
from trimtab.spec.quantity import LARGEST, parse_size_bytes
from trimtab.spec.settings import SettingLimits, check_setting_names
from trimtab.spec.windows import ALWAYS, ALWAYS_WORD, Windows, canonical

ChangeKind: TypeAlias = Literal[
    "create_index",
    "drop_index",
    "create_statistics",
    "drop_statistics",
    "set_setting",
    "set_statistics_target",
    "set_distinct",
    "restore_statistics",
    "rebuild_index",
]
IndexMethod: TypeAlias = Literal["btree", "hash", "gin", "gist", "spgist", "brin"]
DropReason: TypeAlias = Literal["duplicate", "redundant", "unused"]
StatisticsKind: TypeAlias = Literal["ndistinct", "dependencies", "mcv"]
SettingScope: TypeAlias = Literal["database", "role", "role_in_database", "function"]
ApprovalsNeeded: TypeAlias = Literal["none", "one", "two"]
BackendAnswer: TypeAlias = Literal["allow", "ask", "refuse"]
UNPINNED = "unpinned"
"""How a document writes that it names no approvers: a child may."""
UNLIMITED = "unlimited"
"""How a document writes the size that is no limit: the largest that there is."""


def _from_list(value: object) -> object:
    return tuple(value) if isinstance(value, list) else value


def _in_order(value: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(sorted(set(value)))


def _patterns(value: tuple[str, ...]) -> tuple[str, ...]:
    for pattern in value:
        check_pattern(pattern)
    return simplify(value)


def _table_patterns(value: tuple[str, ...]) -> tuple[str, ...]:
    for pattern in value:
        if "." not in pattern and pattern != "*":
            raise ValueError("a table is written schema.table; all tables of a schema as schema.*")
    return _patterns(value)


def _size(value: object) -> object:
    if not isinstance(value, str):
        raise ValueError("must be a size with its unit, such as 512MB or 10GB")
    return LARGEST if value == UNLIMITED else parse_size_bytes(value)


def _approvers(value: object) -> object:
    """Each is a pin of `approvers.py`; one key is one person's."""
    if value == UNPINNED:
        return None
    wanted = 'must be "unpinned", or a list of NAME=DIGEST as `trimtab approver-key` prints them'
    if not isinstance(value, list) or not all(isinstance(one, str) for one in value):
        raise ValueError(wanted)
    try:
        pins = [pin_of(one) for one in value]
    except ValueError:
        raise ValueError(f'{wanted}, each with " until 2027-12-31T18:00:00Z" where its key ends') from None
    if len({pin.digest for pin in pins}) < len(pins):
        raise ValueError("one key is there twice: nobody may stand for two")
    return tuple(sorted(map(str, pins)))


def _windows(value: object) -> object:
    """One list of windows, or a list of lists of which each must be open; "always" is none."""
    if value == ALWAYS_WORD:
        return ALWAYS
    if not isinstance(value, list):
        raise ValueError('must be "always", or a list of windows such as "Mon-Fri 22:00-04:00 Europe/Berlin"')
    lists = value if value and all(isinstance(one, list) for one in value) else [value]
    if not all(isinstance(text, str) for one in lists for text in one):
        raise ValueError("a window is a text in quotes")
    return canonical(lists)


def _setting_limits(value: SettingLimits) -> SettingLimits:
    check_setting_names(value)
    return MappingProxyType(dict(sorted(value.items())))


_SIZE_SCHEMA = {"type": "string", "pattern": r"^(unlimited|[0-9]+(\.[0-9]+)? *(B|kB|MB|GB|TB))$"}
SizeBytes: TypeAlias = Annotated[int, BeforeValidator(_size), Field(ge=0), WithJsonSchema(_SIZE_SCHEMA)]
Percent: TypeAlias = Annotated[float, Field(ge=0, allow_inf_nan=False)]
Patterns: TypeAlias = Annotated[tuple[str, ...], BeforeValidator(_from_list), AfterValidator(_patterns)]
TablePatterns: TypeAlias = Annotated[tuple[str, ...], BeforeValidator(_from_list), AfterValidator(_table_patterns)]
Prefix: TypeAlias = Annotated[str, Field(pattern=r"^[a-z_][a-z0-9_]{0,29}$"), narrow.PREFIX]
_TEXTS = {"type": "array", "items": {"type": "string"}}
_WINDOWS_SCHEMA = {"anyOf": [{"const": ALWAYS_WORD}, _TEXTS, {"type": "array", "items": _TEXTS}]}
OpenWindows: TypeAlias = Annotated[Windows, BeforeValidator(_windows), WithJsonSchema(_WINDOWS_SCHEMA), narrow.WINDOWS]
_APPROVERS_SCHEMA = {
    "anyOf": [{"const": UNPINNED}, {"type": "array", "items": {"type": "string", "pattern": f"^{PIN_FORM}$"}}]
}
Approvers: TypeAlias = Annotated[
    tuple[str, ...] | None, BeforeValidator(_approvers), WithJsonSchema(_APPROVERS_SCHEMA), narrow.APPROVERS
]
_LIST = BeforeValidator(_from_list)
_SORTED = AfterValidator(_in_order)


class Section(BaseModel):
    """One section of `spec:`."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class Changes(Section):
    """Which kinds of change may be made, and how many."""

    allowed_kinds: Annotated[tuple[ChangeKind, ...], _LIST, _SORTED, narrow.ALLOW_LIST]
    max_changes_per_run: Annotated[int, Field(ge=0), narrow.AT_MOST]
    max_changes_per_table: Annotated[int, Field(ge=0), narrow.AT_MOST]


class Objects(Section):
    """Which tables may be touched at all."""

    allowed_schemas: Annotated[Patterns, narrow.ALLOW_PATTERNS]
    denied_schemas: Annotated[Patterns, narrow.DENY_PATTERNS]
    denied_tables: Annotated[TablePatterns, narrow.DENY_PATTERNS]


class Indexes(Section):
    """What a new index may be."""

    max_size_bytes: Annotated[SizeBytes, narrow.AT_MOST] = Field(alias="max_size")
    max_total_size_bytes: Annotated[SizeBytes, narrow.AT_MOST] = Field(alias="max_total_size")
    max_table_size_bytes: Annotated[SizeBytes, narrow.AT_MOST] = Field(alias="max_table_size")
    max_key_columns: Annotated[int, Field(ge=1, le=32), narrow.AT_MOST]
    max_include_columns: Annotated[int, Field(ge=0, le=31), narrow.AT_MOST]
    max_per_table: Annotated[int, Field(ge=0), narrow.AT_MOST]
    allowed_methods: Annotated[tuple[IndexMethod, ...], _LIST, _SORTED, narrow.ALLOW_LIST]
    require_concurrently: Annotated[bool, narrow.REQUIREMENT]
    name_prefix: Prefix


class Drops(Section):
    """Which indexes may be dropped. What protects integrity is not here: no document can allow it."""

    allow: Annotated[bool, narrow.PERMISSION]
    reasons: Annotated[tuple[DropReason, ...], _LIST, _SORTED, narrow.ALLOW_LIST]
    max_extra_columns: Annotated[int, Field(ge=0, le=63), narrow.AT_MOST]
    min_unused_days: Annotated[int, Field(ge=1, le=36_500), narrow.AT_LEAST]


class Rebuilds(Section):
    """Which indexes may be rebuilt."""

    allow: Annotated[bool, narrow.PERMISSION]
    max_size_bytes: Annotated[SizeBytes, narrow.AT_MOST] = Field(alias="max_size")
    min_excess_bytes: Annotated[SizeBytes, narrow.AT_LEAST] = Field(alias="min_excess")
    min_excess_percent: Annotated[float, Field(ge=0, lt=100, allow_inf_nan=False), narrow.AT_LEAST]


class Statistics(Section):
    """What a new extended-statistics object may be, and what may be told of single columns."""

    max_columns: Annotated[int, Field(ge=2, le=8), narrow.AT_MOST]
    kinds: Annotated[tuple[StatisticsKind, ...], _LIST, _SORTED, narrow.ALLOW_LIST]
    name_prefix: Prefix
    max_target: Annotated[int, Field(ge=1, le=10_000), narrow.AT_MOST]


class Settings(Section):
    """Which settings may be changed, to what, and for whom."""

    scopes: Annotated[tuple[SettingScope, ...], _LIST, _SORTED, narrow.ALLOW_LIST]
    allowed: Annotated[SettingLimits, AfterValidator(_setting_limits), narrow.SETTING_LIMITS]

    def largest_values(self) -> dict[str, str]:
        """Return, for every setting that has a range, its largest value as PostgreSQL writes it ("256MB")."""
        return {name: limit.max.text() for name, limit in self.allowed.items() if limit.max is not None}


class Locks(Section):
    """How long a change may make others wait, and how often it is tried."""

    lock_timeout_ms: Annotated[int, Field(ge=1, le=3_600_000), narrow.AT_MOST]
    build_timeout_ms: Annotated[int, Field(ge=1_000, le=2_000_000_000), narrow.AT_MOST]
    attempts: Annotated[int, Field(ge=1, le=100), narrow.AT_MOST]
    pause_seconds: Annotated[float, Field(ge=0, le=3600, allow_inf_nan=False), narrow.AT_LEAST]


class TrialLimits(Section):
    """What a trial must show, and what it may cost."""

    required: Annotated[bool, narrow.REQUIREMENT]
    error_rate: Annotated[float, Field(gt=0, le=0.2, allow_inf_nan=False), narrow.AT_MOST]
    min_gain_percent: Annotated[float, Field(ge=0, lt=100, allow_inf_nan=False), narrow.AT_LEAST]
    max_query_slowdown_percent: Annotated[Percent, narrow.AT_MOST]
    slowdown_floor_ms: Annotated[float, Field(ge=0, allow_inf_nan=False), narrow.AT_MOST]
    statement_timeout_ms: Annotated[int, Field(ge=1, le=86_400_000), narrow.FIXED]
    max_seconds: Annotated[float, Field(gt=0, allow_inf_nan=False), narrow.AT_MOST]
    max_pairs: Annotated[int, Field(ge=1, le=10_000), narrow.AT_MOST]
    max_clone_bytes: Annotated[SizeBytes, narrow.AT_MOST] = Field(alias="max_clone_size")


class PredictionLimits(Section):
    """What a prediction must promise before a trial is spent on it."""

    min_gain_percent: Annotated[float, Field(ge=0, lt=100, allow_inf_nan=False), narrow.AT_LEAST]


class Settle(Section):
    """What the source itself must show after the change, or the change is taken back."""

    measure: Annotated[Literal["reads", "plans"], narrow.FIXED]
    max_slowdown_percent: Annotated[Percent, narrow.AT_MOST]
    slowdown_floor_ms: Annotated[float, Field(ge=0, allow_inf_nan=False), narrow.AT_MOST]
    statement_timeout_ms: Annotated[int, Field(ge=1, le=86_400_000), narrow.FIXED]
    max_seconds: Annotated[float, Field(gt=0, allow_inf_nan=False), narrow.FIXED]
    runs: Annotated[int, Field(ge=1, le=1_000), narrow.AT_LEAST]
    watch_seconds: Annotated[float, Field(ge=0, le=86_400, allow_inf_nan=False), narrow.AT_LEAST]
    error_rate: Annotated[float, Field(gt=0, le=0.2, allow_inf_nan=False), narrow.AT_LEAST]


class Guard(Section):
    """What `trimtab watch --act` may take back by itself, when one of our changes made a statement slower."""

    auto_revert: Annotated[bool, narrow.PERMISSION]
    max_reverts_per_day: Annotated[int, Field(ge=0, le=1_000), narrow.AT_MOST]
    window_hours: Annotated[float, Field(gt=0, le=8_760, allow_inf_nan=False), narrow.AT_MOST]
    verify_rounds: Annotated[int, Field(ge=20, le=10_000), narrow.AT_MOST]


class Servers(Section):
    """Which servers may be changed, and when."""

    allow_standby: Annotated[bool, narrow.PERMISSION]
    max_replica_lag_bytes: Annotated[SizeBytes, narrow.AT_MOST] = Field(alias="max_replica_lag")
    max_active_sessions: Annotated[int, Field(ge=1), narrow.AT_MOST]
    max_total_size_bytes: Annotated[SizeBytes, narrow.AT_MOST] = Field(alias="max_total_size")
    min_free_disk_bytes: Annotated[SizeBytes, narrow.AT_LEAST] = Field(alias="min_free_disk")


class ChangeWindows(Section):
    """At which times a source may be changed."""

    open_windows: OpenWindows = Field(alias="open")
    bind_reverts: Annotated[bool, narrow.REQUIREMENT]


class Rates(Section):
    """How much may be changed in any 24 hours, and how often the same thing; counted over the ledger."""

    max_changes_per_day: Annotated[int, Field(ge=0), narrow.AT_MOST]
    max_changes_per_day_per_table: Annotated[int, Field(ge=0), narrow.AT_MOST]
    max_changes_per_day_per_server: Annotated[int, Field(ge=0), narrow.AT_MOST]
    max_tables_per_day: Annotated[int, Field(ge=0), narrow.AT_MOST]
    max_repeats: Annotated[int, Field(ge=1, le=1_000), narrow.AT_MOST]
    repeat_days: Annotated[int, Field(ge=1, le=3_650), narrow.AT_LEAST]


class Approvals(Section):
    """How many people must approve a change before it is made, by its risk, and who they are."""

    low: Annotated[ApprovalsNeeded, narrow.ranked("none", "one", "two")]
    medium: Annotated[ApprovalsNeeded, narrow.ranked("none", "one", "two")]
    high: Annotated[ApprovalsNeeded, narrow.ranked("none", "one", "two")]
    approvers: Approvers
    max_age_hours: Annotated[float, Field(gt=0, le=24, allow_inf_nan=False), narrow.AT_MOST]

    def needed(self, risk: str) -> int:
        """Return how many people must approve a change of that risk ("low", "medium", "high")."""
        return ("none", "one", "two").index({"low": self.low, "medium": self.medium, "high": self.high}[risk])


class Backends(Section):
    """Which sessions of others may be ended, or a statement of theirs, on somebody's word. Neither can be put back."""

    cancel: Annotated[BackendAnswer, narrow.ranked("allow", "ask", "refuse")]
    terminate: Annotated[BackendAnswer, narrow.ranked("allow", "ask", "refuse")]
    allowed_roles: Annotated[Patterns, narrow.ALLOW_PATTERNS]
    denied_roles: Annotated[Patterns, narrow.DENY_PATTERNS]
    min_seconds: Annotated[float, Field(ge=0, le=86_400, allow_inf_nan=False), narrow.AT_LEAST]
    max_per_hour: Annotated[int, Field(ge=0, le=10_000), narrow.AT_MOST]


class Limits(BaseModel):
    """`spec:` as a whole. Every field has a value: this is what is enforced."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    changes: Changes
    objects: Objects
    indexes: Indexes
    drops: Drops
    rebuilds: Rebuilds
    statistics: Statistics
    settings: Settings
    locks: Locks
    trial: TrialLimits
    prediction: PredictionLimits
    settle: Settle
    guard: Guard
    servers: Servers
    windows: ChangeWindows
    approvals: Approvals
    rates: Rates
    backends: Backends
