from __future__ import annotations

import os
from pathlib import Path
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from trimtab.embedded.clients import hide_password, run_client
from trimtab.errors import EmbeddedError

_passwords = st.text(
    st.characters(min_codepoint=33, max_codepoint=0x2FF, exclude_categories=["C"]), min_size=1, max_size=20
)


@given(password=_passwords, flag=st.sampled_from(["--dbname=", "-d", ""]))
def test_a_password_of_a_key_value_string_never_stays_in_the_arguments(password: str, flag: str) -> None:
    given_string = make_conninfo("", host="h", user="u", dbname="d", password=password)
    (argument, other), hidden = hide_password([flag + given_string, "--schema-only"])
    assert hidden == password
    assert other == "--schema-only"
    assert argument.startswith(flag)
    assert conninfo_to_dict(argument.removeprefix(flag)) == {"host": "h", "user": "u", "dbname": "d"}


@given(password=_passwords)
def test_a_password_of_a_uri_never_stays_in_the_arguments(password: str) -> None:
    for form in ("postgresql://u:{}@h/d?connect_timeout=3", "postgres://u@h/d?connect_timeout=3&password={}"):
        (argument,), hidden = hide_password([form.format(quote(password, safe=""))])
        assert hidden == password
        assert conninfo_to_dict(argument) == {"host": "h", "user": "u", "dbname": "d", "connect_timeout": "3"}


@pytest.mark.parametrize(
    "arguments",
    [
        (),
        ("-d", "shop", "--jobs=2"),
        ("postgresql://u@h/d",),
        ("--dbname=host=h dbname=d",),
        ("-c", "SELECT 'password = x'"),
        ("--no-password", "--file=password=1"),
    ],
)
def test_arguments_without_a_secret_stay_as_they_are(arguments: tuple[str, ...]) -> None:
    assert hide_password(arguments) == (arguments, None)


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (("host=a password=one", "host=b password=two"), "embedded.secret_in_arguments"),
        (("host=a sslpassword=hush",), "embedded.secret_in_arguments"),
        (("postgresql://u:one%zz@h/d",), "embedded.bad_connection_string"),
    ],
)
def test_a_secret_that_cannot_be_hidden_is_refused_without_repeating_it(arguments: tuple[str, ...], code: str) -> None:
    with pytest.raises(EmbeddedError) as refused:
        hide_password(arguments)
    assert refused.value.code == code
    assert not any(secret in str(refused.value) for secret in ("one", "hush"))
    assert refused.value.__cause__ is None


def test_the_password_reaches_the_program_by_its_environment_only(tmp_path: Path) -> None:
    program = tmp_path / "show"
    program.write_text('#!/bin/sh\necho "$PGPASSWORD|$*"\ncat\n')
    program.chmod(0o755)
    done = run_client(program, ["postgresql://u:hush@h/d"], environment={"PATH": os.environ["PATH"]}, text="input")
    assert done.stdout == "hush|user=u dbname=d host=h\ninput"
    assert "hush" not in str(done.args)


def test_a_program_that_cannot_run_is_told(tmp_path: Path) -> None:
    with pytest.raises(EmbeddedError) as refused:
        run_client(tmp_path / "absent", [], environment={})
    assert refused.value.code == "embedded.cannot_run"
