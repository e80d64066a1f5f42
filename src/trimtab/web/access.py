"""Who is asking, and whether they may: sessions, logins, HTTP Basic for programs, and the token of every form.

On this machine alone nobody logs in. It decides by roles, and shows no page.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import threading
from collections import OrderedDict
from contextlib import suppress
from dataclasses import dataclass

from starlette.requests import Request

from trimtab.errors import TrimtabError
from trimtab.web.limits import client_key
from trimtab.web.sessions import Session
from trimtab.web.site import Site
from trimtab.web.users import Role, User

COOKIE = "trimtab_session"
SECURE_COOKIE = "__Host-trimtab_session"
_BASIC_SECONDS = 300.0
_MOST_BASIC = 256


@dataclass(frozen=True, slots=True)
class Visitor:
    """Who asks: by a session, by HTTP Basic, or (on this machine alone) nobody in particular, who may read it all."""

    name: str
    role: Role
    session: Session | None


class Access:
    """Tells who asks. Logins by HTTP Basic are remembered for five minutes by their hash: scrypt takes its time."""

    def __init__(self, site: Site) -> None:
        self._site = site
        self._lock = threading.Lock()
        self._basic: OrderedDict[str, tuple[str, float]] = OrderedDict()

    @property
    def cookie_name(self) -> str:
        """What the cookie is called: over TLS the browser holds it to this host."""
        return SECURE_COOKIE if self._site.options.is_secure else COOKIE

    def visitor(self, request: Request) -> Visitor | None:
        """Return who asks, None where somebody has to log in first. Raises ConfigError `web.users`, RefusedError."""
        session = self._site.sessions.find(request.cookies.get(self.cookie_name))
        if self._site.options.is_local:
            return Visitor("" if session is None else session.user, Role.OPERATOR, session)
        if session is not None and session.user:
            role = self._site.users.role_of(session.user)
            return None if role is None else Visitor(session.user, role, session)
        given = request.headers.get("authorization", "")
        if given.lower().startswith("basic ") and request.method in ("GET", "HEAD"):
            user = self._by_basic(given[6:].strip(), client_key(request.client))
            return None if user is None else Visitor(user.name, user.role, None)
        return None

    def is_known(self, request: Request) -> bool:
        """Return whether who listens to a page's line may still: it ends with the session, and with the user."""
        with suppress(TrimtabError):
            return self._site.options.is_local or self.visitor(request) is not None
        return False

    def login(self, name: str, password: str, request: Request) -> User | None:
        """Return the user whose password it is. Raises RefusedError `web.tries` for too many tries."""
        keys = (f"user {name[:64]}", f"client {client_key(request.client)}")
        return self._site.tries.made(keys, lambda: self._site.users.verified(name, password))

    def _by_basic(self, given: str, client: str) -> User | None:
        key, now = hashlib.sha256(given.encode()).hexdigest(), self._site.options.monotonic()
        with self._lock:
            known = self._basic.get(key)
        if known is not None and now - known[1] < _BASIC_SECONDS:
            role = self._site.users.role_of(known[0])
            return None if role is None else User(known[0], role)
        try:
            name, colon, password = base64.b64decode(given, validate=True).decode().partition(":")
        except (binascii.Error, ValueError):
            return None
        if not colon:
            return None
        user = self._site.tries.made([f"client {client}"], lambda: self._site.users.verified(name, password))
        if user is not None:
            with self._lock:
                self._basic[key] = (user.name, now)
                while len(self._basic) > _MOST_BASIC:
                    self._basic.popitem(last=False)
        return user
