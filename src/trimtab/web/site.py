"""What the pages look at: the ledger, the history, anchors and specifications of one machine, opened once.

It opens and hands on, and shows nothing. What is only read here is never written; the exceptions, what people sign and
what operators do, are `web/approving.py`, `web/freezing.py` and `web/activity.py`.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

from trimtab import api
from trimtab.errors import TrimtabError, UsageError
from trimtab.web.limits import Tries
from trimtab.web.rendering import compile_templates
from trimtab.web.sessions import Sessions
from trimtab.web.users import UserFile

if TYPE_CHECKING:
    from trimtab.history.reading import History
    from trimtab.lifecycle.ledger_view import LedgerView
    from trimtab.spec.specification import Specification

_TRIES, _TRIES_PER_SECOND = 5, 1 / 30
_WARM_SECONDS = 900.0


@dataclass(frozen=True, slots=True)
class SiteOptions:
    """Where everything is, and by what names the server is reached.

    `specification` is the configured reference, None for the shipped one. `is_local` tells that only this machine's
    people can reach it, and then nobody logs in; `is_secure`, that browsers reach it over TLS. `key_path` says where an
    approver's key is, `operators` by which DSN the backends of a server are reached, by its name in trimtab.toml.
    """

    ledger_path: Path
    open_history: Callable[[], History]
    hosts: frozenset[str]
    key_path: Callable[[str], Path]
    specification: str | Path | None = None
    operators: Mapping[str, Callable[[], str]] = field(default_factory=dict)
    is_local: bool = True
    is_secure: bool = False
    clock_ns: Callable[[], int] = time.time_ns
    monotonic: Callable[[], float] = time.monotonic


@dataclass
class Site:
    """The open site. Safe to use from several threads."""

    options: SiteOptions
    sessions: Sessions = field(init=False)
    users: UserFile = field(init=False)
    tries: Tries = field(init=False)
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _history: History | None = None
    _shipped: dict[str, Specification] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.sessions = Sessions(self.options.monotonic)
        self.users = UserFile(self.options.ledger_path.parent)
        # Of passwords and passphrases: five at once, then one every half minute, by whose it is and by who asks.
        self.tries = Tries(_TRIES, _TRIES_PER_SECOND, self.options.monotonic)
        self._viewer = api.ledger_viewer(ledger_path=self.options.ledger_path)

    def ledger(self) -> LedgerView:
        """Return the ledger as it is now. Raises LedgerError."""
        return self._viewer.view()

    def warm(self) -> None:
        """Read what pages need, so that the first needs not; what cannot be read is told by who needs it.

        One server's queries stand for all: their modules are loaded then, and what asks for them is compiled.
        """
        compile_templates()
        with suppress(TrimtabError):
            _ = self.ledger().cards, self.ledger().waiting
        with suppress(TrimtabError):
            for each in self.history.fleet()[:1]:
                recent = self.history.last(_WARM_SECONDS)
                for query in self.history.top_queries(each.name, recent, limit=1).queries:
                    self.history.query(each.name, query.query_id, recent)
        with suppress(TrimtabError):
            for name in self.specifications():
                self.specification(name)

    @property
    def history(self) -> History:
        """The history of the fleet. Raises LedgerError `history.*`; the next look tries again."""
        with self._lock:
            if self._history is None:
                self._history = self.options.open_history()
            return self._history

    def close(self) -> None:
        """Close the history."""
        with self._lock:
            if self._history is not None:
                self._history.close()
                self._history = None

    def now_ns(self) -> int:
        """Return UTC nanoseconds."""
        return self.options.clock_ns()

    def specifications(self) -> Mapping[str, str | Path]:
        """Return the references that may be shown, by the name that a page calls them by: no other file is read."""
        from trimtab.lifecycle.bundles import in_force
        from trimtab.spec.load import known_ids

        found: dict[str, str | Path] = {name: name for name in known_ids()}
        with suppress(TrimtabError):
            for bundle in in_force(self.options.ledger_path.parent):
                found |= {name: name for name in (f"bundle:{bundle.id}/{file}" for file in bundle.files)}
        configured = self.options.specification
        if configured is not None and str(configured) not in found:
            found["configured"] = configured
        return found

    @property
    def configured_specification(self) -> str:
        """The name of the specification that is configured here."""
        from trimtab.spec.load import DEFAULT_ID

        configured = self.options.specification
        if configured is None:
            return DEFAULT_ID
        return str(configured) if str(configured) in self.specifications() else "configured"

    def specification(self, name: str) -> Specification:
        """Return the effective specification that a page calls so. Raises UsageError `web.not_found`, SpecError."""
        from trimtab.lifecycle.governing import governing
        from trimtab.lifecycle.waivers import installed
        from trimtab.spec.load import known_ids, load_spec

        reference = self.specifications().get(name)
        if reference is None:
            raise UsageError(
                "there is no specification of that name here",
                code="web.not_found",
                next_step="The list of specifications names all that there are.",
            )
        if name not in known_ids():
            return governing(reference, self.options.ledger_path)
        # What is shipped never changes while this program runs; the waivers may.
        found = self._shipped.get(name) or self._shipped.setdefault(name, load_spec(name))
        return replace(found, waivers=installed(self.options.ledger_path.parent))
