"""What the tools of reports answer, as their schemas have it. Values alone."""

from __future__ import annotations

from typing import Annotated

from pydantic import BeforeValidator, Field

from trimtab.mcp.answers import Answer
from trimtab.mcp.untrusted import MARK, UntrustedText
from trimtab.report.figures import printable

PAGE_CHARACTERS = 60_000


def _page(value: object) -> object:
    return printable(value, limit=PAGE_CHARACTERS, may_break=True) if isinstance(value, str) else value


UntrustedPage = Annotated[str, BeforeValidator(_page), Field(description=f"{MARK} Names and texts stand between ours.")]


class Figure(Answer):
    """One figure; value null is not measured, and why says why."""

    shown: str
    value: float | None
    unit: str
    low: float | None
    high: float | None
    confidence: float | None
    counted: UntrustedText
    source: str
    why: UntrustedText


class ReportFigures(Answer):
    """The figures of a window, by the original's four groups; and how many runs and changes there were."""

    begin: str
    end: str
    counts: dict[str, int]
    groups: dict[str, dict[str, Figure]]


class ReportBuilt(Answer):
    """The report's page as Markdown."""

    begin: str
    end: str
    markdown: UntrustedPage
    is_cut: bool
