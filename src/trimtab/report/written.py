"""What a report is written as: a function from its values to the bytes of a file. The same values, the same bytes.

Only the PDF depends on something else: the browser that prints it.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from enum import StrEnum
from typing import TYPE_CHECKING

from trimtab.errors import UsageError

if TYPE_CHECKING:
    from trimtab.lifecycle.reported import OptimizationReport


class ReportFormat(StrEnum):
    """The forms. COMPREHENSIVE is HTML with every row and every picture; HTML, MD and PDF have the first of each."""

    COMPREHENSIVE = "comprehensive"
    HTML = "html"
    PDF = "pdf"
    MD = "md"
    JSON = "json"
    YAML = "yaml"

    @property
    def suffix(self) -> str:
        """The ending of a file's name."""
        return ".html" if self is ReportFormat.COMPREHENSIVE else f".{self.value}"


def report_format(name: str) -> ReportFormat:
    """Return the form of that name. Raises UsageError `report.format`."""
    try:
        return ReportFormat(name)
    except ValueError:
        raise UsageError(
            f"the format {name[:40]!r} was refused: there is none of that name",
            code="report.format",
            next_step=f"Name one of {', '.join(ReportFormat)}.",
        ) from None


def report_bytes(
    report: OptimizationReport, form: ReportFormat, *, to_pdf: Callable[[str], bytes] | None = None
) -> bytes:
    """Return the file's content. `to_pdf` prints a page. Raises UsageError `report.no_browser`, `report.pdf`."""
    from trimtab.report.analytics import analytics_yaml
    from trimtab.report.handover import report_document
    from trimtab.report.handover_page import report_page
    from trimtab.report.page_html import page_html
    from trimtab.report.page_markdown import page_markdown

    match form:
        case ReportFormat.JSON:
            return (json.dumps(report_document(report), indent=2, allow_nan=False) + "\n").encode()
        case ReportFormat.YAML:
            return analytics_yaml(report).encode()
        case ReportFormat.MD:
            return page_markdown(report_page(report, is_whole=False)).encode()
        case ReportFormat.HTML | ReportFormat.COMPREHENSIVE:
            return page_html(report_page(report, is_whole=form is ReportFormat.COMPREHENSIVE)).encode()
        case ReportFormat.PDF:
            from trimtab.report.chromium import pdf_of

            return (to_pdf or pdf_of)(page_html(report_page(report, is_whole=False)))
