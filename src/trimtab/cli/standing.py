"""Says how much of what the lab proved stands on the source: a gain of the lab is not told as one that was reached."""

from __future__ import annotations

from collections.abc import Mapping

from trimtab.cli.text import tell
from trimtab.errors import ApplyError
from trimtab.model.report import OnSource, Report, proven_of
from trimtab.model.strategy import Outcome


def standing(on_source: OnSource, outcomes: Mapping[str, int]) -> str:
    """Return how much stands on the source, in words; `outcomes` counts strategies by outcome."""
    if on_source is OnSource.NOT_ASKED:
        return "not applied (dry run)"
    if on_source is OnSource.NOTHING_PROVEN:
        return "nothing was proven"
    told = f"{outcomes.get(Outcome.KEPT.value, 0)} of {proven_of(outcomes)} kept"
    is_untouched = on_source is OnSource.NONE and not outcomes.get(Outcome.REVERTED.value)
    return f"not applied: {told}" if is_untouched else told


def tell_unapplied(report: Report) -> int:
    """Tell on stderr that proven strategies could not be applied; return the exit code of that, else 0."""
    failed = report.lives_with(Outcome.FAILED)
    if not failed:
        return 0
    count, first = f"{len(failed)} of {proven_of(report.outcomes)}", failed[0]
    error = ApplyError(
        f"{count} proven strategies could not be applied; {first.strategy.id}: {first.note}",
        code="apply.incomplete",
        next_step=f"See `trimtab show {report.run_id}` for each, mend the cause and run the same command again:"
        " it begins by mending what broke off, as `trimtab resume` does.",
    )
    tell(error)
    return error.exit_code
