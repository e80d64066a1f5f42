"""The size models of every access method against indexes that PostgreSQL really built, with and without a sample."""

from __future__ import annotations

from contextlib import closing

import pytest

from trimtab.db.connection import connect
from trimtab.embedded.binaries import Binaries
from trimtab.embedded.server import Server
from trimtab.model.change import CreateIndex
from trimtab.twin.sample import SourceSample
from trimtab.twin.twin import Twin

from .shop import silent, snapshot

pytestmark = pytest.mark.server

DATA = """
CREATE EXTENSION pg_trgm;
CREATE EXTENSION btree_gin;
CREATE EXTENSION btree_gist;
CREATE TABLE mixed AS SELECT
    n AS id, n / 6 AS parent, n % 1000 AS thousand, (n % 1000) / 3 AS third,
    CASE WHEN n % 4 = 0 THEN n % 77 END AS gaps,
    (power(n % 217, 3))::int % 5000 AS skewed, n::bpchar(12) AS padded, 'user' || (n * 7919) % 40000 AS mail,
    timestamptz '2024-01-01 UTC' + n * interval '1 minute' AS at, date '2000-01-01' + (n * 17) % 2999 AS day,
    md5(n::text) AS hash, md5(n::text)::uuid AS uuid, n::numeric / 7 AS number, n % 2 = 0 AS flag,
    array(SELECT (n * k * 31) % (20 + 700 * k) FROM generate_series(1, 2 + n % 6) k) AS tags,
    array(SELECT 'tag' || floor(500 * power((hashint4(n * 7 + k) & 65535) / 65536.0, 3))
            FROM generate_series(1, n % 5) k) AS words,
    to_tsvector('simple', (SELECT string_agg('w' || floor(9000 * power((hashint4(n * 13 + k) & 65535) / 65536.0, 2)),
                                             ' ') FROM generate_series(1, 5 + n % 20) k)) AS body,
    jsonb_build_object('n', n % 700, 'user', 'u' || n % 9000, 'tags', jsonb_build_array('a', 'b' || n % 30),
                       'deep', jsonb_build_object('x', n % 5, 'y', md5((n / 3)::text))) AS document,
    'Customer ' || md5((n % 30000)::text) || ' street ' || n % 300 AS name,
    box(point(hashint4(n) & 65535, hashint4(n + 1) & 65535),
        point((hashint4(n) & 65535) + n % 40, hashint4(n + 1) & 65535)) AS area,
    point(hashint4(n) & 65535, hashint4(n + 3) & 65535) AS place,
    int4range(hashint4(n) & 65535, (hashint4(n) & 65535) + 1 + n % 50) AS span,
    tstzrange(timestamptz '2024-01-01 UTC' + n * interval '1 minute',
              timestamptz '2024-01-02 UTC' + n * interval '1 minute') AS during,
    ('10.' || n % 250 || '.' || (n / 7) % 250 || '.' || n % 99)::inet AS address
  FROM generate_series(1, {rows}) n;
VACUUM ANALYZE mixed
"""
# Definition, and whether column statistics alone suffice for an estimate within the bounds.
TREES = (
    ("(id)", True),
    ("(parent)", True),
    ("(thousand, third)", False),
    ("(third, thousand, flag)", False),
    ("(gaps, third)", False),
    ("(skewed)", True),
    ("(padded)", True),
    ("(mail)", True),
    ("(mail, day)", True),
    ("(day) INCLUDE (number)", True),
    ("(hash text_pattern_ops)", True),
    ("(uuid, flag)", True),
    ("(number DESC NULLS LAST)", True),
    ("(at) WHERE thousand < 100", True),
    ("(mail) WHERE flag AND thousand % 7 = 1", False),
    ("(thousand) WITH (fillfactor = 60)", True),
    ("(lower(name))", False),
    ("(lower(mail), thousand)", False),
    ("(((document ->> 'n')::int))", False),
    ("((document ->> 'user'), third)", False),
    ("(date_trunc('day', at AT TIME ZONE 'UTC'))", False),
)
OTHERS = (
    ("USING hash (id)", True),
    ("USING hash (mail)", True),
    ("USING hash (third)", True),
    ("USING hash (flag)", True),
    ("USING hash (gaps)", True),
    ("USING hash (uuid) WHERE flag", True),
    ("USING hash (skewed) WITH (fillfactor = 50)", True),
    ("USING gin (tags)", True),
    ("USING gin (words)", True),
    ("USING gin (body)", True),
    ("USING gin (tags, words)", True),
    ("USING gin (document)", False),
    ("USING gin (document jsonb_path_ops)", False),
    ("USING gin (name gin_trgm_ops)", False),
    ("USING gin (mail gin_trgm_ops)", False),
    ("USING gin (to_tsvector('simple', name))", False),
    ("USING gin ((document -> 'tags') jsonb_path_ops)", False),
    ("USING gin (thousand, tags)", True),
    ("USING gin (words) WHERE flag", True),
    ("USING gist (area)", True),
    ("USING gist (place)", True),
    ("USING gist (span)", True),
    ("USING gist (during)", True),
    ("USING gist (name gist_trgm_ops)", True),
    ("USING gist (body)", True),
    ("USING gist (address inet_ops)", True),
    ("USING gist (third, at)", True),
    ("USING spgist (place)", True),
    ("USING spgist (span)", True),
    ("USING spgist (hash)", True),
    ("USING spgist (address)", True),
    ("USING brin (at)", True),
    ("USING brin (at, id) WITH (pages_per_range = 4)", True),
    ("USING brin (hash) WITH (pages_per_range = 2)", True),
    ("USING brin (id int4_bloom_ops) WITH (pages_per_range = 8)", True),
    ("USING brin (day date_minmax_multi_ops) WITH (pages_per_range = 4)", True),
    ("USING brin (span, address inet_inclusion_ops) WITH (pages_per_range = 2)", True),
)


def changes(prefix: str = "size") -> list[CreateIndex]:
    return [CreateIndex("public", "mixed", f"{prefix}_{n}", tail, ()) for n, (tail, _) in enumerate((*TREES, *OTHERS))]


def measured(rows: int) -> tuple[dict[str, float], dict[str, float], dict[str, int]]:
    """The ratios of estimated to real size without and with a sample, and the real pages, by definition."""
    with (
        Server.create(Binaries.find(), purpose="size-tests", settings={"maintenance_work_mem": "128MB"}) as server,
        closing(connect(server.dsn(), read_only=False)) as connection,
    ):
        for statement in DATA.format(rows=rows).split(";\n"):
            connection.execute(statement.encode())
        facts = snapshot(connection)
        estimates = []
        with Twin.build(server.dsn(), facts, Binaries.find(), progress=silent) as twin:
            for sample in (None, SourceSample(server.dsn())):
                twin._indexes.sample_from(sample)
                mine = changes("plain" if sample is None else "sampled")
                estimates.append(twin.size_bytes(mine))
                refused = {c.tail: twin._indexes.refusal(c) for c in mine}
                notes = {c.tail: twin._indexes.notes(c) for c in mine}
                assert {tail: why for tail, why in refused.items() if why} == {}
                assert sample is None or all(note[0].startswith("sampled ") for note in notes.values() if note), notes
        real: dict[str, int] = {}
        for change in changes():
            connection.execute(change.sql(concurrently=False).encode())
            row = connection.execute("select pg_relation_size($1::regclass)", (change.name,)).fetchone()
            assert row is not None
            real[change.tail] = row[0]
    plain, sampled = (
        {c.tail: (size or 0) / real[c.tail] for c, size in zip(changes(), sizes, strict=True)} for sizes in estimates
    )
    return plain, sampled, real


@pytest.fixture(scope="module")
def ratios() -> tuple[dict[str, float], dict[str, float], dict[str, int]]:
    return measured(30_000)


def test_b_trees_are_estimated_within_a_seventh(ratios: tuple[dict[str, float], ...]) -> None:
    plain, sampled, _ = ratios
    found = {tail: sampled[tail] for tail, _ in TREES} | {tail: plain[tail] for tail, is_told in TREES if is_told}
    assert {tail: ratio for tail, ratio in found.items() if not 0.9 <= ratio <= 1.15} == {}


def test_other_methods_are_estimated_within_two_fifths(ratios: tuple[dict[str, float], ...]) -> None:
    plain, sampled, _ = ratios
    found = {tail: sampled[tail] for tail, _ in OTHERS} | {tail: plain[tail] for tail, is_told in OTHERS if is_told}
    assert {tail: ratio for tail, ratio in found.items() if not 0.7 <= ratio <= 1.4} == {}
