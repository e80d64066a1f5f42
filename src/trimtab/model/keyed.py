"""What the classes of the original text return: values that answer by attribute and by key alike."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import fields


class Keyed:
    """A frozen result that answers by attribute and by key alike."""

    def __getitem__(self, key: str) -> object:
        if key not in self.keys():
            raise KeyError(key)
        return getattr(self, key)

    def __iter__(self) -> Iterator[str]:
        return iter(self.keys())

    def keys(self) -> tuple[str, ...]:
        """Return the result's keys, in order."""
        return tuple(f.name for f in fields(self))  # type: ignore[arg-type]
