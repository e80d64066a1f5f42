"""The six kinds of causes that flip plans: what is done to a world, and what an attribution has to say of it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from random import Random

from bench.anchors.worlds import INDEXES, ROLE, World, fill
from trimtab.model.flip import (
    Attribution,
    CauseKind,
    IndexDifference,
    ObjectStatistics,
    PlanningDifference,
    SettingDifference,
    TableSize,
    TableStatistics,
)

DROPPED_INDEX, SKEW, SETTING = "dropped index", "skewed load, then ANALYZE", "changed setting"
GENERIC, GROWTH, LOST = "generic switch", "10x rows", "lost extended statistics"
SHARES = {DROPPED_INDEX: 9, SKEW: 9, SETTING: 8, GENERIC: 8, GROWTH: 8, LOST: 8}
"""How many flips of each kind: 50 in all."""

_TABLES = frozenset({"orders", "customer", "event"})
_SETTINGS = {
    "random_page_cost": ("0.2", "1.1", "12", "40"),
    "seq_page_cost": ("0.1", "8"),
    "effective_cache_size": ("1MB",),
    "work_mem": ("64kB", "64MB"),
    "cpu_index_tuple_cost": ("0.5",),
    "cpu_tuple_cost": ("0.2",),
    "enable_bitmapscan": ("off",),
    "enable_indexscan": ("off",),
    "enable_hashjoin": ("off",),
    "enable_nestloop": ("off",),
    "enable_hashagg": ("off",),
    "enable_sort": ("off",),
    "enable_memoize": ("off",),
}


@dataclass(frozen=True, slots=True)
class Cause:
    """`before` is done while no plan may change yet, then `act`. `is_named_by` judges an attribution."""

    what: str
    before: tuple[str, ...]
    act: tuple[str, ...]
    is_named_by: Callable[[Attribution], bool]
    as_role: bool = False


def draw_cause(kind: str, world: World, random: Random) -> Cause:
    """Return a random cause of the kind."""
    return _DRAWS[kind](world, random)


def bystanders(world: World, random: Random) -> list[str]:
    """Return changes that happen meanwhile and are not the cause, as they do on every server."""
    return random.sample(
        [
            f"INSERT INTO bystander SELECT n, 'late' FROM generate_series({10**6}, {10**6 + 4000}) n",
            "ANALYZE bystander",
            "ANALYZE customer",
            "ANALYZE orders",
            "CREATE INDEX bystander_word ON bystander (word)",
            "ALTER TABLE bystander ADD COLUMN since int",
            f"ALTER DATABASE {world.name} SET enable_tidscan = off",
            f"ALTER ROLE {ROLE} IN DATABASE {world.name} SET cursor_tuple_fraction = 0.11",
            "DELETE FROM bystander WHERE id % 3 = 0",
            "CREATE STATISTICS bystander_both ON id, word FROM bystander",
        ],
        random.randrange(2, 5),
    )


def _dropped_index(_world: World, random: Random) -> Cause:
    name = random.choice(INDEXES)
    return Cause(
        f"{name} dropped",
        (),
        (f"DROP INDEX {name}",),
        lambda found: _is(found, CauseKind.INDEX, IndexDifference) and found.causes[0].name == name,  # type: ignore[union-attr]
    )


def _skew(world: World, random: Random) -> Cause:
    """Much of a table gets one value, in place or by new rows of less than its own number."""
    table, statement = random.choice(
        (
            ("orders", f"UPDATE orders SET customer_id = {random.randrange(1, 50)}{_part(random)}"),
            ("orders", f"UPDATE orders SET status = {random.choice((2, 5, 11))}{_part(random)}"),
            ("orders", f"UPDATE orders SET placed = placed / {random.choice((10, 50))}{_part(random)}"),
            ("orders", "UPDATE orders SET status = 1 + id % 400, customer_id = 1 + id % 20 WHERE id % 2 = 0"),
            ("customer", f"UPDATE customer SET region = {random.randrange(37)}{_part(random)}"),
            ("event", f"UPDATE event SET kind = {random.randrange(1, 200)} WHERE at % 10 < {random.randrange(3, 8)}"),
            (
                "orders",
                f"INSERT INTO orders SELECT {10**7} + n, {random.randrange(1, 50)}, 5, 7, 71, n % 300, n % 9, 'new'"
                f" FROM generate_series(1, {int(world.rows * random.uniform(0.3, 0.7))}) n",
            ),
        )
    )
    return Cause(
        f"skewed {table}",
        (statement, f"VACUUM (ANALYZE FALSE) {table}") if random.random() < 0.5 else (statement,),
        (f"ANALYZE {table}",),
        lambda found: found.kind is CauseKind.STATISTICS and _tables(found) == {table},
    )


def _part(random: Random) -> str:
    return f" WHERE id % 10 < {random.randrange(3, 9)}"


def _setting(world: World, random: Random) -> Cause:
    name = random.choice(list(_SETTINGS))
    value = random.choice(_SETTINGS[name])
    level = random.choice(("database", "role", "role in database"))
    scope = {
        "database": f"DATABASE {world.name}",
        "role": f"ROLE {ROLE}",
        "role in database": f"ROLE {ROLE} IN DATABASE {world.name}",
    }[level]

    def is_named_by(found: Attribution) -> bool:
        return _is(found, CauseKind.SETTING, SettingDifference) and (
            (found.causes[0].name, found.causes[0].level) == (name, level)  # type: ignore[union-attr]
        )

    return Cause(f"{name} of {level}", (), (f"ALTER {scope} SET {name} = '{value}'",), is_named_by, as_role=True)


def _generic(_world: World, _random: Random) -> Cause:
    """Nothing is done: the sixth execution does it."""
    return Cause(
        "prepared statement", (), (), lambda found: _is(found, CauseKind.GENERIC_PLAN, PlanningDifference), as_role=True
    )


def _growth(world: World, random: Random) -> Cause:
    return Cause(
        "10x rows",
        (),
        (
            *fill(world, world.rows + 1, 10 * world.rows, random.randrange(1 << 20)),
            *(["ANALYZE"] if random.random() < 0.7 else []),
        ),
        lambda found: found.kind is CauseKind.DATA_GROWTH and _tables(found) <= _TABLES,
    )


def _lost(_world: World, random: Random) -> Cause:
    name = random.choice(("orders_city_zip", "customer_region_grade"))
    return Cause(
        f"{name} dropped",
        (),
        (f"DROP STATISTICS {name}",),
        lambda found: _is(found, CauseKind.EXTENDED_STATISTICS, ObjectStatistics) and found.causes[0].name == name,  # type: ignore[union-attr]
    )


_DRAWS: dict[str, Callable[[World, Random], Cause]] = {
    DROPPED_INDEX: _dropped_index,
    SKEW: _skew,
    SETTING: _setting,
    GENERIC: _generic,
    GROWTH: _growth,
    LOST: _lost,
}


def _is(found: Attribution, kind: CauseKind, difference: type[object]) -> bool:
    return found.kind is kind and len(found.causes) == 1 and isinstance(found.causes[0], difference)


def _tables(found: Attribution) -> set[str]:
    return {cause.table for cause in found.causes if isinstance(cause, TableSize | TableStatistics)}
