"""What pg_dump and pg_restore said of their errors, and of which object, without anything that could be a value.

They tell no SQLSTATE, so the server's words are kept by their form: names stay where the word before says that they are
names, all else that is quoted goes, as does what follows a colon, and all that a function of the user's may have said.
The programs must run with LC_ALL=C; the server may speak any language.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

_MESSAGE = re.compile(r"^(?=pg_(?:dump|restore): )", re.MULTILINE)
_FROM_ENTRY = re.compile(r"pg_restore: from TOC entry (?P<id>\d+);")
_ERROR = re.compile(r"pg_(?:dump|restore): (?:error|detail): (?P<words>.*)")
_SERVER = re.compile(r"(?:^|[:\s])[^\W\d_]+: {2}(?P<words>.*)")  # "ERROR:  ", in the server's language
_ENTRY = re.compile(r"(?P<id>\d+); \d+ \d+ (?P<what>.*) \S*")
_NAMED = (
    "collation|column|configuration|constraint|database|dictionary|domain|encoding|extension|function|index|language|"
    "locale|method|object|parameter|parser|policy|relation|role|schema|sequence|server|table|tablespace|template|"
    "trigger|type|user|view|wrapper|operator class|operator family"
)
_QUOTED = re.compile(rf"""(?P<name>\b(?:{_NAMED})\s"[^"]*")|"[^"]*"|'(?:[^']|'')*'|\d{{3,}}""")
_BY_A_FUNCTION = "PL/"  # in its context, as in "PL/pgSQL function f() line 1 at RAISE"
_LONGEST = 300
# pg_restore of 17 and later sets it in each session, whatever the server is.
_SET_UP = 'unrecognized configuration parameter "transaction_timeout"'
# What pg_restore says at its end when it has gone through all of the archive.
_WENT_ON = "pg_restore: warning: errors ignored on restore"
# What ends a restore though pg_restore may go through the rest of the archive: words of libpq, and of the server.
_BROKE_OFF = ("server closed the connection", "no connection to the server", "No space left on device")


@dataclass(frozen=True, slots=True)
class Failure:
    """An error of pg_restore. `entry` is the object as the archive's list has it, without its owner; "" if unknown."""

    entry: str
    reason: str


def first_reason(messages: str) -> str:
    """Return why a program failed, by the error that ended it where that is known, else by its first."""
    told = [message for message in _MESSAGE.split(messages) if _ERROR.match(message)]
    # What ended it comes after what was refused and left out.
    told = [message for message in told if any(words in message for words in _BROKE_OFF)] or told
    of_server = [message for message in told if _server_words(message) is not None]
    return _reason((of_server or told)[0]) if told else "it gave no reason"


def restore_failures(messages: str, contents: str) -> list[Failure]:
    """Return what the server refused: `messages` of pg_restore --verbose, `contents` of pg_restore --list."""
    names = entry_names(contents)
    found, entry = [], ""
    for message in _MESSAGE.split(messages):
        if origin := _FROM_ENTRY.match(message):
            entry = names.get(origin["id"], "")
        elif message.startswith("pg_restore: error: ") and _server_words(message) is not None:
            found.append(Failure(entry, _reason(message)))
    return found


def without_set_up(failures: Iterable[Failure]) -> list[Failure]:
    """Return the failures but for those of setting up a session: an older server does not know, nor need, all of it."""
    return [failure for failure in failures if failure.reason != _SET_UP]


def without_made(failures: Iterable[Failure], made: Iterable[str]) -> list[Failure]:
    """Return the failures but for one of each entry in `made`: those that somebody else has made since."""
    left = Counter(made)
    told = []
    for failure in failures:
        if left[failure.entry] > 0:
            left[failure.entry] -= 1
        else:
            told.append(failure)
    return told


def is_whole(messages: str) -> bool:
    """Return whether a restore with errors has tried all of the archive: what they name is all that is missing."""
    return _WENT_ON in messages and not any(words in messages for words in _BROKE_OFF)


def entry_names(contents: str) -> dict[str, str]:
    """Return what each entry of an archive's list is, by its number: kind, schema and name."""
    return {match["id"]: match["what"] for line in contents.splitlines() if (match := _ENTRY.fullmatch(line))}


def _server_words(message: str) -> str | None:
    head = message.split("\n", 1)[0]
    told = _SERVER.search(head, len("pg_restore: "))
    return None if told is None else told["words"]


def _reason(message: str) -> str:
    words = _server_words(message)
    if words is None:  # the program's own: paths, hosts and names
        told = _ERROR.match(message)
        return "" if told is None else re.sub(r"'[^']*'", "'…'", told["words"])[:_LONGEST]
    if _BY_A_FUNCTION in message:
        return "a function of the database's own failed"
    return _QUOTED.sub(lambda found: found["name"] or "…", words.partition(": ")[0])[:_LONGEST]
