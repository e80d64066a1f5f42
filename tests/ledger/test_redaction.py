"""Claims about the last net against secrets."""

from __future__ import annotations

import pytest

from trimtab.errors import LedgerError
from trimtab.ledger.redaction import holds_password, refuse_secrets


@pytest.mark.parametrize(
    "text",
    [
        "host=db password=hunter2",
        "password = 'hunter 2' host=db",
        "PASSWORD=x",
        "could not connect to host=db sslpassword=x",
        "PGPASSWORD=x psql",
        "postgresql://me:hunter2@db/shop",
        "see postgres://me:hunter2@db",
        "postgresql://:p@db",
        "postgresql://db/shop?password=x",
        "postgresql://db/shop?sslmode=require&password=x",
    ],
)
def test_a_password_of_a_connection_string_is_seen(text: str) -> None:
    assert holds_password(text)
    for body in ({"a": text}, {"a": [{"b": (text,)}]}):
        with pytest.raises(LedgerError) as refused:
            refuse_secrets(body)
        assert refused.value.code == "ledger.secret"
        assert "hunter2" not in str(refused.value)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "host=db password=***",
        "postgresql://me:***@db/shop",
        "postgresql://me@db:5432/shop",
        "postgresql://h1:1,h2:2/shop?application_name=a@b",
        "USING btree (email) WHERE ((password = 'x'::text))",
        "password authentication failed",
        "password_encryption=scram-sha-256",
        "12:30@noon",
    ],
)
def test_what_is_no_password_passes(text: str) -> None:
    assert not holds_password(text)
    refuse_secrets({"a": [text]})


def test_a_key_that_is_called_password_is_refused_unless_starred_out() -> None:
    with pytest.raises(LedgerError):
        refuse_secrets({"database": {"Password": "x"}})
    refuse_secrets({"password": "***", "passwords": "x", "sslpassword": ""})
