"""What the `trimtab spec` commands about keys, waivers and bundles do: options into calls, results onto stdout."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, cast

from trimtab.cli.commands import ledger_of, load, print_json, stdout_console
from trimtab.cli.specs import read_file, show_line, write_new
from trimtab.errors import SpecError, UsageError

if TYPE_CHECKING:
    from trimtab.lifecycle.trust import Purpose
    from trimtab.spec.bundle import Bundle

MANIFEST = "bundle.yaml"


def export_key(key: Path, out: Path, *, as_json: bool) -> None:
    """Make the key where there is none, and write its public half."""
    from trimtab.signing.keys import signing_key, write_public_key

    public = signing_key(key).public
    write_public_key(public, out)
    if as_json:
        print_json({"schema": "trimtab.spec.key/v1", "key_id": public.id, "path": str(out)})
    else:
        show_line(stdout_console(), f"key {public.id}: its public half is in {out}")


def sign(file: Path, key: Path, out: Path, *, as_json: bool) -> None:
    """Read what is to be signed as whoever takes it into force would, and sign it."""
    from trimtab.lifecycle.trust import signed
    from trimtab.signing.keys import signing_key

    payload, purpose, earlier = _to_sign(file)
    secret = signing_key(key)
    write_new(out, signed(payload, purpose, secret, earlier).decode())
    if as_json:
        print_json({"schema": "trimtab.spec.sign/v1", "for": purpose, "key_id": secret.public.id, "path": str(out)})
    else:
        show_line(stdout_console(), f"{out} is signed by the key {secret.public.id}")


def trust(
    name: str | None,
    file: Path | None,
    purpose: str,
    *,
    until: str | None,
    remove: bool,
    config: Path | None,
    as_json: bool,
) -> None:
    """Believe a key, believe it no more, or list those that are believed."""
    from trimtab.lifecycle import trust as keys
    from trimtab.signing.keys import public_key
    from trimtab.spec.moments import text_of, unix_of

    try:
        not_after = None if until is None else unix_of(until)
    except ValueError as error:
        raise _usage(f"--until {error}") from None
    if until is not None and file is None:
        raise _usage("--until belongs to a key that is to be trusted")

    state = ledger_of(load(config)).parent
    use = cast("Purpose", purpose)
    if (name is None) != (file is None) and not (remove and file is None):
        raise _usage("a name and a public key belong together")
    if remove:
        if name is None or not keys.distrust(state, use, name):
            raise _usage(f"no key of that name is trusted here for {purpose}")
    elif name is not None and file is not None:
        keys.trust(state, use, name, public_key(file), not_after_unix=not_after)
    known = keys.trusted(state, use)
    if as_json:
        listed = [
            {
                "name": each,
                "key_id": one.key.id,
                "not_after": None if one.not_after_unix is None else text_of(one.not_after_unix),
                "holds": one.flaw is None,
            }
            for each, one in known.items()
        ]
        print_json({"schema": "trimtab.spec.trust/v1", "for": purpose, "keys": listed})
        return
    console = stdout_console()
    for each, one in known.items():
        ends = "" if one.not_after_unix is None else f", until {text_of(one.not_after_unix)}"
        show_line(console, f"{each}: key {one.key.id}, for {purpose}{ends if one.flaw is None else f', {one.flaw}'}")
    if not known:
        show_line(console, f"no key is trusted here for {purpose}")


def waive(file: Path | None, *, spec: str | None, remove: str | None, config: Path | None, as_json: bool) -> None:
    """Take a waiver into force or out, or list them."""
    from trimtab.lifecycle import standing_rules, waivers

    if file is not None and remove is not None:
        raise _usage("a waiver is taken into force or out, not both")
    loaded = load(config)
    ledger = ledger_of(loaded)
    now = int(time.time())
    if file is not None:
        standing_rules.waive(ledger, file, spec or loaded.defaults.spec, now)
    if remove is not None and not standing_rules.unwaive(ledger, remove):
        raise _usage("no waiver of that id is in force here")
    known = waivers.installed(ledger.parent)
    latest = standing_rules.latest_unix(ledger) if known else None
    if as_json:
        listed = [{**waiver.document(), "holds": waiver.holds_at(now, latest)} for waiver in known]
        print_json({"schema": "trimtab.spec.waive/v1", "waivers": listed})
        return
    console = stdout_console()
    for waiver in known:
        told = waiver.document()
        where = f"tables {', '.join(waiver.tables)} of {', '.join(waiver.databases)}"
        until = f"until {told['not_after']}" if waiver.holds_at(now, latest) else f"not now ({told['not_before']} on)"
        if max(now, latest or 0) >= waiver.not_after_unix:
            until = f"expired at {told['not_after']}"
        show_line(
            console, f"{waiver.id}: {waiver.rule} on {where}, {until}; {', '.join(waiver.approvers)}: {waiver.reason}"
        )
    if not known:
        show_line(console, "nothing is waived here")


def bundle(directory: Path, *, bundle_id: str, revision: int, days: int, as_json: bool) -> None:
    """Write the manifest, once every specification of the directory can be used."""
    from trimtab.spec.bundle import read_bundle
    from trimtab.spec.load import load_spec
    from trimtab.spec.moments import DAY_SECONDS, text_of

    files = sorted(p for p in directory.glob("*.y*ml") if p.name != MANIFEST and not p.name.endswith(".test.yaml"))
    if not files:
        raise _usage(f"there is no specification in {directory}")
    for path in files:
        load_spec(path)
    now = int(time.time())
    listed = "".join(f"  {path.name}: {hashlib.sha256(read_file(path)).hexdigest()}\n" for path in files)
    text = (
        "apiVersion: trimtab.dev/v1\nkind: SpecBundle\n"
        f'metadata: {{id: {bundle_id}, revision: {revision}, description: ""}}\n'
        f'not_before: "{text_of(now)}"\nexpires_at: "{text_of(now + days * DAY_SECONDS)}"\n'
        f"files:\n{listed}"
    )
    made = read_bundle(text.encode(), MANIFEST)
    write_new(directory / MANIFEST, text)
    if as_json:
        print_json({"schema": "trimtab.spec.bundle/v1", "path": str(directory / MANIFEST), **_bundle(made)})
    else:
        show_line(
            stdout_console(), f"{directory / MANIFEST} names {len(files)} files; sign it as bundle.signed beside it"
        )


def install(file: Path | None, *, config: Path | None, as_json: bool) -> None:
    """Take a bundle into force, or list those that are."""
    from trimtab.lifecycle import bundles, standing_rules

    ledger = ledger_of(load(config))
    now = int(time.time())
    if file is not None:
        standing_rules.install_bundle(ledger, file, now)
    known = bundles.in_force(ledger.parent)
    latest = max(now, standing_rules.latest_unix(ledger) or 0) if known else now
    if as_json:
        listed = [{**_bundle(each), "expired": latest >= each.expires_unix} for each in known]
        print_json({"schema": "trimtab.spec.install/v1", "bundles": listed})
        return
    console = stdout_console()
    for each in known:
        told = _bundle(each)
        state = "expired: nothing is applied by it" if latest >= each.expires_unix else "in force"
        show_line(console, f"{each.id} revision {each.revision}, {state}, until {told['expires_at']}")
        for name in sorted(each.files):
            show_line(console, f"    --spec bundle:{each.id}/{name}")
    if not known:
        show_line(console, "no bundle is in force here")


def _bundle(made: Bundle) -> dict[str, object]:
    from trimtab.spec.moments import text_of

    return {
        "id": made.id,
        "revision": made.revision,
        "digest": made.digest,
        "not_before": text_of(made.not_before_unix),
        "expires_at": text_of(made.expires_unix),
        "files": sorted(made.files),
    }


def _to_sign(file: Path) -> tuple[bytes, Purpose, list[object]]:
    """Return what is to be signed, what for, and the signatures that are there already."""
    from trimtab.lifecycle.trust import TYPES, claimed, read_envelope

    text = read_file(file)
    earlier: list[object] = []
    if text.lstrip().startswith(b"{"):
        envelope = read_envelope(file)
        given = envelope.get("signatures")
        earlier = list(given) if isinstance(given, list) else []
        purposes = {kind: purpose for purpose, kind in TYPES.items()}
        purpose = purposes.get(str(envelope.get("payloadType")))
        text = claimed(envelope, str(file))
        return _checked(text, file, purpose), purpose or "waivers", earlier
    purpose = "bundles" if b"kind: SpecBundle" in text else "waivers"
    return _checked(text, file, purpose), purpose, earlier


def _checked(text: bytes, file: Path, purpose: str | None) -> bytes:
    from trimtab.spec.bundle import read_bundle
    from trimtab.spec.waiver import read_waiver

    readers: dict[str, Callable[[bytes, str], object]] = {"bundles": read_bundle, "waivers": read_waiver}
    if purpose is None:
        raise SpecError(
            f"{file} was refused: it is neither a waiver nor a bundle's manifest",
            code="spec.signature",
            next_step="Give a document of the kind Waiver or SpecBundle, or one that was signed.",
        )
    readers[purpose](text, str(file))
    return text


def _usage(found: str) -> UsageError:
    return UsageError(
        f"the command was refused: {found}", code="usage.arguments", next_step="`trimtab spec --help` tells how."
    )
