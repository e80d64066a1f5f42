"""Of too many candidates those of light queries go first, and no query loses all of its own."""

from __future__ import annotations

import pytest

from trimtab.propose import indexes
from trimtab.propose.candidate import Candidate, Key


def candidates(query: str, count: int) -> list[Candidate]:
    return [Candidate("public", query, (Key(f"c{number}"),)) for number in range(count)]


def test_what_is_few_stays() -> None:
    wanted = {"a": candidates("a", 9), "b": candidates("b", 9)}
    assert indexes._pruned(wanted, {"a": 1.0, "b": 2.0}) == wanted


def test_light_queries_keep_their_most_promising_ones_only(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(indexes, "MAX_CANDIDATES", 20)
    wanted = {name: candidates(name, 8) for name in "abcde"} | {"same": candidates("e", 8)}
    kept = indexes._pruned(wanted, {"a": 1.0, "b": 9.0, "c": 0.0, "d": 0.5, "e": 8.0, "same": 0.0})
    assert [len(kept[name]) for name in "beadc"] == [8, 8, 2, 2, 2]
    assert kept["same"] == kept["e"] == wanted["e"]
    assert kept["c"] == wanted["c"][:2]
