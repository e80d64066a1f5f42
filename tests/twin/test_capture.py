"""The image of a source: what it holds and what it never does, and that a twin needs nothing else."""

from __future__ import annotations

import errno
import json
import os
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import replace
from typing import Any

import pytest

from trimtab.db.connection import Connection, connect
from trimtab.embedded.account import serving_account
from trimtab.embedded.binaries import Binaries
from trimtab.embedded.places import run_root
from trimtab.embedded.server import Server
from trimtab.errors import LabError
from trimtab.twin import build as builder
from trimtab.twin.build import DATABASE as TWIN_DATABASE
from trimtab.twin.build import Built, build, refresh
from trimtab.twin.capture import Image, read_image
from trimtab.twin.settings import take_over_settings

from .shop import DATABASE, silent

pytestmark = pytest.mark.server

PLANTED = "right-Sesame"


def capture(conninfo: str, *, with_values: bool = True) -> Image:
    return read_image(conninfo, Binaries.find(), with_values=with_values, progress=silent)


@contextmanager
def built(image: Image) -> Iterator[Built]:
    made = build(image, Binaries.find(), progress=silent)
    with made.server:
        yield made


@contextmanager
def session(made: Built) -> Iterator[Connection]:
    with closing(connect(made.server.dsn(TWIN_DATABASE), read_only=False)) as connection:
        assert take_over_settings(connection, made.source) == []
        yield connection


def explained(connection: Connection, text: str) -> dict[str, Any]:
    row = connection.execute(f"EXPLAIN (FORMAT JSON) {text}".encode()).fetchone()
    assert row is not None
    plan: dict[str, Any] = row[0][0]["Plan"]
    return plan


def run(conninfo: str, script: str) -> None:
    with closing(connect(conninfo, read_only=False)) as connection:
        for statement in script.split(";\n"):
            connection.execute(statement.encode())


@pytest.fixture
def scratch(source: Server) -> Iterator[str]:
    """A conninfo of a database of its own, with values that are easy to find again."""
    run(source.dsn(), "CREATE DATABASE scratch")
    conninfo = source.dsn("scratch")
    run(
        conninfo,
        "CREATE TABLE t (id int PRIMARY KEY, word text, tags text[], k int);\n"
        f"INSERT INTO t SELECT n, CASE WHEN n % 2 = 0 THEN '{PLANTED}' ELSE '{PLANTED}' || n END,"
        f" ARRAY['{PLANTED}-tag', 'b'], n % 7 FROM generate_series(1, 20000) n;\n"
        "CREATE INDEX t_word ON t (word);\nCREATE INDEX t_lower ON t (lower(word));\n"
        "CREATE STATISTICS words ON word, k, (upper(word)) FROM t;\n"
        "CREATE TABLE other (id int, k int);\nINSERT INTO other SELECT n, n % 50 FROM generate_series(1, 9000) n;\n"
        "CREATE INDEX other_k ON other (k);\nVACUUM ANALYZE",
    )
    yield conninfo
    run(source.dsn(), "DROP DATABASE scratch WITH (FORCE)")


def test_an_image_survives_being_written_as_plain_values(scratch: str) -> None:
    image = capture(scratch)
    assert PLANTED in repr(image.to_dict())
    data = image.to_dict()
    schema = data.pop("schema")
    assert Image.from_dict({**json.loads(json.dumps(data)), "schema": schema}) == image
    with pytest.raises(ValueError, match="not those of this version"):
        Image.from_dict({"source": {"version": 1}, "schema": b""})


def test_without_values_no_value_is_in_the_image_and_plans_are_still_made(scratch: str) -> None:
    image = capture(scratch, with_values=False)
    held = repr(image.to_dict())
    assert PLANTED not in held
    assert PLANTED.upper() not in held
    assert not image.source.has_values
    with built(image) as made, session(made) as connection:
        assert any("without values" in problem for problem in made.problems)
        assert explained(connection, "SELECT * FROM t WHERE id = 5")["Index Name"] == "t_pkey"


def test_no_row_of_the_source_is_read_and_none_is_on_the_twin(source: Server, scratch: str) -> None:
    counted = b"select sum(seq_scan), sum(seq_tup_read), sum(idx_scan), sum(idx_tup_fetch) from pg_stat_user_tables"
    with closing(connect(scratch, read_only=False)) as connection:
        others = b"select from pg_stat_activity where datname = current_database() and pid <> pg_backend_pid()"
        while connection.execute(others).fetchone() is not None:  # What made the tables counts until it has ended.
            connection.execute(b"select pg_sleep(0.01)")
        connection.execute(b"select pg_stat_force_next_flush()")
        before = connection.execute(counted).fetchone()
        image = capture(scratch)
        with built(image) as made, session(made) as twin:
            for relation in image.source.relations:
                if relation.kind == "r":
                    path = twin.execute(b"select pg_relation_filepath($1::regclass)", (relation.name,)).fetchone()
                    assert path is not None
                    assert (made.server.data_directory / str(path[0])).read_bytes().strip(b"\0") == b""
        connection.execute(b"select pg_stat_clear_snapshot()")
        assert connection.execute(counted).fetchone() == before


def test_a_twin_needs_its_image_only(source: Server, scratch: str) -> None:
    image = capture(scratch)
    texts = ("SELECT * FROM t WHERE word = 'x' AND k = 3", f"SELECT * FROM t WHERE lower(word) > '{PLANTED.lower()}15'")
    with closing(connect(scratch, read_only=True)) as connection:
        expected = [explained(connection, text) for text in texts]
    with built(image) as made, session(made) as connection:
        assert made.problems == ()
        assert [explained(connection, text) for text in texts] == expected


def test_a_refresh_loads_what_changed_and_gives_the_same_as_a_new_twin(scratch: str) -> None:
    old = capture(scratch)
    texts = ("SELECT * FROM other WHERE k = 3", "SELECT * FROM t WHERE word = 'x' AND k = 3 AND upper(word) = 'X'")
    with built(old) as made:
        same = refresh(made, old, capture(scratch))
        assert same.changed == ()
        assert same.built is not None
        run(scratch, "INSERT INTO other SELECT n, n % 90 FROM generate_series(1, 30000) n;\nVACUUM ANALYZE other")
        new = capture(scratch)
        again = refresh(made, old, new)
        assert set(again.changed) == {("public", "other"), ("public", "other_k")}
        assert again.built is not None
        with closing(connect(scratch, read_only=True)) as connection:
            expected = [explained(connection, text) for text in texts]
        with session(again.built) as connection:
            assert [explained(connection, text) for text in texts] == expected
        run(scratch, "ALTER TABLE other ADD COLUMN x int")
        assert refresh(again.built, new, capture(scratch)).built is None


def test_statistics_objects_are_refreshed_too(scratch: str) -> None:
    old = capture(scratch)
    with built(old) as made:
        run(scratch, "UPDATE t SET k = n.n FROM generate_series(1, 20000) n WHERE n.n = t.id;\nVACUUM FULL ANALYZE t")
        new = capture(scratch)
        again = refresh(made, old, new)
        assert ("public", "words") in again.changed
        assert again.built is not None
        text = "SELECT word, k, count(*) FROM t GROUP BY word, k"
        with closing(connect(scratch, read_only=True)) as connection:
            expected = explained(connection, text)
        with session(again.built) as connection:
            assert explained(connection, text) == expected


def test_costs_of_a_tablespace_reach_the_twin(source: Server, scratch: str) -> None:
    run(
        scratch,
        "SET allow_in_place_tablespaces = on;\nCREATE TABLESPACE \"Slow one\" LOCATION '';\n"
        'ALTER TABLESPACE "Slow one" SET (random_page_cost = 40, seq_page_cost = 7);\n'
        'ALTER INDEX other_k SET TABLESPACE "Slow one";\nALTER TABLE t SET TABLESPACE "Slow one"',
    )
    texts = ("SELECT * FROM t WHERE k = 1", "SELECT * FROM other WHERE k = 3")
    try:
        image = capture(scratch)
        with closing(connect(scratch, read_only=True)) as connection:
            expected = [explained(connection, text) for text in texts]
        with built(image) as made, session(made) as connection:
            assert made.problems == ()
            assert [explained(connection, text) for text in texts] == expected
            # All of it lies within the twin, so that a copy of the directory is a twin.
            places = list((made.server.data_directory / "pg_tblspc").iterdir())
            assert len(places) == 1
            assert not places[0].is_symlink()
    finally:
        run(scratch, "DROP TABLE t, other")
        run(source.dsn(), 'DROP TABLESPACE "Slow one"')


def test_settings_of_other_roles_are_known(scratch: str) -> None:
    run(scratch, "ALTER ROLE reader SET work_mem = '99MB';\nALTER ROLE reader IN DATABASE scratch SET jit = off")
    try:
        image = capture(scratch)
        assert image.source.role_settings == {"reader": {"work_mem": "99MB"}}
        with built(image) as made, closing(connect(made.server.dsn(TWIN_DATABASE), read_only=False)) as connection:
            assert take_over_settings(connection, made.source, "reader") == []
            assert connection.execute(b"SHOW work_mem").fetchone() == ("99MB",)
    finally:
        run(scratch, "ALTER ROLE reader RESET ALL;\nALTER ROLE reader IN DATABASE scratch RESET ALL")


@pytest.mark.parametrize("cut", [20, 200, 2000])
def test_an_archive_that_ends_early_is_told_and_nothing_is_left(source: Server, cut: int) -> None:
    image = capture(source.dsn(DATABASE))
    before = set(run_root(serving_account()).iterdir())
    with pytest.raises(LabError) as caught:
        build(replace(image, schema=image.schema[:cut]), Binaries.find(), progress=silent)
    assert caught.value.code == "twin.restore_failed"
    assert "not whole" in caught.value.next_step
    assert set(run_root(serving_account()).iterdir()) == before


@pytest.mark.parametrize(
    ("number", "code", "helps"),
    [
        (errno.ENOSPC, "twin.no_space", "disk space"),
        (errno.EDQUOT, "twin.no_space", "disk space"),
        (errno.EFBIG, "twin.file_limit", "ulimit -f"),
        (errno.EACCES, "twin.unwritable_files", "may write"),
    ],
)
def test_a_file_that_cannot_be_written_is_told_with_what_helps_and_nothing_is_left(
    source: Server, monkeypatch: pytest.MonkeyPatch, number: int, code: str, helps: str
) -> None:
    def full(*arguments: object, **rest: object) -> None:
        raise OSError(number, os.strerror(number))

    image = capture(source.dsn(DATABASE))
    before = set(run_root(serving_account()).iterdir())
    monkeypatch.setattr("trimtab.twin.estimate.set_btree_height", full)
    with pytest.raises(LabError, match=os.strerror(number)) as caught:
        build(image, Binaries.find(), progress=silent)
    assert (caught.value.code, helps in caught.value.next_step) == (code, True)
    assert set(run_root(serving_account()).iterdir()) == before


def test_a_terabyte_takes_no_disk(scratch: str) -> None:
    image = capture(scratch)
    relations = tuple(
        replace(r, pages=(1 << 40) // 8192, counted_pages=(1 << 40) // 8192, rows=1e10) if r.name == "t" else r
        for r in image.source.relations
    )
    with built(replace(image, source=replace(image.source, relations=relations))) as made, session(made) as twin:
        assert explained(twin, "SELECT * FROM t")["Total Cost"] > (1 << 40) // 8192
        assert made.server.size_bytes() < 200 << 20


def test_what_an_archive_says_is_not_done_as_a_superuser(source: Server, scratch: str) -> None:
    run(
        scratch,
        'CREATE SCHEMA "Own place";\nCREATE EXTENSION hstore SCHEMA "Own place";\nCREATE EXTENSION pg_trgm;\n'
        "CREATE EXTENSION postgres_fdw;\nCREATE SERVER far FOREIGN DATA WRAPPER postgres_fdw;\n"
        'CREATE TABLE bag (h "Own place".hstore, w text);\nCREATE INDEX ON bag USING gin (w gin_trgm_ops);\n'
        "CREATE FUNCTION shell(text) RETURNS int LANGUAGE c AS 'hstore', 'hstore_in'",
    )
    with built(capture(scratch)) as made, session(made) as connection:
        [problem] = made.problems
        assert "FUNCTION public shell(text)" in problem
        assert "permission denied" in problem
        owners = connection.execute(
            b"select distinct r.rolname, r.rolsuper from pg_class c join pg_roles r on r.oid = c.relowner"
            b" where c.relnamespace = 'public'::regnamespace"
        ).fetchall()
        assert owners == [("trimtab_owner", False)]
        explained(connection, "SELECT * FROM bag WHERE w LIKE '%abcd%'")


@pytest.mark.parametrize("moment", ["restore", "store_columns", "file_work"])
def test_a_server_that_is_killed_in_the_middle_is_told_and_nothing_is_left(
    source: Server, monkeypatch: pytest.MonkeyPatch, moment: str
) -> None:
    image = capture(source.dsn(DATABASE))
    before = set(run_root(serving_account()).iterdir())
    real = getattr(builder, moment)
    servers: list[Server] = []
    create = Server.create

    def remembered(*arguments: Any, **rest: Any) -> Server:
        servers.append(create(*arguments, **rest))
        return servers[-1]

    def interrupted(*arguments: Any, **rest: Any) -> Any:
        process = servers[0]._process
        assert process is not None
        process.kill()
        process.wait()
        return real(*arguments, **rest)

    monkeypatch.setattr(Server, "create", remembered)
    monkeypatch.setattr(builder, moment, interrupted)
    with pytest.raises(LabError) as caught:
        build(image, Binaries.find(), progress=silent)
    assert caught.value.code in ("twin.lost", "twin.restore_failed", "embedded.start_failed")
    assert set(run_root(serving_account()).iterdir()) == before


def test_a_restore_that_breaks_off_after_a_refusal_is_told_and_nothing_is_left(source: Server, scratch: str) -> None:
    run(
        scratch,
        "CREATE FUNCTION refused(int, int) RETURNS boolean IMMUTABLE LANGUAGE internal AS 'int4gt';\n"
        "CREATE FUNCTION ends() RETURNS boolean LANGUAGE plpgsql AS $$ BEGIN\n"
        "IF current_user = 'trimtab_owner' THEN PERFORM pg_terminate_backend(pg_backend_pid()); END IF;"
        "RETURN true ; END $$;\n"
        "CREATE DOMAIN ending AS int CHECK (ends());\n"
        "CREATE TABLE last_one (ids ending[] DEFAULT '{1}'::ending[])",
    )
    image = capture(scratch)
    before = set(run_root(serving_account()).iterdir())
    with pytest.raises(LabError) as caught:
        build(image, Binaries.find(), progress=silent)
    assert caught.value.code == "twin.restore_failed"
    assert "server ended" in caught.value.next_step
    assert set(run_root(serving_account()).iterdir()) == before


@pytest.mark.parametrize("which", ["source", pytest.param("older_source", marks=pytest.mark.system_postgres)])
def test_what_select_rights_do_not_show_is_named_and_the_rest_is_exact(
    request: pytest.FixtureRequest, which: str
) -> None:
    server: Server = request.getfixturevalue(which)
    run(server.dsn(), "CREATE DATABASE rights")
    owner = server.dsn("rights")
    try:
        run(
            owner,
            "CREATE TABLE t (id int PRIMARY KEY, word text, r int4range, k int);\n"
            "INSERT INTO t SELECT n, 'w' || n % 90, int4range(n, n + n % 9), n % 7 FROM generate_series(1, 20000) n;\n"
            "CREATE INDEX by_lower ON t (lower(word));\nCREATE STATISTICS tied ON word, k FROM t;\n"
            "CREATE TABLE closed (id int);\nVACUUM ANALYZE;\nGRANT SELECT ON t TO reader",
        )
        conninfo = f"{owner} user=reader"
        image = capture(conninfo)
        told = "\n".join(image.source.problems)
        assert "may not read them: public.closed" in told
        assert "shown to the index's owner only, and missing on the twin: public.by_lower" in told
        assert ("statistics of ranges are shown to superusers only" in told) == (image.source.major < 17)
        assert ("public.tied" in told) != bool(image.source.extended)
        assert image.source.partly_hidden == (("public", "t"),)
        text = "SELECT * FROM t WHERE word = 'w7' ORDER BY id"
        with closing(connect(conninfo, read_only=True)) as connection:
            expected = explained(connection, text)
        made = build(image, server.binaries, progress=silent)
        with made.server, session(made) as connection:
            assert made.problems == image.source.problems
            assert explained(connection, text) == expected
    finally:
        run(server.dsn(), "DROP DATABASE rights WITH (FORCE)")
