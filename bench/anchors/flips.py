"""Fifty seeded plan flips of six kinds: is the cause named rightly, does its inverse restore the plan, does it stay?

    python -m bench.anchors.flips [--seed 1]

Each flip is in a world of its own, among changes that are not its cause. What does not flip is drawn again. The inverse
is that of the cause that was named, right or wrong.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import asdict, dataclass
from itertools import pairwise
from random import Random
from statistics import median

from bench.anchors.kinds import GENERIC, SHARES, Cause, bystanders, draw_cause
from bench.anchors.undo import undo
from bench.anchors.worlds import ROLE, World, draw_queries, open_world, prepared_shapes, shapes
from bench.results_file import write
from trimtab.anchor.steering import steering
from trimtab.db.connection import connect
from trimtab.embedded.binaries import Binaries
from trimtab.embedded.server import Server
from trimtab.lifecycle.attribution import why_flipped
from trimtab.model.flip import Attribution
from trimtab.model.plan_shape import PlanShape
from trimtab.model.workload import Query
from trimtab.twin.capture import Image, read_image
from trimtab.twin.difference import Standpoint
from trimtab.twin.moments import TwinMoments

_SETTINGS = {"autovacuum": "off", "shared_buffers": "256MB", "max_wal_size": "4GB"}
_QUERIES = 40
_MOST_DRAWS = 60
_LOOKS = 10


@dataclass(frozen=True, slots=True)
class Flip:
    """What became of one flip. `draws` are the worlds that it took; `flips_later` changes of plan over the later looks.

    `how` is what restored it: the named cause's "inverse" or, where that did not, "settings" under which the planner of
    now makes the old plan. `is_kept_by_analyze` is None where nothing was restored. It is no part of the looks: it is
    what ANALYZE would do.
    """

    number: int
    kind: str
    what: str
    draws: int
    named: str
    causes: tuple[str, ...]
    is_right: bool
    is_restored: bool
    how: str
    settings: tuple[str, ...]
    flips_later: int
    is_kept_by_analyze: bool | None
    trials: int
    seconds: float


@dataclass(frozen=True, slots=True)
class _Flipped:
    old: Image
    new: Image
    query: Query
    before: PlanShape
    now: PlanShape


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the benchmark, print its table and write `results/anchors_flips.json`."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--kind", choices=list(SHARES), help="flips of one kind alone, for developers")
    parser.add_argument("--share", type=float, default=1.0, help="of the fifty flips, for developers")
    asked = parser.parse_args(arguments)
    started = time.monotonic()
    with Server.create(Binaries.find(), purpose="bench-flips", settings=_SETTINGS) as server:
        _create_role(server)
        flips = list(_flips(server, asked.seed, asked.share, asked.kind))
        version = server.binaries.version
    seconds = time.monotonic() - started
    rows = [_row(kind, [flip for flip in flips if flip.kind == kind]) for kind in SHARES]
    rows.append(_row("all", flips))
    _show([row for row in rows if row["flips"]])
    if asked.share == 1.0 and asked.kind is None:
        result: dict[str, object] = {
            "seed": asked.seed,
            "server": ".".join(map(str, version)),
            "looks": _LOOKS,
            "seconds": round(seconds, 1),
            "kinds": rows,
            "flips": [asdict(flip) for flip in flips],
        }
        print(f"written to {write('anchors_flips', result).name}")


def _create_role(server: Server) -> None:
    with closing(connect(server.dsn(), read_only=False)) as connection:
        connection.execute(f"CREATE ROLE {ROLE} LOGIN".encode())


def _flips(server: Server, seed: int, share: float, only: str | None) -> Iterator[Flip]:
    kinds = [kind for kind, count in SHARES.items() for _ in range(max(round(count * share), 1))]
    for number, kind in enumerate(kinds):
        if only not in (None, kind):
            continue
        random = Random(seed * 1000 + number)
        flip = _one(server, number, kind, random)
        said = "right" if flip.is_right else f"WRONG: {flip.named}: {', '.join(flip.causes)}"
        back = f"restored by {flip.how} {' '.join(flip.settings)}" if flip.is_restored else "NOT restored"
        print(f"{number + 1:3} {kind}: {flip.what}: {said}, {back}", file=sys.stderr, flush=True)
        yield flip


def _one(server: Server, number: int, kind: str, random: Random) -> Flip:
    for draw in range(1, _MOST_DRAWS + 1):
        with open_world(server, f"flip_{number}_{draw}", random) as world:
            world.run(f"ALTER ROLE {ROLE} RESET ALL")
            cause = draw_cause(kind, world, random)
            flipped = _flipped(world, kind, cause, random)
            if flipped is not None:
                return _judged(world, number, kind, cause, flipped, draw)
    raise RuntimeError(f"no plan flipped in {_MOST_DRAWS} worlds: {kind}")


def _flipped(world: World, kind: str, cause: Cause, random: Random) -> _Flipped | None:
    """Do it, and return a random one of the queries whose plans only the cause changed; None where there is none."""
    queries = draw_queries(world, random, _QUERIES)
    old = _image(world)
    tops = old.source.definitions.tops()
    before = shapes(world, queries, tops, as_role=cause.as_role)
    world.run(*bystanders(world, random), *cause.before)
    between = shapes(world, queries, tops, as_role=cause.as_role)
    still = [query for query in queries if before[query.id] == between[query.id]]
    world.run(*cause.act)
    if kind == GENERIC:
        last = {query.id: prepared_shapes(world, query, tops, as_role=True)[-1] for query in still}
    else:
        last = shapes(world, still, tops, as_role=cause.as_role)
    found = [query for query in still if last[query.id] != before[query.id]]
    if not found:
        return None
    query = random.choice(found)
    return _Flipped(old, _image(world), query, before[query.id], last[query.id])


def _judged(world: World, number: int, kind: str, cause: Cause, flipped: _Flipped, draws: int) -> Flip:
    started = time.monotonic()
    found = why_flipped(
        flipped.old,
        flipped.new,
        flipped.query,
        (flipped.before, flipped.now),
        standpoint=Standpoint(ROLE if cause.as_role else None),
    )
    seconds = time.monotonic() - started
    how, settings = _restored(world, kind, cause, flipped, found)
    looks = [_look(world, kind, cause, flipped) for _ in range(_LOOKS + 1)]
    is_restored = looks[0] == flipped.before.hash
    is_kept: bool | None = None
    if is_restored:
        world.run("ANALYZE")
        is_kept = _look(world, kind, cause, flipped) == flipped.before.hash
    return Flip(
        number=number,
        kind=kind,
        what=cause.what,
        draws=draws,
        named=str(found.kind.value) if found.kind else found.reason,
        causes=tuple(map(str, found.causes)),
        is_right=cause.is_named_by(found),
        is_restored=is_restored,
        how=how,
        settings=tuple(sorted(settings)),
        flips_later=sum(one != other for one, other in pairwise(looks)),
        is_kept_by_analyze=is_kept,
        trials=len(found.proof),
        seconds=round(seconds, 2),
    )


def _restored(
    world: World, kind: str, cause: Cause, flipped: _Flipped, found: Attribution
) -> tuple[str, Mapping[str, str]]:
    """Undo what was named; where that does not restore the plan, look for settings that do, and set them."""
    undo(world, flipped.old, flipped.new, found.causes, ROLE)
    if _look(world, kind, cause, flipped) == flipped.before.hash:
        return "inverse", {}
    world.run("ANALYZE")
    stand = Standpoint(ROLE if cause.as_role else None)
    now = shapes(world, [flipped.query], flipped.old.source.definitions.tops(), as_role=cause.as_role)
    with TwinMoments(flipped.old, _image(world), flipped.query, standpoint=stand) as moments:
        settings = steering(moments, flipped.before, now[flipped.query.id])
    if settings is None:
        return "", {}
    scope = f"ROLE {ROLE} IN DATABASE {world.name}" if cause.as_role else f"DATABASE {world.name}"
    world.run(*(f"ALTER {scope} SET {name} = '{value}'" for name, value in settings.items()))
    return "settings", settings


def _look(world: World, kind: str, cause: Cause, flipped: _Flipped) -> str:
    """Return the shape that the plan has now, in a new session."""
    tops = flipped.old.source.definitions.tops()
    if kind == GENERIC:
        return prepared_shapes(world, flipped.query, tops, as_role=True)[-1].hash
    return shapes(world, [flipped.query], tops, as_role=cause.as_role)[flipped.query.id].hash


def _image(world: World) -> Image:
    return read_image(world.dsn(), Binaries.find(), progress=lambda _done, _total, _what: None)


def _row(kind: str, flips: Sequence[Flip]) -> dict[str, object]:
    kept = [flip for flip in flips if flip.is_kept_by_analyze is not None]
    return {
        "kind": kind,
        "flips": len(flips),
        "named_rightly": sum(flip.is_right for flip in flips),
        "restored": sum(flip.is_restored for flip in flips),
        "by_inverse": sum(flip.is_restored and flip.how == "inverse" for flip in flips),
        "by_settings": sum(flip.is_restored and flip.how == "settings" for flip in flips),
        "flip_flops": sum(flip.flips_later for flip in flips),
        "kept_by_analyze": sum(bool(flip.is_kept_by_analyze) for flip in kept),
        "plans_median": median(flip.trials for flip in flips) if flips else 0,
        "seconds_median": round(median(flip.seconds for flip in flips), 2) if flips else 0,
        "worlds": sum(flip.draws for flip in flips),
    }


def _show(rows: Sequence[dict[str, object]]) -> None:
    widths = {name: max(len(name), *(len(str(row[name])) for row in rows)) for name in rows[0]}
    print("  ".join(name.ljust(width) for name, width in widths.items()))
    for row in rows:
        print("  ".join(str(row[name]).ljust(width) for name, width in widths.items()))


if __name__ == "__main__":
    main()
