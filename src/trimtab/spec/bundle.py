"""A bundle of specifications: a manifest that names each file by its digest, and says from when until when it holds.

Reads the manifest and says whether files and moment agree with it, and whether it may follow another one. Pure.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from trimtab.errors import SpecError
from trimtab.spec.document import Metadata, faults_told
from trimtab.spec.moments import Moment, text_of
from trimtab.spec.reading import read_document

MAX_FILES = 100
_FileName = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_-]{0,60}\.ya?ml$")]


class Manifest(BaseModel):
    """A manifest as its document is written."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    api_version: Literal["trimtab.dev/v1"] = Field(alias="apiVersion")
    kind: Literal["SpecBundle"]
    metadata: Metadata
    not_before: Moment
    expires_at: Moment
    files: Annotated[
        dict[_FileName, Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]], Field(min_length=1, max_length=MAX_FILES)
    ]


@dataclass(frozen=True, slots=True)
class Mark:
    """The newest bundle that was accepted of an id: nothing older is accepted again."""

    revision: int
    digest: str


@dataclass(frozen=True, slots=True)
class Bundle:
    """A manifest. `digest` is SHA-256 of its bytes; moments are seconds since 1970."""

    id: str
    revision: int
    not_before_unix: int
    expires_unix: int
    files: Mapping[str, str]
    digest: str

    @property
    def mark(self) -> Mark:
        """What is kept of it once it was accepted."""
        return Mark(self.revision, self.digest)


def read_bundle(text: bytes, name: str) -> Bundle:
    """Return the bundle of a manifest. Raises SpecError `spec.syntax` or `bundle.invalid`."""
    document = read_document(text, name)
    try:
        read = Manifest.model_validate(document.value)
    except ValidationError as error:
        told = faults_told(document, error.errors(include_url=False), Manifest)
        raise _refused(name, told, "bundle.invalid") from None
    if read.not_before >= read.expires_at:
        raise _refused(name, "it expires before it holds", "bundle.invalid")
    digest = hashlib.sha256(text).hexdigest()
    return Bundle(read.metadata.id, read.metadata.revision, read.not_before, read.expires_at, dict(read.files), digest)


def refuse_moment(bundle: Bundle, now_unix: int, latest_unix: int | None = None) -> None:
    """Refuse a bundle that does not hold yet (`bundle.not_yet`), or not any more (`bundle.expired`).

    It begins by the clock, and ends by the later of the clock and `latest_unix`, the ledger's last entry.
    """
    if now_unix < bundle.not_before_unix:
        raise _refused(bundle.id, f"it holds from {text_of(bundle.not_before_unix)} on", "bundle.not_yet")
    if max(now_unix, latest_unix or 0) >= bundle.expires_unix:
        raise _refused(bundle.id, f"it expired at {text_of(bundle.expires_unix)}", "bundle.expired")


def refuse_rollback(bundle: Bundle, accepted: Mark | None) -> None:
    """Refuse what is older than what was accepted, or another of the same revision: `bundle.rollback`."""
    if accepted is None or bundle.revision > accepted.revision or bundle.mark == accepted:
        return
    what = "an older one" if bundle.revision < accepted.revision else "another one of the same revision"
    found = f"revision {bundle.revision} is {what}: revision {accepted.revision} was accepted before"
    raise _refused(bundle.id, found, "bundle.rollback")


def refuse_files(bundle: Bundle, contents: Mapping[str, bytes]) -> None:
    """Refuse files that are not those of the manifest: `bundle.files`."""
    if contents.keys() != bundle.files.keys():
        others = sorted(contents.keys() ^ bundle.files.keys())
        raise _refused(bundle.id, f"{others[0]} is not in both, manifest and directory", "bundle.files")
    for name, digest in bundle.files.items():
        if hashlib.sha256(contents[name]).hexdigest() != digest:
            raise _refused(bundle.id, f"{name} is not the file of the manifest", "bundle.files")


def _refused(name: str, found: str, code: str) -> SpecError:
    steps = {
        "bundle.rollback": "To go back, publish the old files as a higher revision.",
        "bundle.expired": "Publish it again with a later end; until then nothing is applied.",
        "bundle.not_yet": "Install it when it holds.",
    }
    return SpecError(
        f"the bundle {name} was refused: {found}",
        code=code,
        next_step=steps.get(code, "Have the bundle made and signed again; the last good one stays in force."),
    )
