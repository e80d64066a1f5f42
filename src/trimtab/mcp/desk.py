"""What a server of agents works with: the databases and workloads of trimtab.toml, the ledger, who the agent is.

An agent names databases and workloads by these names and by nothing else: no DSN, no path and no password goes in or
out by a tool.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path

from trimtab.cli.commands import ledger_of
from trimtab.cli.passwords import conninfo_of
from trimtab.config import Config, Database, load_config
from trimtab.errors import ConfigError, UsageError
from trimtab.lifecycle.complied import SecondLooks
from trimtab.lifecycle.ledger_view import LedgerViewer
from trimtab.mcp.bounds import Bounds
from trimtab.mcp.caller import caller
from trimtab.mcp.kept_anchors import KeptAnchors
from trimtab.model.agent import Agent
from trimtab.spec.load import DEFAULT_ID, known_ids

_NO_TOOLS = "0" * 64
CONFIGURED = "configured"
"""How an agent names the specification that trimtab.toml names."""


@dataclass(frozen=True, slots=True)
class Desk:
    """All that the tools share. `asking` is told of in what they write; `viewer`, `anchors`, `looks` read news."""

    config: Config
    ledger_path: Path
    agent: Agent
    viewer: LedgerViewer
    anchors: KeptAnchors
    looks: SecondLooks
    allows_sql: bool = False
    bounds: Bounds = field(default_factory=Bounds)

    @classmethod
    def open(cls, config_path: Path | None, agent_name: str, *, allows_sql: bool = False) -> Desk:
        """Return the desk of a configuration. Raises ConfigError `mcp.no_database`, UsageError `mcp.agent`."""
        config = load_config(config_path)
        if not config.databases:
            raise ConfigError(
                "there is nothing for an agent to see: trimtab.toml names no database",
                code="mcp.no_database",
                next_step="`trimtab init --database shop --dsn service=shop` writes one that does.",
            )
        try:
            agent = Agent(agent_name, _NO_TOOLS)
        except ValueError:
            raise UsageError(
                "the agent's name was refused: it is up to 64 letters, digits, dots, underscores and hyphens",
                code="mcp.agent",
                next_step="Give another name with --agent.",
            ) from None
        path = ledger_of(config)
        viewer = LedgerViewer(path)
        looks = SecondLooks(path, config.defaults.spec)
        return cls(config, path, agent, viewer, KeptAnchors(path, viewer), looks, allows_sql)

    def offering(self, tools_digest: str) -> Desk:
        """Return the desk of an agent that is offered the tools of that digest."""
        return replace(self, agent=Agent(self.agent.name, tools_digest))

    @property
    def asking(self) -> Agent:
        """The agent that is calling: that of its token, else the one that this server was started for."""
        return replace(self.agent, name=caller().agent or self.agent.name)

    @property
    def names(self) -> tuple[str, ...]:
        """The names of all databases."""
        return tuple(sorted(self.config.databases))

    def database(self, name: str) -> Database:
        """Return the database of that name. Raises UsageError `mcp.database`."""
        found = self.config.databases.get(name)
        if found is None:
            raise UsageError(
                f"there is no database of that name here; there are {', '.join(self.names)}",
                code="mcp.database",
                next_step="Name one of these: a DSN is not taken.",
            )
        return found

    def name_on_server(self, name: str) -> str | None:
        """Return what PostgreSQL calls the database, as far as trimtab.toml tells it: a service file is not read."""
        from psycopg.conninfo import conninfo_to_dict

        from trimtab.db.dsn import conninfo_for

        found = conninfo_to_dict(conninfo_for(self.database(name).conninfo, None)).get("dbname")
        return None if found is None else str(found)

    def dsn(self, name: str) -> str:
        """Return how the database of that name is reached, with its password where a command gives it."""
        return conninfo_of(self.database(name))

    def workload(self, name: str | None) -> Path | None:
        """Return the file of the workload of that name; None stands for pg_stat_statements.

        Raises UsageError `mcp.workload`.
        """
        if name is None:
            return None
        found = self.config.workloads.get(name)
        if found is None:
            known = ", ".join(sorted(self.config.workloads)) or "none"
            raise UsageError(
                f"there is no workload of that name here; there are: {known}",
                code="mcp.workload",
                next_step="Name one of [workloads] in trimtab.toml, or none: then pg_stat_statements tells. No path.",
            )
        return found

    def spec(self, name: str) -> str:
        """Return the specification that an agent means: a shipped id, or the configured one.

        Raises UsageError `mcp.spec`.
        """
        if name == CONFIGURED:
            return self.config.defaults.spec or DEFAULT_ID
        if name not in known_ids():
            raise UsageError(
                f"there is no specification of that name here; there are {', '.join((CONFIGURED, *known_ids()))}",
                code="mcp.spec",
                next_step="Name one of these: a file is not taken.",
            )
        return name
