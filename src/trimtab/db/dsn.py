"""Where the server is: turns what the user gave into a libpq connection string, and into words without secrets.

Service files, passfiles and the PG* environment are libpq's business, exactly as in psql; nothing here reads them to
connect. Never connects, and never repeats a part of a connection string that could be a password.
"""

from __future__ import annotations

import re

from trimtab.errors import UsageError

_URI_SCHEMES = ("postgresql://", "postgres://")
_LARGEST_PORT = 65535
_SECRETS = ("password", "sslpassword", "scram_client_key", "scram_server_key", "oauth_client_secret")

_NAMES = "|".join((*_SECRETS, "PGPASSWORD", "PGSSLPASSWORD"))
_KEYWORD_SECRET = re.compile(
    rf"""(?P<key> (?<![?&\w]) (?:{_NAMES}) \s*=\s* )
         (?: '(?:[^'\\]|\\.)*(?:'|$) | "(?:[^"\\]|\\.)*(?:"|$) | (?:[^\s'"\\]|\\.)(?:[^\s\\]|\\.)* )""",
    re.IGNORECASE | re.VERBOSE | re.DOTALL,
)
_URI_PARAMETER_SECRET = re.compile(rf"(?P<key>[?&](?:{_NAMES})=)[^&\s]*", re.IGNORECASE)
# The colon of `scheme://user@host` has no password behind it.
_URI_SECRET = re.compile(
    r"""(?P<user> \b[a-z][\w+.-]*:/{1,2} [^\s:/?#@'"]* (?=:) | [^\s:/?#@'"]* (?=:(?!//)) ) : [^\s]*@""",
    re.IGNORECASE | re.VERBOSE,
)


def conninfo_for(dsn: str | None, database: str | None) -> str:
    """Return the libpq connection string for a DSN, a database name, both or neither.

    A DSN is a URI, `key=value` pairs or a plain database name; `database` may be written in the same forms, as psql's
    `-d` may, and wins over the DSN's own name when both are given. Neither (or empty) gives "", and libpq then decides.
    Raises UsageError `dsn.invalid`.
    """
    given = [text for text in (dsn, database) if text]
    return "" if not given else _parsed(given[0], database=given[1] if len(given) > 1 else None)


def describe(conninfo: str) -> str:
    """Return "database@host:port" as libpq would connect, without user or secret; a service by its name.

    It takes what `conninfo_for` takes, a plain database name too. Raises UsageError `dsn.invalid`.
    """
    from psycopg import pq
    from psycopg.conninfo import conninfo_to_dict

    given = {name: str(value) for name, value in conninfo_to_dict(conninfo_for(conninfo, None)).items() if value}
    if "service" in given:
        database = f"{given['dbname']}@" if "dbname" in given else ""
        return f"{database}service {given['service']}"
    known = {o.keyword.decode(): o.val.decode() for o in pq.Conninfo.get_defaults() if o.val} | given
    database = known.get("dbname") or known.get("user") or "postgres"
    host = known.get("host") or known.get("hostaddr") or "local socket"
    return f"{database}@{host}:{known.get('port') or '5432'}"


def redact(text: str) -> str:
    """Return `text` with passwords of connection strings replaced by `***`: `password=...` and `user:...@` of URIs."""
    text = _URI_SECRET.sub(lambda match: f"{match['user']}:***@", text)
    text = _URI_PARAMETER_SECRET.sub(lambda match: f"{match['key']}***", text)
    return _KEYWORD_SECRET.sub(lambda match: f"{match['key']}***", text)


def _is_conninfo(text: str) -> bool:
    return text.startswith(_URI_SCHEMES) or "=" in text


def _parsed(text: str, *, database: str | None) -> str:
    import psycopg
    from psycopg.conninfo import conninfo_to_dict, make_conninfo

    if "\0" in text or (database is not None and "\0" in database):
        raise invalid("it holds a NUL")
    if not _is_conninfo(text) and ("://" in text or re.search(r":[^\s]*@", text)):
        raise invalid("it looks like a URI, but begins with neither postgresql:// nor postgres://")
    if text.startswith(_URI_SCHEMES):
        _check_uri(text)
    try:
        fields = conninfo_to_dict(text) if _is_conninfo(text) else {"dbname": text}
        if database is not None:
            fields |= conninfo_to_dict(database) if _is_conninfo(database) else {"dbname": database}
        _check_port(str(fields.get("port") or ""))
        return make_conninfo("", **fields)
    except psycopg.ProgrammingError:
        raise invalid("libpq cannot read it") from None


def _check_uri(uri: str) -> None:
    """With a bare "/" or "@" in the password libpq takes parts of it for a host, a port or a database."""
    authority, _, rest = uri.partition("://")[2].partition("/")
    if authority.count("@") > 1 or "@" in rest.partition("?")[0]:
        raise invalid("its user part holds a character that must be percent-encoded")


def _check_port(ports: str) -> None:
    for port in filter(None, map(str.strip, ports.split(","))):
        if not port.isdecimal():
            raise invalid("its port is not a number")
        if not 0 < int(port) <= _LARGEST_PORT:
            raise invalid(f"its port is not between 1 and {_LARGEST_PORT}")


_FORMS = (
    "Write postgresql://user@host:port/database (special characters percent-encoded), "
    "key=value pairs, or a database name; leave the password to a passfile or PGPASSWORD."
)


def invalid(found: str, *, next_step: str = _FORMS) -> UsageError:
    """Return the error `dsn.invalid` for a connection string of which no connection can be tried."""
    return UsageError(f"the connection string is refused: {found}", code="dsn.invalid", next_step=next_step)
