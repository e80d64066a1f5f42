"""Makes one effective set of limits of a document and its parents. A child narrows; it can never widen. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from functools import reduce

from trimtab.errors import SpecError
from trimtab.spec.document import Stated
from trimtab.spec.limits import Limits, Section
from trimtab.spec.narrowing import Narrowing, NoMeetError
from trimtab.spec.rules import MAX_RULES, RedefinedError, SpecRule, united


def meet(left: Limits, right: Limits) -> Limits:
    """Return the limits that allow exactly what both allow. Raises NoMeetError when nothing could stand for that."""
    sections = {}
    for name, section in _sections():
        ours, theirs = getattr(left, name), getattr(right, name)
        values = {
            field: narrowing.meet(getattr(ours, field), getattr(theirs, field))
            for field, _, narrowing in _fields(section)
        }
        sections[name] = section.model_construct(**values)  # type: ignore[arg-type]
    return Limits.model_construct(**sections)  # type: ignore[arg-type]


def effective(stated: Stated, parents: tuple[Limits, ...]) -> Limits:
    """Return what the document means on top of its parents.

    Raises SpecError: `spec.invalid` when parents cannot be reconciled, or, without parents, when something is left out;
    `spec.widens` when the document would allow something that a parent forbids.
    """
    if not parents:
        return _complete(stated)
    try:
        base = reduce(meet, parents)
    except NoMeetError as error:
        raise SpecError(
            f"{stated.source.name} was refused: its parents contradict each other: {error}",
            code="spec.invalid",
            next_step="Extend only one of them.",
        ) from None
    _refuse_widening(stated, base)
    sections = {}
    for name, section in _sections():
        inherited, own = getattr(base, name), stated.limits.get(name, {})
        values = {
            field: narrowing.meet(getattr(inherited, field), own[field]) if field in own else getattr(inherited, field)
            for field, _, narrowing in _fields(section)
        }
        sections[name] = section.model_construct(**values)  # type: ignore[arg-type]
    return Limits.model_construct(**sections)  # type: ignore[arg-type]


def effective_rules(stated: Stated, parents: tuple[tuple[SpecRule, ...], ...]) -> tuple[SpecRule, ...]:
    """Return the rules of the document and of all its parents.

    Raises SpecError: `spec.invalid` when parents mean different rules by one id, or there are too many; `spec.widens`
    when the document writes a rule that a parent has: in other words it could allow what that one forbids.
    """
    try:
        inherited = united(parents)
    except RedefinedError as error:
        raise SpecError(
            f"{stated.source.name} was refused: its parents contradict each other: they mean two rules by {error}",
            code="spec.invalid",
            next_step="Extend only one of them.",
        ) from None
    taken = {rule.id for rule in inherited} & {rule.id for rule in stated.rules}
    if taken:
        raise SpecError(
            f"{stated.source.name} was refused: a parent has the rule {min(taken)} already",
            code="spec.widens",
            next_step="Give the rule an id of its own: it is added to those of the parents.",
        )
    rules = united((inherited, stated.rules))
    if len(rules) > MAX_RULES:
        raise SpecError(
            f"{stated.source.name} was refused: with its parents it has more than {MAX_RULES} rules",
            code="spec.invalid",
            next_step="Join some of the rules.",
        )
    return rules


def _complete(stated: Stated) -> Limits:
    missing = [
        f"{name}.{alias}"
        for name, section in _sections()
        for field, alias, _ in _fields(section)
        if field not in stated.limits.get(name, {})
    ]
    if missing:
        raise SpecError(
            f"{stated.source.name} was refused: it extends nothing, and leaves out " + ", ".join(missing),
            code="spec.invalid",
            next_step="Add `extends: [DATABASE_OPTIMIZATION_SPEC_V4]`, or state every field.",
        )
    sections = {name: section.model_construct(**stated.limits[name]) for name, section in _sections()}  # type: ignore[arg-type]
    return Limits.model_construct(**sections)  # type: ignore[arg-type]


def _refuse_widening(stated: Stated, base: Limits) -> None:
    found = []
    for name, section in _sections():
        own = stated.limits.get(name, {})
        for field, alias, narrowing in _fields(section):
            if field in own and narrowing.widens(getattr(getattr(base, name), field), own[field]):
                line = stated.source.line(("spec", name, alias))
                found.append(f"line {line}, spec.{name}.{alias}: {narrowing.rule}")
    if found:
        raise SpecError(
            f"{stated.source.name} was refused: it would allow what its parents forbid: " + "; ".join(found),
            code="spec.widens",
            next_step="A document that extends another may only narrow it; loosen the parent instead, openly.",
        )


def _sections() -> Iterator[tuple[str, type[Section]]]:
    for name, info in Limits.model_fields.items():
        section = info.annotation
        assert isinstance(section, type)
        assert issubclass(section, Section)
        yield name, section


def _fields(section: type[Section]) -> Iterator[tuple[str, str, Narrowing]]:
    """Yield attribute, name in the document, and narrowing. A field without one is a fault of ours, found at once."""
    for field, info in section.model_fields.items():
        narrowing = next(item for item in info.metadata if isinstance(item, Narrowing))
        yield field, info.alias or field, narrowing


def each_field() -> Iterator[tuple[str, str, str, Narrowing]]:
    """Yield section, attribute, path in the document, and narrowing of every field below `spec:`."""
    for name, section in _sections():
        for field, alias, narrowing in _fields(section):
            yield name, field, f"{name}.{alias}", narrowing


def field_paths() -> tuple[str, ...]:
    """Return the path of every field below `spec:`, which is also the id of its rule."""
    return tuple(path for _, _, path, _ in each_field())
