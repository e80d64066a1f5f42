"""Holds the plans that were checked against those of the baseline: an anchor's, else the first that was seen. Pure.

It says that a plan is another one; never why.
"""

from __future__ import annotations

from collections.abc import Mapping, MutableMapping, Sequence
from dataclasses import dataclass, field, replace

from trimtab.anchor.vigil import Vigil
from trimtab.lifecycle.watch_plans import Checked
from trimtab.lifecycle.watch_store import KnownStatement
from trimtab.model.traffic import StatementKey
from trimtab.model.watched import References

CHANGED, UNCHANGED, NOT_CHECKED = "changed", "unchanged", "not checked"


@dataclass(slots=True)
class Shapes:
    """What is known of plans: the anchor's, and in a word how each statement's stood when it was last checked."""

    references: References = field(default_factory=dict)
    _words: MutableMapping[StatementKey, str] = field(default_factory=dict)

    def word(self, key: StatementKey) -> str:
        """Return how a statement's plan stands: changed, unchanged, or why it is not known."""
        return self._words.get(key, NOT_CHECKED)

    def first(self, key: StatementKey, known: KnownStatement | None) -> str:
        """Return the shape of the baseline: an anchor's, else the first that was seen; "" where there is none yet."""
        reference = self.references.get(key[1])
        of_anchor = reference.plan_shape if reference is not None else ""
        return of_anchor or (known.shape if known is not None else "")

    def note(self, checked: Checked, known: KnownStatement | None) -> None:
        """Take what a check has found."""
        is_changed = self.first(checked.key, known) not in ("", checked.shape)
        self._words[checked.key] = checked.why if not checked.shape else CHANGED if is_changed else UNCHANGED

    def held_against(
        self, vigil: Vigil, checked: Sequence[Checked], known: Mapping[StatementKey, KnownStatement]
    ) -> tuple[Vigil, list[tuple[str, Mapping[str, object]]]]:
        """Return the vigil that knows which plans changed, and the changes as events."""
        place, changed = vigil.place, vigil.plan_changed.copy()
        events: list[tuple[str, Mapping[str, object]]] = []
        for each in checked:
            row, statement = place.get(each.key), known.get(each.key)
            if row is None or statement is None:
                continue
            self.note(each, statement)
            if not each.shape:
                continue
            first = self.first(each.key, statement)
            is_changed = first not in ("", each.shape)
            if is_changed != changed[row]:
                kind = "plan_changed" if is_changed else "plan_back"
                events.append((kind, {"subject": statement.name, "from": first, "to": each.shape}))
            changed[row] = is_changed
        return replace(vigil, plan_changed=changed), events
