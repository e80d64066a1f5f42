"""The public Python interface to anchors: plain functions, and the class that the original text names. Thin.

`trimtab.api` has all of these names too.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from trimtab.api_spec import get_spec
from trimtab.errors import ConfigError, UsageError
from trimtab.model.anchor import Anchor, Dimension
from trimtab.model.evolution import Evolution, Insight, Recommendation, Series
from trimtab.model.keyed import Keyed
from trimtab.model.report import Report
from trimtab.model.watch import Silent, Watcher

if TYPE_CHECKING:
    from trimtab.anchor.document import SignedAnchor
    from trimtab.anchor.force import Standing
    from trimtab.lifecycle.evolving import Evolved
    from trimtab.lifecycle.explaining import ExplainedAnchor
    from trimtab.lifecycle.ledger_view import LedgerView
    from trimtab.model.comparison import Comparison
    from trimtab.model.stability import Stability

PERFORMANCE_LIFETIME = "performance_lifetime"
ANCHOR_SPEC = "DATABASE_OPTIMIZATION_SPEC_V4"


def create_anchor(
    dsn: str | None = None,
    *,
    database: str | None = None,
    workload: str | Path | Sequence[str] | None = None,
    permanence: str = PERFORMANCE_LIFETIME,
    runs: int = 0,
    seconds: float = 0.0,
    logs: Sequence[Path] = (),
    keeps_statistics: bool = True,
    spec: str | Path | None = None,
    pg_bin: Path | None = None,
    seed: int = 1,
    ledger_path: Path | None = None,
    watcher: Watcher | None = None,
) -> SignedAnchor:
    """Record the performance level of a database, sign it, chain it to the last one, and return it.

    `dsn` and `workload` are as in `optimize`. `permanence` is optimization_lifetime, performance_lifetime or cosmic.
    Reads are run `runs` times each, 0 for not at all; executions of the application's are counted for `seconds`, 0 for
    all that pg_stat_statements has; single executions are taken from the server's `logs` (files, directories) where
    these hold all. The planner's statistics, which hold values of rows, are kept beside it on this
    machine unless `keeps_statistics` is false. The source is only read. Raises TrimtabError.
    """
    from trimtab.db.dsn import conninfo_for
    from trimtab.lifecycle.anchoring import AnchorRequest, create
    from trimtab.lifecycle.request import given_workload
    from trimtab.model.anchor import Permanence

    if permanence not in list(Permanence):
        raise UsageError(
            f"the permanence {permanence!r} was refused: there is none of that name",
            code="usage.permanence",
            next_step=f"Name one of {', '.join(Permanence)}.",
        )
    request = AnchorRequest(
        conninfo=conninfo_for(dsn, database),
        ledger_path=_ledger(ledger_path),
        workload=given_workload(workload),
        permanence=Permanence(permanence),
        runs=runs,
        seconds=seconds,
        logs=tuple(logs),
        keeps_statistics=keeps_statistics,
        spec=spec,
        pg_bin=pg_bin,
        seed=seed,
    )
    return create(request, watcher or Silent())


def anchors(*, ledger_path: Path | None = None, view: LedgerView | None = None) -> list[Standing]:
    """Return all anchors of this machine, in the order of their chain, and how each stands. Raises TrimtabError.

    `view` is one of a `ledger_viewer`; without it the ledger is read.
    """
    from trimtab.lifecycle.anchor_chain import listed

    return listed(_ledger(ledger_path), None if view is None else view.entries)


def anchor(name: str, *, ledger_path: Path | None = None) -> SignedAnchor:
    """Return an anchor by its id, the beginning of it, or "latest". Raises AnchorError."""
    from trimtab.lifecycle.anchor_chain import shown

    return shown(_ledger(ledger_path), name)[0]


def anchor_stability(found: Anchor, service_level_ms: float) -> Stability | None:
    """Return how often an anchor's executions failed or took longer than that, with an upper bound; None without any.

    Executions are those that were run or logged: counters tell none by itself.
    """
    from trimtab.anchor.stability import breaches, stability

    each = [level.latency for level in found.queries if level.latency is not None]
    return stability(sum(one.count for one in each), sum(breaches(one, service_level_ms) for one in each))


def anchor_path(found: Anchor, *, ledger_path: Path | None = None) -> Path:
    """Return where the document of an anchor of this machine is."""
    from trimtab.lifecycle.anchor_chain import store_of

    return store_of(_ledger(ledger_path)).path(found)


def verify_anchor(path: Path, *, keys: Sequence[Path] = (), ledger_path: Path | None = None) -> SignedAnchor:
    """Return the anchor of a document when it is as it was signed, by this machine or one of the public keys.

    Needs no server. Raises AnchorError `anchor.flawed`, which names the first thing that is wrong, and KeyFileError.
    """
    from trimtab.lifecycle.anchor_chain import verified_file

    try:
        known_here = _ledger(ledger_path)
    except ConfigError:
        if not keys:
            raise
        known_here = None  # A machine without a state directory, or one that cannot be written, verifies by the keys.
    return verified_file(path, known_here, keys)


def verify_anchors(*, ledger_path: Path | None = None) -> list[str]:
    """Return the ids of all anchors of this machine when the chain holds. Raises AnchorError `anchor.flawed`."""
    from trimtab.lifecycle.anchor_chain import verified_chain

    return verified_chain(_ledger(ledger_path))


def compare_anchors(
    earlier: str | Path,
    later: str | Path = "latest",
    *,
    error_rate: float = 0.01,
    margin: float = 0.10,
    keys: Sequence[Path] = (),
    ledger_path: Path | None = None,
) -> Comparison:
    """Compare two anchors, each named as in `anchor` or by its document's file. Raises AnchorError.

    `error_rate` bounds the chance that any query is called slower, or faster, that is not; what is up to `margin`
    slower (0.1 is 10 %) counts as the same.
    """
    from trimtab.lifecycle.anchor_chain import found
    from trimtab.lifecycle.comparing import compare

    path = _ledger(ledger_path)
    one, other = (found(path, name, keys).anchor for name in (earlier, later))
    return compare(one, other, error_rate=error_rate, margin=margin)


def accept_anchor(name: str, *, reason: str, ledger_path: Path | None = None) -> SignedAnchor:
    """Make an anchor the new normal of its database. Raises AnchorError, LedgerError."""
    from trimtab.lifecycle.anchor_chain import accept

    return accept(_ledger(ledger_path), name, reason)


def release_anchor(name: str, *, reason: str, ledger_path: Path | None = None) -> SignedAnchor:
    """End that an anchor is in force; it stays in the chain. Raises AnchorError, LedgerError."""
    from trimtab.lifecycle.anchor_chain import release

    return release(_ledger(ledger_path), name, reason)


def export_anchor_key(path: Path, *, ledger_path: Path | None = None) -> str:
    """Write this machine's public key to a new file, and return the key's id. Raises KeyFileError."""
    from trimtab.lifecycle.anchor_chain import export_key

    return export_key(_ledger(ledger_path), path)


def track_evolution(
    name: str = "latest", *, query_ids: Sequence[str] | None = None, ledger_path: Path | None = None
) -> list[Evolved]:
    """Return how the database of an anchor evolved over all of its anchors: by dimension, then by query.

    `query_ids` are those to tell of, None for the twenty heaviest. Raises AnchorError, LedgerError.
    """
    from trimtab.lifecycle.anchor_chain import found
    from trimtab.lifecycle.evolving import evolutions

    path = _ledger(ledger_path)
    anchor = found(path, name).anchor
    return evolutions(path, anchor.server, is_standby=anchor.is_standby, query_ids=query_ids)


def explain_anchor(
    name: str,
    dsn: str | None = None,
    *,
    database: str | None = None,
    workload: str | Path | Sequence[str] | None = None,
    query_ids: Sequence[str] | None = None,
    role: str = "",
    pg_bin: Path | None = None,
    seed: int = 1,
    ledger_path: Path | None = None,
    watcher: Watcher | None = None,
) -> ExplainedAnchor:
    """Return which plans are not those of an anchor of this machine any more, and why, with the proof.

    `dsn` and `workload` are as in `create_anchor`; `query_ids` are those to explain, None for all that changed;
    `role` is who runs them, "" for anybody. Plans are made on a statistics twin; no query is run. Raises TrimtabError.
    """
    from trimtab.db.dsn import conninfo_for
    from trimtab.lifecycle.explaining import ExplainRequest, explain_plans
    from trimtab.lifecycle.request import given_workload

    request = ExplainRequest(
        conninfo=conninfo_for(dsn, database),
        ledger_path=_ledger(ledger_path),
        name=name,
        workload=given_workload(workload),
        query_ids=None if query_ids is None else tuple(query_ids),
        pg_bin=pg_bin,
        seed=seed,
        role=role,
    )
    return explain_plans(request, watcher or Silent())


@dataclass(frozen=True, slots=True)
class AnchorMetadata:
    """What tells an anchor's document: where it is, its digest, that of the one before, and who signed it."""

    path: Path
    digest: str
    previous: str
    key_id: str
    permanence: str
    specification: tuple[str, str]


@dataclass(frozen=True, slots=True)
class MonitoringSystem:
    """The dimensions that are held against an anchor, each with its level, band and test."""

    anchor_id: str
    dimensions: tuple[Dimension, ...]


@dataclass(frozen=True, slots=True)
class PerformanceAnchoring(Keyed):
    """The four keys of `create_performance_anchor`. `temporal_coordinates` are those of the anchor, by name."""

    performance_anchor: Anchor
    temporal_coordinates: Mapping[str, str | int]
    monitoring_system: MonitoringSystem
    anchor_metadata: AnchorMetadata


@dataclass(frozen=True, slots=True)
class PerformanceEvolution(Keyed):
    """The four keys of `track_performance_evolution`."""

    performance_history: tuple[Series, ...]
    trend_analysis: tuple[Evolution, ...]
    evolution_insights: tuple[Insight, ...]
    optimization_recommendations: tuple[Recommendation, ...]


class TemporalPerformanceAnchor:
    """Anchors of one machine under one specification, by the name that the original text gives them."""

    def __init__(
        self,
        spec_id: str | Path = ANCHOR_SPEC,
        *,
        permanence: str = PERFORMANCE_LIFETIME,
        runs: int = 0,
        seconds: float = 0.0,
        ledger_path: Path | None = None,
    ) -> None:
        """`spec_id` is an id or a file; the others are as in `create_anchor`."""
        self.spec = get_spec(spec_id, ledger_path=ledger_path)
        self._spec_reference = spec_id
        self._permanence = permanence
        self._runs = runs
        self._seconds = seconds
        self._ledger_path = ledger_path

    def create_performance_anchor(
        self,
        optimization_state: str | Report | None,
        performance_metrics: str | Path | Sequence[str] | None = None,
    ) -> PerformanceAnchoring:
        """Anchor the state of a database, given by its DSN, or the state that a run of `optimize` reached: its report.

        Of a database, `performance_metrics` is the workload that is measured: a `.sql` file, a sequence of statements,
        or None for pg_stat_statements. Raises TrimtabError; UsageError `usage.no_anchor` for a report of a run that
        changed nothing.
        """
        if isinstance(optimization_state, Report):
            signed = anchor(_anchor_of(optimization_state), ledger_path=self._ledger_path)
        else:
            signed = create_anchor(
                optimization_state,
                workload=performance_metrics,
                permanence=self._permanence,
                runs=self._runs,
                seconds=self._seconds,
                spec=self._spec_reference,
                ledger_path=self._ledger_path,
            )
        found = signed.anchor
        time_ns, wal_position, timeline, epoch = found.coordinate
        return PerformanceAnchoring(
            found,
            {"time_ns": time_ns, "wal_position": wal_position, "timeline": timeline, "statistics_epoch": epoch},
            MonitoringSystem(found.id, found.dimensions),
            AnchorMetadata(
                anchor_path(found, ledger_path=self._ledger_path),
                signed.digest,
                signed.previous,
                signed.key_id,
                found.permanence.value,
                found.specification,
            ),
        )

    def track_performance_evolution(self, performance_anchor: Anchor | str) -> PerformanceEvolution:
        """Tell how the database of an anchor evolved: its history, trends, insights and what to do next.

        The anchor is one of this machine, or its id. Raises TrimtabError.
        """
        name = performance_anchor if isinstance(performance_anchor, str) else performance_anchor.id
        found = track_evolution(name, ledger_path=self._ledger_path)
        return PerformanceEvolution(
            tuple(evolved.evolution.series for evolved in found),
            tuple(evolved.evolution for evolved in found),
            tuple(insight for evolved in found for insight in evolved.insights),
            tuple(dict.fromkeys(r for evolved in found for r in evolved.recommendations)),
        )


def _anchor_of(report: Report) -> str:
    if report.anchor is None:
        raise UsageError(
            f"the run {report.run_id} has no anchor: it changed nothing on the source",
            code="usage.no_anchor",
            next_step="Give the DSN of the database instead; its level is then measured now.",
        )
    return report.anchor.id


def _ledger(path: Path | None) -> Path:
    from trimtab.paths import ledger_path

    return path or ledger_path()
