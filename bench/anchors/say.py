"""Tells the user where the benchmark is."""

from __future__ import annotations

import sys


def say(text: str) -> None:
    """Write a line of progress, where it is in nobody's way."""
    print(text, file=sys.stderr, flush=True)
