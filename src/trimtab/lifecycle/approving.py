"""What people do with strategies that wait: list them, sign an approval, or reject. No server is asked anything.

A request is a document of its own, so that it can be taken to where the approver's key is, and the approval back. What
is signed is made of the request; the enforcement point holds it against the facts of then.
"""

from __future__ import annotations

import json
import secrets
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from trimtab.apply.approvals import (
    FORMAT,
    PURPOSE,
    approvals_of,
    approver_of,
    expiry_ns,
    message_of,
    signature_flaw,
    spent_by,
    unpinned_flaw,
)
from trimtab.apply.asking import actor, drifted_requests, request_body, request_digest, request_from, requests
from trimtab.durable import read_plain_file
from trimtab.errors import RefusedError, UnapprovedError, UsageError
from trimtab.ledger.entry import Entry, Kind
from trimtab.ledger.ledger import Ledger
from trimtab.ledger.pending import intents
from trimtab.lifecycle.governing import named
from trimtab.model.approval import Approval, ApprovalRequest
from trimtab.model.change import ERASED, change_digest
from trimtab.signing.keys import SigningKey, public_key_from
from trimtab.signing.locked import fingerprint
from trimtab.signing.signature import sign
from trimtab.spec.specification import Specification

REQUEST_FORMAT = "trimtab.approval.request/v1"
MIN_HOURS, MAX_HOURS = 1 / 60, 24.0
_HOUR_NS = 3600 * 10**9
_MOST_BYTES = 1 << 20


@dataclass(frozen=True, slots=True)
class Waiting:
    """A request, and who has approved it: by signatures that hold, have not expired, and were not used in vain.

    Nobody's own counts, nor what says another thing than a request of this ledger, nor one key twice. Whose keys count
    is known where the specification is at hand.

    `state` is "waiting", "approved", "rejected" or "applied". `is_begun`: it has been applied, or is being applied.
    """

    request: ApprovalRequest
    approved_by: tuple[str, ...]
    state: str
    is_begun: bool

    @property
    def is_open(self) -> bool:
        """True while it can still be applied."""
        return self.state in ("waiting", "approved")


def waiting(ledger_path: Path, specification: Specification | None = None) -> tuple[Waiting, ...]:
    """Return the newest request of every strategy on every database, oldest first, with how it stands.

    `specification` is that by which is counted, where it is a request's.
    """
    with Ledger.open(ledger_path) as ledger:
        return waiting_in(tuple(ledger.entries()), time.time_ns(), specification)


def waiting_in(
    entries: tuple[Entry, ...], now_ns: int, specification: Specification | None = None
) -> tuple[Waiting, ...]:
    """Return the same, from the entries of a ledger, as it stands at that moment."""
    newest: dict[tuple[str, str], ApprovalRequest] = {}
    known = requests(entries)
    for request in known:
        key = (request.strategy.id, json.dumps(dict(request.database), sort_keys=True))
        newest.pop(key, None)
        newest[key] = request
    return tuple(_stands(request, entries, now_ns, known, specification) for request in newest.values())


def find(ledger_path: Path, name: str, specification: Specification | None = None) -> Waiting:
    """Return the request of that id, or the newest of that strategy.

    Raises UsageError `approval.unknown`, LedgerError `ledger.layout` for one that was altered.
    """
    known = waiting(ledger_path, specification)
    found = [each for each in known if name in (each.request.id, each.request.strategy.id)]
    if len(found) == 1:
        return found[0]
    if not found:
        _refuse_altered(ledger_path, name)
    some = ", ".join(each.request.id for each in found)
    raise UsageError(
        f"{name} does not wait for an approval" if not found else f"{name} waits on several databases: {some}",
        code="approval.unknown",
        next_step="`trimtab approvals` lists what waits; name one by its request (q-...).",
    )


def _refuse_altered(ledger_path: Path, name: str) -> None:
    with Ledger.open(ledger_path) as ledger:
        for entry in ledger.entries(Kind.APPROVAL_REQUESTED):
            if name not in (entry.body.get("request_id"), entry.body.get("strategy_id")):
                continue
            if ERASED in str(entry.body.get("changes")):
                raise UsageError(
                    f"{name} waits for nothing any more: the definition of an index of it was erased, or lost",
                    code="approval.erased",
                    next_step="Have it proposed again, or restore what is kept beside the ledger (docs/ledger.md).",
                )
            raise entry.layout_error("changes")


def specification_of(request: ApprovalRequest, reference: str | Path | None, ledger_path: Path) -> Specification | None:
    """Return the specification of that reference where it is the request's: it says how many must agree.

    Raises SpecError, KeyFileError when it cannot be read.
    """
    found = named(reference, ledger_path)
    return found if found.digest == request.spec_digest else None


def request_document(request: ApprovalRequest) -> dict[str, object]:
    """Return the request as the file that is taken to an approver."""
    of_ledger = {"requested_ns": str(request.at_ns), "entry_hash": request.entry_hash}
    return {"schema": REQUEST_FORMAT, **request_body(request), **of_ledger}


def read_request(path: Path) -> ApprovalRequest:
    """Return the request of a file. Raises UsageError `approval.unreadable`."""
    held = _document(path)
    try:
        if held.get("schema") != REQUEST_FORMAT:
            raise ValueError("another format")
        return request_from(held, at_ns=int(str(held["requested_ns"])), entry_hash=str(held["entry_hash"]))
    except (KeyError, TypeError, ValueError):
        raise _unreadable(path, "it is no request for an approval") from None


def statement(request: ApprovalRequest, approver: str, *, hours: float, now_ns: int) -> dict[str, object]:
    """Return what the approver signs. Raises RefusedError `approval.own`, UsageError `approval.hours`."""
    if not MIN_HOURS <= hours <= MAX_HOURS:
        raise UsageError(
            f"an approval for {hours} hours was refused: it holds from a minute up to {MAX_HOURS:.0f} hours",
            code="approval.hours",
            next_step="Give --hours, as in `--hours 4` or `--hours 0.5`.",
        )
    if approver == request.proposed_by:
        raise RefusedError(
            f"{approver} proposed {request.strategy.id}, and nobody approves their own",
            code="approval.own",
            next_step="Have somebody else approve it.",
        )
    return {
        "format": FORMAT,
        "request_id": request.id,
        "request_digest": request_digest(request),
        "request_entry": request.entry_hash,
        "strategy_id": request.strategy.id,
        "changes": [change_digest(change) for change in request.strategy.changes],
        "spec_id": request.spec_id,
        "spec_digest": request.spec_digest,
        "facts_digest": request.facts_digest,
        "facts": dict(request.facts),
        "table_bytes": {table: str(size) for table, size in request.table_bytes.items()},
        "table_rows": {table: str(rows) for table, rows in request.table_rows.items()},
        "database": dict(request.database),
        "risk": request.risk,
        "proposed_by": request.proposed_by,
        "approver": approver,
        "issued_ns": str(now_ns),
        "expires_ns": str(now_ns + int(hours * _HOUR_NS)),
        "nonce": secrets.token_hex(32),
    }


def signed(said: Mapping[str, object], key: SigningKey) -> Approval:
    """Return the approval with both signatures."""
    return Approval(said, key.public.to_dict(), tuple(sign(message_of(said), key, purpose=PURPOSE)))


def approval_document(approval: Approval) -> dict[str, object]:
    """Return the approval as the ledger, and a file that is taken back, holds it."""
    return {
        "strategy_id": approval.statement["strategy_id"],
        "statement": dict(approval.statement),
        "public_key": dict(approval.public_key),
        "signatures": [dict(each) for each in approval.signatures],
    }


def read_approval(path: Path) -> Approval:
    """Return the approval of a file. Raises UsageError `approval.unreadable`; if it holds is asked on applying."""
    held = _document(path)
    said, key, signatures = (held.get(name) for name in ("statement", "public_key", "signatures"))
    if not isinstance(said, dict) or not isinstance(key, dict) or not isinstance(signatures, list):
        raise _unreadable(path, "it is no approval")
    return Approval(
        said, {k: str(v) for k, v in key.items()}, tuple(each for each in signatures if isinstance(each, dict))
    )


def record(ledger_path: Path, approval: Approval) -> None:
    """Write the approval to the ledger.

    Raises LedgerError; UsageError `approval.unknown` when nothing such waits; UnapprovedError `approval.invalid` for
    what is not as it was signed.
    """
    flaw = signature_flaw(approval)
    if flaw is not None:
        raise UnapprovedError(
            f"the approval by {approver_of(approval)} was not added: it is not what was signed ({flaw})",
            code="approval.invalid",
            next_step="Have it signed again, and bring the file back as it was written.",
        )
    find(ledger_path, str(approval.statement.get("request_id")))
    with Ledger.open(ledger_path) as ledger:
        ledger.append(Kind.APPROVAL_GIVEN, approval_document(approval))


def reject(ledger_path: Path, name: str, reason: str, *, by: Callable[[], str] = actor) -> Waiting:
    """Reject what waits: approvals that were given are void. Raises UsageError `approval.unknown`, LedgerError."""
    found = find(ledger_path, name)
    body = {
        "request_id": found.request.id,
        "strategy_id": found.request.strategy.id,
        "reason": reason,
        "by": by(),
    }
    with Ledger.open(ledger_path) as ledger:
        ledger.append(Kind.APPROVAL_REJECTED, body)
    return find(ledger_path, found.request.id)


def _stands(
    request: ApprovalRequest,
    entries: tuple[Entry, ...],
    now_ns: int,
    asked: Sequence[ApprovalRequest],
    specification: Specification | None,
) -> Waiting:
    """Return how a request stands. `asked` are all of the ledger, this one among them."""
    later = entries_after(request, entries)
    made = [
        intent
        for intent in intents(later)
        if not intent.is_revert
        and intent.intended.text("strategy_id") == request.strategy.id
        and intent.is_on(request.database)
    ]
    failed = [intent for intent in made if intent.result is not None and not intent.is_done]
    spent = {nonce for entry in entries[: len(entries) - len(later)] for nonce in spent_by(entry)}
    spent |= {nonce for intent in failed for nonce in spent_by(intent.intended)}
    given = [each for each in approvals_of(entries, request.strategy.id) if signature_flaw(each) is None]
    same = [each for each in asked if each.strategy.id == request.strategy.id]
    gone = drifted_requests(same)
    digests = {
        each.id: request_digest(each)
        for each in same
        if each.id not in gone and (each.spec_digest, each.database) == (request.spec_digest, request.database)
    }
    own = {each.proposed_by for each in same}
    latest_ns = max(now_ns, entries[-1].at_ns)
    by = specification if specification is not None and specification.digest == request.spec_digest else None
    counted: dict[str, str] = {}
    for each in given:
        said = each.statement
        name, key = approver_of(each), fingerprint(public_key_from(each.public_key))
        is_of_request = digests.get(str(said.get("request_id"))) == said.get("request_digest")
        is_own = name in own or name == said.get("proposed_by")
        is_over = said.get("nonce") in spent or latest_ns >= expiry_ns(said)
        is_named = by is None or unpinned_flaw(each, by, latest_ns / 1e9) is None
        if is_of_request and is_named and not (is_own or is_over or key in counted.values()):
            counted.setdefault(name, key)
    names = tuple(counted)
    rejected = any(e.kind is Kind.APPROVAL_REJECTED and e.body.get("request_id") == request.id for e in later)
    state = "waiting"
    if any(intent.is_done for intent in made):
        state = "applied"
    elif rejected and not given:
        state = "rejected"
    elif len(names) >= request.needed:
        state = "approved"
    return Waiting(request, names, state, is_begun=len(failed) < len(made))


def entries_after(request: ApprovalRequest, entries: tuple[Entry, ...]) -> tuple[Entry, ...]:
    """Return the entries from the request's own on: by their order, since several may bear the same time."""
    for position, entry in enumerate(entries):
        if entry.hash == request.entry_hash:
            return entries[position:]
    return ()


def _document(path: Path) -> dict[str, object]:
    try:
        raw = read_plain_file(path, _MOST_BYTES + 1)
    except OSError as error:
        raise _unreadable(path, str(error.strerror)) from None
    try:
        held = json.loads(raw.decode("utf-8")) if len(raw) <= _MOST_BYTES else None
    except (ValueError, RecursionError):
        held = None
    if not isinstance(held, dict):
        raise _unreadable(path, "it is not a JSON object of up to 1 MiB")
    return held


def _unreadable(path: Path, found: str) -> UsageError:
    return UsageError(
        f"{path} cannot be used: {found}",
        code="approval.unreadable",
        next_step="`trimtab approvals ID --json` writes a request, `trimtab approve --from --out` an approval.",
    )
