"""What this machine saw last of a ledger, in two small files beside it: the head, and the last signed checkpoint.

A ledger can never be shorter than what was seen of it, nor another one up to there: that a tail was cut off, or that
history was written anew, is found by this. It is a witness as far as it lies where who edits the ledger does not write:
with the ledger in PostgreSQL it does; else copy the checkpoint elsewhere. Never goes back to less.
"""

from __future__ import annotations

import fcntl
import json
import os
import re
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from trimtab.errors import LedgerError
from trimtab.ledger.checkpoint import Checkpoint, read_checkpoint
from trimtab.signing.note import MOST_BYTES, NoteFlawError

FORMAT = "trimtab.ledger.seen/v1"
_HASH = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True, slots=True)
class Seen:
    """The ledger had `entries` entries, and the last one's hash was `head`."""

    entries: int
    head: str


@dataclass(frozen=True, slots=True)
class SeenFiles:
    """The two files that belong to the ledger at `path`."""

    path: Path

    @property
    def head_file(self) -> Path:
        """Where the head is."""
        return self.path.with_name(f"{self.path.name}.seen")

    @property
    def checkpoint_file(self) -> Path:
        """Where the last checkpoint is: a signed note, to be copied elsewhere."""
        return self.path.with_name(f"{self.path.name}.checkpoint")

    def head(self) -> Seen | None:
        """Return the head that was seen, None where there is no file. Raises LedgerError `ledger.seen`."""
        text = self._text(self.head_file)
        if text is None:
            return None
        try:
            held = json.loads(text)
            entries, head = held["entries"], held["head"]
            is_ours = held["format"] == FORMAT and isinstance(entries, int) and _HASH.fullmatch(head) is not None
        except (ValueError, KeyError, TypeError, RecursionError):
            is_ours = False
        if not is_ours:
            raise self._damaged(self.head_file)
        return Seen(entries, head)

    def checkpoint(self) -> Checkpoint | None:
        """Return the checkpoint that was seen, None where there is no file. Raises LedgerError `ledger.seen`."""
        text = self._text(self.checkpoint_file)
        if text is None:
            return None
        try:
            return read_checkpoint(text)
        except NoteFlawError:
            raise self._damaged(self.checkpoint_file) from None

    def note(self, seen: Seen, checkpoint: Checkpoint | None) -> None:
        """Keep what was seen now, unless more was seen before. Raises OSError.

        Durably only checkpoints: a head that is lost with the power was a lower bound, and so is the one before.
        """
        with self._held():
            known = self.head()
            if known is None or known.entries < seen.entries:
                told = {"format": FORMAT, "entries": seen.entries, "head": seen.head}
                self._replace(self.head_file, json.dumps(told) + "\n", is_durable=False)
            if checkpoint is not None:
                before = self.checkpoint()
                if before is None or before.size < checkpoint.size:
                    self._replace(self.checkpoint_file, checkpoint.note, is_durable=True)

    @contextmanager
    def _held(self) -> Iterator[None]:
        place = self.head_file.with_suffix(".lock")
        descriptor = os.open(place, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            yield
        finally:
            os.close(descriptor)

    def _text(self, path: Path) -> str | None:
        try:
            with path.open("rb") as file:
                return file.read(MOST_BYTES + 1).decode()
        except FileNotFoundError:
            return None
        except ValueError:
            raise self._damaged(path) from None

    def _damaged(self, path: Path) -> LedgerError:
        return LedgerError(
            f"{path} is not as it was written: what was seen of the ledger before is not known",
            code="ledger.seen",
            next_step="Verify the ledger against a checkpoint that was kept elsewhere, then remove that file.",
        )

    @staticmethod
    def _replace(path: Path, text: str, *, is_durable: bool) -> None:
        descriptor, name = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)  # mode 0600
        try:
            with os.fdopen(descriptor, "w", encoding="utf-8") as file:
                file.write(text)
                if is_durable:
                    file.flush()
                    os.fsync(descriptor)
            os.replace(name, path)
        except BaseException:
            with suppress(FileNotFoundError):
                os.unlink(name)
            raise
