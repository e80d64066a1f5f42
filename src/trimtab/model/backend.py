"""A backend of a server, and the two acts that end its work. Values only.

An act on a backend is no Change: it has no inverse. What is cancelled, or was in the transaction of an ended session,
is lost to whoever ran it.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

CLIENT = "client backend"
AT_A_STATEMENT = frozenset({"active", "fastpath function call"})


class BackendAct(StrEnum):
    """CANCEL ends the statement that a backend runs; TERMINATE the backend, with its session and its transaction."""

    CANCEL = "cancel"
    TERMINATE = "terminate"


@dataclass(frozen=True, slots=True)
class Backend:
    """A backend as pg_stat_activity showed it at one moment.

    `pid` and `started_at` tell it from every other one, and from a later one with its number. `since` is when it began
    what it is at: its statement, else its transaction, else to be idle; `seconds` how long ago that was. Both moments
    are UTC to the microsecond as ISO 8601, "" where they are hidden from the role that looked. `kind` is PostgreSQL's
    backend_type, `blocked_by` are the processes that hold what it waits for. `is_superuser` is also said of what has no
    role; `is_own` of the session that looked; `may_signal` says whether that session's role may. `text` has no
    literals. All texts are the server's, and not to be trusted.
    """

    pid: int
    started_at: str
    since: str
    kind: str
    role: str
    database: str
    application: str
    state: str
    wait: str
    seconds: float | None
    blocked_by: tuple[int, ...]
    is_superuser: bool
    is_own: bool
    may_signal: bool
    text: str = ""


@dataclass(frozen=True, slots=True)
class BackendOrder:
    """What somebody wants done to a backend as they saw it: only that one, at what it was at, is meant.

    `by` is who wants it, `via` where they said so ("terminal", "monitor", "web", "python"); `is_confirmed` that they
    were shown what it is, and said yes to that.
    """

    act: BackendAct
    pid: int
    started_at: str
    since: str
    by: str
    via: str
    is_confirmed: bool = False
    reason: str = ""


@dataclass(frozen=True, slots=True)
class BackendEnded:
    """What came of an order that was carried out. `has_ended` is False while the backend still was at it when we looked
    last, `seconds` after the signal: PostgreSQL obeys when it next can.
    """

    intent_id: str
    act: BackendAct
    backend: Backend
    has_ended: bool
    seconds: float
