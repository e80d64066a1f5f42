"""The pages that stop changes and let them go on. The switch itself is `apply.switch`, reached through the API."""

from __future__ import annotations

from starlette.responses import Response

from trimtab import api_operations as api
from trimtab.apply.switch import MAX_REASON
from trimtab.errors import TrimtabError, UsageError
from trimtab.web.asked import Asked, Parameter
from trimtab.web.context import Context
from trimtab.web.person import acted, known_operator, require_yes, status_of

SCOPE = Parameter("scope", "Everything, or one database.", choices=("everything", "database"), is_needed=True)
DATABASE = Parameter("database", "A database, by its name on its server.")
_DONE = {
    "frozen": "Frozen: from the next statement on nothing of this machine changes a source.",
    "thawed": "Thawed.",
    "unrecorded": "Frozen. The ledger could not tell of it: see that it can be written.",
}


def freezes(context: Context) -> Response:
    """What is frozen, and the form that freezes."""
    return _freezes(context)


def freeze(context: Context) -> Response:
    """Freeze everything, or one database."""

    def act(name: str) -> str:
        done = api.freeze(
            _database(Asked(context.form, {})),
            reason=context.form.get("reason", "").strip(),
            allows_reverts=context.form.get("allows_reverts") == "yes",
            by=name,
            ledger_path=context.site.options.ledger_path,
        )
        return f"/freezes?done={'frozen' if done.unrecorded is None else 'unrecorded'}"

    return acted(context, act, lambda error: _freezes(context, error))


def thaw_asked(context: Context) -> Response:
    """One freeze, and whether it is to end."""
    return _thaw(context, context.asked)


def thaw(context: Context) -> Response:
    """End one freeze. What the ledger cannot be told of does not end."""

    def act(name: str) -> str:
        require_yes(context, "nothing was thawed")
        database = _database(Asked(context.form, {}))
        api.thaw(database, by=name, ledger_path=context.site.options.ledger_path)
        return "/freezes?done=thawed"

    return acted(context, act, lambda error: _thaw(context, Asked(context.form, {}), error))


def _freezes(context: Context, error: TrimtabError | None = None) -> Response:
    done = context.asked.query.get("done", "") if error is None else ""
    return context.page(
        "freezes.html",
        title="Freezes",
        section="freezes",
        status=200 if error is None else status_of(error),
        error=error,
        done=_DONE.get(done, ""),
        reason=context.form.get("reason", ""),
        database=context.form.get("database", ""),
        most_reason=MAX_REASON,
        operator=known_operator(context),
    )


def _thaw(context: Context, asked: Asked, error: TrimtabError | None = None) -> Response:
    database = _database(asked)
    found = next((each for each in context.frozen() if each.database == database), None)
    if found is None:
        raise UsageError("there is no such freeze", code="web.not_found", next_step="/freezes lists what is frozen.")
    return context.page(
        "thaw.html",
        title="End a freeze",
        section="freezes",
        status=200 if error is None else status_of(error),
        error=error,
        found=found,
        operator=known_operator(context),
    )


def _database(asked: Asked) -> str | None:
    """Return the database that is meant, None for everything. Raises UsageError `web.parameter`."""
    if asked.text(SCOPE) == "everything":
        return None
    name = asked.text(DATABASE).strip()
    if not name:
        raise UsageError(
            "nothing was done: no database was named",
            code="web.parameter",
            next_step="Name it as PostgreSQL calls it, or choose everything.",
        )
    return name
