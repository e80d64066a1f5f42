"""Finds out, as a process of its own, why the plan of an alarm is another one than the anchor's, and says so as JSON.

A watcher starts it beside its rounds and ends it when its time is over; it ends by itself when the watcher is gone. The
request comes on stdin, so that no password is seen among the processes; one document goes to stdout. It reads the
database and plans on the twin; nothing is changed, and no query is run.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import threading
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from trimtab.errors import TrimtabError
from trimtab.lifecycle.attribution_document import attribution_document
from trimtab.model.anchor import Anchor

NICE = 10
"""The watcher's rounds, and whatever else the machine does, go first."""


@dataclass(frozen=True, slots=True)
class WhyRequest:
    """What is to be found out: why the statement of that text is planned otherwise than in the anchor.

    `query_id` is its id of ours and `server_id` the server's; `role` is who runs it.
    """

    conninfo: str
    ledger_path: str
    anchor_id: str
    query_id: str
    server_id: str
    text: str
    role: str

    def line(self) -> bytes:
        """Return it as one line."""
        return json.dumps(asdict(self)).encode() + b"\n"

    @classmethod
    def of_line(cls, line: bytes) -> WhyRequest:
        """Return what `line` made. Raises ValueError, TypeError."""
        return cls(**json.loads(line))


def why(request: WhyRequest) -> dict[str, object]:
    """Return `found`, an attribution's document or None, and `reason`, which says why there is none.

    The statement is planned as the watcher plans it, and where that proves nothing as the role that runs it.
    """
    from trimtab.lifecycle.anchor_chain import store_of
    from trimtab.lifecycle.explaining import ExplainRequest, explain_plans
    from trimtab.model.watch import Silent

    told: dict[str, object] = {"found": None, "reason": ""}
    path = Path(request.ledger_path)
    try:
        query_ids = _known_as(store_of(path).find(request.anchor_id).anchor, request)
    except TrimtabError as error:
        return {**told, "reason": f"{error} ({error.code})"}
    if not query_ids:
        return {**told, "reason": "the anchor does not have this statement"}
    asked = ExplainRequest(
        request.conninfo,
        path,
        request.anchor_id,
        (request.text,),
        query_ids,
        only_plans=True,
    )
    for role in dict.fromkeys(("", request.role)):
        try:
            explained = explain_plans(replace(asked, role=role), Silent())
        except TrimtabError as error:
            told["reason"] = told["reason"] or f"{error} ({error.code})"
            continue
        for plan in explained.changed:
            if plan.attribution is None:
                told["reason"] = plan.note
            elif told["found"] is None or plan.attribution.is_attributed:
                told |= {"found": attribution_document(plan.attribution), "reason": ""}
            if plan.attribution is not None and plan.attribution.is_attributed:
                return told
        if not explained.changed and not told["reason"] and told["found"] is None:
            told["reason"] = _unchanged(explained.same, explained.missing)
    return told


def _known_as(anchor: Anchor, request: WhyRequest) -> tuple[str, ...]:
    """Return the anchor's ids of the statement: those of the server's id, else of ours."""
    of_server = [
        level.query_id
        for level in anchor.queries
        if level.counted is not None and request.server_id in level.counted.server_ids
    ]
    return tuple(of_server) or tuple(each.query_id for each in anchor.queries if each.query_id == request.query_id)


def _unchanged(same: int, missing: Sequence[str]) -> str:
    if missing:
        return "the statement is not among those that can be planned here now"
    return "its plan for any values is the anchor's" if same else "its plan cannot be compared with the anchor's"


def _line(descriptor: int) -> bytes:
    """Read up to the end of a line. Without a buffer, whose lock a waiting thread would hold at the end."""
    found = bytearray()
    while not found.endswith(b"\n") and (more := os.read(descriptor, 1)):
        found += more
    return bytes(found)


def _end_with(descriptor: int) -> None:
    """End this process as soon as the one that asked is gone, or has told it to."""
    while os.read(descriptor, 64):
        pass
    os.kill(os.getpid(), signal.SIGTERM)


def main() -> int:
    """Read a request, answer it, and return the exit code."""
    from trimtab.embedded.signals import cleanup_on_signals, ignore_signals

    os.nice(NICE)
    stdin = sys.stdin.fileno()
    with cleanup_on_signals():
        request = WhyRequest.of_line(_line(stdin))
        threading.Thread(target=_end_with, args=(stdin,), daemon=True).start()
        told: Mapping[str, object] = why(request)
        ignore_signals()
        sys.stdout.write(json.dumps(told))
        sys.stdout.flush()
    return 0


if __name__ == "__main__":
    sys.exit(main())
