"""Sizes where statistics tell nothing: tables that nobody analysed, empty ones, and texts whose trigrams repeat."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing

import pytest

from trimtab.db.connection import connect
from trimtab.embedded.binaries import Binaries
from trimtab.embedded.server import Server
from trimtab.model.change import CreateIndex
from trimtab.twin.build import build
from trimtab.twin.capture import read_image
from trimtab.twin.twin import Twin

from .shop import silent

pytestmark = pytest.mark.server

DATA = """
CREATE EXTENSION pg_trgm;
CREATE EXTENSION bloom;
CREATE TABLE fresh AS SELECT n AS id, n % 300 AS few, 'name' || n AS name, md5(n::text) AS hash,
       CASE WHEN n % 3 = 0 THEN n END AS part FROM generate_series(1, 60000) n;
CREATE TABLE nothing (id int, name text);
CREATE TABLE gone AS SELECT n AS id, 'n' || n AS name FROM generate_series(1, 1000) n;
DELETE FROM gone;
CREATE TABLE texts AS SELECT repeat('lorem ipsum dolor ', 1 + n % 12) AS again,
       lpad('', 5 + n % 40, 'abcdefghij') AS round, md5(n::text) AS short,
       CASE WHEN n % 2 = 0 THEN md5(n::text) END AS gaps,
       md5(n::text) || ' ' || md5((2 * n)::text) || ' ' || left(md5((3 * n)::text), n % 32) AS between,
       md5(n::text) || md5((2 * n)::text) || md5((3 * n)::text) || md5((5 * n)::text) AS long,
       md5((n % 5)::text) AS few
  FROM generate_series(1, 15000) n
"""
TREES = ("(id)", "(few)", "(name)", "(hash)", "(part)", "(name, few)", "(id) INCLUDE (hash)", "(lower(name))",
         "(few) WHERE few < 30")  # fmt: skip
OTHERS = ("USING hash (name)", "USING hash (few)", "USING brin (id)")
EMPTY = ("(id)", "(name)", "USING gin (name gin_trgm_ops)", "USING hash (id)", "USING brin (id)",
         "USING gist (name gist_trgm_ops)", "USING spgist (name)")  # fmt: skip
TEXTS = tuple(f"USING gist ({column})" for column in (
         "again gist_trgm_ops", "round gist_trgm_ops(siglen=64)", "round gist_trgm_ops", "short gist_trgm_ops",
         "gaps gist_trgm_ops", "between gist_trgm_ops", "long gist_trgm_ops", "long gist_trgm_ops(siglen=64)",
         "few gist_trgm_ops"))  # fmt: skip


def _ratios(dsn: str, table: str, tails: tuple[str, ...], *, with_sample: bool) -> tuple[list[float], list[str]]:
    """Return estimated / real sizes, and the notes; the real indexes are dropped again."""
    changes = [CreateIndex("public", table, f"i{number}", tail, ()) for number, tail in enumerate(tails)]
    with Twin.open(build(read_image(dsn, Binaries.find(), progress=silent), Binaries.find(), progress=silent)) as twin:
        if with_sample:
            twin.sample_from(dsn)
        sizes, notes = twin.size_bytes(changes), [twin.note(change) for change in changes]
    found = []
    with closing(connect(dsn, read_only=False)) as session, session.transaction(force_rollback=True):
        for change, size in zip(changes, sizes, strict=True):
            session.execute(change.sql(concurrently=False).encode())
            row = session.execute("select pg_relation_size($1::regclass)", (change.name,)).fetchone()
            assert row is not None
            assert size is not None
            found.append(size / row[0])
    return found, notes


@pytest.fixture(scope="module")
def dsn(source: Server) -> Iterator[str]:
    with closing(connect(source.dsn(), read_only=False)) as connection:
        connection.execute(b"CREATE DATABASE unknown")
    dsn = source.dsn("unknown")
    with closing(connect(dsn, read_only=False)) as connection:
        connection.execute(DATA.encode())
        connection.execute(b"VACUUM gone")
        connection.execute(b"VACUUM ANALYZE texts")
    yield dsn
    with closing(connect(source.dsn(), read_only=False)) as connection:
        connection.execute(b"DROP DATABASE unknown WITH (FORCE)")


def test_of_a_table_that_nobody_analysed_the_sample_tells_rows_and_widths(dsn: str) -> None:
    trees, _ = _ratios(dsn, "fresh", TREES, with_sample=True)
    assert all(0.87 <= ratio <= 1.15 for ratio in trees), trees
    others, _ = _ratios(dsn, "fresh", OTHERS, with_sample=True)
    assert all(0.7 <= ratio <= 1.4 for ratio in others), others


def test_without_a_sample_it_is_told_that_the_size_is_a_guess(dsn: str) -> None:
    _, notes = _ratios(dsn, "fresh", TREES, with_sample=False)
    assert all("never analysed: a guess" in note for note in notes), notes


@pytest.mark.parametrize("table", ["nothing", "gone"])
@pytest.mark.parametrize("with_sample", [True, False])
def test_an_index_on_an_empty_table_has_the_pages_of_an_empty_one(dsn: str, table: str, with_sample: bool) -> None:
    ratios, _ = _ratios(dsn, table, EMPTY, with_sample=with_sample)
    assert ratios == [1.0] * len(EMPTY)


def test_trigrams_of_a_gist_index_are_counted_and_not_taken_from_the_length(dsn: str) -> None:
    counted, _ = _ratios(dsn, "texts", TEXTS, with_sample=True)
    guessed, _ = _ratios(dsn, "texts", TEXTS, with_sample=False)
    assert all(0.7 <= ratio <= 1.4 for ratio in counted), counted
    assert guessed[0] > 2


def test_an_access_method_of_an_extension_is_refused_by_name(dsn: str) -> None:
    blooming = CreateIndex("public", "fresh", "blooming", "USING bloom (id, few)", ("id", "few"))
    with Twin.open(build(read_image(dsn, Binaries.find(), progress=silent), Binaries.find(), progress=silent)) as twin:
        assert twin.size_bytes([blooming]) == [None]
        assert "no model of the size of bloom indexes" in (twin.refusal(blooming) or "")
