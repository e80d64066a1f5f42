"""Claims about the server's disk: no index is built for which there is no room, as far as that can be known."""

from __future__ import annotations

from contextlib import closing
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import cast

import pytest

from trimtab.apply import disk
from trimtab.db.connection import Connection, connect
from trimtab.errors import ApplyError
from trimtab.model.change import CreateIndex, RebuildIndex
from trimtab.model.strategy import Strategy
from trimtab.spec.limits import Servers
from trimtab.spec.load import load_spec
from trimtab.spec.quantity import LARGEST
from trimtab.spec.specification import Specification

from .shop import CREATE_INDEX, CREATE_STATISTICS, DROP_INDEX, Shop, quick_specification, strategy

pytestmark = pytest.mark.server

MEBIBYTE = 1024**2
TOO_MUCH = 2**60


def limits(**servers: int) -> Servers:
    return load_spec().servers.model_copy(update=servers)


def specification(**servers: int) -> Specification:
    quick = quick_specification()
    changed = quick.limits.model_copy(update={"servers": limits(**servers)})
    return replace(quick, limits=changed)


def _never(_seconds: float) -> None:
    raise AssertionError("a full disk is nothing to wait for")


def _held(shop: Shop) -> int:
    with closing(connect(shop.dsn, read_only=True)) as connection:
        row = connection.execute(b"select sum(pg_database_size(oid))::bigint from pg_database").fetchone()
    assert row is not None
    return int(row[0])


@pytest.mark.parametrize(
    ("given", "found"),
    [
        ({"max_total_size_bytes": MEBIBYTE}, r"databases hold [0-9,]+ bytes and it may need 2,000,000 more"),
        ({"min_free_disk_bytes": TOO_MUCH}, r"disk has [0-9,]+ bytes free, and it may need 2,000,000 "),
    ],
)
def test_an_index_without_room_is_refused_at_once_and_leaves_nothing(
    any_shop: Shop, given: dict[str, int], found: str
) -> None:
    before = any_shop.picture()
    with pytest.raises(ApplyError, match=found) as refused:
        any_shop.enforcer(specification=specification(**given), sleep=_never).apply(strategy(CREATE_INDEX))
    assert refused.value.code == "apply.disk"
    assert refused.value.exit_code == 6
    assert refused.value.next_step
    assert any_shop.picture() == before
    assert any_shop.kinds() == ["apply_intended", "apply_failed"]
    # Statistics take next to nothing, and a drop frees some.
    for change in (CREATE_STATISTICS, DROP_INDEX):
        any_shop.enforcer(specification=specification(**given)).apply(strategy(change))
    assert any_shop.picture() != before


def test_what_has_room_is_built(any_shop: Shop) -> None:
    """Twice the predicted size, to the byte the limit would not do: databases grow while they are looked at."""
    roomy = specification(max_total_size_bytes=_held(any_shop) + 100 * MEBIBYTE, min_free_disk_bytes=0)
    any_shop.enforcer(specification=roomy).apply(strategy(CREATE_INDEX))
    assert any(CREATE_INDEX.name in line for line in any_shop.picture())


def test_the_limit_holds_for_all_databases_of_the_server_and_twice_the_size(shop: Shop) -> None:
    held = _held(shop)
    huge = replace(strategy(CREATE_INDEX), evidence={f"size_bytes.{CREATE_INDEX.name}": 200 * MEBIBYTE})
    with pytest.raises(ApplyError, match="max_total_size is") as refused:
        shop.enforcer(specification=specification(max_total_size_bytes=held + 300 * MEBIBYTE)).apply(huge)
    assert refused.value.code == "apply.disk"
    shop.enforcer(specification=specification(max_total_size_bytes=held + 500 * MEBIBYTE)).apply(huge)


def test_what_is_taken_back_is_put_back_whatever_the_disk_says(shop: Shop) -> None:
    before = shop.picture()
    full = specification(max_total_size_bytes=0, min_free_disk_bytes=TOO_MUCH)
    enforcer = shop.enforcer(specification=full)
    [dropped] = enforcer.apply(strategy(DROP_INDEX))
    assert shop.picture() != before
    enforcer.revert(dropped)
    assert shop.picture() == before


def test_a_role_that_is_not_told_where_the_data_is_is_not_held_up(shop: Shop) -> None:
    """Nor is one that may not ask other databases: it counts those that it may."""
    shop.run("REVOKE CONNECT ON DATABASE template_shop FROM public", "GRANT ALL ON SCHEMA public TO keeper")
    shop.run(*(f"ALTER TABLE {table} OWNER TO keeper" for table in ("customer", "orders")))
    try:
        limit = specification(max_total_size_bytes=LARGEST - 1, min_free_disk_bytes=TOO_MUCH)
        shop.enforcer(specification=limit, user="keeper").apply(strategy(CREATE_INDEX))
    finally:
        shop.run("GRANT CONNECT ON DATABASE template_shop TO public")
    assert any(CREATE_INDEX.name in line for line in shop.picture())


def test_only_the_directory_of_that_very_server_is_believed(any_shop: Shop, tmp_path: Path) -> None:
    with closing(any_shop.connect()) as connection:
        places = disk._places(connection, CREATE_INDEX)
    assert places is not None
    assert places.data_directory == any_shop.server.data_directory
    assert disk._is_of_that_server(places)
    text = (places.data_directory / "postmaster.pid").read_text("utf-8")
    (tmp_path / "postmaster.pid").write_text(text, "utf-8")
    others = {
        "another port": replace(places, port=places.port + 1),
        "another start": replace(places, started_at=places.started_at + 3600),
        "a start before": replace(places, started_at=places.started_at - 3600),
        "a copy of the directory": replace(places, data_directory=tmp_path),
        "no directory": replace(places, data_directory=tmp_path / "gone"),
    }
    assert [name for name, other in others.items() if disk._is_of_that_server(other)] == []
    (tmp_path / "postmaster.pid").write_text("4711\n", "utf-8")
    assert not disk._is_of_that_server(others["a copy of the directory"])


def test_the_file_system_of_the_indexs_tablespace_is_asked(any_shop: Shop) -> None:
    with closing(any_shop.connect()) as connection:
        connection.execute(b"set allow_in_place_tablespaces = on")
        connection.execute(b"create tablespace elsewhere location ''")
        try:
            connection.execute(b"set default_tablespace = elsewhere")
            places = disk._places(connection, CREATE_INDEX)
            assert places is not None
            assert places.database == places.data_directory
            assert places.index.parent == places.data_directory / "pg_tblspc"
            assert disk._free_bytes(places.index)
            assert disk.full(connection, CREATE_INDEX, 1, limits(min_free_disk_bytes=TOO_MUCH))
        finally:
            connection.execute(b"reset default_tablespace")
            connection.execute(b"drop tablespace elsewhere")


def test_a_place_that_is_not_there_says_nothing(tmp_path: Path) -> None:
    assert disk._free_bytes(tmp_path / "gone") is None
    assert disk._free_bytes(tmp_path)


@pytest.mark.parametrize(
    ("evidence", "size_bytes", "expected"),
    [({"size_bytes.i": 7}, 99, 7), ({}, 99, 99), ({"size_bytes.other": 7}, -5, 0), ({"size_bytes.i": "?"}, 3, 3)],
)
def test_the_predicted_size_is_the_indexs_own_where_it_is_known(
    evidence: dict[str, int | str], size_bytes: int, expected: int
) -> None:
    index = CreateIndex("public", "t", "i", "USING btree (a)", ("a",))
    given = Strategy((index,), "test", "t", "r", (), size_bytes=size_bytes, evidence=evidence)
    assert disk.predicted_bytes(given, index) == expected
    assert disk.predicted_bytes(given, DROP_INDEX) == 0


@pytest.mark.parametrize(
    ("host", "address", "expected"),
    [
        ("/run/postgresql", "", True),
        ("@abstract", "", True),
        ("localhost", "127.0.0.1", True),
        ("localhost", "::1", True),
        ("db.example.org", "192.0.2.7", False),
        ("db.example.org", "", False),
    ],
)
def test_only_a_socket_or_a_loopback_address_may_be_this_machine(host: str, address: str, expected: bool) -> None:
    link = cast(Connection, SimpleNamespace(info=SimpleNamespace(host=host, hostaddr=address)))
    assert disk._is_on_this_machine(link) is expected


def test_a_rebuilt_index_stays_in_its_own_tablespace_and_needs_the_room_of_a_second_copy(shop: Shop) -> None:
    change = RebuildIndex("public", "orders", "orders_city", 1)
    with closing(shop.connect()) as connection:
        connection.execute(b"set allow_in_place_tablespaces = on")
        connection.execute(b"create tablespace apart location ''")
        try:
            beside = disk._places(connection, change)
            assert beside is not None
            assert beside.index == beside.database
            connection.execute(b"alter index orders_city set tablespace apart")
            apart = disk._places(connection, change)
            assert apart is not None
            assert apart.index.parent == apart.data_directory / "pg_tblspc"
        finally:
            connection.execute(b"alter index orders_city set tablespace pg_default")
            connection.execute(b"drop tablespace apart")
    small = replace(strategy(change), evidence={"size_bytes.orders_city": 10, "held_bytes.orders_city": 90})
    assert disk.predicted_bytes(small, change) == 45
    large = replace(small, evidence={"size_bytes.orders_city": 50, "held_bytes.orders_city": 90})
    assert disk.predicted_bytes(large, change) == 50
