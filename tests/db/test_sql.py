"""A text becomes statements: none is lost, none hides another, and each is judged by its tree."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trimtab.db.sql import Statement, split
from trimtab.model.workload import QueryKind


def _one(text: str) -> Statement:
    statements = split(text)
    assert len(statements) == 1
    return statements[0]


def _texts(text: str) -> list[tuple[str, str | None]]:
    return [(statement.text, statement.danger) for statement in split(text)]


def test_comments_before_a_statement_are_kept_beside_it() -> None:
    first, second = split(
        "\ufeff-- weight: 12.5\n-- name: by kind\nSELECT 1 /* in */ FROM t; -- weight: 9\n"
        "/* two */ SELECT 2 -- end\n;\n-- last"
    )
    assert first.leading_comment == "-- weight: 12.5\n-- name: by kind"
    assert first.text == "SELECT 1 /* in */ FROM t"
    assert first.normalized_text == "SELECT $1 FROM t"
    assert second.leading_comment == "/* two */"
    assert (second.text, second.line) == ("SELECT 2", 4)


def test_a_hint_stays_with_its_statement() -> None:
    statement = _one("-- weight: 2\n/*+ SeqScan(t) */ SELECT 1 FROM t")
    assert statement.text == "/*+ SeqScan(t) */ SELECT 1 FROM t"
    assert statement.leading_comment == "-- weight: 2"


def test_semicolons_in_quotes_comments_and_bodies_end_nothing() -> None:
    text = """SELECT ';', $a$ ; $a$, ";" /* ; */;
CREATE FUNCTION f() RETURNS int BEGIN ATOMIC SELECT CASE WHEN true THEN 1 END; SELECT 2; END;
CREATE RULE r AS ON INSERT TO t DO ALSO (DELETE FROM u; DELETE FROM v);
SELECT 3"""
    statements = split(text)
    assert [statement.line for statement in statements] == [1, 2, 3, 4]
    assert [statement.danger for statement in statements] == [None, "sql.utility", "sql.utility", None]


def test_a_syntax_error_is_told_by_its_line_and_the_rest_goes_on() -> None:
    statements = split("SELECT 1;\nSELECT a\nFORM 'secret'\nWHERE;\nSELECT (2;\nSELECT 3;")
    assert [statement.danger for statement in statements] == [None, "sql.syntax", "sql.syntax", None]
    assert statements[1].reason == "syntax error on line 3"
    assert "secret" not in statements[1].reason + statements[1].normalized_text


@pytest.mark.parametrize("broken", ["SELECT 'it's';", "SELECT 'a;", "SELECT 1,\n 'it's'\n FROM t;"])
@pytest.mark.parametrize("times", [1, 2])
def test_a_stray_quote_ends_with_its_statement(broken: str, times: int) -> None:
    text = f"SELECT 'ünïcödé';\n{broken}\nSELECT 'private';\n" * times + "SELECT 'y', 2;"
    found = _texts(text)
    assert [danger for _, danger in found] == [None, "sql.syntax", None] * times + [None]
    assert ("SELECT 'private'", None) in found
    assert all("private" not in statement.normalized_text + statement.reason for statement in split(text))


def test_what_is_in_an_open_function_body_is_no_statement() -> None:
    for opening in ("DO $$ BEGIN", "DO 'BEGIN", "CREATE FUNCTION f() RETURNS int LANGUAGE sql AS 'SELECT"):
        found = split(f"SELECT 1;\n{opening}\nDELETE FROM t;\nDELETE FROM u;")
        assert [statement.danger for statement in found] == [None, "sql.syntax"]


def test_psql_commands_are_told_and_end_with_their_line() -> None:
    assert _texts("\\set x it's\nSELECT 1;\n  \\timing on\nSELECT 2") == [
        ("\\set", "sql.psql_command"),
        ("SELECT 1", None),
        ("\\timing", "sql.psql_command"),
        ("SELECT 2", None),
    ]


def test_the_rows_after_copy_from_stdin_are_no_statements() -> None:
    rows = "1\tit's a row; of somebody\n2\tanother $1 -- row\n\\.\n"
    text = (
        f"SELECT 1;\nCOPY t (a, b) FROM stdin;\n{rows}SELECT 2;\ncopy u from STDIN WITH (FORMAT csv);\n\\.\nSELECT 3;"
    )
    found = split(text)
    assert [(s.text, s.danger is None, s.line) for s in found if s.text.startswith("SELECT")] == [
        ("SELECT 1", True, 1),
        ("SELECT 2", True, 6),
        ("SELECT 3", True, 9),
    ]
    assert [s.danger is None for s in found] == [True, False, True, False, True]
    assert "somebody" not in repr(found)


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("SELECT 1", QueryKind.READ),
        ("VALUES (1)", QueryKind.READ),
        ("TABLE t", QueryKind.READ),
        ("WITH a AS (SELECT 1) SELECT * FROM a UNION SELECT 2", QueryKind.READ),
        ("SELECT * FROM t FOR UPDATE", QueryKind.WRITE),
        ("SELECT * FROM (SELECT * FROM t FOR SHARE) s", QueryKind.WRITE),
        ("WITH a AS (DELETE FROM t RETURNING *) SELECT * FROM a", QueryKind.WRITE),
        ("SELECT 1 UNION (WITH a AS (UPDATE t SET x = 1 RETURNING x) SELECT * FROM a)", QueryKind.WRITE),
        ("INSERT INTO t SELECT nextval('s'), currval('s')", QueryKind.WRITE),
        ("UPDATE t SET a = 1", QueryKind.WRITE),
        ("DELETE FROM t", QueryKind.WRITE),
        ("MERGE INTO t USING u ON t.a = u.a WHEN MATCHED THEN DELETE", QueryKind.WRITE),
    ],
)
def test_reads_and_writes_are_told_apart(text: str, kind: QueryKind) -> None:
    statement = _one(text)
    assert (statement.kind, statement.danger) == (kind, None)


@pytest.mark.parametrize(
    "text",
    [
        "SELECT 1 INTO x",
        "CREATE TABLE x AS SELECT 1",
        "COPY t TO PROGRAM 'x'",
        "COPY (SELECT 1) TO STDOUT",
        "DO $$ BEGIN END $$",
        "CALL p()",
        "EXPLAIN ANALYZE DELETE FROM t",
        "EXECUTE p",
        "PREPARE p AS SELECT 1",
        "DECLARE c CURSOR FOR SELECT 1",
        "BEGIN",
        "SET work_mem = '1GB'",
        "VACUUM",
        "LOCK TABLE t",
        "TRUNCATE t",
        "REFRESH MATERIALIZED VIEW v",
    ],
)
def test_utility_statements_are_refused(text: str) -> None:
    assert _one(text).danger == "sql.utility"


@pytest.mark.parametrize(
    ("expression", "code"),
    [
        ("pg_read_file('x')", "sql.file_access"),
        ("pg_catalog.PG_LS_DIR('x')", "sql.file_access"),
        ("lo_import('x')", "sql.file_access"),
        ("lo_export(1, 'x')", "sql.file_access"),
        ("dblink_exec('x', 'y')", "sql.remote"),
        ("pg_terminate_backend(1)", "sql.session_control"),
        ("pg_cancel_backend(1)", "sql.session_control"),
        ("pg_sleep_for('1 day')", "sql.sleep"),
        ("set_config('a', 'b', true)", "sql.settings"),
        ("pg_try_advisory_xact_lock(1)", "sql.advisory_lock"),
        ("pg_reload_conf()", "sql.server_control"),
        ("pg_switch_wal()", "sql.server_control"),
        ("pg_logical_slot_get_changes('a', null, null)", "sql.server_control"),
        ("pg_create_physical_replication_slot('a')", "sql.server_control"),
        ("pg_drop_replication_slot('a')", "sql.server_control"),
        ("pg_stat_statements_reset()", "sql.server_control"),
        ("query_to_xml('drop table t', true, true, '')", "sql.dynamic"),
        ("setval('s', 1)", "sql.sequence"),
        ("nextval('s')", "sql.sequence"),
    ],
)
def test_a_dangerous_function_is_found_wherever_it_hides(expression: str, code: str) -> None:
    for text in (
        f"SELECT {expression}",
        f"SELECT * FROM {expression} AS f",
        f"SELECT * FROM t, LATERAL ROWS FROM (generate_series(1, 2), {expression}) AS f",
        f"WITH a AS (SELECT 1 WHERE {expression} IS NOT NULL) SELECT * FROM a",
        f"SELECT 1 ORDER BY (SELECT max(x) OVER (ORDER BY CASE WHEN {expression} IS NULL THEN 1 END) FROM t)",
        f"SELECT count(*) FILTER (WHERE f({expression}) = 1) FROM t GROUP BY ROLLUP (coalesce(a, 1))",
        f"SELECT 1 LIMIT (SELECT length({expression}::text))",
    ):
        assert _one(text).danger == code


def test_setval_is_refused_in_writes_too() -> None:
    assert _one("INSERT INTO t SELECT setval('s', 1)").danger == "sql.sequence"


@pytest.mark.parametrize("table", ["pg_settings", "pg_catalog.pg_class", "pg_statistic"])
def test_writes_to_the_system_catalog_are_refused(table: str) -> None:
    assert _one(f"UPDATE {table} SET a = 1").danger == "sql.system_catalog"
    assert _one(f"SELECT * FROM {table}").danger is None


def test_a_literal_never_shows_in_what_is_shown() -> None:
    for text in (
        "SELECT 'secret', $$secret$$, 4711 FROM t WHERE a IN (4711, 4712)",
        "CREATE ROLE r PASSWORD 'secret'",
        "DO $x$ secret $x$",
        "SELECT 'secret' FORM 4711",
    ):
        statement = _one(text)
        assert "secret" not in statement.normalized_text
        assert "4711" not in statement.normalized_text


def test_the_fingerprint_ignores_constants_parameters_and_layout() -> None:
    prints = {
        _one(text).fingerprint
        for text in (
            "SELECT a FROM t WHERE b = 1",
            "select a\nfrom t -- x\nwhere b = 'z'",
            "SELECT a FROM t WHERE b = $1",
        )
    }
    assert len(prints) == 1
    assert len(prints.pop()) == 16
    assert _one("SELECT a FROM t WHERE c = 1").fingerprint != _one("SELECT a FROM t WHERE b = 1").fingerprint


def test_parameters_are_counted_by_their_highest_number() -> None:
    assert _one("SELECT $3 FROM t WHERE a = $1").parameter_count == 3
    assert _one("SELECT '$3'").parameter_count == 0


def test_too_much_text_is_refused_piece_by_piece() -> None:
    found = split("SELECT '" + "x" * 300_000 + "';\nSELECT " + "+".join(["a"] * 5000) + ";\nSELECT 1")
    assert [statement.danger for statement in found] == ["sql.too_large", "sql.too_large", None]
    assert all(len(statement.normalized_text) < 5000 for statement in found)


_PIECES = [
    "'",
    ";",
    "\\",
    "\n",
    '"',
    "(",
    ")",
    "--",
    "/*",
    "*/",
    "$$",
    "ç\0",
    "SELECT 1",
    "CREATE",
    "BEGIN ATOMIC",
    "END",
]


@given(st.lists(st.sampled_from(_PIECES) | st.text(max_size=5)))
def test_any_text_is_split_in_order(words: list[str]) -> None:
    statements = split(" ".join(words))
    lines = [statement.line for statement in statements]
    assert lines == sorted(lines)
    # PostgreSQL's white space, which is less than Python's.
    assert all(statement.text.strip(" \t\n\r\f\v") for statement in statements)
