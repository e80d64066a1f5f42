"""Index selection on TPC-H and TPC-DS without any index: cost, proven gap, calls and seconds, by budget and class.

The databases are loaded without keys and indexes. The selector sees a statistics twin alone; the yardstick is the sum
of the planner's costs, every query counting once, under the chosen set over that under no index. The class "two
columns" is that of published comparisons: B-trees of one or two columns; "full" is every kind that Trimtab knows. The
same sum is asked once more of the loaded database itself, with the chosen set really built. `seconds` is all that a set
took: what choosing leaves of the goal goes into a proof, which may find a better one. `first` is what was known before
that: other advisers prove nothing, so it is this one's calls that theirs compare with. The proof then goes on, for the
gap. Other advisers that the user has are asked the same in the class "two columns" (`peers/`); their sets are judged as
ours are.
"""

from __future__ import annotations

import argparse
import os
import time
from collections.abc import Mapping, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

from bench import cophy
from bench.built import MB, baseline_ms, built_cost, run_times
from bench.index_workloads import LOADERS, loaded, silent, snapshot, texts
from bench.peers.asking import Advice, NoAnswerError, Peer, ask, at_hand, home
from bench.results_file import write
from trimtab.db.connection import connect
from trimtab.embedded.binaries import Binaries
from trimtab.embedded.server import Server
from trimtab.errors import TrimtabError
from trimtab.model.change import CreateIndex
from trimtab.model.index_wishes import KINDS
from trimtab.model.plan import Plan
from trimtab.model.workload import Query
from trimtab.propose.context import Context, Limits
from trimtab.propose.indexes import choose
from trimtab.propose.proof import gap_between, prove
from trimtab.propose.selection import Truth
from trimtab.twin.build import build
from trimtab.twin.capture import Image, read_image
from trimtab.twin.twin import Twin

# Class and budget in MB: the share of the cost without indexes that is to be reached.
GOALS: dict[str, dict[str, dict[int, float | None]]] = {
    "tpch": {
        "two columns": {250: 0.53, 500: 0.495, 1000: 0.482, 2000: 0.48},
        "full": {250: 0.50, 500: 0.44, 1000: 0.39, 2000: 0.31},
    },
    # Of the full class nine tenths of the two-column class is wanted.
    "tpcds": {"two columns": {250: 0.68, 500: 0.615, 1000: 0.57}, "full": {250: None, 500: None, 1000: None}},
}
# Keys, included columns, kinds.
CLASSES = {"two columns": (2, 0, frozenset({"btree"})), "full": (4, 12, KINDS)}
COMPARED = "two columns"
_BUDGETS = dict.fromkeys(str(budget) for classes in GOALS.values() for budget in classes[COMPARED])
GOAL_GAP = {"tpch": 0.01, "tpcds": 0.05}
GOAL_SECONDS = {"tpch": 5.0, "tpcds": 30.0}
# Of the goal's seconds, when ours ends whatever it does: that takes a moment.
WORKING_SHARE = 0.9
OURS = "trimtab"
# As in the product where there is a lab: what counts of a query is how long it ran.
OURS_BY_TIME = "trimtab by run time"


def main() -> None:
    arguments, binaries, peers = _arguments()
    rows: list[dict[str, Any]] = []
    for name in arguments.workloads or LOADERS:
        with loaded(name, arguments.scale, binaries) as server:
            rows += _measured(name, server, arguments, peers)
    kept = "indexes_sampled" if arguments.sampled else "indexes"
    ran = {"scale": arguments.scale, "postgresql": "{}.{}".format(*binaries.version)}
    print(f"written to {write(kept, {**ran, 'selections': rows}).relative_to(Path.cwd())}")
    if arguments.cophy:
        cophy.solve_all(arguments.cophy)
    else:
        print("published cost tables: left out, since neither --cophy DIR nor TRIMTAB_COPHY names their folder")


def _arguments() -> tuple[argparse.Namespace, Binaries, list[Peer]]:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("workloads", nargs="*", help=f"{', '.join(LOADERS)}; all when none is named")
    parser.add_argument("--scale", type=float, default=1.0, help="of the databases; the goals are for 1")
    parser.add_argument("--classes", default=",".join(CLASSES), help="of index; all when not given")
    parser.add_argument("--budgets", default="", help="in MB, with commas; all when not given")
    parser.add_argument("--proof-seconds", type=float, default=120.0, help="for each proof; 0 for none")
    parser.add_argument("--sampled", action="store_true", help="read samples of the databases, as with a live source")
    parser.add_argument("--pg-bin", type=Path, help="PostgreSQL of the databases and twins; the wheel's by default")
    parser.add_argument("--peer", action="append", default=[], metavar="NAME=WHERE", help="see bench/README.md")
    parser.add_argument("--peer-seconds", type=float, default=600.0, help="a peer's time for one budget")
    parser.add_argument("--run-times", type=int, default=0, metavar="ROUNDS", help="of running the queries; 0 for none")
    parser.add_argument("--run-times-of", default="tpch", help="the workloads that are run, with commas")
    parser.add_argument("--run-limit", type=float, default=30.0, help="seconds after which a query is stopped")
    parser.add_argument("--cophy", type=Path, default=os.environ.get("TRIMTAB_COPHY") or None, metavar="DIR")
    arguments = parser.parse_args()
    for what, known, given in (
        ("workload", LOADERS, arguments.workloads),
        ("workload", LOADERS, arguments.run_times_of.split(",")),
        ("class", CLASSES, arguments.classes.split(",")),
        ("budget", _BUDGETS, arguments.budgets.split(",") if arguments.budgets else ()),
    ):
        if unknown := sorted(set(given) - set(known)):
            parser.error(f"no such {what}: {', '.join(unknown)}; there are {', '.join(known)}")
    if arguments.cophy and (absent := cophy.missing(arguments.cophy)):
        parser.error(f"published cost tables: {absent}")
    try:
        peers, left_out = at_hand(arguments.peer, os.environ)
        binaries = Binaries.find(arguments.pg_bin)
    except (ValueError, TrimtabError) as error:
        parser.error(str(error))
    print("\n".join(left_out), end="\n" * bool(left_out), flush=True)
    return arguments, binaries, peers


def _measured(name: str, server: Server, arguments: argparse.Namespace, peers: Sequence[Peer]) -> list[dict[str, Any]]:
    """Return the rows of one workload."""
    image = read_image(server.dsn(name), server.binaries, progress=silent)
    classes = [kind for kind in CLASSES if kind in arguments.classes.split(",")]
    budgets = [one for one in GOALS[name][COMPARED] if str(one) in (arguments.budgets or str(one)).split(",")]
    advised = _advised(name, server, arguments, peers, budgets) if COMPARED in classes and peers else {}
    is_run = bool(arguments.run_times) and name in arguments.run_times_of.split(",") and COMPARED in classes
    times = _baseline(name, server, arguments.run_limit) if is_run else {}
    rows: list[dict[str, Any]] = []
    sets: list[tuple[dict[str, Any], Sequence[CreateIndex]]] = []
    queries: Sequence[Query] = ()
    for kind in classes:
        for budget in budgets:
            source = server.dsn(name) if arguments.sampled else None
            if source is None:
                server.stop()  # It takes nothing from the selector.
            theirs = advised.get(budget, {})
            chosen, queries = _chosen(
                name, server.binaries, image, kind, budget, arguments.proof_seconds, theirs, times, source=source
            )
            if source is None:
                server.start()
            for row, changes in chosen if kind == COMPARED else chosen[:1]:
                row.update(built_cost(server.dsn(name), queries, changes))
                rows.append(row)
                print(row, flush=True)
            if kind == COMPARED:
                sets += chosen
    if is_run:
        base, *others = run_times(
            server.dsn(name),
            queries,
            [changes for _, changes in sets],
            rounds=arguments.run_times,
            limit_seconds=arguments.run_limit,
        )
        for (row, _), found in zip(sets, others, strict=True):
            row["run_time_share"] = round(found.share, 4)
            row["run_seconds"], row["run_seconds_without"] = round(found.seconds, 2), round(base.seconds, 2)
            row["stopped"], row["stopped_without"] = found.stopped, base.stopped
            told = ("workload", "selector", "budget_mb", "run_time_share", "run_seconds", "run_seconds_without")
            print({key: row[key] for key in (*told, "stopped", "stopped_without")}, flush=True)
    return rows


def _baseline(name: str, server: Server, limit_seconds: float) -> dict[str, float]:
    """Return how long each query runs without indexes, in ms."""
    with closing(connect(server.dsn(name), read_only=True)) as connection:
        queries = snapshot(name, connection).workload.queries
    return baseline_ms(server.dsn(name), queries, limit_seconds=limit_seconds)


def _advised(
    name: str, server: Server, arguments: argparse.Namespace, peers: Sequence[Peer], budgets: Sequence[int]
) -> dict[int, dict[str, Advice]]:
    """Return what each peer chooses, by budget and selector. One that does not answer is not asked on."""
    advised: dict[int, dict[str, Advice]] = {budget: {} for budget in budgets}
    with home(name, arguments.scale, server) as dsn:
        for peer in peers if dsn is not None else ():
            for budget in budgets:
                try:
                    advised[budget][peer.selector] = ask(
                        peer,
                        dsn or "",
                        texts(name),
                        budget_mb=budget,
                        max_columns=CLASSES[COMPARED][0],
                        limit_seconds=arguments.peer_seconds,
                    )
                except NoAnswerError as error:
                    print(f"{peer.selector}: left out of {name} from {budget} MB on: {error}", flush=True)
                    break
    return advised


def _chosen(
    name: str,
    binaries: Binaries,
    image: Image,
    kind: str,
    budget: int,
    proof_seconds: float,
    advised: Mapping[str, Advice],
    times: Mapping[str, float],
    *,
    source: str | None,
) -> tuple[list[tuple[dict[str, Any], Sequence[CreateIndex]]], Sequence[Query]]:
    """Return what was chosen on a twin of its own, so that nothing is remembered from another budget; ours first.

    Sizes rest on samples of the source where one is given, whose time counts. With `times` of the queries it is also
    chosen by these, in the class in which sets are run.
    """
    with Twin.open(build(image, binaries, progress=silent)) as twin:
        with closing(twin.connect_read_only()) as connection:
            seen = snapshot(name, connection)
        twin.sample_from(source)
        queries = seen.workload.queries
        keys, included, kinds = CLASSES[kind]
        limits = Limits(
            max_key_columns=keys,
            max_include_columns=included,
            kinds=kinds,
            max_index_bytes=budget * MB,
            budget_bytes=budget * MB,
            max_indexes_per_table=1000,
            name_prefix="bench_",
            settings_max={},
            wants_efficiency=False,
            least_gain=0.0,
        )
        calls, started = twin.planner_calls, time.perf_counter()
        choice = choose(Context(snapshot=seen, what_if=twin, limits=limits))
        truth = Truth(choice.problem, choice.planner)
        names = choice.names
        first = {
            "first_share": round(truth.objective(names) / choice.problem.base_ms, 4),
            "first_calls": twin.planner_calls - calls,
            "first_seconds": round(time.perf_counter() - started, 1),
        }
        # As in the product, what is left of its time goes into a proof, which may find a better set.
        if (left := WORKING_SHARE * GOAL_SECONDS[name] - time.perf_counter() + started) > 0:
            names = prove(choice.problem, choice.planner, names, truth.objective, seconds=left).names
        seconds, calls = time.perf_counter() - started, twin.planner_calls - calls
        changes = tuple(choice.problem.candidates[one] for one in names)
        proof_calls, proof_started = twin.planner_calls, time.perf_counter()
        reached = truth.objective(names)
        proof = prove(choice.problem, choice.planner, names, truth.objective, seconds=proof_seconds)
        proof_took, proof_calls = time.perf_counter() - proof_started, twin.planner_calls - proof_calls
        common = {"workload": name, "queries": len(queries), "class": kind, "budget_mb": budget}
        row = {
            **common,
            "selector": OURS,
            **_judged(twin, queries, changes),
            "goal": GOALS[name][kind][budget],
            "candidates": len(choice.problem.candidates),
            "planner_calls": calls,
            "seconds": round(seconds, 1),
            **first,
            "goal_seconds": GOAL_SECONDS[name],
            "chosen_gap": round(gap_between(proof.lower_bound, reached), 4) if proof_seconds else None,
            "proven_gap": round(proof.gap, 4) if proof_seconds else None,
            "goal_gap": GOAL_GAP[name],
            "best_share_seen": round(proof.objective / choice.problem.base_ms, 4),
            "proof_calls": proof_calls,
            "proof_seconds": round(proof_took, 1),
        }
        theirs: list[tuple[dict[str, Any], Sequence[CreateIndex]]] = []
        for selector, advice in advised.items():
            judged = _judged(twin, queries, advice.changes)
            asked = {"version": advice.version, "queries_taken": advice.queries_taken}
            effort = {"planner_calls": advice.planner_calls, "seconds": round(advice.seconds, 1)}
            its = {**common, "class": COMPARED, "selector": selector, **asked, **judged, **effort}
            its["is_over_budget"] = its["size_mb"] > budget
            theirs.append((its, advice.changes))
        by_time: list[tuple[dict[str, Any], Sequence[CreateIndex]]] = []
        if times and kind == COMPARED:
            timed = choose(Context(snapshot=seen, what_if=twin, limits=limits, baseline_ms=times))
            taken = tuple(change for group, _ in timed.selection.chosen for change in group)
            by_time = [({**common, "selector": OURS_BY_TIME, **_judged(twin, queries, taken)}, taken)]
        if theirs:
            within = [its["cost_share"] for its, _ in theirs if not its["is_over_budget"]]
            row["best_peer_share"] = min(within, default=None)
        return [(row, changes), *by_time, *theirs], queries


def _judged(twin: Twin, queries: Sequence[Query], changes: tuple[CreateIndex, ...]) -> dict[str, Any]:
    """Return the share of the cost, and the size, that the twin tells of a set."""
    before, after = (
        sum(plan.cost for plan in plans if isinstance(plan, Plan)) for plans in twin.what_if(queries, [(), changes])
    )
    size = sum(size or 0 for size in twin.size_bytes(changes))
    return {"cost_share": round(after / before, 4), "indexes": len(changes), "size_mb": round(size / MB, 1)}


if __name__ == "__main__":
    main()
