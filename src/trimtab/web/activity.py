"""The pages of who is at work on a server now, and of ending a statement or a session of theirs.

The server is asked anew for each of them. What may be done, and whether it is, the specification and the enforcement
point say, through the API.
"""

from __future__ import annotations

from dataclasses import replace

from starlette.responses import Response

from trimtab import api_operations as api
from trimtab.apply.switch import MAX_REASON
from trimtab.errors import TrimtabError, UsageError
from trimtab.lifecycle.backends import SeenBackend, told_lines
from trimtab.model.backend import BackendAct
from trimtab.web.asked import SERVER, Asked, Parameter
from trimtab.web.context import Context
from trimtab.web.person import acted, known_operator, require_yes, status_of
from trimtab.web.rendering import link

PID = Parameter("pid", "A backend's process id.", "integer", is_needed=True, least=1, most=2**31 - 1)
STARTED = Parameter("started", "When the backend connected.", is_needed=True)
SINCE = Parameter("since", "Since when it is at what it is at.", is_needed=True)
ACT = Parameter("act", "What is done to it.", choices=tuple(act.value for act in BackendAct), is_needed=True)
_TITLES = {BackendAct.CANCEL: "Cancel a statement", BackendAct.TERMINATE: "Terminate a session"}


def activity(context: Context) -> Response:
    """Who is at work on a server at this moment; without a name, which servers there are."""
    if context.asked.query.get(SERVER.name):
        return _activity(context, context.asked.text(SERVER))
    servers = sorted(context.site.options.operators)
    return context.page("activity_choose.html", title="Activity", section="activity", servers=servers)


def ending_asked(context: Context) -> Response:
    """One backend as it is now, and whether it is to be ended, or its statement."""
    return _ending(context, context.asked)


def ending(context: Context) -> Response:
    """Have it done to the backend that was shown, at what it was shown at."""
    asked = Asked(context.form, {})
    server, pid, word = asked.text(SERVER), asked.number(PID), BackendAct(asked.text(ACT))

    def act(name: str) -> str:
        require_yes(context, "nothing was done")
        options = context.site.options
        shown = replace(_seen(context, asked).backend, since=asked.text(SINCE))
        ended = api.end_backend(
            word,
            shown,
            dsn=_dsn(context, server),
            by=name,
            via="web",
            is_confirmed=True,
            reason=context.form.get("reason", "").strip(),
            spec=options.specification,
            ledger_path=options.ledger_path,
        )
        return link("/activity", server=server, done=word.value if ended.has_ended else "sent", pid=pid)

    def refused(error: TrimtabError) -> Response:
        try:
            return _ending(context, asked, error)
        except UsageError:  # it is not there any more: that is told with those that are
            return _activity(context, server, error)

    return acted(context, act, refused)


def _activity(context: Context, server: str, error: TrimtabError | None = None) -> Response:
    options, query = context.site.options, context.asked.query
    shows_all = query.get("all") == "yes"
    found = api.backends(
        _dsn(context, server), every=shows_all, spec=options.specification, ledger_path=options.ledger_path
    )
    done = query.get("done", "") if error is None else ""
    return context.page(
        "activity.html",
        title=f"Activity of {server}",
        section="activity",
        status=200 if error is None else status_of(error),
        error=error,
        server=server,
        backends=found,
        acts=list(BackendAct),
        done=done if done in ("cancel", "terminate", "sent") else "",
        pid=query.get("pid", "")[:10],
        shows_all=shows_all,
    )


def _ending(context: Context, asked: Asked, error: TrimtabError | None = None) -> Response:
    act, seen = BackendAct(asked.text(ACT)), _seen(context, asked)
    return context.page(
        "ending.html",
        title=_TITLES[act],
        section="activity",
        status=200 if error is None else status_of(error),
        error=error,
        server=asked.text(SERVER),
        act=act,
        seen=seen,
        lines=told_lines(seen),
        refusal=seen.refusal(act),
        reason=context.form.get("reason", ""),
        most_reason=MAX_REASON,
        operator=known_operator(context),
    )


def _seen(context: Context, asked: Asked) -> SeenBackend:
    options = context.site.options
    return api.backend(
        asked.number(PID),
        dsn=_dsn(context, asked.text(SERVER)),
        started_at=asked.text(STARTED),
        spec=options.specification,
        ledger_path=options.ledger_path,
    )


def _dsn(context: Context, server: str) -> str:
    """Return by which DSN a server's backends are reached. Raises UsageError `web.not_found`, ConfigError."""
    found = context.site.options.operators.get(server)
    if found is None:
        raise UsageError(
            "there is no server of that name here",
            code="web.not_found",
            next_step="/activity lists those that trimtab.toml names.",
        )
    return found()
