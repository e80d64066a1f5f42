"""Shows a real run: runs the demonstration, draws its terminal as docs/demo.svg and puts an excerpt into README.md.

It draws and quotes what the run printed and changes none of it; what the excerpt leaves out shows as "…".
`make picture` runs it, best on a machine that does nothing else.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from io import StringIO
from pathlib import Path
from unittest.mock import patch

from rich.console import Console
from rich.terminal_theme import MONOKAI
from rich.text import Text

from trimtab.cli import demonstration
from trimtab.model.strategy import Outcome

PICTURE = Path(__file__).with_name("demo.svg")
README = Path(__file__).parents[1] / "README.md"
WIDTH = 118
LARGEST_BYTES = 150_000
COMMAND = "$ trimtab demo"

# Rich's picture loads its typeface from a server; ours uses what the reader's machine has.
_TYPEFACE = re.compile(r"@font-face\s*\{.*?\}\s*", re.DOTALL)
_EXCERPT = re.compile(r"(?<=<!-- demo: written by `make picture` -->\n).*?(?=<!-- /demo -->)", re.DOTALL)
_STRATEGY = re.compile(rf"^ {{10}}({'|'.join(outcome.value.replace('_', ' ') for outcome in Outcome)}) ")
_STAGE = re.compile(r"^ {0,8}[a-z]+  \S")
_CLOSING = "Where to look next"


def main() -> None:
    """Run the demonstration and write both."""
    # The progress is not taken for a terminal: the bar, which is gone at the end, is not drawn.
    progress = _recorder(is_terminal=False)
    report = _recorder(is_terminal=True)
    with (
        patch.object(demonstration, "stderr_console", lambda: progress),
        patch.object(demonstration, "stdout_console", lambda: report),
    ):
        demonstration.run(seed=42, scale=1.0, keep=False, pg_bin=None, as_json=False, is_quiet=False)
    shown = Text.from_ansi(progress.export_text(styles=True) + report.export_text(styles=True))
    PICTURE.write_text(_picture(shown), encoding="utf-8")
    lines = [line.rstrip() for line in shown.plain.splitlines()]
    excerpt = "\n".join(("```console", COMMAND, *_excerpt(lines), "```", ""))
    README.write_text(_EXCERPT.sub(lambda _: excerpt, README.read_text("utf-8")), encoding="utf-8")


def _recorder(*, is_terminal: bool) -> Console:
    return Console(record=True, width=WIDTH, force_terminal=is_terminal, color_system="truecolor")


def _picture(shown: Text) -> str:
    canvas = Console(record=True, width=WIDTH, file=StringIO())
    canvas.print(Text(COMMAND, style="bold"))
    canvas.print(shown, soft_wrap=True)
    picture = _TYPEFACE.sub("", canvas.export_svg(title="trimtab demo", theme=MONOKAI, unique_id="demo"))
    if len(picture.encode()) > LARGEST_BYTES:
        raise SystemExit(f"the picture has {len(picture.encode())} bytes, more than {LARGEST_BYTES}")
    return picture


def _excerpt(lines: list[str]) -> Iterator[str]:
    """Yield every stage, the first strategy of each outcome, and the report up to its hints."""
    seen: set[str] = set()
    is_shown, is_left_out = True, False
    for line in lines:
        if _CLOSING in line:
            yield line.partition(_CLOSING)[0].rstrip()
            return
        strategy = _STRATEGY.match(line)
        if strategy is not None:
            is_shown = strategy[1] not in seen
            seen.add(strategy[1])
        elif _STAGE.match(line) or not line:
            is_shown = True
        if is_shown and is_left_out:
            yield f"{'':>10}…"
        is_left_out = not is_shown
        if is_shown:
            yield line


if __name__ == "__main__":
    main()
