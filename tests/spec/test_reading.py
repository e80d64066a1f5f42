"""YAML is read strictly, and every refusal has its line."""

import pytest

from trimtab.errors import SpecError
from trimtab.spec.reading import MAX_BYTES, read_document


def refusal(text: str | bytes) -> SpecError:
    with pytest.raises(SpecError) as caught:
        read_document(text if isinstance(text, bytes) else text.encode(), "x.yaml")
    assert caught.value.code == "spec.syntax"
    assert caught.value.next_step
    return caught.value


@pytest.mark.parametrize(
    ("text", "line", "found"),
    [
        ("a: 1\na: 2", 2, "twice"),
        ("b: {c: 1, c: 2}", 1, "twice"),
        ("a: &x 1\nb: *x", 1, "anchor"),
        ("a: 1\nb: *x", 2, "anchor"),
        ("a: !!python/object/apply:os.system [id]", 1, "tag"),
        ("a: !!str 1", 1, "tag"),
        ("a:\n  <<: {b: 1}", 2, "merge"),
        ("a: on", 1, "truth"),
        ("a: [No]", 1, "truth"),
        ("a: 2024-01-31", 1, "date"),
        ("a: 2024-01-31T10:00:00", 1, "date"),
        ("? [a]\n: 1", 1, "key"),
        ("a: [1,\nb: }", 2, "YAML"),
        ("a: 1\n---\nb: 2", 2, "YAML"),
        ("- 1", 1, "map"),
        ("", 1, "map"),
        ("[" * 60_000, 1, "deep"),
        ("{a: " * 200, 1, "deep"),
    ],
)
def test_it_is_refused_with_its_line(text: str, line: int, found: str) -> None:
    error = refusal(text)
    assert f"x.yaml, line {line} was refused" in str(error)
    assert found in str(error)


def test_a_billion_laughs_are_not_laughed() -> None:
    laughs = "a: &a [x]\n" + "".join(
        f"{chr(98 + i)}: &{chr(98 + i)} [*{chr(97 + i)}, *{chr(97 + i)}]\n" for i in range(20)
    )
    assert "anchor" in str(refusal(laughs))


@pytest.mark.parametrize("text", [b"a: \xff", b"\x00", b"a: '\x1b'", b"a" * (MAX_BYTES + 1)])
def test_bytes_that_are_no_document_are_refused(text: bytes) -> None:
    refusal(text)


def test_plain_values_have_the_types_that_they_show() -> None:
    text = (
        "a: true\nb: 12\nc: 1.5\nd: 'on'\ne: null\nf: 0755\ng: 1:30\nh: 10GB\ni: 1_000\nj: 1e-3\nk: [a, 'b']\nl: .inf"
    )
    assert read_document(text.encode(), "x").value == {
        "a": True, "b": 12, "c": 1.5, "d": "on", "e": None, "f": "0755", "g": "1:30", "h": "10GB", "i": "1_000",
        "j": 0.001, "k": ["a", "b"], "l": ".inf",
    }  # fmt: skip


def test_lines_are_remembered_by_path() -> None:
    document = read_document(b"a:\n  b: 1\n  c:\n    - 5\n    - 6\n", "x")
    assert [document.line(p) for p in [("a",), ("a", "b"), ("a", "c", 1), ("a", "c", 1, "zz")]] == [1, 2, 5, 5]
