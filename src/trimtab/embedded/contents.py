"""Chooses what of a dump is restored: the list that pg_restore is given, without what is to be left out."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

from trimtab.embedded.server import Server


def chosen_contents(
    server: Server, dump: Path, left_out: re.Pattern[str], environment: Mapping[str, str] | None = None
) -> tuple[Path, str]:
    """Return the file for --use-list, in the server's own directory, and the whole list that pg_restore gave.

    `left_out` matches the beginnings of lines: "id; table-oid oid KIND SCHEMA NAME OWNER".
    """
    listed = server.run("pg_restore", "--list", str(dump), environment=environment).stdout
    file = server.directory / "contents.list"
    chosen = "\n".join(line for line in listed.splitlines() if not left_out.match(line))
    file.write_text(chosen, encoding="utf-8", errors="surrogateescape")
    return file, listed
