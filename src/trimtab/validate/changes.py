"""Rules on how many changes a run makes, of which kinds, and on which server. They look at no object."""

from __future__ import annotations

from collections import Counter

from trimtab.model.change import touched_table
from trimtab.spec.moments import text_of
from trimtab.validate.case import Case, Findings, broken, label


def allowed_kinds(case: Case) -> Findings:
    """Every change is of a kind that the specification allows."""
    allowed = case.spec.changes.allowed_kinds
    return [
        broken(
            "changes.allowed_kinds",
            "this kind of change is not allowed",
            f"changes[{position}].kind",
            expected=", ".join(allowed) or "none",
            actual=change.kind,
        )
        for position, change in enumerate(case.strategy.changes)
        if change.kind not in allowed
    ]


def max_changes_per_run(case: Case) -> Findings:
    """The run makes no more changes than allowed, this strategy's included."""
    limit = case.spec.changes.max_changes_per_run
    count = len(case.strategy.changes) + sum(1 for _ in case.earlier())
    if count <= limit:
        return []
    what = "the run would make too many changes"
    return [broken("changes.max_changes_per_run", what, "changes", expected=f"at most {limit}", actual=str(count))]


def max_changes_per_table(case: Case) -> Findings:
    """The run changes no table more often than allowed."""
    limit = case.spec.changes.max_changes_per_table
    own = {table for change in case.strategy.changes if (table := touched_table(change)) is not None}
    if not own:
        return None
    counts = Counter(touched_table(change) for change in (*case.earlier(), *case.strategy.changes))
    return [
        broken(
            "changes.max_changes_per_table",
            f"the run would change {label(*table)} too often",
            "changes",
            expected=f"at most {limit}",
            actual=str(counts[table]),
        )
        for table in sorted(own)
        if counts[table] > limit
    ]


def expired(case: Case) -> Findings:
    """Nothing is applied by a specification that has expired, or that may have."""
    ends = case.spec.expires_unix
    if ends is None or not case.facts.is_applying:
        return None
    now = case.facts.ended_by_unix
    if now is not None and now < ends:
        return []
    what = "the bundle that the specification is from has expired"
    actual = "an unknown moment" if now is None else text_of(now)
    return [broken("specification.expired", what, "specification", expected=f"before {text_of(ends)}", actual=actual)]


def allow_standby(case: Case) -> Findings:
    """A standby is changed only where the specification says so."""
    if not case.facts.is_applying:
        return None
    if not case.facts.is_standby or case.spec.servers.allow_standby:
        return []
    what = "the server may not be changed"
    return [broken("servers.allow_standby", what, "server", expected="a primary", actual="a standby")]
