"""Compiles rules with Google's CEL and asks them. The library is loaded when a specification has rules, and not before.

CEL returns errors as values which are true: only what is exactly `True` counts as true here, and everything else that
is not exactly `False` is an error, which its caller must treat as a refusal.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from functools import lru_cache
from typing import TYPE_CHECKING

from trimtab.spec.expression_text import patterns_in
from trimtab.spec.fact_names import KNOWN_SUFFIX, FactValue, declared_types

if TYPE_CHECKING:
    from cel_expr_python import cel

    from trimtab.spec.rules import SpecRule

_NOT_APPLICABLE, _KEPT, _BROKEN = 2, 1, 0
_TOGETHER = 25
_PLACE = re.compile(r"<input>:1:(\d+): (?:Syntax error: )?")


class Answer(Enum):
    """What a rule says of one change."""

    NOT_APPLICABLE = "not_applicable"
    KEPT = "kept"
    BROKEN = "broken"
    ERROR = "error"


_ANSWERS = {
    _NOT_APPLICABLE: (Answer.NOT_APPLICABLE, ""),
    _KEPT: (Answer.KEPT, ""),
    _BROKEN: (Answer.BROKEN, ""),
}


class UncompilableError(ValueError):
    """An expression is of no sense to CEL. The message is CEL's, in one line."""


@dataclass(frozen=True, slots=True)
class Question:
    """The facts of one change, ready to be asked about."""

    activation: cel.Activation


def question(facts: Mapping[str, FactValue | None]) -> Question:
    """Return the facts as the rules read them. None is unknown: to read it is an error."""
    known: dict[str, object] = {}
    for name, value in facts.items():
        if name + KNOWN_SUFFIX in _types():
            known[name + KNOWN_SUFFIX] = value is not None
        if value is not None:
            known[name] = list(value) if isinstance(value, tuple) else value
    return Question(_environment().Activation(known))


def answers(rules: Sequence[SpecRule], asked: Question) -> list[tuple[Answer, str]]:
    """Return what each rule says, as `answer` does, in fewer calls."""
    found: list[tuple[Answer, str]] = []
    for first in range(0, len(rules), _TOGETHER):
        some = tuple(rules[first : first + _TOGETHER])
        told = _answered_together(some, asked)
        found += [_ANSWERS[each] for each in told] if told is not None else [answer(rule, asked) for rule in some]
    return found


def _answered_together(rules: tuple[SpecRule, ...], asked: Question) -> list[int] | None:
    """Return the answers of the rules in one call into the library; None when any of them has none."""
    try:
        value = _compiled_together(tuple((rule.when, rule.assertion) for rule in rules)).eval(
            activation=asked.activation
        )
        told = value.plain_value()
    except Exception:
        return None
    is_whole = isinstance(told, list) and len(told) == len(rules) and {*map(type, told)} == {int}
    return told if is_whole and _ANSWERS.keys() >= {*told} else None


def answer(rule: SpecRule, asked: Question) -> tuple[Answer, str]:
    """Return what the rule says, and of an error what CEL says of it."""
    try:
        value = _compiled(rule.when, rule.assertion).eval(activation=asked.activation).value()
    except Exception as error:
        return Answer.ERROR, _one_line(str(error))
    if type(value) is int and value in _ANSWERS:
        return _ANSWERS[value]
    return Answer.ERROR, _one_line(str(value))


def check(expression: str) -> None:
    """Raise UncompilableError unless CEL compiles the expression, and to a truth value."""
    from cel_expr_python import cel

    if _compile(expression).return_type() != cel.Type.BOOL:
        raise UncompilableError("must be true or false, and is something else")
    for pattern in patterns_in(expression):
        # A pattern is compiled when it is asked for, and then it would refuse every change.
        if _compile(f"''.matches({pattern})").eval(activation=_environment().Activation({})).value() not in (
            True,
            False,
        ):
            raise UncompilableError(f"matches against {pattern}, which is no pattern of RE2")


@lru_cache(maxsize=4096)
def _compiled(when: str, assertion: str) -> cel.Expression:
    return _compile(_in_one(when, assertion))


@lru_cache(maxsize=256)
def _compiled_together(pairs: tuple[tuple[str, str], ...]) -> cel.Expression:
    return _compile("[" + ", ".join(f"({_in_one(when, assertion)})" for when, assertion in pairs) + "]")


def _in_one(when: str, assertion: str) -> str:
    """Both in one: a call into the library costs more than a comparison."""
    return f"({when}) ? (({assertion}) ? {_KEPT} : {_BROKEN}) : {_NOT_APPLICABLE}"


def _compile(expression: str) -> cel.Expression:
    try:
        return _environment().compile(expression)
    except Exception as error:
        told = _one_line(str(error))
        place = _PLACE.match(told)
        what = told if place is None else told[place.end() :].partition(" expecting ")[0]
        what = what.replace("mismatched input '<EOF>'", "it ends where more must follow")
        raise UncompilableError(what if place is None else f"at character {place[1]}, {what}") from None


@lru_cache(maxsize=1)
def _types() -> Mapping[str, str]:
    return declared_types()


@lru_cache(maxsize=1)
def _environment() -> cel.Env:
    from cel_expr_python import cel

    types = {
        "text": cel.Type.STRING,
        "list": cel.Type.List(cel.Type.STRING),
        "int": cel.Type.INT,
        "double": cel.Type.DOUBLE,
        "bool": cel.Type.BOOL,
    }
    return cel.NewEnv(variables={name: types[kind] for name, kind in declared_types().items()})


def _one_line(text: str) -> str:
    first = text.removeprefix("INVALID_ARGUMENT: ").removeprefix("ERROR: ").partition("\n")[0]
    return "".join(character for character in first if character.isprintable())[:200]
