"""Looks at the backends of a server, and has the enforcement point cancel or terminate one that somebody means.

Every look is a fresh one. What an earlier end of the program left unanswered on that server is answered first.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from trimtab.apply.asking import actor
from trimtab.apply.backend_answers import answer_open
from trimtab.apply.backends import BackendEnforcer, unknown_backend
from trimtab.db.connection import Connection
from trimtab.db.role import SIGNALLING, reading
from trimtab.ledger.ledger import Ledger
from trimtab.lifecycle.freezing import refuse_reason
from trimtab.lifecycle.governing import named
from trimtab.model.backend import Backend, BackendAct, BackendEnded, BackendOrder
from trimtab.model.strategy import Verdict
from trimtab.observe.backends import MOST_BACKENDS, read_backend, read_backends
from trimtab.observe.server import read_server
from trimtab.spec.specification import Specification
from trimtab.validate.backends import asks_first, judge_backend

_STATEMENT_MS = 10_000
_LOCK_MS = 2_000


@dataclass(frozen=True, slots=True)
class SeenBackend:
    """A backend as it was just now, and what the specification and the role allow of it.

    `verdicts` are those of the two acts; `asks` are the acts that a person has to confirm. `spec_id` is whose rules.
    """

    backend: Backend
    verdicts: dict[BackendAct, Verdict]
    asks: frozenset[BackendAct]
    spec_id: str

    def may(self, act: BackendAct) -> bool:
        """True when the act is neither forbidden nor beyond the role; it may have to be confirmed."""
        return self.verdicts[act].compliant and self.backend.may_signal

    def refusal(self, act: BackendAct) -> str:
        """Return why the act is refused, each rule with what it found; "" where it is not."""
        told = [f"{violation.rule_id}: {violation.message}" for violation in self.verdicts[act].violations]
        if not self.backend.may_signal:
            told.append(f"backend.role: this role may not {act.value} it")
        return "; ".join(told)

    def answer(self, act: BackendAct) -> str:
        """Return "allow", "ask", or why it is refused: the first rule that is broken, or the role."""
        broken = self.verdicts[act].violations
        if broken:
            return broken[0].rule_id
        if not self.backend.may_signal:
            return "backend.role"
        return "ask" if act in self.asks else "allow"


def seen_backends(
    conninfo: str, ledger_path: Path, spec: str | Path | None, *, every: bool = False, limit: int = MOST_BACKENDS
) -> tuple[SeenBackend, ...]:
    """Return the backends of clients that are at something, or all. Raises SourceError, SpecError."""
    specification = named(spec, ledger_path)
    with closing(_connect(conninfo)) as source:
        return tuple(_seen(each, specification) for each in read_backends(source, every=every, limit=limit))


def seen_backend(
    conninfo: str, ledger_path: Path, spec: str | Path | None, pid: int, started_at: str | None = None
) -> SeenBackend:
    """Return one backend. Raises UsageError `backend.unknown` where it is gone, or another has its number."""
    specification = named(spec, ledger_path)
    with closing(_connect(conninfo)) as source:
        found = read_backend(source, pid)
    if found is None or started_at not in (None, found.started_at):
        raise unknown_backend(pid)
    return _seen(found, specification)


def end_backend(
    conninfo: str,
    ledger_path: Path,
    spec: str | Path | None,
    order: BackendOrder,
    *,
    sleep: Callable[[float], None] = time.sleep,
) -> BackendEnded:
    """Cancel or terminate the backend that was meant, through the enforcement point. Raises TrimtabError."""
    refuse_reason(order.reason)
    with operating(conninfo, ledger_path, named(spec, ledger_path), sleep=sleep) as enforcer:
        answer_open(enforcer.ledger, enforcer.server, enforcer.look)
        return enforcer.carry_out(order)


@contextmanager
def operating(
    conninfo: str,
    ledger_path: Path,
    specification: Specification,
    *,
    sleep: Callable[[float], None] = time.sleep,
) -> Iterator[BackendEnforcer]:
    """Open the ledger, and a session that may signal and cannot write. The database is not held: a run may go on."""
    with ExitStack() as stack:
        ledger = stack.enter_context(closing(Ledger.open(ledger_path)))
        source = stack.enter_context(closing(_connect(conninfo)))
        look = partial(read_backend, source)
        yield BackendEnforcer(source, ledger, specification, read_server(source), look, sleep)


def order_of(
    act: BackendAct, backend: Backend, *, via: str, by: str | None = None, is_confirmed: bool = False, reason: str = ""
) -> BackendOrder:
    """Return the order that means this backend, at what it was seen at. `by` is who wants it, else who runs this."""
    return BackendOrder(act, backend.pid, backend.started_at, backend.since, by or actor(), via, is_confirmed, reason)


def told_lines(seen: SeenBackend) -> Sequence[str]:
    """Return what a person is shown before they say yes: who it is, at what, since when. The texts are the server's."""
    backend = seen.backend
    lasting = "" if backend.seconds is None else f" for {backend.seconds:.1f} s"
    held = f", waits for {', '.join(map(str, backend.blocked_by))}" if backend.blocked_by else ""
    return (
        f"backend {backend.pid}, connected since {backend.started_at or 'it does not tell'}",
        f"role {backend.role or '-'}, database {backend.database or '-'}, application {backend.application or '-'}",
        f"{backend.state}{lasting}{f', {backend.wait}' if backend.wait else ''}{held}",
        backend.text or "(its statement is not shown)",
    )


def _seen(backend: Backend, specification: Specification) -> SeenBackend:
    now_unix = int(time.time())
    verdicts = {act: judge_backend(act, backend, specification, now_unix=now_unix) for act in BackendAct}
    asks = frozenset(act for act in BackendAct if asks_first(act, specification))
    return SeenBackend(backend, verdicts, asks, specification.id)


def _connect(conninfo: str) -> Connection:
    return reading(conninfo, work=SIGNALLING, statement_timeout_ms=_STATEMENT_MS, lock_timeout_ms=_LOCK_MS)
