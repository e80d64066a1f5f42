"""The text forms in which values of statistics travel: those that every server writes and reads alike.

Sets them in a transaction alone, and puts back what was in force.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from trimtab.db.connection import Connection

_TEXT_FORMS = {
    "DateStyle": "ISO, YMD",
    "IntervalStyle": "postgres",
    "extra_float_digits": "1",
    "bytea_output": "hex",
    "search_path": "",
}


@contextmanager
def text_forms(connection: Connection) -> Iterator[None]:
    """Write and read values, in the open transaction, as every server does alike; afterwards all is as before."""
    text = "select s.name, s.setting from pg_catalog.pg_settings s where s.name = any ($1::text[])"
    before: dict[str, str] = dict(connection.execute(text, (list(_TEXT_FORMS),)).fetchall())
    _set_locally(connection, _TEXT_FORMS)
    yield
    _set_locally(connection, before)


def _set_locally(connection: Connection, settings: Mapping[str, str]) -> None:
    text = (
        "select pg_catalog.set_config(w.name, w.value, true)"
        " from rows from (pg_catalog.unnest($1::text[]), pg_catalog.unnest($2::text[])) as w(name, value)"
    )
    connection.execute(text, (list(settings), list(settings.values())))
