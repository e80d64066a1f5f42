"""The door to the parser: what could crash it is refused first, in this process and on a thread's small stack."""

from __future__ import annotations

import threading
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trimtab.db import parser
from trimtab.db.parser import UnreadableSqlError

_SHAPES: dict[str, Callable[[int], str]] = {
    "sum": lambda n: "SELECT " + "+".join(["a"] * n),
    "sum of calls": lambda n: "SELECT " + "||".join(["f(a, b)"] * n),
    "cast": lambda n: "SELECT a" + "::int" * n,
    "collate": lambda n: "SELECT a" + ' COLLATE "C"' * n,
    "null tests": lambda n: "SELECT a" + " IS NULL" * n,
    "union": lambda n: " UNION ALL ".join(["SELECT 1"] * n),
    "join": lambda n: "SELECT 1 FROM a" + " JOIN b ON true" * n,
    "brackets": lambda n: "SELECT " + "(" * n + "1" + ")" * n,
    "calls": lambda n: "SELECT " + "f(" * n + "1" + ")" * n,
    "cases": lambda n: "SELECT " + "CASE WHEN a THEN b ELSE " * n + "c" + " END" * n,
    "arrays": lambda n: "SELECT " + "ARRAY[" * n + "1" + "]" * n,
    "subqueries": lambda n: "SELECT * FROM (" * n + "SELECT 1" + ") x" * n,
    "not": lambda n: "SELECT " + "NOT " * n + "a",
    "minus": lambda n: "SELECT " + "- " * n + "a",
    "alternating": lambda n: "SELECT " + "(a AND (b OR " * n + "c" + "))" * n,
    "with": lambda n: "WITH a AS (" * n + "SELECT 1" + ") SELECT 1" * n,
}


@pytest.mark.parametrize("shape", _SHAPES)
def test_deep_nesting_is_refused_and_never_crashes(shape: str) -> None:
    for depth in (20000, 1000):
        for function in (parser.parse, parser.normalize, parser.fingerprint):
            with pytest.raises(UnreadableSqlError) as refused:
                function(_SHAPES[shape](depth))
            assert refused.value.code == "sql.too_large"


@pytest.mark.parametrize("shape", _SHAPES)
def test_what_passes_fits_on_a_small_stack(shape: str) -> None:
    seen: list[str] = []

    def deepest() -> None:
        for depth in range(parser.MAX_NESTING, 0, -20):
            try:
                parser.normalize(_SHAPES[shape](depth))
                parser.fingerprint(_SHAPES[shape](depth))
                seen.append("accepted")
                parser.parse(_SHAPES[shape](depth))
                break
            except UnreadableSqlError as exc:
                seen.append(exc.code)

    before = threading.stack_size(512 * 1024)
    try:
        thread = threading.Thread(target=deepest)
        thread.start()
        thread.join()
    finally:
        threading.stack_size(before)
    assert set(seen) <= {"accepted", "sql.too_large"}
    assert "accepted" in seen


@pytest.mark.parametrize(
    "text",
    [
        "SELECT " + "+".join(["a"] * 80),
        "SELECT 1 WHERE " + " OR ".join(["a = 1"] * 3000),
        "SELECT 1 WHERE a IN (" + ",".join(["-1"] * 20000) + ")",
        "INSERT INTO t VALUES " + ",".join(["(1, 'abc', -2.5, now() + '1 day'::interval)"] * 3000),
        "SELECT " + ",".join(["sum(CASE WHEN a = 1 THEN b ELSE 0 END)"] * 1000),
        "SELECT 1 FROM a" + " JOIN b ON a.x = b.x AND a.y = b.y" * 100,
    ],
)
def test_large_statements_of_common_shapes_are_read(text: str) -> None:
    assert len(parser.parse(text)) == 1
    assert parser.fingerprint(text)
    assert parser.normalize(text)


def test_a_statement_past_the_limit_is_refused() -> None:
    with pytest.raises(UnreadableSqlError) as refused:
        parser.parse("SELECT '" + "x" * parser.MAX_STATEMENT_BYTES + "'")
    assert refused.value.code == "sql.too_large"


@pytest.mark.parametrize("text", ["SELECT 1\0; DROP TABLE t", "SELECT '\udcff'"])
def test_what_the_parser_would_misread_is_refused(text: str) -> None:
    for function in (parser.parse, parser.normalize, parser.fingerprint, parser.tokens_of):
        with pytest.raises(UnreadableSqlError) as refused:
            function(text)
        assert refused.value.code == "sql.syntax"


def test_an_error_says_where_and_not_what() -> None:
    with pytest.raises(UnreadableSqlError) as refused:
        parser.parse("SELECT 'é' FORM 'secret'")
    assert refused.value.offset == len("SELECT 'é' FORM ".encode())
    assert "secret" not in str(refused.value)
    with pytest.raises(UnreadableSqlError) as refused:
        parser.tokens_of("SELECT 'éé' AS ü, 'open")
    assert refused.value.offset == len("SELECT 'éé' AS ü, ".encode())
    assert refused.value.is_open_quote


def test_tokens_have_byte_places_and_names() -> None:
    kinds = [(token.kind, token.start) for token in parser.tokens_of("BEGIN 'é' ; -- x")]
    assert kinds == [("BEGIN", 0), ("SCONST", 6), (";", 11), ("SQL_COMMENT", 13)]


def test_statements_are_counted_without_the_empty_ones() -> None:
    assert parser.statement_count("SELECT ';'; ; -- ;") == 1
    assert parser.statement_count("SELECT 1; SELECT 2") == 2


def test_constants_are_numbered_after_the_parameters_that_are_there() -> None:
    assert parser.normalize("SELECT 1 FROM t WHERE a = $2 AND b = 'x' AND c = $1") == (
        "SELECT $3 FROM t WHERE a = $2 AND b = $4 AND c = $1"
    )


@given(st.text())
def test_any_text_is_read_or_refused(text: str) -> None:
    for function in (parser.parse, parser.normalize, parser.fingerprint, parser.tokens_of):
        try:
            function(text)
        except UnreadableSqlError as exc:
            assert exc.code in ("sql.syntax", "sql.too_large")  # noqa: PT017
