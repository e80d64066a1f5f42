"""Takes the violations out that a waiver covers, and keeps them in the verdict. Pure.

A waiver lets one rule go, of the tables that it names. What no specification can switch off no waiver can either. The
moment is that of the facts; it ends by the ledger's last entry too, where that is later.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import lru_cache

from trimtab.model.change import touched_table
from trimtab.model.strategy import Violation, Waived
from trimtab.spec.inherit import field_paths
from trimtab.spec.specification import Specification
from trimtab.spec.waiver import Waiver
from trimtab.validate.case import Case

_ASKED_OF_CHANGES = frozenset({"changes", "objects", "indexes", "drops", "rebuilds", "statistics", "settings"})
_POSITION = re.compile(r"changes\[([0-9]+)\]")


def can_be_waived(rule_id: str, specification: Specification) -> bool:
    """True for a rule that is asked of a change here: a field of the specification, or one that it brings itself.

    What is enforced while a change is tried, made or watched, such as its time-outs, its windows and its approvals, is
    asked of no change beforehand, so that a waiver would do nothing.
    """
    is_own = any(rule.id == rule_id for rule in specification.rules)
    return rule_id in _fields() or (is_own and not rule_id.startswith("specification."))


def waived_by(case: Case, violations: Sequence[Violation]) -> tuple[tuple[Violation, ...], tuple[Waived, ...]]:
    """Return what still stands, and what was waived."""
    if not case.spec.waivers:
        return tuple(violations), ()
    moment = case.facts.read_unix, case.facts.ended_by_unix
    holding = [waiver for waiver in case.spec.waivers if waiver.holds_at(*moment)]
    standing: list[Violation] = []
    waived: list[Waived] = []
    for violation in violations:
        waiver = _covering(case, violation, holding)
        if waiver is None:
            standing.append(violation)
        else:
            waived.append(Waived(violation, waiver.id, waiver.revision, waiver.not_after_unix))
    return tuple(standing), tuple(waived)


def _covering(case: Case, violation: Violation, waivers: Sequence[Waiver]) -> Waiver | None:
    changes = case.strategy.changes
    match = _POSITION.match(violation.path)
    concerned = [changes[int(match[1])]] if match is not None else list(changes)
    tables = [".".join(table) for change in concerned if (table := touched_table(change)) is not None]
    # What touches no table, such as a setting, is covered by a waiver for all tables alone.
    names = tables if len(tables) == len(concerned) else ["*"]
    if not can_be_waived(violation.rule_id, case.spec):
        return None
    found = (waiver for waiver in waivers if waiver.covers(violation.rule_id, case.facts.database, names))
    return next(found, None)


@lru_cache(maxsize=1)
def _fields() -> frozenset[str]:
    return frozenset(path for path in field_paths() if path.partition(".")[0] in _ASKED_OF_CHANGES)
