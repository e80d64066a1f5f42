"""The loader picks the text for the server's version, and every catalog query that exists can be prepared."""

from __future__ import annotations

import pytest

from trimtab.db import queries
from trimtab.db.connection import Connection


def test_the_newest_text_that_the_server_knows_is_chosen(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        queries, "_variants", lambda: {"a": {0: "old", 140000: "mid", 170000: "new"}, "b": {160000: "x"}}
    )
    assert [queries.load("a", version) for version in (130004, 140000, 160009, 180001)] == ["old", "mid", "mid", "new"]
    assert queries.load("b", 160000) == "x"
    with pytest.raises(KeyError):
        queries.load("b", 150003)
    with pytest.raises(KeyError):
        queries.load("c", 150003)


def test_every_query_says_that_it_is_ours() -> None:
    assert queries.names()
    assert all("trimtab" in queries.load(name, 999999).partition("\n")[0] for name in queries.names())


def test_a_file_name_gives_the_name_and_the_first_version() -> None:
    match = queries._FILE.fullmatch("tables_post_140000.sql")
    assert match is not None
    assert (match["name"], match["since"]) == ("tables", "140000")


def test_the_lock_queries_are_known_to_every_version(conn: Connection) -> None:
    version = conn.info.server_version
    for name in ("lock_database", "unlock_database", "lock_holder"):
        conn.execute(f"PREPARE checked AS {queries.load(name, version)}".encode())
        conn.execute("DEALLOCATE checked")
