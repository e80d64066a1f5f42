"""What the `trimtab ledger` commands do: the ledger, or a file of one, into documents and verdicts. Asks no server."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from trimtab.apply.asking import actor
from trimtab.cli.commands import ledger_of, load, print_json, stdout_console
from trimtab.cli.text import say, tell
from trimtab.durable import read_plain_file
from trimtab.errors import ConfigError, LedgerError, UsageError
from trimtab.ledger.chain import BrokenRowError
from trimtab.ledger.checkpoint import Checkpoint, read_checkpoint
from trimtab.ledger.export import entry_document, export_lines
from trimtab.ledger.faults import unknown_entry
from trimtab.ledger.ledger import Ledger
from trimtab.ledger.offline import Verdict, verified_file
from trimtab.ledger.pending import applied_changes, intents
from trimtab.ledger.proof import ProofFlawError, proof_document, require_beginning
from trimtab.ledger.statement import change_statement
from trimtab.ledger.verification import Verification
from trimtab.lifecycle.approving import waiting_in
from trimtab.signing.keys import public_keys, write_public_key
from trimtab.signing.note import MOST_BYTES, NoteFlawError

if TYPE_CHECKING:
    from trimtab.ledger.entry import Entry

_NEXT = "Keep it for an examination, restore it from a backup, and trust nothing after that entry."


def verify(
    file: Path | None, *, keys: Sequence[Path], pinned: Sequence[Path], config: Path | None, as_json: bool
) -> int:
    """Verify the ledger of this machine, or a file. Return the exit code; the document is printed all the same."""
    known = public_keys(keys)
    kept = [_checkpoint(path) for path in pinned]
    if file is not None:
        verdict = verified_file(file, known, kept, _state_if_any(config), time.time_ns())
    else:
        with _ledger(config, is_written=False) as ledger:
            verdict = Verdict.of_ledger(ledger.verify(known, kept), ledger.name)
    if as_json:
        print_json(verdict.document())
    elif verdict.verified:
        for line in verdict.lines():
            stdout_console().print(line, highlight=False, markup=False, soft_wrap=True)
    if verdict.verified:
        return 0
    broken = LedgerError(f"{verdict.what} does not verify: {verdict.told}", code="ledger.corrupt", next_step=_NEXT)
    tell(broken)
    return broken.exit_code


def prove(seq: int | None, *, since: Path | None, out: Path | None, config: Path | None, as_json: bool) -> None:
    """Write an inclusion proof, a consistency proof, or both."""
    if seq is None and since is None:
        raise UsageError(
            "prove was refused: it needs the number of an entry, or --since",
            code="usage.prove",
            next_step="`trimtab show` lists entries with their numbers.",
        )
    earlier = None if since is None else _checkpoint(since)
    with _ledger(config) as ledger:
        if earlier is not None:
            _require_as_long(ledger, earlier)
        signed = _signed(ledger, at_least=max(seq or 1, earlier.size if earlier is not None else 1))
        document = proof_document(
            signed,
            inclusion=None if seq is None else (_entry(ledger, seq), ledger.inclusion(seq, signed.size)),
            consistency=None if earlier is None else (earlier, _grown(ledger, earlier, signed)),
        )
    _write([json.dumps(document, indent=2).encode() + b"\n"], out)
    if out is not None:
        _tell_written(
            {"schema": "trimtab.ledger.prove/v1", "path": str(out), "size": signed.size}, out, as_json=as_json
        )


def export(*, change: str | None, out: Path | None, config: Path | None, as_json: bool) -> None:
    """Write the ledger as JSON lines, or the statement of one change."""
    with _ledger(config, is_written=change is not None) as ledger:
        if change is not None:
            lines = [json.dumps(_statement(ledger, change), indent=2).encode() + b"\n"]
            told: dict[str, object] = {"entries": None, "change": change}
        else:
            verification = ledger.verify()
            _require(verification, ledger.name)
            try:
                lines = list(export_lines(verification.origin, verification.head, ledger.rows(), ledger.notes()))
            except BrokenRowError as error:
                raise LedgerError(f"the ledger cannot be exported: {error}", code="ledger.corrupt") from None
            told = {"entries": verification.entries, "change": None}
    _write(lines, out)
    if out is not None:
        _tell_written({"schema": "trimtab.ledger.exported/v1", "path": str(out), **told}, out, as_json=as_json)


def checkpoint(*, out: Path | None, config: Path | None, as_json: bool) -> None:
    """Sign the ledger as it is now, or give the last checkpoint where this machine cannot sign."""
    with _ledger(config) as ledger:
        last = ledger.last()
        signed = _signed(ledger, at_least=1)
    if last is not None and last.seq > signed.size:
        say(f"this is an earlier checkpoint, without the last {last.seq - signed.size}: the key that signs is not here")
    if out is not None:
        _write([signed.note.encode()], out)
    if as_json:
        print_json(
            {
                "schema": "trimtab.ledger.checkpoint/v1",
                "origin": signed.origin,
                "size": signed.size,
                "root": signed.root.hex(),
                "note": signed.note,
                "path": None if out is None else str(out),
            }
        )
    elif out is not None:
        text = f"wrote the checkpoint of {signed.size} entries to {out}"
        stdout_console().print(text, highlight=False, markup=False, soft_wrap=True)
    else:
        sys.stdout.write(signed.note)


def key(*, out: Path | None, rotates: bool, config: Path | None, as_json: bool) -> None:
    """Put a key in force and write its public half."""
    with _ledger(config) as ledger:
        public, is_new = ledger.set_key(rotates=rotates)
    if out is not None:
        write_public_key(public, out)
    if as_json:
        print_json(
            {
                "schema": "trimtab.ledger.key/v1",
                "key_id": public.id,
                "is_new": is_new,
                "path": None if out is None else str(out),
            }
        )
        return
    text = f"{public.id} signs the ledger's checkpoints" + (" from here on" if is_new else "")
    text += f"; wrote its public key to {out}" if out is not None else ""
    stdout_console().print(text, highlight=False, markup=False, soft_wrap=True)


def migrate(to: str, *, config: Path | None, as_json: bool) -> None:
    """Move the ledger to another store."""
    from trimtab.db.dsn import conninfo_for
    from trimtab.ledger.migrate import migrate
    from trimtab.paths import ledger_path

    if not to.strip():
        raise UsageError(
            "the ledger was not moved: no database was named",
            code="usage.arguments",
            next_step="Give --to a database, as in `--to service=trimtab`, or sqlite.",
        )
    moved = migrate(ledger_path(load(config).defaults.state), None if to == "sqlite" else conninfo_for(to, None))
    if as_json:
        print_json(
            {
                "schema": "trimtab.ledger.migrate/v1",
                "from": moved.source,
                "to": moved.target,
                "entries": moved.found.entries,
                "head": moved.found.head,
                "root": moved.found.root,
                "checkpoints": moved.found.checkpoints,
                "withheld": moved.withheld,
                "lost": moved.lost,
            }
        )
        return
    text = f"moved {moved.found.entries} entries and {moved.found.checkpoints} checkpoints: "
    text += f"the ledger is now {moved.target}, verified, head {moved.found.head[:16]}, root {moved.found.root[:16]}"
    stdout_console().print(text, highlight=False, markup=False, soft_wrap=True)
    if moved.lost:
        say(
            f"of {moved.withheld} definitions that are kept beside it {moved.lost} are not there: they were lost before"
        )


def erase(strategy_id: str, *, config: Path | None, as_json: bool) -> None:
    """Erase the definitions that are kept beside the ledger for what it says of one strategy."""
    with _ledger(config) as ledger:
        entries = tuple(ledger.entries())
        seqs = [entry.seq for entry in entries if entry.body.get("strategy_id") == strategy_id]
        if not seqs:
            raise _unknown(strategy_id)
        _refuse_needed(entries, strategy_id, set(seqs))
        erased = ledger.erase(seqs, {"strategy_id": strategy_id, "by": actor()})
        plain = ledger.told_openly(seqs)
    if as_json:
        document = {"strategy_id": strategy_id, "erased": erased, "in_entries": plain}
        print_json({"schema": "trimtab.ledger.erase/v1", **document})
        return
    text = f"erased {erased} definitions of {strategy_id}; its {len(seqs)} entries verify as before"
    stdout_console().print(text, highlight=False, markup=False, soft_wrap=True)
    if plain:
        say(f"{plain} of them, of an earlier version, hold the definition themselves: nothing is taken out of an entry")


def _refuse_needed(entries: tuple[Entry, ...], strategy_id: str, seqs: set[int]) -> None:
    """Refuse to erase what could not be taken back, or applied, then."""
    found, next_step = "", ""
    if any(each.is_open for each in waiting_in(entries, time.time_ns()) if each.request.strategy.id == strategy_id):
        found, next_step = "it waits to be applied", f"Run `trimtab reject {strategy_id}` first."
    if applied_changes(entries, strategy_id=strategy_id):
        found, next_step = (
            "it stands applied, and could not be taken back",
            f"Run `trimtab revert {strategy_id}` first.",
        )
    if any(each.result is None for each in intents(entries) if each.intended.seq in seqs):
        found, next_step = "what was intended has no answer yet", "Run `trimtab resume` first."
    if found:
        raise LedgerError(f"nothing of {strategy_id} was erased: {found}", code="ledger.stands", next_step=next_step)


def _ledger(config: Path | None, *, is_written: bool = True) -> Ledger:
    return Ledger.open(ledger_of(load(config), is_written=is_written))


def _state_if_any(config: Path | None) -> Path | None:
    """Return the directory of what was seen before; None where there can be none: a file is verified all the same."""
    try:
        return ledger_of(load(config), is_written=False).parent
    except ConfigError as error:
        if not error.code.startswith("state."):
            raise
        return None


def _checkpoint(path: Path) -> Checkpoint:
    try:
        return read_checkpoint(read_plain_file(path, MOST_BYTES + 1).decode())
    except OSError as error:
        found = str(error.strerror)
    except (UnicodeDecodeError, NoteFlawError):
        found = "it is no checkpoint of a ledger"
    raise UsageError(
        f"the checkpoint {path} was refused: {found}",
        code="usage.checkpoint",
        next_step="`trimtab ledger checkpoint --out FILE` writes one.",
    )


def _signed(ledger: Ledger, *, at_least: int) -> Checkpoint:
    """Return a checkpoint of so many entries at least: a new one where it can be signed, else the last."""
    last = ledger.last()
    if last is None or last.seq < at_least:
        raise unknown_entry(at_least, 0 if last is None else last.seq)
    signed = ledger.checkpoint()
    if signed is None or signed.size < at_least:
        raise LedgerError(
            "there is no checkpoint that covers it, and no key here to sign one with",
            code="ledger.unsigned",
            next_step="Run `trimtab ledger key --out ledger.pub` once: from then on checkpoints are signed.",
        )
    return signed


def _require_as_long(ledger: Ledger, earlier: Checkpoint) -> None:
    last = ledger.last()
    entries = 0 if last is None else last.seq
    if entries < earlier.size:
        raise LedgerError(
            f"the ledger {ledger.name} has {entries} entries, and the checkpoint is of {earlier.size}: its end was cut "
            "off",
            code="ledger.truncated",
            next_step="Keep both for an examination, and restore the ledger from a backup.",
        )


def _grown(ledger: Ledger, earlier: Checkpoint, signed: Checkpoint) -> list[bytes]:
    """Return the proof that the ledger has only grown since. Raises LedgerError `ledger.corrupt` where it has not."""
    hashes = ledger.consistency(earlier.size, signed.size)
    try:
        require_beginning(earlier, signed, hashes)
    except ProofFlawError as error:
        raise LedgerError(
            f"{ledger.name} is not the one that the checkpoint is of, or was written anew: {error}",
            code="ledger.corrupt",
            next_step="Keep both for an examination, and restore the ledger from a backup.",
        ) from None
    return hashes


def _entry(ledger: Ledger, seq: int) -> dict[str, object]:
    row = ledger.row(seq)
    assert row is not None
    return entry_document(row)


def _statement(ledger: Ledger, change: str) -> dict[str, object]:
    wanted = _entries_of(ledger, change)
    signed = _signed(ledger, at_least=max(wanted))
    return change_statement(
        [(_entry(ledger, seq), ledger.inclusion(seq, signed.size)) for seq in wanted], signed, ledger.signing_key()
    )


def _entries_of(ledger: Ledger, change: str) -> list[int]:
    """Return the numbers of the intents of a strategy or of that id, of what reverts them, and of their results."""
    known = intents(ledger.entries())
    named = {each.id for each in known if change in (each.id, each.intended.text("strategy_id"))}
    chosen = [each for each in known if each.id in named or each.intended.body.get("reverts") in named]
    entries: list[Entry] = [entry for each in chosen for entry in (each.intended, each.result) if entry is not None]
    if not entries:
        raise _unknown(change)
    return sorted(entry.seq for entry in entries)


def _unknown(change: str) -> UsageError:
    return UsageError(
        f"{change or 'an empty name'} is not in the ledger as a change that was intended",
        code="ledger.unknown",
        next_step="`trimtab status` and `trimtab show` name the strategies (s-...) that were applied.",
    )


def _require(verification: Verification, name: str) -> None:
    if not verification.verified:
        told = f"entry {verification.first_bad}: {verification.reason}"
        raise LedgerError(f"{name} does not verify: {told}", code="ledger.corrupt", next_step=_NEXT)


def _write(lines: Iterable[bytes], out: Path | None) -> None:
    if out is None:
        for line in lines:
            sys.stdout.write(line.decode())
        return
    try:
        with out.open("xb") as file:
            file.writelines(lines)
    except OSError as error:
        raise UsageError(
            f"{out} was not written: {error.strerror}",
            code="usage.out",
            next_step="Name a file that is not there yet, in a directory that you may write to.",
        ) from None


def _tell_written(document: dict[str, object], out: Path, *, as_json: bool) -> None:
    if as_json:
        print_json(document)
    else:
        stdout_console().print(f"wrote {out}", highlight=False, markup=False, soft_wrap=True)
