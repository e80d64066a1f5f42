"""One part of the benchmark: a name, what measures it, what prints it."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

from bench.results_file import write
from bench.twin.sources import Sources, open_sources, say


@dataclass(frozen=True, slots=True)
class Part:
    """`run` returns what is written as JSON, `show` prints it as a table."""

    name: str
    run: Callable[[Sources], dict[str, object]]
    show: Callable[[dict[str, object]], None]

    def measure(self, sources: Sources) -> None:
        """Run it, print its table and write its file."""
        started = time.monotonic()
        result = self.run(sources)
        result["seconds"] = round(time.monotonic() - started, 1)
        print(f"\n== {self.name} ({result['seconds']} s)")
        self.show(result)
        say(f"written to {write(f'twin_{self.name}', result).name}")

    def main(self) -> None:
        """Run this part alone, with sources of its own."""
        with open_sources() as sources:
            self.measure(sources)
