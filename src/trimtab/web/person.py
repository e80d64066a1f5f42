"""Who does what an operator may: beyond this machine the login says so; on it, a name and a password, once a session.

On this machine everybody may read, every account of it; so who does something has to say who they are. It does nothing
itself.
"""

from __future__ import annotations

from collections.abc import Callable

from starlette.responses import Response

from trimtab.errors import RefusedError, TrimtabError, UsageError
from trimtab.web.context import Context
from trimtab.web.login import begin
from trimtab.web.users import Role, User


def known_operator(context: Context) -> str:
    """Return the name of who may act without saying more, "" where they have to."""
    visitor = context.visitor
    if visitor is None or not visitor.name:
        return ""
    role = context.site.users.role_of(visitor.name)
    return visitor.name if role is not None and role >= Role.OPERATOR else ""


def acted(context: Context, act: Callable[[str], str], refused: Callable[[TrimtabError], Response]) -> Response:
    """Do it as the operator who asks, and send them where `act` says; `refused` shows them why it was not done.

    `act` is given their name. Who has just said who they are gets a session of their own.
    """
    try:
        name, user = known_operator(context), None
        if not name:
            user = _said(context)
            name = user.name
        address = act(name)
    except TrimtabError as error:
        return refused(error)
    response = context.see(address)
    if user is not None:
        begin(context, response, user)
    return response


def require_yes(context: Context, nothing: str) -> None:
    """Refuse what was not confirmed: UsageError `web.unconfirmed`."""
    if context.form.get("confirmed") != "yes":
        raise UsageError(
            f"{nothing}: it was not confirmed", code="web.unconfirmed", next_step="Tick the box, and send it again."
        )


def status_of(error: TrimtabError) -> int:
    """Return the status of a page that tells why something was not done."""
    if error.code == "web.tries":
        return 429
    return 403 if isinstance(error, RefusedError) else 400


def _said(context: Context) -> User:
    """Return the operator whose name and password the form brings. Raises RefusedError `web.login`, `web.role`."""
    form = context.form
    user = context.access.login(form.get("operator", ""), form.get("password", ""), context.request)
    if user is None:
        raise RefusedError(
            "nothing was done: the name or the password is wrong",
            code="web.login",
            next_step="`trimtab serve-user NAME --role operator`, on this machine, makes an operator.",
        )
    if user.role < Role.OPERATOR:
        raise RefusedError(
            f"nothing was done: this needs the role operator, and {user.name} has the role {user.role.word}",
            code="web.role",
            next_step="`trimtab serve-user` gives roles.",
        )
    return user
