"""Runs the parts that are named, or all of them, over the same source servers."""

from __future__ import annotations

import argparse

from bench.twin import building, fidelity, hypothetical, sizes, speed
from bench.twin.sources import open_sources

PARTS = {part.name: part for part in (fidelity.PART, speed.PART, building.PART, sizes.PART, hypothetical.PART)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("parts", nargs="*", help=f"{', '.join(PARTS)}; all when none is named")
    parser.add_argument("--scale", type=float, default=1.0, help="of all three databases; the goals are for 1")
    parser.add_argument("--without-older", action="store_true", help="leave out the source of version 15")
    arguments = parser.parse_args()
    if unknown := set(arguments.parts) - set(PARTS):
        parser.error(f"no such part: {', '.join(sorted(unknown))}")
    with open_sources(scale=arguments.scale, with_older=not arguments.without_older) as sources:
        for name in arguments.parts or PARTS:
            PARTS[name].measure(sources)


if __name__ == "__main__":
    main()
