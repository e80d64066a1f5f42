"""Runs the parts of a benchmark that are named on its command line, or all of them. It measures nothing itself."""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from importlib import import_module


def run_parts(description: str | None, modules: Mapping[str, str]) -> None:
    """Run parts by name, each by its module's `measure`, which prints and writes what it saw."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("parts", nargs="*", help=f"{', '.join(modules)}; all when none is named")
    parts = parser.parse_args().parts or list(modules)
    if unknown := set(parts) - set(modules):
        parser.error(f"no such part: {', '.join(sorted(unknown))}")
    for name in parts:
        import_module(modules[name]).measure()
