"""Rules on settings: which, to what value, for whom. Values are shown only where they are plain words or numbers."""

from __future__ import annotations

from trimtab.model.change import SetSetting
from trimtab.spec.never import never_pattern
from trimtab.spec.settings import shown
from trimtab.validate.case import Case, Findings, broken, label


def never(case: Case) -> Findings:
    """It is none of those that buy speed with durability, safety or evidence."""
    chosen = case.pending(SetSetting)
    if not chosen:
        return None
    return [
        broken(
            "settings.never",
            f"setting {label(change.name)} is never changed, whatever a specification says",
            f"{path}.name",
            expected=f"any but {pattern}",
            actual=label(change.name),
        )
        for path, change in chosen
        if (pattern := never_pattern(change.name)) is not None
    ]


def allowed(case: Case) -> Findings:
    """The setting is allowed, and its value lies within the limit. A reset has no value that could be judged."""
    chosen = case.pending(SetSetting)
    limits = case.spec.settings.allowed
    found = []
    for path, change in chosen:
        limit = limits.get(change.name.lower())
        if limit is None:
            expected, actual = "one of " + (", ".join(limits) or "none"), label(change.name)
            what = f"setting {label(change.name)} may not be changed"
            found.append(broken("settings.allowed", what, f"{path}.name", expected=expected, actual=actual))
            continue
        known = case.facts.settings.get(change.name.lower())
        refused = "a reset" if change.value is None else limit.refusal(change.value, known.unit if known else None)
        if refused is not None:
            what = f"the value for {label(change.name)} is not allowed"
            found.append(broken("settings.allowed", what, f"{path}.value", expected=limit.text(), actual=refused))
    return found if chosen else None


def scopes(case: Case) -> Findings:
    """It is set for a database, a role, a role in a database or a function, as the specification allows."""
    chosen = case.pending(SetSetting)
    allowed_scopes = case.spec.settings.scopes
    if not chosen:
        return None
    return [
        broken(
            "settings.scopes",
            "settings may not be set there",
            f"{path}.scope",
            expected=" or ".join(allowed_scopes) or "nowhere",
            actual=shown(change.scope)
            if change.is_named_well
            else f"a {change.scope} that is not quoted as it must be",
        )
        for path, change in chosen
        if change.scope not in allowed_scopes or not change.is_named_well
    ]


def other_database(case: Case) -> Findings:
    """It is set for this database: a run never changes another one."""
    chosen = [
        (path, change, change.scope_name if change.scope == "database" else change.role_and_database[1])
        for path, change in case.pending(SetSetting)
        if change.scope in ("database", "role_in_database") and change.is_named_well
    ]
    if not chosen:
        return None
    return [
        broken(
            "settings.other_database",
            "only this database may be changed",
            f"{path}.scope_name",
            expected=label(case.facts.database),
            actual=label(database),
        )
        for path, change, database in chosen
        if database != case.facts.database
    ]
