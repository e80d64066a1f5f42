"""Draws docs/demo.svg: runs the demonstration for real and exports what its terminal showed, colours included.

It draws what the run printed and changes none of it. `make picture` runs it; it takes as long as `trimtab demo`.
"""

from __future__ import annotations

import re
from pathlib import Path
from unittest.mock import patch

from rich.console import Console
from rich.terminal_theme import MONOKAI

from trimtab.cli import demonstration

TARGET = Path(__file__).with_name("demo.svg")
WIDTH = 150
LARGEST_BYTES = 150_000
# Rich's picture loads its typeface from a server; ours uses what the reader's machine has.
_TYPEFACE = re.compile(r"@font-face\s*\{.*?\}\s*", re.DOTALL)


def main() -> None:
    """Run the demonstration on a recording console and write the picture."""
    # Not a terminal: the bar, which would be gone at the end, is not drawn.
    console = Console(record=True, width=WIDTH, force_terminal=False, color_system="truecolor")
    console.print("[bold]$ trimtab demo[/]", highlight=False)
    with (
        patch.object(demonstration, "stderr_console", lambda: console),
        patch.object(demonstration, "stdout_console", lambda: console),
    ):
        demonstration.run(seed=42, scale=1.0, keep=False, pg_bin=None, as_json=False, is_quiet=False)
    picture = _TYPEFACE.sub("", console.export_svg(title="trimtab demo", theme=MONOKAI, unique_id="demo"))
    if len(picture.encode()) > LARGEST_BYTES:
        raise SystemExit(f"the picture has {len(picture.encode())} bytes, more than {LARGEST_BYTES}")
    TARGET.write_text(picture, encoding="utf-8")


if __name__ == "__main__":
    main()
