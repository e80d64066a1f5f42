"""Runs the parts that are named, or all of them."""

from __future__ import annotations

import argparse

from bench.anchors import aa, detection, load
from bench.anchors.recording import recorded

PARTS = ("aa", "detection", "load")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("parts", nargs="*", help=f"{', '.join(PARTS)}; all when none is named")
    parser.add_argument("--streams", type=int, default=500, help="of each synthetic family, where many are drawn")
    parser.add_argument("--record", action="store_true", help="record real executions anew, though some are kept")
    arguments = parser.parse_args()
    parts = arguments.parts or PARTS
    if unknown := set(parts) - set(PARTS):
        parser.error(f"no such part: {', '.join(sorted(unknown))}")
    if {"aa", "detection"} & set(parts):
        streams = recorded(anew=arguments.record)
    if "aa" in parts:
        aa.measure(streams, many=arguments.streams)
    if "detection" in parts:
        detection.measure(streams, many=arguments.streams)
    if "load" in parts:
        load.measure(anew=arguments.record)


if __name__ == "__main__":
    main()
