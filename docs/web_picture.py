"""Takes docs/web.png, the picture of the web pages: of a real run, from the running server, by a browser of the PATH.

It opens the demonstration's shop, has the optimizer apply what it proves while a collector looks, lets traffic run, and
photographs the board of changes. `make web-picture` runs it. It draws nothing itself.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

from bench.served_site import served
from trimtab import api
from trimtab.demo.shop import dsn_of, open_shop, specification_path
from trimtab.demo.workload import run_workload
from trimtab.embedded.binaries import Binaries
from trimtab.embedded.scratch import scratch_directory
from trimtab.history.reading import History, open_history
from trimtab.lifecycle.collect_server import Pace, Target
from trimtab.lifecycle.collect_writing import HistoryWriter
from trimtab.lifecycle.collecting import Collecting
from trimtab.model.watch import Silent
from trimtab.web.site import SiteOptions

PICTURE = Path(__file__).with_name("web.png")
PAGE, WIDTH, HEIGHT = "/changes", 1280, 900
LARGEST_BYTES = 200_000
SCALE, SEED = 0.1, 42
_CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")


def main() -> None:
    """Make the run, and take the picture."""
    if _CHROMIUM is None:
        raise SystemExit("there is no chromium on the PATH")
    with (
        scratch_directory() as directory,
        open_shop(Binaries.find(None), seed=SEED, scale=SCALE, watcher=Silent()) as shop,
    ):
        ledger, history = directory / "ledger.db", directory / "history.db"
        with open_history(history) as store:
            writer = HistoryWriter(store, 2.0)
            collecting = Collecting([Target("shop", lambda: dsn_of(shop))], Pace(1.0, 2.0), writer, writer.remembered)
            collecting.start()
            try:
                api.optimize(dsn_of(shop), spec=specification_path(), apply=True, ledger_path=ledger)
                run_workload(shop.dsn("shop"), seed=SEED, progress=lambda _done, _total: None)
            finally:
                collecting.stop()
        options = SiteOptions(
            ledger,
            lambda: History(open_history(history)),
            frozenset({"127.0.0.1"}),
            lambda name: directory / name,
            specification=specification_path(),
        )
        _photograph(options)
    size = PICTURE.stat().st_size
    if size > LARGEST_BYTES:
        raise SystemExit(f"the picture has {size} bytes, more than {LARGEST_BYTES}")
    print(f"wrote {PICTURE} ({size} bytes)")


def _photograph(options: SiteOptions) -> None:
    assert _CHROMIUM is not None
    root = ["--no-sandbox"] if os.geteuid() == 0 else []
    with served(options) as port:
        subprocess.run(
            [
                _CHROMIUM, *root, "--headless=new", "--disable-gpu", "--hide-scrollbars", "--timeout=8000",
                f"--window-size={WIDTH},{HEIGHT}", f"--screenshot={PICTURE}", f"http://127.0.0.1:{port}{PAGE}",
            ],
            check=True, timeout=120, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )  # fmt: skip


if __name__ == "__main__":
    main()
