"""An act on a backend against the effective specification and what was just seen of it. Pure: the same gives the same.

The rules below are all that there are, in the order in which they are reported. Those that are no field of a
specification hold whatever it says, and no waiver lets one of them go: what an act ends cannot be put back.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from trimtab.model.backend import AT_A_STATEMENT, CLIENT, Backend, BackendAct
from trimtab.model.strategy import Verdict, Violation
from trimtab.spec.patterns import first_match
from trimtab.spec.specification import Specification


@dataclass(frozen=True, slots=True)
class _Case:
    act: BackendAct
    backend: Backend
    spec: Specification
    now_unix: int


@dataclass(frozen=True, slots=True)
class _Found:
    """Why a rule refuses: what it allows, and what there is."""

    message: str
    expected: str
    actual: str


def _expired(case: _Case) -> _Found | None:
    ends = case.spec.expires_unix
    if ends is None or case.now_unix < ends:
        return None
    return _Found("the specification has expired", f"before {ends}", str(case.now_unix))


def _hidden(case: _Case) -> _Found | None:
    seen = case.backend
    if seen.started_at and seen.since and seen.kind:
        return None
    return _Found("what it does is hidden from this role (GRANT pg_read_all_stats)", "seen", "hidden")


def _own(case: _Case) -> _Found | None:
    return _Found("it is the session that asks", "another session", "its own") if case.backend.is_own else None


def _kind(case: _Case) -> _Found | None:
    kind = case.backend.kind
    if kind in ("", CLIENT):  # hidden is told by another rule
        return None
    return _Found("it is no client's: the server and its replicas need it", CLIENT, kind)


def _superuser(case: _Case) -> _Found | None:
    if not case.backend.is_superuser:
        return None
    return _Found("it is a superuser's, or nobody's", "an ordinary role", "a superuser")


def _not_at_a_statement(case: _Case) -> _Found | None:
    if case.act is BackendAct.TERMINATE or case.backend.state in AT_A_STATEMENT:
        return None
    return _Found("it runs no statement that could be cancelled", "active", case.backend.state)


def _cancel(case: _Case) -> _Found | None:
    return _refused(case, BackendAct.CANCEL, case.spec.backends.cancel)


def _terminate(case: _Case) -> _Found | None:
    return _refused(case, BackendAct.TERMINATE, case.spec.backends.terminate)


def _refused(case: _Case, act: BackendAct, answer: str) -> _Found | None:
    if case.act is not act or answer != "refuse":
        return None
    return _Found(f"the specification lets nobody {act.value} a backend", "allow or ask", answer)


def _allowed_roles(case: _Case) -> _Found | None:
    allowed = case.spec.backends.allowed_roles
    if first_match(allowed, case.backend.role) is not None:
        return None
    return _Found("the sessions of its role are none of those allowed", ", ".join(allowed) or "none", case.backend.role)


def _denied_roles(case: _Case) -> _Found | None:
    pattern = first_match(case.spec.backends.denied_roles, case.backend.role)
    return (
        None
        if pattern is None
        else _Found("the sessions of its role are left alone", f"not {pattern}", case.backend.role)
    )


def _min_seconds(case: _Case) -> _Found | None:
    least, seconds = case.spec.backends.min_seconds, case.backend.seconds
    if seconds is None or seconds >= least:  # hidden is told by another rule
        return None
    return _Found(f"it has been at it for {seconds:.1f} s only", f"{least:g} s", f"{seconds:.1f} s")


BACKEND_RULES: tuple[tuple[str, Callable[[_Case], _Found | None]], ...] = (
    ("specification.expired", _expired),
    ("backends.hidden", _hidden),
    ("backends.own_session", _own),
    ("backends.not_a_client", _kind),
    ("backends.superuser", _superuser),
    ("backends.no_statement", _not_at_a_statement),
    ("backends.cancel", _cancel),
    ("backends.terminate", _terminate),
    ("backends.allowed_roles", _allowed_roles),
    ("backends.denied_roles", _denied_roles),
    ("backends.min_seconds", _min_seconds),
)


def judge_backend(act: BackendAct, backend: Backend, spec: Specification, *, now_unix: int) -> Verdict:
    """Return the verdict, with every rule that is broken. `now_unix` is in seconds since 1970.

    That a specification wants the act confirmed breaks no rule: `asks_first` says so.
    """
    case = _Case(act, backend, spec, now_unix)
    broken = tuple(
        Violation(rule_id, found.message, f"backend {backend.pid}", found.expected, found.actual)
        for rule_id, check in BACKEND_RULES
        if (found := check(case)) is not None
    )
    return Verdict(compliant=not broken, violations=broken, spec_id=spec.id, spec_digest=spec.digest)


def asks_first(act: BackendAct, spec: Specification) -> bool:
    """True when a person has to confirm the act, having been shown what it ends."""
    return (spec.backends.cancel if act is BackendAct.CANCEL else spec.backends.terminate) != "allow"
