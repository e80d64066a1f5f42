"""A strategy that waits for people, and what one of them has signed. Values; nothing is verified here."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from trimtab.model.agent import Agent
from trimtab.model.change import Change
from trimtab.model.strategy import Strategy


@dataclass(frozen=True, slots=True)
class ApprovalRequest:
    """What waits. `database` is how the ledger names it.

    `table_bytes` and `table_rows` are sizes, by "schema.table", of that moment. `needed` people must approve. `facts`
    are digests, by kind, of the facts that an approval is about, and `facts_digest` is of all of them; `proposed_by` is
    who ran the program that proposed it. `prediction` is the interval that was predicted and `trial` what was measured,
    None where nothing was; `verdict` what the specification said: "compliant", and the ids of rules under "warnings"
    and "waived". `entry_hash` is of the ledger's entry that holds it. `agent` is the agent that proposed it, None where
    a person did. All of it is what the requester says.
    """

    id: str
    strategy: Strategy
    inverses: tuple[Change, ...]
    database: Mapping[str, object]
    spec_id: str
    spec_digest: str
    facts_digest: str
    table_bytes: Mapping[str, int]
    risk: str
    needed: int
    proposed_by: str
    prediction: Mapping[str, object] | None = None
    trial: Mapping[str, object] | None = None
    verdict: Mapping[str, object] | None = None
    run_id: str | None = None
    at_ns: int = 0
    entry_hash: str = ""
    agent: Agent | None = None
    facts: Mapping[str, str] = field(default_factory=dict)
    table_rows: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Approval:
    """What one person has signed. `statement` is the document; `public_key` and `signatures` as files hold them."""

    statement: Mapping[str, object]
    public_key: Mapping[str, str]
    signatures: tuple[Mapping[str, object], ...]
