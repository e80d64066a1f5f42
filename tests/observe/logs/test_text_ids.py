"""An id that is found without the parser is the id that the parser gives."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from trimtab.observe.logs.text_ids import TextIds, masked, masked_for_sight
from trimtab.observe.text_identity import identity_of

_PIECES = st.sampled_from(
    ["SELECT ", "1", "2.5", "1e5", ".5", "$1", "$2", "a1", "a2", "a$1", "_x9", "é1", "é2", "…3", " FROM t1", " FROM t2",
     " WHERE ", "'x'", "'y''z'", "E'\\''", "e'\\\\'", "E'a'", "N'n'",
     "B'01'", "X'1F'", "0x1F", "1_000", '"a 1"', '"a 2"', '"a""1"',
     "$$d$$", "$q$e'$q$", "$q$", "$", "'", '"', "/* c */",
     "/* /* n */ */", "/*", "*/", "-- l\n", "--", "\n", " ", ",", ", ",
     "(", ")", "=", " = ", "-", "- ", "::float(9)", "::FLOAT(53)", "::float(53)", "::numeric(10,2)",
     "U&'\\0041'", "u&\"b\"", "UESCAPE '!'",
     " IN (1, 2)", " IN (1)", " ORDER BY 1", " ORDER BY 2", " LIMIT 5", " LIMIT ALL", " AS ",
     "interval '1' day", "INSERT INTO t VALUES ",
     "1.", "1..2", "a.b", "a[1:2]", ";", "date '2020-01-01'", "E", "e", "x", "n", "b", "u", "&", "\\"]
)  # fmt: skip
_TEXTS = st.lists(_PIECES, max_size=9).map("".join)


@settings(deadline=None)
@given(st.lists(_TEXTS, min_size=2, max_size=6))
def test_the_id_of_a_masked_text_is_that_of_the_text(texts: list[str]) -> None:
    ids = TextIds()
    for text in texts:
        assert ids.of(text) == identity_of(text)


@settings(deadline=None)
@given(st.lists(_PIECES, max_size=5), _PIECES, _PIECES, st.lists(_PIECES, max_size=3))
def test_texts_with_equal_masks_are_one_query(begin: list[str], one: str, other: str, end: list[str]) -> None:
    first, second = ("SELECT " + "".join([*begin, piece, *end]) for piece in (one, other))
    if masked(first) == masked(second):
        assert identity_of(first).query_id == identity_of(second).query_id


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("SELECT col1 FROM t", "SELECT col2 FROM t"),
        ('SELECT "1" FROM t', 'SELECT "2" FROM t'),
        ("SELECT a::float(9) FROM t", "SELECT a::float(53) FROM t"),
        ("SELECT …1 FROM t", "SELECT …2 FROM t"),
        ("SELECT 'a' FROM t", "SELECT $1 FROM t, u"),
    ],
)
def test_what_is_no_literal_is_never_masked(one: str, other: str) -> None:
    assert masked(one) != masked(other)


def test_literals_and_comments_are_masked_and_the_parser_is_asked_once() -> None:
    texts = [
        f"SELECT v /* trace {n} */ FROM t WHERE id = {n} AND v = 'it''s {n}' AND w > -{n}.5e{n}" for n in range(50)
    ]
    assert len({masked(text) for text in texts}) == 1
    assert len({TextIds().of(text) for text in texts}) == 1
    assert TextIds().of("SELECT 1 /* trimtab: x */").reason == "own"
    assert TextIds().of("SELECT '" + "x" * 300_000 + "'").reason == "unreadable_sql"


def test_of_a_text_that_is_cut_off_anywhere_no_literal_is_seen() -> None:
    """A server shows the beginning of a statement, and so perhaps of a literal."""
    whole = (
        "SELECT 1 /* secret */ FROM t WHERE a = 'secret' AND b = $$secret$$ AND c = E'\\'secret' AND d = U&'secret'"
        " AND e = $q$secret$q$ -- secret"
    )
    for length in range(len(whole) + 1):
        assert "se" not in masked_for_sight(whole[:length])


@pytest.mark.parametrize("end", ["'my secr", "$$my secr", "$q$my secr", "E'my \\'secr", "U&'my secr", "/* my secr"])
def test_what_begins_a_literal_without_an_end_is_not_seen(end: str) -> None:
    assert masked_for_sight(f"SELECT a, 'one' FROM t WHERE b = {end}") == "SELECT a, '' FROM t WHERE b = …"
