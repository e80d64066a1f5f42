"""Whatever bytes a log holds, it is read to its end, and what is no execution is counted under a known reason."""

from __future__ import annotations

import gzip
import io
from collections.abc import Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from trimtab.model.execution import REASONS, Execution
from trimtab.observe.logs.reader import FORMATS, LogReader
from trimtab.observe.logs.source import LogFile

_CSV = (
    b'2026-11-29 10:00:00.123 UTC,"r","d",1,"[local]",%d.1,1,"SELECT",2026-11-29 10:00:00 UTC,1/1,0,LOG,00000,"%s",'
    b'"%s",,,,,,,,"","client backend",,5\n'
)
_JSON = (
    b'{"timestamp":"2026-11-29 10:00:00.123 UTC","session_id":"%d.1","error_severity":"LOG",'
    b'"message":"%s","detail":"%s"}\n'
)
_PLAIN = b"2026-11-29 10:00:00.123 UTC [%d] LOG:  %s\n2026-11-29 10:00:00.124 UTC [1] DETAIL:  %s\n"
_MESSAGES = st.sampled_from(
    [b"duration: 1.000 ms", b"duration: 1.000 ms  statement: SELECT 1", b"duration: 1.000 ms  execute p: SELECT 1",
     b"duration: 1.000 ms  execute fetch from p/c: SELECT 1", b"duration: 1.000 ms  bind p: SELECT 1",
     b"statement: SELECT 2",
     b"execute p: SELECT 3", b"Dauer: 1.000 ms", b"checkpoint starting: time", b"duration: 1.000 ms  plan:\\nx",
     b"duration: 1.000 ms  plan:\n\tQuery Text: SELECT 1\n\tResult  (cost=0.00..0.01 rows=1 width=4)",
     b"duration: 1.000 ms  plan:\n\t{\n\t  \\\"Query Text\\\": 1}",
     b"duration: 99999999999999999999.000 ms  statement: SELECT 1"]
)  # fmt: skip
_ENTRY = st.builds(
    lambda form, session, message, detail: form % (session, message, detail),
    st.sampled_from([_CSV, _JSON, _PLAIN]),
    st.integers(1, 3),
    _MESSAGES,
    st.sampled_from([b"", b"prepare: PREPARE p AS SELECT 4", b"Parameters: $1 = 'x'"]),
)
_NOISE = st.sampled_from(
    [b"\xff", b'"', b"\n", b"\t", b"\0", b",", b"\r\n", b"{", b"}", b"\x1f\x8b", b"LOG:  ", b"'"]
) | (st.binary(max_size=20))
_HEAD = st.sampled_from(
    [_CSV % (1, b"head", b""), _JSON % (1, b"head of the log, which is longer than that", b""),
     _PLAIN % (1, b"head of the log, which is longer than sixty-four bytes", b""), b""]
)  # fmt: skip
_LOGS = st.builds(lambda head, parts: head + b"".join(parts), _HEAD, st.lists(_ENTRY | _NOISE, max_size=20))


class Memory:
    """Files that there are not, of which only so much is there yet."""

    def __init__(self, content: bytes) -> None:
        self.content, self.size = content, len(content)

    def files(self) -> Sequence[LogFile]:
        return (LogFile("x.log", self.size, self.size),)

    def read(self, name: str, offset: int, length: int) -> bytes | None:
        file = io.BytesIO(self.content[: self.size])
        file.seek(offset)
        return file.read(length)


def _read(content: bytes, form: str | None = None) -> tuple[list[Execution], dict[str, int]]:
    reader = LogReader(Memory(content), log_format=form)
    executions = list(reader.read())
    assert reader.tally.executions == len(executions)
    assert reader.tally.left_out.keys() <= REASONS.keys()
    return executions, dict(reader.tally.left_out)


@settings(deadline=None)
@given(_LOGS, st.none() | st.sampled_from(FORMATS))
def test_any_bytes_are_read(content: bytes, form: str | None) -> None:
    _read(content, form)


@settings(deadline=None)
@given(st.binary(max_size=400))
def test_any_compressed_bytes_are_read(content: bytes) -> None:
    packed = gzip.compress(content * 3)
    _read(packed)
    _read(packed[: len(packed) // 2])
    _read(b"\x1f\x8b" + content)


@settings(deadline=None, max_examples=60)
@given(_LOGS, st.lists(st.integers(0, 2000), max_size=6))
def test_a_log_that_grows_tells_what_the_whole_log_tells(content: bytes, ends: list[int]) -> None:
    memory = Memory(content)
    reader = LogReader(memory)
    found = []
    for end in sorted(ends):
        memory.size = min(end, len(content))
        found += list(reader.read(is_final=False))
    memory.size = len(content)
    found += list(reader.read())
    whole, left_out = _read(content)
    assert sorted(map(repr, found)) == sorted(map(repr, whole))
    assert dict(reader.tally.left_out) == left_out


@pytest.mark.parametrize("form", FORMATS)
def test_what_is_longer_than_the_limit_is_skipped_and_the_next_is_read(
    form: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in ("lines", "csvlog", "stderr"):
        monkeypatch.setattr(f"trimtab.observe.logs.{module}.LIMIT_BYTES", 3000)
    shape = {"csvlog": _CSV, "jsonlog": _JSON, "stderr": _PLAIN}[form]
    good = b"duration: 1.000 ms  statement: SELECT 1 AS one_that_is_long_enough"
    newline = {"csvlog": b"\n", "jsonlog": b"\\n", "stderr": b"\n\t"}[form]
    other = b"duration: 9.000 ms  statement: SELECT 9, 9"
    forged = {
        "csvlog": (_CSV % (1, other, b"")).replace(b'"', b'""'),
        "jsonlog": b"",
        "stderr": b"\t" + _PLAIN % (1, other, b""),
    }[form]
    one_line = good + b", '" + b"x" * 5000 + b"'"
    many_lines = good + newline.join([b"x" * 500] * 20)
    with_forged = good + b"y" * 5000 + newline + forged.replace(b"\n", b"\\n" if form == "jsonlog" else b"\n")
    content = b"".join(
        shape % (1, message, b"") for message in (good, one_line, good, many_lines, good, with_forged, good)
    )
    executions, left_out = _read(content, form)
    assert left_out["too_long"] == 3
    assert len(executions) == 4
    assert len({e.query_id for e in executions}) == 1


def test_after_a_record_that_a_crash_cut_off_the_next_are_read() -> None:
    good = _CSV % (1, b"duration: 1.000 ms  statement: SELECT v FROM t\nWHERE id = 1", b"")
    executions, left_out = _read(good * 3 + good[:190] + b"\n" + good * 4)
    assert left_out["damaged"] >= 1
    assert len(executions) == 7
    executions, left_out = _read(good * 2 + good[:190])
    assert (len(executions), left_out["truncated"]) == (2, 1)


def test_a_plain_message_that_may_go_on_is_not_told_in_part() -> None:
    good = b"2026-11-29 10:00:00.123 UTC [1] LOG:  duration: 1.000 ms  statement: SELECT v\n"
    assert len(_read(good * 2)[0]) == 2
    executions, left_out = _read(good * 2 + b"\tFROM t, u WH")
    assert (len(executions), left_out["truncated"]) == (1, 1)
    executions, left_out = _read(good * 2 + good[:-5])
    assert (len(executions), left_out["truncated"]) == (2, 1)
    reader = LogReader(memory := Memory(good * 2))
    assert len(list(reader.read(is_final=False))) == 0  # the first waits for its plan, the second for its end
    memory.content = good * 2 + b"\tFROM t, u\n"
    memory.size = len(memory.content)
    assert len({e.query_id for e in reader.read()}) == 2
