"""On every version: a plan that only the planner of before makes is put down to the upgrade, with the proof."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cli.market import Market, create_template
from tests.cli.program import Program
from tests.lifecycle.conftest import LOCKING_SETTINGS
from trimtab.embedded.binaries import Binaries
from trimtab.embedded.server import Server

from .conftest import TEMPLATE

pytestmark = [pytest.mark.server, pytest.mark.versions]

# Since 18 a table that is joined with itself by its key is read once.
TWICE = "SELECT a.total FROM orders a JOIN orders b ON a.id = b.id WHERE b.customer_id < 20"


@pytest.fixture(scope="module")
def newest(places: Path) -> Iterator[Market]:
    """The same market on the bundled version."""
    with Server.create(Binaries.find(), purpose="versions-newest", settings=LOCKING_SETTINGS) as server:
        create_template(server, TEMPLATE)
        yield Market(server, TEMPLATE)


def test_what_an_upgrade_did_to_a_plan_is_named_and_proven(
    market: Market, newest: Market, program: Program, local: dict[str, str], major: int, tmp_path: Path
) -> None:
    workload = tmp_path / "twice.sql"
    workload.write_text(f"{TWICE};\n", "utf-8")
    options = ("--workload", workload, "--json")
    before = program.succeed("anchor", "create", market.dsn, *options, environ=local).document["anchor"]
    found = program.succeed("anchor", "explain", before["id"], newest.dsn, *options, environ=local).document
    assert found["is_other_server"] is True
    [changed] = found["changed"]
    attribution = changed["attribution"]
    assert (attribution["kind"], attribution["causes"]) == ("version", [f"server version {major} to 18"])
    assert attribution["proof"][-1]["is_old_shape"] is True
    assert len(attribution["now"]) < len(attribution["was"])
    program.succeed("anchor", "create", newest.dsn, *options)
    compared = program.succeed("anchor", "compare", before["id"], "latest", "--json").document
    assert any(told.startswith(f"the server was PostgreSQL {major}.") for told in compared["differences"])
