"""Which values a setting may take: a range, or a list of words. Knows how two such limits meet; looks at no server."""

from __future__ import annotations

import re
from collections.abc import Mapping
from types import MappingProxyType
from typing import Annotated, TypeAlias

from pydantic import BaseModel, BeforeValidator, ConfigDict, InstanceOf, WithJsonSchema, model_validator

from trimtab.spec.never import never_pattern
from trimtab.spec.quantity import Quantity, parse_quantity

_NAME = re.compile(r"[a-z_][a-z0-9_]{0,62}(\.[a-z_][a-z0-9_]{0,62})?")
_WORD = re.compile(r"[A-Za-z0-9_.+-]{1,63}")


def _bound(value: object) -> Quantity:
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        raise ValueError("must be a number, or a number with its unit")
    return parse_quantity(value) if isinstance(value, str) else parse_quantity(repr(value))


def _words(value: object) -> tuple[str, ...]:
    if not isinstance(value, list) or not all(isinstance(word, str) and _WORD.fullmatch(word) for word in value):
        raise ValueError('must be a list of plain words in quotes, such as ["on", "off"]')
    return tuple(sorted({word.lower() for word in value}))


_BOUND_SCHEMA = {"type": ["number", "string"]}


class SettingLimit(BaseModel):
    """`min` and `max`, both allowed themselves, or `values`; where all three are there, a value must satisfy both."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    min: Annotated[InstanceOf[Quantity], BeforeValidator(_bound), WithJsonSchema(_BOUND_SCHEMA)] | None = None
    max: Annotated[InstanceOf[Quantity], BeforeValidator(_bound), WithJsonSchema(_BOUND_SCHEMA)] | None = None
    values: Annotated[tuple[str, ...], BeforeValidator(_words)] | None = None

    @model_validator(mode="after")
    def _allows_something(self) -> SettingLimit:
        if (self.min is None) != (self.max is None):
            raise ValueError("must have both min and max, or neither")
        if self.min is None and self.values is None:
            raise ValueError("must have min and max, or values")
        if self.values == ():
            raise ValueError("the list of values is empty; leave the setting out to forbid it")
        if self.min is not None and self.max is not None:
            if self.min.dimension != self.max.dimension:
                raise ValueError("min and max must have units of the same kind")
            if self.min.value > self.max.value:
                raise ValueError("min is larger than max, so that no value would be allowed")
        return self

    def refusal(self, value: str, unit: str | None) -> str | None:
        """Return what was found when the limit forbids the value, else None. `unit` is what a bare number takes."""
        if self.values is not None and value.lower() not in self.values:
            return shown(value)
        if self.min is None or self.max is None:
            return None
        try:
            found = parse_quantity(value, unit)
        except ValueError as error:
            return str(error)
        if found.dimension != self.min.dimension:
            return f"{found.text()}, which is not a {self.min.dimension}"
        return None if self.min.value <= found.value <= self.max.value else found.text()

    def text(self) -> str:
        """Return the limit in words."""
        parts = []
        if self.min is not None and self.max is not None:
            parts.append(f"{self.min.text()} to {self.max.text()}")
        if self.values is not None:
            parts.append("one of " + ", ".join(self.values))
        return " and ".join(parts)


SettingLimits: TypeAlias = Mapping[str, SettingLimit]


def shown(value: str) -> str:
    """Return the value where it is a plain word or number; anything else may hold what is nobody's business."""
    return value if _WORD.fullmatch(value) else f"a text of {len(value)} characters"


def check_setting_names(limits: Mapping[str, SettingLimit]) -> None:
    """Raise ValueError for a name that is not one, or that no specification may allow."""
    for name in limits:
        if not _NAME.fullmatch(name):
            raise ValueError("the name of a setting is written in lower case, as pg_settings shows it")
        if never_pattern(name) is not None:
            raise ValueError(f"{name} is one of the settings that no specification can allow")


def meet_settings(left: SettingLimits, right: SettingLimits) -> SettingLimits:
    """Return the limits that allow exactly what both allow; a setting with nothing left is not allowed at all."""
    met = {name: _meet(left[name], right[name]) for name in sorted(left.keys() & right.keys())}
    return MappingProxyType({name: limit for name, limit in met.items() if limit is not None})


def _meet(left: SettingLimit, right: SettingLimit) -> SettingLimit | None:
    values = left.values if right.values is None else right.values
    if left.values is not None and right.values is not None:
        values = tuple(sorted(set(left.values) & set(right.values)))
    low, high = left.min or right.min, left.max or right.max
    if left.min and left.max and right.min and right.max:
        if left.min.dimension != right.min.dimension:
            return None
        low = max(left.min, right.min, key=lambda quantity: quantity.value)
        high = min(left.max, right.max, key=lambda quantity: quantity.value)
    is_empty = values == () or (low is not None and high is not None and low.value > high.value)
    return None if is_empty else SettingLimit.model_construct(min=low, max=high, values=values)
