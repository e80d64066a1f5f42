"""The program that proposes for somebody: an agent, by its name, and by which tools it was given. A value.

It says who asked, and decides nothing: what an agent proposes waits for people as what a person proposes does.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

PREFIX = "agent:"
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
_DIGEST = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True, slots=True)
class Agent:
    """An agent. `name` is who runs it gave it; `tools_digest` the SHA-256 of the list of tools that it was offered.

    Raises ValueError for a name of other characters than letters, digits, `.`, `_` and `-`, and for another digest.
    """

    name: str
    tools_digest: str

    def __post_init__(self) -> None:
        if _NAME.fullmatch(self.name) is None or _DIGEST.fullmatch(self.tools_digest) is None:
            raise ValueError("not an agent's name, or not a digest")

    @property
    def actor(self) -> str:
        """Its name as `proposed_by` has it. No person's name looks so: nobody's own approval is voided by it."""
        return PREFIX + self.name


def agent_to_dict(agent: Agent) -> dict[str, object]:
    """Return the agent as the ledger has it."""
    return {"kind": "agent", "name": agent.name, "tools_digest": agent.tools_digest}


def agent_from(told: object) -> Agent | None:
    """Return the agent that a ledger's entry names, None where it names none. Raises ValueError."""
    if told is None:
        return None
    if not isinstance(told, Mapping) or told.get("kind") != "agent":
        raise ValueError("not an agent")
    return Agent(str(told.get("name")), str(told.get("tools_digest")))
