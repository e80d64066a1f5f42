"""Random strategies over the small catalog: legal, illegal and senseless ones."""

from hypothesis import strategies as st

from trimtab.model.change import Change, RestoreStatistics, SetDistinct, SetStatisticsTarget, role_in_database
from trimtab.model.strategy import Strategy

from .catalogue import COLUMNS, MIB, ORDERS, create, drop, rebuild, setting, spec, statistics

_columns = st.lists(st.sampled_from([*COLUMNS, "created_at DESC"]), min_size=1, max_size=4, unique=True)
_any_column = st.sampled_from([*COLUMNS, "nothing"])
_names = st.sampled_from(["trimtab_a", "trimtab_xy", "t", "x", "orders_pkey"])
_schemas = st.sampled_from(["public", "public", "shop", "pg_catalog"])
_tables = st.sampled_from(["orders", "orders", "payments", "nowhere"])


@st.composite
def _creates(draw: st.DrawFn) -> Change:
    keys = draw(_columns)
    include = tuple(draw(st.lists(st.sampled_from(COLUMNS), max_size=3, unique=True)))
    made = create(*keys, include=include, name=draw(_names), schema=draw(_schemas), table=draw(_tables))
    return made if draw(st.integers(0, 9)) else create(*keys, tail="USING gin (" + keys[0].split()[0] + ")")


changes: st.SearchStrategy[Change] = st.one_of(
    _creates(),
    st.sampled_from([index.name for index in ORDERS.indexes]).map(drop),
    st.builds(
        rebuild, st.sampled_from([*(index.name for index in ORDERS.indexes), "nowhere"]), st.sampled_from([0, 0, 7])
    ),
    st.builds(
        lambda columns, kinds, name: statistics(*columns, kinds=tuple(kinds), name=name),
        st.lists(st.sampled_from(COLUMNS), min_size=1, max_size=4, unique=True),
        st.lists(st.sampled_from(["mcv", "ndistinct", "dependencies"]), max_size=3, unique=True),
        _names,
    ),
    st.builds(
        setting,
        st.sampled_from(["work_mem", "random_page_cost", "jit", "fsync", "WORK_MEM"]),
        st.sampled_from(["4MB", "64MB", "32768", "2GB", "1", "1.1", "2", "on", "off", "auto", None]),
        st.sampled_from(["database", "role", "role_in_database", "function", "system"]),
        st.sampled_from(
            [
                "shop",
                "other",
                role_in_database("reporting", "shop"),
                role_in_database("other", "other"),
                '"public"."f"()',
            ]
        ),
    ),
    st.builds(
        RestoreStatistics,
        _schemas,
        _tables,
        st.lists(_any_column, max_size=2, unique=True).map(tuple),
        st.sampled_from(["0" * 64, "x"]),
        st.just("f" * 64),
    ),
    st.builds(SetStatisticsTarget, _schemas, _tables, _any_column, st.sampled_from([None, -1, 0, 1, 100, 1000, 10001])),
    st.builds(
        SetDistinct,
        _schemas,
        _tables,
        _any_column,
        st.sampled_from([None, -2.0, -1.0, -0.5, 0.0, 0.5, 20.0]),
        st.booleans(),
    ),
)

_new_sizes = {f"size_bytes.{index.name}": MIB for index in ORDERS.indexes[1:]}

strategies: st.SearchStrategy[Strategy] = st.builds(
    lambda made, size: Strategy(tuple(made), "test", "title", "reason", (), size, _new_sizes),
    st.lists(changes, min_size=1, max_size=3),
    st.sampled_from([-MIB, 0, 8192, MIB, 100 * MIB, 1024 * MIB, 30 * 1024 * MIB]),
)


def _some(*words: str) -> st.SearchStrategy[list[str]]:
    return st.lists(st.sampled_from(words), min_size=1, unique=True)


def _subsets(fields: dict[str, st.SearchStrategy[object]]) -> st.SearchStrategy[dict[str, object]]:
    return st.fixed_dictionaries({}, optional=fields)


_prefixes: st.SearchStrategy[object] = st.sampled_from(["t", "trimtab_", "trimtab_x", "x"])
_sizes: st.SearchStrategy[object] = st.sampled_from(["8kB", "1MB", "10MB", "1GB", "40GB"])
_patterns = st.lists(st.sampled_from(["public", "pub*", "shop", "*"]), max_size=2)
_work_mem = st.sampled_from([("4MB", "8MB"), ("16MB", "64MB"), ("4MB", "2GB"), ("1MB", "1MB")])

# The limits that the rules read, around the values that the small catalog and its proposals have.
random_limits = st.fixed_dictionaries(
    {
        "changes": _subsets(
            {
                "allowed_kinds": _some(
                    "create_index",
                    "drop_index",
                    "create_statistics",
                    "set_setting",
                    "set_statistics_target",
                    "set_distinct",
                    "restore_statistics",
                    "rebuild_index",
                ),
                "max_changes_per_run": st.integers(0, 6),
                "max_changes_per_table": st.integers(0, 6),
            }
        ),
        "objects": _subsets(
            {
                "allowed_schemas": _patterns,
                "denied_schemas": _patterns,
                "denied_tables": st.lists(st.sampled_from(["public.payments", "public.o*", "shop.*"]), max_size=2),
            }
        ),
        "indexes": _subsets(
            {
                "max_size": _sizes,
                "max_total_size": _sizes,
                "max_table_size": _sizes,
                "max_key_columns": st.integers(1, 4),
                "max_include_columns": st.integers(0, 3),
                "max_per_table": st.integers(4, 8),
                "allowed_methods": _some("btree", "gin", "hash"),
                "require_concurrently": st.booleans(),
                "name_prefix": _prefixes,
            }
        ),
        "drops": _subsets(
            {
                "allow": st.booleans(),
                "reasons": _some("duplicate", "redundant", "unused"),
                "max_extra_columns": st.integers(0, 3),
                "min_unused_days": st.integers(1, 90),
            }
        ),
        "rebuilds": _subsets(
            {
                "allow": st.booleans(),
                "max_size": _sizes,
                "min_excess": _sizes,
                "min_excess_percent": st.sampled_from([0.0, 40.0, 95.0]),
            }
        ),
        "statistics": _subsets(
            {
                "max_columns": st.integers(2, 4),
                "kinds": _some("mcv", "ndistinct", "dependencies"),
                "name_prefix": _prefixes,
                "max_target": st.integers(1, 1000),
            }
        ),
        "settings": _subsets(
            {
                "scopes": _some("database", "role", "role_in_database", "function"),
                "allowed": _subsets(
                    {
                        "work_mem": _work_mem.map(lambda ends: {"min": ends[0], "max": ends[1]}),
                        "random_page_cost": st.sampled_from([{"min": 1, "max": 2}, {"values": ["1.1", "2"]}]),
                        "jit": _some("on", "off", "auto").map(lambda words: {"values": words}),
                    }
                ),
            }
        ),
        "servers": _subsets({"allow_standby": st.booleans()}),
    }
).map(lambda sections: spec(**sections).limits)
