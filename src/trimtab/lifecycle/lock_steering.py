"""Looks on the twin for planner settings that bring an anchored plan back, where taking its cause away does not.

The source is read for an image of now; nothing is set here, and nothing is looked for that nobody may set.
"""

from __future__ import annotations

from pathlib import Path

from trimtab.anchor.mechanism import Capability, Choice, MechanismKind, steered
from trimtab.anchor.steering import steering
from trimtab.embedded.binaries import Binaries
from trimtab.lifecycle.anchor_chain import put_back_names
from trimtab.model.catalog import Snapshot
from trimtab.model.flip import Attribution
from trimtab.model.watch import Watcher
from trimtab.model.workload import Query
from trimtab.spec.specification import Specification
from trimtab.twin.capture import Image, read_image
from trimtab.twin.difference import Standpoint
from trimtab.twin.moments import TwinMoments

MOST_PLANS = 300


def steering_choice(
    conninfo: str,
    ledger_path: Path,
    snapshot: Snapshot,
    query: Query,
    attribution: Attribution,
    old: Image,
    specification: Specification,
    capability: Capability,
    *,
    role: str,
    is_generic: bool,
    pg_bin: Path | None,
    watcher: Watcher,
) -> Choice:
    """Return the settings that would do, as ways to set them, or why there is none. Raises SourceError, LabError."""
    nobody = steered({}, capability)
    if nobody.closed and not role:  # then nothing is looked for that could not be set
        return nobody
    new = read_image(
        conninfo,
        Binaries.for_major(snapshot.server.version // 10000, pg_bin),
        with_values=old.source.has_values,
        progress=lambda done, total, what: watcher.progress(what, done, total),
    )
    watcher.progress("looking for settings that bring the plan back", 0, 0)
    names = put_back_names(ledger_path, snapshot.server)
    with TwinMoments(old, new, query, standpoint=Standpoint(role or None), index_names=names) as moments:
        found = steering(
            moments,
            attribution.old,
            attribution.new,
            is_generic=is_generic and bool(query.parameter_count),
            allowed=frozenset(specification.limits.settings.allowed),
            most_plans=MOST_PLANS,
        )
    if found is None:
        why = "no settings that the specification allows make the planner of now choose the anchored plan"
        return Choice((), ((MechanismKind.STEERING, why),))
    return steered(found, capability)
