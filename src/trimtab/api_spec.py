"""The specification registry in Python: `get_spec`, and what a specification says of a strategy. Thin, over `validate`.

A verdict needs facts. Without them nothing is known of any table, and a strategy that touches one is not compliant.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, get_args

from trimtab.errors import UsageError
from trimtab.model.change import Change
from trimtab.model.keyed import Keyed
from trimtab.model.strategy import Strategy, Verdict, Violation

if TYPE_CHECKING:
    from trimtab.spec.specification import Specification
    from trimtab.validate.facts import Facts

BASE_SPEC = "DATABASE_OPTIMIZATION_SPEC_V4"
INDEX_KINDS = frozenset({"create_index", "drop_index", "rebuild_index"})
PLAN_KINDS = frozenset(
    {"set_setting", "create_statistics", "set_statistics_target", "set_distinct", "restore_statistics"}
)


@dataclass(frozen=True, slots=True)
class RuleViolation(Keyed):
    """A rule that was broken: where in the strategy, what was expected and what was found.

    `evidence_ids` name the objects or facts that it was seen in.
    """

    rule: str
    path: str
    expected: str
    actual: str
    message: str
    severity: str
    evidence_ids: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Compliance(Keyed):
    """What a specification says of a strategy. `score` (0 to 100, None when no rule applied) ranks and never gates.

    `warnings` are of rules that do not block. `document` is the verdict in its one form (RFC 8785): the same strategy,
    specification and facts always give the same bytes. `not_applicable` are the ids of rules that had nothing to say,
    `errors` of those that could not be judged, each of which is a violation too.
    """

    compliant: bool
    score: float | None
    violations: tuple[RuleViolation, ...]
    warnings: tuple[RuleViolation, ...]
    spec_id: str
    spec_digest: str
    engine_version: str
    document: bytes
    not_applicable: tuple[str, ...] = ()
    errors: tuple[str, ...] = ()


def get_spec(spec_id: str | Path = BASE_SPEC, *, ledger_path: Path | None = None) -> Specification:
    """Return the effective specification of an id, of a file, or of `bundle:ID/FILE` where the ledger is.

    Raises SpecError, KeyFileError.
    """
    if isinstance(spec_id, str) and spec_id.startswith("bundle:"):
        from trimtab.lifecycle.governing import named
        from trimtab.paths import ledger_path as default_ledger_path

        return named(spec_id, ledger_path or default_ledger_path())
    from trimtab.spec.load import load_spec

    # None stands for no reference at all elsewhere; who asks for one by a name that is missing gets no other.
    return load_spec(repr(spec_id) if spec_id is None else spec_id)


def validate_optimization_strategy(
    strategy: Strategy,
    spec_id: str | Path = BASE_SPEC,
    *,
    facts: Facts | None = None,
    dsn: str | None = None,
    validation_depth: str = "complete",
) -> Compliance:
    """Return what the specification says of the strategy, on the facts given, or on those of the database at `dsn`.

    Every rule is always asked: "complete" is the only depth. Raises SpecError, SourceError, UsageError
    `usage.validation_depth`, `usage.arguments`.
    """
    if validation_depth != "complete":
        raise UsageError(
            f"validation_depth {validation_depth!r} was refused: a verdict that left rules out would be none",
            code="usage.validation_depth",
            next_step='Leave it out, or give "complete".',
        )
    from trimtab.validate.validate import validate

    require_strategy(strategy)
    return compliance_of(validate(strategy, get_spec(spec_id), _facts(facts, dsn, spec_id)))


def validate_index_strategy_compliance(
    strategy: Strategy, spec_id: str | Path = BASE_SPEC, *, facts: Facts | None = None, dsn: str | None = None
) -> Compliance:
    """Return what the specification says of a strategy of index changes. Raises UsageError `usage.strategy_kind`."""
    require_strategy(strategy)
    refuse_other_kinds(strategy.changes, INDEX_KINDS, "an index strategy")
    return validate_optimization_strategy(strategy, spec_id, facts=facts, dsn=dsn)


def validate_query_plan_compliance(
    plan: Strategy | Change | Sequence[Change],
    spec_id: str | Path = BASE_SPEC,
    *,
    facts: Facts | None = None,
    dsn: str | None = None,
) -> Compliance:
    """Return what the specification says of that by which a plan would be held: settings and statistics.

    A plan that the planner chooses by itself needs no permission. Raises UsageError `usage.strategy_kind`.
    """
    if isinstance(plan, Strategy):
        strategy = plan
    else:
        changes = tuple(plan) if isinstance(plan, Sequence) else (plan,)
        strategy = Strategy(changes, "plan", "hold a plan", "", ())
    require_strategy(strategy)
    refuse_other_kinds(strategy.changes, PLAN_KINDS, "what holds a plan")
    return validate_optimization_strategy(strategy, spec_id, facts=facts, dsn=dsn)


def require_strategy(strategy: object) -> None:
    """Refuse what is no strategy of changes: UsageError `usage.strategy`."""
    others = [strategy]
    if isinstance(strategy, Strategy) and isinstance(strategy.changes, tuple):
        others = [change for change in strategy.changes if not isinstance(change, get_args(Change))]
    elif isinstance(strategy, Strategy):
        others = [strategy.changes]
    if others:
        raise UsageError(
            f"the strategy was refused: {type(others[0]).__name__} is found where a Strategy made of changes must be",
            code="usage.strategy",
            next_step="Give a trimtab.model.strategy.Strategy; its `changes` are values of trimtab.model.change.",
        )


def refuse_other_kinds(changes: Sequence[Change], kinds: frozenset[str], what: str) -> None:
    """Refuse changes of other kinds than these: UsageError `usage.strategy_kind`."""
    others = sorted({change.kind for change in changes} - kinds)
    if others or not changes:
        raise UsageError(
            f"the strategy was refused: {what} is made of {', '.join(sorted(kinds))}, "
            f"and this one of {', '.join(others) or 'nothing'}",
            code="usage.strategy_kind",
            next_step="Call validate_optimization_strategy for strategies of any kind.",
        )


def _facts(facts: Facts | None, dsn: str | None, spec_id: str | Path) -> Facts:
    _refuse_arguments(facts, dsn)
    if facts is not None:
        return facts
    if dsn is not None:
        from trimtab.db.dsn import conninfo_for
        from trimtab.lifecycle.judging import facts_of
        from trimtab.paths import ledger_path

        # Of what is given as an id or a file nothing ends; a bundle does, and lies where the ledger is.
        is_bundle = isinstance(spec_id, str) and spec_id.startswith("bundle:")
        return facts_of(conninfo_for(dsn, None), ledger_path() if is_bundle else None)
    from trimtab.validate.facts import Facts as NoFacts

    return NoFacts(
        server_version=0,
        database="",
        is_standby=False,
        tables={},
        settings={},
        scoped_settings={},
        settable_scopes=frozenset(),
        forbidden_tablespace=None,
    )


def _refuse_arguments(facts: object, dsn: object) -> None:
    from trimtab.validate.facts import Facts as Known

    found = None
    if facts is not None and dsn is not None:
        found = "there are both, facts and a dsn"
    elif not isinstance(facts, Known | None):
        found = f"facts are Facts, and not {type(facts).__name__}"
    elif not isinstance(dsn, str | None):
        found = f"a dsn is a text, and not {type(dsn).__name__}"
    if found is not None:
        raise UsageError(
            f"the arguments were refused: {found}",
            code="usage.arguments",
            next_step="Give dsn=, or facts= as trimtab.validate.facts.facts_from returns them, or neither.",
        )


def compliance_of(verdict: Verdict) -> Compliance:
    """Return a verdict as it is handed on."""
    from trimtab.validate.decision import verdict_bytes

    return Compliance(
        compliant=verdict.compliant,
        score=verdict.score,
        violations=tuple(map(_told, verdict.violations)),
        warnings=tuple(map(_told, verdict.warnings)),
        spec_id=verdict.spec_id,
        spec_digest=verdict.spec_digest,
        engine_version=verdict.engine_version,
        not_applicable=verdict.not_applicable,
        errors=verdict.errors,
        document=verdict_bytes(verdict),
    )


def _told(violation: Violation) -> RuleViolation:
    return RuleViolation(
        rule=violation.rule_id,
        path=violation.path,
        expected=violation.expected,
        actual=violation.actual,
        message=violation.message,
        severity=violation.severity,
        evidence_ids=violation.evidence_ids,
    )
