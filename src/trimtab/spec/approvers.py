"""Who may approve: pins of people's keys in a specification, as `NAME=DIGEST` or `NAME=DIGEST until MOMENT`. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

from trimtab.spec.moments import PATTERN, text_of, unix_of

_UNTIL = " until "
FORM = rf"[A-Za-z0-9][A-Za-z0-9._@-]{{0,63}}=[0-9a-f]{{64}}({_UNTIL}{PATTERN})?"
_PIN = re.compile(FORM)


@dataclass(frozen=True, slots=True)
class Pin:
    """A person's key: `who` is NAME=DIGEST, the digest that of both public keys; it counts before `not_after_unix`."""

    who: str
    not_after_unix: int | None

    @property
    def digest(self) -> str:
        """The digest of the keys."""
        return self.who.partition("=")[2]

    def __str__(self) -> str:
        """Return it as documents write it."""
        return self.who if self.not_after_unix is None else f"{self.who}{_UNTIL}{text_of(self.not_after_unix)}"


def pin_of(text: str) -> Pin:
    """Return the pin of a text. Raises ValueError for what is none."""
    if _PIN.fullmatch(text) is None:
        raise ValueError("no pin")
    who, _, until = text.partition(_UNTIL)
    return Pin(who, unix_of(until) if until else None)


def common(left: Iterable[str], right: Iterable[str]) -> tuple[str, ...]:
    """Return the pins that are in both, each until the earlier of both ends."""
    ends = {pin.who: pin.not_after_unix for pin in map(pin_of, right)}
    found = []
    for pin in map(pin_of, left):
        if pin.who in ends:
            known = [end for end in (pin.not_after_unix, ends[pin.who]) if end is not None]
            found.append(str(Pin(pin.who, min(known, default=None))))
    return tuple(sorted(found))
