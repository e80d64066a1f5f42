"""An approval is of the facts that people saw: each drift of them voids it, and the refusal names its kind."""

from __future__ import annotations

from dataclasses import replace

import pytest

from trimtab.apply.approved_facts import has_other_rows, has_other_size
from trimtab.errors import UnapprovedError
from trimtab.model.change import Change, DropIndex, SetSetting

from .shop import CREATE_INDEX, CREATE_STATISTICS, DROP_INDEX, FUNCTION, SET_DISTINCT, SET_TARGET, Shop, strategy
from .test_approvals import BOB, Desk, specification

pytestmark = pytest.mark.server

_TARGETS = "statistics targets and numbers of distinct values"
_ROWS = "the rows of public.orders"
# What was approved, what somebody does then, and the kinds of facts that the refusal names.
DRIFTS: dict[str, tuple[Change, str, tuple[str, ...]]] = {
    "target": (
        SET_TARGET,
        "ALTER TABLE orders ALTER city SET STATISTICS 5000",
        ("what would take it back", _TARGETS),
    ),
    "distinct": (
        SET_DISTINCT,
        "ALTER TABLE orders ALTER city SET (n_distinct = 7)",
        ("what would take it back", _TARGETS),
    ),
    "target of another column": (CREATE_INDEX, "ALTER TABLE orders ALTER zip SET STATISTICS 5", (_TARGETS,)),
    "statistics remade": (
        CREATE_INDEX,
        "DROP STATISTICS seen; CREATE STATISTICS seen ON day, zip FROM orders",
        ("extended statistics",),
    ),
    "statistics on another expression": (
        CREATE_INDEX,
        "DROP STATISTICS phrase; CREATE STATISTICS phrase ON (upper(city)), zip FROM orders",
        ("extended statistics",),
    ),
    "statistics' owner": (CREATE_INDEX, "ALTER STATISTICS seen OWNER TO keeper", ("extended statistics",)),
    "index": (CREATE_INDEX, "CREATE INDEX ON orders (note)", ("indexes",)),
    "row-level security": (CREATE_INDEX, "ALTER TABLE orders ENABLE ROW LEVEL SECURITY", ("row-level security",)),
    "policy": (CREATE_INDEX, "CREATE POLICY p ON orders USING (id > 0)", ("row-level security",)),
    "policy redefined": (CREATE_INDEX, "ALTER POLICY seen ON orders USING (id > 7)", ("row-level security",)),
    "owner": (CREATE_INDEX, "ALTER TABLE orders OWNER TO keeper", ("owner",)),
    "unlogged": (CREATE_INDEX, "ALTER TABLE orders SET UNLOGGED", ("storage", _ROWS)),
    "constraint": (DROP_INDEX, "ALTER TABLE orders ADD CONSTRAINT more CHECK (id > -5)", ("constraints",)),
    "constraint redefined": (
        DROP_INDEX,
        "ALTER TABLE orders DROP CONSTRAINT seen; ALTER TABLE orders ADD CONSTRAINT seen CHECK (id > -9)",
        ("constraints",),
    ),
    "foreign key": (
        CREATE_INDEX,
        "ALTER TABLE orders ADD CONSTRAINT more FOREIGN KEY (id) REFERENCES customer (id) NOT VALID",
        ("constraints",),
    ),
    "foreign key to it": (
        CREATE_INDEX,
        "CREATE TABLE line (order_id int REFERENCES orders (id))",
        ("constraints",),
    ),
    "not null": (CREATE_INDEX, "ALTER TABLE orders ALTER day SET NOT NULL", ("columns",)),
    "type": (CREATE_INDEX, "ALTER TABLE orders ALTER note TYPE varchar(90)", ("columns", _ROWS)),
    "collation": (CREATE_INDEX, 'ALTER TABLE orders ALTER note TYPE text COLLATE "C"', ("collations of columns",)),
    "rows": (CREATE_INDEX, "DELETE FROM orders WHERE id > 4000; ANALYZE orders", (_ROWS,)),
    "size": (
        CREATE_INDEX,
        "UPDATE orders SET note = repeat('y', 200)",
        ("the size of public.orders",),
    ),
}
_SEEN = (
    "CREATE STATISTICS seen ON note, zip FROM orders",
    "CREATE STATISTICS phrase ON (lower(city)), zip FROM orders",
    "CREATE POLICY seen ON orders USING (id > 1)",
    "ALTER TABLE orders ADD CONSTRAINT seen CHECK (id > -7)",
)


@pytest.fixture
def desk(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> Desk:
    monkeypatch.setenv("TRIMTAB_ACTOR", "agent")
    shop.run(*_SEEN)
    return Desk(shop, shop.enforcer(specification=specification()))


def _approve(desk: Desk, change: Change) -> None:
    desk.refused(change)
    desk.approve(change)
    if isinstance(change, DropIndex):
        desk.approve(change, name="bob", key=BOB)


def _drifted(desk: Desk, change: Change) -> str:
    """Return what the refusal says has changed; nothing was done."""
    before = desk.shop.picture()
    with pytest.raises(UnapprovedError) as refused:
        desk.enforcer.apply(strategy(change))
    assert refused.value.code == "approval.drifted"
    assert desk.shop.picture() == before
    return str(refused.value).partition("this has changed: ")[2]


@pytest.mark.parametrize("name", DRIFTS)
def test_a_fact_that_drifts_voids_the_approval_and_is_named(desk: Desk, name: str) -> None:
    change, drift, kinds = DRIFTS[name]
    _approve(desk, change)
    desk.shop.run(*drift.split("; "))
    assert set(_drifted(desk, change).split(", ")) == set(kinds)


@pytest.mark.parametrize("name", ["target", "policy", "rows", "size"])
def test_what_has_drifted_is_asked_for_again_as_it_is_now(desk: Desk, name: str) -> None:
    change, drift, _ = DRIFTS[name]
    _approve(desk, change)
    desk.shop.run(*drift.split("; "))
    _approve(desk, change)
    desk.enforcer.apply(strategy(change))
    assert desk.shop.standing() == [change]


@pytest.mark.parametrize("change", [CREATE_INDEX, DROP_INDEX, CREATE_STATISTICS, SET_TARGET, SET_DISTINCT])
def test_what_is_no_other_fact_voids_none(desk: Desk, change: Change) -> None:
    """As servers live: rows written, everything vacuumed, analysed and rebuilt, another table altered."""
    _approve(desk, change)
    desk.shop.run(
        "UPDATE orders SET note = note WHERE id < 2000",
        "VACUUM ANALYZE",
        "REINDEX TABLE orders",
        "ALTER TABLE customer ALTER name SET STATISTICS 7",
        "COMMENT ON TABLE orders IS 'of the shop'",
    )
    desk.enforcer.apply(strategy(change))
    assert desk.shop.standing() == [change]


def test_what_analyze_goes_by_is_a_fact_of_what_runs_it(desk: Desk) -> None:
    for change in (SET_TARGET, CREATE_INDEX):
        _approve(desk, change)
    desk.shop.run(f'ALTER DATABASE "{desk.shop.database}" SET default_statistics_target = 10')
    later = Desk(desk.shop, desk.shop.enforcer(specification=specification()))
    assert _drifted(later, SET_TARGET) == "settings"
    later.enforcer.apply(strategy(CREATE_INDEX))


def test_what_a_function_has_set_meanwhile_is_another_way_back(desk: Desk) -> None:
    change = SetSetting("function", FUNCTION, "work_mem", "64MB")
    _approve(desk, change)
    desk.shop.run('ALTER FUNCTION "Of ""city" SET work_mem = \'8MB\'')
    assert _drifted(desk, change) == "what would take it back"
    assert desk.refused(change) == "approval.drifted"
    assert desk.request(change).inverses == (replace(change, value="8MB"),)
    _approve(desk, change)
    desk.enforcer.apply(strategy(change))


def test_what_we_have_set_beside_it_is_no_drift_and_what_is_set_over_ours_is(desk: Desk) -> None:
    for change in (SET_TARGET, SET_DISTINCT, CREATE_STATISTICS, CREATE_INDEX):
        _approve(desk, change)
    for change in (SET_TARGET, SET_DISTINCT, CREATE_STATISTICS):
        desk.enforcer.apply(strategy(change))
    desk.shop.run("ALTER TABLE orders ALTER city SET STATISTICS 301")
    assert _drifted(desk, CREATE_INDEX) == _TARGETS
    desk.shop.run(f"ALTER TABLE orders ALTER city SET STATISTICS {SET_TARGET.target}")
    _approve(desk, CREATE_INDEX)
    ours = CREATE_STATISTICS.name
    desk.shop.run(f"DROP STATISTICS {ours}", f"CREATE STATISTICS {ours} ON day, city FROM orders")
    assert _drifted(desk, CREATE_INDEX) == "extended statistics"
    desk.shop.run(f"DROP STATISTICS {ours}")
    _approve(desk, CREATE_INDEX)
    desk.enforcer.apply(strategy(CREATE_INDEX))


def test_an_approval_that_tells_no_kinds_says_that_facts_have_drifted(desk: Desk) -> None:
    _approve(desk, CREATE_INDEX)
    desk.shop.run("ALTER TABLE orders OWNER TO keeper")
    desk.refused(CREATE_INDEX)
    desk.approve(CREATE_INDEX, change=lambda said: said.update(facts={}, facts_digest="0" * 64))
    assert _drifted(desk, CREATE_INDEX) == "facts"


def test_sizes_and_rows_may_move_within_what_is_stated() -> None:
    mib = 1 << 20
    assert not has_other_size(10 * mib, 15 * mib)
    assert has_other_size(10 * mib, 15 * mib + 1)
    assert has_other_size(15 * mib + 1, 10 * mib)
    assert not has_other_size(mib, 2 * mib)
    assert has_other_size(mib, 2 * mib + 1)
    assert has_other_size(None, 1)
    assert not has_other_rows(100_000, 200_000)
    assert has_other_rows(100_000, 200_001)
    assert has_other_rows(200_001, 100_000)
    assert not has_other_rows(9_000, 19_000)
    assert has_other_rows(9_000, 19_001)
    assert not has_other_rows(0, 10**9), "it was never analysed: its size tells"
    assert has_other_rows(None, 1)
