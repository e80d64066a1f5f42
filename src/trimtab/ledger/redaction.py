"""The last net against secrets: refuses a body that holds what looks like a connection string's password.

Nothing should ever get this far; the rooms that build bodies keep secrets out. It looks, it never rewrites.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from trimtab.errors import LedgerError

SECRET_KEYS = frozenset(
    {
        "password",
        "pgpassword",
        "sslpassword",
        "pgsslpassword",
        "scram_client_key",
        "scram_server_key",
        "oauth_client_secret",
    }
)
# In libpq's two forms only, so that SQL such as `((password = 'x'::text))` in an index predicate passes. A value that
# is starred out already is no secret.
_KEY_VALUE = re.compile(
    rf"(?:^|[\s?&])(?:{'|'.join(sorted(SECRET_KEYS))})\s*=\s*(?!\*+(?:[\s&'\"]|$))\S", re.IGNORECASE
)
_URI_USERINFO = re.compile(r"\b[a-z][a-z0-9+.-]*://[^\s/@:]*:(?!\*+@)[^\s/@]+@", re.IGNORECASE)


def refuse_secrets(body: Mapping[str, object]) -> None:
    """Raise LedgerError `ledger.secret` when a key or a string of the body looks like a password of a conninfo."""
    if _holds_secret(body):
        raise LedgerError(
            "an entry was refused: its body holds what looks like a password",
            code="ledger.secret",
            next_step="Keep the password in ~/.pgpass or a service file; report this if no password was yours to hide.",
        )


def holds_password(text: str) -> bool:
    """Return True when the text looks like a conninfo, in either of libpq's forms, with a password in it."""
    return _KEY_VALUE.search(text) is not None or _URI_USERINFO.search(text) is not None


def _holds_secret(value: object) -> bool:
    if isinstance(value, str):
        return holds_password(value)
    if isinstance(value, Mapping):
        return any(_is_secret_item(key, item) or _holds_secret(item) for key, item in value.items())
    if isinstance(value, list | tuple):
        return any(_holds_secret(item) for item in value)
    return False


def _is_secret_item(key: object, item: object) -> bool:
    is_secret_key = isinstance(key, str) and key.lower() in SECRET_KEYS
    return is_secret_key and isinstance(item, str) and item.strip("*") != ""
