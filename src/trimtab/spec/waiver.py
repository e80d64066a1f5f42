"""A waiver: one rule that is not asked, of some tables of some databases, for a time, since somebody answers for it.

Reads the document and says what it covers. Whether it was signed `lifecycle.waivers` says, what it does `validate`.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from trimtab.errors import SpecError
from trimtab.spec.document import Metadata, faults_told
from trimtab.spec.limits import Patterns, TablePatterns
from trimtab.spec.moments import DAY_SECONDS, Moment, text_of
from trimtab.spec.patterns import first_match
from trimtab.spec.reading import read_document

MAX_DAYS = 90


def _from_list(value: object) -> object:
    return tuple(value) if isinstance(value, list) else value


def _reason(value: str) -> str:
    if not value.isprintable() or len(value.strip()) < 10:
        raise ValueError("must be one line that says why, of ten characters or more")
    return value


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class _Scope(_Part):
    databases: Annotated[Patterns, Field(min_length=1)]
    tables: Annotated[TablePatterns, Field(min_length=1)]


@dataclass(frozen=True, slots=True)
class WaiverMark:
    """The highest revision of an id that was in force here, SHA-256 of what was signed, and whether it was removed."""

    revision: int
    digest: str
    is_removed: bool


class WaiverDocument(_Part):
    """A waiver as its document is written."""

    api_version: Literal["trimtab.dev/v1"] = Field(alias="apiVersion")
    kind: Literal["Waiver"]
    metadata: Metadata
    rule: Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]*(\.[a-z0-9_]+)+$", max_length=200)]
    scope: _Scope
    reason: Annotated[str, Field(max_length=500), AfterValidator(_reason)]
    approvers: Annotated[
        tuple[Annotated[str, Field(pattern=r"^[a-z][a-z0-9._-]{0,39}$")], ...],
        BeforeValidator(_from_list),
        Field(min_length=1, max_length=8),
    ]
    not_before: Moment
    not_after: Moment


@dataclass(frozen=True, slots=True)
class Waiver:
    """A waiver as it stands in its document. Moments are seconds since 1970; `approvers` are those who must sign."""

    id: str
    revision: int
    rule: str
    databases: tuple[str, ...]
    tables: tuple[str, ...]
    reason: str
    approvers: tuple[str, ...]
    not_before_unix: int
    not_after_unix: int

    def holds_at(self, unix: int | None, latest_unix: int | None = None) -> bool:
        """True while it holds; never when the moment is not known.

        It begins by the clock, and ends by the later of the clock and `latest_unix`, the ledger's last entry.
        """
        if unix is None or unix < self.not_before_unix:
            return False
        return max(unix, latest_unix or 0) < self.not_after_unix

    def covers(self, rule: str, database: str, tables: Iterable[str]) -> bool:
        """True when it is of that rule and database, and of all these tables."""
        is_there = rule == self.rule and first_match(self.databases, database) is not None
        return is_there and all(first_match(self.tables, table) is not None for table in tables)

    def document(self) -> dict[str, object]:
        """Return it as verdicts and the ledger tell it."""
        return {
            "id": self.id,
            "revision": self.revision,
            "rule": self.rule,
            "databases": list(self.databases),
            "tables": list(self.tables),
            "reason": self.reason,
            "approvers": list(self.approvers),
            "not_before": text_of(self.not_before_unix),
            "not_after": text_of(self.not_after_unix),
        }


def read_waiver(text: bytes, name: str) -> Waiver:
    """Return the waiver of a document. Raises SpecError `spec.syntax` or `waiver.invalid`."""
    document = read_document(text, name)
    try:
        read = WaiverDocument.model_validate(document.value)
    except ValidationError as error:
        raise _invalid(name, faults_told(document, error.errors(include_url=False), WaiverDocument)) from None
    if not 0 < read.not_after - read.not_before <= MAX_DAYS * DAY_SECONDS:
        raise _invalid(name, f"it does not end after it begins, and within {MAX_DAYS} days of that")
    if len(set(read.approvers)) != len(read.approvers):
        raise _invalid(name, "it names an approver twice")
    return Waiver(
        read.metadata.id,
        read.metadata.revision,
        read.rule,
        read.scope.databases,
        read.scope.tables,
        read.reason,
        read.approvers,
        read.not_before,
        read.not_after,
    )


def refuse_rollback(waiver: Waiver, digest: str, mark: WaiverMark | None) -> None:
    """Refuse what is older than what was in force, another of the same revision, or one that was removed.

    Raises SpecError `waiver.rollback`.
    """
    if mark is None or waiver.revision > mark.revision:
        return
    if waiver.revision < mark.revision:
        found = f"revision {waiver.revision} is an older one: revision {mark.revision} was in force here"
    elif mark.is_removed:
        found = f"revision {waiver.revision} was removed here"
    elif digest != mark.digest:
        found = f"revision {waiver.revision} is another one than that of the same number which was in force here"
    else:
        return
    raise SpecError(
        f"the waiver {waiver.id} was refused: {found}",
        code="waiver.rollback",
        next_step=f"If the reason stands, have revision {mark.revision + 1} or a later one signed.",
    )


def _invalid(name: str, found: str) -> SpecError:
    return SpecError(
        f"the waiver {name} was refused: {found}",
        code="waiver.invalid",
        next_step="Correct it and have it signed again; docs/specification.md describes waivers.",
    )
