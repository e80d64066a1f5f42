from __future__ import annotations

import contextlib
from collections.abc import Callable
from pathlib import Path
from typing import TypeAlias

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trimtab.errors import WorkloadError
from trimtab.model.workload import QueryKind, Workload
from trimtab.observe.workload_file import workload_from_file, workload_from_texts

Read: TypeAlias = Callable[[str | bytes], Workload]


@pytest.fixture
def read(tmp_path: Path) -> Read:
    def reading(text: str | bytes) -> Workload:
        path = tmp_path / "workload.sql"
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        return workload_from_file(path)

    return reading


def test_weights_and_names_stand_above_their_statement(read: Read) -> None:
    found = read("-- weight: 12.5\n-- name: by id\nSELECT * FROM t WHERE id = 1;\nUPDATE t SET a = 2;")
    assert [(q.name, q.weight, q.kind) for q in found.queries] == [
        ("by id", 12.5, QueryKind.READ),
        (found.queries[1].id, 1.0, QueryKind.WRITE),
    ]
    assert found.origin == "file"


def test_equal_statements_add_up_and_other_literals_are_queries_of_their_own(read: Read) -> None:
    found = read(
        "SELECT a FROM t WHERE b = 1;\nSELECT a FROM t WHERE b = 2;\n-- weight: 3\nSELECT a FROM t WHERE b = 1;"
    )
    first, second = found.queries
    assert (first.weight, second.weight) == (4.0, 1.0)
    assert second.id == f"{first.id}-2"
    assert first.id.startswith("q")
    assert len(first.id) == 11


def test_what_cannot_be_used_is_listed_and_the_rest_goes_on(read: Read) -> None:
    found = read("SELEC 'secret';\nSELECT 1;\n-- name: clean\nVACUUM t;\nSELECT pg_terminate_backend(1);")
    assert [q.text for q in found.queries] == ["SELECT 1"]
    assert [(s.name, s.code) for s in found.skipped] == [
        ("line 1", "sql.syntax"),
        ("clean", "sql.utility"),
        ("line 5", "sql.session_control"),
    ]
    assert "secret" not in "".join(s.reason + s.normalized_text for s in found.skipped)


def test_open_parameters_are_counted(read: Read) -> None:
    (query,) = read("SELECT a FROM t WHERE b = $1 AND c = $2").queries
    assert (query.parameter_count, query.is_runnable) == (2, False)


@pytest.mark.parametrize(
    ("text", "code", "said"),
    [
        ("", "workload.empty", "no statement"),
        ("  \n-- only words\n;;", "workload.empty", "no statement"),
        ("VACUUM;", "workload.empty", "none of its 1 statements"),
        (b"SELECT 1;\nSELECT '\xff';", "workload.not_utf8", "line 2"),
        ("SELECT 0;\n-- weight: many\nSELECT 1;", "workload.bad_weight", "line 3"),
        ("-- weight: 0\nSELECT 1;", "workload.bad_weight", "positive"),
        ("-- weight: -2\nSELECT 1;", "workload.bad_weight", "positive"),
        ("-- weight: nan\nSELECT 1;", "workload.bad_weight", "finite"),
        ("-- weight: inf\nSELECT 1;", "workload.bad_weight", "finite"),
        ("-- weight: 1e308\nSELECT 1;", "workload.bad_weight", "1e+15"),
        ("-- weight:\nSELECT 1;", "workload.bad_weight", "not a number"),
        ("-- weight: 1\n-- weight: 2\nSELECT 1;", "workload.bad_weight", "twice"),
        ("-- name:\nSELECT 1;", "workload.bad_name", "empty"),
    ],
)
def test_a_file_that_cannot_be_understood_is_refused_with_its_place(
    read: Read, text: str | bytes, code: str, said: str
) -> None:
    with pytest.raises(WorkloadError) as caught:
        read(text)
    assert caught.value.code == code
    assert said in str(caught.value)
    assert caught.value.next_step


def test_statements_in_memory_are_read_as_a_file_is(read: Read) -> None:
    texts = (
        "-- weight: 12.5\n-- name: by id\nSELECT * FROM t WHERE id = 1;",
        "UPDATE t SET a = 2 -- all of them",
        "VACUUM",
    )
    assert workload_from_texts(texts) == read("\n;\n".join(texts))
    with pytest.raises(WorkloadError) as caught:
        workload_from_texts(["SELECT 1;", "-- weight: many\nSELECT 2;"])
    assert str(caught.value).startswith("the workload is refused: the weight of the statement on line 4")
    assert caught.value.code == "workload.bad_weight"


def test_a_missing_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(WorkloadError) as caught:
        workload_from_file(tmp_path / "none.sql")
    assert caught.value.code == "workload.unreadable"


def test_a_byte_order_mark_is_no_mistake(read: Read) -> None:
    assert len(read(b"\xef\xbb\xbfSELECT 1;").queries) == 1


@given(st.binary(max_size=400))
def test_no_file_raises_anything_but_our_refusal(tmp_path_factory: pytest.TempPathFactory, raw: bytes) -> None:
    path = tmp_path_factory.mktemp("any") / "any.sql"
    path.write_bytes(raw)
    with contextlib.suppress(WorkloadError):
        assert workload_from_file(path).queries
