"""Writes a page as Markdown (CommonMark with GitHub's tables). Pictures are named, and not drawn.

Every text is made harmless: it can neither end a cell, nor be a link, a heading or HTML.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from trimtab.report.figures import printable
from trimtab.report.page import Block, Grid, Page, Picture, Text
from trimtab.report.page_html import left_out

# What means something within a line of CommonMark or GitHub's Markdown, or at its begin; a link that stands by itself
# begins with its scheme or www.
_SPECIAL = re.compile(r"([\\`*_\[\]|<>~&@$])")
_BEGIN = re.compile(r"^(\s*)([#+=-]|(?<=\d)[.)])")
_LINKS = re.compile(r"(?i)\b(https?|ftp|www)(?=[:.])")
_LONGEST = 2000


def page_markdown(page: Page) -> str:
    """Return the file's text."""
    return "\n".join(_lines(page)) + "\n"


def _lines(page: Page) -> Iterator[str]:
    yield f"# {_shown(page.title)}"
    yield ""
    yield _shown(page.lead)
    for section in page.sections:
        yield ""
        yield f"## {_shown(section.title)}"
        for block in section.blocks:
            yield ""
            yield from _block(block)


def _block(block: Block) -> Iterator[str]:
    match block:
        case Text():
            yield _shown(block.text)
        case Picture():
            yield f"Picture, in the HTML report: {_shown(block.caption)}"
        case Grid():
            yield f"{_shown(block.caption)}:"
            yield ""
            yield _row(block.columns)
            yield _row(
                ["--:" if number in block.numbers else "---" for number, _ in enumerate(block.columns)], raw=True
            )
            for row in block.rows:
                yield _row(row)
            if block.left_out:
                yield ""
                yield _shown(left_out(block))


def _row(cells: Sequence[str], *, raw: bool = False) -> str:
    return "| " + " | ".join(cell if raw else _shown(cell) or " " for cell in cells) + " |"


def _shown(text: str) -> str:
    escaped = _BEGIN.sub(r"\1\\\2", _SPECIAL.sub(r"\\\1", printable(text, limit=_LONGEST)))
    return _LINKS.sub(lambda found: f"{found[0][0]}<!-- -->{found[0][1:]}", escaped)
