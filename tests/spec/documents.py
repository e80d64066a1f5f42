"""Random limits for property tests, drawn from few enough values that they often meet."""

from hypothesis import strategies as st

from trimtab.spec.limits import Limits
from trimtab.spec.specification import Specification

_WORDS = ["auto", "on", "off"]


def _subset(*words: str) -> st.SearchStrategy[list[str]]:
    return st.lists(st.sampled_from(words), unique=True)


def _up_to(low: int, high: int) -> st.SearchStrategy[int]:
    return st.integers(low, high)


def _floats(low: float, high: float) -> st.SearchStrategy[float]:
    return st.floats(low, high, allow_nan=False)


def _mostly(usual: object, other: object) -> st.SearchStrategy[object]:
    """For what two documents have to have in common to meet at all."""
    return st.sampled_from([*[usual] * 7, other])


_sizes = st.sampled_from(["0B", "8kB", "1MB", "100MB", "1GB", "20GB"])
_patterns = st.lists(st.sampled_from(["public", "pub*", "shop", "s*", "*"]), max_size=3)
_table_patterns = st.lists(st.sampled_from(["public.orders", "public.*", "shop.o*", "s.*", "s.orders"]), max_size=3)
_needed = st.sampled_from(["none", "one", "two"])
_approvers = [
    f"{name}={digit * 64}{ends}"
    for name, digit in (("ann", "a"), ("bob", "b"), ("eve", "c"))
    for ends in ("", " until 2027-01-01T00:00:00Z", " until 2027-06-01T00:00:00Z")
]
_windows = st.one_of(
    st.just("always"),
    st.lists(
        st.sampled_from(["Mon-Fri 22:00-04:00 Europe/Berlin", "02:00-06:00 UTC", "Sat 00:00-24:00 UTC"]), min_size=1
    ),
)
_prefixes = st.sampled_from(["t", "trimtab_", "trimtab_x", "x"])


@st.composite
def _setting(draw: st.DrawFn, bounds: list[str] | list[float]) -> dict[str, object]:
    indexes = sorted(draw(st.tuples(st.integers(0, len(bounds) - 1), st.integers(0, len(bounds) - 1))))
    limit: dict[str, object] = {}
    kind = draw(st.integers(0, 2))
    if kind != 1:
        limit |= {"min": bounds[indexes[0]], "max": bounds[indexes[1]]}
    if kind != 0:
        limit["values"] = draw(st.lists(st.sampled_from([*_WORDS, "64MB", "2"]), min_size=1, unique=True))
    return limit


SECTIONS: dict[str, dict[str, st.SearchStrategy[object]]] = {
    "changes": {
        "allowed_kinds": _subset(
            "create_index",
            "drop_index",
            "create_statistics",
            "drop_statistics",
            "set_setting",
            "set_statistics_target",
            "set_distinct",
            "restore_statistics",
            "rebuild_index",
        ),
        "max_changes_per_run": _up_to(0, 5),
        "max_changes_per_table": _up_to(0, 5),
    },
    "objects": {"allowed_schemas": _patterns, "denied_schemas": _patterns, "denied_tables": _table_patterns},
    "indexes": {
        "max_size": _sizes,
        "max_total_size": _sizes,
        "max_table_size": _sizes,
        "max_key_columns": _up_to(1, 3),
        "max_include_columns": _up_to(0, 3),
        "max_per_table": _up_to(0, 6),
        "allowed_methods": _subset("btree", "hash", "gin"),
        "require_concurrently": st.booleans(),
        "name_prefix": _prefixes,
    },
    "drops": {
        "allow": st.booleans(),
        "reasons": _subset("duplicate", "redundant", "unused"),
        "max_extra_columns": _up_to(0, 3),
        "min_unused_days": _up_to(1, 3),
    },
    "rebuilds": {
        "allow": st.booleans(),
        "max_size": _sizes,
        "min_excess": _sizes,
        "min_excess_percent": _floats(0, 99),
    },
    "statistics": {
        "max_columns": _up_to(2, 4),
        "kinds": _subset("ndistinct", "dependencies", "mcv"),
        "name_prefix": _prefixes,
        "max_target": _up_to(1, 500),
    },
    "settings": {
        "scopes": _subset("database", "role", "role_in_database", "function"),
        "allowed": st.fixed_dictionaries(
            {},
            optional={
                "work_mem": _setting(["4MB", "32MB", "64MB", "1GB"]),
                "random_page_cost": _setting([1.0, 1.1, 2.0, 4.0]),
                "jit": st.fixed_dictionaries({"values": st.lists(st.sampled_from(_WORDS), min_size=1)}),
            },
        ),
    },
    "locks": {
        "lock_timeout_ms": _up_to(1, 5000),
        "build_timeout_ms": _up_to(1000, 100_000),
        "attempts": _up_to(1, 9),
        "pause_seconds": _floats(0, 60),
    },
    "trial": {
        "required": st.booleans(),
        "error_rate": _floats(0.001, 0.2),
        "min_gain_percent": _floats(0, 50),
        "max_query_slowdown_percent": _floats(0, 50),
        "slowdown_floor_ms": _floats(0, 50),
        "statement_timeout_ms": _mostly(60_000, 500),
        "max_seconds": _floats(1, 50),
        "max_pairs": _up_to(1, 50),
        "max_clone_size": _sizes,
    },
    "prediction": {"min_gain_percent": _floats(0, 50)},
    "settle": {
        "measure": _mostly("reads", "plans"),
        "max_slowdown_percent": _floats(0, 50),
        "slowdown_floor_ms": _floats(0, 50),
        "statement_timeout_ms": _mostly(60_000, 500),
        "max_seconds": _mostly(300.0, 5.0),
        "runs": _up_to(1, 9),
        "watch_seconds": _floats(0, 60),
        "error_rate": _floats(0.001, 0.2),
    },
    "guard": {
        "auto_revert": st.booleans(),
        "max_reverts_per_day": st.integers(0, 9),
        "window_hours": _floats(1, 50),
        "verify_rounds": st.integers(20, 200),
    },
    "servers": {
        "allow_standby": st.booleans(),
        "max_replica_lag": _sizes,
        "max_active_sessions": st.integers(1, 1000),
        "max_total_size": st.one_of(_sizes, st.just("unlimited")),
        "min_free_disk": _sizes,
    },
    "windows": {"open": _windows, "bind_reverts": st.booleans()},
    "approvals": {
        "low": _needed,
        "medium": _needed,
        "high": _needed,
        "approvers": st.one_of(
            st.just("unpinned"), st.lists(st.sampled_from(_approvers), unique_by=lambda pin: pin[:68])
        ),
        "max_age_hours": _floats(1, 24),
    },
    "rates": {
        "max_changes_per_day": _up_to(0, 9),
        "max_changes_per_day_per_table": _up_to(0, 9),
        "max_changes_per_day_per_server": _up_to(0, 9),
        "max_tables_per_day": _up_to(0, 9),
        "max_repeats": _up_to(1, 9),
        "repeat_days": _up_to(1, 9),
    },
    "backends": {
        "cancel": st.sampled_from(["allow", "ask", "refuse"]),
        "terminate": st.sampled_from(["allow", "ask", "refuse"]),
        "allowed_roles": st.lists(st.sampled_from(["app", "app_*", "report*", "*"]), max_size=3),
        "denied_roles": st.lists(st.sampled_from(["app", "app_1", "rep*"]), max_size=2),
        "min_seconds": _floats(0, 60),
        "max_per_hour": _up_to(0, 9),
    },
}

documents = st.fixed_dictionaries({name: st.fixed_dictionaries(fields) for name, fields in SECTIONS.items()})
partial_documents = st.fixed_dictionaries(
    {}, optional={name: st.fixed_dictionaries({}, optional=fields) for name, fields in SECTIONS.items()}
)


def limits_of(document: object) -> Limits:
    return Limits.model_validate(document)


def specification(limits: Limits) -> Specification:
    return Specification("RANDOM", 1, "", ("RANDOM@1",), limits)
