"""The parameters of a request, each bounded: what is no such value is refused, and nothing is guessed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from trimtab.errors import UsageError
from trimtab.history.values import Window

LONGEST_SECONDS = 5 * 366 * 86400
MOST_OFFSET = 10_000_000
_MOST_TEXT = 400


@dataclass(frozen=True, slots=True)
class Parameter:
    """A parameter as the OpenAPI document has it. `kind` is string or integer; `otherwise` what it is when left out."""

    name: str
    meaning: str
    kind: str = "string"
    is_needed: bool = False
    otherwise: str | int | None = None
    choices: Sequence[str] = ()
    least: int = 0
    most: int = MOST_OFFSET
    is_in_path: bool = False


SECONDS = Parameter(
    "seconds", "The window: the last so many seconds.", "integer", otherwise=3600, least=1, most=LONGEST_SECONDS
)
OFFSET = Parameter("offset", "Where the page begins.", "integer", otherwise=0)
LIMIT = Parameter("limit", "How many a page has.", "integer", otherwise=50, least=1, most=500)
SERVER = Parameter("server", "A server's name, as the fleet has it.", is_needed=True)


@dataclass(frozen=True, slots=True)
class Asked:
    """The parameters of one request, as given; `path` are those of its path."""

    query: Mapping[str, str]
    path: Mapping[str, str]

    def text(self, parameter: Parameter) -> str:
        """Return a text. Raises UsageError `web.parameter`."""
        value = self._given(parameter)
        if value is None:
            return str(parameter.otherwise or "")
        if len(value) > _MOST_TEXT or "\0" in value:
            raise _refused(parameter, "it is too long, or holds a NUL")
        if parameter.choices and value not in parameter.choices:
            raise _refused(parameter, f"it is one of {', '.join(parameter.choices)}")
        return value

    def optional(self, parameter: Parameter) -> str | None:
        """Return a text, None where it is left out or empty. Raises UsageError `web.parameter`."""
        return self.text(parameter) or None

    def number(self, parameter: Parameter) -> int:
        """Return a whole number. Raises UsageError `web.parameter`."""
        value = self._given(parameter)
        if value is None or value == "":
            return int(parameter.otherwise or 0)
        if not value.isascii() or not value.isdigit() or len(value) > 15:
            raise _refused(parameter, "it is no whole number")
        found = int(value)
        if not parameter.least <= found <= parameter.most:
            raise _refused(parameter, f"it is from {parameter.least} to {parameter.most}")
        return found

    def window(self, now_ns: int, parameter: Parameter = SECONDS) -> Window:
        """Return the window of the last so many seconds. Raises UsageError `web.parameter`."""
        return Window(now_ns - self.number(parameter) * 10**9, now_ns)

    def _given(self, parameter: Parameter) -> str | None:
        value = (self.path if parameter.is_in_path else self.query).get(parameter.name)
        if value is None and parameter.is_needed:
            raise _refused(parameter, "it is missing")
        return value


def _refused(parameter: Parameter, found: str) -> UsageError:
    return UsageError(
        f"the parameter {parameter.name} was refused: {found}",
        code="web.parameter",
        next_step="/api/v1/openapi.json tells of every parameter.",
    )
