"""What a verdict costs under a specification with 200 rules of its own, and the dearest rule that can be written."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from dataclasses import replace

from bench import results_file
from trimtab.model.catalog import Column, Table
from trimtab.model.change import CreateIndex
from trimtab.model.strategy import Decision, Prediction, Strategy, Trial
from trimtab.spec.expressions import answer, question
from trimtab.spec.load import get_spec, known_ids
from trimtab.spec.rules import SpecRule
from trimtab.spec.specification import Specification
from trimtab.validate.facts import Evidence, Facts
from trimtab.validate.validate import validate

RULES, ROUNDS, TABLES = 200, 2000, 500
LIMIT_MS = 1.0
# Of what rules are made: a kind of change, a list, a number that may be unknown, evidence, texts.
_SHAPES = (
    ("change.kind == 'create_index'", "change.columns.all(c, !c.startsWith('pii_{n}'))"),
    ("true", "size(change.key_columns) <= {m}"),
    ("env.stage == 'enforce' && table.kind != 'none'", "table.rows < 900000000 + {n}"),
    ("change.kind in ['drop_index', 'rebuild_index']", "index.unused_days > {n}.0"),
    ("table.kind != 'none'", "change.schema != 'audit_{n}' && change.table != 'secret_{n}'"),
    ("env.stage == 'enforce'", "evidence.measured_gain_percent >= {m}.5 || table.size_bytes < {n}000"),
    ("change.kind == 'set_setting'", "change.scope != 'database' || change.value != '{n}MB'"),
    ("true", "!change.table.matches('^tmp_{n}_[a-z]+$')"),
)
# Two lists within one another and as many words as may be; patterns may be within one list.
_DEAREST = "change.columns.all(a, change.columns.all(b, {body}))"


def measure() -> None:
    """Print the table and write bench/results/governance_spec.json."""
    plain, ruled = get_spec("DATABASE_OPTIMIZATION_SPEC_V4"), _ruled()
    facts, strategy = _facts(), _strategy()
    assert validate(strategy, ruled, facts).compliant
    by_name: dict[str, Callable[[], object]] = {
        "without rules": lambda: validate(strategy, plain, facts),
        f"{len(ruled.rules)} rules": lambda: validate(strategy, ruled, facts),
    }
    times = _interleaved(by_name)
    rows = {name: _summary(taken) for name, taken in times.items()}
    loads = {spec_id: _milliseconds(lambda spec_id=spec_id: get_spec(spec_id), 10) for spec_id in known_ids()}  # type: ignore[misc]
    dearest_ms = _dearest_ms()
    print(f"{'one change, ' + str(TABLES) + ' tables':<28}{'median ms':>10}{'p99 ms':>10}{'max ms':>10}")
    for name, row in rows.items():
        print(f"{name:<28}{row['median_ms']:>10.3f}{row['p99_ms']:>10.3f}{row['max_ms']:>10.3f}")
    print(f"the dearest rule that is accepted: {dearest_ms:.1f} ms")
    print("loading: " + ", ".join(f"{spec_id} {ms:.0f} ms" for spec_id, ms in loads.items()))
    median = rows[f"{len(ruled.rules)} rules"]["median_ms"]
    print(f"limit {LIMIT_MS} ms: {'kept' if median <= LIMIT_MS else 'BROKEN'} ({median / LIMIT_MS:.2f} of it)")
    path = results_file.write(
        "governance_spec",
        {
            "rules": len(ruled.rules),
            "tables": TABLES,
            "rounds": ROUNDS,
            "limit_ms": LIMIT_MS,
            "validate": rows,
            "dearest_rule_ms": round(dearest_ms, 3),
            "load_ms": {spec_id: round(ms, 2) for spec_id, ms in loads.items()},
        },
    )
    print(f"written to {path}")


def _ruled() -> Specification:
    base = get_spec("DB_GOVERNANCE_SPEC_V2")
    made = list(base.rules)
    for number in range(RULES - len(made)):
        when, assertion = _SHAPES[number % len(_SHAPES)]
        rule = {
            "id": f"bench.r{number}",
            "when": when.format(n=number, m=5 + number % 10),
            "assert": assertion.format(n=number, m=5 + number % 10),
            "message": "not here",
        }
        made.append(SpecRule.model_validate(rule))
    return replace(base, rules=tuple(made))


def _facts() -> Facts:
    columns = tuple(Column(f"column_{n}", n, "text", False, True) for n in range(1, 21))
    tables = {
        ("public", f"table_{n}"): Table("public", f"table_{n}", n, "r", 1e6, 10_000, 10_000 * 8192, columns)
        for n in range(TABLES)
    }
    trial = Trial(100.0, 60.0, 30, 0.001, 0.05, 1000.0, Decision.ACCEPTED, "faster")
    return Facts(
        server_version=180_006,
        database="shop",
        is_standby=False,
        tables=tables,
        settings={},
        scoped_settings={},
        settable_scopes=frozenset(),
        forbidden_tablespace=None,
        relation_names=frozenset(tables),
        role="apply",
        read_unix=1_767_225_600,
        is_enforcing=True,
        evidence=Evidence(Prediction(50.0, 60.0, 70.0, "ms", 100.0, 0.9, "cost_ratio"), trial),
    )


def _strategy() -> Strategy:
    tail = 'USING btree ("column_3", "column_7", "column_9")'
    columns = ("column_3", "column_7", "column_9")
    change = CreateIndex("public", "table_250", "trimtab_new", tail, columns)
    return Strategy((change,), "indexes", "an index", "", ("q1",), 20 << 20, {"size_bytes.trimtab_new": 20 << 20})


def _dearest_ms() -> float:
    """Return the time of the dearest expression that we know how to write, on the widest index that there can be."""
    columns = tuple(f"{n:02d}" + "a" * 61 for n in range(63))
    pattern = "(a|b|aa|bb|.a|.b)*" * 10 + "c$"
    candidates = []
    for count in (1, 4, 8):
        body = " && ".join([f"!a.matches('{pattern}')"] * count)
        candidates.append(f"change.columns.all(a, {body})")
    candidates.append(" && ".join([f"change.columns.all(a, !a.matches('{pattern}'))"] * 6))
    candidates.append(_DEAREST.format(body=" && ".join(["a + b + a + b != b + a + a"] * 40)))
    slowest = 0.0
    facts = question({"change.columns": columns})
    for text in candidates:
        try:
            rule = SpecRule.model_validate({"id": "bench.dear", "assert": text, "message": "dear"})
        except ValueError:
            continue
        answer(rule, facts)
        started = time.perf_counter()
        answer(rule, facts)
        slowest = max(slowest, 1000 * (time.perf_counter() - started))
    return slowest


def _interleaved(by_name: dict[str, Callable[[], object]]) -> dict[str, list[float]]:
    times: dict[str, list[float]] = {name: [] for name in by_name}
    for call in by_name.values():
        call()
    for _ in range(ROUNDS):
        for name, call in by_name.items():
            started = time.perf_counter()
            call()
            times[name].append(1000 * (time.perf_counter() - started))
    return times


def _milliseconds(call: Callable[[], object], rounds: int) -> float:
    taken = []
    for _ in range(rounds):
        started = time.perf_counter()
        call()
        taken.append(1000 * (time.perf_counter() - started))
    return statistics.median(taken)


def _summary(taken: list[float]) -> dict[str, float]:
    ordered = sorted(taken)
    return {
        "median_ms": round(statistics.median(ordered), 4),
        "p99_ms": round(ordered[int(len(ordered) * 0.99)], 4),
        "max_ms": round(ordered[-1], 4),
    }
