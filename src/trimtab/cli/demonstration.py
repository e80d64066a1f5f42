"""`trimtab demo`: an embedded server, a generated shop, its traffic, and then `optimize --apply` like anyone's.

Nothing about the run is special: the traps are in the data, the traffic and the specification.
"""

from __future__ import annotations

import shlex
import time
from pathlib import Path
from typing import TYPE_CHECKING

from trimtab.cli.commands import print_json, stderr_console, stdout_console
from trimtab.cli.watch import ConsoleWatcher

if TYPE_CHECKING:
    from rich.console import Console

    from trimtab.embedded.server import Server
    from trimtab.model.report import Report


def run(*, seed: int, scale: float, keep: bool, pg_bin: Path | None, as_json: bool, is_quiet: bool) -> int:
    """Run the demonstration and print what came of it. Return the exit code, as `optimize` does."""
    from trimtab.cli.standing import tell_unapplied
    from trimtab.demo.shop import open_shop
    from trimtab.embedded.binaries import Binaries
    from trimtab.embedded.scratch import scratch_directory
    from trimtab.paths import LEDGER_NAME
    from trimtab.report.document import optimize_document

    console = stderr_console()
    started = time.monotonic()
    with (
        scratch_directory() as directory,
        ConsoleWatcher(console, is_quiet=is_quiet) as watcher,
        open_shop(Binaries.find(pg_bin), seed=seed, scale=scale, watcher=watcher) as shop,
    ):
        report = _optimize(shop, directory / LEDGER_NAME, pg_bin, watcher)
        if as_json:
            print_json(optimize_document(report))
        else:
            _show(report, stdout_console(), time.monotonic() - started, was_told=not is_quiet, is_kept=keep)
        if keep:
            watcher.__exit__(None, None, None)
            _wait(shop, directory, console)
    return tell_unapplied(report)


def _optimize(shop: Server, ledger: Path, pg_bin: Path | None, watcher: ConsoleWatcher) -> Report:
    from trimtab import api
    from trimtab.demo.shop import dsn_of, specification_path

    return api.optimize(
        dsn_of(shop),
        spec=specification_path(),
        apply=True,
        pg_bin=pg_bin,
        ledger_path=ledger,
        watcher=watcher,
    )


def _show(report: Report, console: Console, seconds: float, *, was_told: bool, is_kept: bool) -> None:
    from trimtab.cli.present import present

    present(report, console, was_told=was_told, ledger_stays=is_kept)
    gone = "" if is_kept else "; its server and its ledger are gone"
    console.print(
        f"\nThe whole demonstration took {seconds:.0f} s{gone}. Where to look next:\n"
        "  trimtab demo --keep             the same, and the server stays up for psql until Ctrl-C\n"
        "  trimtab optimize DSN            your own database: observed and tried in a clone, not changed\n"
        "  trimtab init                    a trimtab.toml, and the SQL for least-privilege roles\n"
        "  docs/lifecycle.md               what each stage does and what it refuses",
        highlight=False,
        markup=False,
    )


def _wait(shop: Server, directory: Path, console: Console) -> None:
    from trimtab.demo.shop import DATABASE
    from trimtab.embedded.signals import INTERRUPTED, Interrupted

    text = f"""
The shop and its ledger are there until Ctrl-C:
  psql "{shop.dsn(DATABASE)}"
  TRIMTAB_STATE={shlex.quote(str(directory))} trimtab history"""
    console.print(text, highlight=False, markup=False, soft_wrap=True)
    try:
        while True:
            time.sleep(3600)
    except Interrupted as leaving:
        if leaving.code != INTERRUPTED:
            raise
        console.print("taking the shop down", highlight=False)
