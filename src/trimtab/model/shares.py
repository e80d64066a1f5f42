"""Shares: of time that was saved, and as people write them, a percentage with its sign. It decides nothing."""

from __future__ import annotations

import re

from trimtab.errors import ConfigError

_PERCENTAGE = re.compile(r"([0-9]{1,6}(?:\.[0-9]{1,6})?)\s*%")


def parse_share(text: str) -> float:
    """Return the share that "10%" means, 0.1. Raises ConfigError `share.invalid`."""
    found = _PERCENTAGE.fullmatch(text.strip())
    if found is None:
        raise ConfigError(
            f"the share {text!r} was refused: not a percentage with its sign",
            code="share.invalid",
            next_step="Write a number and a percent sign, as in 10% or 2.5%.",
        )
    return float(found[1]) / 100


def saved_share(before: float | None, after: float | None) -> float | None:
    """Return the share of a time that was saved, None where it was not measured."""
    return None if before is None or after is None or before <= 0 else 1.0 - after / before
