"""What it means for security that roles, memberships, passwords, grants or owners are other ones. Pure."""

from __future__ import annotations

from collections.abc import Iterator

from trimtab.security.difference import Both, Difference, Effect, RowChange

_W, _S, _N, _U = Effect.WEAKENED, Effect.STRENGTHENED, Effect.NEUTRAL, Effect.UNKNOWN

_POWERS = {
    "is_superuser": "posture.role_superuser",
    "bypasses_rls": "posture.role_bypass_rls",
    "may_replicate": "posture.role_replication",
    "may_create_roles": "posture.role_create_role",
    "may_create_databases": "posture.role_create_database",
}
PREDEFINED = {
    "pg_execute_server_program": "posture.member_of_program",
    "pg_read_server_files": "posture.member_of_files",
    "pg_write_server_files": "posture.member_of_files",
    "pg_read_all_data": "posture.member_of_all_data",
    "pg_write_all_data": "posture.member_of_all_data",
    "pg_maintain": "posture.member_of_maintain",
    "pg_create_subscription": "posture.member_of_subscription",
    "pg_checkpoint": "posture.member_of_server_control",
    "pg_signal_backend": "posture.member_of_server_control",
    "pg_signal_autovacuum_worker": "posture.member_of_server_control",
    "pg_use_reserved_connections": "posture.member_of_server_control",
    "pg_database_owner": "posture.membership",
    "pg_monitor": "posture.member_of_monitor",
    "pg_read_all_settings": "posture.member_of_monitor",
    "pg_read_all_stats": "posture.member_of_monitor",
    "pg_stat_scan_tables": "posture.member_of_monitor",
}
_DATABASE_DEFAULT = frozenset({"CONNECT", "TEMPORARY"})
_HASHES = {"none": 3, "scram-sha-256": 2, "md5": 1, "other": 0}


def role(change: RowChange, _both: Both) -> Iterator[Difference]:
    """A role that is new, gone, or may more or less than before."""
    if change.after is None:
        yield change.whole("posture.role", _S)
        return
    for name, code in _POWERS.items():
        if (change.before is None and change.after.get(name)) or (
            change.before is not None and change.before.get(name) != change.after.get(name)
        ):
            yield change.of(name, code, _W if change.after.get(name) else _S)
    if change.before is None:
        yield change.whole("posture.role", _U if change.after.get("may_log_in") else _N)
        return
    for name, old, new in change.attributes():
        match name:
            case "may_log_in":
                yield change.of(name, "posture.role_login", _W if new else _S)
            case "inherits":
                yield change.of(name, "posture.role_inherit", _W if new else _S)
            case "connection_limit":
                yield change.of(name, "posture.role_connection_limit", _fewer(old, new))
            case "valid_until":
                is_longer = new is None or (old is not None and str(new) > str(old))
                yield change.of(name, "posture.role_valid_until", _W if is_longer else _S)


def membership(change: RowChange, _both: Both) -> Iterator[Difference]:
    """Who is a member gains what the role may; a membership of a predefined role has a code of its own."""
    granted = str(change.value("granted"))
    code = PREDEFINED.get(granted, "posture.membership")
    if change.before is None or change.after is None:
        yield change.whole(code, _W if change.before is None else _S)
        return
    for name, _, new in change.attributes():
        if name == "may_grant_it":
            yield change.of(name, "posture.membership_admin", _W if new else _S)
        elif name in ("inherits", "may_become_it"):
            yield change.of(name, code, _W if new else _S)


def password(change: RowChange, _both: Both) -> Iterator[Difference]:
    """A password that is hashed worse than before, or that is new or gone; the hash itself is never read."""
    if change.after is None:
        yield change.whole("posture.password_hash", _N)
        return
    new = _rank(change.after.get("hash"))
    if change.before is None:
        yield change.whole("posture.password_hash", _N if new >= 2 else _W)
        return
    old = _rank(change.before.get("hash"))
    if old != new:
        # One that had none can now be logged in to with one: whether that is more depends on pg_hba.conf.
        effect = _U if 3 in (old, new) and new >= 2 else _W if new < old else _S
        yield change.of("hash", "posture.password_hash", effect)
        return
    for name, before, after in change.attributes():
        is_known = isinstance(before, int) and isinstance(after, int)
        # A baseline of before this was read says nothing of it.
        unknown = _U if name in change.before else _N
        yield change.of(name, "posture.password_hash", _fewer(after, before) if is_known else unknown)


def grant(change: RowChange, both: Both) -> Iterator[Difference]:
    """Each privilege that was granted or revoked; one that may be passed on is a difference of its own."""
    kind, is_public = str(change.value("kind")), bool(change.value("is_public"))
    is_new, is_gone = _object(change, both)
    for privilege, granted in change.members("privileges"):
        name, may_grant = privilege.removesuffix("*"), privilege.endswith("*")
        other = name if may_grant else f"{name}*"
        held = change.before if granted else change.after
        had = held is not None and other in _tuple(held.get("privileges"))
        if had and not may_grant:
            continue  # the same privilege, told of with its grant option
        code = "posture.grant_option" if may_grant else _grant_code(kind, name, is_public)
        if not granted:
            effect = _N if is_gone else _S
        elif is_new and not is_public:
            effect = _N  # a new object with its own grants: nobody may more with what was there
        elif is_new and (kind in ("function", "type") or (kind == "database" and name in _DATABASE_DEFAULT)):
            effect = _N  # the built-in default; of functions, what runs as its owner is told of there
        else:
            effect = _W
        yield change.member("privileges", privilege, granted, code, effect)
    for name, _, _ in change.attributes():
        if name != "privileges":
            yield change.of(name, "posture.grant", _U)


def parameter_grant(change: RowChange, _both: Both) -> Iterator[Difference]:
    """Who may set or alter a parameter."""
    for privilege, granted in change.members("privileges"):
        yield change.member("privileges", privilege, granted, "posture.grant_parameter", _W if granted else _S)


def default_privilege(change: RowChange, _both: Both) -> Iterator[Difference]:
    """What new objects of a role keep back of what everybody gets by default."""
    for privilege, withheld in change.members("withheld"):
        yield change.member("withheld", privilege, withheld, "posture.grant_default", _S if withheld else _W)


def database(change: RowChange, _both: Both) -> Iterator[Difference]:
    """A database: its owner, and who may connect."""
    if change.before is None or change.after is None:
        yield change.whole("posture.database", _N)
        return
    for name, old, new in change.attributes():
        match name:
            case "owner":
                yield change.of(name, "posture.owner", _U)
            case "allows_connections" | "is_template":  # anybody with CREATEDB may copy a template
                yield change.of(name, "posture.database_open", _W if new else _S)
            case "connection_limit":
                yield change.of(name, "posture.database_open", _fewer(old, new))


def owned(change: RowChange, _both: Both) -> Iterator[Difference]:
    """A schema: who owns it may do anything with what is in it."""
    if change.before is None or change.after is None:
        yield change.whole("posture.schema", _N)
        return
    yield change.of("owner", "posture.owner", _U)


def _object(change: RowChange, both: Both) -> tuple[bool, bool]:
    """Return whether what is granted on is new, and whether it is gone; where that is not known: neither."""
    kind, name = str(change.value("kind")), str(change.value("object"))
    match kind:
        case "relation" | "sequence":
            section, key = "relations", name
        case "column":
            section, key = "relations", _without_last(name)
        case "schema":
            section, key = "schemas", name
        case "database":
            section, key = "databases", name
        case "language":
            section, key = "languages", name
        case "type":
            section, key = (
                ("domains" if name in {**both.before.rows("domains"), **both.after.rows("domains")} else "types"),
                name,
            )
        case "function":
            return _function(change, both, name)
        case _:
            return False, False
    was, is_there = both.before.row(section, key) is not None, both.after.row(section, key) is not None
    return is_there and not was, was and not is_there  # the system's own tables are in neither


def _function(change: RowChange, both: Both, name: str) -> tuple[bool, bool]:
    """A function of the system is never new; one of a user's is when nothing of its name was there."""
    stem = _without_last(name) + "("
    had = any(key.startswith(stem) for key in both.before.rows("functions"))
    has = any(key.startswith(stem) for key in both.after.rows("functions"))
    return change.before is None and has and not had, change.after is None and had and not has


def _grant_code(kind: str, privilege: str, is_public: bool) -> str:
    if privilege == "MAINTAIN":
        return "posture.grant_maintain"
    if kind == "default":
        return "posture.grant_default"
    if is_public:
        return "posture.grant_public"
    if privilege in ("CREATE", "TRIGGER", "REFERENCES", "TRUNCATE"):
        return {
            "CREATE": "posture.grant_create",
            "TRIGGER": "posture.grant_trigger",
            "REFERENCES": "posture.grant_references",
            "TRUNCATE": "posture.grant_truncate",
        }[privilege]
    return {"column": "posture.grant_column", "function": "posture.grant_function"}.get(kind, "posture.grant")


def _without_last(name: str) -> str:
    return name.rpartition('."')[0]


def _tuple(value: object) -> tuple[str, ...]:
    return value if isinstance(value, tuple) else ()


def _fewer(old: object, new: object) -> Effect:
    """A connection limit; -1 is none."""
    before, after = (float("inf") if value == -1 else float(str(value)) for value in (old, new))
    return _W if after > before else _S


def _rank(kind: object) -> int:
    return _HASHES.get(str(kind), 0)
