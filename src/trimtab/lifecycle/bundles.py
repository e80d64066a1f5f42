"""Bundles of specifications: verified, taken into force as a whole, and never an older one than was in force before.

A bundle that is bad in any way leaves the last good one where it is. What is in force is verified anew at each use.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from trimtab.durable import read_plain_file
from trimtab.errors import SpecError
from trimtab.lifecycle.trust import (
    Trusted,
    envelope_of,
    payload_of,
    read_signed,
    signature_error,
    trusted,
    write_document,
)
from trimtab.spec.bundle import Bundle, Mark, read_bundle, refuse_files, refuse_moment, refuse_rollback
from trimtab.spec.load import Link, lineage
from trimtab.spec.reading import MAX_BYTES

PREFIX = "bundle:"
MANIFEST = "bundle.signed"
_DIRECTORY, _MARK = "spec-bundles", "mark.json"


@dataclass(frozen=True, slots=True)
class Found:
    """A file of the bundle that is in force, and when that expires."""

    path: Path
    expires_unix: int


def is_reference(reference: object) -> bool:
    """True for `bundle:ID/FILE`."""
    return isinstance(reference, str) and reference.startswith(PREFIX)


def verified(state: Path, manifest: Path) -> tuple[Bundle, Mapping[str, bytes]]:
    """Return the bundle and its files, when a key trusted here has signed it and every file is the one it names.

    Raises SpecError `spec.signature`, `bundle.invalid`, `bundle.files`.
    """
    return _verified(state, manifest, read_signed(manifest))


def _verified(state: Path, manifest: Path, text: bytes) -> tuple[Bundle, Mapping[str, bytes]]:
    envelope = envelope_of(text, str(manifest))
    keys = trusted(state, "bundles")
    if not keys:
        raise signature_error(str(manifest), "no key is trusted here for bundles")
    payload = _signed_by_any(envelope, keys, manifest)
    bundle = read_bundle(payload, str(manifest))
    contents = {name: _content(bundle, manifest.parent / name) for name in bundle.files}
    refuse_files(bundle, contents)
    return bundle, contents


def install(
    state: Path,
    manifest: Path,
    now_unix: int,
    latest_unix: int | None = None,
    noted: Mapping[str, Mark] | None = None,
) -> Bundle:
    """Take a bundle into force. Raises as `verified`; SpecError `bundle.not_yet`, `bundle.expired`, `bundle.rollback`;
    and as loading does when one of its specifications cannot be used. `latest_unix` is the time of the ledger's last
    entry, and `noted` what it tells was accepted of each id: a mark that was lost lets nothing older in.
    """
    text = read_signed(manifest)  # once: what is verified is what is taken, whatever the file becomes meanwhile
    bundle, contents = _verified(state, manifest, text)
    refuse_moment(bundle, now_unix, latest_unix)
    refuse_rollback(bundle, mark_of(state, bundle.id))
    refuse_rollback(bundle, (noted or {}).get(bundle.id))
    with TemporaryDirectory(prefix="trimtab-bundle-") as scratch:
        for name, content in contents.items():
            (Path(scratch) / name).write_bytes(content)
        for name in contents:
            _refuse_outsiders(bundle, lineage(Path(scratch) / name), Path(scratch).resolve())
    place = _place(state, bundle.id, bundle.mark)
    for name, content in contents.items():
        write_document(place / name, content)
    write_document(place / MANIFEST, text)
    # The mark is last: until it stands, the bundle before is in force.
    write_document(_base(state, bundle.id) / _MARK, json.dumps(asdict(bundle.mark)).encode())
    return bundle


def mark_of(state: Path, bundle_id: str) -> Mark | None:
    """Return the newest bundle that was accepted of that id, None before the first. Raises SpecError `bundle.mark`."""
    path = _base(state, bundle_id) / _MARK
    try:
        held = json.loads(read_plain_file(path, MAX_BYTES))
        return Mark(int(held["revision"]), str(held["digest"]))
    except FileNotFoundError:
        return None
    except (OSError, ValueError, KeyError, TypeError):
        raise SpecError(
            f"what was accepted of the bundle {bundle_id} cannot be read: {path}",
            code="bundle.mark",
            next_step="Restore it from a backup: without it an older bundle could be taken for a newer one.",
        ) from None


def in_force(state: Path) -> tuple[Bundle, ...]:
    """Return the bundles in force, each verified. Raises SpecError as `verified`."""
    base = state / _DIRECTORY
    found = []
    for directory in sorted(base.iterdir()) if base.is_dir() else ():
        mark = mark_of(state, directory.name)
        if mark is not None:
            found.append(_held(state, directory.name, mark))
    return tuple(found)


def find(state: Path, reference: str) -> Found:
    """Return the file of `bundle:ID/FILE`. Raises SpecError `bundle.unknown`, and as `verified`."""
    bundle_id, _, name = reference.removeprefix(PREFIX).partition("/")
    mark = mark_of(state, bundle_id) if bundle_id.isidentifier() else None
    if mark is None:
        raise _unknown(reference, f"no bundle {bundle_id!r} is in force here")
    bundle = _held(state, bundle_id, mark)
    if name not in bundle.files:
        raise _unknown(reference, f"the bundle has {', '.join(sorted(bundle.files))}")
    return Found(_place(state, bundle_id, mark) / name, bundle.expires_unix)


def _held(state: Path, bundle_id: str, mark: Mark) -> Bundle:
    bundle, _ = verified(state, _place(state, bundle_id, mark) / MANIFEST)
    if bundle.mark != mark or bundle.id != bundle_id:
        raise signature_error(bundle_id, "the bundle in force is not the one that was accepted last")
    return bundle


def _signed_by_any(envelope: dict[str, object], keys: Mapping[str, Trusted], manifest: Path) -> bytes:
    refused: SpecError | None = None
    for name, known in keys.items():
        try:
            payload = payload_of(envelope, "bundles", [known.key], name=str(manifest))
        except SpecError as error:
            refused = refused or error
            continue
        if known.flaw is None:
            return payload
        refused = signature_error(str(manifest), f"the key of {name}, who signed it, {known.flaw}")
    assert refused is not None
    raise refused


def _refuse_outsiders(bundle: Bundle, links: Sequence[Link], directory: Path) -> None:
    """Refuse a specification that extends a file which the manifest does not name: nobody signed that one."""
    outside = [link.path for link in links if link.path is not None and link.path.parent != directory]
    if outside:
        raise SpecError(
            f"the bundle {bundle.id} was refused: it extends {outside[0].name}, which is not in it",
            code="bundle.files",
            next_step="Put it into the bundle; the last good one stays in force.",
        )


def _content(bundle: Bundle, path: Path) -> bytes:
    try:
        return read_plain_file(path, MAX_BYTES + 1)
    except OSError as error:
        raise SpecError(
            f"the bundle {bundle.id} was refused: {path.name} cannot be read: {error.strerror}",
            code="bundle.files",
            next_step="Put all files of the manifest beside it; the last good bundle stays in force.",
        ) from None


def _unknown(reference: str, found: str) -> SpecError:
    return SpecError(
        f"specification {reference!r} was refused: {found}",
        code="bundle.unknown",
        next_step="Install it with `trimtab spec install`; write bundle:ID/FILE.",
    )


def _base(state: Path, bundle_id: str) -> Path:
    return state / _DIRECTORY / bundle_id


def _place(state: Path, bundle_id: str, mark: Mark) -> Path:
    return _base(state, bundle_id) / f"{mark.revision}-{mark.digest[:16]}"
