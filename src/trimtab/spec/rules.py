"""A rule of a specification: what limits cannot say, as an expression over the facts. A value; evaluates nothing."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Annotated, Literal, TypeAlias

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field

from trimtab.spec.expression_text import ExpressionError, facts_named
from trimtab.spec.fact_names import declared_types

Severity: TypeAlias = Literal["block", "warn", "info"]
MAX_RULES = 500
_TYPES = declared_types()


class RedefinedError(ValueError):
    """Two rules have one id, and are not the same rule."""


def _expression(value: str) -> str:
    try:
        facts_named(value, _TYPES)
    except ExpressionError as error:
        raise ValueError(str(error)) from None
    return value


def _printable(value: str) -> str:
    if not value.isprintable() or not value.strip():
        raise ValueError("must be one line of text that can be seen")
    return value


Expression: TypeAlias = Annotated[str, AfterValidator(_expression)]


class SpecRule(BaseModel):
    """`assertion` must be true of every change of which `when` is true; it and `when` are CEL expressions.

    Severity block refuses the strategy; warn and info are told. `weight` counts in the score, which ranks alone.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    id: Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]{0,39}(\.[a-z0-9_]{1,40}){1,3}$")]
    severity: Severity = "block"
    weight: Annotated[float, Field(gt=0, le=1000, allow_inf_nan=False)] = 1.0
    when: Expression = "true"
    assertion: Expression = Field(alias="assert")
    message: Annotated[str, Field(max_length=300), AfterValidator(_printable)]

    def document(self) -> dict[str, str | float]:
        """Return the rule as a document writes it, every field stated."""
        return {
            "id": self.id,
            "severity": self.severity,
            "weight": self.weight,
            "when": self.when,
            "assert": self.assertion,
            "message": self.message,
        }

    @property
    def facts(self) -> tuple[str, ...]:
        """The facts that the assertion names."""
        return facts_named(self.assertion, _TYPES)


def _ids_once(value: tuple[SpecRule, ...]) -> tuple[SpecRule, ...]:
    ids = [rule.id for rule in value]
    twice = sorted({name for name in ids if ids.count(name) > 1})
    if twice:
        raise ValueError(f"the rule {twice[0]} is there twice")
    return value


SpecRules: TypeAlias = Annotated[
    tuple[SpecRule, ...],
    BeforeValidator(lambda value: tuple(value) if isinstance(value, list) else value),
    Field(max_length=MAX_RULES),
    AfterValidator(_ids_once),
]


def united(rule_lists: Iterable[tuple[SpecRule, ...]]) -> tuple[SpecRule, ...]:
    """Return all rules, each once, by id. Raises RedefinedError when one id means two rules."""
    found: dict[str, SpecRule] = {}
    for rule in (rule for rules in rule_lists for rule in rules):
        if found.setdefault(rule.id, rule) != rule:
            raise RedefinedError(rule.id)
    return tuple(found[name] for name in sorted(found))
