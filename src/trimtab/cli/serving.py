"""What `trimtab serve` and `trimtab serve-user` do: options into a server on a socket, and users into a file.

Without names it can be reached from this machine alone. Beyond it there must be users, and a proxy that speaks TLS.
"""

from __future__ import annotations

import re
import socket
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from trimtab.cli.commands import ledger_of, load, print_json
from trimtab.cli.extras import require_extra
from trimtab.cli.text import printable, say
from trimtab.errors import UsageError

if TYPE_CHECKING:
    from trimtab.config import Config

NEEDED = ("starlette", "jinja2", "uvicorn", "prometheus_client", "multipart")
OWN_NAMES = ("127.0.0.1", "localhost", "[::1]")
_NAME = re.compile(r"(?:[a-z0-9](?:[a-z0-9-]*[a-z0-9])?)(?:\.[a-z0-9](?:[a-z0-9-]*[a-z0-9])?)*(?::[0-9]{1,5})?")
_LONGEST_SHUTDOWN_SECONDS = 3


@dataclass(frozen=True, slots=True)
class ServeOptions:
    """The options of `trimtab serve`, as given."""

    host: str = "127.0.0.1"
    port: int = 8321
    names: tuple[str, ...] = ()
    is_behind_tls: bool = False
    spec: str | None = None
    config: Path | None = None


def serve(asked: ServeOptions, *, as_json: bool) -> int:
    """Serve until Ctrl-C. Raises UsageError `web.not_installed`, `web.exposed`, `web.name`, `web.port`."""
    require_extra("trimtab serve", "web", *NEEDED, code="web.not_installed")
    import uvicorn

    from trimtab.web.app import web_app
    from trimtab.web.listening import listening
    from trimtab.web.site import SiteOptions

    loaded = load(asked.config)
    ledger_path = ledger_of(loaded)
    _refuse_exposed(asked, ledger_path)
    from trimtab.cli.backends import operators_of
    from trimtab.cli.collecting import history_of
    from trimtab.paths import approver_key_path

    names = tuple(_checked_name(name) for name in asked.names)
    options = SiteOptions(
        ledger_path=ledger_path,
        open_history=lambda: history_of(loaded),
        hosts=frozenset((*OWN_NAMES, *names)),
        key_path=approver_key_path,
        specification=_specification(asked, loaded),
        operators=operators_of(loaded),
        is_local=not names,
        is_secure=asked.is_behind_tls,
    )

    class Server(uvicorn.Server):
        async def startup(self, sockets: list[socket.socket] | None = None) -> None:
            await super().startup(sockets)
            if self.started:
                announce()

    with listening(asked.host, asked.port, code="web.port") as listener:
        port = int(listener.getsockname()[1])
        address = f"http://{'[::1]' if ':' in asked.host else asked.host}:{port}/"

        def announce() -> None:
            if as_json:
                print_json({"schema": "trimtab.serve/v1", "address": address, "port": port, "names": list(names)})
                sys.stdout.flush()
            else:
                say(f"trimtab serves {address} until Ctrl-C" + (f", as {', '.join(names)}" if names else ""))

        config = uvicorn.Config(
            web_app(options),
            log_level="warning",
            access_log=False,
            server_header=False,
            proxy_headers=asked.is_behind_tls,
            forwarded_allow_ips="127.0.0.1,::1",
            timeout_graceful_shutdown=_LONGEST_SHUTDOWN_SECONDS,
            h11_max_incomplete_event_size=32 * 1024,
        )
        Server(config).run(sockets=[listener])
    return 0


def user(name: str | None, *, role: str, removes: bool, lists: bool, config: Path | None, as_json: bool) -> None:
    """Make, change, remove or list users. Raises UsageError `web.user`, ConfigError `web.users`."""
    from trimtab.cli.passphrase import ask_passphrase
    from trimtab.web.users import Role, UserFile

    users = UserFile(ledger_of(load(config)).parent)
    if lists == (name is not None) or (lists and removes):
        raise UsageError(
            "serve-user was refused: name one user, or give --list",
            code="web.user",
            next_step="`trimtab serve-user NAME --role viewer` makes one.",
        )
    if name is not None and removes:
        users.remove(name)
    elif name is not None:
        if role not in [each.word for each in Role]:
            raise UsageError(
                f"the role {role!r} was refused",
                code="web.user",
                next_step=f"Name one of {', '.join(each.word for each in Role)}.",
            )
        users.put(name, Role[role.upper()], ask_passphrase(f"A new password for {printable(name)}: "))
    found = users.users()
    if as_json:
        told = [{"name": each.name, "role": each.role.word} for each in found]
        print_json({"schema": "trimtab.serve.users/v1", "users": told})
        return
    for each in found:
        print(f"{each.name}  {each.role.word}")
    if not found:
        print("nobody may log in: beyond this machine nothing is served")


def _refuse_exposed(asked: ServeOptions, ledger_path: Path) -> None:
    from trimtab.web.listening import is_loopback
    from trimtab.web.users import UserFile

    if not asked.names:
        if not is_loopback(asked.host):
            raise UsageError(
                f"{asked.host} was refused: it can be reached from other machines, and no --name says by which name",
                code="web.exposed",
                next_step="Leave --host out; or give --name, --behind-tls and users: docs/web.md tells how.",
            )
        return
    if not asked.is_behind_tls:
        raise UsageError(
            "a name beyond this machine was refused without TLS: passwords would travel in plain sight",
            code="web.exposed",
            next_step="Put a proxy that speaks TLS before it, and give --behind-tls: docs/web.md has two.",
        )
    if not UserFile(ledger_path.parent).users():
        raise UsageError(
            "a name beyond this machine was refused: nobody could log in",
            code="web.exposed",
            next_step="Make users first: trimtab serve-user NAME --role viewer",
        )


def _checked_name(name: str) -> str:
    lower = name.lower()
    if _NAME.fullmatch(lower) is None or len(lower) > 255:
        raise UsageError(
            f"{name!r} is no name of a host",
            code="web.name",
            next_step="Give it as in trimtab.example.com, or with :PORT.",
        )
    return lower


def _specification(asked: ServeOptions, loaded: Config) -> str | None:
    return asked.spec or loaded.defaults.spec
