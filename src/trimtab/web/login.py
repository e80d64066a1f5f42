"""Logging in and out, beyond this machine. A wrong name and a wrong password look the same, and take the same time."""

from __future__ import annotations

from starlette.responses import Response

from trimtab.errors import RefusedError
from trimtab.web.context import Context
from trimtab.web.users import User


def show(context: Context) -> Response:
    """The form; on this machine alone there is nothing to log in to."""
    if context.site.options.is_local:
        return context.see("/")
    return _form(context, None)


def log_in(context: Context) -> Response:
    """Begin a session of the user: never the one that the form came with."""
    if context.site.options.is_local:
        return context.see("/")
    try:
        user = context.access.login(context.form.get("name", ""), context.form.get("password", ""), context.request)
        if user is None:
            raise RefusedError(
                "the name or the password is wrong", code="web.login", next_step="Try again; an operator makes users."
            )
    except RefusedError as error:
        return _form(context, error)
    response = context.see(own_address(context.form.get("next", "")))
    begin(context, response, user)
    return response


def begin(context: Context, response: Response, user: User) -> None:
    """Give the browser a session of the user, and end the one that it came with."""
    name = context.access.cookie_name
    context.site.sessions.end(context.request.cookies.get(name))
    cookie, _ = context.site.sessions.begin(user.name, user.role)
    secure = context.site.options.is_secure
    response.set_cookie(name, cookie, httponly=True, samesite="strict", secure=secure, path="/")


def logout(context: Context) -> Response:
    """End the session."""
    context.site.sessions.end(context.request.cookies.get(context.access.cookie_name))
    response = context.see("/login")
    response.delete_cookie(context.access.cookie_name, path="/", secure=context.site.options.is_secure)
    return response


def own_address(given: str) -> str:
    """Return the address where it is one of this site's, else the first page: nobody is sent elsewhere."""
    is_ours = given.startswith("/") and not given.startswith(("//", "/\\")) and given.isprintable()
    return given if is_ours and "\\" not in given else "/"


def _form(context: Context, error: RefusedError | None) -> Response:
    status = 200 if error is None else 429 if error.code == "web.tries" else 403
    wanted = context.form.get("next") or context.asked.query.get("next", "")
    return context.page(
        "login.html",
        title="Log in",
        status=status,
        error=error,
        name=context.form.get("name", ""),
        wanted=own_address(wanted),
    )
