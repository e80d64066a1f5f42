"""Hypothetical indexes of every access method, on expressions and on partitioned tables, against the real ones."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing

import pytest

from trimtab.db.connection import Connection, connect
from trimtab.db.explain import explain
from trimtab.embedded.binaries import Binaries
from trimtab.embedded.server import Server
from trimtab.model.change import CreateIndex, DropIndex
from trimtab.model.plan import Plan
from trimtab.twin.sample import SourceSample
from trimtab.twin.twin import Twin

from .shop import query, silent, snapshot
from .test_size_methods import DATA

pytestmark = pytest.mark.server

ROWS = 25_000  # ANALYZE reads them all: its statistics are the same each time.
PARTS = """
CREATE TABLE log (at date NOT NULL, kind int, word text, tags int[]) PARTITION BY RANGE (at);
CREATE TABLE log_2023 PARTITION OF log FOR VALUES FROM ('2023-01-01') TO ('2024-01-01');
CREATE TABLE log_2024 PARTITION OF log FOR VALUES FROM ('2024-01-01') TO ('2025-01-01') PARTITION BY LIST (kind);
CREATE TABLE log_2024_low PARTITION OF log_2024 FOR VALUES IN (0, 1, 2, 3, 4, 5, 6);
CREATE TABLE log_2024_high PARTITION OF log_2024 DEFAULT;
CREATE INDEX log_kind ON log (kind, at);
INSERT INTO log SELECT date '2023-01-01' + n % 700, n % 40, 'w' || n % 900, array[n % 50, n % 600]
  FROM generate_series(1, 40000) n;
CREATE INDEX log_2023_word ON log_2023 (word);
CREATE TABLE keyed (id int PRIMARY KEY, code text UNIQUE, note text);
INSERT INTO keyed SELECT n, 'c' || n, 'x' FROM generate_series(1, 20000) n
"""
PAIRS = (
    ("mixed", "USING hash (mail)", "SELECT * FROM mixed WHERE mail = 'user17'"),
    ("mixed", "USING hash (third)", "SELECT a.id FROM mixed a JOIN mixed b ON b.third = a.id WHERE a.id < 3"),
    ("mixed", "USING gin (tags)", "SELECT id FROM mixed WHERE tags @> '{31,62}'"),
    ("mixed", "USING gin (words)", "SELECT id FROM mixed WHERE words @> '{tag400}'"),
    ("mixed", "USING gin (words)", "SELECT id FROM mixed WHERE words && '{tag399,tag77}'"),
    ("mixed", "USING gin (body)", "SELECT id FROM mixed WHERE body @@ 'w300 & w17'"),
    ("mixed", "USING gin (body)", "SELECT id FROM mixed WHERE body @@ 'w899:*'"),
    ("mixed", "USING gin (document)", "SELECT id FROM mixed WHERE document @> '{\"user\": \"u17\"}'"),
    ("mixed", "USING gin (document jsonb_path_ops)", "SELECT id FROM mixed WHERE document @> '{\"n\": 5}'"),
    ("mixed", "USING gin (name gin_trgm_ops)", "SELECT id FROM mixed WHERE name LIKE '%abcdef%'"),
    ("mixed", "USING gin (to_tsvector('simple', name))",
     "SELECT id FROM mixed WHERE to_tsvector('simple', name) @@ '17'"),
    ("mixed", "USING gist (area)", "SELECT id FROM mixed WHERE area && '((5,5),(90,90))'"),
    ("mixed", "USING gist (place)", "SELECT id FROM mixed ORDER BY place <-> '(5,5)' LIMIT 5"),
    ("mixed", "USING gist (during)", "SELECT id FROM mixed WHERE during @> timestamptz '2024-01-03 UTC'"),
    ("mixed", "USING spgist (hash)", "SELECT id FROM mixed WHERE hash = 'x'"),
    ("mixed", "USING brin (at) WITH (pages_per_range = 4)",
     "SELECT id FROM mixed WHERE at BETWEEN '2024-01-03 UTC' AND '2024-01-04 UTC'"),
    ("mixed", "USING brin (hash) WITH (pages_per_range = 1)", "SELECT id FROM mixed WHERE hash = 'x'"),
    ("mixed", "(lower(mail))", "SELECT * FROM mixed WHERE lower(mail) = 'user17'"),
    ("mixed", "(lower(mail))", "SELECT * FROM mixed WHERE lower(mail) BETWEEN 'user17' AND 'user19'"),
    ("mixed", "(((document ->> 'n')::int))", "SELECT * FROM mixed WHERE (document ->> 'n')::int = 50"),
    ("mixed", "((gaps + 1), third)", "SELECT * FROM mixed WHERE gaps + 1 = 5 AND third < 20"),
    ("mixed", "((id / 100)) WHERE thousand % 7 = 1",
     "SELECT * FROM mixed WHERE thousand % 7 = 1 AND id / 100 BETWEEN 3 AND 5"),
    ("mixed", "(thousand, third)", "SELECT id FROM mixed WHERE thousand = 5 AND third = 1"),
    ("log", "(word)", "SELECT * FROM log WHERE word = 'w17' AND at > '2023-10-05'"),
    ("log", "(word, kind)", "SELECT count(*) FROM log WHERE word = 'w17'"),
    ("log", "(upper(word))", "SELECT * FROM log WHERE upper(word) = 'W17' AND at < '2024-01-01'"),
    ("log", "USING gin (tags)", "SELECT * FROM log WHERE tags @> '{77}' AND kind = 3"),
    ("log_2024", "(at, word)", "SELECT * FROM log WHERE at = '2024-03-03'"),
    ("log", "USING brin (at) WITH (pages_per_range = 4)", "SELECT * FROM log WHERE at = '2024-03-03' AND kind < 9"),
)  # fmt: skip

# Without any, ANALYZE has nothing to add to what it said of the columns.
HAS_EXPRESSIONS = "SELECT 1 FROM pg_index WHERE indexrelid = $1::regclass AND indexprs IS NOT NULL"


@pytest.fixture(scope="module")
def many(_own_places: None) -> Iterator[Server]:
    with Server.create(Binaries.find(), purpose="twin-tests") as server:
        with closing(connect(server.dsn(), read_only=False)) as connection:
            for text in (DATA.format(rows=ROWS), PARTS, "VACUUM ANALYZE"):
                for statement in text.split(";\n"):
                    connection.execute(statement.encode())
        yield server


@pytest.fixture(scope="module")
def many_twin(many: Server) -> Iterator[Twin]:
    with closing(connect(many.dsn(), read_only=True)) as connection:
        facts = snapshot(connection)
    with Twin.build(many.dsn(), facts, Binaries.find(), progress=silent) as twin:
        twin._indexes._sample = SourceSample(many.dsn())
        yield twin


@pytest.fixture
def source_session(many: Server) -> Iterator[Connection]:
    with closing(connect(many.dsn(), read_only=False)) as connection:
        yield connection


def changes() -> list[CreateIndex]:
    return [CreateIndex("public", table, f"tried_{n}", tail, ()) for n, (table, tail, _) in enumerate(PAIRS)]


def test_every_method_is_planned_and_costed_as_the_real_index_is(many_twin: Twin, source_session: Connection) -> None:
    wrong, used = {}, 0
    for change, (_, tail, text) in zip(changes(), PAIRS, strict=True):
        [[expected]] = many_twin.what_if([query(text)], [(change,)])
        with source_session.transaction(force_rollback=True):
            source_session.execute(change.sql(concurrently=False).encode())
            if source_session.execute(HAS_EXPRESSIONS, (change.name,)).fetchone():
                source_session.execute(f"ANALYZE {change.table}".encode())
            real = explain(source_session, query(text))
        assert isinstance(expected, Plan), (tail, many_twin._indexes.refusal(change), expected)
        # In partitions too, it is called by the change's name.
        assert not any(name.startswith("trimtab") for name in expected.indexes)
        used += any(name.startswith(("tried", "log")) for name in real.indexes)
        names = [{"real" if n.startswith(("tried", "log")) else n for n in plan.indexes} for plan in (expected, real)]
        if names[0] != names[1] or abs(expected.cost / real.cost - 1) > 0.01:
            wrong[tail, text] = (expected.cost, real.cost, expected.indexes, real.indexes)
    assert wrong == {}
    assert used >= 20


def test_the_size_of_a_partitioned_index_is_that_of_all_its_parts(many_twin: Twin, source_session: Connection) -> None:
    for change in changes():
        if change.table != "log":
            continue
        [size] = many_twin.size_bytes([change])
        with source_session.transaction(force_rollback=True):
            source_session.execute(change.sql(concurrently=False).encode())
            row = source_session.execute(
                "select sum(pg_relation_size(relid)) from pg_partition_tree($1::regclass)"
                " where relid <> 'log_2023_word'::regclass",
                (change.name,),
            ).fetchone()
        assert row is not None
        assert size is not None
        assert 0.7 <= size / float(row[0]) <= 1.4, change.tail


def test_an_existing_partitioned_index_is_hidden_with_all_its_parts(many_twin: Twin) -> None:
    text = "SELECT * FROM log WHERE kind = 3 AND at = '2023-05-05'"
    drop = DropIndex("public", "log", "log_kind", "(kind, at)", ("kind", "at"))
    [[before], [after], [again]] = many_twin.what_if([query(text)], [(), (drop,), ()])
    assert isinstance(before, Plan)
    assert isinstance(after, Plan)
    assert before.indexes
    assert not after.indexes
    assert again == before


def test_a_partition_s_own_index_is_not_taken_for_a_part_of_a_hypothetical_one(many_twin: Twin) -> None:
    """CREATE INDEX on the parent adopts it; hiding the hypothetical index must not hide it."""
    text = "SELECT * FROM log_2023 WHERE word = 'w17'"
    [[before]] = many_twin.what_if([query(text)], [()])
    change = CreateIndex("public", "log", "adopting", "(word)", ("word",))
    many_twin.size_bytes([change])
    many_twin._cache.clear()
    [[after]] = many_twin.what_if([query(text)], [()])
    assert isinstance(before, Plan)
    assert before.indexes == {"log_2023_word"}
    assert before == after


def test_the_index_of_a_constraint_can_be_hidden(many_twin: Twin) -> None:
    drops = [DropIndex("public", "keyed", name, "", ()) for name in ("keyed_pkey", "keyed_code_key")]
    texts = ["SELECT * FROM keyed WHERE id = 5", "SELECT id, count(*), note FROM keyed GROUP BY id",
             "SELECT k.id FROM keyed k LEFT JOIN keyed o ON o.code = k.note WHERE k.id = 7"]  # fmt: skip
    before, hidden, after = many_twin.what_if([query(t) for t in texts], [(), tuple(drops), ()])
    assert before == after
    assert all(isinstance(plan, Plan) for plan in hidden)
    first, last = hidden[0], hidden[2]
    assert isinstance(first, Plan)
    assert isinstance(last, Plan)
    assert not first.indexes
    # The join to unique rows went away while their index was there.
    assert "o" not in str(before[2]) or last.cost > getattr(before[2], "cost", 0)


def test_one_refused_index_does_not_keep_others_from_being_made(many_twin: Twin) -> None:
    wanted = [
        CreateIndex("public", "mixed", "refused_class", "USING gin (id no_such_ops)", ()),
        CreateIndex("public", "mixed", "refused_method", "USING nowhere (id)", ()),
        CreateIndex("public", "mixed", "refused_function", "(no_such_function(id))", ()),
        CreateIndex("public", "mixed", "refused_volatile", "((random() + id))", ()),
        CreateIndex("public", "mixed", "refused_second", "(id); DROP TABLE keyed", ()),
        CreateIndex("public", "mixed", "accepted", "(id, flag)", ()),
    ]
    sizes = many_twin.size_bytes(wanted)
    assert sizes[:-1] == [None] * 5
    assert sizes[-1] is not None
    assert all(many_twin._indexes.refusal(change) for change in wanted[:-1])
    [[plan]] = many_twin.what_if([query("SELECT * FROM keyed WHERE id = 5")], [tuple(wanted)])
    assert isinstance(plan, Plan)


def test_without_a_sample_the_notes_say_so(many_twin: Twin) -> None:
    told = CreateIndex("public", "mixed", "told", "(mail)", ())
    guessed = CreateIndex("public", "mixed", "guessed", "(upper(mail))", ())
    sample, many_twin._indexes._sample = many_twin._indexes._sample, None
    try:
        assert None not in many_twin.size_bytes([told, guessed])
    finally:
        many_twin._indexes.sample_from(sample)
    assert many_twin._indexes.notes(told) == ()
    [note] = many_twin._indexes.notes(guessed)
    assert "no sample of the source" in note


def test_what_the_source_refuses_is_told_and_not_guessed(many_twin: Twin, many: Server) -> None:
    change = CreateIndex("public", "mixed", "unreachable", "(upper(hash))", ())
    slow = CreateIndex("public", "mixed", "slow", "(reverse(hash))", ())
    sample = many_twin._indexes._sample
    try:
        many_twin._indexes._sample = SourceSample("host=/nowhere dbname=x")
        assert many_twin.size_bytes([change]) != [None]
        many_twin._indexes._sample = SourceSample(many.dsn(), timeout_ms=1)
        assert many_twin.size_bytes([slow]) != [None]
    finally:
        many_twin._indexes.sample_from(sample)
    for index in (change, slow):
        [note] = many_twin._indexes.notes(index)
        assert note.startswith("not sampled: ")
