"""Claims about a connection string that leads to more than one server: nothing is changed on one by another's facts."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from trimtab.db import connection as door
from trimtab.db.connection import Connection
from trimtab.errors import SourceError
from trimtab.lifecycle.loop import optimize
from trimtab.lifecycle.recover import resume
from trimtab.lifecycle.request import Request
from trimtab.model.watch import Silent

from .shop import CREATE_STATISTICS, Shop, strategy

pytestmark = pytest.mark.server


@pytest.mark.parametrize("way", ["resume", "optimize"])
def test_a_writing_session_on_another_server_is_refused(shop: Shop, monkeypatch: pytest.MonkeyPatch, way: str) -> None:
    request = Request(conninfo=shop.dsn, ledger_path=shop.ledger_path, apply=True)
    ways: dict[str, Callable[[], object]] = {
        "resume": lambda: resume(shop.dsn, shop.ledger_path, None),
        "optimize": lambda: optimize(request, Silent()),
    }
    shop.enforcer().apply(strategy(CREATE_STATISTICS))
    before, entries = shop.picture(), shop.kinds()
    connect = door.connect

    def misled(conninfo: str, *, read_only: bool, **limits: int) -> Connection:
        return connect(conninfo if read_only else shop.server.dsn("postgres"), read_only=read_only, **limits)

    with monkeypatch.context() as patch:
        patch.setattr(door, "connect", misled)
        with pytest.raises(SourceError) as refused:
            ways[way]()
    assert refused.value.code == "source.another_server"
    assert shop.picture() == before
    assert [kind for kind in shop.kinds() if not kind.startswith("run_")] == entries
    assert [applied.change for applied in resume(shop.dsn, shop.ledger_path, None).reverted] == [CREATE_STATISTICS]


def test_a_server_is_known_by_its_identifier_its_start_and_the_oid_of_the_database(shop: Shop) -> None:
    server = shop.facts().server
    assert server.is_same_as(shop.facts().server)
    assert server.is_same_as(replace(server, system_identifier=None, database="renamed"))
    for other in ({"system_identifier": "7"}, {"started_at": "2026-01-01T00:00:00.000000Z"}, {"database_oid": 1}):
        assert not server.is_same_as(replace(server, **other))
