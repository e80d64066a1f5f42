"""Approving and rejecting in the browser: the same screen, statement and signatures as on the command line.

On this machine alone the person types the passphrase; it unlocks the key once and is kept nowhere. From elsewhere no
passphrase is taken: the request is a file to take away, what was signed where the key is comes back as a file, and the
key never reaches this server. What counts is verified anew when a strategy is applied.
"""

from __future__ import annotations

import json
from contextlib import suppress

from starlette.responses import Response

from trimtab.errors import KeyFileError, RefusedError, TrimtabError, UsageError
from trimtab.lifecycle import approving
from trimtab.lifecycle.approving import Waiting
from trimtab.lifecycle.freezing import refuse_reason
from trimtab.model.approval import Approval
from trimtab.report.approval_screen import screen
from trimtab.report.figures import printable
from trimtab.signing.keys import SigningKey
from trimtab.signing.locked import unlocked_key
from trimtab.spec.specification import Specification
from trimtab.web.asked import Parameter
from trimtab.web.context import Context

REQUEST = Parameter("request_id", "A request for approval (q-...).", is_needed=True, is_in_path=True)
_MOST_HOURS = 24


def show(context: Context) -> Response:
    """All that a person must know before signing, and the two ways to sign."""
    return _shown(context, _waiting(context))


def approve(context: Context) -> Response:
    """Sign with the person's key on this machine. Raises RefusedError `web.elsewhere` for who asks from elsewhere."""
    waiting = _waiting(context)
    if not context.site.options.is_local:
        raise RefusedError(
            "no passphrase is taken from elsewhere: nothing was signed",
            code="web.elsewhere",
            next_step="Sign it where the key is, with `trimtab approve --from FILE --out FILE`, and bring that back.",
        )
    try:
        approver = context.form.get("approver", "").strip()
        hours = _hours(context.form.get("hours", ""))
        said = approving.statement(waiting.request, approver, hours=hours, now_ns=context.site.now_ns())
        approval = approving.signed(said, _unlocked(context, approver))
        approving.record(context.site.options.ledger_path, approval)
    except TrimtabError as error:
        return _shown(context, waiting, error)
    return context.see(f"/approvals/{waiting.request.id}?done=approved")


def bring(context: Context) -> Response:
    """Take an approval that was signed elsewhere: both signatures must be of the key that it names."""
    waiting = _waiting(context)
    try:
        approval = _approval(context.files.get("approval", b""))
        if approval.statement.get("request_id") != waiting.request.id:
            raise _unusable("it is of another request")
        approving.record(context.site.options.ledger_path, approval)
    except TrimtabError as error:
        return _shown(context, waiting, error)
    return context.see(f"/approvals/{waiting.request.id}?done=approved")


def reject(context: Context) -> Response:
    """Reject: approvals that were given are void. On this machine the passphrase shows whose word it is."""
    waiting = _waiting(context)
    try:
        reason = context.form.get("reason", "").strip()
        refuse_reason(reason)
        if not reason:
            raise UsageError("nothing was rejected: it needs a reason", code="usage.reason", next_step="Say why.")
        by = context.visitor.name if context.visitor is not None else ""
        if context.site.options.is_local:
            by = context.form.get("approver", "").strip()
            _unlocked(context, by)
        approving.reject(context.site.options.ledger_path, waiting.request.id, reason, by=lambda: by)
    except TrimtabError as error:
        return _shown(context, waiting, error)
    return context.see(f"/approvals/{waiting.request.id}?done=rejected")


def request_file(context: Context) -> Response:
    """The request as the file that is taken to where the key is."""
    request = _waiting(context).request
    text = json.dumps(approving.request_document(request), indent=2) + "\n"
    headers = {"content-disposition": f'attachment; filename="{request.id}.json"'}
    return Response(text, media_type="application/json", headers=headers)


def _shown(context: Context, waiting: Waiting, error: TrimtabError | None = None) -> Response:
    request = waiting.request
    lines = [printable(line, limit=len(line)) for line in screen(request, _specification(context, waiting))]
    done = context.asked.query.get("done", "") if error is None else ""
    return context.page(
        "approval.html",
        title=f"Approval of {request.strategy.id}",
        section="changes",
        status=200 if error is None else _status(error),
        waiting=waiting,
        request=request,
        lines=lines,
        error=error,
        done=done if done in ("approved", "rejected") else "",
        approver=context.form.get("approver", ""),
        reason=context.form.get("reason", ""),
        is_begun=waiting.is_begun,
    )


def _specification(context: Context, waiting: Waiting) -> Specification | None:
    with suppress(TrimtabError):
        options = context.site.options
        return approving.specification_of(waiting.request, options.specification, options.ledger_path)
    return None


def _waiting(context: Context) -> Waiting:
    name = context.asked.text(REQUEST)
    found = next((each for each in context.site.ledger().waiting if each.request.id == name), None)
    if found is None:
        raise UsageError(
            "there is no such request for an approval, or a newer one has taken its place",
            code="approval.unknown",
            next_step="The board of changes lists what waits.",
        )
    return found


def _unlocked(context: Context, approver: str) -> SigningKey:
    """Return the key by the form's passphrase. Only tries that were wrong count: who has much to sign need not wait."""
    path, passphrase = context.site.options.key_path(approver), context.form.get("passphrase", "")
    return context.site.tries.made([f"key {approver[:64]}"], lambda: unlocked_key(path, passphrase))


def _hours(text: str) -> float:
    try:
        hours = float(text)
    except ValueError:
        hours = 0.0
    if not 0 < hours <= _MOST_HOURS:
        raise UsageError(
            "nothing was signed: an approval holds for more than 0 and at most 24 hours",
            code="approval.hours",
            next_step="Give a number of hours.",
        )
    return hours


def _approval(raw: bytes) -> Approval:
    try:
        held = json.loads(raw.decode())
    except (ValueError, RecursionError):
        held = None
    said, key, signatures = (
        (held.get(name) for name in ("statement", "public_key", "signatures"))
        if isinstance(held, dict)
        else (None, None, None)
    )
    if not isinstance(said, dict) or not isinstance(key, dict) or not isinstance(signatures, list):
        raise _unusable("it is no approval")
    if "approver" not in said or "strategy_id" not in said or "expires_ns" not in said:
        raise _unusable("it lacks what an approval says")
    return Approval(
        said, {str(k): str(v) for k, v in key.items()}, tuple(each for each in signatures if isinstance(each, dict))
    )


def _unusable(found: str) -> UsageError:
    return UsageError(
        f"the approval was not taken: {found}",
        code="approval.unreadable",
        next_step="`trimtab approve --from FILE --out FILE` writes one.",
    )


def _status(error: TrimtabError) -> int:
    if error.code == "web.tries":
        return 429
    return 403 if isinstance(error, RefusedError | KeyFileError) else 400
