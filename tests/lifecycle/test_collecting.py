"""Collectors begin when what is remembered can be told: a store that is full or held at first ends none of them."""

from __future__ import annotations

import threading

from trimtab.errors import LedgerError, TrimtabError
from trimtab.history.facts import ServerFacts
from trimtab.lifecycle.collect_server import Pace, Seen, Target
from trimtab.lifecycle.collecting import Collecting, Remembered


class Heard:
    """What the collectors told."""

    def __init__(self) -> None:
        self.codes: list[str] = []
        self.has_seen = threading.Event()

    def seen(self, name: str, seen: Seen) -> None:
        assert (name, seen.facts.is_up) == ("gone", False)
        self.has_seen.set()

    def trouble(self, name: str, error: TrimtabError) -> None:
        assert name == "gone"
        self.codes.append(error.code)


def test_a_store_that_cannot_tell_at_first_is_asked_again() -> None:
    left = [LedgerError("full", code=f"history.{why}", next_step="") for why in ("busy", "full")]

    def remembered(name: str) -> Remembered:
        if left:
            raise left.pop()
        return Remembered(ServerFacts(name))

    heard = Heard()
    targets = [Target("gone", lambda: "host=/nonexistent dbname=x")]
    collecting = Collecting(targets, Pace(pulse_seconds=0.01, round_seconds=0.01), heard, remembered)
    collecting.start()
    try:
        assert heard.has_seen.wait(60)
    finally:
        collecting.stop()
    assert heard.codes == ["history.full", "history.busy"]
    assert collecting.fault is None
