"""Claims about statistics that are stored as they were: exactly, and back; their values are in no ledger or text."""

from __future__ import annotations

import json
from collections.abc import Sequence
from contextlib import closing
from dataclasses import replace
from math import inf
from pathlib import Path

import pytest

from trimtab.apply.gate import Gate
from trimtab.apply.statistics_files import DIRECTORY, StatisticsFiles, columns_digest
from trimtab.apply.stored_statistics import read_statistics
from trimtab.apply.switch import Freeze, KillSwitch
from trimtab.db.connection import Connection, connect
from trimtab.errors import ApplyError, HeldError, RefusedError
from trimtab.ledger.entry import Kind
from trimtab.ledger.ledger import Ledger
from trimtab.ledger.pending import pending
from trimtab.lifecycle.recover import resume
from trimtab.model.change import RestoreStatistics
from trimtab.model.column_statistics import ColumnStatistics, OfColumn, TableStatistics
from trimtab.model.strategy import Outcome

from .shop import Shop, strategy
from .victims import Victims

pytestmark = pytest.mark.server

COLUMNS = ("city", "zip", "day", "id")
QUERY = "SELECT * FROM orders WHERE city = 'city 1' AND note = 'n'"


def _files(shop: Shop) -> StatisticsFiles:
    return StatisticsFiles(shop.ledger_path.parent / DIRECTORY)


def _kept(shop: Shop, columns: Sequence[str] = COLUMNS, table: str = "orders") -> RestoreStatistics:
    """The change that stores the statistics of now, whenever it is applied."""
    with shop.connect() as connection:
        found = read_statistics(connection, "public", table, columns)
    assert found is not None
    return RestoreStatistics("public", table, tuple(columns), _files(shop).write(found), columns_digest(found))


def _skewed(shop: Shop) -> RestoreStatistics:
    """One city gets nearly all rows, and ANALYZE sees it; return what puts the statistics of before back."""
    change = _kept(shop)
    shop.run("UPDATE orders SET city = 'city 1', day = NULL WHERE id > 200", "ANALYZE orders")
    return change


def _stored(shop: Shop) -> list[tuple[object, ...]]:
    with closing(connect(shop.dsn, read_only=True)) as connection:
        return connection.execute("select * from pg_stats where tablename = 'orders' order by attname").fetchall()


def _first_node(connection: Connection, text: str = f"EXPLAIN (FORMAT JSON) {QUERY}") -> str:
    row = connection.execute(text.encode()).fetchone()
    assert row is not None
    return str(row[0][0]["Plan"]["Node Type"])


def test_statistics_come_back_exactly_and_so_does_the_plan_and_are_taken_back_exactly(shop: Shop) -> None:
    once = _stored(shop)
    with shop.connect() as connection:
        plan_once = _first_node(connection)
        change = _skewed(shop)
        later, plan_later = _stored(shop), _first_node(connection)
        enforcer = shop.enforcer()
        (applied,) = enforcer.apply(strategy(change))
        restored = {row[2]: row for row in _stored(shop)}
        assert [restored[row[2]] for row in once if row[2] in COLUMNS] == [row for row in once if row[2] in COLUMNS]
        assert (plan_once, plan_later, _first_node(connection)) == ("Bitmap Heap Scan", "Seq Scan", "Bitmap Heap Scan")
        enforcer.revert(applied)
        assert (_stored(shop), _first_node(connection)) == (later, "Seq Scan")
    assert shop.kinds() == ["apply_intended", "apply_done", "revert_intended", "revert_done"]


@pytest.mark.parametrize("sent", [0, 1, 2, 4, 6, 9])
def test_a_freeze_between_the_statements_that_store_them_rolls_back_the_ones_before(
    shop: Shop, monkeypatch: pytest.MonkeyPatch, sent: int
) -> None:
    change = _skewed(shop)
    before, asked, ask = _stored(shop), iter(range(100)), Gate.__call__

    def freezing(gate: Gate) -> None:
        if next(asked) == 2 + sent:  # once before the intent, once before the transaction
            KillSwitch(shop.ledger_path.parent).freeze(Freeze(None, "incident", "ann", 1, False))
        ask(gate)

    monkeypatch.setattr(Gate, "__call__", freezing)
    with pytest.raises(HeldError):
        shop.enforcer().apply(strategy(change))
    assert _stored(shop) == before
    assert shop.kinds() == ["apply_intended", "apply_failed"]


def test_no_value_of_a_row_is_in_the_ledger_or_in_a_text_and_the_files_are_ours_alone(shop: Shop) -> None:
    change = _skewed(shop)
    (applied,) = shop.enforcer().apply(strategy(change))
    with Ledger.open(shop.ledger_path) as ledger:
        written = json.dumps([dict(entry.body) for entry in ledger.entries()])
    assert "city 1" not in written + change.sql() + applied.inverse.sql()
    directory = shop.ledger_path.parent / DIRECTORY
    assert directory.stat().st_mode & 0o777 == 0o700
    files = list(directory.iterdir())
    assert len(files) == 2
    assert {path.stat().st_mode & 0o777 for path in files} == {0o600}
    assert all("city 1" in path.read_text("utf-8") for path in files)


def test_sessions_that_hold_a_plan_make_it_anew(shop: Shop) -> None:
    change = _skewed(shop)
    with shop.connect() as session:
        session.execute(f"PREPARE held AS {QUERY}")
        explain = "EXPLAIN (FORMAT JSON) EXECUTE held"
        assert [_first_node(session, explain) for _ in range(7)] == ["Seq Scan"] * 7
        (applied,) = shop.enforcer().apply(strategy(change))
        assert _first_node(session, explain) == "Bitmap Heap Scan"
        shop.enforcer().revert(applied)
        assert _first_node(session, explain) == "Seq Scan"


def test_a_table_without_statistics_gets_none_again(shop: Shop) -> None:
    shop.run("CREATE TABLE blank AS SELECT n AS a, 'v' || n AS b FROM generate_series(1, 100) n")
    nothing = _kept(shop, ("a", "b"), "blank")
    shop.run("ANALYZE blank")
    enforcer = shop.enforcer()
    (applied,) = enforcer.apply(strategy(nothing))
    with shop.connect() as connection:
        count = "select count(*) from pg_stats where tablename = 'blank'"
        assert connection.execute(count.encode()).fetchone() == (0,)
        enforcer.revert(applied)
        assert connection.execute(count.encode()).fetchone() == (2,)


def test_every_kind_of_statistics_can_be_stored(shop: Shop) -> None:
    shop.run(
        "CREATE TABLE mixed AS SELECT n AS a, array[n % 7, n % 3] AS b, int4range(n, n + n % 9) AS c,"
        " to_tsvector('english', 'word' || n % 5) AS d, date '2024-01-01' + n AS e, n / 7.0 AS f,"
        " ('\\x' || lpad(to_hex(n), 4, '0'))::bytea AS g, interval '1 day' * n AS h, (n % 11)::text AS i"
        " FROM generate_series(1, 2000) n",
        "ANALYZE mixed",
    )
    columns = tuple("abcdefghi")
    change = _kept(shop, columns, "mixed")
    shop.run("UPDATE mixed SET a = a % 5, b = null, c = 'empty', f = -1, i = 'x'", "ANALYZE mixed")
    shop.enforcer().apply(strategy(change))
    assert _kept(shop, columns, "mixed").columns_sha256 == change.columns_sha256


def test_of_a_partitioned_table_those_of_all_partitions_together_are_stored(shop: Shop) -> None:
    shop.run("INSERT INTO event SELECT n, 'k' || n % 3, date '2024-01-01' + n % 300 FROM generate_series(1, 900) n")
    shop.run("ANALYZE event")
    change = _kept(shop, ("kind", "at"), "event")
    shop.run("UPDATE event SET kind = 'one'", "ANALYZE event")
    other = _kept(shop, ("kind", "at"), "event")
    enforcer = shop.enforcer()
    (applied,) = enforcer.apply(strategy(change))
    enforcer.revert(applied)
    assert _kept(shop, ("kind", "at"), "event").columns_sha256 == other.columns_sha256 != change.columns_sha256


@pytest.mark.parametrize("reverts", [False, True])
def test_killed_around_each_entry(shop: Shop, victims: Victims, reverts: bool) -> None:
    change = _skewed(shop)
    later = _stored(shop)
    act = "revert" if reverts else "apply"
    for moment in (f"before {act}_intended", f"after {act}_intended", f"before {act}_done", f"after {act}_done"):
        if reverts and _stored(shop) == later:
            enforcer = shop.enforcer()
            enforcer.apply(strategy(change))
            kept = {"strategy_id": strategy(change).id, "outcome": Outcome.KEPT.value, "note": ""}
            enforcer.ledger.append(Kind.STRATEGY_SETTLED, kept, run_id=enforcer.run_id)
        victims.run_until_killed(shop, *(() if reverts else (change,)), killed_at=moment, reverts=reverts)
        resume(shop.dsn, shop.ledger_path, None)
        is_taken_back = not reverts or moment.endswith("_done")
        assert (_stored(shop) == later) is is_taken_back, moment
        with Ledger.open(shop.ledger_path) as ledger:
            assert pending(ledger.entries()).is_empty


def test_what_an_analyze_has_replaced_is_left_alone(shop: Shop) -> None:
    (applied,) = shop.enforcer().apply(strategy(_skewed(shop)))
    shop.run("UPDATE orders SET city = 'city 3' WHERE id % 2 = 0", "ANALYZE orders")
    analysed = _stored(shop)
    assert shop.enforcer().revert(applied).left_alone == "replaced_by_others"
    assert (_stored(shop), shop.standing()) == (analysed, [])


def test_a_renamed_table_gets_its_own_back_and_a_column_that_is_gone_is_told(shop: Shop) -> None:
    change = _skewed(shop)
    later = [row[3:] for row in _stored(shop)]
    (applied,) = shop.enforcer().apply(strategy(change))
    shop.run("ALTER TABLE orders RENAME TO elsewhere")
    shop.enforcer().revert(applied)
    shop.run("ALTER TABLE elsewhere RENAME TO orders")
    assert [row[3:] for row in _stored(shop)] == later
    (applied,) = shop.enforcer().apply(strategy(change))
    shop.run("ALTER TABLE orders DROP COLUMN zip")
    assert shop.enforcer().revert(applied).left_alone == "subject_gone"


@pytest.mark.parametrize("harm", ["gone", "changed", "another"])
def test_a_file_that_is_not_what_the_change_names_stops_it_before_anything_is_written(shop: Shop, harm: str) -> None:
    change = _skewed(shop)
    path = next((shop.ledger_path.parent / DIRECTORY).glob(f"{change.file_sha256}*"))
    if harm == "gone":
        path.unlink()
    elif harm == "changed":
        path.write_bytes(path.read_bytes().replace(b"city 1", b"city 2"))
    else:
        change = replace(change, columns=("zip", "city", "day", "id"))
    later = _stored(shop)
    with pytest.raises(ApplyError) as refused:
        shop.enforcer().apply(strategy(change))
    assert refused.value.code == "apply.statistics_file"
    assert (_stored(shop), shop.kinds()) == (later, [])


def test_what_the_server_does_not_take_leaves_all_as_it_was(shop: Shop) -> None:
    """A date that is none: the server warns of the value, and what it says is repeated nowhere."""
    bad = ColumnStatistics(0.0, 4, -1.0, histogram="{secret-value,2024-01-01}")
    content = TableStatistics(180000, ("city", "day"), (OfColumn("day", False, bad),), 1, 1.0)
    change = RestoreStatistics(
        "public", "orders", content.columns, _files(shop).write(content), columns_digest(content)
    )
    before = _stored(shop)
    with pytest.raises(ApplyError) as refused:
        shop.enforcer().apply(strategy(change))
    assert refused.value.code == "apply.statistics_file"
    assert "secret" not in str(refused.value)
    assert (_stored(shop), shop.kinds()) == (before, ["apply_intended", "apply_failed"])


@pytest.mark.system_postgres
def test_an_older_server_is_refused(any_shop: Shop) -> None:
    if any_shop.server.binaries.version[0] >= 18:
        pytest.skip("it can restore statistics")
    change = RestoreStatistics("public", "orders", ("city",), "0" * 64, "1" * 64)
    with pytest.raises(RefusedError, match=r"statistics\.restore"):
        any_shop.enforcer().apply(strategy(change))


def test_files_that_nothing_refers_to_can_be_removed(shop: Shop, tmp_path: Path) -> None:
    first, second = _kept(shop, ("city",)), _kept(shop, ("zip",))
    young = _files(shop).forget((), written_before=0.0)
    assert (young, _files(shop).forget({first.file_sha256}, written_before=inf)) == (0, 1)
    assert _files(shop).read(first.file_sha256).columns == ("city",)
    with pytest.raises(ApplyError):
        _files(shop).read(second.file_sha256)
    assert StatisticsFiles(tmp_path / "nowhere").forget((), written_before=inf) == 0
