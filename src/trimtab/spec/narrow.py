"""Narrows a specification for one run by what the command line adds. It never widens."""

from __future__ import annotations

from dataclasses import replace

from trimtab.errors import SpecError
from trimtab.spec.specification import Specification


def narrowed(specification: Specification, *, budget_bytes: int | None = None) -> Specification:
    """Return the specification with the run's own disk budget, where that is the smaller one. It never widens.

    Raises SpecError `spec.invalid` for a negative budget.
    """
    if budget_bytes is None or budget_bytes >= specification.indexes.max_total_size_bytes:
        return specification
    if budget_bytes < 0:
        raise SpecError(
            "the budget was refused: it is negative", code="spec.invalid", next_step="Give a size such as 2GB."
        )
    indexes = specification.indexes.model_copy(update={"max_total_size_bytes": budget_bytes})
    limits = specification.limits.model_copy(update={"indexes": indexes})
    return replace(specification, limits=limits, chain=(*specification.chain, "run:budget"))
