"""The README's commands for one's own database, run in its order against a server that they can mean."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest

from .market import Market, write_workload
from .program import Program

pytestmark = [pytest.mark.server, pytest.mark.slow]

README = (Path(__file__).parents[2] / "README.md").read_text("utf-8")
SECTION = README.split("## Use it on your own database")[1].split("\n## How it is different")[0]
DSN = "postgresql://trimtab_explain@db.example.com/shop"


def _blocks() -> list[list[str]]:
    """Return the commands of each script in the section."""
    found = re.findall(r"^```sh\n(.*?)^```", SECTION, re.MULTILINE | re.DOTALL)
    return [[line for line in body.splitlines() if line and not line.startswith("#")] for body in found]


@pytest.mark.usefixtures("roles")
def test_the_commands_for_ones_own_database_run(market: Market, program: Program, tmp_path: Path) -> None:
    main, asking, holding, setting_up = _blocks()
    write_workload(program.directory / "current_queries.sql", reads=2)
    (program.directory / "shop.yaml").write_text(SECTION.split("```yaml\n")[1].split("```")[0], "utf-8")
    service = "\n".join(["[shop]", *(part.replace("'", "") for part in market.dsn_of("trimtab_apply").split())])
    (tmp_path / "services.conf").write_text(service, "utf-8")
    environ = {"PGSERVICEFILE": str(tmp_path / "services.conf"), "TRIMTAB_ALLOW_OVERPRIVILEGED": ""}
    market.play()
    before = market.definitions()
    for command in setting_up + asking + holding + main:
        name, *arguments = shlex.split(command.replace(DSN, shlex.quote(market.dsn_of("trimtab_explain"))))[1:]
        standing = program.succeed("status", "--json").document["applied"]
        if "s-3f9c2a10bd" in arguments:
            assert standing, "what is to be taken back must stand"
            arguments[arguments.index("s-3f9c2a10bd")] = standing[-1]["strategy_id"]
        if "a-18ec79e8" in arguments:
            first = program.succeed("anchor", "list", "--json").document["anchors"][0]
            arguments[arguments.index("a-18ec79e8")] = first["id"]
        ended = program.run(name, *arguments, environ=environ)
        assert ended.code == 0, (command, ended.stderr)
    assert market.definitions() == before
