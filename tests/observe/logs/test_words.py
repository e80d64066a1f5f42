"""Times, prefixes and messages that no test server writes: other zones, other languages, forms of other versions."""

from __future__ import annotations

import gettext
from pathlib import Path

import pytest

from trimtab.errors import UsageError
from trimtab.observe.logs.messages import Kind, said_of
from trimtab.observe.logs.prefix import Prefix, is_message
from trimtab.observe.logs.times import Times, epoch_ns

_CATALOGS = sorted(Path("/usr/share/locale").glob("*/LC_MESSAGES/postgres-1*.mo"))
_NS = 10**9


@pytest.mark.parametrize(
    ("text", "zone", "seconds"),
    [
        ("1970-01-01 00:00:10.500 UTC", None, 10.5),
        ("1970-01-01 00:00:10 GMT", "America/New_York", 10),
        ("1970-01-01 05:30:10.500 +0530", None, 10.5),
        ("1969-12-31 19:00:10.500 -05", None, 10.5),
        ("2026-10-25 02:30:00.000 CEST", "Europe/Berlin", 1792888200),
        ("2026-10-25 02:30:00.000 CET", "Europe/Berlin", 1792891800),
        ("2026-10-25 02:30:00.000 CET", None, None),
        ("2026-07-01 12:00:00.000 CET", "Europe/Berlin", None),
        ("2026-07-01 12:00:00.000 CET", "No/Where", None),
        ("2026-07-01 12:00:00.000 CET", "../../etc/passwd", None),
        ("2026-13-01 12:00:00.000 UTC", None, None),
        ("0000-01-01 12:00:00.000 UTC", None, None),
        ("yesterday", None, None),
    ],
)
def test_times_are_read_in_their_zones(text: str, zone: str | None, seconds: float | None) -> None:
    assert Times(zone).read(text) == (None if seconds is None else int(seconds * 1000) * 1_000_000)


def test_epochs_are_read() -> None:
    assert epoch_ns("12.345") == 12 * _NS + 345_000_000
    assert [epoch_ns(text) for text in ("", "1", "1.2", "x.123", "1.1234")] == [None] * 5


def test_a_prefix_without_a_time_is_refused() -> None:
    with pytest.raises(UsageError) as refused:
        Prefix("[%p] %u@%d ", Times(None))
    assert refused.value.code == "logs.no_time"


@pytest.mark.parametrize(
    "prefix", ["%", "%m%", "%m (%p) [%%] ", "%m %Z %p ", "%m %999p ", "%m %-3d%5q ", "%m%u%d%a%h%r%b"]
)
def test_strange_prefixes_are_read_as_the_server_writes_them(prefix: str) -> None:
    if "%m" not in prefix:
        with pytest.raises(UsageError):
            Prefix(prefix, Times(None))
        return
    written = {"%m%": "%", "%m (%p) [%%] ": " (7) [%] ", "%m %Z %p ": "  7 "}.get(prefix, "")
    start = Prefix(prefix, Times(None)).match(f"2026-11-29 10:00:00.000 UTC{written}LOG:  x".encode())
    # Where nothing stands between the time and the word, no time is believed.
    assert start is None or start.severity == "LOG" or start.time_ns is None
    assert start is not None or not written


@pytest.mark.parametrize(
    ("line", "claim"),
    [
        ("2026-11-29 10:00:00 UTC [7] LOG:  x", True),
        ("app@shop:FATAL:  x", True),
        ("STATEMENT:  SELECT 1", True),
        ("2026-11-29 10:00:00 UTC [7] СООБЩЕНИЕ:  x", True),
        ("P00  ERROR: [082]: x", False),
        ("INFO:     x", False),
        ("Total:  16 MiB", False),
        ("cp: cannot stat 'x'", False),
    ],
)
def test_a_message_is_told_from_another_program_s_line(line: str, claim: bool) -> None:
    assert is_message(line.encode()) is claim


@pytest.mark.system_postgres
@pytest.mark.parametrize("path", _CATALOGS, ids=lambda path: path.parts[-3])
def test_messages_of_all_languages_are_known_by_their_severity(path: Path) -> None:
    with path.open("rb") as file:
        catalog = gettext.GNUTranslations(file)
    words = ("LOG", "ERROR", "FATAL", "PANIC", "WARNING", "NOTICE", "INFO", "DEBUG")
    assert [word for word in words if not is_message(f"{catalog.gettext(word)}:  x".encode())] == []


@pytest.mark.system_postgres
@pytest.mark.parametrize("path", _CATALOGS, ids=lambda path: path.parts[-3])
def test_durations_in_other_languages_are_counted_and_never_misread(path: Path) -> None:
    with path.open("rb") as file:
        catalog = gettext.GNUTranslations(file)
    for form, values in (
        ("duration: %s ms", ("1234.567",)),
        ("duration: %s ms  statement: %s", ("1234.567", "SELECT 1")),
        ("duration: %s ms  %s %s%s%s: %s", ("1234.567", "execute", "p", "", "", "SELECT 1")),
        ("duration: %s ms  parse %s: %s", ("1234.567", "p", "SELECT 1")),
    ):
        translated = catalog.gettext(form)
        said = said_of(translated % values, "")
        if translated != form:
            assert said is not None
            assert (said.kind, said.reason) == (Kind.LEFT_OUT, "localized")


@pytest.mark.parametrize(
    ("message", "kind", "reason"),
    [
        ("duration: 0.010 ms", Kind.LASTED, ""),
        ("duration: 0.010 ms  statement: SELECT 1", Kind.LASTED, ""),
        ("duration: 0.010 ms  execute fetch from p/c: SELECT 1", Kind.LEFT_OUT, "cursor"),
        ("duration: 0.010 ms  bind p/c: SELECT 1", Kind.LEFT_OUT, "parse_or_bind"),
        ('duration: 0.010 ms  fastpath function call: "f" (OID 1)', Kind.LEFT_OUT, "fastpath"),
        ("statement: SELECT 1", Kind.BEGAN, ""),
        ("execute p/c: SELECT 1", Kind.BEGAN, ""),
        ("execute fetch from p: SELECT 1", Kind.LEFT_OUT, "cursor"),
    ],
)
def test_english_messages(message: str, kind: Kind, reason: str) -> None:
    said = said_of(message, "")
    assert said is not None
    assert (said.kind, said.reason) == (kind, reason)


@pytest.mark.parametrize(
    "message",
    ["", "checkpoint complete: wrote 3 buffers (0.0%); write=0.001 s, total=1.234 s", "bind x: y", "parse: z",
     "process 12 still waiting for ShareLock on transaction 7 after 1000.123 ms", "temporary file: size 14000.000 kB"],
)  # fmt: skip
def test_messages_of_no_statement(message: str) -> None:
    assert said_of(message, "") is None
