"""What is known of a server beside its numbers: who it is, whether it answers, since when, and what cannot be read.

Values only; no password is in them.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field


@dataclass(frozen=True, slots=True)
class ServerFacts:
    """A server of the fleet, under its name in trimtab.toml. Times are UTC nanoseconds, 0 is never.

    `where` says where it is, without a password. `is_up` is what the last attempt found, `code` why it was not, and
    `state_since_ns` since when that is so. `last_ns` is when it was read last, `tried_ns` when that was last tried.
    `missing` says what is not measured there, and why, by name. `settings` are those that are watched for changes.
    """

    name: str
    where: str = ""
    system_identifier: str | None = None
    database: str = ""
    version: int = 0
    is_standby: bool = False
    timeline: int | None = None
    started_at: float = 0.0
    is_up: bool = False
    code: str = ""
    state_since_ns: int = 0
    first_ns: int = 0
    last_ns: int = 0
    tried_ns: int = 0
    interval_seconds: float = 0.0
    max_connections: int | None = None
    missing: Mapping[str, str] = field(default_factory=dict[str, str])
    settings: Mapping[str, str] = field(default_factory=dict[str, str])


def facts_text(facts: ServerFacts) -> str:
    """Return the facts as JSON, without the name."""
    values = asdict(facts)
    del values["name"]
    return json.dumps(values)


def facts_of(name: str, text: str) -> ServerFacts:
    """Return the facts of a row. What a later version wrote beside them is left out."""
    known = ServerFacts.__dataclass_fields__
    return ServerFacts(name, **{key: value for key, value in json.loads(text).items() if key in known})
