"""What a page is made with: the site, the parameters, who asks, and the form where one was sent."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response

from trimtab import api_operations
from trimtab.apply.switch import Freeze
from trimtab.version import __version__
from trimtab.web.access import Access, Visitor
from trimtab.web.asked import Asked
from trimtab.web.rendering import render
from trimtab.web.site import Site


@dataclass
class Context:
    """One request. `form` holds the texts of a form, `files` the contents of uploads; empty for what only reads."""

    site: Site
    access: Access
    request: Request
    asked: Asked
    visitor: Visitor | None
    form: Mapping[str, str] = field(default_factory=dict)
    files: Mapping[str, bytes] = field(default_factory=dict)

    def page(self, template: str, *, title: str, section: str = "", status: int = 200, **values: object) -> Response:
        """Return a page. `section` is which part of the menu it belongs to."""
        session = None if self.visitor is None else self.visitor.session
        text = render(
            template,
            title=title,
            section=section,
            visitor=self.visitor,
            csrf=session.csrf if session is not None else "",
            is_local=self.site.options.is_local,
            frozen=self.frozen() if self._is_known else None,
            now_ns=self.site.now_ns(),
            version=__version__,
            here=self.request.url.path + (f"?{self.request.url.query}" if self.request.url.query else ""),
            query=dict(self.request.query_params),
            **values,
        )
        return HTMLResponse(text, status)

    @property
    def _is_known(self) -> bool:
        """On this machine everybody is; beyond it, who has logged in."""
        return self.visitor is not None and (self.site.options.is_local or bool(self.visitor.name))

    def frozen(self) -> tuple[Freeze, ...]:
        """Return what is frozen now: every page tells it to whom it knows."""
        return api_operations.frozen(ledger_path=self.site.options.ledger_path)

    def see(self, address: str) -> Response:
        """Return that the browser is to go there; `address` is of this site."""
        return RedirectResponse(address, 303)
