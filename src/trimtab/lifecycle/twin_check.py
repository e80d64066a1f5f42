"""What `trimtab twin check` does: the twin's plans of a workload beside the source's own.

The source is asked for plans, and changed in nothing; no query is run.
"""

from __future__ import annotations

from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path

from trimtab.db.connection import Connection
from trimtab.lifecycle.twin_origin import Origin, open_source, open_twin, told
from trimtab.model.watch import Watcher
from trimtab.model.workload import Workload
from trimtab.observe.snapshot import take_snapshot
from trimtab.twin.fidelity import Fidelity
from trimtab.twin.roles import asked_as, bound_role, resolved_search_path, search_in


@dataclass(frozen=True, slots=True)
class Checked:
    """The fidelity of a twin on a workload. `role` is who planned, None for one whom no policies bind."""

    workload: Workload
    fidelity: Fidelity
    planner_calls: int
    build_seconds: float
    engine: str
    source_version: int
    twin_version: int
    problems: tuple[str, ...]
    role: str | None = None


def check(origin: Origin, conninfo: str, workload: Path | None, watcher: Watcher, *, seed: int) -> Checked:
    """Compare the twin's plans of a workload with the source's own. Raises SourceError, LabError, WorkloadError."""
    with closing(open_source(conninfo)) as source:
        path: str | None = None
        version = source.info.server_version
        if origin.as_role is None and not origin.is_live:
            origin = replace(origin, as_role=bound_role(source))
        if origin.as_role is not None:
            # Whether it may be asked is told before there is anything to wait for.
            with asked_as(source, origin.as_role):
                path = resolved_search_path(source)
            search_in(source, path)

        def reopened() -> Connection:
            other = open_source(conninfo)
            if path is not None:
                search_in(other, path)
            return other

        found = take_snapshot(source, workload, seed=seed, progress=told(watcher)).workload
        with open_twin(origin, watcher) as (twin, seconds):
            fidelity = twin.fidelity(source, found.queries, reopen=reopened)
            return Checked(
                workload=found,
                fidelity=fidelity,
                planner_calls=twin.planner_calls,
                build_seconds=seconds,
                engine="twin",
                source_version=version,
                twin_version=twin.version,
                problems=twin.problems,
                role=twin.role,
            )
