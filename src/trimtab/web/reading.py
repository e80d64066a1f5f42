"""What each page and each document of the JSON API asks for, of the ledger, the anchors and the specifications.

Each function takes the site and the parameters, and returns frozen values. Pages show them; the API writes them as they
are. Nothing here writes anything.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from trimtab import api, api_operations
from trimtab.apply.switch import Freeze
from trimtab.errors import AnchorError, TrimtabError, UsageError
from trimtab.ledger.entry import Kind
from trimtab.ledger.ledger import Ledger
from trimtab.lifecycle.board import STANDS_OPEN, Board, CardPage
from trimtab.lifecycle.change_detail import ChangeDetail
from trimtab.lifecycle.proving import Inclusion
from trimtab.lifecycle.stages import Stage
from trimtab.model.strategy import Outcome
from trimtab.web.answers import (
    AnchorTold,
    ChangeTold,
    CheckpointTold,
    EntryTold,
    FieldDifference,
    LedgerPage,
    SpecificationDifference,
    SpecificationTold,
    SpecificationWhole,
    Verified,
    WaitingTold,
)
from trimtab.web.asked import LIMIT, OFFSET, Asked, Parameter
from trimtab.web.site import Site

STAGE = Parameter("stage", "Only those at this stage.", choices=("", *Stage))
OUTCOME = Parameter("outcome", "Only those that ended so, or are open.", choices=("", *Outcome, STANDS_OPEN))
DATABASE = Parameter("database", "Only those of the database of that name.")
SEARCH = Parameter("search", "Only those with this in their id, title or proposer.")
CARDS = Parameter("limit", "At most so many cards of each stage.", "integer", otherwise=20, least=1, most=500)
STRATEGY = Parameter("strategy_id", "A strategy (s-...).", is_needed=True, is_in_path=True)
RUN = Parameter("run", "The run (r-...) to show it in; else the newest that had it.")
KIND = Parameter("kind", "Only entries of this kind.", choices=("", *Kind))
SEQ = Parameter("seq", "The number of an entry.", "integer", is_needed=True, least=1, is_in_path=True)
ANCHOR = Parameter("anchor_id", "An anchor's id.", is_needed=True, is_in_path=True)
NAME = Parameter("name", "A specification's name, as the list has it.", is_needed=True)
BEFORE = Parameter("before", "The specification to compare, by its name.", is_needed=True)
AFTER = Parameter("after", "The one to compare it with.", is_needed=True)


def board(site: Site, asked: Asked) -> Board:
    """Every strategy by the stage that it has reached."""
    return api.changes_board(limit=asked.number(CARDS), view=site.ledger())


def changes(site: Site, asked: Asked) -> CardPage:
    """A page of the strategies."""
    return api.changes_page(
        stage=asked.optional(STAGE),
        outcome=asked.optional(OUTCOME),
        database=asked.optional(DATABASE),
        text=asked.text(SEARCH),
        offset=asked.number(OFFSET),
        limit=asked.number(LIMIT),
        view=site.ledger(),
    )


def change(site: Site, asked: Asked) -> ChangeDetail:
    """One strategy in a run, whole."""
    return api.change_detail(asked.text(STRATEGY), run_id=asked.optional(RUN), view=site.ledger())


def change_told(site: Site, asked: Asked) -> ChangeTold:
    """One strategy in a run, whole, as the API writes it."""
    return ChangeTold.of(change(site, asked))


def approvals(site: Site, _asked: Asked) -> Sequence[WaitingTold]:
    """What people were asked to approve, the newest first, with how it stands."""
    return [WaitingTold.of(each) for each in reversed(site.ledger().waiting)]


def freezes(site: Site, _asked: Asked) -> Sequence[Freeze]:
    """What is frozen: nothing of this machine's changes it. That of everything has no database."""
    return api_operations.frozen(ledger_path=site.options.ledger_path)


def anchor(site: Site, asked: Asked) -> Mapping[str, Any]:
    """One anchor of this machine, as `trimtab anchor show --json` has it, without where it is kept."""
    from trimtab.report.anchors import anchor_document

    path, name = site.options.ledger_path, known_anchor(site, asked)
    signed = api.anchor(name, ledger_path=path)
    left_out = ("path", "stability")  # where it is, and what only a service level could tell
    return {key: value for key, value in anchor_document(signed, path).items() if key not in left_out}


def ledger_page(site: Site, asked: Asked) -> LedgerPage:
    """The ledger, and a page of its entries."""
    view, kind = site.ledger(), asked.optional(KIND)
    found = [entry for entry in view.entries if kind is None or entry.kind == kind]
    offset, limit = asked.number(OFFSET), asked.number(LIMIT)
    end = max(len(found) - offset, 0)
    with Ledger.open(site.options.ledger_path) as ledger:
        signed = ledger.last_checkpoint()
    return LedgerPage(
        entries=len(view.entries),
        head=view.head,
        read_ns=view.read_ns,
        checkpoint=None
        if signed is None
        else CheckpointTold(signed.origin, signed.size, signed.root.hex(), signed.note),
        kinds=sorted({entry.kind.value for entry in view.entries}),
        total=len(found),
        offset=offset,
        page=[EntryTold.of(entry) for entry in reversed(found[max(end - limit, 0) : end])],
    )


def entry(site: Site, asked: Asked) -> EntryTold:
    """One entry."""
    seq = asked.number(SEQ)
    found = next((each for each in site.ledger().entries if each.seq == seq), None)
    if found is None:
        raise UsageError(
            f"entry {seq} is not in the ledger", code="ledger.unknown", next_step="/ledger tells how many there are."
        )
    return EntryTold.of(found)


def proof(site: Site, asked: Asked) -> Inclusion:
    """The proof that an entry is in the ledger."""
    return api.entry_proof(asked.number(SEQ), ledger_path=site.options.ledger_path)


def verified(site: Site, _asked: Asked) -> Verified:
    """Whether the ledger is what was written."""
    with Ledger.open(site.options.ledger_path) as ledger:
        found = ledger.verify()
    return Verified(
        found.entries,
        found.verified,
        found.first_bad,
        found.reason,
        found.head,
        found.signed_entries,
        found.signer,
        found.witnesses,
        found.ahead_told,
    )


def anchors(site: Site, _asked: Asked) -> Sequence[AnchorTold]:
    """All anchors of this machine, the newest first."""
    found = api.anchors(ledger_path=site.options.ledger_path, view=site.ledger())
    return [
        AnchorTold(
            standing.anchor.id,
            standing.anchor.coordinate[0],
            standing.anchor.database,
            len(standing.anchor.queries),
            standing.anchor.permanence.value,
            standing.force.value,
            standing.accepted_because,
        )
        for standing in reversed(found)
    ]


def known_anchor(site: Site, asked: Asked) -> str:
    """Return the id of an anchor of this machine: no name of a file, and no beginning of an id. Raises AnchorError."""
    name = asked.text(ANCHOR)
    if name not in {
        standing.anchor.id for standing in api.anchors(ledger_path=site.options.ledger_path, view=site.ledger())
    }:
        raise AnchorError(
            "there is no anchor of that id here", code="anchor.unknown", next_step="The list of anchors has their ids."
        )
    return name


def specifications(site: Site, _asked: Asked) -> Sequence[SpecificationTold]:
    """The specifications that may be shown."""
    configured = site.configured_specification
    found = []
    for name in site.specifications():
        try:
            spec = site.specification(name)
        except TrimtabError as error:
            found.append(SpecificationTold(name, "", 0, "", "", name == configured, error.code))
        else:
            told = (name, spec.id, spec.revision, spec.digest, spec.description)
            found.append(SpecificationTold(*told, is_configured=name == configured, code=""))
    return found


def specification(site: Site, asked: Asked) -> SpecificationWhole:
    """One specification, effective."""
    name = asked.text(NAME)
    spec = site.specification(name)
    return SpecificationWhole(
        name, spec.id, spec.revision, spec.digest, spec.chain, spec.document(), [waiver.id for waiver in spec.waivers]
    )


def specification_difference(site: Site, asked: Asked) -> SpecificationDifference:
    """What differs between two specifications."""
    from trimtab.spec.difference import differences

    before, after = asked.text(BEFORE), asked.text(AFTER)
    found = differences(site.specification(before), site.specification(after))
    return SpecificationDifference(
        before, after, [FieldDifference(one.path, one.direction.value, one.before, one.after) for one in found]
    )
