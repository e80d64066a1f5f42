"""Decides in which encoding PostgreSQL's client programs talk to a source.

They get names from us in UTF-8 and their words are read as UTF-8, so they must talk so whatever the database's encoding
is. SQL_ASCII says that the database does not know its own, and nothing can be converted.
"""

from __future__ import annotations


def program_encoding(database_encoding: str) -> str:
    """Return the value for pg_dump's --encoding; both are PostgreSQL's names of encodings."""
    return database_encoding if database_encoding == "SQL_ASCII" else "UTF8"
