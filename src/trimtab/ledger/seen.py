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
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from trimtab.durable import read_plain_file, write_durably
from trimtab.errors import LedgerError
from trimtab.ledger.checkpoint import Checkpoint, read_checkpoint
from trimtab.signing.note import MOST_BYTES, NoteFlawError

FORMAT = "trimtab.ledger.seen/v1"
_HEAD_BYTES = 256
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
        return None if text is None else self._head(text)

    def checkpoint(self) -> Checkpoint | None:
        """Return the checkpoint that was seen, None where there is no file. Raises LedgerError `ledger.seen`."""
        text = self._text(self.checkpoint_file)
        if text is None:
            return None
        try:
            return read_checkpoint(text.decode())
        except (NoteFlawError, UnicodeDecodeError):
            raise self._damaged(self.checkpoint_file) from None

    def note(self, seen: Seen) -> None:
        """Keep the head that was seen now, unless more was seen before. Raises OSError, LedgerError `ledger.seen`.

        The first time durably: an empty file is one that somebody emptied. Then in place, within one sector, and not
        durably: what is lost with the power was a lower bound, and so is what was there before. A new file each time
        would take as long as the commit of the entry itself.
        """
        told = json.dumps({"format": FORMAT, "entries": seen.entries, "head": seen.head})
        content = told.ljust(_HEAD_BYTES - 1).encode() + b"\n"
        if not self.head_file.exists():
            with suppress(FileExistsError):  # another program was first: what it saw may be less
                write_durably(self.head_file, content, replaces=False)
                return
        descriptor = os.open(self.head_file, os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            if self._head(os.pread(descriptor, MOST_BYTES, 0)).entries < seen.entries:
                os.pwrite(descriptor, content, 0)
        finally:
            os.close(descriptor)

    def keep(self, checkpoint: Checkpoint) -> None:
        """Keep the checkpoint durably, unless a later one is kept. Raises OSError, LedgerError `ledger.seen`."""
        before = self.checkpoint()
        if before is not None and before.size >= checkpoint.size:
            return
        write_durably(self.checkpoint_file, checkpoint.note.encode())

    def _head(self, text: bytes) -> Seen:
        try:
            held = json.loads(text)
            entries, head = held["entries"], held["head"]
            is_ours = held["format"] == FORMAT and isinstance(entries, int) and _HASH.fullmatch(head) is not None
        except (ValueError, KeyError, TypeError, RecursionError):
            is_ours = False
        if not is_ours:
            raise self._damaged(self.head_file)
        return Seen(entries, head)

    def _text(self, path: Path) -> bytes | None:
        try:
            return read_plain_file(path, MOST_BYTES + 1)
        except FileNotFoundError:
            return None
        except OSError:
            raise self._damaged(path) from None

    def _damaged(self, path: Path) -> LedgerError:
        return LedgerError(
            f"{path} is not as it was written: what was seen of the ledger before is not known",
            code="ledger.seen",
            next_step="Verify the ledger against a checkpoint that was kept elsewhere, then remove that file.",
        )
