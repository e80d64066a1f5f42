"""`approvals`, `approve`, `reject`, `apply` and `approver-key`: what is shown to people, and what they sign."""

from __future__ import annotations

import json
import pwd
import sys
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from trimtab.cli.commands import ledger_of, load, print_json, source_of, stderr_console, stdout_console
from trimtab.cli.text import printable, say, tell, utc_time
from trimtab.errors import ApplyError, TrimtabError, UsageError
from trimtab.paths import approver_key_path

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from trimtab.lifecycle.approving import Waiting
    from trimtab.model.approval import Approval, ApprovalRequest
    from trimtab.spec.specification import Specification


@dataclass(frozen=True, slots=True)
class ApproveOptions:
    """The options of `trimtab approve`, as given."""

    name: str | None = None
    approver: str | None = None
    key: Path | None = None
    hours: float = 24.0
    request: Path | None = None
    out: Path | None = None
    add: Path | None = None
    config: Path | None = None


def approvals(name: str | None, *, config: Path | None, as_json: bool) -> None:
    """List what waits, or tell all of one."""
    from trimtab.lifecycle.approving import find, request_document, waiting

    ledger_path = ledger_of(load(config), is_written=False)
    specification = _configured(config)
    if name is not None:
        found = find(ledger_path, name, specification)
        if as_json:
            print_json(request_document(found.request))
        else:
            _show(found.request, config, is_on_stderr=False)
            _say(f"{found.state}; approved by {', '.join(found.approved_by) or 'nobody'}")
            _tell_unchecked([found], specification)
        return
    listed = waiting(ledger_path, specification)
    if as_json:
        print_json({"schema": "trimtab.approvals/v1", "waiting": [_document(each) for each in listed]})
        return
    for each in listed:
        request = each.request
        told = f"{request.strategy.id}  {request.id}  {each.state:<8} {len(each.approved_by)} of {request.needed}  "
        _say(f"{told}{request.risk:<6} {request.database.get('database', '')}  {request.strategy.title}")
    _tell_unchecked(listed, specification)
    if not listed:
        _say("nothing waits. next: trimtab optimize DSN --propose")


def approve(options: ApproveOptions, *, as_json: bool) -> None:
    """Show what is to be approved, ask for the passphrase, sign, and keep the approval or write it to a file."""
    from trimtab.apply.asking import actor
    from trimtab.cli.passphrase import ask_passphrase
    from trimtab.lifecycle import approving
    from trimtab.signing.locked import unlocked_key

    if sum(each is not None for each in (options.name, options.request, options.add)) != 1:
        raise UsageError(
            "approve was refused: name one strategy, or give --from FILE, or --add FILE",
            code="usage.approve",
            next_step="See `trimtab approvals` for what waits.",
        )
    ledger_path = None if options.request is not None else ledger_of(load(options.config))
    if options.add is not None and ledger_path is not None:
        approval = approving.read_approval(options.add)
        approving.record(ledger_path, approval)
        found = approving.find(ledger_path, str(approval.statement.get("request_id")))
        _warn_of_unnamed(approval, found.request, options.config)
        _told(approval.statement, as_json=as_json, what="added")
        return
    request = (
        approving.read_request(options.request)
        if options.request is not None
        else approving.find(ledger_path or Path(), options.name or "").request
    )
    approver = options.approver or actor()
    _show(request, options.config, is_on_stderr=True)
    said = approving.statement(request, approver, hours=options.hours, now_ns=time.time_ns())
    if ledger_path is not None:
        _warn_of_clock(ledger_path, said)
    key = options.key or approver_key_path(approver)
    _warn_of_own_key(key, request)
    passphrase = ask_passphrase(f"Passphrase of {printable(approver)}, to approve {request.strategy.id}: ")
    approval = approving.signed(said, unlocked_key(key, passphrase))
    _warn_of_unnamed(approval, request, options.config)
    if options.out is not None:
        _write(options.out, approving.approval_document(approval))
    elif ledger_path is not None:
        approving.record(ledger_path, approval)
    else:
        raise UsageError(
            "nothing was signed: with --from the approval goes into a file",
            code="usage.approve",
            next_step="Give --out FILE.",
        )
    _told(said, as_json=as_json, what="approved")


def reject(name: str, *, reason: str, config: Path | None, as_json: bool) -> None:
    """Reject what waits."""
    from trimtab.lifecycle.approving import reject as rejecting
    from trimtab.lifecycle.freezing import refuse_reason

    refuse_reason(reason)
    found = rejecting(ledger_of(load(config)), name, reason)
    if as_json:
        print_json({"schema": "trimtab.reject/v1", **_document(found)})
    else:
        _say(f"rejected: {found.request.strategy.id} ({found.request.id}); approvals of it are void")


def apply(
    name: str,
    *,
    dsn: str | None,
    database: str | None,
    workload: Path | None,
    spec: str | None,
    config: Path | None,
    as_json: bool,
    is_quiet: bool,
) -> int:
    """Apply what waits and is approved. Return the exit code: of what was not applied, or not kept, it has one."""
    from trimtab import api
    from trimtab.cli.watch import ConsoleWatcher
    from trimtab.config import parse_size

    loaded = load(config)
    budget = loaded.defaults.budget
    with ConsoleWatcher(stderr_console(), is_quiet=is_quiet) as watcher:
        run_id, life, anchor = api.apply_approved(
            name,
            dsn=source_of(dsn, database, loaded),
            workload=workload,
            spec=spec or loaded.defaults.spec,
            budget_bytes=parse_size(budget) if budget else None,
            ledger_path=ledger_of(loaded),
            watcher=watcher,
        )
    if as_json:
        print_json(
            {
                "schema": "trimtab.apply/v1",
                "run_id": run_id,
                "strategy_id": life.strategy.id,
                "outcome": life.outcome.value,
                "note": life.note,
                "anchor_id": anchor.id if anchor is not None else None,
            }
        )
    else:
        _say(f"{life.outcome.value}: {life.strategy.id}  {life.note}")
    if life.outcome.value != "failed":
        return 0
    error = ApplyError(
        f"{life.strategy.id} could not be applied: {life.note}",
        code="apply.incomplete",
        next_step=f"See `trimtab show {run_id}`; an approval that was used has to be given again.",
    )
    tell(error)
    return error.exit_code


def approver_key(name: str, *, path: Path | None, as_json: bool) -> None:
    """Make a person's key, and print the line by which a specification pins it."""
    from trimtab.cli.passphrase import ask_passphrase
    from trimtab.signing.locked import fingerprint, make_locked_key

    target = path or approver_key_path(name)
    public = make_locked_key(target, ask_passphrase(f"A new passphrase for {target}: "))
    line = f"{name}={fingerprint(public)}"
    if as_json:
        print_json({"schema": "trimtab.approver/v1", "approver": name, "path": str(target), "pin": line})
    else:
        _say(f"wrote {target}. In the specification, under approvals.approvers:\n  {line}", may_break=True)


def _document(found: Waiting) -> dict[str, object]:
    request = found.request
    return {
        "request_id": request.id,
        "strategy_id": request.strategy.id,
        "state": found.state,
        "title": request.strategy.title,
        "sql": [change.sql() for change in request.strategy.changes],
        "inverse_sql": [change.sql() for change in request.inverses],
        "database": dict(request.database),
        "risk": request.risk,
        "needed": request.needed,
        "approved_by": list(found.approved_by),
        "proposed_by": request.proposed_by,
        "spec_id": request.spec_id,
        "spec_digest": request.spec_digest,
        "prediction": None if request.prediction is None else dict(request.prediction),
        "trial": None if request.trial is None else dict(request.trial),
        "verdict": None if request.verdict is None else dict(request.verdict),
    }


def _show(request: ApprovalRequest, config: Path | None, *, is_on_stderr: bool) -> None:
    """Print all that a person must know, uncut; every text of it is somebody else's."""
    from trimtab.report.approval_screen import screen

    console = stderr_console() if is_on_stderr else stdout_console()
    for line in screen(request, _specification(request, config)):
        console.print(printable(line, limit=len(line)), markup=False, highlight=False, soft_wrap=True)


def _specification(request: ApprovalRequest, config: Path | None) -> Specification | None:
    """Return the specification that is configured here, where it is the request's: it says how many must agree."""
    found = _configured(config)
    return found if found is not None and found.digest == request.spec_digest else None


def _tell_unchecked(shown: Sequence[Waiting], specification: Specification | None) -> None:
    """Say where nobody looked whose key it is: of what waits under a specification that is not at hand."""
    digest = None if specification is None else specification.digest
    unchecked = [each for each in shown if each.is_open and each.approved_by and each.request.spec_digest != digest]
    if unchecked:
        told = ", ".join(each.request.id for each in unchecked)
        say(f"whose keys count was not looked at for {told}: trimtab.toml names another specification, or none")


def _configured(config: Path | None) -> Specification | None:
    """Return the specification that is configured here; None where it cannot be read."""
    from trimtab.lifecycle.governing import named

    with suppress(TrimtabError):
        loaded = load(config)
        return named(loaded.defaults.spec, ledger_of(loaded, is_written=False))
    return None


def _warn_of_own_key(path: Path, request: ApprovalRequest) -> None:
    """Whose account it is that proposed can read that account's keys: "nobody approves their own" is by name alone."""
    with suppress(OSError, KeyError):
        if pwd.getpwuid(path.stat().st_uid).pw_name == request.proposed_by:
            say(f"warning: {path} belongs to the account {request.proposed_by}, which proposed this itself")


def _warn_of_clock(ledger_path: Path, said: Mapping[str, object]) -> None:
    """What ends before the time of the ledger's last entry has ended, whatever this clock says."""
    from trimtab.ledger.ledger import Ledger
    from trimtab.ledger.moment import span_told

    with Ledger.open(ledger_path) as ledger:
        last = ledger.last()
    issued_ns, expires_ns = (int(str(said[key])) for key in ("issued_ns", "expires_ns"))
    if last is not None and last.at_ns >= expires_ns:
        span = span_told((last.at_ns - issued_ns) / 1e9)
        say(f"warning: it will not count: the ledger's last entry is {span} ahead of this clock, and after its end")


def _warn_of_unnamed(approval: Approval, request: ApprovalRequest, config: Path | None) -> None:
    """A signature that holds can be anybody's: whose counts the specification says, where it is at hand."""
    from trimtab.apply.approvals import unpinned_flaw

    specification = _specification(request, config)
    flaw = None if specification is None else unpinned_flaw(approval, specification, time.time())
    if flaw is not None:
        say(f"warning: it does not count: {flaw}")


def _told(said: object, *, as_json: bool, what: str) -> None:
    assert isinstance(said, dict)
    expires = utc_time(int(str(said["expires_ns"])))
    if as_json:
        keys = ("request_id", "strategy_id", "approver", "risk", "spec_digest", "facts_digest")
        print_json({"schema": "trimtab.approve/v1", **{key: said[key] for key in keys}, "expires": expires})
    else:
        name = said["strategy_id"]
        _say(
            f"{what}: {name} by {said['approver']}, until {expires} UTC. "
            f"next: trimtab apply {name} (with the workload and specification that it was proposed with)"
        )


def _write(path: Path, document: dict[str, object]) -> None:
    try:
        with path.open("x", encoding="utf-8") as file:
            json.dump(document, file, indent=2)
            file.write("\n")
    except OSError as error:
        raise UsageError(
            f"{path} was not written: {error.strerror}",
            code="approval.unwritable",
            next_step="Name another file with --out.",
        ) from None


def _say(text: str, *, may_break: bool = False) -> None:
    print(printable(text, may_break=may_break), file=sys.stdout)
