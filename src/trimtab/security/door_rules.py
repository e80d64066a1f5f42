"""What it means for security that the ways into a server, out of it, or into its process are other ones. Pure."""

from __future__ import annotations

from collections.abc import Iterator

from trimtab.security.difference import Both, Difference, Effect, RowChange

_W, _S, _N, _U = Effect.WEAKENED, Effect.STRENGTHENED, Effect.NEUTRAL, Effect.UNKNOWN
_UNPROVEN = ("trust", "password", "ident")
"""Methods of pg_hba.conf that prove nothing, or send the password as it is."""
_PUBLISHED = {"tables": "posture.publication_tables", "operations": "posture.publication_operations"}


def server(change: RowChange, _both: Both) -> Iterator[Difference]:
    """The server itself: an older version, or the old view of statistics, brings known holes back."""
    for name, old, new in change.attributes():
        match name:
            case "version":
                yield change.of(name, "posture.server_version", _W if int(str(new)) < int(str(old)) else _S)
            case "system_functions":
                yield change.of(name, "posture.system_function", _N if _is_other_major(change) else _U)
            case "system_objects":
                yield change.of(name, "posture.system_object", _N if _is_other_major(change) else _U)
            case "has_fixed_statistics_view":
                yield change.of(name, "posture.statistics_view", _S if new else _W)
            case _:
                yield change.of(name, "posture.server", _N)


def _is_other_major(change: RowChange) -> bool:
    """True when the server is of another major version: then its functions and operators are other ones."""
    old, new = ((row or {}).get("version") for row in (change.before, change.after))
    return int(str(old)) // 10000 != int(str(new)) // 10000


def hba(change: RowChange, both: Both) -> Iterator[Difference]:
    """A rule of pg_hba.conf: each that lets somebody in is a door, each that rejects shuts one."""
    rejects = change.value("method") == "reject"
    if change.before is None or change.after is None:
        is_new = change.before is None
        code = "posture.hba_unproven" if change.value("method") in _UNPROVEN else "posture.hba_rule"
        code = "posture.hba_reject" if rejects else code
        yield change.whole(code, _S if is_new == rejects else _W)
        return
    for name, _, _ in change.attributes():
        yield change.of(name, "posture.hba_order" if name == "follows" else "posture.hba_options", _order(change, both))


def _order(change: RowChange, both: Both) -> Effect:
    """A rule follows another one because one came or went between: that is told of there. Else the order is another."""
    changed = [name for name, _, _ in change.attributes()]
    if changed != ["follows"]:
        return _U
    old, new = str((change.before or {}).get("follows")), str((change.after or {}).get("follows"))
    is_told = both.is_gone("hba", old) or (both.is_new("hba", new) and new != "")
    return _N if is_told else _U


def ident(change: RowChange, _both: Both) -> Iterator[Difference]:
    """A user of the system that may be a role."""
    yield change.whole("posture.ident_map", _W if change.before is None else _S if change.after is None else _U)


def publication(change: RowChange, both: Both) -> Iterator[Difference]:
    """What of this database is given away, and what is not given any more."""
    if change.before is None or change.after is None:
        yield change.whole("posture.publication", _W if change.before is None else _U)
        return
    for name, _, new in change.attributes():
        match name:
            case "all_tables":
                yield change.of(name, "posture.publication_all_tables", _W if new else _U)
            case "generated_columns":
                is_told = name in change.before  # a baseline of before this was read says nothing of it
                yield change.of(name, "posture.publication_filter", _W if new else _U if is_told else _N)
            case "tables" | "operations":
                for member, is_new in change.members(name):
                    # A table that came or went with a publication of all tables is told of as a table.
                    is_told = both.is_new("relations", member) if is_new else both.is_gone("relations", member)
                    effect = _N if name == "tables" and is_told else _W if is_new else _U
                    yield change.member(name, member, is_new, _PUBLISHED[name], effect)
            case "narrowed":
                for member, is_new in change.members(name):
                    yield change.member(name, member, is_new, "posture.publication_filter", _U if is_new else _W)
            case _:
                yield change.of(name, "posture.owner" if name == "owner" else "posture.publication", _U)


def subscription(change: RowChange, _both: Both) -> Iterator[Difference]:
    """What writes here from elsewhere."""
    if change.before is None or change.after is None:
        yield change.whole("posture.subscription", _U)
        return
    for name, _, new in change.attributes():
        match name:
            case "password_required":
                yield change.of(name, "posture.subscription_password", _S if new else _W)
            case "runs_as_owner":
                yield change.of(name, "posture.subscription_rights", _W if new else _S)
            case "publications":
                for member, is_new in change.members(name):
                    yield change.member(name, member, is_new, "posture.subscription", _U)
            case _:
                yield change.of(name, "posture.owner" if name == "owner" else "posture.subscription", _U)


def replication_slot(change: RowChange, _both: Both) -> Iterator[Difference]:
    """A slot: through a logical one data leaves, without a physical one a standby falls behind."""
    yield change.whole("posture.replication_slot", _U)


def extension(change: RowChange, _both: Both) -> Iterator[Difference]:
    """An extension: it brings functions, and may bring code into the server's process."""
    if change.before is None or change.after is None:
        yield change.whole("posture.extension", _U if change.before is None else _W)
        return
    for name, _, _ in change.attributes():
        code = {"version": "posture.extension_version", "owner": "posture.owner"}.get(name, "posture.extension")
        yield change.of(name, code, _U)


def language(change: RowChange, _both: Both) -> Iterator[Difference]:
    """A language: in one that is not trusted a function may do what the server's account may."""
    if change.before is None or change.after is None:
        is_new, is_trusted = change.before is None, bool(change.value("is_trusted"))
        code = "posture.language" if is_trusted else "posture.untrusted_language"
        yield change.whole(code, _S if not is_new else _U if is_trusted else _W)
        return
    for name, _, new in change.attributes():
        if name == "is_trusted":  # "trusted" means that anybody may use it
            yield change.of(name, "posture.language", _W if new else _S)
        else:
            yield change.of(name, "posture.owner" if name == "owner" else "posture.language", _U)


def foreign_wrapper(change: RowChange, _both: Both) -> Iterator[Difference]:
    """A foreign-data wrapper."""
    yield from _foreign(change, "posture.foreign_wrapper")


def foreign_server(change: RowChange, _both: Both) -> Iterator[Difference]:
    """A server that this one reaches."""
    yield from _foreign(change, "posture.foreign_server")


def user_mapping(change: RowChange, _both: Both) -> Iterator[Difference]:
    """As whom a role reaches it."""
    yield from _foreign(change, "posture.user_mapping")


def _foreign(change: RowChange, code: str) -> Iterator[Difference]:
    if change.before is None or change.after is None:
        yield change.whole(code, _W if change.before is None else _S)
        return
    for name, _, _ in change.attributes():
        yield change.of(name, "posture.owner" if name == "owner" else code, _U)


def label(change: RowChange, _both: Both) -> Iterator[Difference]:
    """A security label, as masking and SELinux use them."""
    if change.before is None or change.after is None:
        yield change.whole("posture.security_label", _W if change.after is None else _N)
    for name, _, _ in change.attributes():
        yield change.of(name, "posture.security_label", _U)


def personal_column(change: RowChange, _both: Both) -> Iterator[Difference]:
    """A column that is called personal, or not any more: of the second our warnings know less."""
    if change.before is None or change.after is None:
        yield change.whole("posture.personal_column", _N if change.before is None else _U)
    for name, _, _ in change.attributes():
        yield change.of(name, "posture.personal_column", _U)
