"""What a document states: the envelope, and those limits that it narrows. Every fault becomes a sentence with a line.

A document may state any part of `spec:`; what it leaves out comes from its parents. Nothing is inherited here.
"""

from __future__ import annotations

import difflib
from copy import deepcopy
from dataclasses import dataclass
from functools import cache
from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, create_model
from pydantic_core import ErrorDetails

from trimtab.errors import SpecError
from trimtab.spec.limits import Limits, Section
from trimtab.spec.reading import Document
from trimtab.spec.rules import SpecRule, SpecRules

_OF_ITSELF = ("specification", "waiver")
"""With this begin rules of Trimtab itself that are about no field."""
_MAX_FAULTS = 8
_Stated = dict[str, dict[str, object]]


def _unique(value: tuple[str, ...]) -> tuple[str, ...]:
    if len({parent.partition("@")[0] for parent in value}) != len(value):
        raise ValueError("names the same parent twice")
    return value


ID_FORM = r"^[A-Z][A-Z0-9_]{2,63}$"


class Metadata(BaseModel):
    """Who the document is."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    id: Annotated[str, Field(pattern=ID_FORM)]
    revision: Annotated[int, Field(ge=1, le=2**31)]
    description: Annotated[str, Field(max_length=2_000)]


_Parent = Annotated[str, Field(pattern=r"^([A-Z][A-Z0-9_]{2,63}|[^@]+\.ya?ml)(@sha256:[0-9a-f]{64})?$")]
_Parents = Annotated[
    tuple[_Parent, ...],
    BeforeValidator(lambda value: tuple(value) if isinstance(value, list) else value),
    AfterValidator(_unique),
]


class _Envelope(Section):
    """What is around `spec:`."""

    api_version: Literal["trimtab.dev/v1"] = Field(alias="apiVersion")
    kind: Literal["OptimizationSpec"]
    metadata: Metadata
    extends: Annotated[_Parents, Field(max_length=8)] = ()
    rules: SpecRules = ()


@dataclass(frozen=True, slots=True)
class Stated:
    """A document that is well-formed. `limits` holds, by section and attribute, what it states and nothing else."""

    source: Document
    metadata: Metadata
    parents: tuple[str, ...]
    limits: _Stated
    rules: tuple[SpecRule, ...] = ()


@cache
def envelope_model() -> type[BaseModel]:
    """Return the model of a document: as `Limits`, but every section and every field may be left out."""
    sections = {}
    for name, info in Limits.model_fields.items():
        section = info.annotation
        assert isinstance(section, type)
        assert issubclass(section, Section)
        fields = {field: (known.annotation, _optional(known)) for field, known in section.model_fields.items()}
        partial = create_model(f"Stated{section.__name__}", __base__=Section, **fields)  # type: ignore[call-overload]
        sections[name] = (partial, None)
    stated = create_model("StatedLimits", __base__=Section, **sections)  # type: ignore[call-overload]
    return create_model("OptimizationSpecDocument", __base__=_Envelope, spec=(stated, ...))


def _optional(info: object) -> object:
    optional = deepcopy(info)
    optional.default = None  # type: ignore[attr-defined]  # never validated: what a document leaves out is unstated
    return optional


def parse(document: Document) -> Stated:
    """Return what the document states. Raises SpecError `spec.unknown_field`, `spec.rule` or `spec.invalid`, naming
    every fault.
    """
    try:
        model = envelope_model().model_validate(document.value)
    except ValidationError as error:
        raise _refusal(document, error.errors(include_url=False)) from None
    spec = model.spec  # type: ignore[attr-defined]
    limits = {
        section: {field: getattr(getattr(spec, section), field) for field in getattr(spec, section).model_fields_set}
        for section in spec.model_fields_set
    }
    rules: tuple[SpecRule, ...] = model.rules  # type: ignore[attr-defined]
    _refuse_rules(document, rules)
    return Stated(document, model.metadata, model.extends, limits, rules)  # type: ignore[attr-defined]


def _refuse_rules(document: Document, rules: tuple[SpecRule, ...]) -> None:
    """Refuse a rule that could be taken for a field, and what CEL does not compile to a truth value: `spec.rule`."""
    from trimtab.spec.expressions import UncompilableError, check

    faults = []
    for position, rule in enumerate(rules):
        line = document.line(("rules", position))
        if rule.id.partition(".")[0] in (*Limits.model_fields, *_OF_ITSELF):
            faults.append(
                f"line {line}, rules.{rule.id}: its id begins as those of fields, or of Trimtab's own rules, do"
            )
        for name, expression in (("when", rule.when), ("assert", rule.assertion)):
            try:
                check(expression)
            except UncompilableError as error:
                faults.append(f"line {line}, rules.{rule.id}.{name}: {error}")
    if faults:
        raise SpecError(
            f"{document.name} was refused: " + "; ".join(faults[:_MAX_FAULTS]),
            code="spec.rule",
            next_step="Correct the rule; docs/specification.md lists the facts and what may be asked of them.",
        )


def faults_told(
    document: Document, faults: list[ErrorDetails], model: type[BaseModel], under: tuple[str | int, ...] = ()
) -> str:
    """Return what is wrong with a document of this model, in its own words, by line. Values are not repeated.

    `under` is the path of what was read where that is a part of something else.
    """
    faults = sorted(faults, key=lambda fault: document.line(fault["loc"]) or 0)
    lines = [_sentence(document, fault, model, under) for fault in faults[:_MAX_FAULTS]]
    if len(faults) > _MAX_FAULTS:
        lines.append(f"and {len(faults) - _MAX_FAULTS} more")
    return "; ".join(lines)


def _refusal(document: Document, faults: list[ErrorDetails]) -> SpecError:
    is_unknown = any(fault["type"] == "extra_forbidden" for fault in faults)
    is_rule = all(fault["loc"][:1] == ("rules",) for fault in faults)
    return SpecError(
        f"{document.name} was refused: {faults_told(document, faults, envelope_model())}",
        code="spec.unknown_field" if is_unknown else "spec.rule" if is_rule else "spec.invalid",
        next_step="Correct it; docs/specification.md describes every field.",
    )


def _sentence(document: Document, fault: ErrorDetails, model: type[BaseModel], under: tuple[str | int, ...]) -> str:
    # So the library ends the path of a key that is not as keys of its map are.
    is_key = fault["loc"][-1:] == ("[key]",)
    steps = fault["loc"][:-1] if is_key else fault["loc"]
    path = ".".join(part if (part := str(step)).isprintable() else ascii(part) for step in (*under, *steps))
    line = document.line(steps)
    where = f"line {line}, {path}" if line is not None else path
    return f"{where}: {'the name ' if is_key else ''}{_reason(fault, model)}"


_MUST_BE = {
    "int_type": "must be a whole number",
    "float_type": "must be a number",
    "bool_type": "must be true or false",
    "string_type": "must be a text",
    **dict.fromkeys(("tuple_type", "list_type", "frozen_set_type"), "must be a list"),
    **dict.fromkeys(("model_type", "mapping_type", "dict_type", "model_attributes_type"), "must be a map of fields"),
    "missing": "is missing",
}


def _reason(fault: ErrorDetails, model: type[BaseModel]) -> str:
    context = fault.get("ctx", {})
    match fault["type"]:
        case "extra_forbidden":
            close = difflib.get_close_matches(str(fault["loc"][-1]), _known_names(fault["loc"][:-1], model), n=1)
            return "unknown field" + (f"; did you mean {close[0]}?" if close else "")
        case "value_error":
            return str(context.get("error", fault["msg"]))
        case "too_short":
            return f"must hold {context['min_length']} or more"
        case "literal_error":
            return f"must be {context['expected']}"
        case "string_pattern_mismatch":
            return f"must match {context['pattern']}"
        case kind:
            other = fault["msg"].replace("Input should", "must").replace("Value should", "must")
            return _MUST_BE.get(kind, other)


def _known_names(path: tuple[int | str, ...], model: type[BaseModel]) -> list[str]:
    found: type[BaseModel] | None = model
    for part in path:
        info = found.model_fields.get(str(part)) if found is not None else None
        inner = info.annotation if info is not None else None
        found = inner if isinstance(inner, type) and issubclass(inner, BaseModel) else None
    return [info.alias or name for name, info in found.model_fields.items()] if found is not None else []
