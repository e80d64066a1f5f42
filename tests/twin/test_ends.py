"""Beyond a histogram's end: the twin knows the ends that the source's indexes have, or says that it does not."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trimtab.db.connection import Connection, connect
from trimtab.embedded.binaries import Binaries
from trimtab.embedded.server import Server
from trimtab.model.change import CreateIndex, DropIndex
from trimtab.model.plan import Plan
from trimtab.twin.build import build, refresh
from trimtab.twin.capture import Image, read_image
from trimtab.twin.image import load, save
from trimtab.twin.leaf_entries import Key, keys_of, set_ends
from trimtab.twin.pages import PAGE_BYTES, set_btree_height, set_length
from trimtab.twin.twin import Twin

from .conftest import SYSTEM_BIN
from .shop import query, silent

SCHEMA = """
CREATE TYPE mood AS ENUM ('a', 'b', 'c', 'd', 'e', 'f', 'g', 'h');
CREATE DOMAIN count AS int CHECK (VALUE >= 0);
CREATE TABLE log (id bigint PRIMARY KEY, at timestamptz NOT NULL, name text, code char(9), price numeric(12, 2),
                  day date, tone mood, seen count, tag uuid, words text[], note text);
CREATE FUNCTION fill(int, int) RETURNS void LANGUAGE sql AS $$
  INSERT INTO log SELECT n, timestamptz '2024-01-01 UTC' + n * interval '1 minute', 'name' || lpad(n::text, 9, '0'),
         'c' || n, n * 1.01, date '2000-01-01' + n / 20, (array['a', 'b', 'c', 'd', 'e', 'f', 'g'])[1 + n % 7]::mood,
         CASE WHEN n % 5 > 0 THEN n END, md5(n::text)::uuid, array['w' || n], 'n' || n
    FROM generate_series($1, $2) n $$;
SELECT fill(1, 40000);
CREATE INDEX log_at ON log (at DESC);
CREATE INDEX log_name ON log (name, code) INCLUDE (price);
CREATE INDEX log_code ON log (code);
CREATE INDEX log_price ON log (price) WITH (fillfactor = 60);
CREATE INDEX log_day ON log (day, at DESC);
CREATE INDEX log_tone ON log (tone);
CREATE INDEX log_seen ON log (seen, name);
CREATE INDEX log_tag ON log (tag);
CREATE INDEX log_words ON log (words);
CREATE INDEX log_some ON log (note) WHERE id < 100;
VACUUM ANALYZE log;
"""
QUERIES = (
    "SELECT * FROM log WHERE id > 41000",
    "SELECT * FROM log WHERE id < -5",
    "SELECT * FROM log WHERE at > timestamptz '2024-01-29 UTC'",
    "SELECT * FROM log WHERE at BETWEEN timestamptz '2024-01-29 UTC' AND timestamptz '2024-01-30 UTC' ORDER BY at",
    "SELECT * FROM log WHERE name >= 'name000043000'",
    "SELECT * FROM log WHERE code > 'c99'",
    "SELECT * FROM log WHERE price > 43000.5 AND price < 44000",
    "SELECT * FROM log WHERE day > date '2005-09-01'",
    "SELECT * FROM log WHERE seen > 44000",
    "SELECT * FROM log WHERE tone > 'g'",
    "SELECT * FROM log WHERE tag > 'fffe0000-0000-0000-0000-000000000000'",
    "SELECT count(*) FROM log a JOIN log b ON a.id = b.seen WHERE a.id > 43000",
)


def _run(dsn: str, *texts: str) -> None:
    with closing(connect(dsn, read_only=False)) as connection:
        for text in texts:
            connection.execute(text.encode())


OLDER_TOO = pytest.mark.parametrize(
    "grown", ["source", pytest.param("older_source", marks=pytest.mark.system_postgres)], indirect=True
)


@pytest.fixture
def grown(request: pytest.FixtureRequest) -> Iterator[tuple[str, Binaries]]:
    """A database with rows at the ends that ANALYZE has not seen, and the programs of its version."""
    which = getattr(request, "param", "source")
    server: Server = request.getfixturevalue(which)
    _run(server.dsn(), "CREATE DATABASE grown")
    dsn = server.dsn("grown")
    try:
        _run(dsn, *SCHEMA.split("\nVACUUM")[:1], "VACUUM ANALYZE log", "SELECT fill(40001, 45000)",
             "INSERT INTO log (id, at, tone) VALUES (-9, '2023-01-01', 'h')")  # fmt: skip
        yield dsn, Binaries.find() if which == "source" else Binaries.find(SYSTEM_BIN)
    finally:
        _run(server.dsn(), "DROP DATABASE grown WITH (FORCE)")


def _costs(dsn: str, twin: Twin, texts: Sequence[str] = QUERIES) -> list[tuple[float | None, float | None, str]]:
    with closing(connect(dsn, read_only=True)) as session:
        found = twin.fidelity(session, [query(text) for text in texts]).queries
    return [(one.source_cost, one.twin_cost, one.reason) for one in found]


def _image(dsn: str, *, with_ends: bool = True, with_values: bool = True) -> Image:
    return read_image(dsn, Binaries.find(), with_ends=with_ends, with_values=with_values, progress=silent)


@pytest.mark.server
@OLDER_TOO
def test_costs_beyond_the_histogram_are_those_of_the_source(grown: tuple[str, Binaries], tmp_path: Path) -> None:
    dsn, binaries = grown
    image = _image(dsn)
    assert {one.column for one in image.source.ends} == {
        "id",
        "at",
        "name",
        "code",
        "price",
        "day",
        "seen",
        "tag",
    }  # fmt: skip - an enum of few values has no histogram, and arrays are not asked
    save(image, tmp_path / "grown.twin")
    assert load(tmp_path / "grown.twin") == image
    assert Image.from_dict(image.to_dict()) == image
    with Twin.open(build(image, binaries, progress=silent)) as twin:
        for (mine, theirs, reason), text in zip(_costs(dsn, twin), QUERIES, strict=True):
            assert (mine, reason) == (theirs, ""), text


SKEWED = """
CREATE TABLE skewed AS SELECT n AS id, CASE WHEN n % 4 = 0 THEN 0 ELSE 1000000 + n END AS v, n % 100 AS few,
       CASE WHEN n % 3 = 0 THEN date '9999-12-31' ELSE date '2020-01-01' + n % 700 END AS until,
       nullif(-n, -7) AS low, nullif(n, 7) AS high, repeat('x', n % 30) AS note FROM generate_series(1, 60000) n;
CREATE INDEX ON skewed (id);
CREATE INDEX ON skewed (v);
CREATE INDEX ON skewed (until);
CREATE INDEX ON skewed (low DESC NULLS LAST);
CREATE INDEX ON skewed (high NULLS FIRST, note);
"""
SKEWED_QUERIES = (
    "SELECT * FROM skewed WHERE id > 60001",
    "SELECT * FROM skewed WHERE id < 0",
    "SELECT * FROM skewed WHERE id > 59995",
    "SELECT count(*) FROM skewed a JOIN skewed b ON a.id = b.id WHERE a.id > 60001",
    "SELECT * FROM skewed WHERE v BETWEEN 1 AND 1000500",
    "SELECT * FROM skewed WHERE until BETWEEN date '2022-09-10' AND date '2022-12-30'",
    "SELECT * FROM skewed WHERE low > 0",
    "SELECT * FROM skewed WHERE high > 60001",
)


@pytest.mark.server
@OLDER_TOO
def test_costs_at_the_ends_are_those_of_the_source_wherever_nulls_and_common_values_stand(
    grown: tuple[str, Binaries],
) -> None:
    dsn, binaries = grown
    _run(dsn, SKEWED)
    _run(dsn, "VACUUM ANALYZE skewed")
    _run(dsn, "INSERT INTO skewed SELECT n, n, n, NULL, -n, n FROM generate_series(60001, 60100) n")
    wider = CreateIndex("public", "skewed", "skewed_wider", "(until, few)", ("until", "few"))
    with Twin.open(build(_image(dsn), binaries, progress=silent)) as twin:
        for (mine, theirs, reason), text in zip(_costs(dsn, twin, SKEWED_QUERIES), SKEWED_QUERIES, strict=True):
            assert (mine, reason) == (theirs, ""), text
        [[added]] = twin.what_if([query(SKEWED_QUERIES[5])], [(wider,)])
    _run(dsn, "CREATE INDEX skewed_wider ON skewed (until, few)")
    with closing(connect(dsn, read_only=True)) as session:
        real = _explained(session, SKEWED_QUERIES[5])
    assert isinstance(added, Plan)
    assert added.cost == pytest.approx(real, rel=0.002), "it has the ends of the one that is there"


@pytest.mark.server
def test_where_ends_are_not_known_the_reason_is_told(grown: tuple[str, Binaries]) -> None:
    dsn, binaries = grown
    image = _image(dsn, with_ends=False)
    assert (image.source.ends, image.source.unknown_ends) == ((), (("public", "log"),))
    with Twin.open(build(image, binaries, progress=silent)) as twin:
        different = [one for one in _costs(dsn, twin) if one[0] != pytest.approx(one[1], rel=0.01)]
    assert len(different) >= 5
    assert all("of public.log the twin does not know all ends" in reason for *_, reason in different)


@pytest.mark.server
def test_without_values_no_end_is_read(grown: tuple[str, Binaries]) -> None:
    dsn, _ = grown
    image = _image(dsn, with_values=False)
    assert (image.source.ends, image.source.unknown_ends) == ((), (("public", "log"),))


@pytest.mark.server
def test_a_refresh_brings_the_ends_up_to_date(grown: tuple[str, Binaries]) -> None:
    dsn, binaries = grown
    old = _image(dsn)
    _run(dsn, "SELECT fill(45001, 50000)")
    new = _image(dsn)
    done = refresh(build(old, binaries, progress=silent), old, new)
    assert done.built is not None
    with Twin.open(done.built) as twin:
        assert [(mine, reason) for mine, _, reason in _costs(dsn, twin)] == [(t, "") for _, t, _ in _costs(dsn, twin)]
    # ANALYZE takes a sample, 300 rows times the target: here all. A smaller one may miss all three tags beyond 'fffe'.
    _run(dsn, "SET default_statistics_target = 200", "VACUUM ANALYZE log")
    analysed = _image(dsn)
    with Twin.open(build(old, binaries, progress=silent)) as twin:
        twin.restate(analysed.source)
        assert [(mine, reason) for mine, _, reason in _costs(dsn, twin)] == [(t, "") for _, t, _ in _costs(dsn, twin)]


@pytest.mark.server
def test_a_hypothetical_index_has_the_ends_of_the_one_that_is_there(grown: tuple[str, Binaries]) -> None:
    dsn, binaries = grown
    asked = query("SELECT * FROM log WHERE name >= 'name000044000' AND note IS NOT NULL")
    wider = CreateIndex("public", "log", "log_wider", "(name DESC, note, day)", ("name", "note", "day"))
    drop = DropIndex("public", "log", "log_name", "(name, code) INCLUDE (price)", ("name", "code"))
    with Twin.open(build(_image(dsn), binaries, progress=silent)) as twin:
        twin.sample_from(dsn)
        [[added], [instead]] = twin.what_if([asked], [(wider,), (wider, drop)])
        _run(dsn, "CREATE INDEX log_wider ON log (name DESC, note, day)")
        with closing(connect(dsn, read_only=True)) as session:
            real = _explained(session, asked.text)
        _run(dsn, "DROP INDEX log_name")
        with closing(connect(dsn, read_only=True)) as session:
            alone = _explained(session, asked.text)
    assert isinstance(added, Plan)
    assert isinstance(instead, Plan)
    assert instead.indexes == {"log_wider"}
    assert added.cost == pytest.approx(real, rel=0.002)
    assert instead.cost == pytest.approx(alone, rel=0.002)


def _explained(session: Connection, text: str) -> float:
    row = session.execute(f"EXPLAIN (FORMAT JSON) {text}".encode()).fetchone()
    assert row is not None
    return float(row[0][0]["Plan"]["Total Cost"])


KEYS = st.lists(st.builds(Key, st.binary(min_size=1, max_size=900), st.booleans()), max_size=2)


@given(KEYS, st.integers(0, 5), st.integers(1, 32), st.booleans())
def test_what_is_written_into_a_leaf_is_read_back(
    tmp_path_factory: pytest.TempPathFactory, keys: list[Key], level: int, attributes: int, is_descending: bool
) -> None:
    path = _index(tmp_path_factory.mktemp("leaf") / "1", level)
    set_ends(path, keys, attributes=attributes, is_descending=is_descending)
    found = keys_of(path)
    # The entry ends at a multiple of eight bytes.
    padded = [replace(key, data=key.data + b"\0" * (-len(key.data) % 8)) for key in keys]
    assert found == (padded[::-1] if is_descending else padded)


def _index(path: Path, level: int) -> Path:
    page = bytearray(PAGE_BYTES)
    page[24:32] = (0x053162).to_bytes(4, "little") + (4).to_bytes(4, "little")
    path.write_bytes(page)
    set_length(path, 9)
    set_btree_height(path, level)
    return path
