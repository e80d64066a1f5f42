"""Finds specifications, by id or by file, follows `extends`, and returns what is to be enforced.

The shipped documents lie beside this file in `defaults/`, one per id. Nothing is fetched. A file is read at each call,
so that one that was edited counts; what the same bytes say is worked out once.
"""

from __future__ import annotations

import difflib
from dataclasses import dataclass
from importlib import resources
from pathlib import Path

from trimtab.durable import read_plain_file
from trimtab.errors import SpecError
from trimtab.spec.document import Stated, parse
from trimtab.spec.inherit import effective, effective_rules
from trimtab.spec.reading import MAX_BYTES, read_document
from trimtab.spec.specification import Specification

DEFAULT_ID = "DATABASE_OPTIMIZATION_SPEC_V4"
MAX_DEPTH = 8


@dataclass(frozen=True, slots=True)
class Link:
    """A document of a chain: what it states itself, where it is (None of a shipped one), and what it means."""

    stated: Stated
    path: Path | None
    effective: Specification


def known_ids() -> tuple[str, ...]:
    """Return the ids of the shipped specifications."""
    files = resources.files("trimtab.spec").joinpath("defaults").iterdir()
    return tuple(sorted(file.name.removesuffix(".yaml") for file in files if file.name.endswith(".yaml")))


def get_spec(spec_id: str) -> Specification:
    """Return the shipped specification of that id. Raises SpecError `spec.unknown_id`, naming those that there are."""
    return _Chain().resolve(_shipped(spec_id), ()).effective


def load_spec(reference: str | Path | None = None) -> Specification:
    """Return the effective specification: the default one, a shipped one by its id, or a file's.

    A text is an id unless it ends in .yaml or .yml, holds a slash, or names a file. Raises SpecError.
    """
    return lineage(reference)[-1].effective


def lineage(reference: str | Path | None = None) -> tuple[Link, ...]:
    """Return all documents that a specification is made of, each after its parents, itself last. Raises SpecError."""
    reference = DEFAULT_ID if reference is None else reference
    if not isinstance(reference, str | Path):
        raise _unknown_id(repr(reference))
    if isinstance(reference, str) and reference not in known_ids() and not _is_path(reference):
        raise _unknown_id(reference)
    chain = _Chain()
    is_shipped = isinstance(reference, str) and reference in known_ids()
    chain.resolve(_shipped(str(reference)) if is_shipped else _from_file(Path(reference)), ())
    return tuple(chain.links.values())


def _is_path(reference: str) -> bool:
    try:
        return "/" in reference or reference.endswith((".yaml", ".yml")) or Path(reference).is_file()
    except OSError:  # longer than the name of a file may be
        return False


class _Chain:
    """The documents that one is made of, each read and worked out once, however many of the others extend it.

    `links` are those, each after its parents, by what they are known by: of a file its path, of a shipped document its
    id, since two files may have been given one id by mistake.
    """

    def __init__(self) -> None:
        self.links: dict[str, Link] = {}
        self._heights: dict[str, int] = {}

    def resolve(self, found: tuple[Stated, Path | None], below: tuple[str, ...]) -> Link:
        """Return a document with what it means; `below` are those that extend it, the last one directly."""
        stated, path = found
        identity = _identity(stated, path)
        if identity in below:
            others = len(below) - below.index(identity) - 1
            raise SpecError(
                f"{stated.source.name} was refused: it extends itself{f' through {others} other(s)' if others else ''}",
                code="spec.cycle",
                next_step="Remove one of the extends lines, so that the chain ends.",
            )
        self._refuse_too_deep(stated, len(below) + 1)
        parents = [self._pinned(stated, name, path, (*below, identity)) for name in stated.parents]
        self._heights[identity] = 1 + max((self._heights[name] for name, _ in parents), default=0)
        above = [parent.effective for _, parent in parents]
        metadata = stated.metadata
        specification = Specification(
            id=metadata.id,
            revision=metadata.revision,
            description=metadata.description,
            chain=(*dict.fromkeys(link for one in above for link in one.chain), f"{metadata.id}@{metadata.revision}"),
            limits=effective(stated, tuple(parent.limits for parent in above)),
            rules=effective_rules(stated, tuple(parent.rules for parent in above)),
        )
        return self.links.setdefault(identity, Link(stated, path, specification))

    def _pinned(self, stated: Stated, name: str, child: Path | None, below: tuple[str, ...]) -> tuple[str, Link]:
        """Return a parent, which must be the very one that the document was written for where it says so."""
        reference, _, pin = name.partition("@sha256:")
        place = _place_of(reference, child)
        parent = self.links.get(place)
        if parent is None:
            parent = self.resolve(_parent(reference, child), below)
        else:
            self._refuse_too_deep(stated, len(below) + self._heights[place])
        if pin and pin != parent.effective.digest:
            raise SpecError(
                f"{stated.source.name} was refused: it extends {reference} of the digest {pin[:12]}, "
                f"and the one that is here has {parent.effective.digest[:12]}",
                code="spec.pin",
                next_step="See what changed with `trimtab spec diff`; then write the new digest, which `trimtab spec "
                "effective` shows.",
            )
        return place, parent

    def _refuse_too_deep(self, stated: Stated, depth: int) -> None:
        if depth > MAX_DEPTH:
            raise SpecError(
                f"{stated.source.name} was refused: more than {MAX_DEPTH} documents extend one another",
                code="spec.cycle",
                next_step="Join some of the documents.",
            )


def _identity(stated: Stated, path: Path | None) -> str:
    return str(path) if path is not None else stated.metadata.id


def _place_of(name: str, child: Path | None) -> str:
    """Return what the parent of that name is known by."""
    if child is None or not name.endswith((".yaml", ".yml")):
        return name
    try:
        return str((child.parent / name).resolve())
    except (OSError, ValueError):  # no file has that name, which reading it says
        return name


def _parent(name: str, child: Path | None) -> tuple[Stated, Path | None]:
    if name.endswith((".yaml", ".yml")):
        if child is None:
            raise _unknown_id(name)
        return _from_file(child.parent / name)
    return _shipped(name)


def _shipped(spec_id: str) -> tuple[Stated, Path | None]:
    if spec_id not in known_ids():
        raise _unknown_id(spec_id)
    text = resources.files("trimtab.spec").joinpath("defaults", f"{spec_id}.yaml").read_bytes()
    return parse(read_document(text, f"specification {spec_id}")), None


def _from_file(path: Path) -> tuple[Stated, Path | None]:
    try:
        text = read_plain_file(path, MAX_BYTES + 1)
    except (OSError, ValueError) as error:  # an ill-formed name is a ValueError
        raise SpecError(
            f"specification {path} cannot be read: {getattr(error, 'strerror', None) or error}",
            code="spec.unreadable",
            next_step="Give the path of a YAML file that you may read, or one of: " + ", ".join(known_ids()) + ".",
        ) from None
    stated = parse(read_document(text, str(path)))
    if stated.metadata.id in known_ids():
        raise SpecError(
            f"{path} was refused: metadata.id {stated.metadata.id} belongs to a specification that Trimtab ships",
            code="spec.invalid",
            next_step="Give it an id of your own, and put the shipped one into extends.",
        )
    return stated, path.resolve()


def _unknown_id(spec_id: str) -> SpecError:
    known = known_ids()
    close = difflib.get_close_matches(spec_id, known, n=1)
    hint = f" Did you mean {close[0]}?" if close else ""
    return SpecError(
        f"specification {spec_id!r} was refused: there is none of that id here; known: " + ", ".join(known),
        code="spec.unknown_id",
        next_step="Use a known id, or the path of a YAML file." + hint,
    )
