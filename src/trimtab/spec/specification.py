"""A specification as it is enforced: complete, frozen, with the digest that every decision and ledger entry names."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypeAlias, cast

import rfc8785
from pydantic import BaseModel

from trimtab.spec.limits import (
    UNLIMITED,
    UNPINNED,
    Approvals,
    Backends,
    Changes,
    ChangeWindows,
    Drops,
    Guard,
    Indexes,
    Limits,
    Locks,
    Objects,
    PredictionLimits,
    Rates,
    Rebuilds,
    Servers,
    Settings,
    Settle,
    Statistics,
    TrialLimits,
)
from trimtab.spec.quantity import LARGEST, Quantity, size_text
from trimtab.spec.rules import SpecRule

if TYPE_CHECKING:
    from trimtab.spec.waiver import Waiver
from trimtab.spec.windows import ALWAYS, ALWAYS_WORD

API_VERSION = "trimtab.dev/v1"
KIND = "OptimizationSpec"
Json: TypeAlias = "bool | int | float | str | list[Json] | dict[str, Json] | None"


@dataclass(frozen=True, slots=True)
class Specification:
    """The effective specification.

    `chain` names the documents that it was narrowed from, the first ancestor first, itself last, as "ID@revision".
    `rules` are those of all of them, by id. `digest` is SHA-256, in hexadecimal, over the RFC 8785 form of the
    effective document. `waivers` were verified, and let single rules go; from `expires_unix` on (None: never) nothing
    is applied. Neither is of the document: both come from the place that it is enforced at.
    """

    id: str
    revision: int
    description: str
    chain: tuple[str, ...]
    limits: Limits
    rules: tuple[SpecRule, ...] = ()
    waivers: tuple[Waiver, ...] = ()
    expires_unix: int | None = None
    digest: str = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "digest", hashlib.sha256(rfc8785.dumps(self.document())).hexdigest())

    def document(self) -> dict[str, Json]:
        """Return the effective document. It extends nothing, and read again it means the same."""
        rules: list[Json] = [dict(rule.document()) for rule in self.rules]
        return {
            "apiVersion": API_VERSION,
            "kind": KIND,
            "metadata": {"id": self.id, "revision": self.revision, "description": self.description},
            "spec": _plain("", self.limits),
            **({"rules": rules} if rules else {}),
        }

    @property
    def changes(self) -> Changes:
        """Which kinds of change may be made, and how many."""
        return self.limits.changes

    @property
    def objects(self) -> Objects:
        """Which tables may be touched at all."""
        return self.limits.objects

    @property
    def indexes(self) -> Indexes:
        """What a new index may be."""
        return self.limits.indexes

    @property
    def drops(self) -> Drops:
        """Which indexes may be dropped."""
        return self.limits.drops

    @property
    def rebuilds(self) -> Rebuilds:
        """Which indexes may be rebuilt."""
        return self.limits.rebuilds

    @property
    def statistics(self) -> Statistics:
        """What a new extended-statistics object may be, and what may be told of single columns."""
        return self.limits.statistics

    @property
    def settings(self) -> Settings:
        """Which settings may be changed, to what, and for whom."""
        return self.limits.settings

    @property
    def locks(self) -> Locks:
        """How long a change may make others wait, and how often it is tried."""
        return self.limits.locks

    @property
    def trial(self) -> TrialLimits:
        """What a trial must show, and what it may cost."""
        return self.limits.trial

    @property
    def prediction(self) -> PredictionLimits:
        """What a prediction must promise before a trial is spent on it."""
        return self.limits.prediction

    @property
    def settle(self) -> Settle:
        """What the source itself must show after the change."""
        return self.limits.settle

    @property
    def guard(self) -> Guard:
        """What a watcher may take back by itself."""
        return self.limits.guard

    @property
    def servers(self) -> Servers:
        """Which servers may be changed, and when."""
        return self.limits.servers

    @property
    def windows(self) -> ChangeWindows:
        """At which times a source may be changed."""
        return self.limits.windows

    @property
    def approvals(self) -> Approvals:
        """How many people must approve a change, and who they are."""
        return self.limits.approvals

    @property
    def rates(self) -> Rates:
        """How much may be changed in any 24 hours, and how often the same thing."""
        return self.limits.rates

    @property
    def backends(self) -> Backends:
        """Which sessions of others may be ended, or a statement of theirs."""
        return self.limits.backends


def specification_of(document: dict[str, object]) -> Specification:
    """Return the specification whose effective document this is, as `document()` writes it. Raises SpecError."""
    from trimtab.spec.document import parse
    from trimtab.spec.inherit import effective
    from trimtab.spec.reading import Document, Value

    stated = parse(Document("the effective specification", cast(dict[str, Value], document), {}))
    metadata = stated.metadata
    link = f"{metadata.id}@{metadata.revision}"
    limits = effective(stated, ())
    return Specification(metadata.id, metadata.revision, metadata.description, (link,), limits, stated.rules)


def field_values(limits: Limits) -> dict[str, Json]:
    """Return the value of every field by its path, as a document writes it."""
    plain = _plain("", limits)
    assert isinstance(plain, dict)
    sections = ((name, section) for name, section in plain.items() if isinstance(section, dict))
    return {f"{name}.{field}": value for name, section in sections for field, value in section.items()}


def _plain(name: str, value: object) -> Json:
    """Return the value as a document writes it: sizes and quantities with their units, unstated parts left out."""
    if isinstance(value, BaseModel):
        fields = type(value).model_fields
        stated = {f: getattr(value, f) for f in fields}
        return {fields[f].alias or f: _plain(f, v) for f, v in stated.items() if v is not None or f == "approvers"}
    if value is None:
        return UNPINNED
    if isinstance(value, tuple) and name == "open_windows":
        return ALWAYS_WORD if value == ALWAYS else _plain("", value[0] if len(value) == 1 else value)
    if isinstance(value, Quantity):
        return value.value if value.dimension == "number" else value.text()
    if isinstance(value, Mapping):
        return {str(key): _plain("", item) for key, item in value.items()}
    if isinstance(value, tuple):
        return [_plain("", item) for item in value]
    if isinstance(value, int) and name.endswith("_bytes"):
        return UNLIMITED if value == LARGEST else size_text(value)
    assert isinstance(value, bool | int | float | str)
    return value
