"""The web application: which address is which page, who may see it, and how refusals look.

One table of pages and one of API operations make all routes. Every answer passes `guard.py`. It decides nothing else.
"""

from __future__ import annotations

import json
import logging
import threading
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlencode

from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.datastructures import UploadFile
from starlette.exceptions import HTTPException
from starlette.formparsers import MultiPartException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import BaseRoute, Mount, Route
from starlette.staticfiles import StaticFiles

from trimtab.errors import (
    BusyError,
    ConfigError,
    LedgerError,
    RefusedError,
    SourceError,
    TrimtabError,
    UsageError,
)
from trimtab.web import activity, approving, freezing, health, login, pages, pages_fleet
from trimtab.web.access import Access, Visitor
from trimtab.web.api_v1 import BASE, OPERATIONS, Operation, openapi
from trimtab.web.asked import Asked
from trimtab.web.context import Context
from trimtab.web.documents import document
from trimtab.web.guard import Guard
from trimtab.web.limits import RateLimit
from trimtab.web.live import Live
from trimtab.web.site import Site, SiteOptions
from trimtab.web.users import Role

STATIC = Path(__file__).with_name("static")
_BURST, _PER_SECOND = 120, 20
_MOST_FIELDS = 20
_WARM_SECONDS = 5.0
"""So long it waits at the start for what the first page needs; a very long ledger is read on while it serves."""
_NOT_FOUND = frozenset(
    {"show.unknown", "ledger.unknown", "anchor.unknown", "approval.unknown", "web.not_found", "history.no_server"}
    | {"history.no_query", "history.no_metric", "backend.unknown"}
)
_log = logging.getLogger("trimtab.web")


@dataclass(frozen=True, slots=True)
class Page:
    """A page: its address, what makes it, who may see it. A form needs a session, for its token: it begins one."""

    path: str
    make: Callable[[Context], Response]
    role: Role = Role.VIEWER
    method: str = "GET"
    has_form: bool = False


PAGES = (
    Page("/", pages_fleet.fleet),
    Page("/server", pages_fleet.server),
    Page("/server/plot.svg", pages_fleet.server_plot),
    Page("/workload", pages_fleet.workload),
    Page("/query", pages_fleet.query),
    Page("/query/plot.svg", pages_fleet.query_plot),
    Page("/indexes", pages_fleet.indexes),
    Page("/indexes/frontier.svg", pages_fleet.frontier_plot),
    Page("/changes", pages.changes),
    Page("/changes/all", pages.change_list),
    Page("/changes/{strategy_id}", pages.change),
    Page("/approvals/{request_id}", approving.show, has_form=True),
    Page("/approvals/{request_id}/request.json", approving.request_file),
    Page("/approvals/{request_id}/approve", approving.approve, Role.APPROVER, "POST"),
    Page("/approvals/{request_id}/bring", approving.bring, Role.APPROVER, "POST"),
    Page("/approvals/{request_id}/reject", approving.reject, Role.APPROVER, "POST"),
    Page("/anchors", pages.anchors),
    Page("/anchors/{anchor_id}", pages.anchor),
    Page("/anchors/{anchor_id}/plot.svg", pages.anchor_plot),
    Page("/specifications", pages.specifications),
    Page("/specifications/one", pages.specification),
    Page("/specifications/difference", pages.specification_difference),
    Page("/ledger", pages.ledger),
    Page("/ledger/verified", pages.verified),
    Page("/ledger/{seq}", pages.entry),
    Page("/ledger/{seq}/proof.json", pages.proof_file),
    Page("/activity", activity.activity, Role.OPERATOR),
    Page("/activity/end", activity.ending_asked, Role.OPERATOR, has_form=True),
    Page("/activity/end", activity.ending, Role.OPERATOR, "POST"),
    Page("/freezes", freezing.freezes, has_form=True),
    Page("/freezes/freeze", freezing.freeze, Role.OPERATOR, "POST"),
    Page("/freezes/thaw", freezing.thaw_asked, Role.OPERATOR, has_form=True),
    Page("/freezes/thaw", freezing.thaw, Role.OPERATOR, "POST"),
    Page("/logout", login.logout, method="POST"),
)


def web_app(options: SiteOptions) -> Starlette:
    """Return the application for what the options name; it opens all of it when it starts."""
    site = Site(options)
    access = Access(site)
    scheme = "https" if options.is_secure else "http"
    limit = None if options.is_local else RateLimit(_BURST, _PER_SECOND, options.monotonic)

    @asynccontextmanager
    async def lifespan(_app: Starlette) -> AsyncIterator[None]:
        warming = threading.Thread(target=site.warm, name="trimtab-web-warm", daemon=True)
        warming.start()
        await run_in_threadpool(warming.join, _WARM_SECONDS)
        yield
        site.close()

    app = Starlette(
        routes=list(_routes(site, access)),
        lifespan=lifespan,
        middleware=[Middleware(Guard, hosts=options.hosts, scheme=scheme, limit=limit)],
        exception_handlers={
            HTTPException: _Refusals(site, access).of_http,
            TrimtabError: _Refusals(site, access).of_trimtab,
            Exception: _Refusals(site, access).of_fault,
        },
    )
    app.router.redirect_slashes = False  # an address is a page's, or none
    return app


def _routes(site: Site, access: Access) -> Sequence[BaseRoute]:
    live = Live(site, access.is_known)

    async def listen(request: Request) -> Response:
        visitor = await run_in_threadpool(access.visitor, request)
        return Response(status_code=401) if visitor is None else live.response(request)

    def healthz(_request: Request) -> Response:
        found = health.health(site)
        status = 200 if found.status == "ok" else 503
        return Response(json.dumps(document(found)), status, media_type="application/json")

    def metrics(request: Request) -> Response:
        if access.visitor(request) is None:
            return _unauthorized(request)
        return Response(health.prometheus_text(site), media_type="text/plain; version=0.0.4; charset=utf-8")

    def described(_request: Request) -> Response:
        return Response(json.dumps(openapi()), media_type="application/json")

    return (
        *(Route(page.path, _page(site, access, page), methods=[page.method]) for page in PAGES),
        Route("/login", _form(site, access, login.show), methods=["GET"]),
        Route("/login", _form(site, access, login.log_in), methods=["POST"]),
        Route("/live", listen, methods=["GET"]),
        Route("/healthz", healthz, methods=["GET"]),
        Route("/metrics", metrics, methods=["GET"]),
        Route(f"{BASE}/openapi.json", described, methods=["GET"]),
        *(Route(BASE + each.path, _operation(site, access, each), methods=["GET"]) for each in OPERATIONS),
        Mount("/static", StaticFiles(directory=STATIC)),
    )


def _operation(site: Site, access: Access, operation: Operation) -> Callable[[Request], Response]:
    def answer(request: Request) -> Response:
        if access.visitor(request) is None:
            return _unauthorized(request)
        found = operation.read(site, _asked(request))
        return Response(json.dumps(document(found)), media_type="application/json")

    return answer


def _page(site: Site, access: Access, page: Page) -> Callable[[Request], Awaitable[Response]]:
    async def answer(request: Request) -> Response:
        visitor = await run_in_threadpool(access.visitor, request)
        if visitor is None:
            return _to_log_in(request, page)
        if visitor.role < page.role:
            raise RefusedError(
                f"this needs the role {page.role.word}, and {visitor.name} has the role {visitor.role.word}",
                code="web.role",
                next_step="An operator gives roles with `trimtab serve-user`.",
            )
        form, files = await _sent(request, visitor) if page.method == "POST" else ({}, {})
        cookie = None
        if page.has_form and visitor.session is None:
            cookie, session = site.sessions.begin(visitor.name, visitor.role)
            visitor = Visitor(visitor.name, visitor.role, session)
        context = Context(site, access, request, _asked(request), visitor, form, files)
        response = await run_in_threadpool(page.make, context)
        if cookie is not None:
            set_cookie(response, access, site, cookie)
        return response

    return answer


def _form(site: Site, access: Access, make: Callable[[Context], Response]) -> Callable[[Request], Awaitable[Response]]:
    """The login: before it there is nobody, and its form has a session of its own for its token."""

    async def answer(request: Request) -> Response:
        session = site.sessions.find(request.cookies.get(access.cookie_name))
        cookie = None
        form: Mapping[str, str] = {}
        if request.method == "POST":
            form, _ = await _sent(request, Visitor("", Role.VIEWER, session))
        elif session is None:
            cookie, session = site.sessions.begin("", Role.VIEWER)
        context = Context(site, access, request, _asked(request), Visitor("", Role.VIEWER, session), form)
        response = await run_in_threadpool(make, context)
        if cookie is not None:
            set_cookie(response, access, site, cookie)
        return response

    return answer


async def _sent(request: Request, visitor: Visitor) -> tuple[dict[str, str], dict[str, bytes]]:
    """Return what a form sent, once its token was seen. Raises RefusedError `web.csrf`, UsageError `web.form`."""
    try:
        form = await request.form(max_files=1, max_fields=_MOST_FIELDS)
    except (MultiPartException, HTTPException):
        raise UsageError("the form was refused: it cannot be read", code="web.form", next_step="Try again.") from None
    texts = {name: value for name, value in form.items() if isinstance(value, str)}
    files = {name: await value.read() for name, value in form.items() if isinstance(value, UploadFile)}
    await form.close()
    if visitor.session is None or not visitor.session.holds(texts.get("csrf", "")):
        raise RefusedError(
            "the form was refused: it is not of this session, or the session has ended",
            code="web.csrf",
            next_step="Open the page again, and send it from there.",
        )
    return texts, files


def set_cookie(response: Response, access: Access, site: Site, value: str) -> None:
    """Give the browser its session: no script sees it, and no other site sends it."""
    response.set_cookie(
        access.cookie_name, value, httponly=True, samesite="strict", secure=site.options.is_secure, path="/"
    )


def _asked(request: Request) -> Asked:
    return Asked(dict(request.query_params), {key: str(value) for key, value in request.path_params.items()})


def _to_log_in(request: Request, page: Page) -> Response:
    """Send who asks for a page to the login. A part of a page that is open is refused: the page stays as it is."""
    if page.method == "POST":
        raise RefusedError(
            "nothing was done: nobody is logged in, or the session has ended",
            code="web.login",
            next_step="Log in, open the page again, and send it from there.",
        )
    if page.path.endswith((".svg", ".json")) or "hx-request" in request.headers:
        return _unauthorized(request)
    here = request.url.path + (f"?{request.url.query}" if request.url.query else "")
    return RedirectResponse(f"/login?{urlencode({'next': here})}", 303)


def _unauthorized(request: Request) -> Response:
    """Ask a program for HTTP Basic; not a browser, which tells its mode: it would open a window that asks for it."""
    body = json.dumps({"error": {"code": "web.login", "message": "log in first", "next_step": "", "exit_code": 5}})
    is_browser = "sec-fetch-mode" in request.headers
    headers = {} if is_browser else {"www-authenticate": 'Basic realm="trimtab", charset="UTF-8"'}
    return Response(body, 401, headers, media_type="application/json")


@dataclass(frozen=True, slots=True)
class _Refusals:
    """How refusals look: a page, or for the API a document. No traceback is shown, and no password is in a message."""

    site: Site
    access: Access

    def of_trimtab(self, request: Request, error: Exception) -> Response:
        assert isinstance(error, TrimtabError)
        return self._told(request, error, _status(error))

    def of_http(self, request: Request, error: Exception) -> Response:
        assert isinstance(error, HTTPException)
        found = UsageError(str(error.detail), code="web.not_found", next_step="The menu has all pages.")
        return self._told(request, found, error.status_code, error.headers)

    def of_fault(self, request: Request, error: Exception) -> Response:
        _log.error("a fault inside trimtab (%s) at %s", type(error).__name__, request.url.path)
        found = TrimtabError(
            f"a fault inside trimtab ({type(error).__name__})",
            code="internal",
            next_step="Run with TRIMTAB_DEBUG=1 to see where, and report it.",
        )
        return self._told(request, found, 500)

    def _told(
        self, request: Request, error: TrimtabError, status: int, headers: Mapping[str, str] | None = None
    ) -> Response:
        from trimtab.db.dsn import redact

        told = {key: redact(value) if isinstance(value, str) else value for key, value in error.as_dict().items()}
        if request.url.path.startswith(("/api/", "/metrics", "/healthz")) or request.url.path.endswith(".svg"):
            return Response(json.dumps({"error": told}), status, headers, media_type="application/json")
        visitor = None
        if self.site.options.is_local:
            visitor = Visitor("", Role.OPERATOR, None)
        context = Context(self.site, self.access, request, Asked({}, {}), visitor)
        page = context.page("error.html", title="Refused", status=status, told=told)
        page.headers.update(headers or {})
        return page


def _status(error: TrimtabError) -> int:
    if error.code in _NOT_FOUND:
        return 404
    if error.code == "web.tries":
        return 429
    if error.code == "web.login":
        return 401
    if isinstance(error, RefusedError):
        return 403
    if isinstance(error, LedgerError | BusyError | ConfigError):
        return 503
    if isinstance(error, SourceError):
        return 502
    return 400 if isinstance(error, UsageError) else 500
