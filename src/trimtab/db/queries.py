"""Loads the catalog queries of `queries/*.sql`, choosing the text that fits the server's version.

`NAME.sql` is for every version; `NAME_post_VVVVVV.sql` is for servers of server_version_num VVVVVV and later. Never
runs one.
"""

from __future__ import annotations

import re
from functools import cache
from importlib.resources import files

_FILE = re.compile(r"(?P<name>[a-z][a-z0-9_]*?)(?:_post_(?P<since>\d{5,6}))?\.sql")


def load(name: str, version_num: int) -> str:
    """Return the text of query `name` for a server of `version_num` (server_version_num: 180004).

    Raises KeyError when there is no such query, or none for so old a server.
    """
    variants = _variants().get(name, {})
    fitting = [since for since in variants if since <= version_num]
    if not fitting:
        raise KeyError(f"no catalog query {name!r} for version {version_num}")
    return variants[max(fitting)]


def names() -> tuple[str, ...]:
    """Return the names of all catalog queries, sorted."""
    return tuple(sorted(_variants()))


@cache
def _variants() -> dict[str, dict[int, str]]:
    found: dict[str, dict[int, str]] = {}
    for entry in files("trimtab.db").joinpath("queries").iterdir():
        match = _FILE.fullmatch(entry.name)
        if match is not None:
            since = int(match["since"] or 0)
            found.setdefault(match["name"], {})[since] = entry.read_text(encoding="utf-8").strip()
    return found
