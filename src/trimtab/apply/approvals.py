"""Whether people have approved a strategy as it is to be applied now: verified at the enforcement point.

An approval is a signature over the changes, the effective specification, the facts, the database, an expiry and a
number that is used once. Whose signatures count is in the specification. What has drifted voids it. It asks nobody.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field

from trimtab.apply.approved_facts import (
    digest_of,
    drifted_facts,
    facts_of,
    moved,
    table_bytes,
    table_rows,
)
from trimtab.errors import KeyFileError, LedgerError, UnapprovedError
from trimtab.ledger.entry import Entry, Kind
from trimtab.ledger.moment import span_told
from trimtab.model.applied import Applied
from trimtab.model.approval import Approval
from trimtab.model.catalog import Snapshot
from trimtab.model.change import Change, change_digest
from trimtab.model.strategy import Strategy
from trimtab.signing.keys import public_key_from
from trimtab.signing.locked import fingerprint
from trimtab.signing.signature import flaw_in
from trimtab.spec.approvers import pin_of
from trimtab.spec.moments import text_of
from trimtab.spec.specification import Specification

PURPOSE, FORMAT = "trimtab.approval/v1", "trimtab.approval/v1"
_NO_KEY = "it carries no usable key"
_HOUR_NS = 3600 * 10**9
_SKEW_NS = 5 * 60 * 10**9
"""An approval may be signed by a clock that is so much ahead."""


@dataclass(frozen=True, slots=True)
class Asked:
    """A request of this ledger: the digest of what it says, the hash of its entry, the inverses that people saw.

    `has_drifted`: other facts were found since, even where they are again as they were.
    """

    digest: str
    entry_hash: str
    inverses: tuple[Change, ...]
    has_drifted: bool = False


@dataclass(frozen=True, slots=True)
class Moment:
    """What an approval is held against: the strategy as it is to be applied, and the facts of now.

    `database` is how the ledger names it. `is_begun`: earlier changes of the strategy have been made, so that the facts
    are other ones by our own hand; `standing` is what of ours stands on the database, newest last. `inverses` are those
    that the changes still to be made would have now, by position. `attempt` is the application that this is part of.
    `asked` are the requests of this ledger, by their id. `latest_ns` is the time of its last entry: what has expired by
    it has expired, whatever the clock says.
    """

    strategy: Strategy
    specification: Specification
    snapshot: Snapshot
    database: Mapping[str, object]
    now_ns: int
    attempt: str
    standing: tuple[Applied, ...] = ()
    inverses: Mapping[int, Change] = field(default_factory=dict)
    is_begun: bool = False
    asked: Mapping[str, Asked] = field(default_factory=dict)
    latest_ns: int = 0


def refuse_unapproved(
    moment: Moment, needed: int, entries: Iterable[Entry], proposed_by: Iterable[str]
) -> tuple[str, ...]:
    """Return the nonces of the approvals that count; raise UnapprovedError when they are too few.

    `proposed_by` are those who proposed the strategy: nobody approves their own. Codes: `approval.needed` when nobody
    has approved it, else that of the last approval's flaw, of those who do not count before those who do:
    `approval.expired`, `approval.drifted`, `approval.used`, `approval.own`, `approval.unknown_approver`,
    `approval.invalid`, `approval.same_person`.
    """
    if moment.specification.approvals.approvers is None:
        raise _refused(
            moment,
            "approval.unpinned",
            "the specification needs approvals, and names nobody whose approval counts",
            "Name them in approvals.approvers: `trimtab approver-key` makes a key and prints the line.",
        )
    known = tuple(entries)
    used = {nonce: entry.text("attempt") for entry in known for nonce in spent_by(entry)}
    own = frozenset(proposed_by)
    counted: dict[str, str] = {}
    keys: set[str] = set()
    flaws: dict[str, tuple[str, str]] = {}
    for approval in approvals_of(known, moment.strategy.id):
        name = approver_of(approval)
        flaws.pop(name, None)  # what somebody has said since comes last
        found = _flaw(approval, moment, own, used)
        if found is not None:
            flaws[name] = found
            continue
        key = fingerprint(public_key_from(approval.public_key))
        if name in counted or key in keys:
            flaws[name] = "approval.same_person", f"{name} has approved it more than once, and counts once"
            continue
        counted[name] = str(approval.statement["nonce"])
        keys.add(key)
    if len(counted) >= needed:
        return tuple(counted.values())
    people = f"{len(counted)} of {needed} people have approved it"
    told = [flaw for name, flaw in flaws.items() if name not in counted] or list(flaws.values())
    code, why = told[-1] if told else ("approval.needed", "")
    raise _refused(
        moment, code, f"{people}{'; ' + why if why else ''}", "See `trimtab approvals`, then `trimtab approve`."
    )


def approvals_of(entries: Iterable[Entry], strategy_id: str) -> tuple[Approval, ...]:
    """Return the approvals of a strategy that were given after it was last rejected, oldest first."""
    since: list[Entry] = []
    for entry in entries:
        if entry.body.get("strategy_id") == strategy_id:
            since = [] if entry.kind is Kind.APPROVAL_REJECTED else [*since, entry]
    return tuple(approvals_in(since))


def approvals_in(entries: Iterable[Entry]) -> Iterator[Approval]:
    """Yield the approvals that entries hold. What is none is left out: one that is made up must not stop the others."""
    for entry in entries:
        if entry.kind is Kind.APPROVAL_GIVEN:
            with suppress(LedgerError):
                yield approval_from(entry)


def approval_from(entry: Entry) -> Approval:
    """Return the approval of an entry. Raises LedgerError `ledger.layout`."""
    signatures, key = entry.body.get("signatures"), entry.mapping("public_key")
    if not isinstance(signatures, list) or not all(isinstance(each, dict) for each in signatures):
        raise entry.layout_error("signatures")
    return Approval(
        entry.mapping("statement"),
        {name: str(value) for name, value in key.items()},
        tuple(each for each in signatures if isinstance(each, dict)),
    )


def approver_of(approval: Approval) -> str:
    """Return who says to have approved; whether it is so the signature tells."""
    name = approval.statement.get("approver")
    return name if isinstance(name, str) and name else "somebody without a name"


def signature_flaw(approval: Approval) -> str | None:
    """Return why the approval is not what the key in it has signed, None when it is; not whose key that is."""
    try:
        key = public_key_from(approval.public_key)
    except KeyFileError:
        return _NO_KEY
    flaw = flaw_in(message_of(approval.statement), approval.signatures, (key,), purpose=PURPOSE)
    return flaw or (None if approval.statement.get("format") == FORMAT else "another format")


def unpinned_flaw(approval: Approval, specification: Specification, unix: float) -> str | None:
    """Return why, at that moment, the specification does not take who approved for an approver, None when it does.

    Raises KeyFileError.
    """
    name = approver_of(approval)
    who = f"{name}={fingerprint(public_key_from(approval.public_key))}"
    pin = next((pin for pin in map(pin_of, specification.approvals.approvers or ()) if pin.who == who), None)
    if pin is None:
        return f"the specification names no approver {name} with that key"
    if pin.not_after_unix is None or unix < pin.not_after_unix:
        return None
    return f"the key of {name} has expired, by the specification at {text_of(pin.not_after_unix)}"


def message_of(statement: Mapping[str, object]) -> bytes:
    """Return the bytes that are signed: the statement as RFC 8785 writes it."""
    import rfc8785

    return rfc8785.dumps(dict(statement))  # type: ignore[arg-type]


def _flaw(approval: Approval, moment: Moment, own: frozenset[str], used: Mapping[str, str]) -> tuple[str, str] | None:
    """Return the code and the words of what is wrong with the approval, None when it counts."""
    said, name = approval.statement, approver_of(approval)
    if signature_flaw(approval) == _NO_KEY:
        return "approval.invalid", f"the approval of {name} carries no usable key"
    unpinned = unpinned_flaw(approval, moment.specification, max(moment.now_ns, moment.latest_ns) / 1e9)
    if unpinned is not None:
        return "approval.unknown_approver", unpinned
    flaw = signature_flaw(approval)
    if flaw is not None:
        return "approval.invalid", f"the approval of {name} is not what was signed: {flaw}"
    if name in own or said.get("proposed_by") == name:
        return "approval.own", f"{name} proposed it, and nobody approves their own"
    return _stale(said, name, moment) or _spent(said, name, moment, used)


def _stale(said: Mapping[str, object], name: str, moment: Moment) -> tuple[str, str] | None:
    try:
        issued_ns, expires_ns = int(str(said["issued_ns"])), int(str(said["expires_ns"]))
        sizes, rows = _numbers(said["table_bytes"]), _numbers(said["table_rows"])
    except (KeyError, ValueError, TypeError):
        return "approval.invalid", f"the approval of {name} lacks what it must say"
    longest_ns = int(moment.specification.approvals.max_age_hours * _HOUR_NS)
    ends_ns = min(expires_ns, issued_ns + longest_ns)
    if moment.now_ns < issued_ns - _SKEW_NS:
        return "approval.expired", f"the approval of {name} was signed by a clock that is ahead of this machine's"
    if moment.now_ns >= ends_ns:
        return "approval.expired", f"the approval of {name} has expired"
    if moment.latest_ns >= ends_ns:
        span = span_told((moment.latest_ns - moment.now_ns) / 1e9)
        return (
            "approval.expired",
            f"the approval of {name} has expired by the time of the ledger's last entry, which is {span} ahead of this "
            "machine's clock",
        )
    expected = {
        "strategy_id": moment.strategy.id,
        "changes": [change_digest(change) for change in moment.strategy.changes],
        "spec_digest": moment.specification.digest,
        "database": dict(moment.database),
    }
    drifted = [key for key, value in expected.items() if said.get(key) != value]
    asked = moment.asked.get(str(said.get("request_id")))
    if asked is None or (said.get("request_digest"), said.get("request_entry")) != (asked.digest, asked.entry_hash):
        drifted.append("the request, or the ledger that it is in")
    elif asked.has_drifted:
        drifted.append("facts, as was found when it was to be applied, and it was asked for anew")
    elif any(asked.inverses[position] != inverse for position, inverse in moment.inverses.items()):
        drifted.append("what would take it back")
    if not moment.is_begun:
        facts = facts_of(moment.strategy, moment.snapshot, moment.standing)
        if said.get("facts_digest") != digest_of(facts):
            drifted += drifted_facts(said.get("facts"), facts)
        now = table_bytes(moment.strategy, moment.snapshot)
        drifted += moved(sizes, now, rows, table_rows(moment.strategy, moment.snapshot))
    if drifted:
        return "approval.drifted", f"since {name} approved it, this has changed: {', '.join(drifted)}"
    return None


def _numbers(value: object) -> dict[str, int]:
    return {str(key): int(str(number)) for key, number in dict(value).items()}  # type: ignore[call-overload]


def _spent(said: Mapping[str, object], name: str, moment: Moment, used: Mapping[str, str]) -> tuple[str, str] | None:
    nonce = said.get("nonce")
    if not isinstance(nonce, str) or len(nonce) < 32:
        return "approval.invalid", f"the approval of {name} has no number that is used once"
    if used.get(nonce, moment.attempt) != moment.attempt:
        return "approval.used", f"the approval of {name} has been used"
    return None


def expiry_ns(statement: Mapping[str, object]) -> int:
    """Return when what was signed ends by its own word, 0 where it does not say; a specification may end it sooner."""
    try:
        return int(str(statement["expires_ns"]))
    except (KeyError, ValueError):
        return 0


def spent_by(entry: Entry) -> Sequence[str]:
    """Return the nonces that an intent has spent. Raises LedgerError `ledger.layout`."""
    nonces = entry.body.get("approvals", []) if entry.kind is Kind.APPLY_INTENDED else []
    if not isinstance(nonces, list):
        raise entry.layout_error("approvals")
    return [str(nonce) for nonce in nonces]


def _refused(moment: Moment, code: str, found: str, next_step: str) -> UnapprovedError:
    return UnapprovedError(f"strategy {moment.strategy.id} was not applied: {found}", code=code, next_step=next_step)
