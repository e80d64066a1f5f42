"""Takes the snapshot of a source: who it is, its tables, its settings and its workload, in one order, with progress.

Reads only; what it returns holds no row, and of the statistics only the values drawn for parameters.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from random import Random
from typing import TypeAlias

from trimtab.db.connection import Connection
from trimtab.model.catalog import Snapshot
from trimtab.model.workload import Workload
from trimtab.observe.catalog import read_tables
from trimtab.observe.functions import with_functions
from trimtab.observe.parameters import with_parameters
from trimtab.observe.plannable import check_plannable
from trimtab.observe.server import (
    read_clock,
    read_extensions,
    read_scoped_settings,
    read_server,
    read_settable_scopes,
    read_settings,
)
from trimtab.observe.statements import workload_from_statements
from trimtab.observe.workload_file import workload_from_file, workload_from_texts

Progress: TypeAlias = Callable[[int, int, str], None]
"""Told (done, total, what) whenever something begins or moves on."""

_STEPS = 4


def take_snapshot(
    conn: Connection, given: Path | tuple[str, ...] | None, *, seed: int, progress: Progress, draws: int = 1
) -> Snapshot:
    """Return what the source is and runs now; the workload is the given file or statements, else pg_stat_statements'.

    `seed` decides which parameters are drawn, `draws` how often for the heaviest reads. Raises SourceError and
    WorkloadError.
    """
    progress(0, _STEPS, "reading the workload")
    # What is given is judged before the server is asked anything: it is the likelier mistake.
    found = _workload(conn, given)
    progress(1, _STEPS, "reading the catalog")
    facts = read_facts(conn, found)
    progress(3, _STEPS, "drawing parameters")
    workload = _checked(conn, with_parameters(conn, found, Random(seed), draws=draws), progress)  # noqa: S311
    return replace(facts, workload=with_functions(conn, workload))


def read_facts(conn: Connection, workload: Workload) -> Snapshot:
    """Return what the source is now, as it stands before a change; the workload is as given. Raises SourceError."""
    return Snapshot(
        server=read_server(conn),
        tables=read_tables(conn),
        settings=read_settings(conn),
        workload=workload,
        taken_at=read_clock(conn),
        scoped_settings=read_scoped_settings(conn),
        settable_scopes=read_settable_scopes(conn),
        extensions=read_extensions(conn),
    )


def _workload(conn: Connection, given: Path | tuple[str, ...] | None) -> Workload:
    if given is None:
        return workload_from_statements(conn)
    return workload_from_file(given) if isinstance(given, Path) else workload_from_texts(given)


def _checked(conn: Connection, workload: Workload, progress: Progress) -> Workload:
    checked = check_plannable(conn, workload, lambda done, total: progress(done, total, "planning the workload"))
    progress(len(workload.queries), len(workload.queries), "planning the workload")
    return checked
