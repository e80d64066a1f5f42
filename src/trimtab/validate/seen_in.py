"""In what of the facts a violation was seen: the ids of its evidence. Names; judges nothing.

A rule that a specification brings itself names its facts by itself; here are the objects that the others looked at.
"""

from __future__ import annotations

import re
from dataclasses import replace

from trimtab.model.change import Change, SetSetting
from trimtab.model.strategy import Violation
from trimtab.validate.case import Case, label

_POSITION = re.compile(r"changes\[([0-9]+)\]")
_NO_CHANGE = frozenset({"server", "specification"})


def with_evidence(case: Case, violation: Violation) -> Violation:
    """Return the violation with the ids of its evidence: "table shop.orders", "setting work_mem", "server"..."""
    if violation.evidence_ids:
        return violation
    if violation.path in _NO_CHANGE:
        return replace(violation, evidence_ids=(violation.path,))
    match = _POSITION.match(violation.path)
    changes = case.strategy.changes
    concerned = changes if match is None else (changes[int(match[1])],)
    return replace(violation, evidence_ids=tuple(dict.fromkeys(map(_looked_at, concerned))))


def _looked_at(change: Change) -> str:
    if isinstance(change, SetSetting):
        return f"setting {label(change.name)}"
    return f"table {label(change.schema, change.table)}"
