"""The portable file of an image: exported on one machine, opened on another.

A zip archive of three members: what it is and their digests, the facts as JSON, and the schema as pg_dump wrote it. The
same image gives the same bytes. A file may come from elsewhere: its sizes are bounded and its digests checked before
anything of it is used. It holds statistics, and so, unless it was made without them, values of rows.
"""

from __future__ import annotations

import hashlib
import json
import os
import tempfile
import zipfile
import zlib
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from trimtab.errors import LabError, UsageError
from trimtab.twin.capture import Image
from trimtab.twin.source import Source

if TYPE_CHECKING:
    from pydantic import TypeAdapter

FORMAT = "trimtab.twin/v1"
_ABOUT, _FACTS, _SCHEMA = "about.json", "facts.json", "schema.dump"
_MOST_BYTES = 2 << 30  # of one member, unpacked
_MOST_ABOUT_BYTES = 1 << 16
_MOST_PAGES = 2**32 - 2  # PostgreSQL's own limit for one relation
_MOST_ROWS, _MOST_LEVELS = 1e13, 64
_MOST_PAGES_IN_ALL = 2**37  # a petabyte, in a million files
_EPOCH = (1980, 1, 1, 0, 0, 0)


def save(image: Image, path: Path) -> int:
    """Write the image to `path`, readable by this user alone, and return its size in bytes.

    The file is complete or not there. Raises UsageError `twin.unwritable`.
    """
    facts = _adapter().dump_json(image.source)
    about = {
        "format": FORMAT,
        "source_version": image.source.version,
        "has_values": image.source.has_values,
        "sha256": {_FACTS: _digest(facts), _SCHEMA: _digest(image.schema)},
    }
    members = {_ABOUT: json.dumps(about, indent=2, sort_keys=True).encode(), _FACTS: facts, _SCHEMA: image.schema}
    unfinished: Path | None = None
    if path.exists() and not path.is_file():  # It would be replaced: a device, say.
        raise _unwritable(path, "it is there, and is no file")
    try:
        descriptor, name = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
        unfinished = Path(name)
        with os.fdopen(descriptor, "wb") as file, zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
            for member, data in members.items():
                archive.writestr(zipfile.ZipInfo(member, _EPOCH), data, zipfile.ZIP_DEFLATED)
        size = unfinished.stat().st_size
        unfinished.replace(path)
    except OSError as error:
        raise _unwritable(path, str(error.strerror)) from None
    finally:
        if unfinished is not None:
            with suppress(FileNotFoundError):
                unfinished.unlink()
    return size


def load(path: Path) -> Image:
    """Return the image of a file. Raises LabError `twin.file_unreadable`, `twin.file_damaged`, `twin.file_version`."""
    try:
        with zipfile.ZipFile(path) as archive:
            about = json.loads(_member(archive, path, _ABOUT, _MOST_ABOUT_BYTES))
            if not isinstance(about, dict) or about.get("format") != FORMAT:
                raise LabError(
                    f"{path} is refused: it is not of the format {FORMAT}",
                    code="twin.file_version",
                    next_step="Export it again with this version of trimtab, or use the version that wrote it.",
                )
            facts, schema = (_member(archive, path, name, _MOST_BYTES) for name in (_FACTS, _SCHEMA))
        if about["sha256"] != {_FACTS: _digest(facts), _SCHEMA: _digest(schema)}:
            raise _damaged(path, "its content does not match its digests")
        source = _adapter().validate_json(facts)
        _require_possible(source, path)
        return Image(source=source, schema=schema)
    except OSError as error:
        raise LabError(
            f"{path} cannot be read: {error.strerror}",
            code="twin.file_unreadable",
            next_step="Check the path and its permissions; `trimtab twin export DSN --out FILE` writes such a file.",
        ) from None
    except (zipfile.BadZipFile, zlib.error, KeyError, NotImplementedError, EOFError, RuntimeError):
        # zipfile tells by NotImplementedError of a compression or version that it does not know.
        raise _damaged(path, "it is no complete archive of a twin") from None
    except ValueError:  # JSON or facts that mean nothing; the message would quote statistics
        raise _damaged(path, "its facts cannot be understood") from None


def _member(archive: zipfile.ZipFile, path: Path, name: str, most_bytes: int) -> bytes:
    with archive.open(name) as file:
        # The size that an archive states is not believed.
        data = file.read(most_bytes + 1)
    if len(data) > most_bytes:
        raise _damaged(path, f"{name} is larger than {most_bytes} bytes")
    return data


def _require_possible(source: Source, path: Path) -> None:
    """Refuse lengths that no server has: the twin's files are made as long, and a directory can hold only so many."""
    lengths = [relation.pages or 0 for relation in source.relations]
    if lengths and (min(lengths) < 0 or max(lengths) > _MOST_PAGES or sum(lengths) > _MOST_PAGES_IN_ALL):
        raise _damaged(path, "it tells of relations longer than a server can hold")
    rows = [relation.rows for relation in source.relations]
    heights = [relation.height or 0 for relation in source.relations]
    if not all(-1 <= count <= _MOST_ROWS for count in rows) or not all(0 <= h <= _MOST_LEVELS for h in heights):
        raise _damaged(path, "it tells of more rows, or of higher trees, than a server can hold")


def _unwritable(path: Path, found: str) -> UsageError:
    return UsageError(
        f"{path} was not written: {found}",
        code="twin.unwritable",
        next_step="Choose a file in a directory that you may write to, with enough room.",
    )


def _damaged(path: Path, found: str) -> LabError:
    return LabError(
        f"{path} is refused: {found}",
        code="twin.file_damaged",
        next_step="Copy or export it again.",
    )


@cache
def _adapter() -> TypeAdapter[Source]:
    from pydantic import ConfigDict, TypeAdapter

    Source.__pydantic_config__ = ConfigDict(  # type: ignore[attr-defined]
        ser_json_bytes="base64", val_json_bytes="base64", ser_json_inf_nan="strings"
    )
    return TypeAdapter(Source)


def _digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()
