"""Single executions, as a server's log tells them, and what of the log was not told. Values only.

No text, no literal and no parameter is in them: a statement is known by its id alone.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

REASONS: Mapping[str, str] = {
    "other_message": "it is about something else",
    "began": "it tells that a statement began, whose end has an entry of its own",
    "parse_or_bind": "it is the parsing or binding of a statement, whose execution has an entry of its own",
    "utility": "its statement is no query",
    "own": "its statement is Trimtab's",
    "nested": "its statement ran inside of a function, whose call has an entry of its own",
    "cursor": "it is a piece of what a cursor reads; auto_explain tells the whole when the cursor is closed",
    "fastpath": "it is a function call without a statement",
    "worker": "it is a parallel worker's, whose leader has an entry of its own",
    "several_statements": "its text holds several statements, which were timed as one",
    "unreadable_sql": "its statement is no SQL that can be read, or too much of it",
    "no_statement": "it tells a duration, and its statement is not in the log",
    "no_session": "it tells a duration or a statement, and not of which session",
    "no_error_statement": "it tells an error without the statement (log_min_error_statement)",
    "plan_unread": "it holds a plan in a form that is not read: auto_explain.log_format is neither text nor json",
    "localized": "it is not in English (lc_messages), so that its duration is not recognised",
    "other_database": "it is of another database",
    "no_database": "it does not tell its database, and one was asked for",
    "before": "it is older than was asked for",
    "no_time": "its time cannot be read: its time zone is not known",
    "unprefixed": "its line does not begin with log_line_prefix, and is no message of a server",
    "other_prefix": "it is a message that does not begin with log_line_prefix",
    "ambiguous": "a name in its prefix reads like the beginning of a message",
    "damaged": "it is not in the format of its file",
    "truncated": "the file ends in the middle of it",
    "too_long": "it is longer than 16 MiB",
    "unreadable_file": "its file cannot be read, or is not what its compression says",
    "other_format": "its file tells in another format what one that is read tells too",
    "not_a_log": "its file's name is not that of a log",
    "short_file": "its file is shorter than 64 bytes",
}
"""Why entries (or, in the last four, files) make no execution, by the reason that a tally counts."""


@dataclass(frozen=True, slots=True)
class Execution:
    """One execution of a query, told at its end.

    `time_ns` is when the server wrote it, in UTC nanoseconds. `query_id` is our own, of the text; `server_query_id` the
    server's, where it tells it. `database` and `role` are None where the log does not tell them. `duration_ms` is None
    for an error whose beginning is not known. `plan_shape` is `Plan.shape_hash` of the plan that ran, if auto_explain
    told it; only with auto_explain.log_verbose does that know schemas. `is_error` means that it failed, was cancelled,
    or reached a time limit.
    """

    time_ns: int
    query_id: str
    server_query_id: int | None
    database: str | None
    role: str | None
    duration_ms: float | None
    plan_shape: str | None
    is_error: bool


@dataclass(frozen=True, slots=True)
class LogTally:
    """How many entries of a log were read, how many executions that made, and why the others made none.

    `left_out` is by the reasons of REASONS. A plan and a duration of one execution are two entries.
    """

    entries: int = 0
    executions: int = 0
    left_out: Mapping[str, int] = field(default_factory=dict[str, int])


@dataclass(frozen=True, slots=True)
class LogPosition:
    """How far a log is read: for each file, known by a digest of its first bytes, the bytes of whole entries read.

    A file that is renamed or compressed stays the same file; one that is begun anew is another.
    """

    offsets: Mapping[str, int] = field(default_factory=dict[str, int])
