"""Files of planner statistics beside the ledger: what a change stores in the catalog, and what its inverse puts back.

Statistics hold values of rows, so the ledger has the digest of such a file and never its content. A file is whole and
on disk before its digest is told, readable by this user alone, and never written again.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Collection
from dataclasses import asdict
from pathlib import Path

from trimtab.durable import read_plain_file, write_durably
from trimtab.errors import ApplyError
from trimtab.model.column_statistics import ColumnStatistics, OfColumn, TableStatistics

FORMAT = "trimtab.statistics/v1"
DIRECTORY = "statistics"
_SUFFIX = ".statistics.json"
_DIGEST = re.compile(r"[0-9a-f]{64}")
_MOST_BYTES = 256 << 20


def columns_digest(found: TableStatistics) -> str:
    """Return SHA-256, in hexadecimal, of what the columns' statistics are: not of counts, which VACUUM changes too."""
    return hashlib.sha256(_canonical([_plain(of) for of in _in_order(found)])).hexdigest()


class StatisticsFiles:
    """The files in one directory, which is made when the first is written."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory

    def write(self, statistics: TableStatistics) -> str:
        """Keep the statistics, durably, and return the file's SHA-256. Raises ApplyError `apply.statistics_file`."""
        content = _canonical(
            {
                "format": FORMAT,
                "version": statistics.version,
                "columns": list(statistics.columns),
                "pages": statistics.pages,
                "rows": statistics.rows,
                "visible_pages": statistics.visible_pages,
                "frozen_pages": statistics.frozen_pages,
                "statistics": [_plain(of) for of in _in_order(statistics)],
            }
        )
        digest = hashlib.sha256(content).hexdigest()
        try:
            self._directory.mkdir(mode=0o700, parents=True, exist_ok=True)
            write_durably(self._path(digest), content)
        except OSError as error:
            raise _refused(f"the statistics of now could not be kept ({error.strerror})") from None
        return digest

    def read(self, digest: str) -> TableStatistics:
        """Return the statistics of a file. Raises ApplyError `apply.statistics_file`, which quotes nothing of it."""
        try:
            content = read_plain_file(self._path(digest), _MOST_BYTES + 1)
        except OSError as error:
            raise _refused(f"the file {digest[:12]} cannot be read ({error.strerror})") from None
        if hashlib.sha256(content).hexdigest() != digest:
            raise _refused(f"the file {digest[:12]} is not as it was written")
        try:
            return _read(json.loads(content))
        except (ValueError, KeyError, TypeError):
            raise _refused(f"the file {digest[:12]} is of another format") from None

    def forget(self, but: Collection[str], *, written_before: float) -> int:
        """Remove files that are not among these, and are older (seconds of the epoch); return how many there were.

        A younger one may be of a change that is about to be made.
        """
        unwanted = [
            path
            for path in self._directory.glob(f"*{_SUFFIX}")
            if path.name.removesuffix(_SUFFIX) not in but and path.stat().st_mtime < written_before
        ]
        for path in unwanted:
            path.unlink(missing_ok=True)
        return len(unwanted)

    def _path(self, digest: str) -> Path:
        if not _DIGEST.fullmatch(digest):
            raise _refused("it names a file by what is no digest")
        return self._directory / f"{digest}{_SUFFIX}"


def _in_order(found: TableStatistics) -> list[OfColumn]:
    return sorted(found.stored, key=lambda of: (of.column, of.is_inherited))


def _plain(of: OfColumn) -> dict[str, object]:
    return {"column": of.column, "is_inherited": of.is_inherited, **asdict(of.statistics)}


def _canonical(value: object) -> bytes:
    import rfc8785

    return rfc8785.dumps(value)  # type: ignore[arg-type]


def _read(raw: dict[str, object]) -> TableStatistics:
    if raw["format"] != FORMAT:
        raise ValueError("another format")
    stored = []
    for one in raw["statistics"]:  # type: ignore[attr-defined]
        fields = {name: value for name, value in one.items() if name not in ("column", "is_inherited")}
        stored.append(OfColumn(str(one["column"]), bool(one["is_inherited"]), ColumnStatistics(**fields)))
    return TableStatistics(
        version=int(str(raw["version"])),
        columns=tuple(map(str, raw["columns"])),  # type: ignore[call-overload]
        stored=tuple(stored),
        pages=int(str(raw["pages"])),
        rows=float(str(raw["rows"])),
        visible_pages=int(str(raw["visible_pages"])),
        frozen_pages=int(str(raw["frozen_pages"])),
    )


def _refused(found: str) -> ApplyError:
    return ApplyError(
        f"the statistics were left as they are: {found}",
        code="apply.statistics_file",
        next_step="Make room in the state directory, or restore the file from a backup; or run ANALYZE instead.",
    )
