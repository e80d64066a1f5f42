"""What conninfo_for, describe and redact promise; libpq itself reads service files and the environment."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from psycopg.conninfo import conninfo_to_dict, make_conninfo

import trimtab
from trimtab.db.dsn import conninfo_for, describe, redact
from trimtab.errors import UsageError

_ENVIRONMENT = ("PGHOST", "PGPORT", "PGDATABASE", "PGUSER", "PGSERVICE", "PGHOSTADDR")


@pytest.fixture(autouse=True)
def _no_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in _ENVIRONMENT:
        monkeypatch.delenv(name, raising=False)


@pytest.mark.parametrize(
    ("dsn", "database", "expected"),
    [
        (None, None, {}),
        ("", None, {}),
        ("", "shop", {"dbname": "shop"}),
        ("shop", None, {"dbname": "shop"}),
        (None, "my shop", {"dbname": "my shop"}),
        ("host=h dbname=a", None, {"host": "h", "dbname": "a"}),
        (
            "postgresql://u@h:6000/a?sslmode=require",
            "b",
            {"user": "u", "host": "h", "port": "6000", "sslmode": "require", "dbname": "b"},
        ),
        ("service=prod", "b", {"service": "prod", "dbname": "b"}),
        (None, "postgres://h/a", {"host": "h", "dbname": "a"}),
        ("postgresql:///a?host=/run/pg&port=6", None, {"host": "/run/pg", "port": "6", "dbname": "a"}),
        ("postgresql://h1:1,h2:2/a", None, {"host": "h1,h2", "port": "1,2", "dbname": "a"}),
        ("postgresql://u:p#s?s@h/a", None, {"user": "u", "password": "p#s?s", "host": "h", "dbname": "a"}),
        ("postgresql://u:p%40ss@h/a", None, {"user": "u", "password": "p@ss", "host": "h", "dbname": "a"}),
    ],
)
def test_every_form_that_psql_reads_is_read(dsn: str | None, database: str | None, expected: dict[str, str]) -> None:
    assert conninfo_to_dict(conninfo_for(dsn, database)) == expected


@pytest.mark.parametrize(
    "dsn",
    [
        "postgresql://u:hun/ter2@h/a",
        "postgresql://u:hun@ter2@h/a",
        "postgresql://u:h?un/ter2@h/a",
        "host=h password=hun ter2",
        "host=h port=ter2",
        "host=h port=65536 user=ter2",
        "postgresql://ter2@h:0/a",
        "host=h passwort=ter2",
        "postgresql://u:%zzter2@h/a",
        "shop\0ter2",
        "postgresql+psycopg://u:hunter2@h/db",
        "postgresq://u:hunter2@h:5432/db",
        "u:hunter2@h/db",
    ],
)
def test_a_broken_dsn_is_refused_without_repeating_it(dsn: str) -> None:
    with pytest.raises(UsageError) as refused:
        conninfo_for(dsn, None)
    assert refused.value.code == "dsn.invalid"
    assert "ter2" not in str(refused.value)
    assert "ter2" not in refused.value.next_step
    assert refused.value.__suppress_context__ or refused.value.__context__ is None


@pytest.mark.parametrize(
    ("conninfo", "expected"),
    [
        ("dbname=a host=h port=6 user=u password=secret", "a@h:6"),
        ("user=u host=/run/pg", "u@/run/pg:5432"),
        ("service=prod password=secret", "service prod"),
        ("service=prod dbname=a", "a@service prod"),
        ("dbname=a", "a@local socket:5432"),
        ("a", "a@local socket:5432"),
    ],
)
def test_a_description_names_the_place_and_no_secret(conninfo: str, expected: str) -> None:
    assert describe(conninfo) == expected


def test_a_description_knows_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PGHOST", "db.example")
    monkeypatch.setenv("PGPORT", "6543")
    monkeypatch.setenv("PGDATABASE", "shop")
    assert describe("") == "shop@db.example:6543"
    assert describe("host=other") == "shop@other:6543"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("host=h password=secret user=u", "host=h password=*** user=u"),
        ("password = 'se cr\\'et' user=u", "password = *** user=u"),
        ("postgresql://u:secret@h/a", "postgresql://u:***@h/a"),
        ("see postgres://u:se@cret@h/a now", "see postgres://u:***@h/a now"),
        ("postgresql://h/a?password=secret&sslmode=require", "postgresql://h/a?password=***&sslmode=require"),
        ("PGPASSWORD=secret psql", "PGPASSWORD=*** psql"),
        ("sslpassword=secret", "sslpassword=***"),
        ("postgresql+psycopg://u:secret@h/db", "postgresql+psycopg://u:***@h/db"),
        ("specification postgresql:/u:secret@h/db cannot", "specification postgresql:/u:***@h/db cannot"),
        ("'u:secret@h/db'", "'u:***@h/db'"),
        ("shop@db.example:5432 at 12:30:00, a@b", "shop@db.example:5432 at 12:30:00, a@b"),
        ("nothing to hide", "nothing to hide"),
        ("Write postgresql://user@host:port/database, or", "Write postgresql://user@host:port/database, or"),
        ("postgresql://u@h/a and postgresql://u:secret@h/a", "postgresql://u@h/a and postgresql://u:***@h/a"),
        ("postgresql://u://secret@h/a", "postgresql://u:***@h/a"),
        ("postgresql://:secret@h/a", "postgresql://:***@h/a"),
        ("u:/secret@h/a", "u:***@h/a"),
    ],
)
def test_passwords_are_cut_out_of_text(text: str, expected: str) -> None:
    assert redact(text) == expected


def test_the_form_of_a_uri_is_told_as_it_is_written() -> None:
    trees = (ast.parse(path.read_text("utf-8")) for path in Path(trimtab.__file__).parent.rglob("*.py"))
    nodes = (node for tree in trees for node in ast.walk(tree) if isinstance(node, ast.Constant))
    advice = [node.value for node in nodes if isinstance(node.value, str) and "://user@" in node.value]
    assert advice
    assert [step for step in advice if redact(step) != step] == []


@given(st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), min_size=1))
def test_no_password_survives_redaction(password: str) -> None:
    marked = f"MARK{password}MARK"
    assert "MARK" not in redact(make_conninfo("", host="h", password=marked, user="u"))
    assert redact(make_conninfo("", host="h", password=marked, user="u")).startswith("host=h ")
