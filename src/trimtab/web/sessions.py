"""Sessions of browsers: who is logged in, until when, and the token that a form of theirs has to bring.

They are in memory alone and end with the program. A cookie holds a random number; what is kept is its hash. It asks
nobody for a password.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
import threading
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass

from trimtab.web.users import Role

LENGTH_SECONDS = 12 * 3600
IDLE_SECONDS = 2 * 3600
MOST = 10_000


@dataclass(slots=True)
class Session:
    """One browser. `user` is "" where nobody had to log in; `csrf` is what its forms bring."""

    user: str
    role: Role
    csrf: str
    began: float
    seen: float

    def holds(self, token: str) -> bool:
        """Return whether a form's token is this session's."""
        return hmac.compare_digest(self.csrf.encode(), token.encode("utf-8", "replace"))


class Sessions:
    """The open sessions, at most ten thousand: the one that was idle longest goes first. `clock` gives seconds."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._open: OrderedDict[str, Session] = OrderedDict()

    def begin(self, user: str, role: Role) -> tuple[str, Session]:
        """Return the cookie's value of a new session, and the session."""
        cookie, now = secrets.token_urlsafe(32), self._clock()
        session = Session(user, role, secrets.token_urlsafe(32), now, now)
        with self._lock:
            self._open[_key(cookie)] = session
            while len(self._open) > MOST:
                self._open.popitem(last=False)
        return cookie, session

    def find(self, cookie: str | None) -> Session | None:
        """Return the session of a cookie, None where it has ended or never was."""
        if not cookie or len(cookie) > 128:
            return None
        key, now = _key(cookie), self._clock()
        with self._lock:
            session = self._open.get(key)
            if session is None:
                return None
            if now - session.began > LENGTH_SECONDS or now - session.seen > IDLE_SECONDS:
                del self._open[key]
                return None
            session.seen = now
            self._open.move_to_end(key)
            return session

    def end(self, cookie: str | None) -> None:
        """End the session of a cookie."""
        if cookie:
            with self._lock:
                self._open.pop(_key(cookie), None)


def _key(cookie: str) -> str:
    return hashlib.sha256(cookie.encode("utf-8", "replace")).hexdigest()
