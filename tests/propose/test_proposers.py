"""Who proposes, and in which order."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from trimtab.errors import ConfigError
from trimtab.propose.proposers import PROPOSERS, all_proposers

from .catalogue import context

MODULE = """
def propose(context):
    return []

NOT_A_FUNCTION = 1
"""


def install(folder: Path, monkeypatch: pytest.MonkeyPatch, *entries: str) -> None:
    """Put a distribution on the path that names these entry points."""
    (folder / "third_party_advice.py").write_text(MODULE)
    information = folder / "third_party_advice-1.0.dist-info"
    information.mkdir()
    (information / "METADATA").write_text("Metadata-Version: 2.1\nName: third-party-advice\nVersion: 1.0\n")
    (information / "entry_points.txt").write_text("[trimtab.proposers]\n" + "\n".join(entries) + "\n")
    monkeypatch.syspath_prepend(str(folder))
    monkeypatch.delitem(sys.modules, "third_party_advice", raising=False)


def test_settings_are_tried_last() -> None:
    assert [name for name, _ in PROPOSERS] == ["statistics", "indexes", "drops", "merges", "rebuilds", "settings"]
    assert all_proposers()[: len(PROPOSERS)] == PROPOSERS


def test_third_parties_follow_by_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    install(tmp_path, monkeypatch, "zeal = third_party_advice:propose", "advice = third_party_advice:propose")
    found = all_proposers()
    assert [name for name, _ in found[len(PROPOSERS) :]] == ["advice", "zeal"]
    assert found[-1][1](context()) == []


@pytest.mark.parametrize(
    "entry", ["bad = third_party_advice:missing", "bad = no_such_module:x", "bad = third_party_advice:NOT_A_FUNCTION"]
)
def test_one_that_cannot_be_loaded_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, entry: str) -> None:
    install(tmp_path, monkeypatch, entry)
    with pytest.raises(ConfigError, match="proposer bad of the distribution third-party-advice") as caught:
        all_proposers()
    assert caught.value.code == "proposer.broken"
