"""Security before and after every change: what a change does not declare may not stand.

It looks once before the first change and once after each, so that nothing happens between two looks unseen. What was
found is in the ledger, by codes and digests alone. It takes nothing back itself: the enforcement point does.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from trimtab.errors import ApplyError, RefusedError, SourceError
from trimtab.ledger.entry import Kind
from trimtab.ledger.ledger import Ledger
from trimtab.model.change import Change, change_digest
from trimtab.security.difference import Difference, compare, counted_as_weakened
from trimtab.security.expected import undeclared
from trimtab.security.findings import change_warnings
from trimtab.security.snapshot import SecuritySnapshot
from trimtab.security.statements import blocked_change

_MOST_TOLD, _MOST_NOTED = 100, 10


@dataclass(slots=True)
class Preservation:
    """The security of one source through a run. `look` reads it anew; `notes` and what was `found` are for the report.

    `held` is what the next look is compared with: the last one that was as it may be.
    """

    look: Callable[[], SecuritySnapshot]
    ledger: Ledger
    run_id: str
    held: SecuritySnapshot | None = None
    is_broken: bool = False
    notes: list[str] = field(default_factory=list)
    compared: int = 0
    found: list[Difference] = field(default_factory=list)

    def look_first(self) -> None:
        """Look, unless that was done. Raises SourceError."""
        if self.held is None:
            self.held = self.look()

    def look_before_taking_back(self) -> None:
        """Look, unless that was done; that it cannot be done is noted, and keeps nothing from being taken back."""
        try:
            self.look_first()
        except SourceError as error:
            self.notes.append(f"security was not looked at before a change was taken back: {error}")

    def begin(self) -> None:
        """Look for the first time. After something that might not stand: refuse, unless all is as it was.

        Raises RefusedError `security.weakened_before`, SourceError.
        """
        if self.held is None:
            self.look_first()
        elif self.is_broken:
            now = self.look()
            worse = [each for each in compare(self.held, now) if each.effect.counts_as_weakened]
            if worse:
                raise RefusedError(
                    f"nothing more is changed: since this run began, security is weaker by {_told(worse)}",
                    code="security.weakened_before",
                    next_step="Find out who did that, undo it or take a new baseline, and run again.",
                )
            self.held, self.is_broken = now, False

    def refuse_blocked(self, change: Change) -> None:
        """Refuse what is always blocked before it is tried, and note what deserves a warning.

        Raises RefusedError `security.blocked`.
        """
        assert self.held is not None, "a look before the first change"
        found = blocked_change(change, self.held)
        if found:
            raise RefusedError(
                f"{change.kind} was refused: it would do what is never done, {', '.join(found)}",
                code="security.blocked",
                next_step="No specification can allow it; docs/security.md lists every item.",
            )
        self.notes += [
            f"security: {each.code}: {change.kind} {each.subject}: {each.found}"
            for each in change_warnings(change, self.held)
        ]

    def made(self, change: Change, body: Mapping[str, str]) -> None:
        """Compare after a change that was made. Raises ApplyError `security.undeclared`, SourceError, LedgerError."""
        found = self._compare(change, body)
        if found:
            self.is_broken = True
            raise ApplyError(
                f"{change.kind} may not stand: with it came what it does not declare, {_told(found)}; "
                "it may be somebody else's doing at the same time",
                code="security.undeclared",
                next_step="It was taken back. Find out what made that difference; `trimtab security check` tells all.",
            )

    def taken_back(self, inverse: Change, body: Mapping[str, str]) -> None:
        """Compare after a change was taken back: that stays so whatever is found, and what is found is noted."""
        self._note(inverse, body, f"after {inverse.kind} took back a change", only_weakened=False)

    def answered(self, change: Change, body: Mapping[str, str]) -> None:
        """Compare after what an interrupted change left was finished or removed; what is weaker then is noted."""
        self._note(change, body, f"after an interrupted {change.kind} was answered", only_weakened=True)

    def _note(self, change: Change, body: Mapping[str, str], when: str, *, only_weakened: bool) -> None:
        if self.held is None:  # it could not be looked at before, which was noted
            return
        try:
            found = self._compare(change, body)
        except SourceError as error:
            self.is_broken = True
            self.notes.append(f"security was not looked at {when}: {error}")
            return
        if only_weakened:
            found = counted_as_weakened(found)
        if found:
            self.is_broken = True
            self.notes.append(f"security: {when}, {_told(found)}")

    def _compare(self, change: Change, body: Mapping[str, str]) -> tuple[Difference, ...]:
        before, after = self.held, self.look()
        assert before is not None, "a look before the first change"
        differences = compare(before, after)
        found = undeclared(differences, change)
        self.compared += 1
        self.ledger.append(
            Kind.SECURITY_COMPARED,
            {
                **body,
                "change_digest": change_digest(change),
                "before_digest": before.digest,
                "after_digest": after.digest,
                "difference_count": len(differences),
                "undeclared_count": len(found),
                "warnings": sorted({each.code for each in change_warnings(change, before)}),
                "differences": [_body(each, is_declared=each not in found) for each in differences[:_MOST_TOLD]],
            },
            run_id=self.run_id,
        )
        if not found and not self.is_broken:
            self.held = after
        self.found += found
        # Errors are written to the ledger, and so name no object; the report does.
        self.notes += [f"security: {each.code} ({each.effect.value}) at {each.path}" for each in found[:_MOST_NOTED]]
        return found


def _body(found: Difference, *, is_declared: bool) -> dict[str, object]:
    """No value and no name: the report tells those to whoever may read the server."""
    return {
        "code": found.code,
        "effect": found.effect.value,
        "section": found.section,
        "path_sha256": hashlib.sha256(found.path.encode()).hexdigest(),
        "stands": is_declared,
    }


def _told(found: Sequence[Difference]) -> str:
    first = found[0]
    more = f", and {len(found) - 1} more" if len(found) > 1 else ""
    return f"{first.code} ({first.effect.value}) in {first.section}{more}"
