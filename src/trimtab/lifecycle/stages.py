"""The eight stages and the legal transitions between them. Values only."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from enum import StrEnum
from types import MappingProxyType

from trimtab.model.report import Life
from trimtab.model.strategy import Outcome


class Stage(StrEnum):
    """The stages of the lifecycle, in order."""

    OBSERVE = "observe"
    PROPOSE = "propose"
    VALIDATE = "validate"
    PREDICT = "predict"
    TRIAL = "trial"
    APPLY = "apply"
    ANCHOR = "anchor"
    SETTLE = "settle"


# From each stage a strategy goes on to the next one, or ends there with one of these outcomes.
ENDINGS: Mapping[Stage, frozenset[Outcome]] = MappingProxyType(
    {
        Stage.OBSERVE: frozenset(),
        Stage.PROPOSE: frozenset(),
        Stage.VALIDATE: frozenset({Outcome.REFUSED}),
        Stage.PREDICT: frozenset({Outcome.NOT_PREDICTED}),
        Stage.TRIAL: frozenset({Outcome.REJECTED, Outcome.UNTRIED, Outcome.PROVEN}),
        Stage.APPLY: frozenset({Outcome.REFUSED, Outcome.FAILED}),
        Stage.ANCHOR: frozenset(),
        Stage.SETTLE: frozenset({Outcome.KEPT, Outcome.REVERTED}),
    }
)


def ended(life: Life, stage: Stage, outcome: Outcome, note: str = "") -> Life:
    """Return the life, ended at that stage. Raises ValueError when no strategy may end so there."""
    if outcome not in ENDINGS[stage]:
        raise ValueError(f"a strategy cannot end as {outcome.value} at {stage.value}")
    return replace(life, outcome=outcome, note=note or life.note)
