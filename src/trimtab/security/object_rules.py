"""What it means for security that casts, operators, types, large objects and the like are other ones. Pure.

These decide what an expression means, or hold data beside the tables. Who owns one may put another in its place, so
another owner is unknown; so is whatever else it is made of. A new one is neutral, as new functions are, but for what
can make something else of an expression that was there before.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field

from trimtab.security.difference import Both, Difference, Effect, RowChange

_W, _S, _N, _U = Effect.WEAKENED, Effect.STRENGTHENED, Effect.NEUTRAL, Effect.UNKNOWN
_CONTEXTS = {"e": 0, "a": 1, "i": 2}
"""A cast is made where it is written, on assignment as well, or by itself wherever it fits."""


@dataclass(frozen=True, slots=True)
class _Object:
    """A kind of object: the code of one that came or went with what that means, and the codes of its attributes.

    Whatever differs in one that stays is unknown: of an attribute that is not named, by the code `changed`.
    """

    whole: str
    changed: str
    new: Effect = _N
    gone: Effect = _N
    codes: Mapping[str, str] = field(default_factory=dict)

    def judge(self, change: RowChange, _both: Both) -> Iterator[Difference]:
        """Yield what differs."""
        if change.before is None or change.after is None:
            yield change.whole(self.whole, self.new if change.before is None else self.gone)
            return
        for name, _, _ in change.attributes():
            code = "posture.owner" if name == "owner" else self.codes.get(name, self.changed)
            yield change.of(name, code, _U)


def cast(change: RowChange, _both: Both) -> Iterator[Difference]:
    """A cast: one that is made by itself can make another operator of what an expression names."""
    if change.before is None or change.after is None:
        yield change.whole("posture.cast", _U)
        return
    for name, old, new in change.attributes():
        if name == "context" and old in _CONTEXTS and new in _CONTEXTS:
            effect = _W if _CONTEXTS[str(new)] > _CONTEXTS[str(old)] else _S
            yield change.of(name, "posture.cast_context", effect)
        else:
            yield change.of(name, "posture.cast", _U)


def large_object(change: RowChange, _both: Both) -> Iterator[Difference]:
    """A large object: who owns it, and what others may do with it."""
    if change.before is None or change.after is None:
        yield change.whole("posture.large_object", _N)
    for member, is_new in change.members("privileges"):
        is_public = member.startswith("=")
        code = "posture.grant_public" if is_public else "posture.grant"
        if change.after is None or (change.before is None and not is_public):
            yield change.member("privileges", member, is_new, code, _N)  # it came, or went, with its own grants
        else:
            yield change.member("privileges", member, is_new, code, _W if is_new else _S)
    for name, _, _ in change.attributes():
        if name == "owner":
            yield change.of(name, "posture.owner", _U)


def _default(whole: str, changed: str) -> Callable[[RowChange, Both], Iterator[Difference]]:
    """Return the rule of what can be a default: a new one that is decides what was there before as well."""
    plain = _Object(whole, changed)

    def judge(change: RowChange, both: Both) -> Iterator[Difference]:
        if change.before is None and change.value("is_default"):
            yield change.of("is_default", changed, _U)
        yield from plain.judge(change, both)

    return judge


operator = _Object(
    "posture.operator",
    "posture.operator_function",
    codes={"planning": "posture.operator_planning"},
).judge
operator_class = _default("posture.operator_class", "posture.operator_class_changed")
operator_family = _Object("posture.operator_class", "posture.operator_family").judge
conversion = _default("posture.conversion", "posture.conversion_changed")
collation = _Object("posture.collation", "posture.collation_changed").judge
type_ = _Object("posture.type", "posture.type_definition").judge
aggregate = _Object("posture.function", "posture.function_body").judge
text_search = _Object("posture.text_search", "posture.text_search_changed").judge
tablespace = _Object("posture.tablespace", "posture.tablespace").judge
foreign_table = _Object("posture.relation", "posture.foreign_table").judge
statistics_object = _Object("posture.statistics_object", "posture.statistics_object").judge
access_method = _Object("posture.access_method", "posture.access_method", new=_U, gone=_U).judge
transform = _Object("posture.transform", "posture.transform", new=_U, gone=_U).judge
