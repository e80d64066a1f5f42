"""Reads YAML the strict way: one document of maps, lists and plain values, and nothing that a reader could misjudge.

Refuses duplicate keys, anchors and aliases, tags, merge keys, implicit on/off/yes/no and dates, deep nesting and large
files. Remembers the line of every value, so that a later refusal can point at it.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from functools import lru_cache
from typing import NoReturn, TypeAlias

import yaml

from trimtab.errors import SpecError

MAX_BYTES = 64 * 1024
MAX_DEPTH = 16
Path: TypeAlias = tuple[str | int, ...]
Value: TypeAlias = "bool | int | float | str | list[Value] | dict[str, Value] | None"

_AMBIGUOUS = re.compile(r"yes|no|on|off|y|n", re.IGNORECASE)
_DATE = re.compile(r"\d{4}-\d{1,2}-\d{1,2}([Tt ].*)?")


@dataclass(frozen=True, slots=True)
class Document:
    """What a text says, and on which line (from 1) each value stands. `name` is what refusals call the text."""

    name: str
    value: dict[str, Value]
    lines: dict[Path, int] = field(repr=False)

    def line(self, path: Path) -> int | None:
        """Return the line of the value at the path, or of the nearest one above it."""
        for end in range(len(path), -1, -1):
            if path[:end] in self.lines:
                return self.lines[path[:end]]
        return None


@lru_cache(maxsize=64)
def read_document(text: bytes, name: str) -> Document:
    """Return what the text says, read once while it is the same. Raises SpecError `spec.syntax` with the line."""
    if len(text) > MAX_BYTES:
        _refuse(name, None, f"it is larger than {MAX_BYTES // 1024} KiB", "Split it with extends, or shorten it.")
    try:
        decoded = text.decode("utf-8-sig")
        loader = _StrictLoader(decoded)
        node = loader.get_single_node()
    except UnicodeDecodeError:
        _refuse(name, None, "it is not UTF-8 text", "Save it as UTF-8.")
    except _RefusedError as refused:
        _refuse(name, refused.line, refused.found, refused.next_step)
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else None
        _refuse(name, line, f"it is not valid YAML ({error.problem or error.context})", "Correct that line.")
    except yaml.YAMLError:
        _refuse(name, None, "it holds a character that YAML does not allow", "Remove control characters.")
    if not isinstance(node, yaml.MappingNode):
        _refuse(name, 1, "it is not a map of fields", "Begin with apiVersion, kind, metadata and spec.")
    lines: dict[Path, int] = {}
    try:
        value = _convert(node, (), lines)
    except _RefusedError as refused:
        _refuse(name, refused.line, refused.found, refused.next_step)
    assert isinstance(value, dict)
    return Document(name, value, lines)


class _RefusedError(Exception):
    def __init__(self, line: int, found: str, next_step: str) -> None:
        super().__init__(found)
        self.line, self.found, self.next_step = line, found, next_step


class _StrictLoader(yaml.SafeLoader):
    """Composes nodes, refusing every event that makes a document say more than it shows."""

    yaml_implicit_resolvers: dict[str, list[tuple[str, re.Pattern[str]]]] = {}  # noqa: RUF012  # plain texts stay texts

    def __init__(self, text: str) -> None:
        super().__init__(text)
        self._depth = 0

    def compose_node(self, parent: yaml.Node | None, index: int) -> yaml.Node | None:
        event = self.peek_event()  # type: ignore[no-untyped-call]
        line = event.start_mark.line + 1
        if isinstance(event, yaml.AliasEvent) or getattr(event, "anchor", None) is not None:
            raise _RefusedError(line, "it uses an anchor or alias (& or *)", "Write the value out, or quote the text.")
        if getattr(event, "tag", None) is not None:
            raise _RefusedError(line, "it uses a tag (!)", "Remove the tag, or quote the text.")
        if self._depth >= MAX_DEPTH:
            raise _RefusedError(line, f"it is nested more than {MAX_DEPTH} deep", "Write it flatter.")
        self._depth += 1
        try:
            return super().compose_node(parent, index)
        finally:
            self._depth -= 1


def _convert(node: yaml.Node, path: Path, lines: dict[Path, int]) -> Value:
    lines[path] = node.start_mark.line + 1
    if isinstance(node, yaml.MappingNode):
        return _convert_map(node, path, lines)
    if isinstance(node, yaml.SequenceNode):
        return [_convert(item, (*path, number), lines) for number, item in enumerate(node.value)]
    assert isinstance(node, yaml.ScalarNode)
    return _convert_scalar(node)


def _convert_map(node: yaml.MappingNode, path: Path, lines: dict[Path, int]) -> dict[str, Value]:
    result: dict[str, Value] = {}
    for key_node, value_node in node.value:
        line = key_node.start_mark.line + 1
        if not isinstance(key_node, yaml.ScalarNode) or not key_node.value:
            raise _RefusedError(line, "a key is not a plain name", "Write the key as a name.")
        key = str(key_node.value)
        if key == "<<" and key_node.style is None:
            raise _RefusedError(line, "it uses a merge key (<<)", "Write the fields out, or use extends.")
        if key in result:
            first = lines[(*path, key)]
            raise _RefusedError(line, f"the key {key!r} is there twice (first on line {first})", "Keep one of them.")
        result[key] = _convert(value_node, (*path, key), lines)
        lines[(*path, key)] = line
    return result


def _convert_scalar(node: yaml.ScalarNode) -> Value:
    """Give plain scalars YAML 1.2's core types; what YAML 1.1 would read otherwise must be quoted."""
    text = str(node.value)
    if node.style is not None:
        return text
    line = node.start_mark.line + 1
    if _AMBIGUOUS.fullmatch(text):
        raise _RefusedError(
            line, f"{text} may mean a truth value or a word", "Write true or false, or put it in quotes."
        )
    if _DATE.fullmatch(text):
        raise _RefusedError(line, "it holds a bare date", "Put the date in quotes.")
    if text in ("", "~", "null"):
        return None
    if text in ("true", "false"):
        return text == "true"
    if re.fullmatch(r"[-+]?(0|[1-9][0-9]{0,17})", text):
        return int(text)
    if re.fullmatch(r"[-+]?(0|[1-9][0-9]{0,17})(\.[0-9]{1,24})?([eE][-+]?[0-9]{1,3})?", text):
        return float(text)
    return text


def _refuse(name: str, line: int | None, found: str, next_step: str) -> NoReturn:
    where = name if line is None else f"{name}, line {line}"
    raise SpecError(f"{where} was refused: {found}", code="spec.syntax", next_step=next_step)
