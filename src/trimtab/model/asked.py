"""Changes as somebody asks for them: by names and numbers alone, without a word of SQL. Values; nothing is looked up.

What they mean on a database, `lifecycle/asked.py` says, from its catalog: names of new objects, definitions and sizes
are made there, and are nobody's to choose.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias


@dataclass(frozen=True, slots=True)
class AskedKey:
    """A key of an index: a column, and its direction."""

    column: str
    is_descending: bool = False
    is_nulls_first: bool | None = None


@dataclass(frozen=True, slots=True)
class AskedIndex:
    """A new index over columns of all rows."""

    schema: str
    table: str
    keys: tuple[AskedKey, ...]
    include: tuple[str, ...] = ()
    method: str = "btree"


@dataclass(frozen=True, slots=True)
class AskedDrop:
    """That an index goes."""

    schema: str
    index: str


@dataclass(frozen=True, slots=True)
class AskedRebuild:
    """That an index is built anew."""

    schema: str
    index: str


@dataclass(frozen=True, slots=True)
class AskedStatistics:
    """New extended statistics over columns; `kinds` are of ndistinct, dependencies and mcv."""

    schema: str
    table: str
    columns: tuple[str, ...]
    kinds: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class AskedTarget:
    """How much ANALYZE is to keep of a column; None is the server's default."""

    schema: str
    table: str
    column: str
    target: int | None


@dataclass(frozen=True, slots=True)
class AskedSetting:
    """A setting for the whole database; `value` None resets it."""

    name: str
    value: str | None


Asked: TypeAlias = AskedIndex | AskedDrop | AskedRebuild | AskedStatistics | AskedTarget | AskedSetting
