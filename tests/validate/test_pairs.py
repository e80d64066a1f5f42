"""Ten thousand random pairs of specifications: a child never permits what its parent forbids."""

import random
from collections import Counter

from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st

from tests.spec.documents import SECTIONS, documents, limits_of
from trimtab.errors import SpecError
from trimtab.model.change import SetDistinct
from trimtab.model.strategy import Strategy
from trimtab.spec.document import parse
from trimtab.spec.inherit import effective, effective_rules, meet
from trimtab.spec.limits import Limits
from trimtab.spec.reading import Document
from trimtab.spec.rules import SpecRule
from trimtab.spec.specification import Specification
from trimtab.validate.facts import Facts
from trimtab.validate.validate import validate

from .catalogue import SHIPPED, create, drop, facts, setting, statistics, strategy
from .proposals import random_limits, strategies

PAIRS = 10_000
_RULES = (
    {"assert": "change.columns.all(c, c != 'note')"},
    {"assert": "size(change.columns) <= 2"},
    {"when": "change.kind == 'create_index'", "assert": "table.rows < 500000"},
    {"when": "change.kind == 'set_setting'", "assert": "change.scope != 'role'"},
    {"assert": "index.size_bytes < 5"},
    {"assert": "strategy.size_bytes < 1000000", "severity": "warn"},
    {"when": "env.stage == 'enforce'", "assert": "evidence.trial == 'accepted'"},
)

_PERMITTED = [
    strategy(create("status", "total")),
    strategy(create("status", include=("note",)), create("total", name="trimtab_b")),
    strategy(setting("jit", "off")),
    strategy(setting("work_mem", "8MB", "role", "reporting")),
    strategy(statistics("status", "total")),
    strategy(SetDistinct("public", "orders", "note", 20.0)),
    strategy(drop("orders_customer_again")),
]


def _pools() -> tuple[list[dict[str, dict[str, object]]], list[Limits], list[Strategy]]:
    whole: list[dict[str, dict[str, object]]] = []
    limits: list[Limits] = []
    proposed: list[Strategy] = []

    @seed(1)
    @settings(max_examples=100, database=None, phases=[Phase.generate], suppress_health_check=list(HealthCheck))
    @given(documents, random_limits, st.lists(strategies, min_size=2, max_size=2))
    def draw(document: dict[str, dict[str, object]], near: Limits, some: list[Strategy]) -> None:
        whole.append(document)
        limits.extend((limits_of(document), near, SHIPPED.limits))
        proposed.extend(some)

    draw()
    # Most of what is drawn is forbidden by anybody: every second one is of those that the shipped one permits.
    assert all(validate(one, SHIPPED, facts()).compliant for one in _PERMITTED)
    return whole, limits, [*proposed, *_PERMITTED * (len(proposed) // len(_PERMITTED))]


def _rules(rng: random.Random, owner: str, most: int) -> list[dict[str, object]]:
    chosen = rng.sample(range(len(_RULES)), rng.randint(0, most))
    return [{"id": f"{owner}.r{n}", "message": "not here", **_RULES[n]} for n in chosen]


def test_a_child_never_permits_what_its_parent_forbids() -> None:
    whole, limits, proposed = _pools()
    rng = random.Random(6)
    on: list[Facts] = [facts(), facts(is_applying=False), facts(is_enforcing=True)]
    paths = [(section, field) for section, fields in SECTIONS.items() for field in fields]
    seen: Counter[str] = Counter()
    parents = [
        Specification(
            "PARENT", 1, "", ("PARENT@1",), each, tuple(map(SpecRule.model_validate, _rules(rng, "parent", 2)))
        )
        for each in limits
        for _ in range(3)
    ]
    for _ in range(PAIRS):
        parent = rng.choice(parents)
        spec: dict[str, dict[str, object]] = {}
        for section, field in rng.sample(paths, rng.randint(0, 3)):
            spec.setdefault(section, {})[field] = rng.choice(whole)[section][field]
        document = {
            "apiVersion": "trimtab.dev/v1",
            "kind": "OptimizationSpec",
            "metadata": {"id": "CHILD", "revision": 1, "description": ""},
            "extends": ["PARENT"],
            "spec": spec,
            "rules": _rules(rng, rng.choice(["child", "child", "parent"]), 2),
        }
        stated = parse(Document("child", document, {}))  # type: ignore[arg-type]
        try:
            narrowed = effective(stated, (parent.limits,))
            rules = effective_rules(stated, (parent.rules,))
        except SpecError as error:
            seen[error.code] += 1
            continue
        child = Specification("CHILD", 1, "", ("PARENT@1", "CHILD@1"), narrowed, rules)
        assert meet(parent.limits, child.limits) == child.limits  # also of what is enforced where it acts
        assert set(parent.rules) <= set(child.rules)
        one, known = rng.choice(proposed), rng.choice(on)
        by_child, by_parent = validate(one, child, known), validate(one, parent, known)
        assert by_parent.compliant or not by_child.compliant
        broken = {violation.rule_id for violation in by_parent.violations}
        assert broken <= {violation.rule_id for violation in by_child.violations}
        seen["permitted" if by_child.compliant else "forbidden by both" if broken else "forbidden by the child"] += 1
    assert sum(seen.values()) == PAIRS
    assert set(seen) == {"spec.widens", "permitted", "forbidden by both", "forbidden by the child"}
    # Each way that it may end was really met.
    assert min(seen.values()) >= 30, seen
