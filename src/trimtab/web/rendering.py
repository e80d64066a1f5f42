"""Makes pages of templates. Everything in them is escaped; texts of databases show their control characters.

Numbers have their units; what is None reads "not measured", and never zero.
"""

from __future__ import annotations

from functools import cache
from urllib.parse import quote, urlencode

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup, escape

from trimtab.report.figures import duration, printable, size, utc_time

NOT_MEASURED = Markup('<span class="none">not measured</span>')
_LARGE = 1000


@cache
def environment() -> Environment:
    """Return the templates and their filters. Templates come with the program and are never read anew."""
    made = Environment(
        loader=PackageLoader("trimtab.web"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        auto_reload=False,
    )
    made.filters.update(
        shown=shown,
        when=when,
        ago=ago,
        ms=lambda value: NOT_MEASURED if value is None else duration(value),
        bytes=lambda value: NOT_MEASURED if value is None else size(round(value)),
        number=number,
        share=lambda value, digits=1: NOT_MEASURED if value is None else f"{100 * value:.{digits}f} %",
        saved=saved,
        metric=metric,
        words=lambda value: str(value).replace("_", " "),
    )
    made.globals.update(link=link, not_measured=NOT_MEASURED)
    return made


def compile_templates() -> None:
    """Compile all of them, once."""
    for name in environment().list_templates():
        environment().get_template(name)


def render(template: str, **values: object) -> str:
    """Return the page."""
    return environment().get_template(template).render(**values)


def shown(text: object, limit: int = 400) -> Markup:
    """Return a text that is not ours, escaped: whatever a terminal or a browser would obey is seen."""
    return escape(printable(str(text), limit=limit))


def when(at_ns: int | None) -> Markup:
    """Return a moment as a <time>, in UTC to the second."""
    if at_ns is None:
        return NOT_MEASURED
    told = utc_time(at_ns)
    return Markup('<time datetime="{}Z">{}</time>').format(told.replace(" ", "T"), told)


def ago(seconds: float | None) -> str | Markup:
    """Return an age as people read it: 4 s, 12 min, 3 h, 5 d."""
    if seconds is None:
        return NOT_MEASURED
    for length, unit in ((86400 * 2, "d"), (3600 * 2, "h"), (60 * 2, "min")):
        if seconds >= length:
            return f"{seconds / (length / 2):.0f} {unit}"
    return f"{max(seconds, 0):.0f} s"


def number(value: float | None, digits: int = 3) -> str | Markup:
    """Return a plain number, with its thousands apart."""
    if value is None:
        return NOT_MEASURED
    if float(value).is_integer() or abs(value) >= _LARGE:
        return f"{value:,.0f}"
    return f"{value:.{digits}g}"


def saved(share: float | None) -> str | Markup:
    """Return a share of time saved as people read a change: 0.4 is 40.0 % less."""
    if share is None:
        return NOT_MEASURED
    return f"{'-' if share >= 0 else '+'}{abs(100 * share):.1f} %"


def metric(value: float | None, unit: str, name: str = "") -> str | Markup:
    """Return a number of the history in its unit."""
    if value is None:
        return NOT_MEASURED
    if name.endswith("_ratio"):
        return f"{100 * value:.1f} %"
    if unit == "ms":
        return duration(value)
    if unit == "B":
        return size(round(value))
    if unit == "B/s":
        return f"{size(round(value))}/s"
    return f"{number(value)} {unit}".rstrip()


def link(path: str, **parameters: object) -> str:
    """Return an address on this site, with its parameters; those that are None or empty are left out."""
    given = {key: str(value) for key, value in parameters.items() if value not in (None, "")}
    return quote(path, safe="/:") + (f"?{urlencode(given)}" if given else "")
