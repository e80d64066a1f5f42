"""Definitions are read as the server writes them, and nothing is guessed."""

from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trimtab.model.change import quote_identifier
from trimtab.validate.definition import IndexShape, Key, shape_of_index, shape_of_tail

from .catalogue import index

_names = st.text(min_size=1, max_size=8).filter(lambda name: "\0" not in name)
_keys = st.builds(Key, _names, st.booleans(), st.booleans())


def written(shape: IndexShape) -> str:
    keys = ", ".join(
        quote_identifier(key.column)
        + (" DESC" if key.is_descending else "")
        + (" NULLS FIRST" if key.is_nulls_first else " NULLS LAST")
        for key in shape.keys
    )
    include = ", ".join(map(quote_identifier, shape.include_columns))
    return f"USING {shape.method} ({keys})" + (f" INCLUDE ({include})" if include else "")


@given(st.lists(_keys, min_size=1, max_size=4), st.lists(_names, max_size=3))
def test_what_is_written_is_read(keys: list[Key], include: list[str]) -> None:
    shape = IndexShape("btree", tuple(keys), tuple(include))
    assert shape_of_tail(written(shape)) == shape


@given(st.text(max_size=60))
def test_any_text_is_read_or_refused_never_a_fault(text: str) -> None:
    for tail in (text, "USING btree (" + text, "USING btree (a) " + text):
        shape = shape_of_tail(tail)
        assert shape is None or shape.keys


@pytest.mark.parametrize(
    "tail",
    ["", "USING", "USING btree", "USING btree ()", "USING btree (a", "USING btree (a,)", "USING btree (a + b)",
     'USING btree ("")', "btree (a)", "(a)", "USING btree ((SELECT 1))", "USING btree (lower(a)) /* */"],
)  # fmt: skip
def test_what_is_no_list_of_columns_is_not_read(tail: str) -> None:
    assert shape_of_tail(tail) is None


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("USING btree (lower(a))", "USING btree ((lower((a))))"),
        ("USING btree ((a || 'x')) WHERE (b > 1)", "USING btree (((a) || 'x')) WHERE b > 1"),
        ("USING brin (a) WITH (pages_per_range = 16)", "USING brin (a) WITH (pages_per_range='16')"),
        ("USING gin (a public.gin_trgm_ops)", 'USING gin ("a" gin_trgm_ops)'),
        ('USING btree ("a") WHERE ("b" IS NULL) AND (c)', "USING btree (a) WHERE ((b IS NULL) AND c)"),
    ],
)
def test_one_index_has_one_shape_however_it_is_written(one: str, other: str) -> None:
    assert shape_of_tail(one) is not None
    assert shape_of_tail(one) == shape_of_tail(other)


def test_expressions_and_predicates_say_which_columns_they_read() -> None:
    shape = shape_of_tail('USING btree (lower("E m"), b) WHERE c = 1')
    assert shape is not None
    assert shape.key_columns == ("", "b")
    assert shape.read_columns == {"E m", "c"}
    assert not shape.is_plain


def test_quoted_keywords_are_names() -> None:
    assert shape_of_tail('USING btree ("desc" DESC, "nulls")') == IndexShape(
        "btree", (Key("desc", True, True), Key("nulls"))
    )


def test_what_follows_is_kept() -> None:
    shape = shape_of_tail("USING btree (a) WHERE (b > 1)")
    assert shape is not None
    assert shape.predicate == "b > 1"
    assert not shape.is_plain
    more = shape_of_tail("USING btree (a); DROP TABLE t")
    assert more is not None
    assert more.rest == "; DROP TABLE t"


def test_an_index_without_a_tail_is_known_by_its_columns() -> None:
    assert shape_of_index(index("i", "a", "b DESC", tail=None)) == shape_of_index(index("i", "a", "b DESC"))


def test_covering_is_by_prefix_order_and_included_columns() -> None:
    short = IndexShape("btree", (Key("a"),), ("x",))
    assert IndexShape("btree", (Key("a"), Key("x"))).covers(short)
    assert IndexShape("btree", (Key("a"), Key("b")), ("x",)).covers(short)
    assert not IndexShape("btree", (Key("a"), Key("b"))).covers(short)
    assert not IndexShape("btree", (Key("a", True, True), Key("x"))).covers(short)
    assert not IndexShape("hash", (Key("a"),), ("x",)).covers(short)


@pytest.fixture(scope="module")
def server_tails() -> Iterator[dict[str, tuple[str, str]]]:
    """What a real server makes of each definition: (asked for, shown by pg_get_indexdef), by index name."""
    import psycopg

    from trimtab.embedded.binaries import Binaries
    from trimtab.embedded.server import Server

    asked = {
        "plain": "USING btree (a)",
        "several": "USING btree (a, b DESC, c)",
        "nulls": "USING btree (a NULLS FIRST, b DESC NULLS LAST)",
        "included": "USING btree (a) INCLUDE (b, c)",
        "odd_names": 'USING btree ("Od""d", "desc" DESC) INCLUDE ("select")',
        "operators": "USING btree (t text_pattern_ops)",
        "collated": 'USING btree (t COLLATE "C" DESC, a)',
        "hashed": "USING hash (a)",
        "stored": "USING btree (a, c) WITH (fillfactor=70)",
        "partial": "USING btree (a) INCLUDE (b) WHERE (t IS NULL) AND (c = 1)",
        "words": "USING btree (lower(t), a DESC) WHERE t <> 'x'::text",
        "summary": "USING brin (a) WITH (pages_per_range = 16)",
        "texts": "USING gin (to_tsvector('simple'::regconfig, t))",
    }
    with Server.create(Binaries.find(), purpose="test-definitions") as server:
        with psycopg.connect(server.dsn("postgres"), autocommit=True) as connection:
            connection.execute('CREATE TABLE t (a int, b int, c int, t text, "Od""d" int, "desc" int, "select" int)')
            shown = {}
            for name, tail in asked.items():
                connection.execute(f"CREATE INDEX {name} ON t {tail}")
                row = connection.execute("SELECT pg_get_indexdef(%s::regclass)", (name,)).fetchone()
                assert row is not None
                shown[name] = (tail, "USING" + str(row[0]).split(" USING", 1)[1])
        yield shown


@pytest.mark.server
def test_the_servers_own_words_are_read_as_what_was_asked_for(server_tails: dict[str, tuple[str, str]]) -> None:
    for name, (asked, shown) in server_tails.items():
        assert shape_of_tail(asked) is not None, name
        ours, theirs = (shape_of_index(index(name, "a", tail=tail)) for tail in (asked, shown))
        assert ours == theirs, name
