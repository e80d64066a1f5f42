"""Claims about what is repeated of pg_dump's and pg_restore's errors: the object and names, never a value."""

from __future__ import annotations

import pytest

from trimtab.db.program_words import Failure, first_reason, restore_failures, without_made, without_set_up

CONTENTS = "\n".join(
    (
        "; Archive created at 2026-01-01",
        "215; 1259 16386 TABLE public customer owner",
        "3500; 0 16386 TABLE DATA public customer owner",
        "3; 3079 16400 EXTENSION - postgis ",
    )
)
MESSAGES = """pg_restore: connecting to database for restore
pg_restore: creating EXTENSION "postgis"
pg_restore: while PROCESSING TOC:
pg_restore: from TOC entry 3; 3079 16400 EXTENSION postgis (no owner)
pg_restore: error: could not execute query: ERROR:  extension "postgis" is not available
HINT:  The extension must first be installed on the system where PostgreSQL is running.
Command was: CREATE EXTENSION IF NOT EXISTS postgis WITH SCHEMA public;


pg_restore: processing data for table "public.customer"
pg_restore: from TOC entry 3500; 0 16386 TABLE DATA customer owner
pg_restore: error: COPY failed for table "customer": ERROR:  unknown customer alice@example.org
CONTEXT:  PL/pgSQL function public.known(text) line 1 at RAISE
COPY customer, line 1: "1	alice@example.org"
pg_restore: error: COPY failed for table "customer": ERROR:  invalid input syntax for type integer: "alice"
pg_restore: warning: errors ignored on restore: 3
"""


def test_each_failure_names_its_entry_and_no_value() -> None:
    assert restore_failures(MESSAGES, CONTENTS) == [
        Failure("EXTENSION - postgis", 'extension "postgis" is not available'),
        Failure("TABLE DATA public customer", "a function of the database's own failed"),
        Failure("TABLE DATA public customer", "invalid input syntax for type integer"),
    ]


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        ('duplicate key value violates unique constraint "customer_pkey"',) * 2,
        ('new row for relation "customer" violates check constraint "grown_up"',) * 2,
        ("permission denied for table customer",) * 2,
        ("function similarity(text, text) does not exist",) * 2,
        ('value "alice" is out of range for type integer', "value … is out of range for type integer"),
        ("value 'it''s alice' is not allowed for 4711", "value … is not allowed for …"),
        ('invalid input value for enum mood: "alice"', "invalid input value for enum mood"),
    ],
)
def test_names_stay_and_values_go(words: str, reason: str) -> None:
    for severity in ("ERROR", "FEHLER", "错误"):
        said = (
            'pg_dump: error: Dumping the contents of table "customer" failed: PQgetResult() failed.\n'
            f"pg_dump: detail: Error message from server: {severity}:  {words}\nDETAIL:  (alice)\n"
            "pg_dump: detail: Command was: COPY public.customer (name) TO stdout;\n"
        )
        assert first_reason(said) == reason


def test_what_a_program_says_of_itself_stays() -> None:
    assert first_reason("pg_dump: last built-in OID is 16383\npg_dump: error: no matching tables were found\n") == (
        "no matching tables were found"
    )
    assert first_reason("") == "it gave no reason"


def test_of_entries_with_one_name_as_many_are_left_as_were_not_made() -> None:
    one, other = Failure("OPERATOR CLASS public a", "of one method"), Failure("OPERATOR CLASS public b", "none")
    assert without_made([one, other, one], ["OPERATOR CLASS public a", "TABLE public c"]) == [other, one]
    assert without_made([one, one], []) == [one, one]


def test_what_an_older_server_does_not_know_of_a_sessions_set_up_is_no_failure_of_an_object() -> None:
    set_up = Failure("TABLE public a", 'unrecognized configuration parameter "transaction_timeout"')
    real = Failure("FUNCTION public f()", 'unrecognized configuration parameter "odd"')
    assert without_set_up([set_up, real]) == [real]
