"""Writes a page as one HTML file that stands alone: no script, no request, dark and light, and fit for paper.

Every text is escaped, and what a terminal or a page would obey is shown instead. Its policy lets nothing in but the
styles that stand in it, each by its hash.
"""

from __future__ import annotations

import re
from base64 import b64encode
from collections.abc import Iterator
from hashlib import sha256
from html import escape

from trimtab.report.figures import printable
from trimtab.report.page import Block, Grid, Page, Picture, Section, Text

_STYLE = """
:root{color-scheme:light dark;--paper:#fff;--raised:#f6f8fa;--ink:#1b1f24;--soft:#57606a;--line:#d0d7de;--link:#0550ae}
@media (prefers-color-scheme:dark){:root{--paper:#0d1117;--raised:#161b22;--ink:#f0f3f6;--soft:#9ea7b3;--line:#32383f;
--link:#79c0ff}}
*{box-sizing:border-box}
html{font:15px/1.45 system-ui,sans-serif}
body{margin:0 auto;max-width:1200px;padding:1rem;background:var(--paper);color:var(--ink)}
a{color:var(--link)}
:focus-visible{outline:3px solid var(--link);outline-offset:2px}
h1{font-size:1.5rem;margin:.4rem 0;overflow-wrap:anywhere}
h2{font-size:1.15rem;margin:1.6rem 0 .4rem;border-bottom:1px solid var(--line)}
p{margin:.4rem 0;max-width:105ch;overflow-wrap:anywhere}
nav ul{display:flex;flex-wrap:wrap;gap:.2rem 1rem;list-style:none;padding:0;margin:.6rem 0}
.lead,caption,figcaption,.more{color:var(--soft)}
.scroll{overflow-x:auto}
table{border-collapse:collapse;margin:.5rem 0;min-width:40%}
caption{text-align:left;font-size:.9rem;padding:.15rem 0}
th,td{text-align:left;vertical-align:top;padding:.25rem .8rem .25rem 0;border-bottom:1px solid var(--line);
font-weight:400;overflow-wrap:anywhere;max-width:46ch}
thead th{color:var(--soft);font-size:.9rem;vertical-align:bottom}
.n{text-align:right;font-variant-numeric:tabular-nums;white-space:nowrap}
figure{margin:.6rem 0}
figure svg{max-width:100%;height:auto}
@media print{:root{--paper:#fff;--raised:#fff;--ink:#000;--soft:#444;--line:#bbb;--link:#000}
body{max-width:none;padding:0}html{font-size:10px}nav{display:none}.scroll{overflow:visible}
tr,figure{break-inside:avoid}h2{break-after:avoid}thead{display:table-header-group}}
@page{margin:14mm}
"""
_STYLES = re.compile(r"<style>(.*?)</style>", re.DOTALL)
_LONGEST = 2000


def page_html(page: Page) -> str:
    """Return the file's text."""
    parts = [*_parts(page)]
    body = "\n".join(parts)
    styles = [_STYLE, *dict.fromkeys(_STYLES.findall(body))]
    hashes = " ".join(f"'sha256-{b64encode(sha256(style.encode()).digest()).decode()}'" for style in styles)
    policy = f"default-src 'none'; style-src {hashes}; base-uri 'none'; form-action 'none'"
    head = (
        '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{policy}">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        '<meta name="referrer" content="no-referrer">\n<meta name="color-scheme" content="light dark">\n'
        f"<title>{_shown(page.title)}</title>\n<style>{_STYLE}</style>\n</head>\n"
    )
    return f"{head}<body>\n{body}\n</body>\n</html>\n"


def _parts(page: Page) -> Iterator[str]:
    yield f'<header><h1>{_shown(page.title)}</h1><p class="lead">{_shown(page.lead)}</p></header>'
    yield '<nav aria-label="Sections"><ul>'
    for section in page.sections:
        yield f'<li><a href="#{_shown(section.name)}">{_shown(section.title)}</a></li>'
    yield "</ul></nav>\n<main>"
    for section in page.sections:
        yield from _section(section)
    yield "</main>"


def _section(section: Section) -> Iterator[str]:
    name = _shown(section.name)
    yield f'<section aria-labelledby="{name}"><h2 id="{name}">{_shown(section.title)}</h2>'
    for block in section.blocks:
        yield from _block(block)
    yield "</section>"


def _block(block: Block) -> Iterator[str]:
    match block:
        case Text():
            yield f"<p>{_shown(block.text)}</p>"
        case Picture():
            yield f"<figure>{block.svg}<figcaption>{_shown(block.caption)}</figcaption></figure>"
        case Grid():
            yield from _grid(block)


def _grid(grid: Grid) -> Iterator[str]:
    yield f'<div class="scroll" tabindex="0" role="region" aria-label="{_shown(grid.caption)}"><table>'
    yield f"<caption>{_shown(grid.caption)}</caption><thead><tr>"
    for number, column in enumerate(grid.columns):
        yield f'<th scope="col"{_class(grid, number)}>{_shown(column)}</th>'
    yield "</tr></thead><tbody>"
    for row in grid.rows:
        first, *rest = row
        cells = "".join(f"<td{_class(grid, number)}>{_shown(cell)}</td>" for number, cell in enumerate(rest, 1))
        yield f'<tr><th scope="row"{_class(grid, 0)}>{_shown(first)}</th>{cells}</tr>'
    yield "</tbody></table></div>"
    if grid.left_out:
        yield f'<p class="more">{_shown(left_out(grid))}</p>'


def left_out(grid: Grid) -> str:
    """Return how many rows are not shown."""
    return f"{grid.left_out:,} more are in the comprehensive report and in the JSON document."


def _class(grid: Grid, column: int) -> str:
    return ' class="n"' if column in grid.numbers else ""


def _shown(text: str) -> str:
    return escape(printable(text, limit=_LONGEST), quote=True)
