"""An agent is told from people wherever it is named, and its name cannot be made to look like one of theirs."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trimtab.model.agent import Agent, agent_from, agent_to_dict

DIGEST = "a" * 64


def test_it_is_read_as_it_was_written() -> None:
    agent = Agent("planner.v2", DIGEST)
    assert agent_from(agent_to_dict(agent)) == agent
    assert agent_from(None) is None
    assert agent.actor == "agent:planner.v2"


@given(st.text())
def test_a_name_is_a_plain_word_or_refused(name: str) -> None:
    is_plain = name.isascii() and name.replace(".", "").replace("_", "").replace("-", "").isalnum()
    if is_plain and name[0].isalnum() and len(name) <= 64:
        assert Agent(name, DIGEST).actor == f"agent:{name}"
    else:
        with pytest.raises(ValueError, match="not an agent"):
            Agent(name, DIGEST)


@pytest.mark.parametrize("told", [{"kind": "human", "name": "ann", "tools_digest": DIGEST}, "agent", {"kind": "agent"}])
def test_what_names_no_agent_is_refused(told: object) -> None:
    with pytest.raises(ValueError, match="not an agent"):
        agent_from(told)
