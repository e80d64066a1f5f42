"""What the `trimtab anchor` commands do: options into calls of the library, results onto stdout."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from rich.markup import escape
from rich.table import Table

from trimtab.cli.commands import ledger_of, load, print_json, source_of, stderr_console, stdout_console
from trimtab.cli.text import duration, printable, share, utc_time
from trimtab.cli.watch import ConsoleWatcher
from trimtab.errors import ConfigError, RegressionError
from trimtab.model.comparison import Level, PlannedFor
from trimtab.report.anchors import (
    anchor_document,
    comparison_document,
    list_document,
    noted_document,
    verified_document,
)

if TYPE_CHECKING:
    from trimtab.anchor.document import SignedAnchor
    from trimtab.model.comparison import Comparison, DimensionComparison

SHOWN = 10


@dataclass(frozen=True, slots=True)
class Asked:
    """The options of `trimtab anchor create`, as given."""

    dsn: str | None = None
    database: str | None = None
    workload: Path | None = None
    permanence: str = "performance_lifetime"
    runs: int = 0
    seconds: float = 0.0
    logs: tuple[Path, ...] = ()
    keeps_statistics: bool = True
    spec: str | None = None
    pg_bin: Path | None = None
    seed: int = 1
    config: Path | None = None


def create(asked: Asked, *, as_json: bool, is_quiet: bool) -> None:
    """Take an anchor and print what it says."""
    from trimtab import api

    config = load(asked.config)
    with ConsoleWatcher(stderr_console(), is_quiet=is_quiet) as watcher:
        signed = api.create_anchor(
            source_of(asked.dsn, asked.database, config),
            workload=asked.workload,
            permanence=asked.permanence,
            runs=asked.runs,
            seconds=asked.seconds,
            logs=asked.logs,
            keeps_statistics=asked.keeps_statistics,
            spec=asked.spec or config.defaults.spec,
            pg_bin=asked.pg_bin or config.defaults.pg_bin,
            seed=asked.seed,
            ledger_path=ledger_of(config),
            watcher=watcher,
        )
    if as_json:
        print_json(anchor_document(signed, api.anchor_path(signed.anchor, ledger_path=ledger_of(config))))
    else:
        _tell(signed)


def list_all(*, config: Path | None, as_json: bool) -> None:
    """Print the anchors."""
    from trimtab import api

    found = api.anchors(ledger_path=ledger_of(load(config)))
    if as_json:
        print_json(list_document(found))
        return
    table = Table(pad_edge=False)
    for name in ("anchor", "taken (UTC)", "database", "queries", "permanence", "state"):
        table.add_column(name, overflow="fold", no_wrap=name == "anchor")
    for standing in found:
        anchor = standing.anchor
        state = standing.force.value.replace("_", " ") + (", accepted" if standing.accepted_because else "")
        table.add_row(
            anchor.id,
            utc_time(anchor.coordinate[0]),
            escape(printable(anchor.database)),
            str(len(anchor.queries)),
            anchor.permanence.value,
            state,
        )
    stdout_console().print(table if found else "no anchor yet. next: trimtab anchor create DSN")


def show(name: str, service_level_ms: float | None = None, *, config: Path | None, as_json: bool) -> None:
    """Print one anchor; with a service level also how often its executions took longer."""
    from trimtab import api

    ledger_path = ledger_of(load(config))
    signed = api.anchor(name, ledger_path=ledger_path)
    path = api.anchor_path(signed.anchor, ledger_path=ledger_path)
    stable = None if service_level_ms is None else api.anchor_stability(signed.anchor, service_level_ms)
    if as_json:
        print_json(anchor_document(signed, path, stable))
        return
    _tell(signed)
    if service_level_ms is not None:
        told = "no execution of it was measured one by one" if stable is None else stable.sentence
        stdout_console().print(f"stability at {duration(service_level_ms)}: {told}", highlight=False, markup=False)
    stdout_console().print(f"document: {path}", highlight=False, markup=False, soft_wrap=True)


def verify(file: Path | None, keys: Sequence[Path], *, config: Path | None, as_json: bool) -> None:
    """Verify a document, or the chain of this machine; what is wrong is an error."""
    from trimtab import api

    if file is not None:
        signed = api.verify_anchor(file, keys=keys, ledger_path=_ledger_if_any(config, keys))
        told = f"verified: {signed.anchor.id} is as {signed.key_id} signed it"
        document = verified_document([signed.anchor.id], signed.digest)
    else:
        ids = api.verify_anchors(ledger_path=ledger_of(load(config)))
        told = f"verified: {len(ids)} anchors are as signed, in one chain, as the ledger has them"
        document = verified_document(ids, None)
    if as_json:
        print_json(document)
    else:
        stdout_console().print(told, highlight=False, markup=False, soft_wrap=True)


def _ledger_if_any(config: Path | None, keys: Sequence[Path]) -> Path | None:
    """Return where the ledger is; None where there can be none and keys are given, which then decide alone."""
    try:
        return ledger_of(load(config))
    except ConfigError as error:
        if not keys or not error.code.startswith("state."):
            raise
        return None


def compare(
    earlier: str,
    later: str,
    *,
    alpha: float,
    margin: float,
    fails: bool,
    keys: Sequence[Path],
    config: Path | None,
    as_json: bool,
) -> None:
    """Compare two anchors. With `fails` a regression is an error, after the result was printed."""
    from trimtab import api
    from trimtab.model.comparison import Finding

    found = api.compare_anchors(
        earlier, later, error_rate=alpha, margin=margin, keys=keys, ledger_path=ledger_of(load(config))
    )
    if as_json:
        print_json(comparison_document(found))
    else:
        _show(found)
    if fails and found.finding is not Finding.SAME and found.finding is not Finding.BETTER:
        is_worse = found.finding is Finding.WORSE
        raise RegressionError(
            f"{found.later_id} is worse than {found.earlier_id}"
            if is_worse
            else f"nothing can be said of {found.later_id} beside {found.earlier_id}: no query could be judged",
            code="anchor.regression" if is_worse else "anchor.unjudged",
            next_step="See the queries that are named, or accept the new level by `trimtab anchor accept`."
            if is_worse
            else "Take anchors with more executions: a longer --seconds, or --runs.",
        )


def accept(name: str, reason: str, *, config: Path | None, as_json: bool) -> None:
    """Accept an anchor as the new normal."""
    from trimtab import api

    signed = api.accept_anchor(name, reason=reason, ledger_path=ledger_of(load(config)))
    _tell_noted(signed, "trimtab.anchor.accept/v1", "accepted", reason, as_json=as_json)


def release(name: str, reason: str, *, config: Path | None, as_json: bool) -> None:
    """Release an anchor."""
    from trimtab import api

    signed = api.release_anchor(name, reason=reason, ledger_path=ledger_of(load(config)))
    _tell_noted(signed, "trimtab.anchor.release/v1", "released", reason, as_json=as_json)


def export_key(out: Path, *, config: Path | None, as_json: bool) -> None:
    """Write the public key."""
    from trimtab import api

    key_id = api.export_anchor_key(out, ledger_path=ledger_of(load(config)))
    if as_json:
        print_json({"schema": "trimtab.anchor.key/v1", "path": str(out), "key_id": key_id})
    else:
        stdout_console().print(f"wrote the public key {key_id} to {out}", highlight=False, markup=False)


def _tell_noted(signed: SignedAnchor, schema: str, what: str, reason: str, *, as_json: bool) -> None:
    if as_json:
        print_json(noted_document(signed, schema, reason))
    else:
        stdout_console().print(f"{what}: {signed.anchor.id}", highlight=False, markup=False)


def _tell(signed: SignedAnchor) -> None:
    anchor, console = signed.anchor, stdout_console()
    taken = utc_time(anchor.coordinate[0])
    text = f"anchor {anchor.id}  {printable(anchor.database)}  {taken}  {anchor.permanence.value}"
    console.print(text, highlight=False, markup=False, soft_wrap=True)
    for dimension in anchor.dimensions:
        if dimension.level is None:
            told = f"not measured: {dimension.note}"
        else:
            told = f"{dimension.level:.4g} {dimension.unit}  ({dimension.low:.4g} to {dimension.high:.4g})"
        console.print(f"  {dimension.name:<24} {told}", highlight=False, markup=False, soft_wrap=True)
    heaviest = sorted(anchor.queries, key=lambda q: -(q.counted.share if q.counted else 0.0))[:SHOWN]
    table = Table(pad_edge=False)
    for name in ("query", "share", "calls", "mean", "median of runs", "plan"):
        table.add_column(name, no_wrap=True)
    for level in heaviest:
        counted = level.counted
        table.add_row(
            level.query_id,
            share(counted.share) if counted else "",
            str(counted.calls) if counted else "",
            duration(counted.mean_ms) if counted else "",
            duration(level.p50_ms) if level.runs else "",
            level.generic_shape or level.plan_shape,
        )
    console.print(table)
    more = len(anchor.queries) - len(heaviest)
    if more > 0:
        console.print(f"and {more} more queries; --json has all", highlight=False)
    for problem in anchor.problems:
        console.print(f"note: {printable(problem)}", highlight=False, markup=False, soft_wrap=True)


def _show(found: Comparison) -> None:
    console = stdout_console()
    text = f"{found.later_id} beside {found.earlier_id}: {found.finding.value} "
    text += f"(alpha {found.error_rate:g} over all queries, margin {share(found.margin)})"
    console.print(text, highlight=False, markup=False, soft_wrap=True)
    for dimension in found.dimensions:
        if dimension.earlier is None or dimension.later is None:
            told = f"not measured: {dimension.note}"
        else:
            state = "within the band" if dimension.is_within else "outside of the band"
            told = f"{dimension.earlier:.4g} -> {dimension.later:.4g} {dimension.unit}, {state}"
            told += f"; {_shown(dimension)} (alpha {dimension.error_rate:.3g})"
        console.print(f"  {dimension.name:<24} {told}", highlight=False, markup=False, soft_wrap=True)
    table = Table(pad_edge=False)
    for name in ("query", "share", "plan", "judgement", "ratio", "at least", "could have seen", "by"):
        table.add_column(name, no_wrap=True)
    for query in found.queries[:SHOWN]:
        plan = {True: "same", False: "changed", None: "unknown"}[query.same_plan]
        if query.planned_for is PlannedFor.ANY:
            plan += " *"
        table.add_row(
            query.query_id,
            share(query.share),
            plan,
            query.judgement.value,
            "" if query.ratio is None else f"{query.ratio:.2f}",
            f"{query.at_least:.2f}" if query.at_least else "",
            "" if query.smallest_effect is None else f"{query.smallest_effect:.2f}",
            query.method or query.note,
        )
    console.print(table)
    _tell_apart(found)
    if found.common is not None and abs(found.common - 1) >= 0.005:
        text = f"all queries with the same plan: {found.common:.2f} times; taken out"
        console.print(text, highlight=False)
    for difference in found.differences:
        console.print(f"differs: {printable(difference)}", highlight=False, markup=False, soft_wrap=True)
    for what, ids in (("only in the earlier", found.only_earlier), ("only in the later", found.only_later)):
        if ids:
            more = f" and {len(ids) - SHOWN} more" if len(ids) > SHOWN else ""
            console.print(f"{what}: {', '.join(ids[:SHOWN])}{more}", highlight=False, markup=False, soft_wrap=True)


def _shown(dimension: DimensionComparison) -> str:
    """Return what a dimension's test has shown."""
    if dimension.judgement is Level.SAME:
        seen = dimension.smallest_effect
        return "no difference shown" + ("" if seen is None else f", {seen:.2f} times would have been")
    return "not judged" if dimension.judgement is Level.UNJUDGED else f"shown to be {dimension.judgement.value}"


def _tell_apart(found: Comparison) -> None:
    """Say what the table does not: for which values plans were made, what was not done, and how stable it is."""
    console = stdout_console()
    if any(query.planned_for is PlannedFor.ANY for query in found.queries):
        text = "* as planned for any values: what the plan is for the values of one call is not seen by that"
        console.print(text, highlight=False, markup=False, soft_wrap=True)
    others = sum(query.same_plan is True and query.is_own_plan_same is False for query in found.queries)
    if others:
        text = f"{others} of these are planned otherwise for the values that were drawn at each time (--json has which)"
        console.print(text, highlight=False, markup=False, soft_wrap=True)
    notes = Counter(query.note for query in found.queries if query.note and query.method)
    for note, count in sorted(notes.items()):
        console.print(f"{count} queries: {note}", highlight=False, markup=False, soft_wrap=True)
    if found.stability is not None:
        console.print(f"stability: {found.stability.sentence}", highlight=False, markup=False, soft_wrap=True)
