"""What a document for people is made of, whatever it is written as: sections of sentences, tables and pictures. Values.

Texts are as they come: whoever writes them as HTML or Markdown makes them harmless there.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeAlias


@dataclass(frozen=True, slots=True)
class Text:
    """One paragraph."""

    text: str


@dataclass(frozen=True, slots=True)
class Grid:
    """A table. `left_out` counts rows that are not shown; `numbers` are the columns that hold numbers, from 0."""

    caption: str
    columns: Sequence[str]
    rows: Sequence[Sequence[str]]
    numbers: frozenset[int] = frozenset()
    left_out: int = 0


@dataclass(frozen=True, slots=True)
class Picture:
    """An SVG that stands alone, and what it shows in a sentence."""

    svg: str
    caption: str


Block: TypeAlias = Text | Grid | Picture


@dataclass(frozen=True, slots=True)
class Section:
    """A part with a title. `name` is what links call it."""

    name: str
    title: str
    blocks: Sequence[Block]


@dataclass(frozen=True, slots=True)
class Page:
    """A whole document."""

    title: str
    lead: str
    sections: Sequence[Section]
